//! A hash whose key nobody outside knows, for tables whose keys strangers choose.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

/// SipHash-1-3 with a key from the resolver's seed.
#[derive(Clone, Copy)]
pub struct Keyed(pub u64, pub u64);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}
