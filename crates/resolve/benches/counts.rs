//! What one question costs the core, counted in instructions: `cargo xtask bench count`.
//!
//! The other side is played here as cheaply as it can be, and is the same every time: what changes
//! between two counts is ours.

mod chains;
mod fill;
mod world;

use std::hint::black_box;

use resolve::Action;
use world::{START, World, client, name, query, question, settings};
use xtask::counts::{Scenario, main as run};

/// Questions that one turn of the event loop takes when there are enough of them.
const BATCH: usize = 32;

fn main() {
    run(&[
        Scenario { name: "resolve.hit.finished-answer", repeat: hit_finished },
        Scenario { name: "resolve.hit.store", repeat: hit_store },
        Scenario { name: "resolve.miss.known-zone", repeat: miss_known_zone },
        Scenario { name: "resolve.miss.new-zone", repeat: miss_new_zone },
        Scenario { name: "resolve.miss.many-zones", repeat: miss_many_zones },
        Scenario { name: "resolve.synthesis.nsec", repeat: |n| synthesis(chains::NSEC, false, n) },
        Scenario {
            name: "resolve.synthesis.nsec3",
            repeat: |n| synthesis(chains::NSEC3, false, n),
        },
        Scenario {
            name: "resolve.synthesis.nsec-proofs",
            repeat: |n| synthesis(chains::NSEC, true, n),
        },
    ]);
}

/// The path that most questions take: no layer runs.
fn hit_finished(repetitions: usize) {
    let mut world = World::new();
    let wire = query(&name("www.example."));
    // The first goes out, the second comes from the store and is kept.
    world.answer(&wire);
    world.answer(&wire);
    let mut out = Vec::new();
    for _ in 0..repetitions {
        let (now, client) = (world.tick(), client());
        assert!(world.resolver.answer_cached(now, &client, black_box(&wire), &mut out));
        black_box(&out);
    }
}

/// Through all layers, with data from the store.
fn hit_store(repetitions: usize) {
    let mut world = World::new();
    let wire = query(&name("www.example."));
    world.answer(&wire);
    for _ in 0..repetitions {
        black_box(world.answer(black_box(&wire)));
    }
}

/// A new name in a zone whose servers are known: one message.
fn miss_known_zone(repetitions: usize) {
    let mut world = World::new();
    world.answer(&query(&name("www.example.")));
    for number in 0..repetitions {
        let wire = query(&name(&format!("n{number:06}.example.")));
        black_box(world.answer(black_box(&wire)));
    }
}

/// A name in a zone that was never heard of: a referral and an answer.
fn miss_new_zone(repetitions: usize) {
    let mut world = World::new();
    for number in 0..repetitions {
        let wire = query(&name(&format!("www.n{number:06}.")));
        black_box(world.answer(black_box(&wire)));
    }
}

/// A new name in one of many unsigned zones that the store knows, below a trust anchor: one message.
fn miss_many_zones(repetitions: usize) {
    let (cache, _folder) = fill::store(START.unix.seconds());
    let mut world = World::with(chains::settings(settings()), cache);
    for number in 0..repetitions {
        let wire = query(&fill::made_up(number));
        black_box(world.answer(black_box(&wire)));
    }
    assert_eq!(world.resolver.counters().upstream_udp, repetitions as u64);
}

/// A name that does not exist and that nobody has asked for yet, denied by what the store has
/// (RFC 8198), in batches as the event loop takes them.
fn synthesis(zone: &str, with_proofs: bool, repetitions: usize) {
    let (cache, _folder) = chains::store(START.unix.seconds());
    let mut world = World::with(chains::settings(settings()), cache);
    let zone = name(zone);
    let mut wire = question(&chains::made_up(&zone, 0), with_proofs);
    for number in 0..repetitions {
        // Behind the header and the length of the label.
        wire[13..25].copy_from_slice(&chains::label(number));
        let now = world.tick();
        world.resolver.handle_request(now, client(), black_box(&wire));
        match world.resolver.poll_action() {
            Some(Action::Respond { wire, .. }) => {
                assert_eq!(wire[3] & 15, 3, "NXDOMAIN");
                black_box(wire);
            }
            other => panic!("asked somebody: {other:?}"),
        }
        if number % BATCH == 0 {
            world.resolver.end_turn(now);
        }
    }
    assert_eq!(world.resolver.counters().synthesized, repetitions as u64);
}
