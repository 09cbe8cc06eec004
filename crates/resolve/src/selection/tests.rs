//! Choosing among servers: by measured time, with exploration, away from the dead.

use std::net::SocketAddr;
use std::time::Duration;

use dns::{Class, Name, Rtype};

use super::*;
use crate::action::{Target, Via};
use crate::chance::Chance;
use crate::keyed::Keyed;
use crate::limits::{SERVER_STATES_MAX, TIMEOUT_MAX, TIMEOUT_MIN};
use crate::query::{Ask, Round};
use crate::time::{Mono, Now, UnixTime};

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 53))
}

fn candidate(last: u8) -> Candidate {
    Candidate { address: address(last), via: Via::Udp, server: usize::from(last) }
}

/// Both clocks at a reading of the monotonic one.
fn at(mono: Mono) -> Now {
    Now { mono, unix: UnixTime(1_700_000_000_000 + mono.0 / 1_000_000) }
}

fn round() -> Round {
    let ask = Ask { name: Name::root(), rtype: Rtype::NS, class: Class::IN, minimised: false };
    Round::new(ask, Mono::default())
}

fn servers() -> Servers {
    Servers::new(Keyed(1, 2))
}

const EVERYTHING: Scope = Scope { force_tcp: false, last: true };

#[test]
fn the_estimate_follows_the_samples_and_stays_in_bounds() {
    let mut rtt = Rtt::new(Duration::from_millis(40));
    assert_eq!(rtt.timeout(), Duration::from_millis(120));
    for _ in 0..50 {
        rtt.add(Duration::from_millis(200));
    }
    assert!(rtt.smoothed().as_millis().abs_diff(200) <= 2, "{rtt:?}");
    rtt.add(Duration::from_secs(600));
    assert_eq!(rtt.timeout(), TIMEOUT_MAX);
    assert_eq!(Rtt::new(Duration::ZERO).timeout(), TIMEOUT_MIN);
}

#[test]
fn the_fastest_server_gets_most_questions_and_others_some() {
    let (mut servers, mut chance) = (servers(), Chance::new([3; 32]));
    for (last, ms) in [(1, 80), (2, 10), (3, 50)] {
        servers.on_reply(address(last), Now::default(), Duration::from_millis(ms));
    }
    let candidates = [candidate(1), candidate(2), candidate(3)];
    let mut asked = [0u32; 4];
    for _ in 0..1000 {
        let round = round();
        let choice =
            choose(&servers, &mut chance, Mono::default(), &round, &candidates, EVERYTHING);
        asked[choice.expect("there are candidates").server] += 1;
    }
    assert!(asked[2] > 900 && asked[1] > 3 && asked[3] > 3, "{asked:?}");
}

#[test]
fn a_silent_server_is_asked_twice_by_udp_and_once_by_tcp() {
    let (servers, mut chance) = (servers(), Chance::new([3; 32]));
    let mut round = round();
    let mut asked = Vec::new();
    while let Some(choice) =
        choose(&servers, &mut chance, Mono::default(), &round, &[candidate(1)], EVERYTHING)
    {
        asked.push((choice.target.via.clone(), choice.timeout.as_millis()));
        let tried = round.tried_mut(address(1));
        match choice.target.via {
            Via::Udp => tried.udp += 1,
            _ => tried.tcp += 1,
        }
        round.sends += 1;
    }
    assert_eq!(asked, [(Via::Udp, 400), (Via::Udp, 800), (Via::Tcp, 1500)]);
}

#[test]
fn a_dead_server_rests_ever_longer_and_wakes_with_a_reply() {
    let mut servers = servers();
    let rest = Duration::from_secs(1);
    let now = Mono::default() + Duration::from_secs(100);
    let target = |via| Target { address: address(1), via };
    for _ in 0..2 {
        servers.on_silence(&target(Via::Udp), now, at(now), rest);
    }
    servers.on_silence(&target(Via::Tcp), now, at(now), rest);
    assert!(servers.state(address(1)).is_resting(now));
    assert!(!servers.state(address(1)).is_resting(now + Duration::from_secs(1)));
    servers.on_silence(&target(Via::Udp), now, at(now), rest);
    assert!(servers.state(address(1)).is_resting(now + Duration::from_millis(1900)));
    servers.on_reply(address(1), Now::default(), Duration::from_millis(5));
    assert!(!servers.state(address(1)).is_resting(now));
}

#[test]
fn a_family_is_broken_when_many_networks_are_silent_and_whole_again_after_one_reply() {
    let mut families = Families::default();
    let now = Mono::default() + Duration::from_secs(1);
    let ip = |n: u16| format!("2001:db8:{n:x}::1").parse().expect("an address");
    for n in 0..5 {
        families.on_silence(ip(n), now);
        families.on_silence(ip(n), now);
    }
    assert!(!families.is_broken(ip(9), now));
    families.on_silence(ip(5), now);
    assert!(families.is_broken(ip(9), now));
    assert!(!families.is_broken(address(1).ip(), now));
    families.on_reply(ip(3));
    assert!(!families.is_broken(ip(9), now));
}

#[test]
fn memory_for_servers_is_bounded() {
    let mut servers = servers();
    for n in 0..(SERVER_STATES_MAX as u32 + 5000) {
        let ip = std::net::Ipv4Addr::from(0x0a00_0000 + n);
        servers.on_reply(SocketAddr::from((ip, 53)), Now::default(), Duration::from_millis(1));
    }
    assert_eq!(servers.len(), SERVER_STATES_MAX);
}

#[test]
fn nobody_makes_us_ask_ourselves() {
    for bad in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255"] {
        assert!(!is_usable_address(bad.parse().expect("an address"), false), "{bad}");
    }
    for bad in ["::", "::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:192.0.2.1"] {
        assert!(!is_usable_address(bad.parse().expect("an address"), false), "{bad}");
    }
    assert!(is_usable_address("127.0.0.1".parse().expect("an address"), true));
    assert!(is_usable_address("192.0.2.1".parse().expect("an address"), false));
    assert!(is_usable_address("2001:db8::1".parse().expect("an address"), false));
}

#[test]
fn questions_that_a_server_leaves_unanswered_at_the_same_time_are_one_silence() {
    let mut servers = servers();
    let (sent, rest) = (Mono::default() + Duration::from_secs(9), Duration::from_secs(1));
    let target = Target { address: address(1), via: Via::Udp };
    for n in 0..100 {
        let late = sent + Duration::from_millis(400 + n);
        servers.on_silence(&target, sent, at(late), rest);
    }
    assert_eq!(servers.state(address(1)).silences, 1);
    let again = sent + Duration::from_millis(600);
    servers.on_silence(&target, again, at(again + Duration::from_secs(1)), rest);
    assert_eq!(servers.state(address(1)).silences, 2);
}

/// A second in which nothing happens.
fn later(now: Now) -> Now {
    at(now.mono + Duration::from_secs(1))
}

#[test]
fn workers_learn_from_each_other() {
    let kv = Box::new(store::kv::memory::new(1 << 20).expect("a store"));
    let mut cache = store::Cache::new(kv, store::cache::TtlBounds::default());
    let (mut one, mut other) = (servers(), servers());
    let mut now = at(Mono(50_000_000_000));
    let target = Target { address: address(2), via: Via::Tcp };
    one.on_reply(address(1), now, Duration::from_millis(20));
    for _ in 0..3 {
        one.on_silence(&target, now.mono, now, Duration::from_secs(5));
    }
    one.tell(&mut cache, now).expect("stored");
    other.learn(&mut cache, now, address(1));
    assert_eq!(other.state(address(1)), ServerState::default(), "not before a second");
    now = later(now);
    one.tell(&mut cache, now).expect("stored");
    for n in 1..=2 {
        other.learn(&mut cache, now, address(n));
    }
    assert_eq!(other.state(address(1)).rtt, one.state(address(1)).rtt);
    let dead = other.state(address(2));
    assert_eq!((dead.silences, dead.silent_over_stream), (3, true));
    assert!(dead.is_resting(now.mono) && !dead.is_resting(now.mono + Duration::from_secs(4)));

    // It is back: the later news hold, whoever tells them, and whoever has older ones takes them.
    other.on_reply(address(2), now, Duration::from_millis(30));
    now = later(now);
    other.tell(&mut cache, now).expect("stored");
    for _ in 0..11 {
        now = later(now);
        one.learn(&mut cache, now, address(2));
    }
    assert_eq!(one.state(address(2)).silences, 0);
    assert_eq!(one.state(address(2)).rtt, other.state(address(2)).rtt);
}

#[test]
fn what_is_cleared_from_the_store_is_forgotten_by_all() {
    let kv = Box::new(store::kv::memory::new(1 << 20).expect("a store"));
    let mut cache = store::Cache::new(kv, store::cache::TtlBounds::default());
    let (mut one, mut other) = (servers(), servers());
    let mut now = at(Mono(50_000_000_000));
    one.on_reply(address(1), now, Duration::from_millis(20));
    now = later(now);
    one.tell(&mut cache, now).expect("stored");
    other.learn(&mut cache, now, address(1));
    assert!(other.state(address(1)).rtt.is_some());
    cache.kv_mut().clear().expect("cleared");
    one.clear();
    assert_eq!(one.state(address(1)), ServerState::default());
    for _ in 0..11 {
        now = later(now);
        other.learn(&mut cache, now, address(1));
    }
    assert_eq!(other.state(address(1)), ServerState::default());
}

#[test]
fn the_same_news_are_not_told_twice() {
    let kv = Box::new(store::kv::memory::new(1 << 20).expect("a store"));
    let mut cache = store::Cache::new(kv, store::cache::TtlBounds::default());
    let mut servers = servers();
    let mut now = at(Mono(50_000_000_000));
    let mut stored = Vec::new();
    for _ in 0..700 {
        for ms in [20, 21, 20] {
            servers.on_reply(address(1), now, Duration::from_millis(ms));
        }
        now = later(now);
        servers.tell(&mut cache, now).expect("stored");
        stored.extend(cache.peek_server(now.unix.0, address(1)).map(|entry| entry.at));
    }
    stored.dedup();
    assert!((1..=4).contains(&stored.len()), "{} writes in twelve minutes", stored.len());
}
