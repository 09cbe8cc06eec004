//! What is counted, on the long path and on the short one.

use dns::Rcode;

use super::*;
use crate::testing::{Says, World, query, says, silence};

fn world() -> World {
    let mut world = World::new(|name, _| match name.to_string().as_str() {
        "www.example." => says(&["www.example. 300 A 192.0.2.1"]),
        "empty.example." => says(&["example. 300 SOA a. b. 1 2 3 4 300"]),
        "gone.example." => {
            Says { rcode: Rcode::NXDOMAIN, ..says(&["example. 300 SOA a. b. 1 2 3 4 300"]) }
        }
        _ => silence(),
    });
    world.load(NAME);
    world
}

#[track_caller]
fn check(world: &mut World, expected: &[(&str, f64)]) {
    for (key, value) in expected {
        assert_eq!(world.get(NAME, key), Some(Value::Number(*value)), "{key}");
    }
}

#[test]
fn answers_are_counted_by_what_they_say() {
    let mut world = world();
    for name in ["www.example.", "empty.example.", "gone.example.", "silent.example."] {
        world.ask(name, "A");
    }
    let expected = [
        ("request.total", 4.0),
        ("request.udp", 4.0),
        ("request.tcp", 0.0),
        ("answer.total", 4.0),
        ("answer.noerror", 1.0),
        ("answer.nodata", 1.0),
        ("answer.nxdomain", 1.0),
        ("answer.servfail", 1.0),
        ("answer.cached", 0.0),
        ("answer.10ms", 3.0),
        ("answer.slow", 1.0),
        ("answer.ra", 4.0),
        ("answer.rd", 4.0),
        ("answer.edns0", 4.0),
        ("query.edns", 4.0),
        ("answer.do", 0.0),
    ];
    check(&mut world, &expected);
}

#[test]
fn the_short_path_counts_like_the_long_one() {
    let mut world = world();
    let asks = 5;
    for _ in 0..asks {
        world.ask_with(
            "www.example.",
            "A",
            |header| header.set_cd(true),
            |opt| {
                opt.dnssec_ok = true;
            },
        );
    }
    assert_eq!(world.resolver.counters().answered_from_cache, asks - 1);
    let all = asks as f64;
    let expected = [
        ("request.total", all),
        ("request.udp", all),
        ("answer.total", all),
        ("answer.noerror", all),
        ("answer.cached", all - 1.0),
        ("answer.cd", all),
        ("answer.do", all),
        ("answer.rd", all),
        ("answer.ra", all),
        ("answer.ad", 0.0),
        ("query.dnssec", all),
        ("answer.1ms", all - 1.0),
    ];
    check(&mut world, &expected);
}

#[test]
fn transports_are_told_apart() {
    let mut world = world();
    let wire = query("www.example.", "A", |_| {}, |_| {});
    for protocol in [ClientProtocol::Tcp, ClientProtocol::Tls, ClientProtocol::Internal] {
        world.exchange(&wire, protocol).expect("a response");
    }
    check(
        &mut world,
        &[
            ("request.total", 3.0),
            ("request.tcp", 1.0),
            ("request.dot", 1.0),
            ("request.internal", 1.0),
            ("request.udp", 0.0),
        ],
    );
}

#[test]
fn numbers_can_be_set_and_listed() {
    let mut world = world();
    assert_eq!(world.call(NAME, "get", &[Value::text("x.y")]), Value::Nil);
    world.call(NAME, "set", &[Value::text("x.y 5")]);
    assert_eq!(world.call(NAME, "get", &[Value::text("x.y")]), Value::Number(5.0));
    world.set(NAME, "x.z", Value::Number(7.5));
    world.call(NAME, "set", &[Value::text("answer.total 9")]);
    world.call(NAME, "set", &[Value::text("nonsense")]);
    world.call(NAME, "set", &[]);
    let listed = world.call(NAME, "list", &[Value::text("x.")]);
    let expected: Value =
        [("x.y", Value::Number(5.0)), ("x.z", Value::Number(7.5))].into_iter().collect();
    assert_eq!(listed, expected);
    world.ask("www.example.", "A");
    check(&mut world, &[("answer.total", 10.0)]);
    assert_eq!(world.get(NAME, "nothing"), None);
    let Value::Map(all) = world.call(NAME, "list", &[]) else { panic!("a map") };
    assert_eq!(all.len(), 32 + 2);
}

#[test]
fn upstreams_are_remembered_within_bounds() {
    let mut world = world();
    world.ask("www.example.", "A");
    let expected: Value =
        [("198.51.100.1", Value::List(vec![Value::Number(10.0)]))].into_iter().collect();
    assert_eq!(world.call(NAME, "upstreams", &[]), expected);
}

#[test]
fn frequent_questions_are_sampled() {
    let mut world = World::new(|name, _| {
        let _every = name;
        says(&["example. 300 SOA a. b. 1 2 3 4 300"])
    });
    world.load(NAME);
    for number in 0..100 {
        world.ask(&format!("n{number}.example."), "A");
    }
    let Value::List(sampled) = world.call(NAME, "frequent", &[]) else { panic!("a list") };
    assert!((2..=30).contains(&sampled.len()), "{} of 100", sampled.len());
    assert_eq!(sampled[0].get("type"), Some(&Value::text("A")));
    world.call(NAME, "clear_frequent", &[]);
    assert_eq!(world.call(NAME, "frequent", &[]), Value::List(Vec::new()));
}
