//! Writes of a turn that wait for its end: a small sorted map in one buffer that is reused, so
//! that storing costs no allocation. Later reads of the turn look here first.

use std::ops::Range;

use crate::limits::{PENDING_BYTES_MAX, PENDING_ENTRIES_MAX};

/// Pending writes, sorted by key.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// Keys and values one after the other. Replaced ones stay until the end of the turn.
    bytes: Vec<u8>,
    /// Where each key is, in the order of keys.
    index: Vec<Slot>,
}

/// Where one pending write is in the buffer. Offsets fit since the buffer is bounded.
#[derive(Debug, Clone, Copy)]
struct Slot {
    start: u32,
    key_len: u32,
    /// Nothing for a removal.
    value_len: Option<u32>,
}

/// What is pending under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending<'a> {
    /// It will be stored.
    Put(&'a [u8]),
    /// It will be removed.
    Removed,
}

impl Overlay {
    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether another write of `bytes` in all has room.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.index.len() < PENDING_ENTRIES_MAX && self.bytes.len() + bytes <= PENDING_BYTES_MAX
    }

    /// Adds or replaces a write; nothing for a removal. The caller has asked `has_room`.
    pub(super) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let slot = Slot {
            start,
            key_len: key.len() as u32,
            value_len: value.map(|value| value.len() as u32),
        };
        match self.position(key) {
            Ok(at) => self.index[at] = slot,
            Err(at) => self.index.insert(at, slot),
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Pending<'_>> {
        if self.index.is_empty() {
            return None;
        }
        self.position(key).ok().map(|at| self.entry(self.index[at]).1)
    }

    /// Is anything pending under a key that begins with `prefix`?
    pub(super) fn has_prefix(&self, prefix: &[u8]) -> bool {
        !self.index.is_empty()
            && self.iter_from(prefix).next().is_some_and(|(key, _)| key.starts_with(prefix))
    }

    /// The greatest key not above `key` that will be stored.
    pub(super) fn put_less_or_equal(&self, key: &[u8]) -> Option<(&[u8], &[u8])> {
        let end = match self.position(key) {
            Ok(at) => at + 1,
            Err(at) => at,
        };
        self.index[..end].iter().rev().find_map(|&slot| match self.entry(slot) {
            (key, Pending::Put(value)) => Some((key, value)),
            (_, Pending::Removed) => None,
        })
    }

    /// All pending writes in order, from the first key at or above `start`.
    pub(super) fn iter_from(&self, start: &[u8]) -> impl Iterator<Item = (&[u8], Pending<'_>)> {
        let (Ok(at) | Err(at)) = self.position(start);
        self.index[at..].iter().map(|&slot| self.entry(slot))
    }

    /// Some of the pending writes, by their places in the order.
    pub(super) fn range(
        &self,
        range: Range<usize>,
    ) -> impl Iterator<Item = (&[u8], Pending<'_>)> + Clone {
        self.index.get(range).unwrap_or_default().iter().map(|&slot| self.entry(slot))
    }

    /// All pending writes in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Pending<'_>)> {
        self.index.iter().map(|&slot| self.entry(slot))
    }

    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        self.index.binary_search_by(|slot| self.key(*slot).cmp(key))
    }

    fn key(&self, slot: Slot) -> &[u8] {
        &self.bytes[slot.start as usize..(slot.start + slot.key_len) as usize]
    }

    fn entry(&self, slot: Slot) -> (&[u8], Pending<'_>) {
        let pending = match slot.value_len {
            Some(len) => {
                let start = (slot.start + slot.key_len) as usize;
                Pending::Put(&self.bytes[start..start + len as usize])
            }
            None => Pending::Removed,
        };
        (self.key(slot), pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_write_of_each_key_in_order() {
        let mut overlay = Overlay::default();
        overlay.set(b"b", Some(b"1"));
        overlay.set(b"a", Some(b"2"));
        overlay.set(b"c", None);
        overlay.set(b"b", Some(b"33"));
        assert_eq!(overlay.len(), 3);
        let all: Vec<_> = overlay.iter().collect();
        assert_eq!(
            all,
            [
                (&b"a"[..], Pending::Put(b"2")),
                (b"b", Pending::Put(b"33")),
                (b"c", Pending::Removed)
            ]
        );
        assert_eq!(overlay.get(b"b"), Some(Pending::Put(b"33")));
        assert_eq!(overlay.get(b"bb"), None);
        assert_eq!(overlay.put_less_or_equal(b"z"), Some((&b"b"[..], &b"33"[..])));
        assert_eq!(overlay.put_less_or_equal(b"A"), None);
        assert_eq!(overlay.iter_from(b"aa").count(), 2);
        assert!(overlay.has_prefix(b"") && overlay.has_prefix(b"c") && !overlay.has_prefix(b"d"));
    }

    #[test]
    fn is_bounded_in_entries_and_bytes() {
        let mut overlay = Overlay::default();
        let mut n = 0u32;
        while overlay.has_room(4) {
            overlay.set(&n.to_be_bytes(), None);
            n += 1;
        }
        assert_eq!(overlay.len(), PENDING_ENTRIES_MAX);
        overlay.clear();
        let value = [7; 60_000];
        let mut n = 0u32;
        while overlay.has_room(4 + value.len()) {
            overlay.set(b"same", Some(&value));
            n += 1;
        }
        assert_eq!(n as usize, PENDING_BYTES_MAX / (4 + value.len()));
    }
}
