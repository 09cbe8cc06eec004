//! What one process learns, or clears, another on the same run directory knows: servers that are slow or
//! silent, and keys of zones.

#![allow(clippy::print_stdout, reason = "figures for whoever wants them")]
#![allow(clippy::disallowed_methods, reason = "entries of the store are read as of now")]

use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use store::cache::TtlBounds;
use store::kv::{OpenOptions, lmdb};
use xtask::lab::{Answer, Lab};

use crate::e2e::program;
use crate::group::{question, slow_upstream, tell};
use crate::process::{Running, eventually};

/// One that is there and never answers; how often it was asked.
fn silent_server() -> (u16, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        while socket.recv(&mut [0; 512]).is_ok() {
            count.fetch_add(1, Relaxed);
        }
    });
    (port, asked)
}

/// Asks for some names that nobody has asked for before.
fn ask(running: &Running, label: &str) {
    let socket = running.datagrams();
    for number in 0..20u16 {
        socket.send(&question(number, &format!("n{number}.{label}.test"))).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).unwrap();
        assert!(answer[..length].ends_with(&[192, 0, 2, 7]));
    }
}

#[test]
fn a_silent_server_is_known_to_the_next_process() {
    let ((slow, _), (silent, asked)) = (slow_upstream(), silent_server());
    let configuration = format!(
        "trust_anchors.remove('.')\n\
         policy.add(policy.all(policy.STUB({{'127.0.0.1@{silent}', '127.0.0.1@{slow}'}})))\n\
         modules.unload('priming') modules.unload('ta_signal_query')\n\
         modules.unload('detect_time_skew')\n"
    );
    let one = Running::start(&configuration);
    // Which of the two is asked first is left to chance, and one that answers is asked again.
    let has_met_it = |round: &usize| {
        ask(&one, &format!("r{round}"));
        asked.load(Relaxed) > 0
    };
    (0..50).find(has_met_it).expect("it is tried now and then");
    let learnt = asked.load(Relaxed);

    // What is new about a server is told a second later, also where nobody asks any more.
    let options = OpenOptions { path: one.directory.path().into(), bytes: 1 << 20, seed: [8; 16] };
    let mut cache = store::Cache::new(lmdb::open(&options).unwrap(), TtlBounds::default());
    let mut known = |port: u16| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        let found = cache.peek_server(now, SocketAddr::from(([127, 0, 0, 1], port)));
        cache.end_turn().unwrap();
        found
    };
    let entry = eventually("its silence is in the store", || known(silent));
    assert!(entry.silences > 0 && entry.rtt.is_none(), "{entry:?}");
    let entry = eventually("the other's time is in the store", || known(slow));
    let (rtt, _) = entry.rtt.expect("a time");
    assert!((25_000..500_000).contains(&rtt), "{entry:?}");

    let other = one.beside(&configuration);
    ask(&other, "two");
    // Now and then it is tried whether it is back.
    let tried = asked.load(Relaxed) - learnt;
    assert!(tried <= 3, "asked {learnt} times by one, {tried} times by the other");
    println!("figures: a silent server was asked {learnt} times, then {tried} by the next process");
}

/// Where the second resolver of the lab listens.
const SECOND: &str = "127.10.0.2";

#[test]
fn keys_of_zones_are_forgotten_by_all_when_one_clears_the_cache() {
    let lab = Lab::start().expect("the lab starts");
    let first = lab.resolver(&program(), "").expect("the resolver starts");
    let folder = first.folder();
    let configuration = lab.resolver_configuration(SECOND, "");
    std::fs::write(folder.join("config.second"), configuration).unwrap();
    let log = std::fs::File::create(folder.join("log.second")).unwrap();
    let mut command = lab.command(program());
    command.args(["-n", "-c", "config.second", "."]).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut second = command.spawn().unwrap();
    let sockets = || -> Vec<_> {
        let entries = std::fs::read_dir(folder.join("control")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    eventually("two control sockets", || (sockets().len() == 2).then_some(()));
    let of_second = folder.join("control").join(second.id().to_string());
    let of_first = sockets().into_iter().find(|path| *path != of_second).unwrap();
    let ask_second = |name: &str| {
        let mut question = lab.command("kdig");
        question.args([&format!("@{SECOND}"), "+retry=0", "+timeout=10", "+adflag", name]);
        let output = question.output().unwrap();
        Answer::parse(&String::from_utf8_lossy(&output.stdout)).unwrap().to_string()
    };
    let knows_keys = || tell(&of_second, "cache.get('nsec3.com.')").contains("DNSKEY");

    assert_eq!(ask_second("www.nsec3.com"), "NOERROR ad\nwww.nsec3.com. A 192.0.2.41");
    assert!(knows_keys(), "{}", tell(&of_second, "cache.get('nsec3.com.')"));
    let cleared = tell(&of_first, "cache.clear()");
    assert!(!knows_keys(), "{cleared}: {}", tell(&of_second, "cache.get('nsec3.com.')"));
    assert_eq!(ask_second("www.nsec3.com"), "NOERROR ad\nwww.nsec3.com. A 192.0.2.41");
    assert!(knows_keys(), "it believed keys that it had from before");
    second.kill().unwrap();
    second.wait().unwrap();
}
