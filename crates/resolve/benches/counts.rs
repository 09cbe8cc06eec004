//! What one question costs the core, counted in instructions: `cargo xtask bench count`.
//!
//! The other side is played here as cheaply as it can be, and is the same every time: what changes
//! between two counts is ours.
#![expect(clippy::expect_used, reason = "a broken benchmark should stop")]

mod chains;

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::edns::OptRecord;
use dns::{Class, Composer, Header, Message, Name, Question, Rcode, Rrset, Rtype, Section};
use resolve::{
    Action, Client, ClientProtocol, Mono, Now, Resolver, ResolverParts, Settings, UnixTime,
};
use xtask::counts::{Scenario, main as run};

const STORE_BYTES: u64 = 64 << 20;
const ROOT: [u8; 4] = [198, 51, 100, 1];
const SERVER: [u8; 4] = [192, 0, 2, 1];
/// Questions that one turn of the event loop takes when there are enough of them.
const BATCH: usize = 32;

fn main() {
    run(&[
        Scenario { name: "resolve.hit.finished-answer", repeat: hit_finished },
        Scenario { name: "resolve.hit.store", repeat: hit_store },
        Scenario { name: "resolve.miss.known-zone", repeat: miss_known_zone },
        Scenario { name: "resolve.miss.new-zone", repeat: miss_new_zone },
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

/// A name that does not exist and that nobody has asked for yet, denied by what the store has
/// (RFC 8198), in batches as the event loop takes them.
fn synthesis(zone: &str, with_proofs: bool, repetitions: usize) {
    let (mut world, _folder) = World::with_chains();
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

/// A resolver and the two servers it knows.
struct World {
    resolver: Resolver,
    now: Now,
}

impl World {
    fn new() -> World {
        let parts = ResolverParts::in_memory(settings(), [7; 32], STORE_BYTES).expect("a store");
        World { resolver: Resolver::new(parts), now: START }
    }

    /// With zones in the store of which all is known.
    fn with_chains() -> (World, chains::Folder) {
        let (cache, folder) = chains::store(START.unix.seconds());
        let parts = ResolverParts { settings: chains::settings(settings()), seed: [7; 32], cache };
        (World { resolver: Resolver::new(parts), now: START }, folder)
    }

    /// The next turn, ten microseconds later.
    fn tick(&mut self) -> Now {
        self.now.mono.0 += 10_000;
        self.now
    }

    /// Asks and plays the servers until there is an answer.
    fn answer(&mut self, wire: &[u8]) -> Vec<u8> {
        let now = self.tick();
        self.resolver.handle_request(now, client(), wire);
        loop {
            match self.resolver.poll_action().expect("an answer") {
                Action::Respond { wire, .. } => {
                    self.resolver.end_turn(now);
                    assert_eq!(wire[3] & 15, 0, "NOERROR");
                    return wire;
                }
                Action::Exchange { id, target, wire, .. } => {
                    self.resolver.end_turn(now);
                    let reply = serve(target.address, &wire);
                    let _over = self.resolver.handle_reply(now, id, Ok(&reply));
                }
                Action::Cancel { .. } | Action::Drop { .. } | Action::Mirror { .. } => {}
            }
        }
    }
}

const START: Now = Now { mono: Mono(1_000_000_000), unix: UnixTime(1_700_000_000_000) };

fn settings() -> Settings {
    Settings {
        ipv6: false,
        root_hints: Arc::new(vec![(name("root."), vec![IpAddr::from(ROOT)])]),
        ..Settings::default()
    }
}

/// What the root, or the server of everything below it, says.
fn serve(address: SocketAddr, wire: &[u8]) -> Vec<u8> {
    let message = Message::parse(wire).expect("a message");
    let question = message.question().expect("a question");
    let mut header = Header { id: message.header().id, ..Header::default() };
    header.set_qr(true);
    header.set_rcode_low(Rcode::NOERROR);
    header.set_aa(address.ip() == IpAddr::from(SERVER));
    let mut out = Vec::with_capacity(256);
    let mut composer = Composer::new(&mut out, header, 1232);
    composer.question(&question.name, question.rtype, question.class).expect("room");
    for (section, set) in sets(address, &question) {
        composer.rrset(section, &set).expect("room");
    }
    composer.finish(Some(&OptRecord::new(1232, true)));
    out
}

fn sets(address: SocketAddr, question: &Question) -> Vec<(Section, Rrset)> {
    let a = |owner: Name, address: [u8; 4]| {
        let mut set = Rrset::new(owner, Rtype::A, Class::IN, 86_400);
        set.rdatas.push(&address);
        set
    };
    if address.ip() == IpAddr::from(SERVER) {
        return vec![(Section::Answer, a(question.name.clone(), [192, 0, 2, 80]))];
    }
    let zone = question.name.suffix(1);
    let server = zone.prepend(b"ns").expect("room");
    let mut ns = Rrset::new(zone, Rtype::NS, Class::IN, 86_400);
    ns.rdatas.push(server.as_wire());
    vec![(Section::Authority, ns), (Section::Additional, a(server, SERVER))]
}

fn query(name: &Name) -> Vec<u8> {
    question(name, false)
}

fn question(name: &Name, dnssec_ok: bool) -> Vec<u8> {
    let mut header = Header { id: 7, ..Header::default() };
    header.set_rd(true);
    let mut wire = Vec::new();
    let mut composer = Composer::new(&mut wire, header, 512);
    composer.question(name, Rtype::A, Class::IN).expect("room");
    composer.finish(Some(&OptRecord::new(1232, dnssec_ok)));
    wire
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn client() -> Client {
    Client {
        token: 1,
        peer: SocketAddr::from(([10, 0, 0, 1], 4242)),
        local: SocketAddr::from(([192, 0, 2, 53], 53)),
        protocol: ClientProtocol::Udp,
    }
}
