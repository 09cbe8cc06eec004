//! From the question for the root to the hints, and again when they expire.

use super::*;
use crate::testing::{World, says, silence};

fn world() -> World {
    let mut world = World::new(|name, rtype| match (name.to_string().as_str(), rtype) {
        (".", Rtype::NS) => says(&[". 1000 NS a.root.", ". 1000 NS b.root."]),
        ("a.root.", Rtype::A) => says(&["a.root. 2000 A 198.51.100.1"]),
        ("a.root.", Rtype::AAAA) => says(&["a.root. 2000 AAAA 2001:db8::1"]),
        ("b.root.", Rtype::A) => says(&["b.root. 2000 A 198.51.100.2"]),
        _ => says(&[". 300 SOA a. b. 1 2 3 4 300"]),
    });
    world.load(NAME);
    world
}

/// Wakes the module and answers what it asks, step by step.
fn run(world: &mut World) {
    world.pass(Duration::ZERO);
    for _ in 0..3 {
        world.answer_modules(NAME);
    }
}

fn hints(world: &World) -> String {
    let settings = world.process.settings.borrow();
    settings
        .root_hints
        .iter()
        .map(|(name, addresses)| format!("{name} {addresses:?};"))
        .collect::<Vec<_>>()
        .concat()
}

#[test]
fn the_root_names_its_servers() {
    let mut world = world();
    world.process.settings.borrow_mut().ipv6 = true;
    run(&mut world);
    assert_eq!(hints(&world), "a.root. [198.51.100.1, 2001:db8::1];b.root. [198.51.100.2];");
    let module = &world.modules[0].1;
    let wait = module.deadline().expect("a time").since(world.process.now.get().mono);
    assert!(wait <= Duration::from_secs(1000) && wait > Duration::from_secs(990), "{wait:?}");
    assert_eq!(world.get(NAME, "retry_time"), Some(Value::Number(10_000.0)));
}

#[test]
fn families_that_are_off_are_not_asked_for() {
    let mut world = world();
    run(&mut world);
    assert_eq!(hints(&world), "a.root. [198.51.100.1];b.root. [198.51.100.2];");
    assert!(world.upstream.iter().all(|question| !question.ends_with("AAAA")));
}

#[test]
fn a_failure_is_tried_again_after_a_while() {
    let mut world = World::new(|_, _| silence());
    world.load(NAME);
    let before = hints(&world);
    run(&mut world);
    assert_eq!(hints(&world), before);
    let wait = world.modules[0].1.deadline().unwrap().since(world.process.now.get().mono);
    assert_eq!(wait, RETRY);
    assert!(world.process.log.borrow()[0].contains("cannot resolve '.' NS"));
    world.set(NAME, "retry_time", Value::Number(60_000.0));
    world.pass(RETRY);
    run(&mut world);
    let wait = world.modules[0].1.deadline().unwrap().since(world.process.now.get().mono);
    assert_eq!(wait, Duration::from_secs(60));
    assert_eq!(world.get(NAME, "retry_time"), Some(Value::Number(60_000.0)));
    for bad in [Value::Number(0.0), Value::Number(f64::NAN), Value::text("soon")] {
        let (_, module) = &mut world.modules[0];
        assert!(matches!(module.set(&world.process, "retry_time", &bad), Some(Err(_))), "{bad:?}");
    }
}

#[test]
fn answers_to_nothing_change_nothing() {
    let mut world = world();
    let process = &world.process;
    let module = &mut world.modules[0].1;
    module.handle_answer(process, 5, None);
    module.handle_answer(process, 0, Some(b"nonsense"));
    assert_eq!(module.deadline(), Some(process.now.get().mono));
}
