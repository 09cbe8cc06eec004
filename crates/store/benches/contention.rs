//! How long workers wait for each other: `cargo bench -p store --bench contention`.
//!
//! One, two and four processes store what as many busy workers learn, and each measures the end of its
//! turns; then a cache of 100,000 names is cleared while others read it. The processes are this program
//! again.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use store::kv::lmdb::{self, LmdbKv};
use store::kv::{Kv, OpenOptions};

/// For how long is measured.
const LENGTH: Duration = Duration::from_secs(3);
/// What a turn of a busy worker learns, and the time to the next one: 4,000 entries a second.
const ENTRIES_PER_TURN: u32 = 8;
const PAUSE: Duration = Duration::from_millis(2);
/// Names that are cleared.
const NAMES: u32 = 100_000;

fn open(directory: &Path) -> LmdbKv {
    lmdb::new(&OpenOptions { path: directory.to_owned(), bytes: 64 << 20, seed: [1; 16] }).unwrap()
}

fn key(n: u32) -> Vec<u8> {
    let mixed = n.wrapping_mul(0x9E37_79B1);
    format!("org\0zone{:03}\0host{n:08}\0\x01{:02x}", mixed >> 22, mixed & 0xFF).into_bytes()
}

/// A line with the distribution of some times.
fn line(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!(
        "{:6} turns: median {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    )
}

/// A worker that stores.
fn store(directory: &Path) {
    let mut kv = open(directory);
    let mut n = std::process::id().wrapping_mul(7919);
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < LENGTH {
        for _ in 0..ENTRIES_PER_TURN {
            n = n.wrapping_add(1);
            kv.put(&key(n % 200_000), &[7; 80]).unwrap();
        }
        let turn = Instant::now();
        kv.end_turn().unwrap();
        times.push(turn.elapsed());
        std::thread::sleep(PAUSE);
    }
    println!("{}, {} written", line(times), kv.counters().write.get());
}

/// A worker that answers from the store.
fn read(directory: &Path) {
    let mut kv = open(directory);
    let mut n = 1u32;
    let (mut times, mut found) = (Vec::new(), 0u32);
    let began = Instant::now();
    while began.elapsed() < LENGTH {
        let turn = Instant::now();
        for _ in 0..32 {
            n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            found += u32::from(kv.get(&key((n >> 8) % NAMES)).is_some());
        }
        kv.end_turn().unwrap();
        times.push(turn.elapsed());
        std::thread::sleep(Duration::from_micros(200));
    }
    println!("{}, {found} found", line(times));
}

/// Another process of this program.
fn start(role: &str, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([role, directory.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(mut child: Child) -> String {
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    said.trim_end().to_owned()
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words[..] {
        [role, directory] if role == "store" => return store(Path::new(directory)),
        [role, directory] if role == "read" => return read(Path::new(directory)),
        _ => {}
    }
    for workers in [1, 2, 4] {
        let directory = tempfile::tempdir().unwrap();
        drop(open(directory.path()));
        println!("{workers} writing, the end of a turn of {ENTRIES_PER_TURN} entries:");
        let all: Vec<Child> = (0..workers).map(|_| start("store", directory.path())).collect();
        for child in all {
            println!("  {}", end(child));
        }
    }
    let directory = tempfile::tempdir().unwrap();
    for clears in [false, true] {
        let mut kv = open(directory.path());
        for n in 0..NAMES {
            kv.put(&key(n), &[7; 80]).unwrap();
        }
        kv.flush().unwrap();
        let readers: Vec<Child> = (0..2).map(|_| start("read", directory.path())).collect();
        std::thread::sleep(LENGTH / 3);
        if clears {
            let began = Instant::now();
            kv.clear().unwrap();
            println!(
                "{NAMES} names cleared in {:?}, turns of 32 reads meanwhile:",
                began.elapsed()
            );
        } else {
            println!("turns of 32 reads, undisturbed:");
        }
        for child in readers {
            println!("  {}", end(child));
        }
    }
}
