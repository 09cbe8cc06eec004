//! What can go wrong with a store, and what an operator should hear about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why an operation on a store failed. Never a reason to fail a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// This process has the directory open already.
    #[error("{}: the cache is open in this process already", path.display())]
    AlreadyOpen {
        /// The directory.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("another process is changing the cache just now")]
    Busy,
    /// The store could not be opened again after trouble; it will be tried later.
    #[error("the cache is out of use until it can be opened again")]
    Closed,
    /// The files do not hold what they should.
    #[error("the cache is damaged: {what}")]
    Damaged {
        /// What was found.
        what: &'static str,
    },
    /// The files belong to another program, which does not run.
    #[error(
        "{}: a database of another program is there; \
         choose another directory with cache.storage or remove its files",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// There is no room, even in an empty store.
    #[error("the cache is too small for what should be stored at once")]
    Full,
    /// Another program uses the files in its own format.
    #[error(
        "{}: files of another program are in use there (process {process}); \
         choose another directory with cache.storage or stop that process",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that holds them.
        process: i32,
    },
    /// The operating system refused something.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A key is empty or too long.
    #[error("a key of {bytes} bytes cannot be stored")]
    KeyLength {
        /// Its length.
        bytes: usize,
    },
    /// A key begins with the byte that is reserved for the back end.
    #[error("a key that begins with the reserved byte cannot be stored")]
    KeyReserved,
    /// LMDB refused something.
    #[cfg(target_os = "linux")]
    #[error("cannot {what}: {source}")]
    Lmdb {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: heed::MdbError,
    },
    /// The file system cannot hold the file.
    #[error(
        "{}: the file system has no room for a cache of {bytes} bytes; \
         free some space, set a smaller cache.size or choose another directory",
        path.display()
    )]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// The size wanted.
        bytes: u64,
    },
    /// Another version of the program uses the files.
    #[error(
        "{}: another version of this program uses the cache there (format {found}, ours is \
         {ours}); stop it or choose another directory with cache.storage",
        path.display()
    )]
    OtherFormat {
        /// The directory.
        path: PathBuf,
        /// Format of the files.
        found: u32,
        /// Format of this program.
        ours: u32,
    },
    /// A size is out of range.
    #[error(
        "invalid cache size specified, it must be in range <{}, {}>",
        crate::limits::STORE_BYTES_MIN,
        crate::limits::STORE_BYTES_MAX
    )]
    SizeOutOfRange {
        /// The size wanted.
        bytes: u64,
    },
    /// No back end has this name.
    #[error("unsupported cache backend: {scheme}")]
    UnknownBackend {
        /// The name.
        scheme: String,
    },
    /// A value is empty or too long.
    #[error("a value of {bytes} bytes cannot be stored")]
    ValueLength {
        /// Its length.
        bytes: usize,
    },
}

/// Why files were not used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// A page, a header or a list is not what it should be.
    Damaged(&'static str),
    /// The file is shorter than its own header says, or became shorter while it was open.
    Truncated,
    /// The lock file is gone while others may still use the data.
    LockGone,
    /// The file is a cache of another format that nobody uses.
    OtherFormat(u32),
    /// The file is not a cache of ours.
    Foreign,
    /// All entries were to be removed, and there are too many to do so one by one.
    TooLarge,
    /// Nothing could be stored, even after everything was dropped.
    Stuck,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distrust::Damaged(what) => write!(f, "it was damaged: {what}"),
            Distrust::Truncated => f.write_str("it was cut off"),
            Distrust::LockGone => f.write_str("its lock file had been removed"),
            Distrust::OtherFormat(found) => write!(f, "it had format {found} and nobody used it"),
            Distrust::Foreign => f.write_str("it was not written by this program"),
            Distrust::TooLarge => f.write_str("that is the faster way to clear it"),
            Distrust::Stuck => f.write_str("nothing could be stored in it any more"),
        }
    }
}

/// A change of state that an operator would want to know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The whole store was dropped to make room.
    DroppedAll {
        /// Entries that were in it.
        entries: u64,
    },
    /// Another process made the store larger, and it is used so.
    Grown {
        /// New size in bytes.
        bytes: u64,
    },
    /// Files were removed and made anew.
    Recreated {
        /// The directory.
        path: PathBuf,
        /// Why.
        why: Distrust,
    },
    /// The store is larger than was asked for and stays so.
    SizeKept {
        /// Size wanted.
        asked: u64,
        /// Size used.
        kept: u64,
    },
    /// The file system cannot reserve space; a full disk will show later.
    NotReserved {
        /// The directory.
        path: PathBuf,
    },
    /// There was no room to make the store larger.
    NotGrown {
        /// Size wanted.
        asked: u64,
        /// Size used.
        kept: u64,
    },
    /// Somebody removed the files while they were in use; new ones were made.
    Removed {
        /// The directory.
        path: PathBuf,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::DroppedAll { entries } => {
                write!(f, "the cache was full, all {entries} entries were dropped")
            }
            Notice::Grown { bytes } => {
                write!(f, "another process made the cache {bytes} bytes large")
            }
            Notice::Recreated { path, why } => {
                write!(f, "{}: the cache was made anew because {why}", path.display())
            }
            Notice::SizeKept { asked, kept } => {
                write!(f, "real cache size is {kept} instead of the requested {asked}")
            }
            Notice::NotReserved { path } => write!(
                f,
                "{}: the file system cannot reserve space for the cache; keep enough free",
                path.display()
            ),
            Notice::NotGrown { asked, kept } => {
                write!(f, "no room to make the cache {asked} bytes large, it stays at {kept}")
            }
            Notice::Removed { path } => {
                write!(f, "{}: the cache was removed while in use and made anew", path.display())
            }
        }
    }
}
