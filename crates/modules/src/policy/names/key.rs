//! A name for look-ups, hashed with all that it lies below.
//!
//! The hash of a name is chained from its root: that of each ancestor is known on the way, so all
//! suffixes of a question are hashed in one pass over it, for all tables together.

use dns::Name;
use dns::limits::NAME_BYTES_MAX;
use smallvec::SmallVec;

/// Key of the hashes.
pub type Seed = (u64, u64);

/// A name with the hashes of all its suffixes, for look-ups.
pub struct Key {
    /// Lower-case wire form, and zeros behind it.
    wire: [u8; NAME_BYTES_MAX + BLOCK],
    length: u8,
    /// Where each suffix begins, and its hash: that of the root first, that of the whole name last.
    suffixes: SmallVec<[(u8, u64); 8]>,
}

/// Octets that are hashed at a time: most labels are shorter.
const BLOCK: usize = 16;
/// Names have at most 127 labels beside that of the root (RFC 1035 §3.1).
pub(super) const LABELS_MAX: usize = 127;

impl Key {
    /// A key for tables that were made with the same seed.
    pub fn new(seed: Seed, name: &Name) -> Key {
        let octets = name.as_wire();
        let wire = [0; NAME_BYTES_MAX + BLOCK];
        let mut key = Key { wire, length: octets.len() as u8, suffixes: SmallVec::new() };
        let wire = &mut key.wire[..octets.len()];
        wire.copy_from_slice(octets);
        // Length bytes are below 64 and never letters.
        wire.make_ascii_lowercase();
        let mut starts = [0; LABELS_MAX];
        let (mut labels, mut end) = (0, 0);
        while let (Some(length @ 1..), Some(start)) = (octets.get(end), starts.get_mut(labels)) {
            *start = end as u8;
            labels += 1;
            end += 1 + usize::from(*length);
        }
        let mut hash = HASH_OF_ROOT;
        key.suffixes.push((end as u8, hash));
        for start in starts[..labels].iter().rev() {
            hash = key.hash_label(seed, hash, usize::from(*start), end);
            key.suffixes.push((*start, hash));
            end = usize::from(*start);
        }
        key
    }

    /// The hash of a name from that of its parent and its own first label with its length byte.
    ///
    /// A product folded into one word, with a secret key: whoever chooses names does not know where they
    /// fall. That is enough here, and a fraction of what SipHash costs: questions do not enter a table, a
    /// list is read as a whole, and a look-up goes through one bucket for each label at most.
    fn hash_label(&self, seed: Seed, parent: u64, start: usize, end: usize) -> u64 {
        let (mut hash, mut start) = (parent, start);
        loop {
            let block = self.wire.get(start..).and_then(|rest| rest.first_chunk::<BLOCK>());
            let block = u128::from_le_bytes(block.copied().unwrap_or_default());
            let Some(unused) = BLOCK.checked_sub(end - start) else {
                hash = fold(block as u64 ^ seed.0 ^ hash, (block >> 64) as u64 ^ seed.1);
                start += BLOCK;
                continue;
            };
            let block = block & u128::MAX.checked_shr(8 * unused as u32).unwrap_or(0);
            let key = seed.1.rotate_left(32);
            return fold(block as u64 ^ seed.0 ^ hash, (block >> 64) as u64 ^ key);
        }
    }

    /// The lower-case wire form.
    pub fn wire(&self) -> &[u8] {
        &self.wire[..usize::from(self.length)]
    }

    /// Number of labels without that of the root: at most 127.
    pub(super) fn labels(&self) -> usize {
        self.suffixes.len() - 1
    }

    /// The suffix of so many labels, and its hash.
    pub(super) fn suffix(&self, labels: usize) -> (&[u8], u64) {
        let (start, hash) = self.suffixes[labels];
        (&self.wire[usize::from(start)..usize::from(self.length)], hash)
    }
}

/// Where the chain of hashes begins.
const HASH_OF_ROOT: u64 = 0;

/// The halves of a product, one upon the other.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
