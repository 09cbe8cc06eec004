//! Lists of names, compact enough for a million of them: one arena of wire forms in the order of their
//! hashes, and a table that says for each range of hashes where its names begin.
//!
//! A name costs its wire form, its value, and three bytes. A look-up touches one entry of the table for
//! each suffix of the question, all at once, and the arena only where a filter in that entry lets it
//! pass: once for a name that is there, hardly ever for one that is not. A table is built once and
//! never changed; another version replaces it as a whole.
//!
//! The hash of a name is chained from its root: that of each ancestor is known on the way, so all
//! suffixes of a question are hashed in one pass over it, for all tables together.

use dns::Name;
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

/// Key of the hashes.
pub type Seed = (u64, u64);

/// Names in a range of hashes, on average: they lie in one or two cache lines.
const NAMES_PER_RANGE: usize = 4;
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
            suffixes.push((at as u8, HASH_OF_ROOT));
            match wire[at] {
                0 => break,
                length => at += 1 + usize::from(length),
            }
        }
        let mut end = bytes.len() - 1;
        let mut hash = HASH_OF_ROOT;
        // The root is the last of them.
        for (start, of_suffix) in suffixes.iter_mut().rev().skip(1) {
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

/// Where the chain of hashes begins.
const HASH_OF_ROOT: u64 = 0;

/// The hash of a name from that of its parent and its own first label.
fn hash_label(seed: Seed, parent: u64, label: &[u8]) -> u64 {
    SipHasher13::new_with_keys(seed.0, seed.1 ^ parent).hash(label)
}

/// Names, each with a value of `V` bytes.
#[derive(Clone, Debug)]
pub struct NameTable<const V: usize> {
    /// Entries one behind the other: length of the wire form, value, wire form.
    arena: Box<[u8]>,
    /// By the upper bits of the hash; one more at the end. Empty if there are no names.
    ranges: Box<[HashRange]>,
    len: usize,
    /// Suffixes of the longest name by number of labels: longer ones cannot match.
    suffixes_max: usize,
}

/// The names whose hashes lie in one range.
#[derive(Clone, Copy, Debug, Default)]
struct HashRange {
    /// Where their entries begin; they end where those of the next range begin.
    start: u32,
    /// Two bits for each name, by the lower bits of its hash. With four names in it the filter lets one
    /// absent name in twenty pass.
    filter: u32,
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
        self.arena.len() + self.ranges.len() * size_of::<HashRange>()
    }

    /// The value of exactly this name.
    pub fn get(&self, key: &Key) -> Option<[u8; V]> {
        let (wire, hash) = key.suffix(0);
        self.may_have(hash).then(|| self.find(wire, hash)).flatten()
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
        // All filters first: the processor waits for them together. A name has at most 128 suffixes.
        let mut candidates = 0_u128;
        for skip in first..key.len() {
            candidates |= u128::from(self.may_have(key.suffix(skip).1)) << skip;
        }
        while candidates != 0 {
            let skip = candidates.trailing_zeros() as usize;
            let (wire, hash) = key.suffix(skip);
            let found = self.find(wire, hash);
            if found.is_some() {
                return found;
            }
            candidates &= candidates - 1;
        }
        None
    }

    /// The range that a hash belongs to: its upper half scaled to their number.
    #[inline]
    fn range(&self, hash: u64) -> usize {
        let count = self.ranges.len().saturating_sub(1);
        ((u128::from(hash) * count as u128) >> 64) as usize
    }

    /// What the filter says.
    #[inline]
    fn may_have(&self, hash: u64) -> bool {
        let bits = filter_bits(hash);
        self.ranges.get(self.range(hash)).is_some_and(|range| range.filter & bits == bits)
    }

    /// Looks at the names of the range.
    fn find(&self, wire: &[u8], hash: u64) -> Option<[u8; V]> {
        let at = self.range(hash);
        let (range, next) = (self.ranges.get(at)?, self.ranges.get(at + 1)?);
        let mut entries = self.arena.get(range.start as usize..next.start as usize)?;
        while let Some((length, rest)) = entries.split_first() {
            let (entry, others) = rest.split_at_checked(V + usize::from(*length))?;
            let (value, name) = entry.split_first_chunk::<V>()?;
            if name == wire {
                return Some(*value);
            }
            entries = others;
        }
        None
    }
}

/// Which bits of a filter stand for a name.
#[inline]
fn filter_bits(hash: u64) -> u32 {
    1 << (hash & 31) | 1 << (hash >> 5 & 31)
}

/// Collects the names of a table.
pub struct NameTableBuilder<const V: usize> {
    seed: Seed,
    arena: Vec<u8>,
    /// Hash and place of each entry.
    entries: Vec<(u64, u32)>,
    suffixes_max: usize,
}

impl<const V: usize> NameTableBuilder<V> {
    /// Nothing yet.
    pub fn new(seed: Seed) -> NameTableBuilder<V> {
        NameTableBuilder { seed, arena: Vec::new(), entries: Vec::new(), suffixes_max: 0 }
    }

    /// Adds a name. Of several values for one name the first counts.
    pub fn push(&mut self, name: &Name, value: [u8; V]) -> Result<(), TooManyNames> {
        let start = self.arena.len();
        if start + 1 + V + name.as_wire().len() > ARENA_BYTES_MAX {
            return Err(TooManyNames);
        }
        let key = Key::new(self.seed, name);
        self.arena.push(key.length);
        self.arena.extend_from_slice(&value);
        self.arena.extend_from_slice(key.wire());
        self.entries.push((key.suffix(0).1, start as u32));
        self.suffixes_max = self.suffixes_max.max(key.len());
        Ok(())
    }

    /// The entry that begins here.
    fn entry(&self, start: u32) -> &[u8] {
        let rest = self.arena.get(start as usize..).unwrap_or_default();
        let length = rest.first().map_or(0, |length| 1 + V + usize::from(*length));
        rest.get(..length).unwrap_or_default()
    }

    /// Builds the table.
    pub fn finish(mut self) -> NameTable<V> {
        // By their place, too: of equal names the first one stays.
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable();
        let name = |start: u32| self.entry(start).get(1 + V..).unwrap_or_default();
        entries.dedup_by(|other, first| other.0 == first.0 && name(other.1) == name(first.1));
        let ranges = match entries.len() {
            0 => 0,
            names => names.div_ceil(NAMES_PER_RANGE) + 1,
        };
        let mut table = NameTable {
            arena: Box::default(),
            ranges: vec![HashRange::default(); ranges].into(),
            len: entries.len(),
            suffixes_max: self.suffixes_max,
        };
        let mut arena = Vec::with_capacity(self.arena.len());
        let mut begun = 0;
        for (hash, start) in entries {
            let at = table.range(hash);
            // Hashes rise, and so do ranges: those in between are empty.
            for range in table.ranges.iter_mut().take(at + 1).skip(begun) {
                range.start = arena.len() as u32;
            }
            begun = begun.max(at + 1);
            if let Some(range) = table.ranges.get_mut(at) {
                range.filter |= filter_bits(hash);
            }
            arena.extend_from_slice(self.entry(start));
        }
        for range in table.ranges.iter_mut().skip(begun) {
            range.start = arena.len() as u32;
        }
        table.arena = arena.into_boxed_slice();
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
        assert!(set.bytes() - wire < names.len() * 4, "{} bytes", set.bytes());
    }
}
