//! The half of every back end that is the same: turns, pending writes, bounds and counters. A
//! back end brings a `Base`; `Buffered<Base>` is the `Kv`.

use std::cell::Cell;
use std::ops::{Bound, ControlFlow};

use super::counters::{add, bump};
use super::overlay::{Overlay, Pending};
use super::{Counters, Kv, Notice, RESERVED_PREFIX, ScanEnd, StoreError, Usage, Visit};
use crate::limits::{
    KEY_BYTES_MAX, NOTICES_MAX, STORE_BYTES_MAX, STORE_BYTES_MIN, VALUE_BYTES_MAX,
};

/// A key and a value that are lent.
pub(super) type Entry<'a> = (&'a [u8], &'a [u8]);

/// Which making of the files it is, and the transaction in them.
pub(super) type Version = (u64, u64);

/// What a back end brings: what is committed, and how to commit. Keys given to it were checked.
pub(super) trait Base {
    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Option<&[u8]>;

    /// The value under `key`; without one, whether there may be another entry whose key begins with
    /// the same `shared` bytes.
    fn get_or_neighbour(&self, key: &[u8], shared: usize) -> Result<&[u8], bool>;

    /// The entry with the greatest key that is `key` or, with `Excluded`, below it.
    fn last_up_to(&self, key: Bound<&[u8]>) -> Option<Entry<'_>>;

    /// Visits entries in order from `start` until the visitor breaks. An entry that does not
    /// verify has an empty value. Entries of the back end itself are not visited.
    fn scan(&self, start: Bound<&[u8]>, visit: &mut Visit<'_>);

    /// Whether all bytes lent since the last `end_turn` were there.
    fn is_intact(&self) -> bool;

    /// Numbers that stay the same for as long as reads find the same, also in later turns. `None` if
    /// that is not known.
    fn version(&self) -> Option<Version>;

    /// Ends the snapshot, mends what is in trouble, and commits the batch; with `wait`, even if
    /// that takes a while.
    fn end_turn(&mut self, batch: &Overlay, wait: bool) -> Result<Committed, StoreError>;

    /// Removes everything.
    fn clear(&mut self) -> Result<(), StoreError>;

    /// Makes it larger.
    fn grow(&mut self, bytes: u64) -> Result<(), StoreError>;

    /// Housekeeping between turns.
    fn maintain(&mut self);

    /// How much is stored.
    fn usage(&self) -> Usage;

    /// See [`Kv::uses`].
    fn uses(&self, _key: &[u8]) -> u8 {
        0
    }

    /// See [`Kv::age`].
    fn age(&self, _key: &[u8]) {}

    /// See [`Kv::age_all`].
    fn age_all(&self) {}

    /// See [`Kv::generation`].
    fn generation(&self) -> u64 {
        0
    }

    /// See [`Kv::announce`].
    fn announce(&mut self) {}

    /// The counters of this store.
    fn counters(&self) -> &Counters;

    /// Messages that wait.
    fn notices(&mut self) -> &mut Notices;
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Committed {
    /// It is stored.
    Done,
    /// Another process is writing; the batch is to be kept.
    Later,
}

/// Messages that wait to be taken, bounded.
#[derive(Debug, Default)]
pub(super) struct Notices(Vec<Notice>);

impl Notices {
    /// Adds one, unless it is there or there are too many.
    pub(super) fn push(&mut self, notice: Notice) {
        if self.0.len() < NOTICES_MAX && !self.0.contains(&notice) {
            self.0.push(notice);
        }
    }
}

/// A back end with its pending writes.
#[allow(private_bounds, reason = "back ends live in this folder; users see `Kv`")]
#[derive(Debug)]
pub struct Buffered<B: Base> {
    base: B,
    pending: Overlay,
    /// See [`Kv::view`].
    view: Cell<u64>,
    /// What the base was like when `view` last changed, and whether a turn has ended since that was
    /// looked at.
    version: Cell<Option<Version>>,
    has_turned: Cell<bool>,
}

#[allow(private_bounds, reason = "as above")]
impl<B: Base> Buffered<B> {
    pub(super) fn new(base: B) -> Self {
        Buffered {
            base,
            pending: Overlay::default(),
            view: Cell::new(0),
            version: Cell::new(None),
            has_turned: Cell::new(true),
        }
    }

    /// Reads may find something else from here on.
    fn note_change(&self) {
        self.view.set(self.view.get() + 1);
    }

    #[cfg(test)]
    pub(super) fn base(&self) -> &B {
        &self.base
    }

    fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        check_key(key)?;
        self.note_change();
        let bytes = key.len() + value.map_or(0, <[u8]>::len);
        if !self.pending.has_room(bytes) {
            let early = self.finish(false);
            if !self.pending.has_room(bytes) {
                bump(&self.base.counters().lost);
                return early.and(Err(StoreError::Busy));
            }
        }
        self.pending.set(key, value);
        Ok(())
    }

    fn finish(&mut self, wait: bool) -> Result<(), StoreError> {
        self.has_turned.set(true);
        if !self.pending.is_empty() {
            self.note_change();
        }
        match self.base.end_turn(&self.pending, wait) {
            Ok(Committed::Done) => {
                if !self.pending.is_empty() {
                    bump(&self.base.counters().commit);
                }
                self.pending.clear();
                Ok(())
            }
            Ok(Committed::Later) => {
                bump(&self.base.counters().busy);
                Ok(())
            }
            Err(error) => {
                let counters = self.base.counters();
                bump(&counters.fault);
                add(&counters.lost, self.pending.len() as u64);
                self.pending.clear();
                Err(error)
            }
        }
    }
}

impl<B: Base> Kv for Buffered<B> {
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let counters = self.base.counters();
        bump(&counters.read);
        let found = match self.pending.get(key) {
            Some(Pending::Put(value)) => Some(value),
            Some(Pending::Removed) => None,
            None if check_key(key).is_err() => None,
            None => self.base.get(key),
        };
        count_miss(found, &counters.read_miss)
    }

    fn get_or_neighbour(&self, key: &[u8], shared: usize) -> Result<&[u8], bool> {
        let prefix = key.get(..shared).unwrap_or(key);
        if self.pending.has_prefix(prefix) {
            return self.get(key).ok_or(true);
        }
        let counters = self.base.counters();
        bump(&counters.read);
        let found = match check_key(key) {
            Ok(()) => self.base.get_or_neighbour(key, shared),
            Err(_) => Err(false),
        };
        if found.is_err() {
            bump(&counters.read_miss);
        }
        found
    }

    fn get_less_or_equal(&self, key: &[u8]) -> Option<(&[u8], &[u8])> {
        let counters = self.base.counters();
        bump(&counters.read_leq);
        if check_key(key).is_err() {
            return count_miss(None, &counters.read_leq_miss);
        }
        let mut stored = self.base.last_up_to(Bound::Included(key));
        if !self.pending.is_empty() {
            let pending = self.pending.put_less_or_equal(key);
            // Each step passes one pending removal, so their number bounds the loop.
            for _ in 0..=self.pending.len() {
                let Some((found, _)) = stored else { break };
                if pending.is_some_and(|(pending, _)| pending >= found) {
                    break;
                }
                if self.pending.get(found).is_none() {
                    return stored;
                }
                stored = self.base.last_up_to(Bound::Excluded(found));
            }
            stored = pending;
        }
        count_miss(stored, &counters.read_leq_miss)
    }

    fn scan_prefix(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        count_max: usize,
        visit: &mut Visit<'_>,
    ) -> ScanEnd {
        let counters = self.base.counters();
        bump(&counters.r#match);
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let (Bound::Included(first) | Bound::Excluded(first)) = start else {
            return ScanEnd::Exhausted;
        };
        let mut pending = self
            .pending
            .iter_from(first)
            .skip_while(|(key, _)| start == Bound::Excluded(*key))
            .take_while(|(key, _)| key.starts_with(prefix))
            .peekable();
        let mut seen = 0;
        let mut end = ScanEnd::Exhausted;
        let mut show = |key: &[u8], value: &[u8]| {
            if seen == count_max {
                end = ScanEnd::Stopped;
                return ControlFlow::Break(());
            }
            seen += 1;
            let flow = visit(key, value);
            if flow.is_break() {
                end = ScanEnd::Stopped;
            }
            flow
        };
        let mut stopped = false;
        self.base.scan(start, &mut |key, value| {
            while let Some((waiting, write)) = pending.next_if(|(waiting, _)| *waiting <= key) {
                if let Pending::Put(value) = write
                    && show(waiting, value).is_break()
                {
                    stopped = true;
                    return ControlFlow::Break(());
                }
                if waiting == key {
                    return ControlFlow::Continue(());
                }
            }
            if !key.starts_with(prefix) {
                return ControlFlow::Break(());
            }
            let flow = show(key, value);
            stopped = flow.is_break();
            flow
        });
        if !stopped {
            for (key, write) in pending {
                if let Pending::Put(value) = write
                    && show(key, value).is_break()
                {
                    break;
                }
            }
        }
        if seen == 0 {
            bump(&counters.match_miss);
        }
        end
    }

    fn is_intact(&self) -> bool {
        self.base.is_intact()
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if value.is_empty() || value.len() > VALUE_BYTES_MAX {
            return Err(StoreError::ValueLength { bytes: value.len() });
        }
        self.add(key, Some(value))
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.add(key, None)
    }

    fn pending(&self) -> usize {
        self.pending.len()
    }

    fn rest(&mut self) -> Result<(), StoreError> {
        self.has_turned.set(true);
        // A turn without writes of its own.
        self.base.end_turn(&Overlay::default(), false).map(drop)
    }

    fn end_turn(&mut self) -> Result<(), StoreError> {
        self.finish(false)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.finish(true)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.has_turned.set(true);
        self.note_change();
        self.pending.clear();
        bump(&self.base.counters().clear);
        let cleared = self.base.clear();
        self.base.announce();
        cleared
    }

    fn grow(&mut self, bytes: u64) -> Result<(), StoreError> {
        check_size(bytes)?;
        self.finish(true)?;
        self.note_change();
        self.base.grow(bytes)
    }

    fn maintain(&mut self) {
        self.has_turned.set(true);
        self.note_change();
        self.base.maintain();
    }

    fn usage(&self) -> Usage {
        bump(&self.base.counters().count);
        self.base.usage()
    }

    fn fill(&self) -> Usage {
        self.base.usage()
    }

    fn uses(&self, key: &[u8]) -> u8 {
        self.base.uses(key)
    }

    fn age(&self, key: &[u8]) {
        self.base.age(key);
    }

    fn age_all(&self) {
        self.base.age_all();
    }

    fn view(&self) -> u64 {
        if self.has_turned.replace(false) {
            let version = self.base.version();
            if version.is_none() || self.version.replace(version) != version {
                self.note_change();
            }
        }
        self.view.get()
    }

    fn generation(&self) -> u64 {
        self.base.generation()
    }

    fn announce(&mut self) {
        self.base.announce();
    }

    fn counters(&self) -> &Counters {
        self.base.counters()
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.base.notices().0)
    }
}

impl<B: Base> Drop for Buffered<B> {
    /// Commits what waits, if nobody else is writing: whoever needs more certainty calls `flush`.
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            // Nobody is left to be told: the loss is that of a kill at this moment.
            let _ = self.finish(false);
        }
    }
}

/// Refuses sizes that no back end takes.
pub(super) fn check_size(bytes: u64) -> Result<(), StoreError> {
    if (STORE_BYTES_MIN..=STORE_BYTES_MAX).contains(&bytes) {
        Ok(())
    } else {
        Err(StoreError::SizeOutOfRange { bytes })
    }
}

fn check_key(key: &[u8]) -> Result<(), StoreError> {
    match key.first() {
        Some(&RESERVED_PREFIX) => Err(StoreError::KeyReserved),
        Some(_) if key.len() <= KEY_BYTES_MAX => Ok(()),
        _ => Err(StoreError::KeyLength { bytes: key.len() }),
    }
}

fn count_miss<T>(found: Option<T>, misses: &Cell<u64>) -> Option<T> {
    if found.is_none() {
        bump(misses);
    }
    found
}
