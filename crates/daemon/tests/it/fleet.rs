//! The second level of the cache: a real Redis server between programs that do not share a machine, as
//! far as they know.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::process::{Running, eventually, free_address};

/// A server without files, that ends with the test.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start(port: u16) -> Redis {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server (package redis-server) starts");
        let redis = Redis { child, port };
        eventually("redis-server", || (redis.tell(&["ping"]) == "PONG").then_some(()));
        redis
    }

    fn tell(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string(), "-n", "3"]).args(words);
        let output = command.output().expect("redis-cli (package redis-tools) starts");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been killed by the test already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An upstream that gives every name one address for ten minutes; how often it was asked.
fn upstream() -> (u16, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        // It ends with the test process.
        while let Ok((length, peer)) = socket.recv_from(&mut message) {
            counter.fetch_add(1, Relaxed);
            let name = message[12..length].iter().position(|byte| *byte == 0).unwrap();
            let mut reply = message[..12 + name + 5].to_vec();
            reply[2] = 0x85;
            reply[3] = 0x80;
            reply[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 192, 0, 2, 7]);
            let _gone = socket.send_to(&reply, peer);
        }
    });
    (port, asked)
}

/// A program that asks that upstream only and has that second level; returns when it is in use.
fn program(upstream: u16, redis: u16, secret: &Path) -> Running {
    let program = Running::start(&format!(
        "trust_anchors.remove('.')\n\
         cache.open(4*MB, 'redis://127.0.0.1:{redis}/3?secret={}')\n\
         policy.add(policy.all(policy.STUB('127.0.0.1@{upstream}')))\n\
         modules.unload('priming') modules.unload('ta_signal_query')\n\
         modules.unload('detect_time_skew')\n",
        secret.display()
    ));
    wait_for_use(&program, 1);
    program
}

/// Waits until the second level is in use for the nth time.
#[track_caller]
fn wait_for_use(program: &Running, times: usize) {
    eventually("use of the second level", || {
        (program.log().matches("in use as second level").count() >= times).then_some(())
    });
}

/// Asks for the address of a name.
#[track_caller]
fn ask(program: &Running, name: &str) {
    let mut query = vec![0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    let socket = program.datagrams();
    socket.send(&query).unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).expect("an answer");
    let answer = &answer[..length];
    assert!(answer.ends_with(&[192, 0, 2, 7]), "{name}: {answer:?}\n{}", program.log());
}

#[test]
fn what_one_machine_learns_another_answers() {
    let files = tempfile::tempdir().unwrap();
    let secret = files.path().join("secret");
    std::fs::write(&secret, "a secret of the fleet").unwrap();
    let redis = Redis::start(free_address().port());
    let (port, asked) = upstream();
    let one = program(port, redis.port, &secret);
    ask(&one, "www.one.test");
    assert_eq!(asked.load(Relaxed), 1);
    eventually("an entry in Redis", || (redis.tell(&["dbsize"]) != "0").then_some(()));
    let lives: i64 = redis
        .tell(&["eval", "return redis.call('ttl', redis.call('keys', '*')[1])", "0"])
        .parse()
        .unwrap();
    assert!((500..=600).contains(&lives), "{lives} s");

    // Another one answers without asking the world, and keeps it for itself.
    let other = program(port, redis.port, &secret);
    ask(&other, "www.one.test");
    assert_eq!(asked.load(Relaxed), 1);

    // One with another secret believes nothing of it.
    let foreign = files.path().join("foreign");
    std::fs::write(&foreign, "a secret of other people").unwrap();
    let stranger = program(port, redis.port, &foreign);
    ask(&stranger, "www.one.test");
    assert_eq!(asked.load(Relaxed), 2);

    // Nor does anyone believe what somebody has changed, be it a single byte.
    let spoil =
        "for _, k in ipairs(redis.call('keys', '*')) do redis.call('setrange', k, 16, 'x') end";
    redis.tell(&["eval", spoil, "0"]);
    let third = program(port, redis.port, &secret);
    ask(&third, "www.one.test");
    assert_eq!(asked.load(Relaxed), 3);
}

#[test]
fn a_second_level_that_is_slow_or_gone_costs_nothing() {
    let files = tempfile::tempdir().unwrap();
    let secret = files.path().join("secret");
    std::fs::write(&secret, "a secret of the fleet").unwrap();
    let mut redis = Redis::start(free_address().port());
    let (port, asked) = upstream();
    let program = program(port, redis.port, &secret);
    ask(&program, "before.test");
    // It takes connections and commands, and answers nothing.
    Running::signal(redis.child.id(), "STOP");
    for n in 0..40 {
        ask(&program, &format!("slow{n}.test"));
    }
    assert_eq!(asked.load(Relaxed), 41);
    eventually("a word about it", || program.log().contains("goes on without").then_some(()));
    Running::signal(redis.child.id(), "CONT");
    redis.child.kill().unwrap();
    redis.child.wait().unwrap();
    for n in 0..40 {
        ask(&program, &format!("gone{n}.test"));
    }
    // It is back, with nothing in it.
    let redis = Redis::start(redis.port);
    wait_for_use(&program, 2);
    ask(&program, "back.test");
    eventually("an entry in Redis", || (redis.tell(&["dbsize"]) != "0").then_some(()));
    program.check_alive();
}

#[test]
fn what_is_no_second_level_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (storage, words) in [
        ("redis://", "is no address of a second store"),
        ("redis://h?secret=/nowhere", "secret of the fleet '/nowhere'"),
    ] {
        let text = format!("cache.storage = '{storage}'\n");
        std::fs::write(directory.path().join("config"), text).unwrap();
        let output = crate::process::run(directory.path(), &["-n", "-a", &any_address()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{said}");
    }
}

fn any_address() -> String {
    let address: SocketAddr = free_address();
    format!("{}@{}", address.ip(), address.port())
}
