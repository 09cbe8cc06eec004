//! Lists of names, compact enough for a million of them: buckets of two cache lines each.
//!
//! What a look-up costs is waiting for memory. The hash of a name says which bucket it is in, and nothing has
//! to be read before that: a look-up asks for the buckets of all suffixes of the question that are as
//! deep as some name of the list, and waits for them together. A tag of eight bits a name tells those apart
//! that are not there. Buckets are filled to four fifths on average; what does not fit into its own lies
//! in a compact table for the rest, some names in ten, and the bucket says so. A name costs its wire form,
//! its value, and twelve bytes or so. A list is built once and never changed; another version
//! replaces it as a whole.

mod bucket;
mod key;
mod rest;

use dns::Name;

use bucket::{Bucket, ENTRIES_BYTES};
use key::LABELS_MAX;
pub use key::{Key, Seed};
use rest::Rest;

/// Octets of entries for which there is a bucket: with less more memory is wasted, with more too many names
/// do not fit.
const FILL_BYTES: usize = ENTRIES_BYTES * 4 / 5;
/// Offsets are 32 bits wide.
const ARENA_BYTES_MAX: usize = u32::MAX as usize - 1;

/// The list does not fit: more than 4 GiB of names, or more than 64 KiB of them with nearly the same hash,
/// which a secret key hardly ever brings together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many names in one list")]
pub struct TooManyNames;

/// The first of some entries: length of the wire form, value, wire form. The value and the name, and
/// the other entries.
#[inline]
fn entry<const V: usize>(entries: &[u8]) -> Option<([u8; V], &[u8], &[u8])> {
    let (length, rest) = entries.split_first()?;
    let (value, rest) = rest.split_first_chunk::<V>()?;
    let (name, others) = rest.split_at_checked(usize::from(*length))?;
    Some((*value, name, others))
}

/// Names, each with a value of `V` bytes.
#[derive(Clone, Debug)]
pub struct NameTable<const V: usize> {
    /// By the upper bits of the hash. Empty if there are no names.
    buckets: Box<[Bucket]>,
    rest: Rest<V>,
    len: usize,
    /// Bit n: there is a name of n labels. Suffixes with other numbers cannot match.
    depths: Depths,
}

/// A bit for each number of labels.
type Depths = [u64; (LABELS_MAX + 1) / DEPTHS];
const DEPTHS: usize = u64::BITS as usize;

/// A list of names.
pub type NameSet = NameTable<0>;

impl<const V: usize> Default for NameTable<V> {
    fn default() -> NameTable<V> {
        let depths = Depths::default();
        NameTable { buckets: Box::default(), rest: Rest::default(), len: 0, depths }
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
        self.buckets.len() * size_of::<Bucket>() + self.rest.bytes()
    }

    /// The value of exactly this name.
    pub fn get(&self, key: &Key) -> Option<[u8; V]> {
        let (wire, hash) = key.suffix(key.labels());
        self.find(wire, hash)
    }

    /// The value of the longest name in the table that the key is at or below.
    pub fn get_at_or_above(&self, key: &Key) -> Option<[u8; V]> {
        self.get_above(key, key.labels() + 1)
    }

    /// The value of the longest name in the table that the key is below.
    pub fn get_strictly_above(&self, key: &Key) -> Option<[u8; V]> {
        self.get_above(key, key.labels())
    }

    /// Looks at the suffixes of less than so many labels, the longest first.
    fn get_above(&self, key: &Key, labels: usize) -> Option<[u8; V]> {
        // Few names have more than 63 labels: two small words instead of a large one.
        (0..self.depths.len()).rev().find_map(|half| self.get_in_half(key, half, labels))
    }

    fn get_in_half(&self, key: &Key, half: usize, labels: usize) -> Option<[u8; V]> {
        let first = half * DEPTHS;
        let below = labels.saturating_sub(first);
        let mut depths = self.depths[half];
        if below < DEPTHS {
            depths &= (1 << below) - 1;
        }
        // All buckets first: the processor waits for them together.
        let mut candidates = 0_u64;
        while depths != 0 {
            let depth = depths.trailing_zeros();
            depths &= depths - 1;
            let hash = key.suffix(first + depth as usize).1;
            let may_have = self.bucket(hash).is_some_and(|bucket| bucket.may_have(hash));
            candidates |= u64::from(may_have) << depth;
        }
        while let Some(depth) = candidates.checked_ilog2() {
            let (wire, hash) = key.suffix(first + depth as usize);
            let found = self.find(wire, hash);
            if found.is_some() {
                return found;
            }
            candidates ^= 1 << depth;
        }
        None
    }

    /// Where names with this hash belong: its upper half scaled to the number of buckets.
    #[inline]
    fn place(hash: u64, buckets: usize) -> usize {
        ((u128::from(hash) * buckets as u128) >> 64) as usize
    }

    #[inline]
    fn bucket(&self, hash: u64) -> Option<&Bucket> {
        self.buckets.get(NameTable::<V>::place(hash, self.buckets.len()))
    }

    fn find(&self, wire: &[u8], hash: u64) -> Option<[u8; V]> {
        let bucket = self.bucket(hash)?;
        let found = bucket.find(wire, hash);
        if found.is_some() || !bucket.is_full() {
            return found;
        }
        self.rest.find(wire, hash)
    }
}

/// Collects the names of a table.
pub struct NameTableBuilder<const V: usize> {
    seed: Seed,
    arena: Vec<u8>,
    /// Hash and place of each entry.
    entries: Vec<(u64, u32)>,
    depths: Depths,
}

impl<const V: usize> NameTableBuilder<V> {
    /// Nothing yet.
    pub fn new(seed: Seed) -> NameTableBuilder<V> {
        NameTableBuilder { seed, arena: Vec::new(), entries: Vec::new(), depths: Depths::default() }
    }

    /// Adds a name. Of several values for one name the first counts.
    pub fn push(&mut self, name: &Name, value: [u8; V]) -> Result<(), TooManyNames> {
        let start = self.arena.len();
        if start + 1 + V + name.as_wire().len() > ARENA_BYTES_MAX {
            return Err(TooManyNames);
        }
        let key = Key::new(self.seed, name);
        self.arena.push(key.wire().len() as u8);
        self.arena.extend_from_slice(&value);
        self.arena.extend_from_slice(key.wire());
        self.entries.push((key.suffix(key.labels()).1, start as u32));
        self.depths[key.labels() / DEPTHS] |= 1 << (key.labels() % DEPTHS);
        Ok(())
    }

    /// The entry that begins here.
    fn entry(&self, start: u32) -> &[u8] {
        let rest = self.arena.get(start as usize..).unwrap_or_default();
        let length = rest.first().map_or(0, |length| 1 + V + usize::from(*length));
        rest.get(..length).unwrap_or_default()
    }

    /// Builds the table.
    pub fn finish(mut self) -> Result<NameTable<V>, TooManyNames> {
        // By their place, too: of equal names the first one stays.
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable();
        let name = |start: u32| self.entry(start).get(1 + V..).unwrap_or_default();
        entries.dedup_by(|other, first| other.0 == first.0 && name(other.1) == name(first.1));
        let len = entries.len();
        let bytes: usize = entries.iter().map(|(_, start)| self.entry(*start).len()).sum();
        let mut buckets = vec![Bucket::default(); bytes.div_ceil(FILL_BYTES)];
        // Hashes rise, and so do places. What stays does not fit.
        let (mut place, mut used) = (0, 0);
        entries.retain(|(hash, start)| {
            let entry = self.entry(*start);
            let at = NameTable::<V>::place(*hash, buckets.len());
            if at != place {
                (place, used) = (at, 0);
            }
            let has_room = buckets.get_mut(at).is_some_and(|to| to.add(*hash, entry, used));
            used += entry.len();
            !has_room
        });
        let rest = entries.iter().map(|(hash, start)| (*hash, self.entry(*start)));
        let rest = Rest::new(entries.len(), rest)?;
        Ok(NameTable { buckets: buckets.into(), rest, len, depths: self.depths })
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
        builder.finish()
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
        let table = builder.finish().expect("few names");
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
        // They have 24 bytes in wire form.
        assert!(set.bytes() < names.len() * 40, "{} bytes", set.bytes());
    }

    /// Short and long names, many below others, against a map: buckets overflow, and no long name fits.
    #[test]
    fn all_names_have_the_value_that_came_first() {
        let label = |n: u32| "x".repeat(1 + n as usize * 7 % 63) + &(n % 10).to_string();
        let text = |n: u32| match n % 4 {
            0 => format!("{}.test", label(n / 4)),
            1 => format!("n{}.{}.test", n / 64, &label(n / 4)[1..]),
            2 => format!("{0}.{0}.{0}.n{1}.test", &label(n / 4)[1..], n / 16),
            _ => format!("n{}.test", n / 8),
        };
        let mut expected = std::collections::BTreeMap::new();
        let mut builder = NameTableBuilder::<4>::new(SEED);
        for n in 0..20_000_u32 {
            let listed = name(&text(n));
            builder.push(&listed, n.to_be_bytes()).expect("room");
            expected.entry(listed.to_string()).or_insert(n.to_be_bytes());
        }
        let table = builder.finish().expect("room");
        assert_eq!(table.len(), expected.len());
        assert!(table.buckets.iter().any(Bucket::is_full));
        for n in 0..40_000_u32 {
            let asked = name(&text(n)).prepend(b"a").expect("short enough");
            let mut above = Some(asked.clone());
            let mut wanted = None;
            while let (Some(name), None) = (&above, wanted) {
                wanted = expected.get(&name.to_string()).copied();
                assert_eq!(table.get(&Key::new(SEED, name)), wanted, "{name}");
                above = name.parent();
            }
            assert_eq!(table.get_at_or_above(&Key::new(SEED, &asked)), wanted, "{asked}");
        }
    }

    #[test]
    fn names_of_the_most_labels_are_found() {
        let deepest = "a.".repeat(127);
        let set = set(&[&deepest, &"b.".repeat(64), "c."]);
        assert!(set.has(&key(&deepest)) && set.has_at_or_above(&key(&deepest)));
        assert!(!set.has_at_or_above(&key(&deepest[2..])));
        assert!(set.has_at_or_above(&key(&"b.".repeat(100))));
        assert!(!set.has_at_or_above(&key(&"b.".repeat(63))));
    }
}
