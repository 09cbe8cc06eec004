//! Lists of names, compact enough for a million of them: buckets of two cache lines each.
//!
//! What a look-up costs is waiting for memory. The hash of a name says which bucket it is in, and nothing has
//! to be read before that: a look-up asks for the buckets of all suffixes of the question that are as
//! deep as some name of the list, and waits for them together. A tag of eight bits a name tells those apart
//! that are not there. Buckets are filled to three quarters on average, so that hardly any name has no room
//! in its own; those few lie in a compact table for the rest, and eight bits of the bucket tell whether
//! that is worth a look. A name costs its wire form, its value, and twelve bytes or so. A list is built once
//! and never changed; another version replaces it as a whole.

mod bucket;
mod key;
mod memory;
mod rest;

use dns::Name;

use bucket::{BUCKET_BYTES, Bucket, ENTRIES_BYTES};
pub use key::{Key, Seed};
use key::{LABELS_MAX, Suffix};
use memory::Memory;
use rest::Rest;

/// Octets of entries for which there is a bucket: with less more memory is wasted, with more too many names
/// do not fit, and finding each of those takes two waits for memory more.
const FILL_BYTES: usize = ENTRIES_BYTES * 3 / 4;
/// Offsets are 32 bits wide.
const ARENA_BYTES_MAX: usize = u32::MAX as usize - 1;

/// The list does not fit: more than 4 GiB of names, or more than 64 KiB of them with nearly the same hash,
/// which a secret key hardly ever brings together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many names in one list")]
pub struct TooManyNames;

/// The first of some entries: length, value and octets of the wire form, without the root at its end. The
/// value and the name, and the other entries.
#[inline]
fn entry<const V: usize>(entries: &[u8]) -> Option<([u8; V], &[u8], &[u8])> {
    let (length, rest) = entries.split_first()?;
    let (value, rest) = rest.split_first_chunk::<V>()?;
    let (name, others) = rest.split_at_checked(usize::from(*length))?;
    Some((*value, name, others))
}

/// Names, each with a value of `V` bytes.
#[derive(Debug)]
pub struct NameTable<const V: usize> {
    /// By the upper bits of the hash. Empty if there are no names.
    buckets: Memory,
    rest: Rest<V>,
    len: usize,
    /// Bit n: there is a name of n labels. Suffixes with other numbers cannot match.
    depths: Depths,
}

/// A bit for each number of labels.
type Depths = [u64; (LABELS_MAX + 1) / DEPTHS];
const DEPTHS: usize = u64::BITS as usize;

/// The bits below one.
#[inline]
fn depths_below(depths: u64, below: usize) -> u64 {
    if below < DEPTHS { depths & ((1 << below) - 1) } else { depths }
}

/// A list of names.
pub type NameSet = NameTable<0>;

impl<const V: usize> Default for NameTable<V> {
    fn default() -> NameTable<V> {
        let depths = Depths::default();
        NameTable { buckets: Memory::default(), rest: Rest::default(), len: 0, depths }
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
        self.buckets.len() + self.rest.bytes()
    }

    /// The value of exactly this name.
    pub fn get(&self, key: &Key) -> Option<[u8; V]> {
        self.find(key.suffix(key.labels()))
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
    #[inline]
    fn get_above(&self, key: &Key, labels: usize) -> Option<[u8; V]> {
        // Few names have more than 63 labels: two small words instead of a large one.
        let [few, many] = self.depths;
        let deep = match labels.checked_sub(DEPTHS) {
            Some(below @ 1..) => self.get_of_depths(key, DEPTHS, depths_below(many, below)),
            _ => None,
        };
        deep.or_else(|| self.get_of_depths(key, 0, depths_below(few, labels)))
    }

    /// Looks at the suffixes with as many labels more than `first` as there are bits set.
    #[inline]
    fn get_of_depths(&self, key: &Key, first: usize, mut depths: u64) -> Option<[u8; V]> {
        let (suffixes, buckets) = (key.suffixes(), self.buckets());
        // All buckets first, and both lines of each: the processor waits for them together.
        let (mut candidates, mut lines) = (0_u64, 0_u8);
        while depths != 0 {
            let depth = depths.trailing_zeros();
            depths &= depths - 1;
            let hash = suffixes.of(first + depth as usize).hash;
            let bucket = NameTable::<V>::bucket(buckets, hash)?;
            candidates |= u64::from(bucket.may_have(hash)) << depth;
            lines |= bucket.other_line();
        }
        std::hint::black_box(lines);
        while let Some(depth) = candidates.checked_ilog2() {
            let found = self.find(suffixes.of(first + depth as usize));
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
    fn buckets(&self) -> &[[u8; BUCKET_BYTES]] {
        self.buckets.as_chunks().0
    }

    #[inline]
    fn bucket(buckets: &[[u8; BUCKET_BYTES]], hash: u64) -> Option<Bucket<'_>> {
        buckets.get(NameTable::<V>::place(hash, buckets.len())).map(Bucket)
    }

    #[inline]
    fn find(&self, Suffix { wire, hash }: Suffix<'_>) -> Option<[u8; V]> {
        let bucket = NameTable::<V>::bucket(self.buckets(), hash)?;
        let found = bucket.find(wire, hash);
        if found.is_some() || !bucket.may_lack(hash) {
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
        let Suffix { wire, hash } = key.suffix(key.labels());
        self.arena.push(wire.len() as u8);
        self.arena.extend_from_slice(&value);
        self.arena.extend_from_slice(wire);
        self.entries.push((hash, start as u32));
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
        // Without the octet of the length.
        let octets = |start: u32| self.entry(start).get(1..).unwrap_or_default();
        let bytes: usize = entries.iter().map(|(_, start)| octets(*start).len()).sum();
        let count = bytes.div_ceil(FILL_BYTES).max(usize::from(len > 0));
        let mut memory = Memory::new(count * BUCKET_BYTES);
        let buckets = memory.as_chunks_mut().0;
        let place = |hash: u64| NameTable::<V>::place(hash, count);
        let mut others = Vec::new();
        // Hashes rise, and so do places: the names of a bucket follow each other.
        for names in entries.chunk_by_mut(|one, next| place(one.0) == place(next.0)) {
            let Some(bucket) = names.first().and_then(|(hash, _)| buckets.get_mut(place(*hash)))
            else {
                continue;
            };
            // The short ones first: more of them fit. Equal ones stay in their order.
            names.sort_unstable_by_key(|(hash, start)| (octets(*start).len(), *hash, *start));
            let lack = names.iter().filter(|(hash, at)| !bucket::add(bucket, *hash, octets(*at)));
            others.extend(lack);
        }
        others.sort_unstable();
        let rest = others.iter().map(|(hash, start)| (*hash, self.entry(*start)));
        let rest = Rest::new(others.len(), rest)?;
        Ok(NameTable { buckets: memory, rest, len, depths: self.depths })
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
        assert!(table.buckets().iter().any(|bucket| Bucket(bucket).is_full()));
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

    /// Few labels, so that names are often equal, below one another, or missing in between.
    #[test]
    fn as_a_plain_list_has_it() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let mut some_name = |labels_max: u64| {
            let labels =
                (0..random(labels_max + 1)).map(|_| ["a", "B", "cc", "*"][random(4) as usize]);
            let text: String = labels.flat_map(|label| [label, "."]).collect();
            name(if text.is_empty() { "." } else { &text })
        };
        for round in 0_u64..300 {
            let mut builder = NameTableBuilder::<1>::new((round, !round));
            let mut list: Vec<(Name, [u8; 1])> = Vec::new();
            for value in 0..(round % 60) as u8 {
                let name = some_name(1 + round % 6);
                builder.push(&name, [value]).expect("few names");
                if list.iter().all(|(listed, _)| *listed != name) {
                    list.push((name, [value]));
                }
            }
            let table = builder.finish().expect("few names");
            assert_eq!(table.len(), list.len());
            let value = |name: &Name| Some(list.iter().find(|(listed, _)| listed == name)?.1);
            for _ in 0..200 {
                let asked = some_name(8);
                let key = Key::new((round, !round), &asked);
                let above: Vec<Name> =
                    std::iter::successors(asked.parent(), |name| name.parent()).collect();
                let strictly_above = above.iter().find_map(value);
                assert_eq!(table.get(&key), value(&asked), "{asked} in {list:?}");
                assert_eq!(table.get_strictly_above(&key), strictly_above, "{asked} in {list:?}");
                let expected = value(&asked).or(strictly_above);
                assert_eq!(table.get_at_or_above(&key), expected, "{asked} in {list:?}");
            }
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
