//! What processes leave behind when they end without warning: the question that each of them was working
//! on, in a file of the run directory that all of them have mapped. Whoever finds that one has ended
//! counts: its parent at once, or the next process that is started. What has ended processes again and
//! again is condemned, for a day or until another version of the program is started.
//!
//! ```text
//! 0 magic:16  16 version:u64  24 condemned:u64  32 key:2*u64  48 zeros:2*u64
//! 64 places: (process:u64 question:u64)*   then suspects: (question:u64 times:u64 seconds:u64)*
//! ```
//!
//! (in the machine's byte order). A process has one of the places, and a lock on the byte of the same
//! number far behind the end, which vanishes with it. Where there can be no file the processes of a group
//! share nameless memory instead.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use store::kv::lmdb::MapGuard;

use super::shared;
use crate::cli::VERSION_LINE;
use crate::limits::{CONDEMNED_AFTER, PLACES_MAX, SUSPECT_SECONDS_MAX, SUSPECTS_MAX};

/// Name of the file, and of one that is being made.
const NAME: &str = "suspects.map";
const NEW_NAME: &str = "suspects.map.new";
const MAGIC: &[u8; 16] = b"kres suspects 1\n";

// What is where, in numbers of 64 bits.
const VERSION: usize = 2;
const CONDEMNED: usize = 3;
const KEY: usize = 4;
const PLACES: usize = 8;
const SUSPECTS: usize = PLACES + 2 * PLACES_MAX;
const COUNT: usize = SUSPECTS + 3 * SUSPECTS_MAX;
const BYTES: usize = COUNT * size_of::<u64>();

/// Where the locks of places are.
const LOCKS_AT: libc::off_t = 1 << 40;

/// The shared memory, and whose place in it is ours.
#[derive(Clone, Copy)]
pub(crate) struct Suspects {
    numbers: &'static [AtomicU64],
    /// The file, unless it is nameless memory.
    identity: Option<(u64, u64)>,
    own: Option<usize>,
}

impl Suspects {
    /// Opens the file of a run directory, or makes one whose hashes have this key. `now` in seconds since
    /// 1970.
    pub(crate) fn open(directory: &Path, key: (u64, u64), now: u64) -> io::Result<Suspects> {
        // Two that start at once shall not make two files.
        let lock = File::open(directory)?;
        lock.lock()?;
        let path = directory.join(NAME);
        let opened = File::options().read(true).write(true).open(&path);
        let usable = opened.ok().filter(is_usable);
        let file = match usable {
            Some(file) => file,
            None => make(directory, key)?,
        };
        let metadata = file.metadata()?;
        let suspects = Suspects {
            numbers: map(&file)?,
            identity: Some((metadata.dev(), metadata.ino())),
            own: None,
        };
        suspects.expire(now);
        Ok(suspects)
    }

    /// Memory that is shared with the processes that are forked from this one.
    pub(crate) fn nameless(key: (u64, u64)) -> io::Result<Suspects> {
        let suspects = Suspects { numbers: shared::numbers(COUNT)?, identity: None, own: None };
        suspects.number(KEY).store(key.0, Relaxed);
        suspects.number(KEY + 1).store(key.1, Relaxed);
        Ok(suspects)
    }

    /// The same as a process that works on questions sees it, the `number`th of its group; and how often
    /// each question has ended a process that was in this place before.
    pub(crate) fn enter(self, directory: &Path, number: u32, now: u64) -> (Suspects, Option<u64>) {
        let own = match self.identity {
            None => Some(number as usize).filter(|number| *number < PLACES_MAX),
            Some(identity) => claim(directory, identity).ok().flatten(),
        };
        let Some(own) = own else { return (self, None) };
        let place = PLACES + 2 * own;
        let left_behind = self.number(place + 1).swap(0, Relaxed);
        let times = (left_behind != 0).then(|| self.note(left_behind, now));
        self.number(place).store(u64::from(std::process::id()), Relaxed);
        (Suspects { own: Some(place + 1), ..self }, times)
    }

    /// Gives the place back: this process ends as it should.
    pub(crate) fn leave(self) {
        if let Some(own) = self.own {
            self.number(own).store(0, Relaxed);
            self.number(own - 1).store(0, Relaxed);
        }
    }

    /// A process has ended without having been asked to. How often its question has done so to one, if it
    /// was working on a question and nobody has counted that yet.
    pub(crate) fn note_end(&self, process: u32, now: u64) -> Option<u64> {
        let places = (0..PLACES_MAX).map(|number| PLACES + 2 * number);
        let place = places.into_iter().find(|at| self.get(*at) == u64::from(process))?;
        self.number(place).store(0, Relaxed);
        match self.number(place + 1).swap(0, Relaxed) {
            0 => None,
            question => Some(self.note(question, now)),
        }
    }

    /// Counts that a question has ended a process; how often now.
    fn note(&self, question: u64, now: u64) -> u64 {
        // The one that is known, or a free place, or that of the one that has done the least harm.
        let known = suspects().find(|at| self.get(*at) == question);
        let at = known.or_else(|| suspects().min_by_key(|at| self.get(*at + 1)));
        let Some(at) = at else { return 0 };
        let times = if known.is_some() { self.get(at + 1) + 1 } else { 1 };
        self.number(at).store(question, Relaxed);
        self.number(at + 1).store(times, Relaxed);
        self.number(at + 2).store(now, Relaxed);
        self.count_condemned();
        times
    }

    /// Forgets what has ended nobody for long.
    pub(crate) fn expire(&self, now: u64) {
        let old = |at: &usize| {
            let last = self.get(at + 2);
            // A clock that was set back does not keep anything for ever.
            self.get(at + 1) > 0 && now.abs_diff(last) > SUSPECT_SECONDS_MAX
        };
        let mut any = false;
        for at in suspects().filter(old) {
            (at..at + 3).for_each(|at| self.number(at).store(0, Relaxed));
            any = true;
        }
        if any {
            self.count_condemned();
        }
    }

    fn count_condemned(&self) {
        let condemned = suspects().filter(|at| self.get(at + 1) >= CONDEMNED_AFTER).count();
        self.number(CONDEMNED).store(condemned as u64, Relaxed);
    }

    /// One of the numbers; all that is asked for here is below their count.
    fn number(&self, at: usize) -> &AtomicU64 {
        &self.numbers[at]
    }

    fn get(&self, at: usize) -> u64 {
        self.number(at).load(Relaxed)
    }
}

/// Where each suspect is.
fn suspects() -> impl Iterator<Item = usize> {
    (0..SUSPECTS_MAX).map(|number| SUSPECTS + 3 * number)
}

/// A number for this version of the program, whose successor may have mended what was wrong.
fn version() -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(VERSION_LINE.as_bytes());
    hasher.finish()
}

fn is_usable(file: &File) -> bool {
    let mut head = [0; 24];
    let is_whole = file.metadata().is_ok_and(|metadata| metadata.len() == BYTES as u64);
    is_whole
        && file.read_exact_at(&mut head, 0).is_ok()
        && head.starts_with(MAGIC)
        && head.ends_with(&version().to_ne_bytes())
}

/// Makes a file in the place of what is there, which others may still have mapped.
fn make(directory: &Path, key: (u64, u64)) -> io::Result<File> {
    let path = directory.join(NEW_NAME);
    // One that was not finished may be there.
    let _ = fs::remove_file(&path);
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    let mut content = vec![0; BYTES];
    content[..16].copy_from_slice(MAGIC);
    for (at, number) in [(VERSION, version()), (KEY, key.0), (KEY + 1, key.1)] {
        content[at * 8..at * 8 + 8].copy_from_slice(&number.to_ne_bytes());
    }
    file.write_all_at(&content, 0)?;
    fs::rename(&path, directory.join(NAME))?;
    Ok(file)
}

/// Maps a file that is long enough, for the rest of the process's life.
fn map(file: &File) -> io::Result<&'static [AtomicU64]> {
    // SAFETY: a new mapping that is never unmapped, at an address that the kernel chooses; any bytes are
    // valid numbers, which all processes access as atomic ones, and it is aligned as pages are. Should the
    // file be cut off, the guard puts memory in the place of what is missing.
    unsafe {
        let start = libc::mmap(
            ptr::null_mut(),
            BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        std::mem::forget(MapGuard::new(start.expose_provenance(), BYTES));
        Ok(std::slice::from_raw_parts(start.cast::<AtomicU64>(), COUNT))
    }
}

/// Takes a place that no process has, and keeps it as long as this one lives. Nothing if there is none,
/// or if the file is another one by now.
fn claim(directory: &Path, identity: (u64, u64)) -> io::Result<Option<usize>> {
    // Locks of this kind belong to whoever has opened the file; a forked process has to do so itself.
    let file = File::options().read(true).write(true).open(directory.join(NAME))?;
    let metadata = file.metadata()?;
    if (metadata.dev(), metadata.ino()) != identity {
        return Ok(None);
    }
    for number in 0..PLACES_MAX {
        let mut range = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: LOCKS_AT + number as libc::off_t,
            l_len: 1,
            l_pid: 0,
        };
        // SAFETY: the descriptor is open, and the command takes a pointer to this struct.
        let locked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut range) };
        if locked == 0 {
            std::mem::forget(file);
            return Ok(Some(number));
        }
    }
    Ok(None)
}

impl resolve::Suspects for Suspects {
    fn key(&self) -> (u64, u64) {
        (self.get(KEY), self.get(KEY + 1))
    }

    fn begin(&self, question: u64) {
        if let Some(own) = self.own {
            self.number(own).store(question, Relaxed);
        }
    }

    fn end(&self) {
        self.begin(0);
    }

    fn is_condemned(&self, question: u64) -> bool {
        // Nearly always there are none.
        self.get(CONDEMNED) > 0
            && suspects().any(|at| self.get(at) == question && self.get(at + 1) >= CONDEMNED_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use resolve::Suspects as _;

    use super::*;

    const KEY: (u64, u64) = (1, 2);
    const NOW: u64 = 1_800_000_000;

    fn this() -> u32 {
        std::process::id()
    }

    #[test]
    fn what_has_ended_workers_thrice_is_condemned() {
        let directory = tempfile::tempdir().unwrap();
        let parents =
            [Suspects::nameless(KEY).unwrap(), Suspects::open(directory.path(), KEY, NOW).unwrap()];
        for parent in parents {
            assert_eq!(parent.key(), KEY);
            for times in 1..=CONDEMNED_AFTER {
                let (worker, before) = parent.enter(directory.path(), 2, NOW);
                assert_eq!(before, None);
                assert!(!worker.is_condemned(77));
                worker.begin(77);
                assert_eq!(parent.note_end(this(), NOW), Some(times));
                assert_eq!(parent.note_end(this(), NOW), None, "it is counted once");
            }
            assert!(parent.is_condemned(77) && !parent.is_condemned(78));
            let (worker, _) = parent.enter(directory.path(), 2, NOW);
            worker.begin(5);
            worker.end();
            assert_eq!(parent.note_end(this(), NOW), None, "it was idle");
        }
    }

    #[test]
    fn the_next_process_counts_what_the_last_one_has_left_and_it_is_forgotten_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for times in 1..=CONDEMNED_AFTER {
            let last = Suspects::open(path, (7, times), NOW).unwrap();
            assert_eq!(last.key().1, 1, "the file stays");
            // As if the process of this place had ended: its lock is gone, its question is not.
            last.number(PLACES + 1).store(9, Relaxed);
            let file = File::options().read(true).write(true).open(path.join(NAME)).unwrap();
            file.lock().unwrap();
            let place = claim_free(&file);
            assert_eq!(place, 0, "nobody has it");
            drop(file);
            let left = last.number(PLACES + 1).swap(0, Relaxed);
            assert_eq!(last.note(left, NOW), times);
        }
        let next = Suspects::open(path, KEY, NOW + SUSPECT_SECONDS_MAX).unwrap();
        assert!(next.is_condemned(9));
        next.expire(NOW + SUSPECT_SECONDS_MAX + 1);
        assert!(!next.is_condemned(9));
    }

    /// The first place that could be claimed.
    fn claim_free(file: &File) -> usize {
        let mut range = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: LOCKS_AT,
            l_len: 1,
            l_pid: 0,
        };
        // SAFETY: as in `claim`.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range) };
        usize::from(range.l_type != libc::F_UNLCK as libc::c_short)
    }

    #[test]
    fn two_processes_have_two_places_and_what_is_no_such_file_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for content in [&b""[..], b"something else", &[0; BYTES]] {
            fs::write(path.join(NAME), content).unwrap();
            let one = Suspects::open(path, KEY, NOW).unwrap();
            let (one, _) = one.enter(path, 0, NOW);
            let (other, _) = Suspects::open(path, KEY, NOW).unwrap().enter(path, 0, NOW);
            assert!(one.own.is_some() && one.own != other.own);
            one.begin(3);
            other.begin(4);
            assert_eq!((one.get(one.own.unwrap()), one.get(other.own.unwrap())), (3, 4));
            one.leave();
            other.leave();
        }
        // Whatever happens to the file, the process goes on.
        let (one, _) = Suspects::open(path, KEY, NOW).unwrap().enter(path, 0, NOW);
        File::options().write(true).open(path.join(NAME)).unwrap().set_len(0).unwrap();
        one.begin(3);
        assert!(!one.is_condemned(3));
    }

    #[test]
    fn many_suspects_do_not_displace_one_that_is_condemned() {
        let parent = Suspects::nameless(KEY).unwrap();
        for question in [7; CONDEMNED_AFTER as usize].into_iter().chain(100..1000) {
            parent.note(question, NOW);
        }
        assert!(parent.is_condemned(7));
    }
}
