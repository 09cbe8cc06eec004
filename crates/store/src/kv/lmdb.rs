//! The back end that all workers of a machine share: LMDB, through heed.
//!
//! `environment.rs` has one open environment; its operations are in files of their own. Here is what follows when one
//! of them fails, so that the store heals itself and nobody above notices more than misses:
//!
//! | what happened                         | what is done at the end of the turn               |
//! |---------------------------------------|---------------------------------------------------|
//! | files removed by somebody             | opened anew, which makes new ones                 |
//! | file cut off, page or list damaged    | removed and made anew; others follow by themselves|
//! | lock file removed, or spoiled         | both files made anew                              |
//! | another process made the file larger  | mapped anew                                       |
//! | no free page                          | see `commit.rs`                                   |
//! | no slot for a reader                  | stale readers cleared                             |
//! | another process is writing            | the batch waits for the next turn                 |
//! | cannot be opened again                | out of use; tried again by `maintain`             |

mod abandon;
mod arena;
mod check;
mod commit;
mod environment;
mod fault;
mod fence;
mod files;
mod header;
mod locks;
mod memo;
mod opening;
mod page;
mod preflight;
mod shared;
mod snapshot;
#[cfg(test)]
mod tests;
mod tree;
mod writing;

use std::cell::Cell;
use std::ops::Bound;

pub use fault::Guard as MapGuard;
pub use header::FORMAT_VERSION;

use environment::{Environment, Trouble, distrust};
use files::{DirectoryLock, Identity};
use opening::Opening;
use writing::WriteFailure;

use super::buffered::{Base, Committed, Entry, Notices, Version, check_size};
use super::counters::{add, bump};
use super::overlay::Overlay;
use super::{
    Buffered, Counters, Distrust, Kv, Notice, OpenOptions, RESERVED_PREFIX, StoreError, Usage,
    Visit,
};
use crate::limits::{CLEAR_PAGES_MAX, COMMIT_TRIES_MAX};
use memo::Search;
use page::{Damage, Node, Pages};
use shared::SharedPage;

/// A store in LMDB's files; see [`Kv`].
pub type LmdbKv = Buffered<Lmdb>;

/// One process's use of a directory.
#[derive(Debug)]
pub struct Lmdb {
    options: OpenOptions,
    /// Nothing while the files cannot be used.
    environment: Option<Environment>,
    /// How often one was opened: another one may be of another file.
    openings: u64,
    /// What is counted together with other processes; nothing if that is not possible.
    shared: Option<SharedPage>,
    /// Added to the shared generation, so that it changes with the page as well.
    generations_before: u64,
    /// What a read of this turn has found to be wrong.
    trouble: Cell<Option<Trouble>>,
    /// What to know when opening again.
    distrusted: Option<(Identity, Distrust)>,
    /// Whether opening again failed only since another process was at it.
    retry_soon: bool,
    files_made: Cell<u64>,
    pinned: commit::Pinned,
    /// The entry that was looked at last when room had to be made.
    hand: Vec<u8>,
    counters: Counters,
    notices: Notices,
}

/// Opens the store in `options.path`, making its files if needed. Waits for other processes that
/// are opening it.
pub fn new(options: &OpenOptions) -> Result<LmdbKv, StoreError> {
    check_size(options.bytes)?;
    let mut lmdb = Lmdb {
        options: options.clone(),
        environment: None,
        openings: 0,
        shared: None,
        generations_before: 0,
        trouble: Cell::new(None),
        distrusted: None,
        retry_soon: false,
        files_made: Cell::new(0),
        pinned: commit::Pinned::default(),
        hand: Vec::new(),
        counters: Counters::default(),
        notices: Notices::default(),
    };
    lmdb.open(true)?;
    Ok(Buffered::new(lmdb))
}

/// As [`new`], for the table of back ends.
pub fn open(options: &OpenOptions) -> Result<Box<dyn Kv>, StoreError> {
    Ok(Box::new(new(options)?))
}

impl Lmdb {
    fn grow_files(&mut self, bytes: u64) -> Result<(), StoreError> {
        if !self.settle()? {
            return Err(StoreError::Closed);
        }
        let environment = self.environment.as_mut().ok_or(StoreError::Closed)?;
        let kept = environment.map_len();
        if bytes > kept {
            return environment.resize(bytes);
        }
        if bytes < kept {
            self.notices.push(Notice::SizeKept { asked: bytes, kept });
        }
        Ok(())
    }

    fn open(&mut self, wait: bool) -> Result<(), StoreError> {
        let opening = Opening {
            options: &self.options,
            wait,
            distrusted: self.distrusted,
            counters: &self.counters,
            notices: &mut self.notices,
            files_made: &self.files_made,
        };
        let opened = opening.open();
        self.retry_soon = matches!(opened, Err(StoreError::Busy));
        self.environment = Some(opened?);
        self.openings += 1;
        self.distrusted = None;
        self.open_shared(wait);
        Ok(())
    }

    /// Opens what is shared beside the entries, unless that is in order.
    fn open_shared(&mut self, wait: bool) {
        if self.shared.as_ref().is_some_and(SharedPage::is_current) {
            return;
        }
        let Some(environment) = &self.environment else { return };
        // What others announced while this process looked at another page counts as announced.
        let before = self.generation();
        self.shared = None;
        let directory = environment.directory();
        if let Ok(_lock) = DirectoryLock::acquire(directory, wait) {
            self.shared = SharedPage::open(directory, environment.map_len());
        }
        self.generations_before = before.wrapping_add(1);
    }

    /// As many counters of uses as what is stored wants.
    fn fit_shared(&mut self) {
        let bytes = self.usage().bytes;
        if let (Some(shared), Some(environment)) = (&self.shared, &mut self.environment) {
            shared.fit(bytes);
            environment.end_snapshot();
        }
    }

    fn close(&mut self) {
        if let Some(environment) = self.environment.take() {
            environment.close();
            bump(&self.counters.close);
        }
    }

    /// Runs a read on this turn's snapshot. Whatever goes wrong is a miss, remembered for the
    /// end of the turn.
    fn read<'a, T>(
        &'a self,
        search: impl FnOnce(&'a Environment, Pages<'a>, u64) -> Result<Option<T>, Damage>,
    ) -> Option<T> {
        let environment = self.environment.as_ref()?;
        if self.trouble.get().is_some() {
            return None;
        }
        let found = environment
            .snapshot()
            .and_then(|(pages, meta)| search(environment, pages, meta.main.root).map_err(distrust));
        match found {
            Ok(found) => found,
            Err(trouble) => {
                let damaged = matches!(trouble, Trouble::Distrusted(Distrust::Damaged(_)));
                bump(if damaged { &self.counters.damage } else { &self.counters.fault });
                self.trouble.set(Some(trouble));
                None
            }
        }
    }

    /// The value of a node, if its tag matches.
    fn value<'a>(
        &self,
        environment: &Environment,
        pages: Pages<'a>,
        node: &Node<'a>,
    ) -> Result<Option<&'a [u8]>, Damage> {
        let value = environment.secret().verify(node.key, pages.data(node)?);
        if value.is_none() {
            bump(&self.counters.tag_mismatch);
        }
        Ok(value)
    }

    /// The entry that somebody has looked for and that `search` has to find, if its tag matches.
    /// What was found in this snapshot before is not searched for again.
    #[inline]
    fn look_up<'a>(
        &'a self,
        environment: &'a Environment,
        pages: Pages<'a>,
        (search, wanted): (Search, &[u8]),
        find: impl FnOnce() -> Result<Option<Node<'a>>, Damage>,
    ) -> Result<Option<Entry<'a>>, Damage> {
        let known = environment.memo.borrow().find(pages.bytes(), search, wanted);
        let (entry, place) = match known {
            Some(known) => known,
            None => {
                let Some(node) = find()? else { return Ok(None) };
                let is_sought = search != Search::At || node.key == wanted;
                let stored = pages.data(&node)?;
                let opened = environment.secret().open(node.key, stored);
                let Some((value, place)) = opened.filter(|_| is_sought) else {
                    bump(&self.counters.tag_mismatch);
                    return Ok(None);
                };
                let found = ((node.key, stored), place);
                environment.memo.borrow_mut().keep(pages.bytes(), search, wanted, found);
                ((node.key, value), place)
            }
        };
        if let Some(shared) = &self.shared {
            shared.note_use(place);
        }
        Ok(Some(entry))
    }

    /// Where uses of a key are counted, if they are.
    fn place(&self, key: &[u8]) -> Option<(&SharedPage, u64)> {
        let environment = self.environment.as_ref()?;
        Some((self.shared.as_ref()?, environment.secret().place(key)))
    }

    /// Mends what is wrong. `Busy` means that it is to be tried again in the next turn.
    fn mend(&mut self, trouble: Trouble) -> Result<(), StoreError> {
        let identity = self.environment.as_ref().map(Environment::identity);
        match trouble {
            Trouble::NoReaderSlot => {
                self.clear_stale_readers();
                return Ok(());
            }
            Trouble::Grown(bytes) => match self.environment.as_mut() {
                Some(environment) if environment.is_hollow(bytes) => {
                    let why = Distrust::Damaged(opening::SIZE);
                    self.distrusted = identity.map(|identity| (identity, why));
                }
                Some(environment) if environment.map_len() < bytes => {
                    environment.follow(bytes)?;
                    self.notices.push(Notice::Grown { bytes });
                    return Ok(());
                }
                _ => return Ok(()),
            },
            Trouble::Distrusted(why) => {
                self.distrusted = identity.map(|identity| (identity, why));
            }
            Trouble::Removed => {
                self.notices.push(Notice::Removed { path: self.options.path.clone() });
            }
            Trouble::Stuck => {}
        }
        self.close();
        self.open(false)
    }

    /// Frees what dead readers hold; whether there was anything.
    fn clear_stale_readers(&self) -> bool {
        let stale = self.environment.as_ref().map_or(0, Environment::clear_stale_readers);
        add(&self.counters.stale_readers, stale);
        stale > 0
    }

    /// Ends the snapshot and mends what was found wrong. True if the environment can be used.
    fn settle(&mut self) -> Result<bool, StoreError> {
        if let Some(environment) = &mut self.environment {
            environment.end_snapshot();
            let trouble = self.trouble.take();
            let faulted = environment.has_faulted();
            let cut_off = faulted.then_some(Trouble::Distrusted(Distrust::Truncated));
            if let Some(trouble) = cut_off.or(trouble) {
                match self.mend(trouble) {
                    Err(StoreError::Busy) => {}
                    other => other?,
                }
            }
        } else if self.retry_soon {
            match self.open(false) {
                Err(StoreError::Busy) => {}
                other => other?,
            }
        }
        Ok(self.environment.is_some())
    }

    /// Drops all entries to make room.
    fn drop_all(&mut self) -> Result<(), StoreError> {
        let entries = self.usage().entries;
        if let Some(environment) = &mut self.environment {
            environment.end_snapshot();
        }
        bump(&self.counters.dropped_all);
        self.notices.push(Notice::DroppedAll { entries });
        self.clear_entries()
    }

    /// Removes all entries, by making new files if it must be.
    fn clear_entries(&mut self) -> Result<(), StoreError> {
        let pages = self.environment.as_ref().and_then(|environment| environment.pages().ok());
        if pages.is_some_and(|pages| pages > CLEAR_PAGES_MAX) {
            return self.mend(Trouble::Distrusted(Distrust::TooLarge));
        }
        for _ in 0..COMMIT_TRIES_MAX {
            let environment = self.environment.as_mut().ok_or(StoreError::Closed)?;
            environment.end_snapshot();
            let cleared = match environment.lock_for_writing(true)? {
                // Pages that a transaction frees can be used by the second one after it.
                Some(_lock) => environment.clear().and_then(|()| environment.write_header()),
                None => return Err(StoreError::Busy),
            };
            match cleared {
                Ok(()) => return Ok(()),
                Err(WriteFailure::Error(error)) => return Err(error),
                // New files are empty, too; one more round finds them so.
                Err(WriteFailure::Full) => self.mend(Trouble::Distrusted(Distrust::Stuck))?,
                Err(WriteFailure::Trouble(trouble)) => self.mend(trouble)?,
            }
        }
        Err(StoreError::Full)
    }
}

impl Base for Lmdb {
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let found = self.read(|environment, pages, root| {
            let find = || tree::find(pages, root, key, &environment.near);
            self.look_up(environment, pages, (Search::At, key), find)
        });
        found.map(|(_, value)| value)
    }

    fn get_or_neighbour(&self, key: &[u8], shared: usize) -> Result<&[u8], bool> {
        let mut may_be = true;
        let found = self.read(|environment, pages, root| {
            let find =
                || match tree::find_or_neighbour(pages, root, key, shared, &environment.near)? {
                    Ok(node) => Ok(Some(node)),
                    Err(neighbour) => {
                        may_be = neighbour;
                        Ok(None)
                    }
                };
            self.look_up(environment, pages, (Search::At, key), find)
        });
        found.map(|(_, value)| value).ok_or(may_be)
    }

    fn last_up_to(&self, key: Bound<&[u8]>) -> Option<Entry<'_>> {
        let (key, inclusive) = match key {
            Bound::Included(key) => (key, true),
            Bound::Excluded(key) => (key, false),
            Bound::Unbounded => return None,
        };
        self.read(|environment, pages, root| {
            let find = || {
                let node = tree::last_up_to(pages, root, key, inclusive, &environment.near)?;
                // A damaged branch may lead to a place where other keys are.
                if node.is_some_and(|node| node.key > key) {
                    return Err(Damage("keys are out of order"));
                }
                Ok(node)
            };
            let search = if inclusive { Search::UpTo } else { Search::Below };
            self.look_up(environment, pages, (search, key), find)
        })
    }

    fn scan(&self, start: Bound<&[u8]>, visit: &mut Visit<'_>) {
        let (key, exclusive) = match start {
            Bound::Included(key) => (key, false),
            Bound::Excluded(key) => (key, true),
            Bound::Unbounded => (&[][..], false),
        };
        self.read(|environment, pages, root| {
            let mut cursor = tree::Cursor::seek(pages, root, key)?;
            let mut previous: Option<&[u8]> = exclusive.then_some(key);
            while let Some(node) = cursor.node()? {
                cursor.advance();
                if exclusive && node.key == key {
                    continue;
                }
                // Keys rise, so a tree that leads in circles ends here.
                if previous.is_some_and(|previous| previous >= node.key) {
                    return Err(Damage("keys are out of order"));
                }
                previous = Some(node.key);
                if node.key.first() == Some(&RESERVED_PREFIX) {
                    break;
                }
                let value = self.value(environment, pages, &node)?.unwrap_or_default();
                if visit(node.key, value).is_break() {
                    break;
                }
            }
            Ok(None::<()>)
        });
    }

    fn is_intact(&self) -> bool {
        self.environment.as_ref().is_none_or(|environment| !environment.has_faulted())
    }

    fn version(&self) -> Option<Version> {
        let environment = self.environment.as_ref().filter(|_| self.trouble.get().is_none())?;
        let (_, meta) = environment.snapshot().ok()?;
        Some((self.openings, meta.transaction))
    }

    fn end_turn(&mut self, batch: &Overlay, wait: bool) -> Result<Committed, StoreError> {
        let usable = self.settle()?;
        if batch.is_empty() {
            return Ok(Committed::Done);
        }
        if !usable {
            return if self.retry_soon { Ok(Committed::Later) } else { Err(StoreError::Closed) };
        }
        self.commit(batch, wait)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        if !self.settle()? {
            return Err(StoreError::Closed);
        }
        self.clear_entries()
    }

    fn grow(&mut self, bytes: u64) -> Result<(), StoreError> {
        let before = std::mem::replace(&mut self.options.bytes, bytes);
        let done = self.grow_files(bytes);
        // Whatever makes the files anew later is not to ask for what there is no room for.
        if done.is_err() {
            self.options.bytes = before;
        }
        done
    }

    fn maintain(&mut self) {
        match &self.environment {
            Some(environment) => {
                let inspected = environment.inspect().and_then(|()| environment.inspect_lock());
                if let Err(trouble) = inspected {
                    self.trouble.set(Some(trouble));
                }
                self.clear_stale_readers();
                self.wait_for_pinned_pages();
                self.open_shared(false);
                self.fit_shared();
            }
            None => {
                if self.open(false).is_err() {
                    bump(&self.counters.fault);
                }
            }
        }
    }

    fn usage(&self) -> Usage {
        let Some(environment) = &self.environment else { return Usage::default() };
        let bytes_max = environment.map_len();
        match environment.snapshot() {
            Ok((_, meta)) => {
                let pages = meta.main.pages().saturating_add(meta.free.pages()).saturating_add(2);
                Usage {
                    entries: meta.main.entries.saturating_sub(1),
                    bytes: pages.saturating_mul(meta.page_bytes as u64),
                    bytes_max,
                }
            }
            Err(trouble) => {
                bump(&self.counters.fault);
                self.trouble.set(Some(trouble));
                Usage { bytes_max, ..Usage::default() }
            }
        }
    }

    fn uses(&self, key: &[u8]) -> u8 {
        self.place(key).map_or(0, |(shared, place)| shared.uses(place))
    }

    fn age(&self, key: &[u8]) {
        if let Some((shared, place)) = self.place(key) {
            shared.age(place);
        }
    }

    fn age_all(&self) {
        if let Some(shared) = &self.shared {
            shared.age_all();
        }
    }

    fn generation(&self) -> u64 {
        let shared = self.shared.as_ref().map_or(0, SharedPage::generation);
        self.generations_before.wrapping_add(shared)
    }

    fn announce(&mut self) {
        match &self.shared {
            Some(shared) => shared.announce(),
            None => self.generations_before = self.generations_before.wrapping_add(1),
        }
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn notices(&mut self) -> &mut Notices {
        &mut self.notices
    }
}

impl Drop for Lmdb {
    fn drop(&mut self) {
        self.close();
    }
}
