//! What an attack on a validator may cost. Counted, not timed: in verifications of P-256 and in
//! blocks of SHA-1; `cargo bench -p sim --bench validator` prints the times that belong to them.

use dns::dnssec::Algorithm;
use dns::{Name, Rcode, Rtype};
use resolve::Counters;
use sim::drive::Driver;
use sim::net::Network;
use sim::sign::Plan;
use sim::signed::hostile::{ATTACKS, padded_denial};
use sim::signed::{SignedWorld, address, plan};
use sim::zone::ZoneAnswer;

use crate::validation::ask;

/// Blocks of SHA-1 that take as long as one verification of P-256, rounded down.
const BLOCKS_PER_OPERATION: u64 = 250;
/// A good answer from a zone that is known costs the time of two verifications, one of which is one,
/// and an attack may cost eight times as much. At sixty microseconds each these are well below four
/// milliseconds.
const WORK_MAX: u64 = 16;
/// Upstream questions for one attacked name, once the zone is known.
const EXCHANGES_MAX: usize = 4;

fn work(counters: &Counters) -> u64 {
    counters.crypto_work + counters.hash_blocks / BLOCKS_PER_OPERATION
}

/// What one question costs in a zone that is known already.
fn cost(driver: &mut Driver<Network>, first: &Name, second: &Name) -> (Rcode, u64, usize) {
    ask(driver, "DO", &format!("{first} A"));
    let before = work(driver.resolver().counters());
    let exchanges = driver.invariants().exchanges();
    let got = ask(driver, "DO", &format!("{second} A"));
    let spent = work(driver.resolver().counters()) - before;
    (got.rcode, spent, driver.invariants().exchanges() - exchanges)
}

#[test]
fn attacks_cost_no_more_than_the_gates_allow() {
    for attack in ATTACKS {
        let mut world = SignedWorld::new().unwrap();
        attack.add(&mut world, 2).unwrap();
        let mut driver = world.open().unwrap();
        let (first, second) = (attack.question(0), attack.question(1));
        let (rcode, spent, exchanges) = cost(&mut driver, &first, &second);
        println!("{}: work {spent}, {exchanges} exchanges, {rcode}", attack.name);
        assert!(spent <= WORK_MAX, "{}: {spent}", attack.name);
        assert!(exchanges <= EXCHANGES_MAX, "{}: {exchanges} exchanges", attack.name);
        let is_refused = rcode == Rcode::SERVFAIL;
        assert!(is_refused || attack.asks_gaps, "{}: {rcode}", attack.name);
    }
}

/// The same attacks must have something to cost, or the gates would guard nothing.
#[test]
fn attacks_do_reach_the_arithmetic() {
    for attack in ATTACKS.iter().filter(|attack| !attack.asks_gaps) {
        let mut world = SignedWorld::new().unwrap();
        attack.add(&mut world, 2).unwrap();
        let mut driver = world.open().unwrap();
        let (_, spent, _) = cost(&mut driver, &attack.question(0), &attack.question(1));
        assert!(spent > 0 || attack.name == "3000 records", "{}", attack.name);
    }
}

/// CVE-2026-11605 and its kin: a denial padded with two hundred records.
#[test]
fn padded_denials_are_refused_before_the_arithmetic() {
    for rtype in [Rtype::NSEC, Rtype::NSEC3] {
        let mut world = SignedWorld::new().unwrap();
        let number = world.zone("attack.", Some(plan()), "www A 192.0.2.1").unwrap();
        let mut driver = world.open().unwrap();
        assert!(ask(&mut driver, "DO", "www.attack. A").ad);
        let zone: Name = "attack.".parse().unwrap();
        driver.upstreams_mut().set_inventor(
            address(number),
            Box::new(move |_| ZoneAnswer {
                authoritative: true,
                rcode: Some(Rcode::NXDOMAIN),
                authority: padded_denial(&zone, rtype),
                ..ZoneAnswer::default()
            }),
        );
        let before = work(driver.resolver().counters());
        let exchanges = driver.invariants().exchanges();
        let got = ask(&mut driver, "DO", "gone.attack. A");
        assert_eq!(got.rcode, Rcode::SERVFAIL, "{rtype}");
        assert_eq!(work(driver.resolver().counters()), before, "{rtype}");
        assert!(driver.invariants().exchanges() - exchanges <= EXCHANGES_MAX, "{rtype}");
    }
}

/// Honest work with dear keys stays possible: a denial in a zone signed with Ed448.
#[test]
fn dear_keys_are_still_validated() {
    for algorithm in [Algorithm::ED448, Algorithm::ECDSAP384SHA384] {
        let mut world = SignedWorld::new().unwrap();
        let text = "www A 192.0.2.1\n a CNAME b\n b CNAME c\n c CNAME gone";
        world.zone("zone.", Some(Plan { algorithm, ..plan() }), text).unwrap();
        let mut driver = world.open().unwrap();
        let got = ask(&mut driver, "DO", "a.zone. A");
        assert_eq!((got.rcode, got.ad), (Rcode::NXDOMAIN, true), "{algorithm}");
    }
}

/// As dear as keys can be: an exponent of hundreds of bits. What others accept is accepted, as long as
/// one message asks for no more than four of these.
#[test]
fn the_dearest_keys_are_still_validated() {
    let rsa = Some((2048, vec![0xff; 29]));
    let plan = Plan { algorithm: Algorithm::RSASHA256, rsa, ..plan() };
    let mut world = SignedWorld::new().unwrap();
    world.zone("zone.", Some(plan), "www A 192.0.2.1").unwrap();
    let mut driver = world.open().unwrap();
    for text in ["www.zone. A", "www.zone. MX"] {
        let got = ask(&mut driver, "DO", text);
        assert_eq!((got.rcode, got.ad), (Rcode::NOERROR, true), "{text} {got:?}");
    }
}
