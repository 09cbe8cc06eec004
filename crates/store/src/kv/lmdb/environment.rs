//! One open LMDB environment: how it is opened, read and written. What to do when something is
//! wrong with it is decided in `lmdb.rs`.
//!
//! Reads take LMDB's snapshot, which pins the pages, and follow them with `tree.rs`; writes are
//! LMDB's own. One environment per directory and process; it must not be open across a fork.

use std::cell::{Cell, OnceCell};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::atomic::{Ordering, fence};

use heed::types::Bytes;
use heed::{Database, EnvFlags, EnvOpenOptions, MdbError, RoTxn, WithoutTls};

use super::check::check;
use super::fault::{self, Guard, find_map};
use super::files::{self, DataFile, DirectoryLock, Identity, Length, WriteLock};
use super::header::{self, FORMAT_VERSION, HEADER_KEY, Header, Secret, TAG_BYTES};
use super::page::{Damage, META_BYTES, META_TRANSACTION, Meta, Pages, WORD, read_meta};
use super::preflight::check_batch;
use crate::kv::buffered::Notices;
use crate::kv::counters::{add, bump};
use crate::kv::overlay::{Overlay, Pending};
use crate::kv::{Counters, Distrust, Notice, OpenOptions, StoreError};
use crate::limits::{MAP_BYTES_MIN, OPEN_TRIES_MAX, READERS_MAX, STORE_BYTES_MAX};

/// The key under which Knot Resolver keeps the version of its cache, in the same files.
const UPSTREAM_VERSION_KEY: &[u8] = b"VERS";

/// Times that the content of a file in use is looked at before it is called damaged. Pages are
/// replaced at most once in a few commits, and a look takes microseconds.
const JUDGE_TRIES_MAX: usize = 100;

/// Transactions of others that may be committed between the claim on a snapshot and the look at
/// its meta page: some microseconds, unless the process is stopped in between.
const TRANSACTIONS_AHEAD_MAX: u64 = 1 << 20;

/// Retries of the copy of a meta page that another process was just replacing.
const META_TRIES_MAX: usize = 64;

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

/// Why a write did not happen.
#[derive(Debug)]
pub(super) enum WriteFailure {
    /// There was no free page.
    Full,
    /// The environment has to be mended first.
    Trouble(Trouble),
    /// Anything else.
    Error(StoreError),
}

impl From<Trouble> for WriteFailure {
    fn from(trouble: Trouble) -> Self {
        WriteFailure::Trouble(trouble)
    }
}

/// How many of a batch's writes did what.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) written: u64,
    pub(super) removed: u64,
    pub(super) not_found: u64,
}

/// A snapshot: LMDB's claim on its pages, and where its trees are.
struct Snapshot {
    _claim: RoTxn<'static, WithoutTls>,
    meta: Meta,
}

/// Where the file is mapped.
#[derive(Debug, Clone, Copy)]
struct Map {
    start: NonNull<u8>,
    len: usize,
}

/// An open environment. Fields are dropped in this order: first whatever points into the map.
pub(super) struct Environment {
    snapshot: OnceCell<Snapshot>,
    data_guard: Option<Guard>,
    lock_guard: Option<Guard>,
    database: Database<'static, Bytes, Bytes>,
    env: heed::Env<WithoutTls>,
    map: Map,
    data: DataFile,
    directory: PathBuf,
    lock_identity: Option<Identity>,
    secret: Secret,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// What opening needs and tells.
#[derive(Debug)]
pub(super) struct Opening<'a> {
    pub(super) options: &'a OpenOptions,
    /// Whether to wait for other processes that are opening.
    pub(super) wait: bool,
    /// A file that is known to be unusable, and why.
    pub(super) distrusted: Option<(Identity, Distrust)>,
    pub(super) counters: &'a Counters,
    pub(super) notices: &'a mut Notices,
    /// Files made so far, so that each gets a secret of its own.
    pub(super) files_made: &'a Cell<u64>,
}

impl Opening<'_> {
    /// Opens the environment, making its files anew if they are of no use.
    pub(super) fn open(mut self) -> Result<Environment, StoreError> {
        let directory = files::prepare_directory(&self.options.path)?;
        if heed::env_closing_event(&directory).is_some() {
            return Err(StoreError::AlreadyOpen { path: directory });
        }
        let _lock = DirectoryLock::acquire(&directory, self.wait)?;
        for _ in 0..OPEN_TRIES_MAX {
            let why = match self.try_open(&directory)? {
                Ok(environment) => return Ok(environment),
                Err(why) => why,
            };
            files::remove(&directory)?;
            bump(&self.counters.recreated);
            self.notices.push(Notice::Recreated { path: directory.clone(), why });
        }
        Err(StoreError::Damaged { what: "new files cannot be used" })
    }

    /// Opens what is there, or makes it. The inner error means that it is to be removed.
    fn try_open(&mut self, directory: &Path) -> Result<Result<Environment, Distrust>, StoreError> {
        let Some(data) = DataFile::open(directory)? else {
            return self.make(directory).map(Ok);
        };
        let claimed = data.try_claim()?;
        let secret = match self.judge(directory, &data, claimed)? {
            Ok(secret) => secret,
            Err(why) => return Ok(Err(why)),
        };
        files::create_lock(directory)?;
        let bytes = self.reserve_existing(directory, &data)?;
        let environment = match Environment::map(directory, data, bytes, secret, false) {
            Ok(environment) => environment,
            Err(heed::Error::Mdb(_)) if claimed => {
                return Ok(Err(Distrust::Damaged("LMDB does not recognise it")));
            }
            Err(error) => return Err(map_failed(error, directory)),
        };
        // Others who use the file have checked it, and changed it since.
        if claimed && let Err(damage) = environment.check() {
            return Ok(Err(damage.into()));
        }
        self.finish(environment).map(Ok)
    }

    /// Makes new files.
    fn make(&mut self, directory: &Path) -> Result<Environment, StoreError> {
        files::remove_lock(directory)?;
        let data = DataFile::create(directory)?;
        files::create_lock(directory)?;
        let bytes = map_bytes(self.options.bytes);
        self.files_made.set(self.files_made.get() + 1);
        let secret = Secret::new(&self.options.seed, self.files_made.get());
        let made = self.fill(directory, data, bytes, secret);
        if made.is_err() {
            files::remove(directory)?;
        }
        made
    }

    fn fill(
        &mut self,
        directory: &Path,
        data: DataFile,
        bytes: u64,
        secret: Secret,
    ) -> Result<Environment, StoreError> {
        // LMDB takes a file for new only while it is empty, so its length is left to LMDB.
        if !data.reserve(bytes, Length::Keep)? {
            self.notices.push(Notice::NotReserved { path: directory.to_owned() });
        }
        let environment = Environment::map(directory, data, bytes, secret, true)
            .map_err(|error| map_failed(error, directory))?;
        environment.data.stamp()?;
        self.finish(environment)
    }

    fn finish(&mut self, environment: Environment) -> Result<Environment, StoreError> {
        environment.data.share()?;
        add(&self.counters.stale_readers, environment.clear_stale_readers());
        bump(&self.counters.open);
        Ok(environment)
    }

    /// What can be told of existing files before they are mapped: the secret of a cache that can
    /// be used, or why it has to go. Whatever somebody else may still need is refused.
    fn judge(
        &self,
        directory: &Path,
        data: &DataFile,
        claimed: bool,
    ) -> Result<Result<Secret, Distrust>, StoreError> {
        if claimed && let Some(process) = files::lock_holder(directory)? {
            return Err(StoreError::InUse { path: directory.to_owned(), process });
        }
        if let Some((identity, why)) = self.distrusted
            && identity == data.identity()
        {
            return Ok(Err(why));
        }
        if !claimed && files::lock_identity(directory).is_none() {
            return Ok(Err(Distrust::LockGone));
        }
        // Another process may be writing, so pages can be replaced while they are read here.
        let mut judged = Err(Distrust::Truncated);
        for _ in 0..JUDGE_TRIES_MAX {
            judged = self.judge_content(directory, data, claimed)?;
            if claimed || judged.is_ok() {
                break;
            }
        }
        Ok(judged)
    }

    fn judge_content(
        &self,
        directory: &Path,
        data: &DataFile,
        claimed: bool,
    ) -> Result<Result<Secret, Distrust>, StoreError> {
        let meta = match data.read_meta()? {
            Ok(meta) => meta,
            Err(why) => return Ok(Err(why)),
        };
        if meta.page_bytes != fault::page_bytes() {
            return Ok(Err(Distrust::Damaged("its pages are of another machine's size")));
        }
        let ours = data.is_stamped();
        let header = match data.find(&meta, HEADER_KEY)? {
            Ok(header) => header,
            Err(damage) if ours => return Ok(Err(damage.into())),
            Err(_) => None,
        };
        match header.as_deref().map(header::parse) {
            Some(Some(Header::Ours(secret))) => {
                Ok(meta.check_kinds().map(|()| secret).map_err(|damage| damage.into()))
            }
            Some(Some(Header::Other(found))) if claimed => Ok(Err(Distrust::OtherFormat(found))),
            Some(Some(Header::Other(found))) => Err(StoreError::OtherFormat {
                path: directory.to_owned(),
                found,
                ours: FORMAT_VERSION,
            }),
            Some(None) => Ok(Err(Distrust::Damaged("its header is not one"))),
            None if ours => Ok(Err(Distrust::Damaged("its header is gone"))),
            None if meta.main.entries == 0 => Ok(Err(Distrust::Foreign)),
            None => match data.find(&meta, UPSTREAM_VERSION_KEY)? {
                Ok(Some(_)) => Ok(Err(Distrust::Foreign)),
                _ => Err(StoreError::Foreign { path: directory.to_owned() }),
            },
        }
    }

    /// The size of the map, with space for it reserved if the file exists.
    fn reserve_existing(&mut self, directory: &Path, data: &DataFile) -> Result<u64, StoreError> {
        let len = data.status()?.len;
        let asked = map_bytes(self.options.bytes);
        let bytes = asked.max(map_bytes(len.min(STORE_BYTES_MAX)));
        if bytes > asked {
            self.notices.push(Notice::SizeKept { asked: self.options.bytes, kept: bytes });
        }
        match data.reserve(bytes, Length::Extend) {
            Ok(true) => Ok(bytes),
            Ok(false) => {
                self.notices.push(Notice::NotReserved { path: directory.to_owned() });
                Ok(bytes)
            }
            Err(StoreError::NoSpace { .. }) => {
                let kept = map_bytes(len);
                self.notices.push(Notice::NotGrown { asked: bytes, kept });
                Ok(kept)
            }
            Err(error) => Err(error),
        }
    }
}

/// Translates an error of opening.
fn map_failed(error: heed::Error, directory: &Path) -> StoreError {
    match error {
        heed::Error::EnvAlreadyOpened => StoreError::AlreadyOpen { path: directory.to_owned() },
        heed::Error::Mdb(source) => StoreError::Lmdb { what: "open the cache", source },
        heed::Error::Io(source) => files::failed("open", directory, source),
        heed::Error::Encoding(_) | heed::Error::Decoding(_) => {
            StoreError::Damaged { what: "it cannot be decoded" }
        }
    }
}

impl Environment {
    /// Lets LMDB map the files; if they are fresh, writes the header into them.
    fn map(
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
        if fresh {
            let mut transaction = env.write_txn()?;
            database.put(&mut transaction, HEADER_KEY, &header::compose(&secret))?;
            transaction.commit()?;
        }
        let map = locate(&env, &database)?;
        let lock_identity = files::lock_identity(directory);
        let lock_map = lock_identity.and_then(find_map);
        Ok(Environment {
            snapshot: OnceCell::new(),
            data_guard: Guard::new(map.start.as_ptr() as usize, map.len),
            lock_guard: lock_map.and_then(|(start, len)| Guard::new(start, len)),
            database,
            map,
            env,
            data,
            directory: directory.to_owned(),
            lock_identity,
            secret,
        })
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

    /// Looks whether the lock file is still the one that is in use.
    pub(super) fn inspect_lock(&self) -> Result<(), Trouble> {
        if files::lock_identity(&self.directory) == self.lock_identity {
            Ok(())
        } else {
            Err(Trouble::Distrusted(Distrust::LockGone))
        }
    }

    /// The snapshot of this turn: the pages, and where the trees begin. Begins it if needed.
    #[inline]
    pub(super) fn snapshot(&self) -> Result<(Pages<'_>, &Meta), Trouble> {
        let snapshot = match self.snapshot.get() {
            Some(snapshot) => snapshot,
            None => {
                let snapshot = self.begin()?;
                self.snapshot.get_or_init(|| snapshot)
            }
        };
        let pages = Pages::new(self.bytes(), &snapshot.meta).map_err(distrust)?;
        Ok((pages, &snapshot.meta))
    }

    /// Pages of all entries, in the snapshot.
    pub(super) fn pages(&self) -> Result<u64, Trouble> {
        self.snapshot().map(|(_, meta)| meta.main.pages())
    }

    /// Ends the snapshot.
    pub(super) fn end_snapshot(&mut self) {
        self.snapshot.take();
    }

    fn begin(&self) -> Result<Snapshot, Trouble> {
        match self.inspect() {
            // A larger file is no harm to a reader, unless it needs what is beyond our map.
            Ok(()) | Err(Trouble::Grown(_)) => {}
            Err(trouble) => return Err(trouble),
        }
        let claim = self.env.clone().static_read_txn().map_err(|error| self.trouble(&error))?;
        let meta = self.meta_of(claim.id() as u64).map_err(distrust)?;
        if let Err(damage) = Pages::new(self.bytes(), &meta) {
            // The file may have grown just now.
            return Err(self.inspect().err().unwrap_or(distrust(damage)));
        }
        Ok(Snapshot { _claim: claim, meta })
    }

    /// The meta page of a transaction that is pinned, or of a later one: what those use is not
    /// given away while the earlier one is pinned, either.
    fn meta_of(&self, transaction: u64) -> Result<Meta, Damage> {
        // All pages are of one size; the first meta page tells it.
        let first = read_meta(&self.copy_meta(0)?)?;
        let at = if transaction.is_multiple_of(2) { 0 } else { first.page_bytes };
        let meta = read_meta(&self.copy_meta(at)?)?;
        let ahead = meta.transaction.wrapping_sub(transaction);
        if ahead.is_multiple_of(2) && ahead <= TRANSACTIONS_AHEAD_MAX {
            Ok(meta)
        } else {
            Err(Damage("a meta page has a wrong number"))
        }
    }

    /// Copies a meta page while another process may be replacing it: the transaction number is
    /// written last, so a copy between two equal ones is whole.
    fn copy_meta(&self, at: usize) -> Result<[u8; META_BYTES], Damage> {
        if !at.is_multiple_of(WORD)
            || at.checked_add(META_BYTES).is_none_or(|end| end > self.map.len)
        {
            return Err(Damage("the file is too short"));
        }
        // SAFETY: the page lies in the map, as was just checked, and `at` is aligned.
        let (page, number) = unsafe {
            let page = self.map.start.as_ptr().add(at);
            (page.cast::<[u8; META_BYTES]>(), page.add(META_TRANSACTION).cast::<usize>())
        };
        for _ in 0..META_TRIES_MAX {
            // SAFETY: both pointers are valid for reads and the second is aligned. Another
            // process may write there, so the reads are volatile and the result is checked.
            let (before, copy, after) = unsafe {
                let before = number.read_volatile();
                fence(Ordering::Acquire);
                let copy = page.read_volatile();
                fence(Ordering::Acquire);
                (before, copy, number.read_volatile())
            };
            if before == after {
                return Ok(copy);
            }
        }
        Err(Damage("a meta page does not come to rest"))
    }

    /// All bytes of the map.
    fn bytes(&self) -> &[u8] {
        // SAFETY: the map lives as long as `self.env`, is replaced through `&mut self` only, and
        // its missing pages are filled by `fault.rs`. Pages that a snapshot can reach are not
        // changed while it lives; others are never read through this slice.
        unsafe { std::slice::from_raw_parts(self.map.start.as_ptr(), self.map.len) }
    }

    /// Checks everything. For use while nobody writes.
    fn check(&self) -> Result<(), Damage> {
        let first = read_meta(&self.copy_meta(0)?)?;
        let second = read_meta(&self.copy_meta(first.page_bytes)?)?;
        check(self.bytes(), if second.transaction > first.transaction { &second } else { &first })
    }

    /// The right to write, or nothing if another process has it.
    pub(super) fn lock_for_writing(&self, wait: bool) -> Result<Option<WriteLock<'_>>, StoreError> {
        self.data.lock_for_writing(wait)
    }

    /// Writes a part of a batch in one transaction.
    pub(super) fn write(
        &self,
        batch: &Overlay,
        range: Range<usize>,
    ) -> Result<Tally, WriteFailure> {
        let entries = batch.range(range);
        self.preflight(|pages, meta| check_batch(pages, meta, entries.clone()))?;
        let mut tally = Tally::default();
        self.transact(|database, transaction| {
            tally = Tally::default();
            for (key, write) in entries {
                match write {
                    Pending::Put(value) => {
                        let tag = self.secret.tag(key, value);
                        let len = value.len() + TAG_BYTES;
                        database.put_reserved(transaction, key, len, |space| {
                            use std::io::Write as _;
                            space.write_all(value)?;
                            space.write_all(&tag)
                        })?;
                        tally.written += 1;
                    }
                    Pending::Removed => {
                        tally.removed += 1;
                        if !database.delete(transaction, key)? {
                            tally.not_found += 1;
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(tally)
    }

    /// Checks the committed state that a write starts from. The right to write is held.
    fn preflight(
        &self,
        check: impl FnOnce(Pages<'_>, &Meta) -> Result<(), Damage>,
    ) -> Result<(), Trouble> {
        let claim = self.env.read_txn().map_err(|error| self.trouble(&error))?;
        let sound = self.meta_of(claim.id() as u64).and_then(|meta| {
            if meta.transaction != claim.id() as u64 {
                return Err(Damage("a meta page has a wrong number"));
            }
            check(Pages::new(self.bytes(), &meta)?, &meta)
        });
        sound.map_err(distrust)
    }

    /// Removes all entries but the header.
    pub(super) fn clear(&self) -> Result<(), WriteFailure> {
        self.preflight(|_, meta| check(self.bytes(), meta))?;
        let header = header::compose(&self.secret);
        self.transact(|database, transaction| {
            database.clear(transaction)?;
            database.put(transaction, HEADER_KEY, &header)
        })
    }

    /// Writes the header: in new files, or as a small commit that lets freed pages grow old
    /// enough to be used again.
    pub(super) fn write_header(&self) -> Result<(), WriteFailure> {
        let header = header::compose(&self.secret);
        self.transact(|database, transaction| database.put(transaction, HEADER_KEY, &header))
    }

    fn transact(
        &self,
        work: impl FnOnce(&Database<'static, Bytes, Bytes>, &mut heed::RwTxn<'_>) -> heed::Result<()>,
    ) -> Result<(), WriteFailure> {
        let mut transaction = self.env.write_txn().map_err(|error| self.write_failure(error))?;
        work(&self.database, &mut transaction).map_err(|error| self.write_failure(error))?;
        if self.has_faulted() {
            return Err(Trouble::Distrusted(Distrust::Truncated).into());
        }
        transaction.commit().map_err(|error| self.write_failure(error))
    }

    /// Frees slots of readers that are dead; how many.
    pub(super) fn clear_stale_readers(&self) -> u64 {
        self.env.clear_stale_readers().map_or(0, |stale| stale as u64)
    }

    /// Maps the file anew with this length, which is reserved first if it grows.
    pub(super) fn resize(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.end_snapshot();
        let bytes = map_bytes(bytes);
        self.data.reserve(bytes, Length::Extend)?;
        let len = usize::try_from(bytes).map_err(|_| StoreError::SizeOutOfRange { bytes })?;
        self.data_guard = None;
        // SAFETY: the snapshot is over and no write transaction is open, as `&mut self` shows,
        // so nothing points into the map.
        let resized = unsafe { self.env.resize(len) };
        let mapped = resized.and_then(|()| locate(&self.env, &self.database));
        match mapped {
            Ok(map) => {
                self.map = map;
                self.data_guard = Guard::new(map.start.as_ptr() as usize, map.len);
                Ok(())
            }
            Err(error) => {
                // The old map is gone; an empty one reads as damage, and the caller opens anew.
                self.map = Map { start: NonNull::dangling(), len: 0 };
                Err(match error {
                    heed::Error::Mdb(source) => StoreError::Lmdb { what: "map the cache", source },
                    heed::Error::Io(source) => files::failed("map", &self.directory, source),
                    _ => StoreError::Closed,
                })
            }
        }
    }

    fn write_failure(&self, error: heed::Error) -> WriteFailure {
        match error {
            heed::Error::Mdb(MdbError::MapFull | MdbError::TxnFull) => WriteFailure::Full,
            heed::Error::Io(source) => {
                WriteFailure::Error(files::failed("write", &self.directory, source))
            }
            error => WriteFailure::Trouble(self.trouble(&error)),
        }
    }

    /// What an error of LMDB says of the environment.
    fn trouble(&self, error: &heed::Error) -> Trouble {
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

/// Where LMDB has mapped the file, which it does not tell: the header's value is in one of its
/// pages, and a page has its number.
fn locate(
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

/// The size of the map for a size in bytes: whole pages, of any size in use, and enough of them.
fn map_bytes(bytes: u64) -> u64 {
    bytes.max(MAP_BYTES_MIN).next_multiple_of(65_536)
}
