//! Two neighbouring cache lines with the entries of a few names, all that most look-ups touch.

use super::entry;

/// Names of a bucket, at most: one octet of its head each, but for the first.
const NAMES_MAX: usize = 7;
/// Octets for entries.
pub(super) const ENTRIES_BYTES: usize = 120;
/// In the first octet of the head: some names that belong here did not fit.
const IS_FULL: u64 = 1;
/// One in each octet for a name.
const ONES: u64 = 0x0101_0101_0101_0100;

/// Entries of names whose hashes lie in one range.
#[derive(Clone, Copy, Debug)]
#[repr(align(128))]
pub(super) struct Bucket {
    /// Whether it is full, and a tag for each name, 0 where there is none.
    head: u64,
    /// One behind the other.
    entries: [u8; ENTRIES_BYTES],
}

impl Default for Bucket {
    fn default() -> Bucket {
        Bucket { head: 0, entries: [0; ENTRIES_BYTES] }
    }
}

/// The tag of a name: never 0.
#[inline]
fn tag(hash: u64) -> u64 {
    (hash & 0xff).max(1)
}

impl Bucket {
    /// Adds a name behind `used` octets of others; false if there is no room. No name follows one that
    /// had none, so that of equal names the first one is found.
    pub(super) fn add(&mut self, hash: u64, entry: &[u8], used: usize) -> bool {
        let names = (1..=NAMES_MAX).find(|name| self.head >> (8 * name) & 0xff == 0);
        let room = self.entries.get_mut(used..used + entry.len());
        match (names, room) {
            (Some(name), Some(room)) if self.head & IS_FULL == 0 => {
                room.copy_from_slice(entry);
                self.head |= tag(hash) << (8 * name);
                true
            }
            _ => {
                self.head |= IS_FULL;
                false
            }
        }
    }

    /// May the name be here, or among those that did not fit? No branches: several of these wait for
    /// memory together, and so does the other half of the bucket.
    #[inline]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        std::hint::black_box(self.entries[ENTRIES_BYTES / 2 + 8]);
        (self.matches(hash) | self.head & IS_FULL) != 0
    }

    /// The upper bit of each octet whose tag is that of the name, and perhaps of more.
    #[inline]
    fn matches(&self, hash: u64) -> u64 {
        let differ = self.head ^ (ONES * tag(hash));
        differ.wrapping_sub(ONES) & !differ & (ONES << 7)
    }

    /// Did some name not fit?
    pub(super) fn is_full(&self) -> bool {
        self.head & IS_FULL != 0
    }

    /// The value of a name.
    #[inline]
    pub(super) fn find<const V: usize>(&self, wire: &[u8], hash: u64) -> Option<[u8; V]> {
        let mut matches = self.matches(hash);
        let (mut entries, mut at) = (&self.entries[..], 1);
        while matches != 0 {
            let name = matches.trailing_zeros() / 8;
            matches &= matches - 1;
            while at < name {
                entries = entry::<V>(entries)?.2;
                at += 1;
            }
            let (value, found, _) = entry::<V>(entries)?;
            if found == wire {
                return Some(value);
            }
        }
        None
    }
}
