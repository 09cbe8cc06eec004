//! Signatures that were found good, so that the same one need not be computed again.
//!
//! Of the denials of a zone each has a record of its own, and all have the SOA and the proof of the
//! closest encloser or that there is no wildcard; referrals of a zone with opt-out are alike. Whether
//! a key has made a signature over some data never changes, so a good one may be remembered for any
//! time. Dates, names and budgets are looked at each time, and nothing depends on what is remembered
//! but the time that it takes.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::limits::GOOD_SIGNATURES_MAX;

/// What stands for a key, data and a signature in the table: 128 bits of SipHash-2-4, under a key that
/// nobody outside knows. To be taken for one of the table, something else would have to meet it by
/// chance; fewer rounds, as tables use them, are too few for what trust hangs on. Zero is no signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark(u128);

/// Good signatures, in a table of fixed size, each in the one place that it can be at.
pub struct GoodSignatures {
    key: (u64, u64),
    marks: Vec<u128>,
}

impl GoodSignatures {
    /// None. The key must be unknown to those who sign.
    pub fn new(key: (u64, u64)) -> GoodSignatures {
        GoodSignatures { key, marks: vec![0; GOOD_SIGNATURES_MAX] }
    }

    /// What stands for a signature over data by the key with this rdata.
    pub(super) fn mark(&self, key: &[u8], data: &[u8], signature: &[u8]) -> Mark {
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        for part in [key, data] {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        hasher.write(signature);
        Mark(hasher.finish128().as_u128().max(1))
    }

    /// Was it found good?
    pub(super) fn has(&self, mark: Mark) -> bool {
        self.marks.get(place(mark)) == Some(&mark.0)
    }

    /// Remembers that it is good.
    pub(super) fn keep(&mut self, mark: Mark) {
        if let Some(kept) = self.marks.get_mut(place(mark)) {
            *kept = mark.0;
        }
    }
}

fn place(mark: Mark) -> usize {
    mark.0 as usize % GOOD_SIGNATURES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_counts_and_room_is_bounded() {
        let mut good = GoodSignatures::new((1, 2));
        let mark = good.mark(b"key", b"data", b"signature");
        assert!(!good.has(mark));
        good.keep(mark);
        assert!(good.has(mark));
        for other in [
            good.mark(b"kex", b"data", b"signature"),
            good.mark(b"key", b"datb", b"signature"),
            good.mark(b"key", b"data", b"signaturf"),
            good.mark(b"keyd", b"ata", b"signature"),
            good.mark(b"key", b"datas", b"ignature"),
            GoodSignatures::new((1, 3)).mark(b"key", b"data", b"signature"),
        ] {
            assert!(!good.has(other));
        }
        for number in 0..20 * GOOD_SIGNATURES_MAX {
            let mark = good.mark(b"key", &number.to_be_bytes(), b"");
            good.keep(mark);
            assert!(good.has(mark));
        }
        assert_eq!(good.marks.len(), GOOD_SIGNATURES_MAX);
        assert!(!good.has(mark), "something else is in its place");
    }
}
