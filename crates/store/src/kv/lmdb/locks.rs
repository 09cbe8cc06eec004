//! The check of LMDB's lock file before LMDB believes it: somebody may have written into it while it is
//! in use, and LMDB would wait for a mutex that nobody holds, or follow a count beyond the map.
//!
//! ```text
//! 0 magic:u32 format:u32 newest:u64 readers:u32 pad:u32 24 mutex of the readers   64 mutex of writers
//! ```
//!
//! (in the machine's byte order; the second mutex begins at the next multiple of 64). What is learnt
//! here is worth nothing a microsecond later: this is for accidents, not for attackers, who with the
//! right to write this file can do worse. `docs/formats/cache.md` says what follows.

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::page::Damage;
use crate::limits::{MUTEX_LOOKS_MAX, READERS_MAX};

/// Where the number of slots in use is.
const READERS_AT: usize = 16;
/// Where the mutex around the claiming of slots is.
const READERS_MUTEX_AT: usize = 24;
/// Where the number of the thread that holds a mutex is, in it (glibc).
const OWNER_AT: usize = 8;
/// What is there while its holder puts in order what one that died has left (glibc).
const OWNER_IS_MENDING: u32 = i32::MAX.cast_unsigned();
/// Where the kind of a mutex is, in it (glibc).
const KIND_AT: usize = 16;
/// The largest number that the kernel gives to a thread.
const THREAD_MAX: u32 = 4 << 20;
/// Alignment of the parts of the file.
const LINE: usize = 64;

const SIZE: usize = size_of::<libc::pthread_mutex_t>();
/// Where the mutex around a write transaction is.
const WRITER_MUTEX_AT: usize = (READERS_MUTEX_AT + SIZE).next_multiple_of(LINE);
/// What is looked at.
const LOOKED_AT: usize = WRITER_MUTEX_AT + SIZE;

/// LMDB's lock file as it is mapped, and what in it never changes.
#[derive(Debug, Clone)]
pub(super) struct LockTable {
    start: usize,
    /// Magic and format of the file, kinds of both mutexes, as LMDB has found or made them.
    fixed: [u32; 4],
}

impl LockTable {
    /// The table that LMDB has mapped at `start`, if it is as long as a table is.
    pub(super) fn at(start: usize, len: usize) -> Option<LockTable> {
        if !cfg!(target_env = "gnu") || len < LOOKED_AT || !start.is_multiple_of(LINE) {
            return None;
        }
        let table = LockTable { start, fixed: [0; 4] };
        let fixed = table.fixed_now();
        Some(LockTable { fixed, ..table })
    }

    /// A number in the table.
    #[inline]
    fn word(&self, at: usize) -> u32 {
        debug_assert!(at + 4 <= LOOKED_AT);
        // SAFETY: the place is aligned and lies in the map of the lock file, which lives as long as
        // the environment that owns this value, and whose missing pages are filled by `fault.rs`;
        // LMDB and glibc access it as an atomic number, too.
        unsafe { &*ptr::with_exposed_provenance::<AtomicU32>(self.start + at) }
            .load(Ordering::Relaxed)
    }

    #[inline]
    fn fixed_now(&self) -> [u32; 4] {
        [0, 4, READERS_MUTEX_AT + KIND_AT, WRITER_MUTEX_AT + KIND_AT].map(|at| self.word(at))
    }

    /// Looks at what readers need.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Damage> {
        if self.fixed_now() != self.fixed || self.word(READERS_AT) > READERS_MAX {
            return Err(Damage("the head of its lock file is not one"));
        }
        if self.word(READERS_MUTEX_AT) == 0 { Ok(()) } else { self.check_holder() }
    }

    /// Looks whether the mutex of readers, which seems to be held, is. It is held for less than a
    /// microsecond, and its state and its holder are written one after the other, so what looks wrong
    /// is looked at again, for as long as the kernel may put somebody aside who is between the two:
    /// a good cache is worth more than the time of this one process.
    fn check_holder(&self) -> Result<(), Damage> {
        for _ in 0..MUTEX_LOOKS_MAX {
            let state = self.word(READERS_MUTEX_AT);
            let thread = state & libc::FUTEX_TID_MASK;
            // Free, or free for those who wait, or left behind by a thread that died.
            if thread == 0 || state & libc::FUTEX_OWNER_DIED != 0 {
                return Ok(());
            }
            let owner = self.word(READERS_MUTEX_AT + OWNER_AT);
            if (owner == thread || owner == OWNER_IS_MENDING) && is_alive(thread) {
                return Ok(());
            }
            // Whoever was put aside gets the processor.
            std::thread::yield_now();
        }
        Err(HELD_BY_NOBODY)
    }

    /// Gives back the mutex of writers if this thread holds it; whether it is free of it.
    pub(super) fn release_writer(&self) -> bool {
        // SAFETY: the call takes no arguments.
        let this = unsafe { libc::gettid() }.cast_unsigned();
        if self.word(WRITER_MUTEX_AT) & libc::FUTEX_TID_MASK != this {
            return false;
        }
        let mutex = ptr::with_exposed_provenance_mut(self.start + WRITER_MUTEX_AT);
        // SAFETY: the mutex lies in the map, as `word` says, and is held by this thread.
        unsafe { libc::pthread_mutex_unlock(mutex) == 0 }
    }

    /// Keeps memory at the place of a table that is mapped no more, since the C library's list of what
    /// this thread holds leads there, and would be followed when it takes the next mutex.
    pub(super) fn keep_place(&self) {
        let page = super::fault::page_bytes();
        let start = self.start & !(page - 1);
        // SAFETY: the place is free since LMDB has unmapped it; if something else has taken it, the
        // call fails instead of replacing it, and there is memory, too.
        unsafe {
            libc::mmap(
                ptr::with_exposed_provenance_mut(start),
                page,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            );
        }
    }

    /// Looks at the mutex of writers. The caller has the right to write, so that nobody who lives
    /// can hold it.
    pub(super) fn check_writer(&self) -> Result<(), Damage> {
        match self.word(WRITER_MUTEX_AT) {
            0 => Ok(()),
            state if state & libc::FUTEX_OWNER_DIED != 0 => Ok(()),
            _ => Err(HELD_BY_NOBODY),
        }
    }
}

const HELD_BY_NOBODY: Damage = Damage("a mutex in its lock file is held by nobody");

/// Is there such a thread?
fn is_alive(thread: u32) -> bool {
    if thread > THREAD_MAX {
        return false;
    }
    // SAFETY: signal 0 is sent to nobody; the call only tells whether the thread is there.
    let found = unsafe { libc::kill(thread.cast_signed(), 0) } == 0;
    // One that belongs to somebody else is told by another error.
    found || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}
