//! What happens when a mapped file is cut off under a reader: nothing.
//!
//! Touching a page of a map that lies behind the end of its file raises SIGBUS, whose default
//! ends the process. The handler here puts an empty page in the place of the missing one and
//! remembers the fault; the reader finds nothing there, and the store makes its files anew at the end
//! of the turn. Faults elsewhere go where they went before.
//!
//! In the file with the entries an empty page is a leaf of the tree without entries, in LMDB's own
//! format; in other files it is zeros. Within a write transaction nothing is replaced: LMDB counts on
//! its pages there, so the transaction is given up as a whole (`abandon.rs`). So it is when LMDB follows
//! a page that somebody has spoiled since it was checked to where there is no memory (SIGSEGV), or one of
//! its assertions finds that it cannot be (SIGABRT).
//!
//! The files are reserved on disk and their length is looked at in each turn, so this is for the
//! moments in between, and for file systems that cannot reserve space.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::abandon;
use crate::limits::GUARDED_MAPS_MAX;

thread_local! {
    /// This thread is making maps whose addresses are not known yet.
    static OPENING: Cell<bool> = const { Cell::new(false) };
    /// A page was missing in one of them.
    static OPENING_FAULTED: Cell<bool> = const { Cell::new(false) };
}

/// Does work that makes maps and touches them; whether all their pages were there. A missing one reads
/// as zeros.
pub(super) fn while_opening<T>(work: impl FnOnce() -> T) -> (T, bool) {
    let installed = install().is_some();
    OPENING.set(installed);
    OPENING_FAULTED.set(false);
    let result = work();
    OPENING.set(false);
    (result, !OPENING_FAULTED.get())
}

/// A guarded range of addresses. It is free while `start` is zero.
struct Slot {
    start: AtomicUsize,
    len: AtomicUsize,
    /// The pages are those of LMDB's trees.
    tree: AtomicBool,
    faulted: AtomicBool,
}

static SLOTS: [Slot; GUARDED_MAPS_MAX] = [const {
    Slot {
        start: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        tree: AtomicBool::new(false),
        faulted: AtomicBool::new(false),
    }
}; GUARDED_MAPS_MAX];

/// The signals that LMDB ends a process with. It keeps its assertions in every build, see the profiles in
/// the workspace's `Cargo.toml`: without them it goes on with what cannot be.
const SIGNALS: [libc::c_int; 3] = [libc::SIGBUS, libc::SIGSEGV, libc::SIGABRT];

/// What was to happen before, and the size of a page.
struct Installed {
    previous: [libc::sigaction; SIGNALS.len()],
    page: usize,
    /// Where the C library puts what it says before it ends the process by itself; zero if it does not
    /// tell.
    last_words: usize,
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// A map that may be cut off without harm while this value lives: what is missing reads as zeros, and
/// what is written there is kept for this process only.
#[derive(Debug)]
pub struct Guard {
    slot: usize,
}

impl Guard {
    /// Guards `len` bytes from `start`. Nothing if there are too many guards.
    pub fn new(start: usize, len: usize) -> Option<Self> {
        Guard::of(start, len, false)
    }

    /// The same for the pages of LMDB's trees.
    pub(super) fn of_trees(start: usize, len: usize) -> Option<Self> {
        Guard::of(start, len, true)
    }

    fn of(start: usize, len: usize, tree: bool) -> Option<Self> {
        install()?;
        for (index, slot) in SLOTS.iter().enumerate() {
            // One is never the start of a map, so a slot that is being filled matches nothing.
            if slot.start.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                slot.faulted.store(false, Ordering::Relaxed);
                slot.tree.store(tree, Ordering::Relaxed);
                slot.len.store(len, Ordering::Relaxed);
                slot.start.store(start, Ordering::Release);
                return Some(Guard { slot: index });
            }
        }
        None
    }

    /// Whether a page of the map was missing when it was touched.
    #[inline]
    pub(super) fn has_faulted(&self) -> bool {
        SLOTS[self.slot].faulted.load(Ordering::Relaxed)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        SLOTS[self.slot].len.store(0, Ordering::Relaxed);
        SLOTS[self.slot].start.store(0, Ordering::Release);
    }
}

/// Installs the handlers, once in a process; nothing if the system refuses.
fn install() -> Option<()> {
    INSTALLED.get_or_init(|| {
        // SAFETY: all zeros is a valid `sigaction` (the default action, an empty mask), both
        // pointers are valid for the calls, and the handlers are of the kind SA_SIGINFO demands.
        unsafe {
            let mut previous =
                [MaybeUninit::<libc::sigaction>::zeroed().assume_init(); SIGNALS.len()];
            // The previous actions are read first, so that the handlers find them from the start.
            for (signal, previous) in SIGNALS.iter().zip(&mut previous) {
                libc::sigaction(*signal, ptr::null(), previous);
            }
            for signal in SIGNALS {
                let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
                let handler = if signal == libc::SIGBUS { on_fault } else { on_break };
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
                libc::sigemptyset(&raw mut action.sa_mask);
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
            let last_words = libc::dlsym(libc::RTLD_DEFAULT, c"__abort_msg".as_ptr()) as usize;
            Installed { previous, page: page_bytes(), last_words }
        }
    });
    Some(())
}

/// Size of a page of memory.
pub(super) fn page_bytes() -> usize {
    // SAFETY: the call takes no pointers.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// What a handler of a signal is.
type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// The handler of SIGBUS. Uses atomics, plain variables of the thread and system calls only.
extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    if !is_of_kernel(info) {
        return pass_on(signal, info, context);
    }
    // SAFETY: the kernel passes a valid `siginfo_t`, which for SIGBUS has the address.
    let address = unsafe { (*info).si_addr() } as usize;
    let page = INSTALLED.get().map_or(4096, |installed| installed.page);
    for slot in &SLOTS {
        let start = slot.start.load(Ordering::Acquire);
        if start > 1 && address.wrapping_sub(start) < slot.len.load(Ordering::Relaxed) {
            slot.faulted.store(true, Ordering::Relaxed);
            abandon::abandon();
            let missing = address & !(page - 1);
            if put_zeros(missing, page).is_ok() {
                if slot.tree.load(Ordering::Relaxed) {
                    // SAFETY: the page was just mapped, and is written by nobody else.
                    unsafe { put_leaf(missing, (missing - start) / page, page) };
                }
                return;
            }
        }
    }
    // A map that LMDB is just making, and that nobody guards yet.
    if OPENING.get() {
        OPENING_FAULTED.set(true);
        if put_zeros(address & !(page - 1), page).is_ok() {
            return;
        }
    }
    pass_on(signal, info, context);
}

/// The handler of what else LMDB does to a process when it believes a page that is not one.
extern "C" fn on_break(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    if is_of_kernel(info) || signal == libc::SIGABRT && is_assertion(info) {
        abandon::abandon();
    }
    pass_on(signal, info, context);
}

/// Is it a failed assertion? That is a signal which this thread sends to itself. The C library does so, too,
/// when it finds its heap spoiled, and holds a lock on it then: nothing can go on after that. It leaves its
/// last words for debuggers; one that does not is not trusted.
fn is_assertion(info: *mut libc::siginfo_t) -> bool {
    // SAFETY: the kernel passes a valid `siginfo_t`, which for a signal of a process has its number.
    let own = unsafe { (*info).si_code == libc::SI_TKILL && (*info).si_pid() == libc::getpid() };
    let last_words = INSTALLED.get().map_or(0, |installed| installed.last_words);
    if !own || last_words == 0 {
        return false;
    }
    // SAFETY: it is a variable of the C library, a pointer, which is null until there are such words.
    let words = unsafe { ptr::with_exposed_provenance::<*const u8>(last_words).read_volatile() };
    words.is_null()
}

/// Is it the kernel that tells of something this thread has done, and no process that has sent it?
fn is_of_kernel(info: *mut libc::siginfo_t) -> bool {
    // SAFETY: the kernel passes a valid `siginfo_t`.
    unsafe { (*info).si_code > 0 }
}

/// Does what would have been done without the handlers here.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let at = SIGNALS.iter().position(|known| *known == signal);
    let previous = at.and_then(|at| INSTALLED.get()?.previous.get(at));
    let handler = previous.map_or(libc::SIG_DFL, |action| action.sa_sigaction);
    // SAFETY: the previous action came from the kernel; it is called in the way its flags say,
    // with the arguments of this call.
    unsafe {
        if !is_of_kernel(info) {
            // Whoever has sent it wants an end, which no repeated access would bring.
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        } else if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            // The access is repeated on return, and ends the process now.
            libc::signal(signal, libc::SIG_DFL);
        } else if previous.is_some_and(|action| action.sa_flags & libc::SA_SIGINFO != 0) {
            let handler = std::mem::transmute::<usize, Handler>(handler);
            handler(signal, info, context);
        } else {
            let handler = std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(handler);
            handler(signal);
        }
    }
}

/// Maps a page of zeros at `address`, which lies in a map of ours.
fn put_zeros(address: usize, page: usize) -> io::Result<()> {
    // SAFETY: `__errno_location` returns a valid pointer for this thread; what the interrupted
    // code had in `errno` is restored.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the range is one page inside of a guarded map, whose owner is interrupted and
    // expects bytes there; nothing else is replaced.
    let mapped = unsafe {
        libc::mmap(
            address as *mut libc::c_void,
            page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    Ok(())
}

/// Makes a page of zeros a leaf without entries: its number, the kind, and where its free space begins
/// and ends. `docs/formats/cache.md` names the version of LMDB's format.
///
/// # Safety
///
/// `address` is that of a page of `page` bytes that can be written.
unsafe fn put_leaf(address: usize, number: usize, page: usize) {
    const LEAF: u16 = 2;
    const HEAD_BYTES: u16 = 16;
    let words = ptr::with_exposed_provenance_mut::<u16>(address);
    // A page of 64 KiB ends at a number that does not fit; LMDB has no larger one than half of that.
    let end = u16::try_from(page).unwrap_or(1 << 15);
    // SAFETY: the writes are within the page and aligned, as pages are.
    unsafe {
        ptr::with_exposed_provenance_mut::<usize>(address).write(number);
        words.add(5).write(LEAF);
        words.add(6).write(HEAD_BYTES);
        words.add(7).write(end);
    }
}

/// The address and length at which this process has mapped the file `identity`, which LMDB does
/// not tell of its lock file.
pub(super) fn find_map(identity: super::files::Identity) -> Option<(usize, usize)> {
    let (device, inode) = identity;
    let device = format!("{:02x}:{:02x}", libc::major(device), libc::minor(device));
    let inode = inode.to_string();
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights, _) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next()? != device || fields.next()? != inode || !rights.ends_with('s') {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        Some((start, usize::from_str_radix(end, 16).ok()?.checked_sub(start)?))
    })
}
