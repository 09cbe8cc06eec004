//! Where things were found in a snapshot, for those who look for the same again in it. The questions
//! of one turn often share what is above their names: the delegation of a zone, its SOA, the proof
//! that it has no wildcard. A snapshot does not change, so the way to its entries need be found once,
//! and their tags be computed once: what a look-up lends is used until the end of the turn anyway. That
//! a tag is still there tells whether the file was cut off meanwhile.

use super::super::buffered::Entry;
use super::header::TAG_BYTES;

/// Look-ups that are remembered: a few zones' worth, in two pages of memory.
const SLOTS: usize = 64;

/// Longest key that is remembered. Longer ones are rare.
const KEY_BYTES: usize = 64;

/// What was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// The entry under a key.
    At,
    /// The entry with the greatest key that is not greater.
    UpTo,
    /// The entry with the greatest key that is less.
    Below,
}

/// Look-ups of one snapshot and what they found.
#[derive(Debug)]
pub(super) struct Memo {
    /// Number of the snapshot.
    snapshot: u64,
    slots: Vec<Slot>,
}

/// Offsets are into the map.
#[derive(Debug, Clone, Copy)]
struct Slot {
    snapshot: u64,
    search: Search,
    wanted: [u8; KEY_BYTES],
    wanted_len: u8,
    key: (usize, usize),
    /// The value and its tag.
    stored: (usize, usize),
    tag: [u8; TAG_BYTES],
    /// Where uses of the key are counted.
    place: u64,
}

/// A slot that is of no snapshot.
const FREE: Slot = Slot {
    snapshot: 0,
    search: Search::At,
    wanted: [0; KEY_BYTES],
    wanted_len: 0,
    key: (0, 0),
    stored: (0, 0),
    tag: [0; TAG_BYTES],
    place: 0,
};

impl Default for Memo {
    fn default() -> Self {
        Memo { snapshot: 1, slots: vec![FREE; SLOTS] }
    }
}

impl Memo {
    /// Forgets everything: the snapshot ends.
    pub(super) fn forget(&mut self) {
        self.snapshot += 1;
    }

    /// The entry that a look-up found before, and where its uses are counted.
    #[inline]
    pub(super) fn find<'m>(
        &self,
        map: &'m [u8],
        search: Search,
        wanted: &[u8],
    ) -> Option<(Entry<'m>, u64)> {
        let slot = self.slots.get(place(wanted))?;
        if slot.snapshot != self.snapshot
            || slot.search != search
            || slot.wanted.get(..slot.wanted_len.into()) != Some(wanted)
        {
            return None;
        }
        let (value, tag) = part(map, slot.stored)?.split_last_chunk()?;
        (*tag == slot.tag).then_some(())?;
        Some(((part(map, slot.key)?, value), slot.place))
    }

    /// Remembers an entry that a look-up has found, with the tag behind its value, which was right; and
    /// where its uses are counted.
    #[inline]
    pub(super) fn keep(
        &mut self,
        map: &[u8],
        search: Search,
        wanted: &[u8],
        ((key, stored), uses): (Entry<'_>, u64),
    ) {
        let Some((_, tag)) = stored.split_last_chunk() else { return };
        let (Some(key), Some(stored)) = (range(map, key), range(map, stored)) else { return };
        let Some(slot) = self.slots.get_mut(place(wanted)) else { return };
        let Some(copy) = slot.wanted.get_mut(..wanted.len()) else { return };
        copy.copy_from_slice(wanted);
        slot.wanted_len = wanted.len() as u8;
        (slot.snapshot, slot.search) = (self.snapshot, search);
        (slot.key, slot.stored, slot.place) = (key, stored, uses);
        slot.tag = *tag;
    }
}

/// The slot of a key. Keys that share one only displace each other.
#[inline]
fn place(key: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let mixed = word(key.first_chunk()).rotate_left(32) ^ word(key.last_chunk());
    let spread = (mixed ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> 58) as usize % SLOTS
}

#[inline]
fn part(map: &[u8], (start, len): (usize, usize)) -> Option<&[u8]> {
    map.get(start..)?.get(..len)
}

/// Where a part of the map is in it.
#[inline]
fn range(map: &[u8], part: &[u8]) -> Option<(usize, usize)> {
    let start = part.as_ptr().addr().checked_sub(map.as_ptr().addr())?;
    (start + part.len() <= map.len()).then_some((start, part.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_found_again_until_the_snapshot_ends() {
        let map = b"....key:value1234....";
        let mut memo = Memo::default();
        assert_eq!(memo.find(map, Search::At, b"key"), None);
        memo.keep(map, Search::At, b"key", ((&map[4..7], &map[8..17]), 99));
        let entry = (&b"key"[..], &b"value"[..]);
        assert_eq!(memo.find(map, Search::At, b"key"), Some((entry, 99)));
        let cut_off = b"....key:value\0\0\0\0....";
        assert_eq!(memo.find(cut_off, Search::At, b"key"), None);
        assert_eq!(memo.find(map, Search::UpTo, b"key"), None);
        assert_eq!(memo.find(map, Search::At, b"kex"), None);
        assert_eq!(memo.find(&map[..12], Search::At, b"key"), None, "not in a shorter map");
        memo.forget();
        assert_eq!(memo.find(map, Search::At, b"key"), None);
    }

    #[test]
    fn what_has_no_place_is_not_kept() {
        let map = [7; 200];
        let mut memo = Memo::default();
        let long = [1; KEY_BYTES + 1];
        memo.keep(&map, Search::At, &long, ((&map[..3], &map[3..9]), 0));
        assert_eq!(memo.find(&map, Search::At, &long), None);
        memo.keep(&map[..100], Search::UpTo, b"key", ((&map[..3], &map[98..102]), 0));
        assert_eq!(memo.find(&map, Search::UpTo, b"key"), None, "outside of the map");
    }

    #[test]
    fn all_slots_are_used() {
        let places = (0..10_000u32).map(|n| place(&[&n.to_le_bytes()[..], b"suffix"].concat()));
        let used: std::collections::BTreeSet<usize> = places.collect();
        assert_eq!(used.len(), SLOTS);
    }
}
