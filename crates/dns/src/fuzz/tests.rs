//! Replays the corpora, and mutates them for a while with a fixed seed.

use std::path::{Path, PathBuf};

use super::*;

/// Mutations of each input that a test run tries.
const N_MUTATIONS: usize = 300;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{target} has no corpus");
    inputs
}

/// A small generator (xorshift64*): the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    /// Changes, removes, adds, doubles or splices a few bytes.
    fn mutate(&mut self, data: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(data.len() + 1);
            let end = (at + self.below(12)).min(data.len());
            match self.below(6) {
                0 if at < data.len() => data[at] = self.below(256) as u8,
                1 if at < data.len() => data[at] ^= 1 << self.below(8),
                2 => drop(data.drain(at..end)),
                3 => data.insert(at, [0, 0xff, 0xc0, 0x3f, b'\\', b'"', b'('][self.below(7)]),
                4 => {
                    let copy = data[at..end].to_vec();
                    data.splice(at..at, copy);
                }
                _ => {
                    let from = self.below(other.len() + 1);
                    let upto = (from + self.below(16)).min(other.len());
                    data.splice(at..end, other[from..upto].iter().copied());
                }
            }
        }
    }
}

#[test]
fn corpora_replay() {
    for (target, run) in TARGETS {
        for (path, input) in corpus(target) {
            let outcome = std::panic::catch_unwind(|| run(&input));
            assert!(outcome.is_ok(), "{}", path.display());
        }
    }
}

#[test]
fn mutated_corpora_hold_the_laws() {
    let scale = std::env::var("FUZZ_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1);
    let mut numbers = Numbers(0x6b72_6573 ^ scale as u64);
    for (target, run) in TARGETS {
        let inputs = corpus(target);
        for (_, input) in &inputs {
            for _ in 0..N_MUTATIONS * scale {
                let mut data = input.clone();
                let other = numbers.below(inputs.len());
                numbers.mutate(&mut data, &inputs[other].1);
                let outcome = std::panic::catch_unwind(|| run(&data));
                assert!(outcome.is_ok(), "{target}: {data:?}");
            }
        }
    }
}
