//! What clients without IPv4 see.

use dns::message::Section;

use super::*;
use crate::testing::{Says, World, says};

const SOA: &str = "example. 300 SOA a. b. 1 2 3 4 200";

fn world() -> World {
    let mut world = World::new(|name, rtype| match (name.to_string().as_str(), rtype) {
        ("four.example." | "both.example." | "mapped.example.", Rtype::A) => {
            says(&["four.example. 3600 A 192.0.2.1", "four.example. 3600 A 192.0.2.2"])
                .owned(&name.to_string())
        }
        ("both.example.", Rtype::AAAA) => says(&["both.example. 300 AAAA 2001:db8::1"]),
        ("mapped.example.", Rtype::AAAA) => says(&["mapped.example. 300 AAAA ::ffff:192.0.2.9"]),
        ("alias.example.", _) => says(&["alias.example. 300 CNAME four.example."]),
        ("gone.example.", _) => Says { rcode: Rcode::NXDOMAIN, ..says(&[SOA]) },
        ("broken.example.", Rtype::AAAA) => Says { rcode: Rcode::REFUSED, ..says(&[]) },
        ("broken.example.", _) => says(&["broken.example. 300 A 192.0.2.1"]),
        ("1.2.8.8.in-addr.arpa.", _) => says(&["1.2.8.8.in-addr.arpa. 300 PTR four.example."]),
        _ => says(&[SOA]),
    });
    world.load(NAME);
    world
}

#[test]
fn addresses_are_made_where_there_are_none() {
    let mut world = world();
    for _ in 0..3 {
        let response = world.ask("four.example.", "AAAA");
        let mut answer = response.section(Section::Answer);
        answer.sort();
        assert_eq!(
            answer,
            ["four.example. AAAA 64:ff9b::c000:201", "four.example. AAAA 64:ff9b::c000:202"]
        );
        assert!(response.ttl() <= 200, "no longer than the absence holds");
        assert_eq!(response.errors(), [4]);
        assert!(response.section(Section::Authority).is_empty());
    }
    assert_eq!(world.upstream, ["four.example. AAAA", "four.example. A"]);
    assert_eq!(world.ask("four.example.", "A").section(Section::Answer).len(), 2);
}

#[test]
fn aliases_are_kept() {
    let response = world().ask("alias.example.", "AAAA");
    assert!(
        response.shown().starts_with(
            "NOERROR\nalias.example. CNAME four.example.\nfour.example. AAAA 64:ff9b::"
        )
    );
}

#[test]
fn what_is_there_or_fails_stays() {
    let mut world = world();
    assert_eq!(
        world.ask("both.example.", "AAAA").shown(),
        "NOERROR\nboth.example. AAAA 2001:db8::1"
    );
    assert_eq!(world.ask("gone.example.", "AAAA").shown(), "NXDOMAIN");
    assert_eq!(world.ask("broken.example.", "AAAA").shown(), "SERVFAIL");
    assert_eq!(world.ask("nothing.example.", "AAAA").shown(), "NOERROR");
    assert_eq!(world.ask("four.example.", "MX").shown(), "NOERROR");
}

#[test]
fn whoever_disables_checking_gets_the_truth() {
    let mut world = world();
    let response = world.ask_with("four.example.", "AAAA", |header| header.set_cd(true), |_| {});
    assert_eq!(response.shown(), "NOERROR");
    assert_eq!(response.section(Section::Authority).len(), 1);
}

#[test]
fn excluded_addresses_count_as_none() {
    let mut world = world();
    let answer = world.ask("mapped.example.", "AAAA").section(Section::Answer);
    assert!(answer.iter().all(|line| line.contains("64:ff9b::c000:2")), "{answer:?}");
    let config: Value = [
        ("prefix", Value::text("2001:db8:64::")),
        ("exclude_subnets", Value::List(vec![Value::text("::/0")])),
    ]
    .into_iter()
    .collect();
    world.call(NAME, CONFIG, &[config]);
    let answer = world.ask("both.example.", "AAAA").section(Section::Answer);
    assert!(answer.iter().all(|line| line.contains("2001:db8:64::c000:2")), "{answer:?}");
}

#[test]
fn made_addresses_have_names() {
    let mut world = world();
    world.call(NAME, CONFIG, &[Value::Nil]);
    let zeros = "0.".repeat(16);
    let tree = format!("{zeros}b.9.f.f.4.6.0.0.ip6.arpa.");
    let name = format!("1.0.2.0.8.0.8.0.{tree}");
    let response = world.ask(&name, "PTR");
    assert_eq!(
        response.shown(),
        format!(
            "NOERROR\n{name} CNAME 1.2.8.8.in-addr.arpa.\n\
             1.2.8.8.in-addr.arpa. PTR four.example."
        )
    );
    assert_eq!(response.ttl(), 60);
    assert_eq!(world.ask(&tree, "PTR").shown(), "NOERROR");
    assert_eq!(world.ask(&format!("0.{name}"), "PTR").shown(), "NXDOMAIN");
}

#[test]
fn configurations_are_checked() {
    let mut world = world();
    let table = |key: &str, value: Value| [(key, value)].into_iter().collect::<Value>();
    for config in [
        Value::text("x"),
        Value::text("192.0.2.1"),
        Value::Number(5.0),
        table("prefix", Value::text("fe80::/96")),
        table("rev_ttl", Value::Number(-1.0)),
        table("exclude_subnets", Value::text("::/0")),
        table("exclude_subnets", Value::List(vec![Value::text("10.0.0.0/8")])),
    ] {
        assert!(world.try_call(NAME, CONFIG, std::slice::from_ref(&config)).is_err(), "{config:?}");
    }
    let error = world.try_call(NAME, CONFIG, &[Value::text("x")]).unwrap_err();
    assert_eq!(error.0, "[dns64] \"x\" is not a valid IPv6 address");
    assert_eq!(world.call(NAME, CONFIG, &[Value::text("fe80::21b:77ff:0:0")]), Value::Nil);
    let answer = world.ask("four.example.", "AAAA").section(Section::Answer);
    assert!(answer[0].contains("fe80::21b:77ff:c000:2"), "{answer:?}");
}
