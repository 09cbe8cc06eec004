//! A stream of pseudo-random octets from a seed: HMAC-SHA-512 in counter mode.

use aws_lc_rs::hmac::{self, HMAC_SHA512};
use num_bigint::BigUint;

pub(super) struct Stream {
    key: hmac::Key,
    counter: u64,
    block: Vec<u8>,
}

impl Stream {
    /// The stream of these parts; each is preceded by its length, so parts cannot run together.
    pub(super) fn new(parts: &[&[u8]]) -> Stream {
        let mut seed = Vec::new();
        for part in parts {
            seed.extend((part.len() as u64).to_be_bytes());
            seed.extend(*part);
        }
        Stream { key: hmac::Key::new(HMAC_SHA512, &seed), counter: 0, block: Vec::new() }
    }

    /// The next `len` octets.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        while self.block.len() < len {
            let tag = hmac::sign(&self.key, &self.counter.to_be_bytes());
            self.block.extend(tag.as_ref());
            self.counter += 1;
        }
        let rest = self.block.split_off(len);
        std::mem::replace(&mut self.block, rest)
    }

    /// The next number of at most `n_bits` bits.
    pub(super) fn number(&mut self, n_bits: usize) -> BigUint {
        let len = n_bits.div_ceil(8);
        BigUint::from_bytes_be(&self.take(len)) >> (len * 8 - n_bits)
    }
}
