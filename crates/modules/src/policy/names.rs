//! Lists of names, compact enough for a million of them: one arena of wire forms and an open hash
//! table of offsets into it.
//!
//! A name costs its wire form, its value, and less than seven bytes of the table. A table is built
//! once and never changed; another version replaces it as a whole.
//!
//! The hash of a name is chained from its root: that of each ancestor is known on the way, so all
//! suffixes of a question are hashed in one pass over it, for all tables together.

use std::hash::Hasher;

use dns::Name;
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

/// Key of the hashes.
pub type Seed = (u64, u64);

/// Share of slots that are used at most, as numerator and denominator: probing stays short, and
/// most of it inside one cache line of marks.
const LOAD: (usize, usize) = (3, 4);
/// Offsets are 32 bits wide.
const ARENA_BYTES_MAX: usize = u32::MAX as usize - 1;

/// The list does not fit: more than 4 GiB of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many names in one list")]
pub struct TooManyNames;

/// A name with the hashes of all its suffixes, for look-ups.
pub struct Key {
    /// Lower-case wire form.
    wire: [u8; dns::limits::NAME_BYTES_MAX],
    length: u8,
    /// Start and hash of each suffix, that of the whole name first, that of the root last.
    suffixes: SmallVec<[(u8, u64); 8]>,
}

impl Key {
    /// A key for tables that were made with the same seed.
    pub fn new(seed: Seed, name: &Name) -> Key {
        let bytes = name.as_wire();
        let mut wire = [0; dns::limits::NAME_BYTES_MAX];
        wire[..bytes.len()].copy_from_slice(bytes);
        // Length bytes are below 64 and never letters.
        wire[..bytes.len()].make_ascii_lowercase();
        let mut suffixes = SmallVec::new();
        let mut at = 0;
        loop {
            suffixes.push((at as u8, 0));
            match wire[at] {
                0 => break,
                length => at += 1 + usize::from(length),
            }
        }
        let mut end = bytes.len();
        let mut hash = 0;
        for (start, of_suffix) in suffixes.iter_mut().rev() {
            let start = usize::from(*start);
            hash = hash_label(seed, hash, &wire[start..end]);
            *of_suffix = hash;
            end = start;
        }
        Key { wire, length: bytes.len() as u8, suffixes }
    }

    /// The lower-case wire form.
    pub fn wire(&self) -> &[u8] {
        &self.wire[..usize::from(self.length)]
    }

    /// Number of suffixes: labels and the root.
    fn len(&self) -> usize {
        self.suffixes.len()
    }

    fn suffix(&self, skip: usize) -> (&[u8], u64) {
        let (start, hash) = self.suffixes[skip];
        (&self.wire[usize::from(start)..usize::from(self.length)], hash)
    }
}

/// The hash of a name from that of its parent and its own first label.
fn hash_label(seed: Seed, parent: u64, label: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed.0, seed.1 ^ parent);
    hasher.write(label);
    hasher.finish()
}

/// Names, each with a value of `V` bytes.
#[derive(Clone, Debug)]
pub struct NameTable<const V: usize> {
    /// Values and wire forms one behind the other.
    arena: Box<[u8]>,
    /// Offset of the wire form in the arena; meaningless where the mark is zero.
    slots: Box<[u32]>,
    /// A byte of each slot's hash, zero for free slots.
    marks: Box<[u8]>,
    len: usize,
    /// Suffixes of the longest name by number of labels: longer ones cannot match.
    suffixes_max: usize,
}

/// A list of names.
pub type NameSet = NameTable<0>;

impl<const V: usize> Default for NameTable<V> {
    fn default() -> NameTable<V> {
        NameTableBuilder::new((0, 0)).finish()
    }
}

impl<const V: usize> NameTable<V> {
    /// Number of names.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.arena.len() + self.slots.len() * size_of::<u32>() + self.marks.len()
    }

    /// The value of exactly this name.
    pub fn get(&self, key: &Key) -> Option<[u8; V]> {
        self.get_suffix(key, 0)
    }

    /// The value of the longest name in the table that the key is at or below.
    pub fn get_at_or_above(&self, key: &Key) -> Option<[u8; V]> {
        self.get_above(key, 0)
    }

    /// The value of the longest name in the table that the key is below.
    pub fn get_strictly_above(&self, key: &Key) -> Option<[u8; V]> {
        self.get_above(key, 1)
    }

    fn get_above(&self, key: &Key, from: usize) -> Option<[u8; V]> {
        let first = key.len().saturating_sub(self.suffixes_max).max(from);
        (first..key.len()).find_map(|skip| self.get_suffix(key, skip))
    }

    #[inline]
    fn get_suffix(&self, key: &Key, skip: usize) -> Option<[u8; V]> {
        let (wire, hash) = key.suffix(skip);
        let offset = self.find(wire, hash).ok()?;
        self.arena.get(offset - V..)?.first_chunk::<V>().copied()
    }

    /// The offset of a wire form in the arena, or the free slot where it would be.
    fn find(&self, wire: &[u8], hash: u64) -> Result<usize, usize> {
        let count = self.marks.len();
        if count == 0 {
            return Err(0);
        }
        let mark = mark(hash);
        let mut slot = slot(hash, count);
        loop {
            match self.marks[slot] {
                0 => return Err(slot),
                other if other == mark => {
                    let offset = self.slots[slot] as usize;
                    if self.arena[offset..].starts_with(wire) {
                        return Ok(offset);
                    }
                }
                _ => {}
            }
            // A quarter of the slots is free, so this ends.
            slot = if slot + 1 == count { 0 } else { slot + 1 };
        }
    }
}

/// The first slot of a hash: its upper half scaled to their number.
fn slot(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}

/// A byte that the choice of the slot does not depend on; never zero.
fn mark(hash: u64) -> u8 {
    (hash as u8).max(1)
}

/// Collects the names of a table.
pub struct NameTableBuilder<const V: usize> {
    seed: Seed,
    arena: Vec<u8>,
    count: usize,
}

impl<const V: usize> NameTableBuilder<V> {
    /// Nothing yet.
    pub fn new(seed: Seed) -> NameTableBuilder<V> {
        NameTableBuilder { seed, arena: Vec::new(), count: 0 }
    }

    /// Adds a name. Of several values for one name the first counts.
    pub fn push(&mut self, name: &Name, value: [u8; V]) -> Result<(), TooManyNames> {
        let wire = name.as_wire();
        if self.arena.len() + V + wire.len() > ARENA_BYTES_MAX {
            return Err(TooManyNames);
        }
        self.arena.extend_from_slice(&value);
        let start = self.arena.len();
        self.arena.extend_from_slice(wire);
        self.arena[start..].make_ascii_lowercase();
        self.count += 1;
        Ok(())
    }

    /// Builds the table.
    pub fn finish(self) -> NameTable<V> {
        let slots = if self.count == 0 { 0 } else { self.count * LOAD.1 / LOAD.0 + 1 };
        let mut table = NameTable {
            arena: self.arena.into_boxed_slice(),
            slots: vec![0; slots].into(),
            marks: vec![0; slots].into(),
            len: 0,
            suffixes_max: 0,
        };
        let mut at = 0;
        while at < table.arena.len() {
            let offset = at + V;
            let mut labels = SmallVec::<[usize; 8]>::new();
            let mut end = offset;
            loop {
                labels.push(end);
                let length = usize::from(table.arena[end]);
                end += 1 + length;
                if length == 0 {
                    break;
                }
            }
            let (mut hash, mut label_end) = (0, end);
            for start in labels.iter().rev() {
                hash = hash_label(self.seed, hash, &table.arena[*start..label_end]);
                label_end = *start;
            }
            if let Err(slot) = table.find(&table.arena[offset..end], hash) {
                table.slots[slot] = offset as u32;
                table.marks[slot] = mark(hash);
                table.len += 1;
                table.suffixes_max = table.suffixes_max.max(labels.len());
            }
            at = end;
        }
        table
    }
}

impl NameSet {
    /// A list of these names.
    pub fn from_names<'n>(
        seed: Seed,
        names: impl IntoIterator<Item = &'n Name>,
    ) -> Result<NameSet, TooManyNames> {
        let mut builder = NameTableBuilder::new(seed);
        for name in names {
            builder.push(name, [])?;
        }
        Ok(builder.finish())
    }

    /// Is the name in the list?
    pub fn has(&self, key: &Key) -> bool {
        self.get(key).is_some()
    }

    /// Is the name or one above it in the list?
    pub fn has_at_or_above(&self, key: &Key) -> bool {
        self.get_at_or_above(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = (7, 9);

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    fn key(text: &str) -> Key {
        Key::new(SEED, &name(text))
    }

    fn set(texts: &[&str]) -> NameSet {
        let names: Vec<Name> = texts.iter().map(|text| name(text)).collect();
        NameSet::from_names(SEED, &names).expect("few names")
    }

    #[test]
    fn exact_names_and_suffixes() {
        let set = set(&["Example.com", "a.b.c.d.test", "example.com"]);
        assert_eq!(set.len(), 2);
        assert!(set.has(&key("EXAMPLE.com")));
        assert!(!set.has(&key("www.example.com")));
        assert!(set.has_at_or_above(&key("www.eXample.com")));
        assert!(set.has_at_or_above(&key("example.com")));
        assert!(!set.has_at_or_above(&key("badexample.com")), "labels, not bytes");
        assert!(!set.has_at_or_above(&key("b.c.d.test")));
        assert!(set.has_at_or_above(&key("x.y.z.a.b.c.d.test")));
        assert!(!set.has_at_or_above(&key(".")));
        assert!(!set.has(&key("com")));
    }

    #[test]
    fn the_root_is_above_everything_and_nothing_is_above_it() {
        let set = set(&["."]);
        assert!(set.has(&key(".")) && set.has_at_or_above(&key("a.b")));
        assert_eq!(set.get_strictly_above(&key(".")), None);
        let empty = NameSet::default();
        assert!(empty.is_empty() && !empty.has_at_or_above(&key("a.b")));
    }

    #[test]
    fn values_belong_to_the_longest_name() {
        let mut builder = NameTableBuilder::<1>::new(SEED);
        for (text, value) in [("test", 1), ("a.test", 2), ("test", 3)] {
            builder.push(&name(text), [value]).expect("few names");
        }
        let table = builder.finish();
        assert_eq!(table.get(&key("test")), Some([1]), "the first counts");
        assert_eq!(table.get_at_or_above(&key("b.a.test")), Some([2]));
        assert_eq!(table.get_at_or_above(&key("a.test")), Some([2]));
        assert_eq!(table.get_strictly_above(&key("a.test")), Some([1]));
    }

    #[test]
    fn many_names_are_found_and_cost_little() {
        let names: Vec<Name> =
            (0..50_000).map(|n: u32| name(&format!("host{n}.zone{}.test", n % 977))).collect();
        let set = NameSet::from_names(SEED, &names).expect("room");
        assert_eq!(set.len(), names.len());
        for wanted in &names {
            assert!(set.has(&Key::new(SEED, wanted)), "{wanted}");
        }
        for n in 50_000..60_000u32 {
            let absent = name(&format!("host{n}.zone{}.test", n % 977));
            assert!(!set.has_at_or_above(&Key::new(SEED, &absent)), "{absent}");
        }
        let wire: usize = names.iter().map(Name::len).sum();
        assert!(set.bytes() - wire < names.len() * 7, "{} bytes", set.bytes());
    }
}
