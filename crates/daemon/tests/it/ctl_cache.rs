//! `kresctl cache`: out of one cache, into another one, and what is said about a name.

use dns::{Class, Name, Rdatas, Rrset, Rtype};
use store::cache::{Rank, TtlBounds};
use store::kv::{OpenOptions, lmdb};

use crate::control::check_ctl;
use crate::process::Running;

/// Seconds since 1970.
fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    since.as_secs()
}

fn cache(directory: &std::path::Path) -> store::Cache {
    let options = OpenOptions { path: directory.into(), bytes: 1 << 20, seed: [8; 16] };
    store::Cache::new(lmdb::open(&options).unwrap(), TtlBounds { min: 0, max: 86_400 })
}

#[test]
fn what_is_dumped_can_be_loaded_and_looked_up() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut cache_of_one = cache(one.path());
    for number in 0..2_500 {
        let name: Name = format!("n{number}.example.test").parse().unwrap();
        let mut set = Rrset::new(name, Rtype::A, Class::IN, 3600);
        set.rdatas.push(&[192, 0, 2, (number % 256) as u8]);
        cache_of_one.stash(now(), &set, &Rdatas::new(), Rank::SECURE, &[]).unwrap();
    }
    let gone: Name = "gone.test".parse().unwrap();
    cache_of_one.stash_nxdomain(now(), &gone, 600, Rank::INSECURE.with_auth(), &[]).unwrap();
    cache_of_one.kv_mut().flush().unwrap();

    // Beside somebody who has it open.
    let place = one.path().to_str().unwrap();
    let all = check_ctl(one.path(), &["cache", "dump", "-d", place], 0);
    assert_eq!(all.lines().count(), 2_501);
    let line = all.lines().find(|line| line.contains("\"n7.example.test.\"")).unwrap();
    assert!(line.contains("\"type\":\"A\",\"rank\":\"secure\",\"ttl\":3"), "{line}");
    assert!(line.contains("\"records\":[\"192.0.2.7\"]"), "{line}");
    let below = check_ctl(one.path(), &["cache", "dump", "-d", place, "n7.example.test"], 0);
    // A second may have passed in between.
    let before_ttl = |line: &str| line.split("\"ttl\"").next().unwrap_or_default().to_owned();
    assert_eq!((before_ttl(&below), below.lines().count()), (before_ttl(line), 1));
    let absent = check_ctl(one.path(), &["cache", "lookup", "-d", place, "gone.test"], 0);
    assert!(absent.contains("\"type\":null"), "{absent}");

    let file = one.path().join("dump");
    std::fs::write(&file, format!("{all}{{\"raw\":\"00 zz\"}}\nnonsense\n")).unwrap();
    let words = ["cache", "load", "-d", other.path().to_str().unwrap(), file.to_str().unwrap()];
    let none = check_ctl(one.path(), &words, 1);
    assert!(none.contains("no cache in"), "{none}");
    drop(cache(other.path()));
    let loaded = check_ctl(one.path(), &words, 1);
    assert!(loaded.contains("{\"loaded\":2501,\"expired_or_worse\":0,\"refused\":1}"), "{loaded}");
    let mut cache_of_other = cache(other.path());
    let hit = cache_of_other.peek(now(), &"n9.example.test".parse().unwrap(), Rtype::A).unwrap();
    assert_eq!(hit.rank, Rank::SECURE);
    assert!((3500..=3600).contains(&hit.ttl_left));
}

#[test]
fn names_of_a_list_are_asked_for() {
    let running = Running::start("");
    let directory = running.directory.path();
    std::fs::write(directory.join("list"), "# names\nlocalhost\nlocalhost AAAA\n\n").unwrap();
    let list = directory.join("list");
    let list = list.to_str().unwrap();
    let said = check_ctl(directory, &["cache", "warm", list], 0);
    assert_eq!(said.matches("\"name\":\"localhost.\"").count(), 2, "{said}");
    assert_eq!(said.matches("\"result\":\"NOERROR\"").count(), 2, "{said}");
    let wrong = check_ctl(directory, &["cache", "warm", "-s", "nowhere", list], 1);
    assert!(wrong.contains("'nowhere' is no address"), "{wrong}");
    let unknown = check_ctl(directory, &["cache", "lookup", "unknown.test"], 1);
    assert!(unknown.contains("nothing is known about unknown.test."), "{unknown}");
}
