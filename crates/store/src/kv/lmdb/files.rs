//! The two files of a store and the locks around them: everything that LMDB leaves to its user.
//!
//! * The directory itself is locked (`flock`) while files are opened, checked, made or removed.
//! * Each user of `data.mdb` holds a shared lock (`flock`) on it, so that the next one can tell
//!   whether anybody would be hurt by removing it.
//! * A byte of `data.mdb` far beyond its end is locked (`fcntl`, open file description) while a
//!   write transaction is open: unlike LMDB's own mutex, this lock can be tried.
//!
//! All three vanish with the process that holds them, however it ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::page::{Damage, META_BYTES, Meta, read_meta};
use super::tree::find_unmapped;
use crate::kv::{Distrust, StoreError};

/// Name of the file with the entries.
pub(super) const DATA_NAME: &str = "data.mdb";

/// Name of the file with LMDB's table of readers.
pub(super) const LOCK_NAME: &str = "lock.mdb";

/// Rights of new files, less the umask: the group may run a garbage collector.
pub(super) const FILE_MODE: u32 = 0o660;

/// Rights of a new directory, less the umask.
const DIRECTORY_MODE: u32 = 0o770;

/// Which byte of the data file stands for the right to write.
const WRITE_LOCK_BYTE: libc::off_t = 1 << 60;

/// Where in the first meta page the stamp is: behind what LMDB uses of it.
const STAMP_AT: u64 = 1024;

/// Says that the file was made by this program, even if its entries cannot be read.
const STAMP: &[u8; 16] = b"kres cache file\n";

/// By so much a file is longer than expected where the length alone is suspicious.
const HOLLOW_FACTOR: u64 = 16;

/// Tries of a system call that a signal interrupts.
const INTERRUPTED_MAX: usize = 16;

/// Which file it is, whatever its name.
pub(super) type Identity = (u64, u64);

/// Makes the directory if it is missing and returns its full path.
pub(super) fn prepare_directory(path: &Path) -> Result<PathBuf, StoreError> {
    match fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("make directory", path, error));
        }
        _ => {}
    }
    path.canonicalize().map_err(|error| failed("open directory", path, error))
}

/// The right to open, make and remove the files of a directory.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes it; with `wait`, waits for others, who hold it for milliseconds.
    pub(super) fn acquire(directory: &Path, wait: bool) -> Result<Self, StoreError> {
        let io = |error| failed("open directory", directory, error);
        let file = File::open(directory).map_err(io)?;
        if wait {
            file.lock().map_err(io)?;
        } else {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(StoreError::Busy),
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
        }
        Ok(DirectoryLock { _file: file })
    }
}

/// Removes both files. The lock file goes first: data without it counts as unusable, while a new
/// data file beside an old lock file would share its readers with the old data.
pub(super) fn remove(directory: &Path) -> Result<(), StoreError> {
    remove_lock(directory)?;
    remove_one(&directory.join(DATA_NAME))
}

/// Removes the lock file only.
pub(super) fn remove_lock(directory: &Path) -> Result<(), StoreError> {
    remove_one(&directory.join(LOCK_NAME))
}

fn remove_one(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

/// Which file the lock file is now, if there is one.
pub(super) fn lock_identity(directory: &Path) -> Option<Identity> {
    let metadata = fs::metadata(directory.join(LOCK_NAME)).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Makes an empty lock file with our rights; LMDB fills it, but would make it private.
pub(super) fn create_lock(directory: &Path) -> Result<(), StoreError> {
    let path = directory.join(LOCK_NAME);
    match File::options().write(true).create_new(true).mode(FILE_MODE).open(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("make", &path, error))
        }
        _ => Ok(()),
    }
}

/// The process that uses the lock file in LMDB's way, if there is one. Must not be called while
/// this process has the environment open: closing the file would drop its locks.
pub(super) fn lock_holder(directory: &Path) -> Result<Option<i32>, StoreError> {
    let path = directory.join(LOCK_NAME);
    let file = match File::options().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", &path, error)),
    };
    let mut range = byte_range(libc::F_WRLCK, 0);
    fcntl(&file, libc::F_GETLK, &mut range).map_err(|error| failed("examine", &path, error))?;
    Ok((i32::from(range.l_type) != libc::F_UNLCK).then_some(range.l_pid))
}

/// What reserving space does to the length of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Length {
    Keep,
    Extend,
}

/// What the system says of the data file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    /// Length in bytes.
    pub(super) len: u64,
    /// Bytes for which the file system has reserved space.
    pub(super) reserved: u64,
    /// Whether its name is gone.
    pub(super) removed: bool,
}

impl Status {
    /// Is the file far longer than what is known of it, with nothing in the rest? A cache that is made
    /// larger has space reserved for all of it; LMDB believes a damaged meta page and makes the file as
    /// long as that says.
    pub(super) fn is_hollow(&self, known: u64, len: u64) -> bool {
        len / HOLLOW_FACTOR > known && self.reserved < len / 2
    }
}

/// The file with the entries, opened beside LMDB.
#[derive(Debug)]
pub(super) struct DataFile {
    file: File,
    path: PathBuf,
    identity: Identity,
}

impl DataFile {
    /// Opens the file if there is one.
    pub(super) fn open(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(DATA_NAME);
        match File::options().read(true).write(true).open(&path) {
            Ok(file) => Self::new(file, path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", &path, error)),
        }
    }

    /// Length of the file that has the name now; zero without one.
    pub(super) fn len_of(directory: &Path) -> u64 {
        fs::metadata(directory.join(DATA_NAME)).map_or(0, |metadata| metadata.len())
    }

    /// Makes the file, empty.
    pub(super) fn create(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(DATA_NAME);
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(FILE_MODE);
        match options.open(&path) {
            Ok(file) => Self::new(file, path),
            Err(error) => Err(failed("make", &path, error)),
        }
    }

    fn new(file: File, path: PathBuf) -> Result<Self, StoreError> {
        let metadata = file.metadata().map_err(|error| failed("examine", &path, error))?;
        let identity = (metadata.dev(), metadata.ino());
        Ok(DataFile { file, path, identity })
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// What is known of the file now: one system call.
    pub(super) fn status(&self) -> Result<Status, StoreError> {
        let metadata =
            self.file.metadata().map_err(|error| failed("examine", &self.path, error))?;
        Ok(Status {
            len: metadata.len(),
            reserved: metadata.blocks().saturating_mul(512),
            removed: metadata.nlink() == 0,
        })
    }

    /// Takes the file for this process alone; false if others use it.
    pub(super) fn try_claim(&self) -> Result<bool, StoreError> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(failed("lock", &self.path, error)),
        }
    }

    /// Lets others use the file too, and shows them that it is used.
    pub(super) fn share(&self) -> Result<(), StoreError> {
        match self.file.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy),
            Err(TryLockError::Error(error)) => Err(failed("lock", &self.path, error)),
        }
    }

    /// Reads what LMDB would believe: the newer meta page, with the file long enough for it.
    pub(super) fn read_meta(&self) -> Result<Result<Meta, Distrust>, StoreError> {
        let mut bytes = [0; META_BYTES];
        let mut newest: Option<Meta> = None;
        let mut at = 0;
        for _ in 0..2 {
            match self.file.read_exact_at(&mut bytes, at) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(Err(Distrust::Truncated));
                }
                Err(error) => return Err(failed("read", &self.path, error)),
                Ok(()) => {}
            }
            let meta = match read_meta(&bytes) {
                Ok(meta) => meta,
                Err(damage) => return Ok(Err(Distrust::Damaged(damage.0))),
            };
            if newest.is_some_and(|first| first.page_bytes != meta.page_bytes) {
                return Ok(Err(Distrust::Damaged("meta pages disagree")));
            }
            if newest.is_none_or(|first| first.transaction < meta.transaction) {
                newest = Some(meta);
            }
            at = meta.page_bytes as u64;
        }
        let Some(meta) = newest else { return Ok(Err(Distrust::Truncated)) };
        let needed = meta.last_page.checked_add(1).and_then(|n| n.checked_mul(at));
        if needed.is_none_or(|needed| needed > self.status().map_or(0, |status| status.len)) {
            return Ok(Err(Distrust::Truncated));
        }
        Ok(Ok(meta))
    }

    /// The data under `key`, read without mapping the file.
    pub(super) fn find(
        &self,
        meta: &Meta,
        key: &[u8],
    ) -> Result<Result<Option<Vec<u8>>, Damage>, StoreError> {
        find_unmapped(meta.main.root, key, |number| {
            let mut page = vec![0; meta.page_bytes];
            let at = number.saturating_mul(meta.page_bytes as u64);
            match self.file.read_exact_at(&mut page, at) {
                // A page beyond the end stays zeros, which are no page.
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    Err(failed("read", &self.path, error))
                }
                _ => Ok(page),
            }
        })
    }

    /// Whether this program made the file.
    pub(super) fn is_stamped(&self) -> bool {
        let mut stamp = [0; STAMP.len()];
        self.file.read_exact_at(&mut stamp, STAMP_AT).is_ok() && stamp == *STAMP
    }

    /// Marks the file as made by this program.
    pub(super) fn stamp(&self) -> Result<(), StoreError> {
        self.file.write_all_at(STAMP, STAMP_AT).map_err(|error| failed("write", &self.path, error))
    }

    /// Reserves space for the first `bytes` of the file, so that a full disk shows now and not
    /// as a fault in the map. False if the file system cannot do that.
    pub(super) fn reserve(&self, bytes: u64, length: Length) -> Result<bool, StoreError> {
        let status = self.status()?;
        if status.len >= bytes && status.reserved >= bytes {
            return Ok(true);
        }
        let mode = match length {
            Length::Keep => libc::FALLOC_FL_KEEP_SIZE,
            Length::Extend => 0,
        };
        let len = libc::off_t::try_from(bytes).map_err(|_| StoreError::SizeOutOfRange { bytes })?;
        for _ in 0..INTERRUPTED_MAX {
            // SAFETY: the descriptor is open; the call takes no pointers.
            if unsafe { libc::fallocate(self.file.as_raw_fd(), mode, 0, len) } == 0 {
                return Ok(true);
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::ENOSPC | libc::EDQUOT) => {
                    let path = self.path.parent().unwrap_or(&self.path).to_owned();
                    return Err(StoreError::NoSpace { path, bytes });
                }
                Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => return Ok(false),
                _ => return Err(failed("reserve space for", &self.path, error)),
            }
        }
        Ok(false)
    }

    /// Takes the right to write; with `wait`, waits for others. Nothing if another has it.
    pub(super) fn lock_for_writing(&self, wait: bool) -> Result<Option<WriteLock<'_>>, StoreError> {
        let command = if wait { libc::F_OFD_SETLKW } else { libc::F_OFD_SETLK };
        for _ in 0..INTERRUPTED_MAX {
            let mut range = byte_range(libc::F_WRLCK, WRITE_LOCK_BYTE);
            match fcntl(&self.file, command, &mut range) {
                Ok(()) => return Ok(Some(WriteLock(self))),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN | libc::EACCES) => return Ok(None),
                    _ => return Err(failed("lock", &self.path, error)),
                },
            }
        }
        Ok(None)
    }
}

/// The right to write to a data file.
#[derive(Debug)]
pub(super) struct WriteLock<'a>(&'a DataFile);

impl Drop for WriteLock<'_> {
    fn drop(&mut self) {
        let mut range = byte_range(libc::F_UNLCK, WRITE_LOCK_BYTE);
        // Unlocking cannot fail for a lock that is held; if it did, closing the file unlocks.
        let _ = fcntl(&self.0.file, libc::F_OFD_SETLK, &mut range);
    }
}

fn byte_range(kind: i32, start: libc::off_t) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: 1,
        l_pid: 0,
    }
}

fn fcntl(file: &File, command: i32, range: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the descriptor is open, and all commands used here take a pointer to this struct.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(range)) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

pub(super) fn failed(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), source }
}
