//! Chance from a seed: the same seed makes the same world on every machine.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// A seeded source of chance.
#[derive(Clone, Debug)]
pub struct Dice {
    generator: ChaCha8Rng,
}

impl Dice {
    /// Dice for a seed.
    pub fn new(seed: u64) -> Dice {
        Dice { generator: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Other dice whose throws do not depend on how often these are thrown from here on.
    pub fn fork(&mut self) -> Dice {
        Dice::new(self.generator.next_u64())
    }

    /// A number below `bound`; zero if the bound is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        (self.generator.next_u64() % bound as u64) as usize
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// True in so many of a thousand cases.
    pub fn chance(&mut self, per_mille: usize) -> bool {
        self.below(1000) < per_mille
    }

    /// One of a list.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }

    /// A span of time up to `most`.
    pub fn span(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(if nanos == 0 { 0 } else { self.generator.next_u64() % nanos })
    }

    /// Sixteen bits.
    pub fn word(&mut self) -> u16 {
        self.generator.next_u32() as u16
    }

    /// A seed for something else that wants thirty-two bytes.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.generator.fill_bytes(&mut seed);
        seed
    }

    /// Puts a list into random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}
