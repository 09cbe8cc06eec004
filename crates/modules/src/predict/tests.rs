//! Time passes, and somebody keeps asking.

use super::*;
use crate::testing::{World, says};

fn world() -> World {
    let mut world = World::new(|name, rtype| match (name.to_string().as_str(), rtype) {
        ("www.example.", Rtype::A) => says(&["www.example. 300 A 192.0.2.1"]),
        ("long.example.", Rtype::A) => says(&["long.example. 86400 A 192.0.2.1"]),
        _ => says(&["example. 300 SOA a. b. 1 2 3 4 300"]),
    });
    world.load(NAME);
    world
}

fn asked(world: &World) -> Vec<String> {
    let asked = world.process.asked.borrow();
    asked.iter().map(|question| format!("{} {}", question.name, question.rtype)).collect()
}

#[test]
fn an_answer_about_to_expire_is_asked_for_again() {
    let mut world = world();
    world.ask("www.example.", "A");
    for _ in 0..29 {
        world.pass(Duration::from_secs(10));
        world.ask("www.example.", "A");
        assert_eq!(asked(&world), [""; 0]);
    }
    world.pass(Duration::from_secs(5));
    for _ in 0..3 {
        assert!(world.ask("www.example.", "A").ttl() <= 5);
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(asked(&world), ["www.example. A"], "once, however many clients ask");
    world.answer_modules(NAME);
    world.pass(Duration::from_secs(3));
    assert_eq!(asked(&world), [""; 0]);
}

#[test]
fn what_lives_long_has_a_hundredth_of_its_life_left() {
    let mut world = world();
    world.ask("long.example.", "A");
    world.pass(Duration::from_secs(86_400 - 870));
    world.ask("long.example.", "A");
    world.pass(Duration::from_secs(2));
    world.ask("long.example.", "A");
    assert_eq!(asked(&world), [""; 0]);
    // Until then it is served past the layers.
    world.pass(Duration::from_secs(61));
    world.ask("long.example.", "A");
    world.pass(Duration::from_secs(1));
    assert_eq!(asked(&world), ["long.example. A"]);
}

#[test]
fn questions_can_be_handed_in() {
    let mut world = world();
    let (name, rtype) = (Value::text("a.example."), Value::text("MX"));
    let refresh = |world: &mut World| world.call(NAME, "refresh", &[name.clone(), rtype.clone()]);
    assert_eq!(refresh(&mut world), Value::Bool(true));
    assert_eq!(refresh(&mut world), Value::Bool(false), "it waits already");
    world.pass(Duration::from_secs(1));
    assert_eq!(asked(&world), ["a.example. MX"]);
    world.answer_modules(NAME);
    assert_eq!(refresh(&mut world), Value::Bool(true));
    assert!(world.try_call(NAME, "refresh", std::slice::from_ref(&name)).is_err());
}

#[test]
fn what_waits_is_bounded() {
    let mut waiting = Waiting::new(Keyed(1, 2));
    let noted = (0..WAITING_MAX + 10)
        .filter(|n| waiting.note(&format!("n{n}.example.").parse().unwrap(), Rtype::A))
        .count();
    assert_eq!(noted, WAITING_MAX);
}
