//! Damaged files: thousands of ways to spoil a cache, none of which may end the process or make
//! it return a value that was not stored under that key.
//!
//! `KV_DAMAGE_SEEDS=10000 cargo test -p store --test kv_damage` runs more than the default;
//! `KV_DAMAGE_FIRST=n` begins with another seed.
//!
//! With an address sanitizer in Rust and in LMDB:
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CC_x86_64_unknown_linux_gnu=clang \
//! CFLAGS_x86_64_unknown_linux_gnu=-fsanitize=address \
//! ASAN_OPTIONS=detect_stack_use_after_return=0:handle_segv=0:handle_sigbus=0:handle_abort=0:detect_leaks=0 \
//!     cargo test -p store --target x86_64-unknown-linux-gnu --test kv_damage
//! ```

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use store::kv::{Kv, OpenOptions, lmdb};

mod spoil;

use spoil::{PAGE, Rng, spoil_page};

const MIB: u64 = 1 << 20;
const ENTRIES: u32 = 3_000;
const SEEDS: u64 = 200;

/// Versions of values from here on are only in the cache of somebody else.
const FOREIGN: u8 = 200;

fn key(n: u32) -> Vec<u8> {
    format!("org\0example{:02}\0name {n:06}", n % 7).into_bytes()
}

/// What is stored under key `n` in the given version.
fn value(n: u32, version: u8) -> Vec<u8> {
    let len = if n.is_multiple_of(100) { 3_000 + n as usize } else { 20 + n as usize % 200 };
    let mut value: Vec<u8> = (0..len).map(|i| (i as u32 * 7 + n) as u8).collect();
    value[0] = version;
    value
}

fn options(directory: &Path) -> OpenOptions {
    OpenOptions { path: directory.to_owned(), bytes: 4 * MIB, seed: [5; 16] }
}

/// Asserts that a value was stored under this key once.
fn assert_known(key_found: &[u8], found: &[u8]) {
    let n = std::str::from_utf8(key_found).ok().and_then(|key| key.rsplit(' ').next());
    let n: u32 = n.unwrap().parse().unwrap();
    assert_eq!(key_found, key(n));
    assert_stored(n, found);
}

/// Asserts that these bytes were stored under entry `n` of this cache at some time.
fn assert_stored(n: u32, found: &[u8]) {
    assert!(found == value(n, found[0]), "a wrong value under entry {n}");
    assert!(found[0] < FOREIGN, "another cache's value under entry {n}");
}

/// Reads all of the store and checks whatever it returns.
fn read(kv: &dyn Kv, rng: &mut Rng) {
    for n in 0..ENTRIES + 10 {
        if let Some(found) = kv.get(&key(n)) {
            assert_stored(n, found);
        }
    }
    for _ in 0..50 {
        let mut wanted = key(rng.below(u64::from(ENTRIES)) as u32);
        wanted.truncate(wanted.len() - rng.below(4) as usize);
        if let Some((found, value)) = kv.get_less_or_equal(&wanted) {
            assert!(*found <= wanted[..]);
            assert_known(found, value);
        }
    }
    let mut seen = 0;
    kv.scan_prefix(b"", None, 20_000, &mut |key, value| {
        seen += 1;
        if !value.is_empty() {
            assert_known(key, value);
        }
        ControlFlow::Continue(())
    });
    assert!(seen <= 20_000);
    kv.usage();
}

/// Writes here and there. Refusals are counted by the store; what matters is that nothing else
/// happens.
fn write(kv: &mut dyn Kv, rng: &mut Rng) {
    for _ in 0..rng.below(5) {
        for _ in 0..rng.below(100) {
            let n = rng.below(u64::from(ENTRIES)) as u32;
            let _ = match rng.below(3) {
                0 => kv.remove(&key(n)),
                _ => kv.put(&key(n), &value(n, rng.below(u64::from(FOREIGN)) as u8)),
            };
        }
        let _ = kv.end_turn();
    }
}

fn exercise(kv: &mut dyn Kv, rng: &mut Rng) {
    if rng.below(2) == 0 {
        write(kv, rng);
    }
    read(kv, rng);
    write(kv, rng);
}

/// Asserts that the store has healed.
fn assert_usable(kv: &mut dyn Kv) {
    kv.maintain();
    kv.end_turn().unwrap();
    kv.put(&key(1), &value(1, 77)).unwrap();
    kv.flush().unwrap();
    assert_eq!(kv.get(&key(1)), Some(&value(1, 77)[..]));
    kv.end_turn().unwrap();
}

/// A cache with a tree of several levels, large values, and free pages.
fn sound() -> (Vec<u8>, u64) {
    cache_of(5, 0)
}

/// The same with another secret and with values that look as valid.
fn foreign() -> Vec<u8> {
    cache_of(6, FOREIGN).0
}

fn cache_of(seed: u8, first: u8) -> (Vec<u8>, u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = lmdb::new(&OpenOptions { seed: [seed; 16], ..options(directory.path()) }).unwrap();
    for version in 0..3 {
        for n in 0..ENTRIES {
            if version == 0 || n.is_multiple_of(5) {
                kv.put(&key(n), &value(n, first + version)).unwrap();
            }
            if n.is_multiple_of(100) {
                kv.end_turn().unwrap();
            }
        }
        for n in (0..ENTRIES).filter(|n| n.is_multiple_of(17)) {
            kv.remove(&key(n)).unwrap();
        }
        kv.end_turn().unwrap();
    }
    let used = kv.usage().bytes;
    drop(kv);
    (fs::read(directory.path().join("data.mdb")).unwrap(), used)
}

/// Spoils the file in one of many ways.
fn spoil(file: &File, used: u64, foreign: &[u8], rng: &mut Rng) -> &'static str {
    match rng.below(12) {
        8 => {
            // Everything in it is as it should be but for the secret.
            let from = (rng.below(used / PAGE + 40) * PAGE) as usize;
            if let Some(found) = foreign.get(from..from + PAGE as usize) {
                file.write_all_at(found, from as u64).unwrap();
            }
            "a page of another cache"
        }
        9 => {
            if let Some(found) = find_value(file, rng) {
                file.write_all_at(&[rng.next() as u8], found.0).unwrap();
            }
            "the first byte of a value, where the rank is"
        }
        10 => {
            let (one, other) = (find_value(file, rng), find_value(file, rng));
            if let (Some((at, bytes)), Some((_, other))) = (one, other) {
                file.write_all_at(&other[..bytes.len().min(other.len())], at).unwrap();
            }
            "a value in the place of another"
        }
        11 => {
            file.set_len(rng.below(used + 10 * PAGE)).unwrap();
            "the end"
        }
        _ => spoil_page(file, used / PAGE + 40, rng),
    }
}

/// Where a value is in the file, with the tag behind it, in whatever state its page is.
fn find_value(file: &File, rng: &mut Rng) -> Option<(u64, Vec<u8>)> {
    const TAG: usize = 4;
    let n = rng.below(u64::from(ENTRIES)) as u32;
    let wanted = value(n, 0);
    let mut content = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut content, 0).unwrap();
    let key = key(n);
    let at = content.windows(key.len()).position(|bytes| bytes == key)? + key.len();
    let end = (at + wanted.len() + TAG).min(content.len());
    Some((at as u64, content[at..end].to_vec()))
}

/// Spoils the lock file in one of many ways.
fn spoil_locks(file: &File, rng: &mut Rng) -> &'static str {
    let len = file.metadata().unwrap().len();
    // The head, with the mutexes, and the first readers.
    let offset = rng.below(192);
    match rng.below(7) {
        0 => {
            file.write_all_at(&[rng.next() as u8], offset).unwrap();
            "a byte of the lock file"
        }
        1 => {
            let noise: Vec<u8> = (0..192).map(|_| rng.next() as u8).collect();
            file.write_all_at(&noise[offset as usize..], offset).unwrap();
            "noise in the lock file"
        }
        2 => {
            file.write_all_at(&vec![0; len as usize], 0).unwrap();
            "zeros in the lock file"
        }
        3 => {
            // The format has the version of LMDB in its lowest bits.
            let mut format = [0; 4];
            file.read_exact_at(&mut format, 4).unwrap();
            let other = u32::from_ne_bytes(format) ^ (1 + rng.below(3) as u32);
            file.write_all_at(&other.to_ne_bytes(), 4).unwrap();
            "a lock file of another version of LMDB"
        }
        4 => {
            file.write_all_at(&(rng.next() as u32).to_ne_bytes(), 16).unwrap();
            "the number of readers"
        }
        5 => {
            file.write_all_at(&rng.next().to_ne_bytes(), 8).unwrap();
            "the number of the newest transaction"
        }
        _ => {
            file.set_len(rng.below(len)).unwrap();
            "the end of the lock file"
        }
    }
}

fn seeds() -> impl Iterator<Item = u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("KV_DAMAGE_FIRST").unwrap_or(0);
    first..first + number("KV_DAMAGE_SEEDS").unwrap_or(SEEDS)
}

/// With `KV_DAMAGE_FIRST`, tells what is being done, for the case that the process ends.
#[allow(clippy::print_stderr, reason = "for whoever looks into one seed")]
fn trace(seed: u64, kind: &str) {
    if std::env::var_os("KV_DAMAGE_FIRST").is_some() {
        eprintln!("seed {seed}: {kind}");
    }
}

#[test]
fn damage_found_at_the_start_does_no_harm() {
    let ((sound, used), foreign) = (sound(), foreign());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.mdb");
    let mut remade = 0;
    for seed in seeds() {
        let mut rng = Rng(seed);
        fs::write(&path, &sound).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let mut kinds = vec![];
        for _ in 0..=rng.below(2) {
            kinds.push(spoil(&file, used, &foreign, &mut rng));
            if kinds.last() == Some(&"the end") {
                break;
            }
        }
        drop(file);
        trace(seed, kinds[0]);
        let mut kv = match lmdb::new(&options(directory.path())) {
            Ok(kv) => kv,
            Err(error) => panic!("seed {seed}, {kinds:?}: {error}"),
        };
        exercise(&mut kv, &mut rng);
        exercise(&mut kv, &mut rng);
        assert_usable(&mut kv);
        remade += kv.counters().recreated.get();
    }
    assert!(remade > 0);
}

#[test]
fn damage_while_in_use_does_no_harm() {
    let ((sound, used), foreign) = (sound(), foreign());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.mdb");
    for seed in seeds() {
        let mut rng = Rng(!seed);
        fs::write(&path, &sound).unwrap();
        let mut kv = lmdb::new(&options(directory.path())).unwrap();
        exercise(&mut kv, &mut rng);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let kind = spoil(&file, used, &foreign, &mut rng);
        trace(seed, kind);
        drop(file);
        exercise(&mut kv, &mut rng);
        exercise(&mut kv, &mut rng);
        assert_usable(&mut kv);
    }
}

/// The file as it was after each of some commits, which a kernel writes to the disk page by page and in
/// any order.
fn history() -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = lmdb::new(&options(directory.path())).unwrap();
    let mut rng = Rng(7);
    for n in 0..ENTRIES / 2 {
        kv.put(&key(n), &value(n, 0)).unwrap();
    }
    let mut states = vec![];
    for version in 1..=24 {
        for _ in 0..60 {
            let n = rng.below(u64::from(ENTRIES)) as u32;
            let _ = match rng.below(5) {
                0 => kv.remove(&key(n)),
                _ => kv.put(&key(n), &value(n, version)),
            };
        }
        kv.flush().unwrap();
        states.push(fs::read(directory.path().join("data.mdb")).unwrap());
    }
    states
}

/// Power is lost: of each page the disk has what it was after one of the last commits.
#[test]
fn damage_of_a_loss_of_power_does_no_harm() {
    let states = history();
    let directory = tempfile::tempdir().unwrap();
    let (mut remade, mut kept) = (0, 0);
    for seed in seeds() {
        let mut rng = Rng(seed ^ 0xAAAA);
        let newest = 1 + rng.below(states.len() as u64 - 1);
        let oldest = newest - (1 + rng.below(4)).min(newest);
        // Most pages are written soon.
        let late = 1 + rng.below(40);
        let mut content = states[newest as usize].clone();
        for (page, bytes) in content.chunks_mut(PAGE as usize).enumerate() {
            if rng.below(40) < late {
                let state = &states[(oldest + rng.below(newest - oldest + 1)) as usize];
                bytes.copy_from_slice(&state[page * PAGE as usize..][..PAGE as usize]);
            }
        }
        fs::write(directory.path().join("data.mdb"), &content).unwrap();
        trace(seed, "a loss of power");
        let mut kv = lmdb::new(&options(directory.path())).unwrap();
        let made = kv.counters().recreated.get();
        exercise(&mut kv, &mut rng);
        exercise(&mut kv, &mut rng);
        assert_usable(&mut kv);
        remade += made;
        kept += 1 - made.min(1);
    }
    assert!(remade > 0 && kept > 0, "{remade} remade, {kept} kept");
}

#[test]
fn damage_of_the_lock_file_does_no_harm() {
    let (sound, _) = sound();
    let directory = tempfile::tempdir().unwrap();
    let mut remade = 0;
    for seed in seeds() {
        let mut rng = Rng(seed ^ 0x5555);
        fs::write(directory.path().join("data.mdb"), &sound).unwrap();
        let spoil_now = |rng: &mut Rng| {
            let path = directory.path().join("lock.mdb");
            let file = File::options().read(true).write(true).open(path).unwrap();
            trace(seed, spoil_locks(&file, rng));
        };
        // Left behind in this state by whoever used it last: LMDB makes it anew.
        if seed > 0 && rng.below(4) == 0 && directory.path().join("lock.mdb").exists() {
            spoil_now(&mut rng);
        }
        let mut kv = lmdb::new(&options(directory.path())).unwrap();
        exercise(&mut kv, &mut rng);
        spoil_now(&mut rng);
        exercise(&mut kv, &mut rng);
        exercise(&mut kv, &mut rng);
        assert_usable(&mut kv);
        remade += kv.counters().recreated.get();
    }
    assert!(remade > 0);
}
