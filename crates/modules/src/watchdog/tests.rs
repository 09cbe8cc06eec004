//! Signs of life, and what is done without.

use super::*;
use crate::testing::{World, says, silence};

fn config(parts: &[(&str, Value)]) -> Value {
    parts.iter().map(|(key, value)| (*key, value.clone())).collect()
}

#[test]
fn nothing_is_done_unless_somebody_watches() {
    let mut world = World::silent();
    world.load(NAME);
    assert_eq!(world.modules[0].1.deadline(), None);
    world.unload(NAME);
    world.process.watchdog.set(Some(Duration::from_secs(6)));
    world.load(NAME);
    for _ in 0..5 {
        world.pass(Duration::from_secs(3));
    }
    assert_eq!(world.process.fed.get(), 5);
}

#[test]
fn a_name_that_resolves_is_a_sign_of_life() {
    let mut world = World::new(|_, _| says(&["www.example. 1 A 192.0.2.1"]));
    world.load(NAME);
    let state = world.call(
        NAME,
        CONFIG,
        &[config(&[("qname", Value::text("www.example")), ("interval", Value::Number(500.0))])],
    );
    assert_eq!(state.get("qname"), Some(&Value::text("www.example.")));
    for fed in 1..4 {
        world.pass(Duration::from_millis(500));
        world.answer_modules(NAME);
        assert_eq!(world.process.fed.get(), fed);
    }
    assert!(!world.process.aborted.get());
}

#[test]
fn a_name_that_does_not_ends_the_process() {
    let mut world = World::new(|_, _| silence());
    world.load(NAME);
    world.call(NAME, CONFIG, &[config(&[("qname", Value::text("www.example"))])]);
    world.pass(INTERVAL);
    world.answer_modules(NAME);
    assert!(world.process.aborted.get());
    assert_eq!(world.process.fed.get(), 0);
}

#[test]
fn configurations_are_checked() {
    let mut world = World::silent();
    world.load(NAME);
    for bad in [
        config(&[("interval", Value::Number(0.0))]),
        config(&[("qname", Value::text("a..b"))]),
        config(&[("qname", Value::text("a")), ("qtype", Value::text("nonsense"))]),
    ] {
        assert!(world.try_call(NAME, CONFIG, &[bad]).is_err());
    }
    assert_eq!(world.call(NAME, CONFIG, &[]), config(&[]));
    let typed = config(&[("qname", Value::text("a")), ("qtype", Value::Number(28.0))]);
    assert_eq!(world.call(NAME, CONFIG, &[typed]).get("qtype"), Some(&Value::Number(28.0)));
}
