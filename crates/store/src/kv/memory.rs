//! The back end without files: one process, gone with it. For tests, simulations, and a worker
//! whose directory cannot be used.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::buffered::{Base, Committed, Entry, Notices, Version, check_size};
use super::counters::{add, bump};
use super::overlay::{Overlay, Pending};
use super::{Buffered, Counters, Kv, Notice, OpenOptions, StoreError, Usage, Visit};

/// Memory that an entry takes beside its bytes: two allocations and its place in the tree.
const ENTRY_BYTES: u64 = 64;

/// An ordered map of bounded size.
#[derive(Debug, Default)]
pub struct Memory {
    entries: BTreeMap<Box<[u8]>, Box<[u8]>>,
    bytes: u64,
    bytes_max: u64,
    generation: u64,
    /// Number of changes.
    version: u64,
    counters: Counters,
    notices: Notices,
}

/// A store in memory; see [`Kv`].
pub type MemoryKv = Buffered<Memory>;

/// Makes an empty store of at most `bytes`.
pub fn new(bytes: u64) -> Result<MemoryKv, StoreError> {
    check_size(bytes)?;
    let memory = Memory { bytes_max: bytes, ..Memory::default() };
    bump(&memory.counters.open);
    Ok(Buffered::new(memory))
}

/// As [`new`], for the table of back ends.
pub fn open(options: &OpenOptions) -> Result<Box<dyn Kv>, StoreError> {
    Ok(Box::new(new(options.bytes)?))
}

impl Memory {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.version += 1;
        self.bytes += cost(key, value);
        if let Some(old) = self.entries.insert(key.into(), value.into()) {
            self.bytes -= cost(key, &old);
        }
    }

    fn remove(&mut self, key: &[u8]) -> bool {
        match self.entries.remove(key) {
            Some(value) => {
                self.version += 1;
                self.bytes -= cost(key, &value);
                true
            }
            None => false,
        }
    }

    fn drop_all(&mut self) {
        self.version += 1;
        self.entries.clear();
        self.bytes = 0;
    }
}

impl Base for Memory {
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key).map(|value| &**value)
    }

    fn get_or_neighbour(&self, key: &[u8], shared: usize) -> Result<&[u8], bool> {
        let prefix = key.get(..shared).unwrap_or(key);
        self.get(key).ok_or_else(|| {
            let mut from =
                self.entries.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
            from.next().is_some_and(|(first, _)| first.starts_with(prefix))
        })
    }

    fn last_up_to(&self, key: Bound<&[u8]>) -> Option<Entry<'_>> {
        let (key, value) = self.entries.range::<[u8], _>((Bound::Unbounded, key)).next_back()?;
        Some((key, value))
    }

    fn scan(&self, start: Bound<&[u8]>, visit: &mut Visit<'_>) {
        for (key, value) in self.entries.range::<[u8], _>((start, Bound::Unbounded)) {
            if visit(key, value).is_break() {
                return;
            }
        }
    }

    fn is_intact(&self) -> bool {
        true
    }

    fn version(&self) -> Option<Version> {
        Some((0, self.version))
    }

    fn end_turn(&mut self, batch: &Overlay, _wait: bool) -> Result<Committed, StoreError> {
        let added: u64 = batch
            .iter()
            .map(|(key, write)| match write {
                Pending::Put(value) => cost(key, value),
                Pending::Removed => 0,
            })
            .sum();
        if self.bytes + added > self.bytes_max {
            bump(&self.counters.full);
            if added > self.bytes_max {
                return Err(StoreError::Full);
            }
            bump(&self.counters.dropped_all);
            self.notices.push(Notice::DroppedAll { entries: self.entries.len() as u64 });
            self.drop_all();
        }
        for (key, write) in batch.iter() {
            match write {
                Pending::Put(value) => {
                    add(&self.counters.write, 1);
                    self.put(key, value);
                }
                Pending::Removed => {
                    bump(&self.counters.remove);
                    if !self.remove(key) {
                        bump(&self.counters.remove_miss);
                    }
                }
            }
        }
        Ok(Committed::Done)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.drop_all();
        Ok(())
    }

    fn grow(&mut self, bytes: u64) -> Result<(), StoreError> {
        if bytes < self.bytes_max {
            self.notices.push(Notice::SizeKept { asked: bytes, kept: self.bytes_max });
        }
        self.bytes_max = self.bytes_max.max(bytes);
        Ok(())
    }

    fn maintain(&mut self) {}

    fn usage(&self) -> Usage {
        Usage { entries: self.entries.len() as u64, bytes: self.bytes, bytes_max: self.bytes_max }
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn announce(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn notices(&mut self) -> &mut Notices {
        &mut self.notices
    }
}

fn cost(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + ENTRY_BYTES
}
