//! Work that is done once for many, and failures that are not repeated (RFC 9520).

use std::time::Duration;

use dns::{Rcode, Rtype};
use resolve::ClientProtocol;
use resolve::flags::QueryFlags;
use resolve::limits::COMMIT_DELAY;

use crate::world::{Asked, Does, ROOT, World};

fn referral(asked: &Asked) -> Does {
    asked
        .say()
        .authority("example. 3600 NS ns.example.")
        .additional("ns.example. 3600 A 192.0.2.1")
        .into()
}

#[test]
fn five_hundred_clients_cost_one_question() {
    let mut world = World::new(|asked: &Asked| {
        if asked.ip().to_string() == ROOT {
            return referral(asked);
        }
        let wire = asked.say().aa().answer("www.example. 300 A 192.0.2.80").wire();
        Does::nothing().then(300, wire)
    });
    let tokens: Vec<u64> = (0..500).map(|_| world.send("www.example.", Rtype::A)).collect();
    world.settle();
    for token in tokens {
        assert_eq!(world.take(token).answer(), ["www.example. A 192.0.2.80"]);
    }
    assert_eq!(world.asked.len(), 2);
}

#[test]
fn followers_fail_with_their_leader() {
    let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
        ROOT => referral(asked),
        _ => Does::nothing().then(20, asked.say().rcode(Rcode::SERVFAIL).wire()),
    });
    let tokens: Vec<u64> = (0..100).map(|_| world.send("www.example.", Rtype::A)).collect();
    world.settle();
    for token in tokens {
        assert_eq!(world.take(token).rcode(), Rcode::SERVFAIL);
    }
    assert!(world.asked.len() <= 4, "{}", world.asked.len());
}

#[test]
fn a_failing_name_is_asked_for_rarely() {
    let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
        ROOT => referral(asked),
        _ => asked.say().rcode(Rcode::SERVFAIL).into(),
    });
    assert_eq!(world.ask("www.example.", Rtype::A).rcode(), Rcode::SERVFAIL);
    let before = world.asked.len();
    for _ in 0..190 {
        world.pass(Duration::from_millis(52));
        let got = world.ask("www.example.", Rtype::A);
        assert_eq!(got.rcode(), Rcode::SERVFAIL);
    }
    let in_ten_seconds = world.asked.len() - before;
    assert!(in_ten_seconds <= 3, "{in_ten_seconds} messages in ten seconds");
}

#[test]
fn a_failure_is_forgotten_when_the_name_works_again() {
    let mut broken = true;
    let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
        ROOT => referral(asked),
        _ if asked.at < Duration::from_secs(10) => asked.say().rcode(Rcode::SERVFAIL).into(),
        _ => asked.say().aa().answer("www.example. 300 A 192.0.2.80").into(),
    });
    for _ in 0..30 {
        world.pass(Duration::from_secs(1));
        broken = world.ask("www.example.", Rtype::A).rcode() == Rcode::SERVFAIL;
    }
    assert!(!broken);
}

#[test]
fn a_look_past_the_cache_that_fails_keeps_nobody_from_asking() {
    let mut is_up = false;
    let mut world = World::new(move |asked: &Asked| match asked.ip().to_string().as_str() {
        ROOT => referral(asked),
        _ if !is_up => {
            is_up = asked.tcp;
            asked.say().rcode(Rcode::SERVFAIL).into()
        }
        _ => asked.say().aa().answer("www.example. 300 A 192.0.2.80").into(),
    });
    world.switches = QueryFlags::NO_CACHE;
    let query = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x03www\x07example\0\0\x01\0\x01"];
    let look = world.send_wire(&query.concat(), ClientProtocol::Internal);
    world.settle();
    assert_eq!(world.take(look).rcode(), Rcode::SERVFAIL);
    world.switches = QueryFlags::empty();
    assert_eq!(world.ask("www.example.", Rtype::A).answer(), ["www.example. A 192.0.2.80"]);
}

#[test]
fn finished_answers_are_forgotten_when_any_process_says_so() {
    let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
        ROOT => referral(asked),
        _ => asked.say().aa().answer("www.example. 300 A 192.0.2.80").into(),
    });
    let (name, rtype) = ("www.example.", Rtype::A);
    world.ask(name, rtype);
    assert!(!world.is_finished(name, rtype), "the first answer did not come from the store");
    world.ask(name, rtype);
    assert!(world.is_finished(name, rtype));
    world.resolver.core_mut().cache.kv_mut().announce();
    assert!(!world.is_finished(name, rtype));
    world.ask(name, rtype);
    assert!(world.is_finished(name, rtype));
}

#[test]
fn under_load_commits_wait_for_each_other_and_not_for_long() {
    let mut world = World::new(|asked: &Asked| {
        if asked.ip().to_string() == ROOT {
            return referral(asked);
        }
        // Every name a little after the one before.
        let number: u64 = asked.name.to_string()[1..3].parse().unwrap_or(99);
        let wire = asked.say().aa().answer(&format!("{} 300 A 192.0.2.80", asked.name)).wire();
        Does::nothing().then(100 + 5 * number, wire)
    });
    assert_eq!(world.ask("w00.example.", Rtype::A).rcode(), Rcode::NOERROR);
    assert_eq!(world.resolver.core_mut().cache.pending(), 0, "nobody else asks: no waiting");
    let tokens: Vec<u64> =
        (10..50).map(|n| world.send(&format!("w{n}.example."), Rtype::A)).collect();
    let mut delayed = 0;
    while world.resolver.requests() > 0 {
        let before = world.resolver.core_mut().cache.pending();
        assert!(world.step());
        let pending = world.resolver.core_mut().cache.pending();
        if pending > before {
            delayed += 1;
            let (at, who) = world.resolver.poll_deadline().unwrap();
            assert_eq!(who, "store");
            assert!(at.since(world.now) <= COMMIT_DELAY);
        }
    }
    assert!((10..40).contains(&delayed), "{delayed}");
    assert_eq!(world.resolver.core_mut().cache.pending(), 0, "the last ones do not wait");
    for token in tokens {
        assert_eq!(world.take(token).answer().len(), 1);
    }
}
