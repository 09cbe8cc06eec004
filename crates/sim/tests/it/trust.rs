//! Where trust begins and ends: several anchors, islands of security, negative anchors; and what
//! clients are told when it breaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dns::dnssec::{DigestType, Voucher};
use dns::edns::OptRecord;
use dns::{Message, Name, Rcode, Rtype};
use resolve::{ExchangeFault, Resolver, ResolverParts, Settings, TrustAnchors, UnixTime};
use sim::clock::Clock;
use sim::dice::Dice;
use sim::drive::{Delivery, Driver};
use sim::net::Network;
use sim::sign::{Absence, Keys, Plan, Wrong, sign};
use sim::simulate::{client, query};
use sim::trace::Detail;
use sim::world::{Manner, Server, World};
use sim::zone::{TTL, Zone};

use crate::town::{address, name, question};

const NOW: u64 = 1_700_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// Zones with their servers; the parent is the last label's zone or the root. All are signed.
const ZONES: [(&str, &str); 6] = [
    (".", "192.0.2.1"),
    ("net.", "192.0.2.2"),
    ("bad.net.", "192.0.2.3"),
    ("sub.bad.net.", "192.0.2.4"),
    ("island.net.", "192.0.2.5"),
    ("plain.net.", "192.0.2.6"),
];

/// Zones to which the parent has a DS.
const LINKED: [&str; 3] = ["net.", "bad.net.", "sub.bad.net."];

fn parent(origin: &str) -> &str {
    match origin {
        "net." => ".",
        "sub.bad.net." => "bad.net.",
        _ => "net.",
    }
}

struct Trust {
    driver: Driver<Network>,
    keys: BTreeMap<&'static str, Keys>,
    token: u64,
}

/// What a client got.
#[derive(PartialEq, Eq, Debug)]
struct Got {
    rcode: Rcode,
    authentic: bool,
    errors: Vec<u16>,
}

impl Trust {
    /// A world in which `bad.net.` is signed wrongly, and a resolver that trusts the root.
    fn new(wrong: Option<Wrong>) -> Trust {
        let mut zones: BTreeMap<&str, Zone> = BTreeMap::new();
        for (origin, at) in ZONES {
            let text =
                format!("@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A {at}\nwww A {at}");
            zones.insert(origin, Zone::from_text(name(origin), &text).unwrap());
        }
        for (origin, at) in ZONES.iter().filter(|(origin, _)| *origin != ".") {
            let above = zones.get_mut(parent(origin)).unwrap();
            let glue = format!("ns.{origin}");
            above.add(&name(origin), Rtype::NS, TTL, name(&glue).as_wire());
            let std::net::IpAddr::V4(v4) = address(at) else { continue };
            above.add(&name(&glue), Rtype::A, TTL, &v4.octets());
        }
        let mut all = BTreeMap::new();
        for (origin, _) in ZONES.iter().rev().filter(|(origin, _)| *origin != "plain.net.") {
            let mut plan = Plan::around(NOW as u32);
            if *origin == "bad.net." {
                plan.wrong = wrong;
                if wrong.is_some_and(Wrong::needs_nsec3) {
                    plan.absence =
                        Absence::Nsec3 { salt: Vec::new(), iterations: 0, opt_out: false };
                }
            }
            let keys = Keys::new(&name(origin), &plan).unwrap();
            sign(zones.get_mut(origin).unwrap(), &keys, &plan).unwrap();
            if LINKED.contains(origin) {
                let ds = keys.ds(DigestType::SHA256);
                zones.get_mut(parent(origin)).unwrap().add(&name(origin), Rtype::DS, TTL, &ds);
            }
            all.insert(*origin, keys);
        }
        let mut world = World::default();
        for (origin, at) in ZONES {
            let zone = Arc::new(zones.remove(origin).unwrap());
            world.servers.insert(address(at), Server::new(vec![zone]));
        }
        world.hints.push((name("ns."), vec![address("192.0.2.1")]));
        let root_hints = Arc::new(world.hints.clone());
        let settings = Settings { root_hints, ..Settings::default() };
        let parts = ResolverParts::in_memory(settings, [5; 32], 4 << 20).unwrap();
        let clock = Clock::starting_at(UnixTime::from_seconds(NOW));
        let network = Network::new(world, Dice::new(1));
        let driver = Driver::new(Resolver::new(parts), clock, network);
        let mut trust = Trust { driver, keys: all, token: 0 };
        trust.anchors(&["."], &[]);
        trust
    }

    /// Puts anchors for these zones in force, and negative ones. What was learnt is forgotten.
    fn anchors(&mut self, zones: &[&str], negative: &[&str]) {
        let mut anchors = TrustAnchors::new();
        for zone in zones {
            anchors.add(&name(zone), Voucher::Key(self.keys[zone].entry().to_vec()));
        }
        anchors.set_negative(negative.iter().map(|text| name(text)));
        let now = self.driver.now();
        let resolver = self.driver.resolver_mut();
        let trust_anchors = Arc::new(anchors);
        let settings = Settings { trust_anchors, ..resolver.settings().clone() };
        resolver.configure(now, settings);
        resolver.cache_mut().kv_mut().clear().unwrap();
        resolver.core_mut().failures.clear();
    }

    fn ask(&mut self, text: &str) -> Got {
        self.ask_told(text).0
    }

    /// The same, with the tags of the errors.
    fn ask_told(&mut self, text: &str) -> (Got, Vec<String>) {
        self.token += 1;
        let wire = query(self.token as u16, &question(text), Some(OptRecord::new(1232, true)));
        self.driver.request(Duration::ZERO, client(self.token), wire);
        let story = |driver: &Driver<Network>| driver.trace().render(Detail::Lines);
        let Some(response) = self.driver.run_until_answered(self.token, PATIENCE) else {
            panic!("{text}: no answer\n{}", story(&self.driver));
        };
        let wire = response.wire.clone().unwrap();
        let message = Message::parse(&wire).unwrap();
        let edns = message.edns().unwrap();
        let got = Got {
            rcode: message.rcode(),
            authentic: message.header().ad(),
            errors: edns.extended_errors().map(|(code, _)| code.0).collect(),
        };
        let tag = |text: &[u8]| String::from_utf8_lossy(text.get(..4).unwrap_or(text)).into_owned();
        (got, edns.extended_errors().map(|(_, text)| tag(text)).collect())
    }

    #[track_caller]
    fn expect(&mut self, text: &str, rcode: Rcode, authentic: bool) {
        let got = self.ask(text);
        assert_eq!((got.rcode, got.authentic), (rcode, authentic), "{text}: {got:?}");
    }
}

const FINE: Rcode = Rcode::NOERROR;
const FAILED: Rcode = Rcode::SERVFAIL;

#[test]
fn trust_reaches_as_far_as_the_chain() {
    let mut trust = Trust::new(None);
    for (text, authentic) in [
        ("www.net. A", true),
        ("www.bad.net. A", true),
        ("www.sub.bad.net. A", true),
        ("www.island.net. A", false),
        ("www.plain.net. A", false),
    ] {
        trust.expect(text, FINE, authentic);
    }
    trust.anchors(&[], &[]);
    trust.expect("www.net. A", FINE, false);
}

#[test]
fn an_island_needs_an_anchor_of_its_own() {
    let mut trust = Trust::new(None);
    trust.anchors(&[".", "island.net."], &[]);
    trust.expect("www.island.net. A", FINE, true);
    trust.expect("gone.island.net. A", Rcode::NXDOMAIN, true);
    trust.expect("www.net. A", FINE, true);
    trust.expect("www.plain.net. A", FINE, false);
    // Alone in an unsigned world.
    trust.anchors(&["island.net."], &[]);
    trust.expect("www.island.net. A", FINE, true);
    trust.expect("www.net. A", FINE, false);
}

/// Servers above an island that answer for it by themselves, with no referral: unsigned records are
/// insecure as long as nobody has seen the island's keys (as upstream), and bogus afterwards or if an
/// anchor covers those servers' own zone.
#[test]
fn an_island_that_is_hidden_from_above_is_insecure_until_its_keys_are_known() {
    let net = address("192.0.2.2");
    // The servers of net. serve the island as well: unsigned, or as it should be.
    let serve_island = |trust: &mut Trust, signed: bool| {
        let world = &mut trust.driver.upstreams_mut().world;
        let text = "@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.66\nwww A 192.0.2.66";
        let island = match signed {
            true => world.servers[&address("192.0.2.5")].zones[0].clone(),
            false => Arc::new(Zone::from_text(name("island.net."), text).unwrap()),
        };
        let server = world.servers.get_mut(&net).unwrap();
        server.zones.truncate(1);
        server.zones.push(island);
    };
    let mut trust = Trust::new(None);
    serve_island(&mut trust, false);
    trust.anchors(&["island.net."], &[]);
    trust.expect("www.island.net. A", FINE, false);
    trust.expect("www.island.net. TXT", FINE, false);
    trust.anchors(&[".", "island.net."], &[]);
    trust.expect("www.island.net. A", FAILED, false);
    trust.expect("www.island.net. TXT", FAILED, false);
    trust.anchors(&["island.net."], &[]);
    serve_island(&mut trust, true);
    trust.expect("www.island.net. A", FINE, true);
    serve_island(&mut trust, false);
    trust.expect("ns.island.net. A", FAILED, false);
    trust.expect("www.island.net. TXT", FAILED, false);
}

#[test]
fn an_anchor_below_another_does_not_need_it() {
    let mut trust = Trust::new(Some(Wrong::DsDigestWrong));
    trust.expect("www.bad.net. A", FAILED, false);
    // The anchor of the zone itself says more than the parent's wrong DS.
    trust.anchors(&[".", "bad.net."], &[]);
    trust.expect("www.bad.net. A", FINE, true);
    trust.expect("www.sub.bad.net. A", FINE, true);
    // One that is not the zone's key makes it bogus, whatever the parent says.
    let mut trust = Trust::new(None);
    let other = trust.keys["net."].entry().to_vec();
    let mut anchors = TrustAnchors::new();
    anchors.add(&Name::root(), Voucher::Key(trust.keys["."].entry().to_vec()));
    anchors.add(&name("bad.net."), Voucher::Key(other));
    let now = trust.driver.now();
    let resolver = trust.driver.resolver_mut();
    let trust_anchors = Arc::new(anchors);
    let settings = Settings { trust_anchors, ..resolver.settings().clone() };
    resolver.configure(now, settings);
    trust.expect("www.bad.net. A", FAILED, false);
    trust.expect("www.net. A", FINE, true);
}

#[test]
fn a_negative_anchor_ends_trust_at_and_below_its_name() {
    let mut trust = Trust::new(Some(Wrong::SignatureGarbled));
    trust.expect("www.bad.net. A", FAILED, false);
    trust.anchors(&["."], &["bad.net."]);
    trust.expect("www.bad.net. A", FINE, false);
    trust.expect("gone.bad.net. A", Rcode::NXDOMAIN, false);
    trust.expect("www.sub.bad.net. A", FINE, false);
    trust.expect("www.net. A", FINE, true);
    // Its own DS is the parent's.
    trust.expect("bad.net. DS", FINE, true);
    // An anchor below begins anew (RFC 7646 §2), one at the same name is overruled.
    trust.anchors(&[".", "sub.bad.net."], &["bad.net."]);
    trust.expect("www.sub.bad.net. A", FINE, true);
    trust.expect("www.bad.net. A", FINE, false);
    trust.anchors(&[".", "bad.net."], &["bad.net."]);
    trust.expect("www.bad.net. A", FINE, false);
    // And when it is lifted, nothing is left of it.
    trust.anchors(&["."], &[]);
    trust.expect("www.bad.net. A", FAILED, false);
    trust.anchors(&["."], &["."]);
    trust.expect("www.net. A", FINE, false);
}

#[test]
fn clients_are_told_what_is_wrong() {
    let (data, absence) = ("www.bad.net. A", "gone.bad.net. A");
    let mut different = Vec::new();
    for (wrong, text, code, tag) in [
        (Wrong::DsDigestWrong, data, 9, "NODS"),
        (Wrong::DsTagWrong, data, 9, "NODS"),
        (Wrong::KeyNotForZones, data, 11, "ZKBN"),
        (Wrong::KeyProtocol, data, 9, "NODS"),
        (Wrong::KeyRevoked, data, 9, "NODS"),
        (Wrong::KeySignatureExpired, data, 7, "6GJV"),
        (Wrong::KeysMissing, data, 9, "NOKY"),
        (Wrong::KeysSignedByZoneKey, data, 6, "EXRU"),
        (Wrong::KeysUnsigned, data, 10, "EZDC"),
        (Wrong::AlgorithmWrong, data, 6, "I74V"),
        (Wrong::KeyUnknown, data, 6, "I74V"),
        (Wrong::LabelsTooMany, data, 6, "I74V"),
        (Wrong::SignatureBackwards, data, 25, "SGEB"),
        (Wrong::SignatureExpired, data, 7, "YFJ2"),
        (Wrong::SignatureFromTheFuture, data, 8, "UBBS"),
        (Wrong::SignatureGarbled, data, 6, "I74V"),
        (Wrong::SignerOther, data, 10, "JZAJ"),
        (Wrong::TagWrong, data, 6, "I74V"),
        (Wrong::TtlNotSigned, data, 6, "I74V"),
        (Wrong::DataAltered, data, 6, "I74V"),
        (Wrong::SignaturesMissing, data, 10, "JZAJ"),
        (Wrong::AbsenceGap, absence, 12, "3WKM"),
        (Wrong::AbsenceUnproved, absence, 12, "3WKM"),
        (Wrong::AbsenceUnsigned, absence, 12, "3WKM"),
        (Wrong::NextOutside, absence, 12, "3WKM"),
        (Wrong::Nsec3OtherSalt, absence, 12, "3WKM"),
    ] {
        let mut trust = Trust::new(Some(wrong));
        let (got, tags) = trust.ask_told(text);
        let expected = Got { rcode: FAILED, authentic: false, errors: vec![code] };
        if got != expected || tags != [tag] {
            let story = trust.driver.trace().render(Detail::Lines);
            different
                .push(format!("{wrong:?}: expected {code} {tag}, got {got:?} {tags:?}\n{story}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    // What failed a moment ago failed for a reason, be it the question itself or a link of its chain.
    for (wrong, code, tag) in
        [(Wrong::SignatureExpired, 7, "YFJ2"), (Wrong::KeySignatureExpired, 7, "6GJV")]
    {
        let mut trust = Trust::new(Some(wrong));
        trust.expect(data, FAILED, false);
        for text in [data, "www.bad.net. TXT", data] {
            let (got, tags) = trust.ask_told(text);
            assert_eq!((got.rcode, got.errors.last()), (FAILED, Some(&code)), "{wrong:?} {text}");
            assert_eq!(tags.last().map(String::as_str), Some(tag), "{wrong:?} {text}");
        }
    }
    for (wrong, code, tag) in
        [(Wrong::DsUnknownAlgorithm, 1, "LSLC"), (Wrong::Nsec3TooManyIterations, 27, "N3IT")]
    {
        let (got, tags) = Trust::new(Some(wrong)).ask_told("gone.bad.net. A");
        let expected = Got { rcode: Rcode::NXDOMAIN, authentic: false, errors: vec![code] };
        assert_eq!((got, tags), (expected, vec![tag.to_owned()]), "{wrong:?}");
    }
    assert_eq!(
        Trust::new(Some(Wrong::DsUnknownDigest)).ask(data),
        Got { rcode: FINE, authentic: false, errors: vec![2] }
    );
}

/// An anchor that does not fit the keys of its zone is found out once, and told as what it is.
#[test]
fn an_anchor_that_does_not_fit_is_no_endless_search() {
    for (zone, text) in [(".", "www.net. A"), ("bad.net.", "www.bad.net. A")] {
        let mut trust = Trust::new(None);
        let mut anchors = TrustAnchors::new();
        anchors.add(&name("."), Voucher::Key(trust.keys["."].entry().to_vec()));
        let strange = trust.keys["net."].entry().to_vec();
        anchors = if zone == "." { TrustAnchors::new() } else { anchors };
        anchors.add(&name(zone), Voucher::Key(strange));
        let now = trust.driver.now();
        let trust_anchors = Arc::new(anchors);
        let resolver = trust.driver.resolver_mut();
        let settings = Settings { trust_anchors, ..resolver.settings().clone() };
        resolver.configure(now, settings);
        let (got, tags) = trust.ask_told(text);
        assert_eq!(got, Got { rcode: FAILED, authentic: false, errors: vec![9] }, "{zone}");
        assert_eq!(tags, ["NODS"], "{zone}");
        let steps = trust.driver.invariants().exchanges();
        assert!(steps <= 10, "{zone}: {steps} exchanges");
    }
}

/// The memory of one worker rests on a store that all share.
#[test]
fn what_another_worker_clears_is_not_remembered() {
    let mut trust = Trust::new(None);
    trust.expect("www.bad.net. A", FINE, true);
    let now = NOW + 1;
    let keys = |trust: &mut Trust, now| {
        let core = trust.driver.resolver_mut().core_mut();
        core.known_zones().keys(now, &name("bad.net.")).is_some()
    };
    trust.expect("www.bad.net. TXT", FINE, true);
    assert!(keys(&mut trust, now));
    // The world turns bad, which nobody has reason to notice yet.
    trust.driver.upstreams_mut().world =
        Trust::new(Some(Wrong::DsDigestWrong)).driver.upstreams().world.clone();
    trust.expect("www.bad.net. MX", FINE, true);
    trust.driver.resolver_mut().core_mut().cache.kv_mut().clear().unwrap();
    assert!(!keys(&mut trust, now));
    trust.expect("www.bad.net. A", FAILED, false);
}

#[test]
fn servers_that_cannot_be_reached_are_told_from_those_that_are_silent() {
    let mut trust = Trust::new(None);
    trust.expect("www.net. A", FINE, true);
    let silent = address("192.0.2.3");
    trust.driver.upstreams_mut().world.servers.get_mut(&silent).unwrap().manner = Manner::Silent;
    let (got, tags) = trust.ask_told("www.bad.net. A");
    assert_eq!(got, Got { rcode: FAILED, authentic: false, errors: vec![22] });
    assert_eq!(tags, ["P3CD"]);
    let gone = address("192.0.2.5");
    trust.driver.upstreams_mut().set_forger(Box::new(move |exchange| {
        let refusal =
            || Delivery { after: Duration::from_millis(1), reply: Err(ExchangeFault::Refused) };
        let is_gone = exchange.target.address.ip() == gone;
        is_gone.then(refusal).into_iter().collect()
    }));
    trust.driver.upstreams_mut().world.servers.remove(&gone);
    let (got, tags) = trust.ask_told("www.island.net. A");
    assert_eq!(got, Got { rcode: FAILED, authentic: false, errors: vec![22, 23] });
    assert_eq!(tags, ["P3CD", "NETE"]);
}
