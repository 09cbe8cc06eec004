//! The page that all users of a directory share beside the entries: how much each entry is used,
//! and how often something was taken out.
//!
//! `docs/formats/cache.md` has the bytes. Nothing of value is in this file: counters may be lost,
//! doubled by a collision or taken back by a race, and cost a bad choice of what to remove. A
//! directory in which it cannot be made works without it.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::fault::Guard;
use super::files::{FILE_MODE, Identity};
use crate::limits::{BYTES_PER_USE_COUNTER, USE_COUNTERS_MAX, USE_COUNTERS_MIN};

/// Name of the file.
pub(super) const SHARED_NAME: &str = "use.map";

/// First bytes of the file; the number is the version of its layout.
const MAGIC: &[u8; 16] = b"kres use map 02\n";

/// Where the number of removals is.
const GENERATION_AT: usize = 64;

/// Where the number of counters in use is; zero for the fewest.
const IN_USE_AT: usize = 72;

/// Where the counters begin.
const COUNTERS_AT: usize = 4096;

/// The file, mapped.
#[derive(Debug)]
pub(super) struct SharedPage {
    start: NonNull<u8>,
    len: usize,
    /// The number of counters that there is room for, a power of two.
    counters: u64,
    guard: Option<Guard>,
    identity: Identity,
    path: PathBuf,
}

impl SharedPage {
    /// Opens the file of a directory, or makes it for a store of `bytes`. Nothing if that is not
    /// possible. The caller holds the lock of the directory.
    pub(super) fn open(directory: &Path, bytes: u64) -> Option<SharedPage> {
        let path = directory.join(SHARED_NAME);
        let opened = File::options().read(true).write(true).open(&path).ok();
        let usable = opened.and_then(|file| counters_in(&file).map(|counters| (file, counters)));
        let (file, counters) = match usable {
            Some(usable) => usable,
            None => make(&path, bytes)?,
        };
        let metadata = file.metadata().ok()?;
        let len = COUNTERS_AT + usize::try_from(counters).ok()?;
        // SAFETY: a new mapping of an open file, at an address that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = NonNull::new(start.cast::<u8>())?;
        Some(SharedPage {
            start,
            len,
            counters,
            guard: Guard::new(start.as_ptr().expose_provenance(), len),
            identity: (metadata.dev(), metadata.ino()),
            path,
        })
    }

    /// Whether the map is whole and its name still leads to it.
    pub(super) fn is_current(&self) -> bool {
        let is_whole = !self.guard.as_ref().is_some_and(Guard::has_faulted);
        is_whole
            && fs::metadata(&self.path).is_ok_and(|found| {
                (found.dev(), found.ino()) == self.identity && found.len() >= self.len as u64
            })
    }

    /// Times that something was taken out of the store, by any process.
    pub(super) fn generation(&self) -> u64 {
        self.generation_cell().load(Ordering::Acquire)
    }

    /// Counts that something was taken out.
    pub(super) fn announce(&self) {
        self.generation_cell().fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a use of what hashes to `place`.
    #[inline]
    pub(super) fn note_use(&self, place: u64) {
        let counter = self.counter(place);
        let uses = counter.load(Ordering::Relaxed);
        // One that is at its end is only read, so the busiest entries cost workers no cache line
        // of each other. An increment that is lost to another process does no harm.
        if uses < u8::MAX {
            counter.store(uses + 1, Ordering::Relaxed);
        }
    }

    /// Uses counted since long ago, older ones for less.
    pub(super) fn uses(&self, place: u64) -> u8 {
        self.counter(place).load(Ordering::Relaxed)
    }

    /// Makes uses so far count for half.
    pub(super) fn age(&self, place: u64) {
        let counter = self.counter(place);
        counter.store(counter.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
    }

    /// The same for all counters.
    pub(super) fn age_all(&self) {
        (0..self.in_use()).for_each(|place| self.age(place));
    }

    /// Takes more counters into use if a store that holds `bytes` wants them. A large cache that
    /// holds little so costs little memory. Each counter that is divided in two leaves its number to
    /// both, so no entry loses its uses.
    pub(super) fn fit(&self, bytes: u64) {
        let wanted = counters_for(bytes).min(self.counters);
        let before = self.in_use();
        let mut in_use = before;
        while in_use < wanted {
            for place in 0..in_use {
                let uses = self.at(place).load(Ordering::Relaxed);
                self.at(in_use + place).store(uses, Ordering::Relaxed);
            }
            in_use *= 2;
        }
        // Another process may do the same at the same time, or more; then it does it once more.
        if in_use > before {
            self.cell(IN_USE_AT).store(in_use, Ordering::Release);
        }
    }

    /// Counters in use, a power of two.
    #[inline]
    fn in_use(&self) -> u64 {
        let written = self.cell(IN_USE_AT).load(Ordering::Acquire);
        // The file may hold anything.
        if written.is_power_of_two() && written <= self.counters {
            written.max(USE_COUNTERS_MIN)
        } else {
            USE_COUNTERS_MIN
        }
    }

    fn generation_cell(&self) -> &AtomicU64 {
        self.cell(GENERATION_AT)
    }

    /// A number of the head.
    fn cell(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at.is_multiple_of(8) && at < COUNTERS_AT);
        // SAFETY: the place is aligned and lies in the map, which lives as long as `self`; all
        // processes access it as an atomic number.
        unsafe { &*self.start.as_ptr().add(at).cast::<AtomicU64>() }
    }

    fn counter(&self, place: u64) -> &AtomicU8 {
        self.at(place & (self.in_use() - 1))
    }

    /// The counter with this number, which is below that of all.
    fn at(&self, number: u64) -> &AtomicU8 {
        let at = COUNTERS_AT + (number & (self.counters - 1)) as usize;
        // SAFETY: the mask keeps the place within the map, which lives as long as `self`; all
        // processes access it as an atomic number.
        unsafe { &*self.start.as_ptr().add(at).cast::<AtomicU8>() }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        self.guard = None;
        // SAFETY: the range was mapped by `open`, and references into it end with `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// The number of counters in a file, if it is one of ours and whole.
fn counters_in(file: &File) -> Option<u64> {
    let mut magic = [0; MAGIC.len()];
    file.read_exact_at(&mut magic, 0).ok()?;
    let counters = file.metadata().ok()?.len().checked_sub(COUNTERS_AT as u64)?;
    let fits =
        counters.is_power_of_two() && (USE_COUNTERS_MIN..=USE_COUNTERS_MAX).contains(&counters);
    (magic == *MAGIC && fits).then_some(counters)
}

/// How many counters a store of this size wants.
fn counters_for(bytes: u64) -> u64 {
    (bytes / BYTES_PER_USE_COUNTER).clamp(USE_COUNTERS_MIN, USE_COUNTERS_MAX).next_power_of_two()
}

/// Makes a new file in the place of what is there.
fn make(path: &Path, bytes: u64) -> Option<(File, u64)> {
    let counters = counters_for(bytes);
    // It may be missing, and if it cannot be removed, making it fails.
    let _ = fs::remove_file(path);
    let mut options = File::options();
    let file = options.read(true).write(true).create_new(true).mode(FILE_MODE).open(path).ok()?;
    let filled = reserve(&file, COUNTERS_AT as u64 + counters)
        .and_then(|()| file.write_all_at(MAGIC, 0).ok());
    if filled.is_none() {
        let _ = fs::remove_file(path);
    }
    filled.map(|()| (file, counters))
}

/// Gives a new file its length, with space on disk where the file system can do that.
fn reserve(file: &File, len: u64) -> Option<()> {
    let bytes = libc::off_t::try_from(len).ok()?;
    // SAFETY: the descriptor is open; the call takes no pointers.
    if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, bytes) } == 0 {
        return Some(());
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => None,
        _ => file.set_len(len).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn two_users_see_the_same_numbers_and_keep_them() {
        let directory = tempfile::tempdir().unwrap();
        let one = SharedPage::open(directory.path(), 10 * MIB).unwrap();
        let other = SharedPage::open(directory.path(), MIB).unwrap();
        one.announce();
        assert_eq!(other.generation(), 1);
        for _ in 0..9 {
            one.note_use(77);
        }
        other.note_use(77);
        other.age(77);
        assert_eq!((one.uses(77), one.uses(78)), (5, 0));
        drop((one, other));
        let again = SharedPage::open(directory.path(), MIB).unwrap();
        assert_eq!((again.generation(), again.uses(77)), (1, 5));
    }

    #[test]
    fn a_counter_ends_at_its_greatest_number() {
        let directory = tempfile::tempdir().unwrap();
        let page = SharedPage::open(directory.path(), MIB).unwrap();
        (0..1000).for_each(|_| page.note_use(u64::MAX));
        assert_eq!(page.uses(u64::MAX), u8::MAX);
    }

    #[test]
    fn a_fuller_store_takes_more_counters_into_use_and_forgets_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let page = SharedPage::open(directory.path(), 64 * MIB).unwrap();
        let places: Vec<u64> = (0..20).map(|n| n * 104_729).collect();
        for place in &places {
            page.note_use(*place);
            page.note_use(*place);
        }
        let before: Vec<u8> = places.iter().map(|place| page.uses(*place)).collect();
        page.fit(8 * MIB);
        assert_eq!(page.in_use(), 8 * MIB / BYTES_PER_USE_COUNTER);
        let other = SharedPage::open(directory.path(), MIB).unwrap();
        let after: Vec<u8> = places.iter().map(|place| other.uses(*place)).collect();
        assert_eq!(before, after);
        // Two that shared a counter are told apart from now on.
        page.note_use(places[1]);
        page.note_use(places[1] + USE_COUNTERS_MIN);
        assert_eq!(other.uses(places[1]), before[1] + 1);
        // It never gets smaller, and never larger than the file.
        page.fit(MIB);
        assert_eq!(other.in_use(), 8 * MIB / BYTES_PER_USE_COUNTER);
        page.fit(1024 * MIB);
        assert_eq!(other.in_use(), 64 * MIB / BYTES_PER_USE_COUNTER);
    }

    #[test]
    fn what_is_no_map_of_uses_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SHARED_NAME);
        for content in [&b""[..], b"something else", &[0; 8192]] {
            fs::write(&path, content).unwrap();
            let page = SharedPage::open(directory.path(), MIB).unwrap();
            page.note_use(1);
            assert_eq!((page.generation(), page.uses(1)), (0, 1));
            assert!(page.is_current());
        }
    }

    #[test]
    fn a_map_that_is_cut_off_or_removed_does_no_harm_and_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SHARED_NAME);
        let page = SharedPage::open(directory.path(), MIB).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        page.note_use(1);
        page.announce();
        assert!(!page.is_current());
        drop(page);
        let page = SharedPage::open(directory.path(), MIB).unwrap();
        fs::remove_file(&path).unwrap();
        page.note_use(1);
        assert!(!page.is_current());
    }
}
