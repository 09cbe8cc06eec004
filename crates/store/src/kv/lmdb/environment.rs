//! One open LMDB environment: its parts, how it is mapped, and what can be told of it from outside.
//! What to do when something is wrong with it is decided in `lmdb.rs`.
//!
//! Reads take LMDB's snapshot (`snapshot.rs`), which pins the pages, and follow them with `tree.rs`;
//! writes are LMDB's own (`writing.rs`). How the files are judged before is in `opening.rs`. One
//! environment per directory and process; it must not be open across a fork.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};

use heed::types::Bytes;
use heed::{Database, EnvFlags, EnvOpenOptions, MdbError, WithoutTls};

use super::abandon::{self, abandonable};
use super::arena::{self, Lost};
use super::fault::{self, Guard, find_map};
use super::fence::Fences;
use super::files::{self, DataFile, Identity, Length};
use super::header::{self, HEADER_KEY, Secret};
use super::locks::LockTable;
use super::memo::Memo;
use super::opening::map_bytes;
use super::page::Damage;
use super::snapshot::{Map, Snapshot};
use super::tree::Near;
use crate::kv::{Distrust, StoreError};
use crate::limits::READERS_MAX;

/// What is wrong with an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The files must not be used.
    Distrusted(Distrust),
    /// The names of the files are gone.
    Removed,
    /// Another process made the file larger than our map; its length.
    Grown(u64),
    /// No slot was left in the table of readers.
    NoReaderSlot,
    /// LMDB refuses to go on, but the files may be sound.
    Stuck,
}

/// What is left of a transaction that was given up.
#[derive(Debug)]
pub(super) struct Abandoned {
    /// LMDB's mutex is free of this thread.
    pub(super) is_released: bool,
    /// LMDB's memory, of no use to anybody once the environment is closed.
    pub(super) lost: Lost,
}

/// An open environment. Fields are dropped in this order: first whatever points into the map.
pub(super) struct Environment {
    pub(super) snapshot: OnceCell<Snapshot>,
    pub(super) memo: RefCell<Memo>,
    pub(super) near: Near,
    pub(super) data_guard: Option<Guard>,
    pub(super) lock_guard: Option<Guard>,
    pub(super) database: Database<'static, Bytes, Bytes>,
    pub(super) env: heed::Env<WithoutTls>,
    pub(super) map: Map,
    pub(super) fences: Fences,
    pub(super) data: DataFile,
    pub(super) directory: PathBuf,
    pub(super) lock_identity: Option<Identity>,
    pub(super) secret: Secret,
    /// The table of readers and writers, if it could be found.
    pub(super) locks: Option<LockTable>,
    /// A write transaction was given up in its middle.
    pub(super) abandoned: Cell<Option<Abandoned>>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The file became shorter, or was spoiled, while it was being opened.
const CUT_OFF: heed::Error = heed::Error::Mdb(MdbError::Invalid);

impl Environment {
    /// Lets LMDB map the files; if they are fresh, writes the header into them.
    pub(super) fn map(
        directory: &Path,
        data: DataFile,
        bytes: u64,
        secret: Secret,
        fresh: bool,
    ) -> Result<Self, heed::Error> {
        let (made, whole) = fault::while_opening(|| {
            Environment::map_unguarded(directory, data, bytes, secret, fresh)
        });
        made.and_then(|environment| if whole { Ok(environment) } else { Err(CUT_OFF) })
    }

    fn map_unguarded(
        directory: &Path,
        data: DataFile,
        bytes: u64,
        secret: Secret,
        fresh: bool,
    ) -> Result<Self, heed::Error> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(usize::try_from(bytes).unwrap_or(usize::MAX & !0xFFFF));
        options.max_readers(READERS_MAX);
        // SAFETY: a crash of the system may leave damaged pages behind without syncing; they
        // are found by the check at the next start and by the tags. The map is writable, but
        // this crate hands out shared slices of it only.
        unsafe { options.flags(EnvFlags::NO_SYNC | EnvFlags::WRITE_MAP) };
        let map_bytes = usize::try_from(bytes).unwrap_or_default();
        arena::prepare(map_bytes);
        abandon::prepare();
        let fences = Fences::before_mapping(map_bytes);
        // SAFETY: the file is changed by LMDB under its own locks only, which are shared by all
        // users of the directory; if somebody cuts it off, `fault.rs` answers. It is not open
        // twice in this process: heed refuses that.
        let env = unsafe { options.open(directory)? };
        let transaction = env.read_txn()?;
        let database = env
            .open_databases_and_commit(transaction, |opener, transaction| {
                opener
                    .open_database::<Bytes, Bytes>(transaction, None)
                    .map(heed::CommitOrAbort::<_, ()>::Commit)
            })?
            .commit()
            .flatten()
            .ok_or(heed::Error::Mdb(MdbError::Invalid))?;
        let env = match fresh {
            true => write_first_header(env, &database, &secret, directory)?,
            false => env,
        };
        let map = locate(&env, &database)?;
        // LMDB makes the file as long as its meta page says.
        if map.len as u64 != bytes {
            return Err(CUT_OFF);
        }
        let lock_identity = files::lock_identity(directory);
        let lock_map = lock_identity.and_then(find_map);
        Ok(Environment {
            snapshot: OnceCell::new(),
            memo: RefCell::default(),
            near: Near::default(),
            data_guard: Guard::of_trees(map.start.as_ptr() as usize, map.len),
            lock_guard: lock_map.and_then(|(start, len)| Guard::new(start, len)),
            locks: lock_map.and_then(|(start, len)| LockTable::at(start, len)),
            database,
            fences: fences.and_around(map.start.addr().get(), map.len),
            map,
            env,
            data,
            directory: directory.to_owned(),
            lock_identity,
            secret,
            abandoned: Cell::new(None),
        })
    }

    /// Closes it. Where a transaction was given up and its mutex could not be given back, the place of
    /// that stays, see [`LockTable::keep_place`].
    pub(super) fn close(self) {
        let abandoned = self.abandoned.take();
        let locks = self.locks.clone();
        drop(self);
        let Some(Abandoned { is_released, lost }) = abandoned else { return };
        lost.release();
        if let (Some(locks), false) = (locks, is_released) {
            locks.keep_place();
        }
    }

    pub(super) fn identity(&self) -> Identity {
        self.data.identity()
    }

    /// Full path of the directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Bytes that are mapped.
    pub(super) fn map_len(&self) -> u64 {
        self.map.len as u64
    }

    /// Whether a page was missing when it was touched.
    pub(super) fn has_faulted(&self) -> bool {
        self.data_guard.as_ref().is_some_and(Guard::has_faulted)
            || self.lock_guard.as_ref().is_some_and(Guard::has_faulted)
    }

    /// Looks at the file from outside: one system call.
    pub(super) fn inspect(&self) -> Result<(), Trouble> {
        self.check_mapped()?;
        let Ok(status) = self.data.status() else { return Err(Trouble::Stuck) };
        if status.removed {
            Err(Trouble::Removed)
        } else if self.has_faulted() || status.len < self.map_len() {
            Err(Trouble::Distrusted(Distrust::Truncated))
        } else if status.len > self.map_len() {
            Err(Trouble::Grown(status.len))
        } else {
            Ok(())
        }
    }

    /// Looks whether there is a map, which mapping anew may have left LMDB without.
    pub(super) fn check_mapped(&self) -> Result<(), Trouble> {
        if self.map.len > 0 { Ok(()) } else { Err(Trouble::Stuck) }
    }

    /// Looks whether what LMDB is about to believe in its lock file can be believed.
    #[inline]
    pub(super) fn check_lock_table(&self) -> Result<(), Trouble> {
        self.locks.as_ref().map_or(Ok(()), LockTable::check).map_err(distrust)
    }

    /// Looks whether the lock file is still the one that is in use.
    pub(super) fn inspect_lock(&self) -> Result<(), Trouble> {
        if files::lock_identity(&self.directory) == self.lock_identity {
            Ok(())
        } else {
            Err(Trouble::Distrusted(Distrust::LockGone))
        }
    }

    /// Frees slots of readers that are dead; how many. None while the table is not sound.
    pub(super) fn clear_stale_readers(&self) -> u64 {
        if self.check_lock_table().is_err() {
            return 0;
        }
        self.env.clear_stale_readers().map_or(0, |stale| stale as u64)
    }

    /// Makes the file as long as this, with space for it reserved, and maps it so.
    pub(super) fn resize(&mut self, bytes: u64) -> Result<(), StoreError> {
        let bytes = map_bytes(bytes);
        self.data.reserve(bytes, Length::Extend)?;
        self.map_anew(bytes)
    }

    /// Maps the file with the length that another process has given it, and reserved.
    pub(super) fn follow(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.map_anew(map_bytes(bytes))
    }

    /// Is this length of the file one that only an accident explains?
    pub(super) fn is_hollow(&self, bytes: u64) -> bool {
        self.data.status().is_ok_and(|status| status.is_hollow(self.map_len(), bytes))
    }

    fn map_anew(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.end_snapshot();
        let len = usize::try_from(bytes).map_err(|_| StoreError::SizeOutOfRange { bytes })?;
        self.data_guard = None;
        arena::prepare(len);
        // Those that are there keep what is made now from what lies above.
        let fences = std::mem::replace(&mut self.fences, Fences::none());
        // SAFETY: the snapshot is over and no write transaction is open, as `&mut self` shows,
        // so nothing points into the map.
        let resized = unsafe { self.env.resize(len) };
        let mapped = resized.and_then(|()| locate(&self.env, &self.database));
        match mapped {
            // LMDB maps more than it is asked to if a spoiled meta page says so.
            Ok(map) if map.len == len => {
                self.map = map;
                drop(fences);
                self.fences = Fences::around(map.start.addr().get(), map.len);
                self.data_guard = Guard::of_trees(map.start.as_ptr() as usize, map.len);
                Ok(())
            }
            mapped => {
                // The old map is gone, and LMDB may have none; that is noticed in the next turn.
                self.map = Map { start: NonNull::dangling(), len: 0 };
                Err(match mapped.err().unwrap_or(CUT_OFF) {
                    heed::Error::Mdb(source) => StoreError::Lmdb { what: "map the cache", source },
                    heed::Error::Io(source) => files::failed("map", &self.directory, source),
                    _ => StoreError::Closed,
                })
            }
        }
    }

    /// What an error of LMDB says of the environment.
    pub(super) fn trouble(&self, error: &heed::Error) -> Trouble {
        match error {
            heed::Error::Mdb(MdbError::MapResized) => match self.data.status() {
                Ok(status) if status.len > self.map_len() => Trouble::Grown(status.len),
                Ok(_) => Trouble::Distrusted(Distrust::Damaged("it uses pages behind its end")),
                Err(_) => Trouble::Stuck,
            },
            heed::Error::Mdb(MdbError::ReadersFull) => Trouble::NoReaderSlot,
            heed::Error::Mdb(
                MdbError::PageNotFound
                | MdbError::Corrupted
                | MdbError::CursorFull
                | MdbError::PageFull
                | MdbError::Problem
                | MdbError::Incompatible
                | MdbError::Invalid,
            ) => Trouble::Distrusted(Distrust::Damaged("LMDB found a page that is not one")),
            _ => Trouble::Stuck,
        }
    }
}

impl From<Damage> for Distrust {
    fn from(damage: Damage) -> Self {
        Distrust::Damaged(damage.0)
    }
}

/// What damage says of the environment.
pub(super) fn distrust(damage: Damage) -> Trouble {
    Trouble::Distrusted(damage.into())
}

/// Writes the header into fresh files.
fn write_first_header(
    env: heed::Env<WithoutTls>,
    database: &Database<'static, Bytes, Bytes>,
    secret: &Secret,
    directory: &Path,
) -> Result<heed::Env<WithoutTls>, heed::Error> {
    let header = header::compose(secret);
    let written = abandonable(|| {
        let mut transaction = env.write_txn()?;
        database.put(&mut transaction, HEADER_KEY, &header)?;
        transaction.commit()
    });
    let lost = match written {
        Ok(written) => return written.map(|()| env),
        Err(lost) => lost,
    };
    let lock_map = files::lock_identity(directory).and_then(find_map);
    let locks = lock_map.and_then(|(start, len)| LockTable::at(start, len));
    let is_released = locks.as_ref().is_some_and(LockTable::release_writer);
    drop(env);
    lost.release();
    if let (Some(locks), false) = (locks, is_released) {
        locks.keep_place();
    }
    Err(CUT_OFF)
}

/// Where LMDB has mapped the file, which it does not tell: the header's value is in one of its
/// pages, and a page has its number. LMDB follows pages to it, which others may be spoiling.
fn locate(
    env: &heed::Env<WithoutTls>,
    database: &Database<'static, Bytes, Bytes>,
) -> Result<Map, heed::Error> {
    // What LMDB has left of it, two small pieces at most, stays where it is: the environment is still open.
    abandonable(|| find_start(env, database)).unwrap_or(Err(CUT_OFF))
}

fn find_start(
    env: &heed::Env<WithoutTls>,
    database: &Database<'static, Bytes, Bytes>,
) -> Result<Map, heed::Error> {
    const INVALID: heed::Error = heed::Error::Mdb(MdbError::Invalid);
    let transaction = env.read_txn()?;
    let page_bytes = database.stat(&transaction)?.page_size as usize;
    let value = database.get(&transaction, HEADER_KEY)?.ok_or(INVALID)?;
    let address = value.as_ptr().expose_provenance();
    let page = address & !(page_bytes - 1);
    // SAFETY: the value is smaller than a page and so in a leaf page, which begins at a multiple
    // of its size in a map that does, too; it begins with its number.
    let number = unsafe { ptr::with_exposed_provenance::<usize>(page).read_volatile() };
    let start = number
        .checked_mul(page_bytes)
        .and_then(|offset| page.checked_sub(offset))
        .and_then(|start| NonNull::new(ptr::with_exposed_provenance_mut::<u8>(start)));
    let len = env.info().map_size;
    match start {
        Some(start) if address - start.addr().get() < len => Ok(Map { start, len }),
        _ => Err(INVALID),
    }
}
