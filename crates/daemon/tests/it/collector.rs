//! `kres-cache-gc` on caches that others have open, and its exit statuses.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use dns::{Class, Rdatas, Rrset, Rtype};
use store::cache::{Rank, TtlBounds};
use store::kv::{OpenOptions, lmdb};

use crate::process::{Running, eventually};

fn collector() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kres-cache-gc"));
    command.stdin(Stdio::null());
    command
}

fn run(options: &[&str]) -> Output {
    collector().args(options).output().expect("the collector starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[allow(clippy::disallowed_methods, reason = "entries have to be alive for the program")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Fills a new cache of a mebibyte until so much of it is in use.
fn fill(directory: &Path, percent: f64) -> store::Cache {
    let options = OpenOptions { path: directory.into(), bytes: 1 << 20, seed: [3; 16] };
    let kv = lmdb::open(&options).unwrap();
    let mut cache = store::Cache::new(kv, TtlBounds::default());
    let mut number = 0_u32;
    while cache.kv().fill().percent() < percent {
        for _ in 0..32 {
            number += 1;
            let owner = format!("host-{}.example.net", number.wrapping_mul(2_654_435_761));
            let mut set = Rrset::new(owner.parse().unwrap(), Rtype::A, Class::IN, 3600);
            set.rdatas.push(&number.to_be_bytes());
            let rank = Rank::INSECURE.with_auth();
            cache.stash(now(), &set, &Rdatas::new(), rank, &[]).unwrap();
        }
        cache.kv_mut().flush().unwrap();
    }
    cache
}

#[test]
fn mistakes_end_with_the_usage() {
    for (options, status) in [
        (&[][..], 1),
        (&["-h"], 1),
        (&["-Z"], 1),
        (&["-c", "x", "-d", "soon"], 2),
        (&["-c", "x", "-u", "-3"], 2),
    ] {
        let output = run(options);
        assert_eq!(output.status.code(), Some(status), "{options:?}");
        assert!(text(&output).contains("Usage: kres-cache-gc -c <resolver_cache>"), "{options:?}");
    }
}

#[test]
fn no_cache_is_tolerated_and_none_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let output = run(&["-c", path]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output).contains(&format!("No cache in {path}")));
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn what_is_no_cache_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data.mdb")).unwrap();
    let output = run(&["-c", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(10));
    assert!(text(&output).contains("Error ("), "{}", text(&output));
}

#[test]
fn a_full_cache_is_trimmed_while_it_is_open_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let mut cache = fill(directory.path(), 81.0);
    let before = cache.kv().fill().entries;
    cache.kv_mut().end_turn().unwrap();

    let dry = run(&["-c", path, "-n"]);
    assert!(text(&dry).contains("Usage: 8"), "{}", text(&dry));
    assert_eq!(cache.kv().fill().entries, before);
    cache.kv_mut().end_turn().unwrap();

    let output = run(&["-c", path, "-l", "50", "-f", "20"]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for words in [
        "Usage: 8",
        "Cache analyzed in ",
        " records to be deleted using ",
        "(0 already gone) types A\n",
    ] {
        assert!(told.contains(words), "no '{words}' in: {told}");
    }
    let after = cache.kv().fill().entries;
    let told_deleted = told.split("Deleted ").nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(told_deleted.parse(), Ok(before - after), "{told}");
    let percent = 100 * (before - after) / before;
    assert!((15..=25).contains(&percent), "{percent} % of {before} were removed");
}

#[test]
fn it_works_beside_a_resolver_until_it_is_told_to_end() {
    let running = Running::start("");
    let directory = running.directory.path();
    let log = directory.join("gc-log");
    let mut child = collector()
        .args(["-d", "20", "-v", "-u", "0", "-f", "100", "-c", directory.to_str().unwrap()])
        .stdout(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    eventually("looks at the cache", || {
        let told = std::fs::read_to_string(&log).unwrap();
        (told.matches("Usage: ").count() >= 2).then_some(())
    });
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id() as i32),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    let status = eventually("ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
