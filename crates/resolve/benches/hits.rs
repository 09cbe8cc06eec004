//! What a hit costs, in nanoseconds: `cargo bench -p resolve --bench hits`.
//!
//! In process, without a network, one question after the other over 10,000 names with popularity all
//! alike, which is the worst case for the caches of the processor. The store is the daemon's: files
//! that are mapped. The best of several rounds, which on a busy machine is the figure that repeats.

mod world;

use std::hint::black_box;

use store::Cache;
use store::cache::TtlBounds;
use store::kv::{Kv, OpenOptions, lmdb};
use world::{World, client, name, query, settings};
use xtask::lab::thread_time;

/// Names that are asked for, in a few hundred zones.
const NAMES: usize = 10_000;
const ZONES: usize = 250;
const ROUNDS: usize = 25;
/// Questions that one turn of the event loop takes when there are enough of them.
const BATCH: usize = 32;
const STORE_BYTES: u64 = 64 << 20;

#[allow(clippy::print_stdout, clippy::expect_used, reason = "a bench prints and may stop")]
fn main() {
    let folder = std::env::temp_dir().join(format!("kres-hits-{}", std::process::id()));
    let options = OpenOptions { path: folder.clone(), bytes: STORE_BYTES, seed: [1; 16] };
    let kv: Box<dyn Kv> = lmdb::open(&options).expect("a directory for the store");
    let mut world = World::with(settings(), Cache::new(kv, TtlBounds::default()));
    let mut questions: Vec<Vec<u8>> = (0..NAMES)
        .map(|number| query(&name(&format!("host{number:05}.zone{:03}.", number % ZONES))))
        .collect();
    // The first time goes out, the second time is answered from the store and kept.
    for _ in 0..2 {
        questions.iter().for_each(|wire| drop(world.answer(wire)));
    }
    // In another order than they are stored in.
    questions.sort_by_key(|wire| {
        wire.iter().fold(0u32, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193))
    });
    let mut out = Vec::new();
    let mut is_kept = |wire: &[u8]| {
        let now = world.tick();
        world.resolver.answer_cached(now, &client(), black_box(wire), &mut out)
    };
    // Some fall on each other in a table of bounded size.
    let kept: Vec<&Vec<u8>> = questions.iter().filter(|wire| is_kept(wire)).collect();
    let finished = best(kept.len(), || {
        for wire in &kept {
            assert!(is_kept(wire));
        }
    });
    let stored = best(NAMES, || {
        for batch in questions.chunks(BATCH) {
            black_box(world.answer_all(batch));
        }
    });
    println!("{} of {NAMES} names are in the answer cache", kept.len());
    println!("hit from the answer cache: {finished:.0} ns");
    println!("hit from the store, through all layers: {stored:.0} ns");
    drop(world);
    let _gone = std::fs::remove_dir_all(folder);
}

/// Nanoseconds of this thread's processor a question, in the best of some rounds over all of them: what
/// others do on the machine meanwhile is not in it, but for what they leave in the processor's caches.
fn best(count: usize, mut round: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let before = thread_time();
        round();
        (thread_time() - before).as_nanos() as f64 / count as f64
    });
    times.fold(f64::MAX, f64::min)
}
