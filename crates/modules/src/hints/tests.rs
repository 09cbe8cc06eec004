//! Hints as a client sees them, and their commands.

use resolve::layer::stack::Place;

use super::*;
use crate::testing::{World, says};

fn world() -> World {
    let mut world = World::new(|name, rtype| match (name.to_string().as_str(), rtype) {
        ("alias.example.", _) => says(&["alias.example. 300 CNAME hinted.example."]),
        (_, Rtype::A) => says(&["hinted.example. 300 A 192.0.2.99"]),
        _ => says(&["example. 300 SOA a. b. 1 2 3 4 300"]),
    });
    world.load(NAME);
    world
}

fn text(text: &str) -> [Value; 1] {
    [Value::text(text)]
}

#[test]
fn names_and_addresses_are_answered() {
    let mut world = world();
    for pair in ["hinted.example 8.8.2.1", "hinted.example 2001:db8::1", "other.example 8.8.2.1"] {
        assert_eq!(world.call(NAME, "set", &text(pair)), Value::result(true));
    }
    let response = world.ask("Hinted.Example.", "A");
    assert_eq!(response.shown(), "NOERROR\nHinted.Example. A 8.8.2.1");
    assert_eq!(response.ttl(), TTL);
    assert!(!response.message().header().aa() && !response.message().header().ad());
    let shown = |world: &mut World, name: &str, rtype: &str| world.ask(name, rtype).shown();
    assert_eq!(
        shown(&mut world, "hinted.example.", "AAAA"),
        "NOERROR\nhinted.example. AAAA 2001:db8::1"
    );
    assert_eq!(shown(&mut world, "hinted.example.", "MX"), "NOERROR");
    // The last name for an address is the one it has.
    assert_eq!(
        shown(&mut world, "1.2.8.8.in-addr.arpa.", "PTR"),
        "NOERROR\n1.2.8.8.in-addr.arpa. PTR other.example."
    );
    assert_eq!(
        shown(&mut world, "alias.example.", "A"),
        "NOERROR\nalias.example. CNAME hinted.example.\nhinted.example. A 8.8.2.1"
    );
    assert_eq!(world.upstream, ["alias.example. A"]);
}

#[test]
fn without_nodata_other_types_are_resolved() {
    let mut world = world();
    world.call(NAME, "set", &text("hinted.example 2001:db8::1"));
    assert_eq!(world.call(NAME, "use_nodata", &[Value::Bool(false)]), Value::result(true));
    assert_eq!(world.ask("hinted.example.", "A").shown(), "NOERROR\nhinted.example. A 192.0.2.99");
}

#[test]
fn changes_are_seen_at_once() {
    let mut world = world();
    world.call(NAME, "set", &text("hinted.example 192.0.2.1"));
    for _ in 0..3 {
        world.ask("hinted.example.", "A");
    }
    assert_eq!(world.call(NAME, "del", &text("hinted.example 192.0.2.1")), Value::result(true));
    assert_eq!(world.ask("hinted.example.", "A").shown(), "NOERROR\nhinted.example. A 192.0.2.99");
    // What is in the cache now goes before hints behind it …
    world.call(NAME, "set", &text("hinted.example 192.0.2.1"));
    assert_eq!(world.ask("hinted.example.", "A").shown(), "NOERROR\nhinted.example. A 192.0.2.99");
    // … but not before those that stand before it.
    world.unload(NAME);
    world.load_at(NAME, Place::After("iterate"));
    world.set(NAME, "hinted.example", Value::List(vec![Value::text("192.0.2.2")]));
    assert_eq!(world.call(NAME, "ttl", &[Value::Number(60.0)]), Value::Number(60.0));
    let response = world.ask("hinted.example.", "A");
    assert_eq!(response.shown(), "NOERROR\nhinted.example. A 192.0.2.2");
    assert_eq!(response.ttl(), 60);
}

#[test]
fn commands_say_what_came_of_them() {
    let mut world = world();
    for bad in ["a.test", "a.test 5", "a..b 192.0.2.1", "a b c", ""] {
        assert_eq!(world.call(NAME, "set", &text(bad)), Value::result(false), "{bad}");
    }
    assert_eq!(world.call(NAME, "del", &text("a.test")), Value::result(false));
    assert_eq!(world.call(NAME, "get", &text("a.test")), Value::Nil);
    world.set(NAME, "a.test", Value::text("192.0.2.1"));
    assert_eq!(world.get(NAME, "A.test."), Some(Value::List(text("192.0.2.1").into())));
    let all: Value = [("a.test.", Value::List(text("192.0.2.1").into()))].into_iter().collect();
    assert_eq!(world.call(NAME, "get", &[]), all);
    for (given, ttl) in [(Value::Nil, 5.0), (Value::Number(-1.0), 5.0), (Value::text("7"), 7.0)] {
        assert_eq!(world.call(NAME, "ttl", &[given]), Value::Number(ttl));
    }
    let module = &mut world.modules[0].1;
    let refused = module.set(&world.process, "a.test", &Value::text("nonsense")).unwrap();
    assert_eq!(refused, Err(Refusal::new("'nonsense' is not an IP address")));
}

#[test]
fn files_are_read_in_both_forms_of_the_configuration() {
    let mut world = world();
    let hosts = b"192.0.2.7 seven.test\nbad line\n".to_vec();
    world.process.files.borrow_mut().insert("/lab/hosts".into(), hosts);
    world.call(NAME, "set", &text("a.test 192.0.2.1"));
    let file: Value = [("file", Value::text("/lab/hosts"))].into_iter().collect();
    for config in [Value::text("/lab/hosts"), file] {
        assert_eq!(world.call(NAME, "config", &[config]), Value::Number(0.0));
        assert_eq!(world.get(NAME, "a.test"), None, "what was there before is gone");
        assert!(world.get(NAME, "seven.test").is_some());
    }
    assert_eq!(world.process.log.borrow().len(), 2);
    assert_eq!(
        world.process.log.borrow()[0],
        "hint Warning /lab/hosts:2: 'bad' is not an address; the line is left out"
    );
    assert!(world.try_call(NAME, "config", &text("/nowhere")).is_err());
    assert!(world.get(NAME, "seven.test").is_some(), "an error changes nothing");
    assert!(world.try_call(NAME, "config", &[Value::Bool(true)]).is_err());
    assert_eq!(world.call(NAME, "add_hosts", &text("/nowhere")), Value::result(false));
    assert_eq!(world.call(NAME, "add_hosts", &text("/lab/hosts")), Value::result(true));
    assert_eq!(world.call(NAME, "config", &[]), Value::Number(0.0));
    assert_eq!(world.call(NAME, "get", &[]), Value::Map(Default::default()));
}
