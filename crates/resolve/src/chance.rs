//! Chance as an argument: one seeded cryptographic generator for ids, letter case, exploration and
//! rotation. The daemon seeds it from the operating system, tests with a number.

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

/// A generator of unpredictable numbers (RFC 4086) that repeats itself for the same seed.
pub struct Chance {
    generator: ChaCha12Rng,
    /// Bits not used yet, for coins.
    bits: u32,
    bits_left: u32,
}

impl Chance {
    /// From a seed.
    pub fn new(seed: [u8; 32]) -> Chance {
        Chance { generator: ChaCha12Rng::from_seed(seed), bits: 0, bits_left: 0 }
    }

    /// Sixteen bits, for message ids.
    pub fn id(&mut self) -> u16 {
        self.generator.next_u32() as u16
    }

    /// Sixty-four bits, for hash keys.
    pub fn key(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// A fair coin, one bit of the generator each.
    pub fn coin(&mut self) -> bool {
        if self.bits_left == 0 {
            (self.bits, self.bits_left) = (self.generator.next_u32(), 32);
        }
        let bit = self.bits & 1 == 1;
        self.bits >>= 1;
        self.bits_left -= 1;
        bit
    }

    /// A number below `n`, or zero for `n` = 0. The bias of at most 2^-32 · n does not matter for
    /// choices among a few servers.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.generator.next_u32()) * n as u64) >> 32) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Puts the first `count` of a random order of `items` in front.
    pub fn sample<T>(&mut self, items: &mut [T], count: usize) {
        for at in 0..count.min(items.len()) {
            let other = at + self.below(items.len() - at);
            items.swap(at, other);
        }
    }
}
