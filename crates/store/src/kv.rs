//! The seam under everything that is stored: keys and values as bytes, in order.
//!
//! One `Kv` is one worker's view of a store that other processes share. It is used in *turns*:
//! a turn of the event loop reads what it needs, collects what it wants to store, and ends.
//!
//! ```text
//!   get, get_less_or_equal, scan_prefix   first read: one snapshot begins, held for the turn
//!   put, remove                           collected in memory; seen by later reads of the turn
//!   end_turn                              the snapshot ends; the collected writes are committed
//! ```
//!
//! Values are lent, not copied: a slice that a read returns points into the map or into the
//! pending writes, and the borrow checker keeps every write and the end of the turn away while
//! it lives. No transaction is open between turns, so an idle worker pins nothing.
//!
//! A store in trouble is a miss, never a failed request: reads return nothing and count the
//! reason in [`Counters`], writes and `end_turn` return a [`StoreError`] that a caller may log
//! and otherwise ignore. What an operator should hear about waits in [`Kv::take_notices`].
//!
//! Which bytes mean what is the business of the rooms above; what the files look like is in
//! `docs/formats/cache.md`.
//!
//! HINT: to add a back end, implement `Base` in `kv/<name>.rs`, add a row to [`BACKENDS`] and
//! to the list in `tests/kv_contract.rs`.

mod buffered;
mod counters;
mod error;
#[cfg(target_os = "linux")]
pub mod lmdb;
pub mod memory;
mod overlay;

use std::ops::ControlFlow;
use std::path::PathBuf;

pub use buffered::Buffered;
pub use counters::Counters;
pub use error::{Distrust, Notice, StoreError};

/// Ordered keys and values as one worker sees them. The module's text says how turns work.
///
/// Keys are 1 to [`KEY_BYTES_MAX`](crate::limits::KEY_BYTES_MAX) bytes, ordered as byte strings,
/// and do not begin with [`RESERVED_PREFIX`]. Values are 1 to
/// [`VALUE_BYTES_MAX`](crate::limits::VALUE_BYTES_MAX) bytes.
pub trait Kv {
    /// The value under `key`, or nothing.
    fn get(&self, key: &[u8]) -> Option<&[u8]>;

    /// The value under `key`; without one, whether there may be another entry whose key begins with
    /// the same `shared` bytes. `false` is certain and saves looking for it.
    fn get_or_neighbour(&self, key: &[u8], shared: usize) -> Result<&[u8], bool>;

    /// The entry with the greatest key that is not greater than `key`, whatever it begins with.
    /// This is how the NSEC record that covers a name is found.
    fn get_less_or_equal(&self, key: &[u8]) -> Option<(&[u8], &[u8])>;

    /// Visits entries whose keys begin with `prefix` and are greater than `after`, in order,
    /// until `visit` breaks or `count_max` entries were seen. An entry whose bytes do not verify
    /// is visited with an empty value, so that a sweep can remove it.
    fn scan_prefix(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        count_max: usize,
        visit: &mut Visit<'_>,
    ) -> ScanEnd;

    /// Whether every byte lent in this turn was really there. A file that is cut off while it
    /// is read reads as zeros from then on; whoever has copied such bytes out to keep or to
    /// vouch for them asks afterwards, and forgets them when the answer is no.
    fn is_intact(&self) -> bool;

    /// Stores `value` under `key` in place of what was there. Others see it after the turn.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError>;

    /// Removes the entry under `key`, if there is one.
    fn remove(&mut self, key: &[u8]) -> Result<(), StoreError>;

    /// How many writes wait to be committed.
    fn pending(&self) -> usize;

    /// Ends the snapshot and leaves the writes pending: this process sees them, others do not yet.
    fn rest(&mut self) -> Result<(), StoreError>;

    /// Ends the snapshot and commits the turn's writes at once. When another process is just
    /// writing they wait for a later turn instead, so this never blocks. On an error the writes
    /// are gone and counted.
    fn end_turn(&mut self) -> Result<(), StoreError>;

    /// As [`end_turn`](Self::end_turn), but waits for other writers: for the end of a process
    /// and for tests.
    fn flush(&mut self) -> Result<(), StoreError>;

    /// Removes all entries, pending ones too, for all processes.
    fn clear(&mut self) -> Result<(), StoreError>;

    /// Makes the store at least `bytes` large. It never shrinks. Ends the turn.
    fn grow(&mut self, bytes: u64) -> Result<(), StoreError>;

    /// To be called about once a second between turns: frees what dead processes left behind
    /// and opens a store again that could not be used.
    fn maintain(&mut self);

    /// How much is stored, as of this turn and without its writes.
    fn usage(&self) -> Usage;

    /// The same as [`usage`](Self::usage) for those who look often: it is not counted as a question
    /// of the operator.
    fn fill(&self) -> Usage;

    /// How often the entry under `key` was read or written lately, by all processes that share the
    /// store, 0 to 255. Other keys may be counted with it. Always 0 where nobody counts.
    fn uses(&self, key: &[u8]) -> u8;

    /// Makes the uses of `key` so far count for half. Whoever looks for entries to remove does so
    /// to those that stay, and so tells what is used from what was.
    fn age(&self, key: &[u8]);

    /// The same for all keys at once.
    fn age_all(&self);

    /// A number that stays the same for as long as reads find the same: until something is written in
    /// the turn, or by anybody before it. What was worked out of reads holds for so long, and no longer
    /// than the TTLs of what was read.
    fn view(&self) -> u64;

    /// A number that changes when any process has called [`announce`](Self::announce), or
    /// [`clear`](Self::clear). Reading it takes nanoseconds.
    fn generation(&self) -> u64;

    /// Tells all processes that what rests on the entries so far is to be forgotten.
    fn announce(&mut self);

    /// What was done since the store was opened, in this process.
    fn counters(&self) -> &Counters;

    /// What the operator should hear about, oldest first; each is returned once.
    fn take_notices(&mut self) -> Vec<Notice>;
}

/// What a scan calls with each key and value; it goes on until told to break.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Keys that begin with this byte belong to the back end.
pub const RESERVED_PREFIX: u8 = 0xFF;

/// Why a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanEnd {
    /// There is no further entry.
    Exhausted,
    /// The visitor or the bound ended it; there may be more.
    Stopped,
}

/// How much of a store is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entries stored, without those of the back end itself.
    pub entries: u64,
    /// Bytes taken by them, with everything that the back end needs to find them.
    pub bytes: u64,
    /// Bytes that may be taken.
    pub bytes_max: u64,
}

impl Usage {
    /// Bytes taken, in percent of what may be taken.
    pub fn percent(&self) -> f64 {
        if self.bytes_max == 0 { 0.0 } else { self.bytes as f64 * 100.0 / self.bytes_max as f64 }
    }
}

/// What to open.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Directory of the files; ignored by a back end that has none.
    pub path: PathBuf,
    /// Size wanted, in bytes: [`STORE_BYTES_MIN`](crate::limits::STORE_BYTES_MIN) to
    /// [`STORE_BYTES_MAX`](crate::limits::STORE_BYTES_MAX).
    pub bytes: u64,
    /// Random bytes from which the secret of new files is made; not used for files that exist.
    pub seed: [u8; 16],
}

/// One row for each kind of store.
#[derive(Debug)]
pub struct Backend {
    /// What `cache.storage` has before `://`.
    pub scheme: &'static str,
    /// Whether it is taken when none is named.
    pub default: bool,
    /// Opens a store of this kind.
    pub open: fn(&OpenOptions) -> Result<Box<dyn Kv>, StoreError>,
}

/// All kinds of store.
pub const BACKENDS: &[Backend] = &[
    #[cfg(target_os = "linux")]
    Backend { scheme: "lmdb", default: true, open: lmdb::open },
    Backend { scheme: "memory", default: false, open: memory::open },
];

/// Splits `scheme://path` into its back end and its path. Text without `://` is a path for the
/// default back end.
pub fn parse_uri(uri: &str) -> Result<(&'static Backend, &str), StoreError> {
    let (scheme, path) = match uri.split_once("://") {
        Some((scheme, path)) => (Some(scheme), path),
        None => (None, uri),
    };
    let found = BACKENDS.iter().find(|backend| match scheme {
        Some(scheme) => backend.scheme == scheme,
        None => backend.default,
    });
    match found {
        Some(backend) => Ok((backend, if path.is_empty() { "." } else { path })),
        None => Err(StoreError::UnknownBackend { scheme: scheme.unwrap_or_default().to_owned() }),
    }
}
