//! A cache that cannot be opened: at the start it keeps nobody from being answered, and later it is used.
//! What is wrong in the configuration stays an error.

use std::path::Path;

use crate::group::{forwarding, question, slow_upstream, tell, workers};
use crate::process::{Running, eventually, run};

/// Is a name answered, twice, and asked for once?
#[track_caller]
fn check_cached(running: &Running, asked: &std::sync::atomic::AtomicUsize, name: &str) {
    use std::sync::atomic::Ordering::Relaxed;
    let before = asked.load(Relaxed);
    let socket = running.datagrams();
    for id in 0..2 {
        socket.send(&question(id, name)).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).unwrap();
        assert!(answer[..length].ends_with(&[192, 0, 2, 7]));
    }
    assert_eq!(asked.load(Relaxed), before + 1);
}

#[test]
fn files_that_cannot_be_opened_are_waited_for_with_a_cache_in_memory() {
    let (port, asked) = slow_upstream();
    let place = tempfile::tempdir().unwrap();
    // Nobody can open a directory as a file, not even the superuser.
    std::fs::create_dir(place.path().join("data.mdb")).unwrap();
    let storage = format!("cache.storage = 'lmdb://{}'\n", place.path().display());
    let running = Running::start(&format!("{storage}{}", forwarding(port)));
    let log = running.log();
    assert!(log.contains("the cache cannot be opened: cannot open"), "{log}");
    assert!(log.contains("data.mdb: Is a directory"), "{log}");
    check_cached(&running, &asked, "one.test");
    let console = &workers(&running)[0];
    let current = tell(console, "cache.current_storage");
    assert!(current.contains(&place.path().display().to_string()), "{current}");
    assert_ne!(tell(console, "cache.count()"), "0");
    // At run time it is an error, as ever, and what is there stays.
    let refused = tell(console, "cache.size = 2*MB");
    assert!(refused.contains("Is a directory"), "{refused}");
    check_cached(&running, &asked, "two.test");

    std::fs::remove_dir(place.path().join("data.mdb")).unwrap();
    let is_used = || running.log().contains("the cache could be opened").then_some(());
    eventually("the cache is used", is_used);
    check_cached(&running, &asked, "three.test");
    assert!(place.path().join("data.mdb").is_file());
}

/// What mounts a small disk, for nobody else to see, before the program starts.
const SMALL_DISK: [&str; 5] = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    "mkdir -p small && mount -t tmpfs -o size=2m none small && exec \"$0\" \"$@\"",
];

#[test]
fn a_full_or_read_only_disk_keeps_nobody_from_being_answered() {
    let possible = std::process::Command::new("unshare").args(["--mount", "true"]).status();
    if !possible.is_ok_and(|status| status.success()) {
        return;
    }
    let (port, asked) = slow_upstream();
    let small = format!("cache.open(16*MB, 'lmdb://small')\n{}", forwarding(port));
    let running = Running::start_with(&small, &["-n"], &SMALL_DISK);
    let log = running.log();
    assert!(log.contains("has no room for a cache of 16777216 bytes"), "{log}");
    assert!(log.contains("kept in memory"), "{log}");
    check_cached(&running, &asked, "one.test");

    // What is there already stays when it cannot be made larger.
    let fits = small.replace("16*MB", "1*MB");
    let running = Running::start_with(&fits, &["-n"], &SMALL_DISK);
    let said = tell(&workers(&running)[0], "cache.open(16*MB, 'lmdb://small')");
    assert!(said.contains("has no room for a cache of 16777216 bytes"), "{said}");
    assert_eq!(tell(&workers(&running)[0], "cache.current_size"), "1048576");
    check_cached(&running, &asked, "three.test");

    let mut read_only = SMALL_DISK;
    let command = SMALL_DISK[4].replace("size=2m", "ro");
    read_only[4] = &command;
    let running = Running::start_with(&small, &["-n"], &read_only);
    assert!(running.log().contains("Read-only file system"), "{}", running.log());
    check_cached(&running, &asked, "two.test");
}

#[test]
fn what_is_wrong_in_the_configuration_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let check = |directory: &Path, configuration: &str, complaint: &str| {
        std::fs::write(directory.join("config"), configuration).unwrap();
        let output = run(directory, &["-n"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(complaint), "{said}");
    };
    check(directory.path(), "cache.open(100)", "invalid cache size");
    check(directory.path(), "cache.open(1*MB, 'bogus://x')", "unsupported cache backend");
    check(directory.path(), "cache.open(1*MB, 'lmdb:///no/such/place')", "No such file");
    std::fs::write(directory.path().join("file"), "x").unwrap();
    check(directory.path(), "cache.open(1*MB, 'lmdb://file/cache')", "Not a directory");
}
