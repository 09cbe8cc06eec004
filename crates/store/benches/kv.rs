//! Timings of the byte store, for exploring: `cargo bench -p store --bench kv [entries]`.
//!
//! Prints nanoseconds per operation, the least of several rounds, for a store in a fresh
//! directory of the system's temporary one.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use store::kv::{Kv, OpenOptions, lmdb, memory};

const ROUNDS: usize = 7;
/// Reads in a turn: a batch of the event loop.
const TURN: usize = 32;

/// Keys that look like names written from the root: some 30 bytes with long common prefixes.
fn key(n: u32) -> Vec<u8> {
    let mixed = n.wrapping_mul(0x9E37_79B1);
    format!("org\0zone{:03}\0host{n:08}\0\x01{:02x}", mixed >> 22, mixed & 0xFF).into_bytes()
}

fn best(label: &str, per_round: usize, mut round: impl FnMut()) {
    let mut least = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        round();
        least = least.min(start.elapsed().as_nanos() as f64 / per_round as f64);
    }
    println!("  {label:<44} {least:>10.1} ns");
}

/// Numbers below `bound` in a fixed, scattered order.
fn scattered(count: usize, bound: u32) -> Vec<u32> {
    let mut state = 1u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % u64::from(bound)) as u32
    };
    (0..count).map(|_| next()).collect()
}

fn run(name: &str, kv: &mut dyn Kv, entries: u32, value: &[u8]) {
    println!("{name}: {entries} entries, values of {} bytes", value.len());
    for n in 0..entries {
        kv.put(&key(n), value).unwrap();
    }
    kv.end_turn().unwrap();
    let usage = kv.usage();
    println!(
        "  {:<44} {:>10.1} bytes",
        "stored, per entry",
        usage.bytes as f64 / f64::from(entries)
    );
    kv.end_turn().unwrap();

    for (label, bound) in [
        ("get, one key", 1),
        ("get, of 1,000 keys", 1_000),
        ("get, of 10,000 keys", 10_000),
        ("get, of all keys", entries),
    ] {
        let keys: Vec<_> = scattered(100_000, bound.min(entries)).into_iter().map(key).collect();
        best(label, keys.len(), || {
            for turn in keys.chunks(TURN) {
                for key in turn {
                    black_box(kv.get(key).unwrap());
                }
                kv.end_turn().unwrap();
            }
        });
    }
    let missing: Vec<_> = scattered(100_000, entries)
        .into_iter()
        .map(|n| {
            let mut key = key(n);
            key.push(7);
            key
        })
        .collect();
    best("get, missing", missing.len(), || {
        for turn in missing.chunks(TURN) {
            for key in turn {
                assert!(black_box(kv.get(key)).is_none());
            }
            kv.end_turn().unwrap();
        }
    });
    best("get_less_or_equal, missing", missing.len(), || {
        for turn in missing.chunks(TURN) {
            for key in turn {
                black_box(kv.get_less_or_equal(key).unwrap());
            }
            kv.end_turn().unwrap();
        }
    });
    best("scan_prefix, per entry", entries as usize, || {
        let mut seen = 0;
        kv.scan_prefix(b"", None, usize::MAX, &mut |_, value| {
            seen += value.len();
            std::ops::ControlFlow::Continue(())
        });
        black_box(seen);
        kv.end_turn().unwrap();
    });

    best("end_turn, nothing done", 100_000, || {
        for _ in 0..100_000 {
            kv.end_turn().unwrap();
        }
    });
    let one = key(0);
    best("turn of one get", 100_000, || {
        for _ in 0..100_000 {
            black_box(kv.get(&one).unwrap());
            kv.end_turn().unwrap();
        }
    });
    for batch in [1, 10, 100] {
        let keys: Vec<_> = scattered(20_000, entries).into_iter().map(key).collect();
        best(&format!("put, turns of {batch}, per put"), keys.len(), || {
            for turn in keys.chunks(batch) {
                for key in turn {
                    kv.put(key, value).unwrap();
                }
                kv.end_turn().unwrap();
            }
        });
    }
    let keys: Vec<_> = scattered(100, entries).into_iter().map(key).collect();
    let mut rounds = 0;
    let mut collecting = 0;
    let mut committing = 0;
    while rounds < 500 {
        let start = Instant::now();
        for key in &keys {
            kv.put(key, value).unwrap();
        }
        collecting += start.elapsed().as_nanos();
        let start = Instant::now();
        kv.end_turn().unwrap();
        committing += start.elapsed().as_nanos();
        rounds += 1;
    }
    println!("  {:<44} {:>10.1} ns", "put alone, of 100, mean", collecting as f64 / 50_000.0);
    println!("  {:<44} {:>10.1} ns", "end_turn with 100 writes, mean", committing as f64 / 500.0);
    let start = Instant::now();
    kv.clear().unwrap();
    println!("  {:<44} {:>10.1} µs", "clear", start.elapsed().as_nanos() as f64 / 1_000.0);
    for (name, count) in kv.counters().rows() {
        let trouble = ["tag_mismatch", "damage", "fault", "full", "busy", "lost", "recreated"];
        if count > 0 && trouble.contains(&name) {
            println!("  {name}: {count}");
        }
    }
}

fn main() {
    let entries = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(100_000u32);
    let bytes = (u64::from(entries) * 1_000).max(64 << 20);
    let value = [0xA5; 100];

    let directory = tempfile::tempdir().unwrap();
    let options = OpenOptions { path: directory.path().into(), bytes, seed: [1; 16] };
    let start = Instant::now();
    let mut kv = lmdb::new(&options).unwrap();
    println!("open, new files: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    run("lmdb", &mut kv, entries, &value);
    for n in 0..entries {
        kv.put(&key(n), &value).unwrap();
    }
    kv.flush().unwrap();
    drop(kv);
    let start = Instant::now();
    let kv = lmdb::new(&options).unwrap();
    let spent = start.elapsed().as_secs_f64() * 1e3;
    println!("open, checked: {spent:.2} ms for {} MiB in use\n", kv.usage().bytes >> 20);
    drop(kv);

    let directory = tempfile::tempdir().unwrap();
    let options = OpenOptions { path: directory.path().into(), bytes, seed: [1; 16] };
    run("lmdb", &mut lmdb::new(&options).unwrap(), entries, &[0xA5; 200]);
    println!();
    run("memory", &mut memory::new(bytes).unwrap(), entries, &value);
}
