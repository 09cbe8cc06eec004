//! What happens when a mapped file is cut off under a reader: nothing.
//!
//! Touching a page of a map that lies behind the end of its file raises SIGBUS, whose default
//! ends the process. The handler here puts an empty page in the place of the missing one and
//! remembers the fault; the reader finds nothing there, and the store makes its files anew at the end
//! of the turn. Faults elsewhere go where they went before.
//!
//! In the file with the entries an empty page is a leaf of the tree without entries, in LMDB's own
//! format; in other files it is zeros. Within a write transaction nothing is replaced: LMDB counts on
//! its pages there, so the transaction is given up as a whole (`abandon.rs`).
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

/// What was to happen on SIGBUS before, and the size of a page.
static INSTALLED: OnceLock<(libc::sigaction, usize)> = OnceLock::new();

/// A map that may be cut off without harm while this value lives.
#[derive(Debug)]
pub(super) struct Guard {
    slot: usize,
}

impl Guard {
    /// Guards `len` bytes from `start`. Nothing if there are too many guards.
    pub(super) fn new(start: usize, len: usize) -> Option<Self> {
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

/// Installs the handler, once in a process; nothing if the system refuses.
fn install() -> Option<()> {
    INSTALLED.get_or_init(|| {
        let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: all zeros is a valid `sigaction` (the default action, an empty mask), both
        // pointers are valid for the calls, and the handler is of the kind SA_SIGINFO demands.
        unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = on_fault as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigemptyset(&raw mut action.sa_mask);
            // The previous action is read first, so that the handler finds it from the start.
            libc::sigaction(libc::SIGBUS, ptr::null(), previous.as_mut_ptr());
            let page = page_bytes();
            libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut());
            (previous.assume_init(), page)
        }
    });
    Some(())
}

/// Size of a page of memory.
pub(super) fn page_bytes() -> usize {
    // SAFETY: the call takes no pointers.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// The handler. Uses atomics, plain variables of the thread and system calls only.
extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid `siginfo_t`, which for SIGBUS has the address.
    let address = unsafe { (*info).si_addr() } as usize;
    let page = INSTALLED.get().map_or(4096, |(_, page)| *page);
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
    // SAFETY: the previous action came from the kernel; it is called in the way its flags say,
    // with the arguments of this call.
    unsafe {
        let previous = INSTALLED.get().map(|(action, _)| *action);
        let handler = previous.map_or(libc::SIG_DFL, |action| action.sa_sigaction);
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            // The access is repeated on return, and ends the process now.
            libc::signal(signal, libc::SIG_DFL);
        } else if previous.is_some_and(|action| action.sa_flags & libc::SA_SIGINFO != 0) {
            type WithInfo = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            let handler = std::mem::transmute::<usize, WithInfo>(handler);
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
