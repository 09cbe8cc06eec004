//! The memory that LMDB works with. A page that somebody spoils in the very microsecond in which LMDB uses
//! it can lead LMDB to write behind what it has taken: the length of a list of free pages is read twice, the
//! number of nodes says how much of a page is copied, lists are as long as a chain through pages. In the heap
//! of the C library that would hurt the whole process, some time later. Here every piece lies alone, ends
//! where it ends, and has addresses on both sides that nobody may touch: whoever leaves it raises SIGSEGV in
//! the same instant, and the transaction is given up (`abandon.rs`).
//!
//! LMDB's sources call the four functions at the end of this file, by way of the header in
//! `crates/store/lmdb`. What is given back within a transaction is used again only when that has ended: an
//! environment whose transaction was given up may still point there when it is closed.
//!
//! Where addresses are limited (`ulimit -v`), pieces come from the C library as they would without this.

use std::cell::Cell;
use std::hint::black_box;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::c_void;

/// Pieces of one kind: up to how many bytes, the distance between two of them, and how many there are.
struct Kind {
    bytes: usize,
    distance: usize,
    count: usize,
}

/// For the parts of an environment and copies of pages, which are written up to 64 KiB too far; for lists of
/// free pages; for what LMDB keeps for each dirty page; for the lists of a cache of a tebibyte. An
/// environment takes some twelve pieces, most of them of the first kind.
const KINDS: [Kind; 4] = [
    Kind { bytes: 8 << 10, distance: 128 << 10, count: 1_024 },
    Kind { bytes: 128 << 10, distance: 1 << 20, count: 128 },
    Kind { bytes: 4 << 20, distance: 16 << 20, count: 256 },
    Kind { bytes: 4 << 30, distance: 8 << 30, count: 4 },
];

/// Pieces of all kinds.
const PIECES: usize = KINDS[0].count + KINDS[1].count + KINDS[2].count + KINDS[3].count;

/// Addresses that all of them take.
const SPAN: usize = {
    let (mut span, mut kind) = (0, 0);
    while kind < KINDS.len() {
        span += KINDS[kind].distance * KINDS[kind].count;
        kind += 1;
    }
    span
};

/// Addresses that nobody may touch on both sides of all pieces: as far as a number of 32 bits leads in a list
/// of numbers of 64. Fewer are better than none, where addresses are limited.
const FENCES: [usize; 3] = [40 << 30, 1 << 30, 16 << 20];

/// What `malloc` promises of an address.
const ALIGNMENT: usize = 16;

/// Pieces of more bytes are given back to the system when they are free.
const KEPT_BYTES_MAX: usize = 512 << 10;

/// What LMDB takes however small a map is: its list of dirty pages has 2 MiB, that of freed ones 1 MiB, and
/// grows by as much.
const LIST_BYTES_MIN: usize = 4 << 20;

/// One piece. All zeros is one that was never used.
#[derive(Clone, Copy)]
struct Piece {
    /// Where LMDB believes it to begin; zero while it is free.
    given: usize,
    bytes: usize,
    /// The work in which it was taken, or else that in which it was given back.
    work: u64,
    /// The next one that is free, or was given back in the same work, counted from one.
    next: u16,
    /// It is memory, and not only addresses.
    is_memory: bool,
    /// It was written to.
    is_used: bool,
    /// It was given back in a transaction that has not ended.
    is_returned: bool,
}

/// Which pieces are free: those that were used before, the first of each kind counted from one, and how many
/// of each kind were ever used.
struct Pieces {
    all: [Piece; PIECES],
    free: [u16; KINDS.len()],
    begun: [u16; KINDS.len()],
}

static STATE: Mutex<Pieces> = Mutex::new(Pieces {
    all: [Piece {
        given: 0,
        bytes: 0,
        work: 0,
        next: 0,
        is_memory: false,
        is_used: false,
        is_returned: false,
    }; PIECES],
    free: [0; KINDS.len()],
    begun: [0; KINDS.len()],
});

/// Where the pieces lie; nothing if there were no addresses for them.
static START: OnceLock<Option<usize>> = OnceLock::new();

/// Most bytes that LMDB may take at once: more than the largest map explains is what a spoiled page asks for.
static LIST_BYTES_MAX: AtomicUsize = AtomicUsize::new(LIST_BYTES_MIN);

/// Counts work.
static WORK: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The work that this thread is doing, if not zero.
    static OWN_WORK: Cell<u64> = const { Cell::new(0) };
    /// What was given back in it, the last one first, counted from one.
    static RETURNED: Cell<u16> = const { Cell::new(0) };
}

/// Has everything ready for an environment with a map of so many bytes.
pub(super) fn prepare(map_bytes: usize) {
    // A list has eight bytes for each page, and LMDB takes a quarter more than it needs.
    let lists = LIST_BYTES_MIN.saturating_add(map_bytes / super::fault::page_bytes() * 16);
    LIST_BYTES_MAX.fetch_max(lists, Ordering::Relaxed);
    // Linkers look for these in what they have taken up already.
    black_box((kres_lmdb_malloc as *const (), kres_lmdb_calloc as *const ()));
    black_box((kres_lmdb_realloc as *const (), kres_lmdb_free as *const ()));
    start();
}

/// Work within which LMDB may have to be left.
pub(super) struct Work(u64);

impl Work {
    /// Begins work of this thread.
    pub(super) fn begin() -> Work {
        let work = WORK.fetch_add(1, Ordering::Relaxed) + 1;
        OWN_WORK.set(work);
        RETURNED.set(0);
        Work(work)
    }

    /// It has ended by itself: what was given back may be used again.
    pub(super) fn done(self) {
        OWN_WORK.set(0);
        let mut next = RETURNED.take();
        if next == 0 {
            return;
        }
        let mut pieces = lock();
        while let Some(at) = usize::from(next).checked_sub(1) {
            next = pieces.all[at].next;
            pieces.release(at);
        }
    }

    /// It was given up.
    pub(super) fn lost(self) -> Lost {
        OWN_WORK.set(0);
        RETURNED.set(0);
        Lost(self.0)
    }
}

/// Work that was given up. Pieces that it has taken or given back are kept until nobody knows of them.
#[derive(Debug)]
#[must_use = "its memory is to be released"]
pub(super) struct Lost(u64);

impl Lost {
    /// The environment that the work was done on is closed: nothing points to the pieces any more.
    pub(super) fn release(self) {
        let mut pieces = lock();
        for at in 0..PIECES {
            if pieces.all[at].given != 0 && pieces.all[at].work == self.0 {
                pieces.release(at);
            }
        }
    }
}

fn lock() -> MutexGuard<'static, Pieces> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the addresses, once in a process.
fn start() -> Option<usize> {
    *START.get_or_init(|| {
        FENCES.iter().find_map(|fence| {
            // SAFETY: a new mapping that replaces none, of nothing but addresses.
            let made = unsafe {
                libc::mmap(
                    ptr::null_mut(),
                    SPAN + 2 * fence,
                    libc::PROT_NONE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                    -1,
                    0,
                )
            };
            if made == libc::MAP_FAILED {
                return None;
            }
            // One page of a piece that is hardly used is not to become 2 MiB of memory. Kernels that know no
            // such pages refuse.
            // SAFETY: the addresses were just taken, and there is nothing in them.
            unsafe { libc::madvise(made, SPAN + 2 * fence, libc::MADV_NOHUGEPAGE) };
            Some(made.expose_provenance() + fence)
        })
    })
}

impl Pieces {
    /// A piece that is free, of a kind that is large enough.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let mut first = 0;
        for (kind, Kind { bytes: most, count, .. }) in KINDS.iter().enumerate() {
            if bytes <= *most {
                if let Some(at) = usize::from(self.free[kind]).checked_sub(1) {
                    self.free[kind] = self.all[at].next;
                    return Some(at);
                }
                if usize::from(self.begun[kind]) < *count {
                    self.begun[kind] += 1;
                    return Some(first + usize::from(self.begun[kind]) - 1);
                }
            }
            first += count;
        }
        None
    }

    /// Makes a piece free.
    fn release(&mut self, at: usize) {
        let Some((kind, start)) = place(at) else { return };
        let piece = &mut self.all[at];
        if piece.bytes > KEPT_BYTES_MAX {
            let memory = ptr::with_exposed_provenance_mut(start);
            // SAFETY: the piece is memory of this file, and nobody has it any more.
            let given = unsafe { libc::madvise(memory, KINDS[kind].bytes, libc::MADV_DONTNEED) };
            // It is zeros again.
            piece.is_used = given != 0;
        }
        (piece.given, piece.is_returned) = (0, false);
        piece.next = self.free[kind];
        self.free[kind] = number(at);
        #[cfg(test)]
        HELD.set(HELD.get() - 1);
    }

    /// The piece that LMDB believes to begin here: nothing for an address of somebody else, and an error
    /// for one within the pieces where none begins.
    fn find(&self, given: usize) -> Result<Option<usize>, ()> {
        let Some(mut offset) =
            start().and_then(|start| given.checked_sub(start)).filter(|offset| *offset < SPAN)
        else {
            return Ok(None);
        };
        let mut first = 0;
        for Kind { distance, count, .. } in &KINDS {
            if offset < distance * count {
                let at = first + offset / distance;
                let piece = &self.all[at];
                let is_it = piece.given == given && !piece.is_returned;
                return if is_it { Ok(Some(at)) } else { Err(()) };
            }
            offset -= distance * count;
            first += count;
        }
        Ok(None)
    }
}

/// The number of a piece counted from one, so that zero is none.
fn number(at: usize) -> u16 {
    u16::try_from(at + 1).unwrap_or(0)
}

/// The kind of a piece, and where its memory begins.
fn place(at: usize) -> Option<(usize, usize)> {
    let (mut first, mut before) = (0, start()?);
    for (kind, Kind { bytes, distance, count }) in KINDS.iter().enumerate() {
        if at < first + count {
            // At the upper end of its addresses, so that there are some below.
            return Some((kind, before + (at - first + 1) * distance - bytes));
        }
        first += count;
        before += distance * count;
    }
    None
}

/// Where so many bytes begin that end where the memory of a piece ends.
fn begin(kind: usize, start: usize, bytes: usize) -> usize {
    (start + KINDS[kind].bytes - bytes) & !(ALIGNMENT - 1)
}

/// A piece of so many bytes, with zeros in it if they are asked for.
fn take(bytes: usize, zeros: bool) -> Option<NonNull<c_void>> {
    let mut pieces = lock();
    let at = pieces.take(bytes)?;
    let (kind, start) = place(at)?;
    let piece = &mut pieces.all[at];
    if !piece.is_memory {
        let memory = ptr::with_exposed_provenance_mut(start);
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the addresses are of this file, and nobody has the piece.
        if unsafe { libc::mprotect(memory, KINDS[kind].bytes, rights) } != 0 {
            // It is lost; there is as little memory as addresses.
            return None;
        }
        piece.is_memory = true;
    }
    let given = begin(kind, start, bytes);
    let is_used = std::mem::replace(&mut piece.is_used, true);
    (piece.given, piece.bytes, piece.work) = (given, bytes, OWN_WORK.get());
    drop(pieces);
    #[cfg(test)]
    HELD.set(HELD.get() + 1);
    let given = NonNull::new(ptr::with_exposed_provenance_mut::<c_void>(given))?;
    if zeros && is_used {
        // SAFETY: the piece is memory of so many bytes from there on, and nobody else has it.
        unsafe { given.cast::<u8>().write_bytes(0, bytes) };
    }
    Some(given)
}

/// A piece from here, or else from the C library; null if it is more than LMDB has a use for.
fn take_anywhere(bytes: usize, zeros: bool) -> *mut c_void {
    if bytes > LIST_BYTES_MAX.load(Ordering::Relaxed) {
        return ptr::null_mut();
    }
    match take(bytes, zeros) {
        Some(piece) => piece.as_ptr(),
        // SAFETY: any lengths may be asked for.
        None if zeros => unsafe { libc::calloc(1, bytes) },
        // SAFETY: the same.
        None => unsafe { libc::malloc(bytes) },
    }
}

/// `malloc` of LMDB.
// SAFETY: nothing else has a name like this.
#[unsafe(no_mangle)]
extern "C" fn kres_lmdb_malloc(bytes: usize) -> *mut c_void {
    take_anywhere(bytes, false)
}

/// `calloc` of LMDB.
// SAFETY: nothing else has a name like this.
#[unsafe(no_mangle)]
extern "C" fn kres_lmdb_calloc(count: usize, bytes: usize) -> *mut c_void {
    take_anywhere(count.saturating_mul(bytes), true)
}

/// `realloc` of LMDB. A piece that is large enough stays, and its content moves to its end.
///
/// # Safety
///
/// The piece is one that LMDB has, or null.
#[unsafe(no_mangle)]
unsafe extern "C" fn kres_lmdb_realloc(piece: *mut c_void, bytes: usize) -> *mut c_void {
    if piece.is_null() || bytes > LIST_BYTES_MAX.load(Ordering::Relaxed) {
        return if piece.is_null() { kres_lmdb_malloc(bytes) } else { ptr::null_mut() };
    }
    let mut pieces = lock();
    let at = match pieces.find(piece.expose_provenance()) {
        Ok(Some(at)) => at,
        // SAFETY: it is one of the C library, where LMDB has it from.
        Ok(None) => return unsafe { libc::realloc(piece, bytes) },
        Err(()) => return ptr::null_mut(),
    };
    let before = pieces.all[at].bytes;
    if let Some((kind, start)) = place(at).filter(|(kind, _)| bytes <= KINDS[*kind].bytes) {
        let given = begin(kind, start, bytes);
        let known = &mut pieces.all[at];
        (known.given, known.bytes, known.work) = (given, bytes, OWN_WORK.get());
        drop(pieces);
        let given = ptr::with_exposed_provenance_mut::<c_void>(given);
        // SAFETY: both ranges lie in the memory of the piece, which only LMDB has.
        unsafe { ptr::copy(piece.cast::<u8>(), given.cast::<u8>(), before.min(bytes)) };
        return given;
    }
    drop(pieces);
    let larger = kres_lmdb_malloc(bytes);
    if !larger.is_null() {
        // SAFETY: they are two pieces of at least that many bytes, and the first is given back once.
        unsafe {
            ptr::copy_nonoverlapping(piece.cast::<u8>(), larger.cast::<u8>(), before.min(bytes));
            kres_lmdb_free(piece);
        }
    }
    larger
}

/// `free` of LMDB. What is not a piece, or was given back before, is left alone: an environment whose
/// transaction was given up may know no better.
///
/// # Safety
///
/// The piece is one that LMDB has had, or null.
#[unsafe(no_mangle)]
unsafe extern "C" fn kres_lmdb_free(piece: *mut c_void) {
    if piece.is_null() {
        return;
    }
    let mut pieces = lock();
    match pieces.find(piece.expose_provenance()) {
        Ok(Some(at)) if OWN_WORK.get() == 0 => pieces.release(at),
        Ok(Some(at)) => {
            let known = &mut pieces.all[at];
            (known.is_returned, known.work) = (true, OWN_WORK.get());
            known.next = RETURNED.replace(number(at));
        }
        // SAFETY: it is one of the C library, where LMDB has it from.
        Ok(None) => unsafe { libc::free(piece) },
        Err(()) => {}
    }
}

#[cfg(test)]
thread_local! {
    /// Pieces that this thread has taken and not given back.
    pub(super) static HELD: Cell<isize> = const { Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::lmdb::abandon::abandonable;

    fn ready() -> crate::kv::lmdb::fault::Guard {
        prepare(1 << 30);
        crate::kv::lmdb::fault::Guard::new(1 << 20, 1).expect("a guard")
    }

    /// Whether a byte there can be written.
    fn can_be_written(address: usize) -> bool {
        let byte = ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: in a test that owns the piece, or where there is no memory, which is the point of it.
        let written = abandonable(|| unsafe { byte.write_volatile(0xA5) });
        written.map_err(Lost::release).is_ok()
    }

    #[test]
    fn a_piece_ends_where_it_ends_and_lies_alone() {
        let _ready = ready();
        for bytes in [16, 208, 4_096, 8_192, 8_208, 131_072, 1_048_584, 3 << 20] {
            let piece = kres_lmdb_malloc(bytes).addr();
            let end = piece + bytes;
            assert!(piece.is_multiple_of(16));
            assert!(can_be_written(piece) && can_be_written(end - 1), "{bytes}");
            for behind in [16, 4_096, 65_536, 100_000] {
                assert!(!can_be_written(end + behind - 1), "{bytes} and {behind} behind");
            }
            let kind = KINDS.iter().find(|kind| bytes <= kind.bytes).expect("a kind");
            assert!(!can_be_written(end - kind.bytes - 16), "{bytes}");
            // SAFETY: it was taken above.
            unsafe { kres_lmdb_free(ptr::with_exposed_provenance_mut(piece)) };
        }
        let start = start().expect("addresses");
        for far in [start - (33 << 30), start + SPAN + (33 << 30)] {
            assert!(!can_be_written(far));
        }
    }

    #[test]
    fn what_is_taken_and_given_back_is_used_again() {
        let _ready = ready();
        let held = HELD.get();
        for round in 0..1_100 {
            for bytes in [1, 300, 4_096, 20_000, 600_000] {
                let piece = kres_lmdb_calloc(1, bytes);
                let offset = piece.addr().checked_sub(start().expect("addresses"));
                assert!(offset.is_some_and(|offset| offset < SPAN), "{round}");
                // SAFETY: the piece has so many bytes.
                let content = unsafe { std::slice::from_raw_parts_mut(piece.cast::<u8>(), bytes) };
                assert!(content.iter().all(|byte| *byte == 0), "{round}");
                content[bytes / 2] = 1;
                // SAFETY: it was taken above, and is given back once.
                unsafe { kres_lmdb_free(piece) };
            }
        }
        assert_eq!(HELD.get(), held);
    }

    #[test]
    fn a_piece_that_grows_keeps_its_content() {
        let _ready = ready();
        let held = HELD.get();
        let mut piece = kres_lmdb_malloc(4).cast::<u32>();
        // SAFETY: the piece has as many bytes as were asked for last.
        unsafe {
            piece.write(77);
            for bytes in [100, 8_000, 8_192, 9_000, 130_000, 200_000, 4 << 20] {
                piece = kres_lmdb_realloc(piece.cast(), bytes).cast();
                assert_eq!(piece.read(), 77, "{bytes}");
                piece.byte_add(bytes - 1).cast::<u8>().write(1);
            }
            kres_lmdb_free(piece.cast());
        }
        assert_eq!(HELD.get(), held);
        assert!(kres_lmdb_malloc(usize::MAX / 2).is_null(), "more than any map explains");
        assert!(kres_lmdb_calloc(usize::MAX / 2, 3).is_null());
    }

    #[test]
    fn what_a_lost_work_has_had_is_kept_until_its_environment_is_closed() {
        let _ready = ready();
        let held = HELD.get();
        let before = kres_lmdb_malloc(4_096);
        let given_up = abandonable(|| {
            black_box(kres_lmdb_malloc(4_096));
            // SAFETY: it was taken above.
            unsafe { kres_lmdb_free(before) };
            std::process::abort();
        });
        assert_eq!(HELD.get(), held + 2);
        let others: Vec<_> = (0..20).map(|_| kres_lmdb_malloc(4_096)).collect();
        assert!(!others.contains(&before));
        // SAFETY: once more, as LMDB would when it closes; the others were taken above.
        unsafe { kres_lmdb_free(before) };
        given_up.expect_err("it was given up").release();
        for piece in others {
            // SAFETY: the same.
            unsafe { kres_lmdb_free(piece) };
        }
        assert_eq!(HELD.get(), held);
    }
}
