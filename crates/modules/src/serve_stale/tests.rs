//! Time passes, servers fall silent, clients get answers all the same.

use resolve::layer::stack::Place;

use super::*;
use crate::testing::{Says, World, says, silence};

/// RFC 8767 §5: the client response timer.
const FIRST_MAX: Duration = Duration::from_millis(1_800);
const LATER_MAX: Duration = Duration::from_millis(5);

fn world() -> (World, Rc<Cell<bool>>) {
    let silent = Rc::new(Cell::new(false));
    let seen = silent.clone();
    let mut world = World::new(move |name, rtype| {
        if seen.get() {
            return silence();
        }
        match (name.to_string().as_str(), rtype) {
            ("www.example.", Rtype::A) => says(&["www.example. 10 A 192.0.2.1"]),
            ("alias.example.", _) => {
                says(&["alias.example. 10 CNAME www.example.", "www.example. 10 A 192.0.2.1"])
            }
            ("gone.example.", _) => {
                Says { rcode: Rcode::NXDOMAIN, ..says(&["example. 10 SOA a. b. 1 2 3 4 10"]) }
            }
            _ => says(&["example. 10 SOA a. b. 1 2 3 4 10"]),
        }
    });
    world.load_at(NAME, Place::Before("cache"));
    (world, silent)
}

#[test]
fn expired_data_is_served_in_time() {
    let (mut world, silent) = world();
    let questions = [
        ("www.example.", "A", "NOERROR\nwww.example. A 192.0.2.1", 3),
        ("www.example.", "MX", "NOERROR", 3),
        ("gone.example.", "A", "NXDOMAIN", 19),
        (
            "alias.example.",
            "A",
            "NOERROR\nalias.example. CNAME www.example.\nwww.example. A 192.0.2.1",
            3,
        ),
    ];
    for (name, rtype, expected, _) in questions {
        let response = world.ask(name, rtype);
        assert_eq!(response.shown(), expected);
        assert!(response.errors().is_empty());
    }
    world.pass(Duration::from_secs(3600));
    silent.set(true);
    for (name, rtype, expected, code) in questions {
        let first = world.ask(name, rtype);
        assert_eq!(first.shown(), expected);
        assert!(first.errors().contains(&code), "{name}: {:?}", first.errors());
        assert!(first.after <= FIRST_MAX, "{name}: {:?}", first.after);
        for _ in 0..3 {
            let later = world.ask(name, rtype);
            assert_eq!(later.shown(), expected);
            assert!(later.after <= LATER_MAX, "{name}: {:?}", later.after);
            world.pass(Duration::from_millis(500));
        }
    }
    let response = world.ask("www.example.", "A");
    assert_eq!(response.ttl(), STALE_TTL);
}

#[test]
fn servers_that_are_back_are_noticed() {
    let (mut world, silent) = world();
    world.ask("www.example.", "A");
    world.pass(Duration::from_secs(100));
    silent.set(true);
    assert_eq!(world.ask("www.example.", "A").errors(), [3]);
    silent.set(false);
    world.pass(RECHECK);
    let response = world.ask("www.example.", "A");
    assert_eq!(response.shown(), "NOERROR\nwww.example. A 192.0.2.1");
    assert!(response.errors().is_empty());
    assert_eq!(response.ttl(), 10);
}

#[test]
fn what_is_too_old_or_was_never_known_is_not_served() {
    let (mut world, silent) = world();
    world.ask("www.example.", "A");
    world.pass(Duration::from_secs(u64::from(STALE_SECONDS) + 11));
    silent.set(true);
    assert_eq!(world.ask("www.example.", "A").shown(), "SERVFAIL");
    assert_eq!(world.ask("new.example.", "A").shown(), "SERVFAIL");
}

#[test]
fn living_servers_are_always_asked() {
    let (mut world, _) = world();
    world.ask("www.example.", "A");
    world.pass(Duration::from_secs(100));
    let response = world.ask("www.example.", "A");
    assert!(response.errors().is_empty());
    assert_eq!(world.upstream.len(), 2);
}

#[test]
fn the_time_can_be_set() {
    let (mut world, silent) = world();
    assert_eq!(world.get(NAME, "timeout"), Some(Value::Number(1700.0)));
    world.set(NAME, "timeout", Value::Number(300.0));
    world.ask("www.example.", "A");
    world.pass(Duration::from_secs(100));
    silent.set(true);
    assert!(world.ask("www.example.", "A").after <= Duration::from_millis(310));
    let module = &mut world.modules[0].1;
    for (key, value) in [("timeout", -1.0), ("timeout", 1e9), ("other", 1.0)] {
        let set = module.set(&world.process, key, &Value::Number(value));
        assert!(set.unwrap().is_err(), "{key} {value}");
    }
}
