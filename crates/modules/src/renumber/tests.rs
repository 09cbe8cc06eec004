//! Addresses before and after.

use super::*;
use crate::testing::{World, says};

fn pairs(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(source, target)| Value::List(vec![Value::text(*source), Value::text(*target)]))
        .collect()
}

fn world(rules: &[(&str, &str)]) -> World {
    let mut world = World::new(|name, rtype| match (name.to_string().as_str(), rtype) {
        ("mixed.example.", _) => {
            says(&["mixed.example. 300 A 10.0.0.1", "mixed.example. 300 A 10.2.0.1"])
        }
        ("uneven.example.", _) => says(&["uneven.example. 300 A 167.81.254.221"]),
        ("six.example.", _) => {
            says(&["six.example. 300 AAAA 2001:db8:1::1", "six.example. 300 AAAA 2001:db8:1::2"])
        }
        ("alias.example.", _) => {
            says(&["alias.example. 300 CNAME exact.example.", "exact.example. 300 A 10.4.0.1"])
        }
        _ => says(&["example. 300 SOA a. b. 1 2 3 4 300"]),
    });
    world.load(NAME);
    world.call(NAME, CONFIG, &[pairs(rules)]);
    world
}

#[test]
fn the_first_rule_that_fits_moves_an_address() {
    let mut world = world(&[
        ("10.2.0.0/24", "192.168.2.0"),
        ("10.2.0.0/16", "192.168.3.0"),
        ("10.4.0.0/24", "192.168.3.10!"),
        ("167.81.255.0/19", "127.0.0.0"),
        ("2001:db8:1::/48", "2001:db8:2::"),
    ]);
    let mut sorted = |name: &str, rtype: &str| {
        let response = world.ask(name, rtype);
        assert_eq!(response.errors(), [4]);
        let mut lines: Vec<String> = response.shown().lines().map(str::to_owned).collect();
        lines.sort();
        lines.join(", ")
    };
    assert_eq!(
        sorted("mixed.example.", "A"),
        "NOERROR, mixed.example. A 10.0.0.1, mixed.example. A 192.168.2.1"
    );
    assert_eq!(sorted("uneven.example.", "A"), "NOERROR, uneven.example. A 127.0.30.221");
    assert_eq!(
        sorted("six.example.", "AAAA"),
        "NOERROR, six.example. AAAA 2001:db8:2::1, six.example. AAAA 2001:db8:2::2"
    );
    assert_eq!(
        sorted("alias.example.", "A"),
        "NOERROR, alias.example. CNAME exact.example., exact.example. A 192.168.3.10"
    );
}

#[test]
fn what_no_rule_is_about_stays() {
    let mut world = world(&[("10.9.0.0/24", "192.168.2.0"), ("uneven.example", "192.0.2.1")]);
    let response = world.ask("alias.example.", "A");
    assert!(response.shown().ends_with("exact.example. A 10.4.0.1"));
    assert!(response.errors().is_empty());
    let moved = world.ask("uneven.example.", "A");
    assert_eq!(moved.shown(), "NOERROR\nuneven.example. A 192.0.2.1", "by its name");
}

#[test]
fn rules_are_checked() {
    let mut world = world(&[]);
    for (source, target) in [
        ("10.0.0.0/8", "nonsense"),
        ("10.0.0.0/33", "192.0.2.0"),
        ("10.0.0.0/8", "2001:db8::"),
        ("10.0.0.0/8", "19!2.0.2.0"),
        ("a..b", "192.0.2.0"),
    ] {
        let config = pairs(&[(source, target)]);
        assert!(world.try_call(NAME, CONFIG, &[config]).is_err(), "{source} {target}");
    }
    for config in [Value::text("10.0.0.0/8"), Value::List(vec![Value::text("10.0.0.0/8")])] {
        assert!(world.try_call(NAME, CONFIG, &[config]).is_err());
    }
    assert_eq!(world.call(NAME, CONFIG, &[]), Value::Nil);
}
