//! What the disk can do to a cache: too small, full, read-only, without the space that was promised.
//!
//! The disk is a small tmpfs in a mount namespace of its own, in which this test binary is started
//! again. Where the system lets nobody have one, the test says so and ends.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "says why it could not be run")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use store::kv::{Distrust, Kv, Notice, OpenOptions, StoreError, lmdb};

const MIB: u64 = 1 << 20;
/// Where the disk is; set in the namespace only.
const DISK: &str = "KV_TEST_DISK";

fn options(directory: &Path, bytes: u64) -> OpenOptions {
    OpenOptions { path: directory.join("cache"), bytes, seed: [3; 16] }
}

/// Runs a program and asserts that it succeeds.
#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

/// Writes into a file until there is no room for a single block.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("ballast");
    let mut file = File::create(&path).unwrap();
    let block = [1; 4096];
    for _ in 0..100 * MIB / 4096 {
        if file.write_all(&block).is_err() {
            return path;
        }
    }
    panic!("the disk has no end");
}

/// Stores and reads more than the cache can hold.
fn churn(kv: &mut dyn Kv) {
    for n in 0..20_000u32 {
        let _ = kv.put(format!("entry {n}").as_bytes(), &[7; 400]);
        if n.is_multiple_of(50) {
            let _ = kv.end_turn();
            if n.is_multiple_of(1_000) {
                kv.maintain();
            }
        }
        if let Some(found) = kv.get(format!("entry {}", n / 2).as_bytes()) {
            assert_eq!(found, [7; 400]);
        }
    }
}

/// Asserts that what is stored can be read, perhaps after some turns in which it heals.
fn assert_usable(kv: &mut dyn Kv) {
    for _ in 0..20 {
        kv.maintain();
        let stored = kv.put(b"key", b"value").and_then(|()| kv.flush());
        if stored.is_ok() && kv.get(b"key") == Some(b"value") {
            return;
        }
    }
    panic!("of no use: {:?}", kv.take_notices());
}

/// Not a test by itself: what happens on the small disk.
#[test]
fn on_a_small_disk() {
    let Some(disk) = std::env::var_os(DISK).map(PathBuf::from) else { return };
    run("mount", &["-t", "tmpfs", "-o", "size=8m", "none", disk.to_str().unwrap()]);

    // Too large for the disk: refused in words, and nothing is left behind.
    let refused = lmdb::new(&options(&disk, 16 * MIB)).err().unwrap();
    assert!(matches!(refused, StoreError::NoSpace { bytes, .. } if bytes == 16 * MIB));
    assert!(refused.to_string().contains("set a smaller cache.size"), "{refused}");
    assert!(!disk.join("cache/data.mdb").exists());

    // What was reserved is there, whatever others do to the disk.
    let mut kv = lmdb::new(&options(&disk, 4 * MIB)).unwrap();
    let ballast = fill(&disk);
    churn(&mut kv);
    assert_usable(&mut kv);
    // The last resort of a store without a collector is all that happens.
    let harmless = |notice: &Notice| match notice {
        Notice::Recreated { why, .. } => *why == Distrust::Stuck,
        other => matches!(other, Notice::DroppedAll { .. }),
    };
    let notices = kv.take_notices();
    assert!(notices.iter().all(harmless), "{notices:?}");
    assert!(matches!(kv.grow(6 * MIB), Err(StoreError::NoSpace { .. })));
    assert_usable(&mut kv);
    drop(kv);
    let mut kv = lmdb::new(&options(&disk, 6 * MIB)).unwrap();
    let notices = kv.take_notices();
    assert!(
        matches!(notices[..], [Notice::NotGrown { kept, .. }] if kept == 4 * MIB),
        "{notices:?}"
    );
    assert_usable(&mut kv);

    // A file system that gives space when a page is touched first, and then has none.
    fs::remove_file(&ballast).unwrap();
    drop(kv);
    fs::remove_dir_all(disk.join("cache")).unwrap();
    let mut kv = lmdb::new(&options(&disk, 4 * MIB)).unwrap();
    kv.put(b"before", b"value").unwrap();
    kv.flush().unwrap();
    let data = disk.join("cache/data.mdb");
    let hole = ["--punch-hole", "--offset", "65536", "--length", "4128768"];
    run("fallocate", &[&hole[..], &[data.to_str().unwrap()]].concat());
    let ballast = fill(&disk);
    churn(&mut kv);
    fs::remove_file(&ballast).unwrap();
    assert_usable(&mut kv);
    drop(kv);

    // Read-only: refused in words.
    run("mount", &["-o", "remount,ro", disk.to_str().unwrap()]);
    let refused = lmdb::new(&options(&disk, 4 * MIB)).err().unwrap();
    assert!(refused.to_string().contains("Read-only file system"), "{refused}");
    run("umount", &[disk.to_str().unwrap()]);
}

#[test]
fn a_disk_that_is_small_full_or_read_only_does_no_harm() {
    let disk = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let isolations: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let unshare = |isolation: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(isolation).arg("--");
        command
    };
    let possible = |isolation: &&&[&str]| {
        let tried =
            unshare(isolation).args(["mount", "-t", "tmpfs", "none"]).arg(disk.path()).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(isolation) = isolations.iter().find(possible) else {
        eprintln!("not run: no mount namespace can be had here");
        return;
    };
    let output = unshare(isolation)
        .arg(this)
        .args(["on_a_small_disk", "--exact", "--nocapture", "--test-threads=1"])
        .env(DISK, disk.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
}
