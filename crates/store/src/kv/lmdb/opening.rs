//! Opening the files of a directory: what is there is judged before LMDB maps it, made anew when it is
//! of no use, and refused when somebody else may still need it.

use std::cell::Cell;
use std::path::Path;

use super::environment::Environment;
use super::fault;
use super::files::{self, DataFile, DirectoryLock, Identity, Length};
use super::header::{self, FORMAT_VERSION, HEADER_KEY, Header, Secret};
use crate::kv::buffered::Notices;
use crate::kv::counters::{add, bump};
use crate::kv::{Counters, Distrust, Notice, OpenOptions, StoreError};
use crate::limits::{MAP_BYTES_MIN, OPEN_TRIES_MAX, STORE_BYTES_MAX};

/// The key under which Knot Resolver keeps the version of its cache, in the same files.
const UPSTREAM_VERSION_KEY: &[u8] = b"VERS";

/// What is wrong with a file whose meta page was spoiled while it was being opened.
pub(super) const SIZE: &str = "it is longer than anybody has made it";

/// Times that the content of a file in use is looked at before it is called damaged. Pages are
/// replaced at most once in a few commits, and a look takes microseconds.
const JUDGE_TRIES_MAX: usize = 100;

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
        let status = data.status()?;
        if status.is_hollow(map_bytes(self.options.bytes), status.len) {
            return Ok(Err(Distrust::Damaged(SIZE)));
        }
        files::create_lock(directory)?;
        let bytes = self.reserve_existing(directory, &data)?;
        let environment = match Environment::map(directory, data, bytes, secret, false) {
            Ok(environment) => environment,
            Err(heed::Error::Mdb(_)) if DataFile::len_of(directory) > bytes => {
                return Ok(Err(Distrust::Damaged(SIZE)));
            }
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

/// The size of the map for a size in bytes: whole pages, of any size in use, and enough of them.
pub(super) fn map_bytes(bytes: u64) -> u64 {
    bytes.max(MAP_BYTES_MIN).next_multiple_of(65_536)
}
