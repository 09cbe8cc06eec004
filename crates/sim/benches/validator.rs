//! What validation costs the resolver, in microseconds of its own work: floods of names that do not
//! exist, cold signed names, and the attacks whose cost the tests hold down by counting.
//!
//! `cargo bench -p sim --bench validator`. Without sockets: add some two microseconds for those of a
//! client's question. Prints the best of several rounds, which on a busy machine is the figure that
//! repeats.
#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::expect_used, reason = "a broken benchmark should stop")]

use std::time::{Duration, Instant};

use dns::dnssec::Algorithm;
use dns::edns::OptRecord;
use dns::{Class, Name, Question, Rtype};
use resolve::{Action, Now, Resolver, Settings, UnixTime};
use sim::clock::Clock;
use sim::sign::{Absence, Plan};
use sim::signed::hostile::ATTACKS;
use sim::signed::{SignedWorld, plan, resolver};
use sim::simulate::{client, query};
use sim::world::World;
use store::kv::{Kv, OpenOptions, lmdb, memory};

const START: u64 = 1_700_000_000;
/// Questions of one round, and rounds, of which the fastest counts.
const QUESTIONS: usize = 2_000;
const ROUNDS: usize = 7;
/// Names in the zones that are flooded.
const NAMES: usize = 500;
/// Turns of the event loop take so many questions at a time when there are enough of them.
const BATCH: usize = 32;

/// A resolver in a world, without time and without a network.
struct Lab {
    resolver: Resolver,
    world: World,
    now: Now,
    token: u64,
    /// Time spent in the resolver.
    spent: Duration,
    exchanges: usize,
}

impl Lab {
    fn new(settings: Settings, world: World, kv: Box<dyn Kv>) -> Lab {
        let resolver = resolver(settings, [7; 32], kv);
        let now = Clock::starting_at(UnixTime::from_seconds(START)).now();
        Lab { resolver, world, now, token: 0, spent: Duration::ZERO, exchanges: 0 }
    }

    fn ask(&mut self, name: &Name, dnssec: bool) {
        let question = Question { name: name.clone(), rtype: Rtype::A, class: Class::IN };
        self.token += 1;
        let wire = query(self.token as u16, &question, Some(OptRecord::new(1232, dnssec)));
        let began = Instant::now();
        self.resolver.handle_request(self.now, client(self.token), &wire);
        // What the servers take is not the resolver's.
        let mut elsewhere = Duration::ZERO;
        let mut replies = Vec::new();
        loop {
            match self.resolver.poll_action() {
                Some(Action::Exchange { id, target, wire, .. }) => replies.push((id, target, wire)),
                Some(_) => {}
                None => {
                    let Some((id, target, wire)) = replies.pop() else { break };
                    let paused = Instant::now();
                    self.exchanges += 1;
                    let address = target.address.ip();
                    let reply = self.world.serve(address, &target.via, &wire).expect("a server");
                    elsewhere += paused.elapsed();
                    self.resolver.handle_reply(self.now, id, Ok(&reply));
                }
            }
        }
        if self.token.is_multiple_of(BATCH as u64) {
            self.resolver.end_turn(self.now);
        }
        self.spent += began.elapsed().saturating_sub(elsewhere);
    }

    /// Microseconds for each of these questions.
    fn measure(&mut self, names: &[Name], dnssec: bool) -> f64 {
        self.spent = Duration::ZERO;
        for name in names {
            self.ask(name, dnssec);
        }
        self.spent.as_secs_f64() * 1e6 / names.len() as f64
    }
}

fn in_memory() -> Box<dyn Kv> {
    Box::new(memory::new(256 << 20).expect("memory"))
}

fn main() {
    floods();
    cold();
    attacks();
}

/// Names that nobody has asked for yet.
fn made_up(zone: &str, count: usize, seed: usize) -> Vec<Name> {
    let mut state = seed as u64 + 1;
    let label = |state: u64| format!("{:012x}", state >> 16).into_bytes();
    let zone: Name = zone.parse().expect("a name");
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            zone.prepend(&label(state)).expect("short")
        })
        .collect()
}

fn flooded() -> (Settings, World) {
    let mut world = SignedWorld::new().expect("a root");
    let text: String = made_up("z.", NAMES, 77)
        .iter()
        .filter_map(|name| name.labels().next().map(|l| String::from_utf8_lossy(l).into_owned()))
        .map(|label| format!("{label} A 192.0.2.1\n"))
        .collect();
    let nsec3 = Absence::Nsec3 { salt: Vec::new(), iterations: 0, opt_out: false };
    let p256 = Plan { algorithm: Algorithm::ECDSAP256SHA256, ..plan() };
    world.zone("nsec.", Some(p256.clone()), &text).expect("a zone");
    world.zone("nsec3.", Some(Plan { absence: nsec3, ..p256 }), &text).expect("a zone");
    world.build().expect("signed")
}

fn floods() {
    println!("floods of absent names                      us   exchanges");
    let folder = std::env::temp_dir().join(format!("kres-bench-{}", std::process::id()));
    for zone in ["nsec.", "nsec3."] {
        for store in ["memory", "lmdb"] {
            let (settings, world) = flooded();
            let options = OpenOptions { path: folder.clone(), bytes: 64 << 20, seed: [1; 16] };
            let kv = match store {
                "lmdb" => lmdb::open(&options).expect("a directory for the store"),
                _ => in_memory(),
            };
            let mut lab = Lab::new(settings, world, kv);
            let learning = lab.measure(&made_up(zone, 10_000, 1), false);
            println!("{zone:7}{store:7} learning 10,000     {learning:8.2} {:8}", lab.exchanges);
            for (what, dnssec) in [("steady", false), ("steady, DO", true)] {
                lab.exchanges = 0;
                let best = (0..ROUNDS)
                    .map(|round| lab.measure(&made_up(zone, QUESTIONS, 100 + round), dnssec))
                    .fold(f64::MAX, f64::min);
                println!("{zone:7}{store:7} {what:19} {best:8.2} {:8}", lab.exchanges);
            }
            let _gone = std::fs::remove_dir_all(&folder);
        }
    }
}

fn cold() {
    println!("\ncold names                                  us   operations");
    let zones = 400;
    let mut world = SignedWorld::new().expect("a root");
    let p256 = Plan { algorithm: Algorithm::ECDSAP256SHA256, ..plan() };
    world.zone("tld.", Some(p256.clone()), "").expect("a zone");
    for number in 0..zones {
        let origin = format!("z{number}.tld.");
        world.zone(&origin, Some(p256.clone()), "www A 192.0.2.1\nw A 192.0.2.2").expect("a zone");
    }
    let (settings, world) = world.build().expect("signed");
    let mut lab = Lab::new(settings, world, in_memory());
    let names = |host: &str| -> Vec<Name> {
        (0..zones).map(|n| format!("{host}.z{n}.tld.").parse().expect("a name")).collect()
    };
    for (what, host) in [("in zones of their own", "www"), ("in zones that are known", "w")] {
        let before = lab.resolver.counters().crypto_operations;
        let cost = lab.measure(&names(host), true);
        let operations = lab.resolver.counters().crypto_operations - before;
        println!("signed, {what:32} {cost:8.2} {:8.2}", operations as f64 / zones as f64);
    }
}

/// Each attack's cost, and how many times that of a good answer it is.
fn attacks() {
    // As many tries, the fastest of which counts.
    let names = 60;
    let mut world = SignedWorld::new().expect("a root");
    let text: String = (0..names).map(|number| format!("q{number} A 192.0.2.1\n")).collect();
    let p256 = Plan { algorithm: Algorithm::ECDSAP256SHA256, ..plan() };
    world.zone("good.", Some(p256), &text).expect("a zone");
    let (settings, world) = world.build().expect("signed");
    let mut lab = Lab::new(settings, world, in_memory());
    let name = |n: usize| -> Name { format!("q{n}.good.").parse().expect("a name") };
    lab.ask(&name(0), true);
    let good = least(&mut lab, (1..names).map(name));
    println!("\nattacks                                             us   of a good answer");
    println!("{:48} {good:8.1}", "good: one signature");
    for attack in ATTACKS {
        let mut world = SignedWorld::new().expect("a root");
        attack.add(&mut world, names).expect("a zone");
        let (settings, world) = world.build().expect("signed");
        let mut lab = Lab::new(settings, world, in_memory());
        lab.ask(&attack.question(0), true);
        let cost = least(&mut lab, (1..names).map(|number| attack.question(number)));
        println!("{:48} {cost:8.1} {:6.1}", attack.name, cost / good);
    }
}

/// The least cost of a question, in microseconds.
fn least(lab: &mut Lab, names: impl Iterator<Item = Name>) -> f64 {
    names.map(|name| lab.measure(&[name], true)).fold(f64::MAX, f64::min)
}
