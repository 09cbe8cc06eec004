//! Fewer sockets than questions: they wait for each other and fail only when their time is up.

use std::time::Duration;

use dns::{Rcode, Rtype};

use crate::world::{Asked, Does, ROOT, World};

/// The only server answers after so long.
fn slow(ms: u64) -> impl FnMut(&Asked) -> Does {
    move |asked: &Asked| {
        if asked.ip().to_string() == ROOT {
            return asked
                .say()
                .authority("example. 3600 NS ns.example.")
                .additional("ns.example. 3600 A 192.0.2.1")
                .into();
        }
        if asked.tcp {
            return Does::fails(resolve::ExchangeFault::Refused);
        }
        let text = format!("{} 300 A 192.0.2.80", asked.name);
        Does::nothing().then(ms, asked.say().aa().answer(&text).wire())
    }
}

#[test]
fn a_slow_server_is_waited_for_when_nobody_else_is_left() {
    let mut world = World::new(slow(3_000));
    let got = world.ask("www.example.", Rtype::A);
    assert_eq!(got.answer(), ["www.example. A 192.0.2.80"]);
    assert!(got.after >= Duration::from_secs(3));
    let sends = world.asked.iter().filter(|asked| asked.ip().to_string() != ROOT).count();
    assert!(sends <= 4, "waiting costs no messages: {sends}");
}

#[test]
fn questions_take_turns_with_few_sockets() {
    let mut world = World::new(slow(3_000));
    world.ask("first.example.", Rtype::A);
    world.asked.clear();
    world.sockets = 100;
    let tokens: Vec<u64> =
        (0..200).map(|n| world.send(&format!("n{n}.example."), Rtype::A)).collect();
    world.settle();
    for token in tokens {
        let got = world.take(token);
        assert_eq!(got.rcode(), Rcode::NOERROR);
        assert!(got.after <= Duration::from_secs(7), "{:?}", got.after);
    }
    // Nobody used a second socket while others had none.
    assert!(world.asked.len() <= 210, "{}", world.asked.len());
}

#[test]
fn without_any_socket_questions_fail_in_time_and_work_again_later() {
    let mut world = World::new(slow(10));
    world.sockets = 0;
    let tokens: Vec<u64> =
        (0..50).map(|n| world.send(&format!("n{n}.example."), Rtype::A)).collect();
    world.settle();
    for token in tokens {
        let got = world.take(token);
        assert_eq!(got.rcode(), Rcode::SERVFAIL);
        assert!(got.after <= Duration::from_secs(8), "{:?}", got.after);
    }
    world.sockets = 1;
    // Nothing was learnt about servers that were never asked.
    assert_eq!(world.ask("new.example.", Rtype::A).answer(), ["new.example. A 192.0.2.80"]);
}

#[test]
fn a_question_that_waits_for_a_socket_goes_on_when_one_comes_free() {
    let mut world = World::new(slow(200));
    world.ask("first.example.", Rtype::A);
    world.sockets = 1;
    let tokens: Vec<u64> =
        (0..4).map(|n| world.send(&format!("n{n}.example."), Rtype::A)).collect();
    world.settle();
    let after: Vec<Duration> = tokens.iter().map(|token| world.take(*token).after).collect();
    let expected: Vec<Duration> = (1..=4).map(|n| Duration::from_millis(200 * n)).collect();
    assert_eq!(after, expected, "one after the other, without a pause");
}
