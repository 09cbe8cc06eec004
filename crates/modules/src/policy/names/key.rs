//! A name for look-ups, hashed with all that it lies below.
//!
//! The hash of a name is chained from its root: that of each ancestor is known on the way, so all
//! suffixes of a question are hashed in one pass over it, for all tables together.

use std::ops::Range;

use dns::Name;
use smallvec::SmallVec;

/// Key of the hashes.
pub type Seed = (u64, u64);

/// A name with the hashes of all its suffixes, for look-ups.
pub struct Key {
    /// Lower-case wire form, and zeros behind it: there is a block from each of its octets on.
    wire: SmallVec<[u8; INLINE_BYTES]>,
    length: u8,
    /// Where each suffix begins, and its hash: that of the whole name first, that of the root last.
    suffixes: SmallVec<[(u8, u64); INLINE_SUFFIXES]>,
}

/// Octets that are hashed at a time: most labels are shorter.
const BLOCK: usize = 16;
/// Octets that are kept inside a key: a block behind the names that are kept inside names.
const INLINE_BYTES: usize = 64;
/// Suffixes that are kept inside a key: few names have more than seven labels.
const INLINE_SUFFIXES: usize = 8;
/// Names have at most 127 labels beside that of the root (RFC 1035 §3.1).
pub(super) const LABELS_MAX: usize = 127;

impl Key {
    /// A key for tables that were made with the same seed.
    #[inline]
    pub fn new(seed: Seed, name: &Name) -> Key {
        let octets = name.as_wire();
        let (mut wire, mut suffixes) = ([0; INLINE_BYTES], [(0, 0); INLINE_SUFFIXES]);
        match hash_suffixes(seed, octets, &mut wire, &mut suffixes) {
            Some(count) => Key {
                wire: SmallVec::from_buf(wire),
                length: octets.len() as u8,
                suffixes: SmallVec::from_buf_and_len(suffixes, count),
            },
            None => Key::of_long_name(seed, octets),
        }
    }

    #[cold]
    fn of_long_name(seed: Seed, octets: &[u8]) -> Key {
        let mut wire = vec![0; octets.len() + BLOCK];
        let mut suffixes = vec![(0, 0); LABELS_MAX + 1];
        let count = hash_suffixes(seed, octets, &mut wire, &mut suffixes);
        suffixes.truncate(count.unwrap_or(1));
        Key { wire: wire.into(), length: octets.len() as u8, suffixes: suffixes.into() }
    }

    /// The lower-case wire form.
    pub fn wire(&self) -> &[u8] {
        &self.wire[..usize::from(self.length)]
    }

    /// Number of labels without that of the root: at most 127.
    #[inline]
    pub(super) fn labels(&self) -> usize {
        self.suffixes.len() - 1
    }

    /// The suffix of so many labels.
    #[inline]
    pub(super) fn suffix(&self, labels: usize) -> Suffix<'_> {
        self.suffixes().of(labels)
    }

    /// All of them.
    #[inline]
    pub(super) fn suffixes(&self) -> Suffixes<'_> {
        Suffixes { wire: &self.wire[..usize::from(self.length) - 1], places: &self.suffixes }
    }
}

/// The suffixes of a name.
#[derive(Clone, Copy)]
pub(super) struct Suffixes<'k> {
    wire: &'k [u8],
    places: &'k [(u8, u64)],
}

impl<'k> Suffixes<'k> {
    /// That of so many labels: no more than the name has.
    #[inline]
    pub(super) fn of(self, labels: usize) -> Suffix<'k> {
        let (start, hash) = self.places[self.places.len() - 1 - labels];
        Suffix { wire: &self.wire[usize::from(start)..], hash }
    }
}

/// What a name ends with.
#[derive(Clone, Copy)]
pub(super) struct Suffix<'k> {
    /// In wire form, without the octet of the root.
    pub(super) wire: &'k [u8],
    pub(super) hash: u64,
}

/// Puts a name in lower case into `wire`, which is zero, and where each of its suffixes begins and its hash
/// into `suffixes`. Returns their number; nothing if there is not room for all of them, and a block more.
#[inline(always)]
fn hash_suffixes(
    seed: Seed,
    octets: &[u8],
    wire: &mut [u8],
    suffixes: &mut [(u8, u64)],
) -> Option<usize> {
    if octets.len() + BLOCK > wire.len() {
        return None;
    }
    wire[..octets.len()].copy_from_slice(octets);
    // Length bytes are below 64 and never letters. All of `wire`: its length is known when this is compiled.
    wire.make_ascii_lowercase();
    let (mut labels, mut end) = (0, 0);
    while let Some(length @ 1..) = octets.get(end) {
        suffixes.get_mut(labels)?.0 = end as u8;
        labels += 1;
        end += 1 + usize::from(*length);
    }
    *suffixes.get_mut(labels)? = (end as u8, HASH_OF_ROOT);
    let mut parent = HASH_OF_ROOT;
    for (start, hash) in suffixes[..labels].iter_mut().rev() {
        let start = usize::from(*start);
        parent = hash_label(wire, seed, parent, start..end);
        *hash = parent;
        end = start;
    }
    Some(labels + 1)
}

/// The hash of a name from that of its parent and the place of its own first label, with its length byte, in
/// the wire form. It goes over whole blocks: what follows a label belongs to the name, too.
///
/// A product folded into one word, with a secret key: whoever chooses names does not know where they
/// fall. That is enough here, and a fraction of what SipHash costs: questions do not enter a table, a
/// list is read as a whole, and a look-up goes through one bucket for each label at most.
#[inline]
fn hash_label(wire: &[u8], seed: Seed, parent: u64, label: Range<usize>) -> u64 {
    let (mut hash, mut start) = (parent, label.start);
    loop {
        let block = wire.get(start..).and_then(|rest| rest.first_chunk::<BLOCK>());
        let block = u128::from_le_bytes(block.copied().unwrap_or_default());
        let (low, high) = (block as u64 ^ seed.0 ^ hash, (block >> 64) as u64);
        start += BLOCK;
        if start >= label.end {
            return fold(low, high ^ seed.1.rotate_left(32));
        }
        hash = fold(low, high ^ seed.1);
    }
}

/// Where the chain of hashes begins.
const HASH_OF_ROOT: u64 = 0;

/// The halves of a product, one upon the other.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
