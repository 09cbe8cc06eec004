//! What clients get of signed worlds: bits, signatures, codes; rule by rule.

use std::sync::Arc;
use std::time::Duration;

use dns::dnssec::Algorithm;
use dns::edns::OptRecord;
use dns::{Message, Name, Rcode, Rtype};
use resolve::{Forward, ForwardKind, Via};
use sim::drive::Driver;
use sim::net::Network;
use sim::sign::{Absence, Plan, Wrong};
use sim::signed::{SignedWorld, address, open, plan};
use sim::simulate::{Wishes, client};
use sim::world::Server;

use crate::town::question;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a client got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Got {
    pub(crate) rcode: Rcode,
    pub(crate) ad: bool,
    pub(crate) cd: bool,
    /// Types of the answer and the authority section.
    pub(crate) answer: Vec<Rtype>,
    pub(crate) authority: Vec<Rtype>,
    /// INFO-CODEs.
    pub(crate) errors: Vec<u16>,
}

/// Asks one question. `bits`: some of "DO AD CD".
#[track_caller]
pub(crate) fn ask(driver: &mut Driver<Network>, bits: &str, text: &str) -> Got {
    let has = |bit| bits.contains(bit);
    let opt = Some(OptRecord::new(1232, has("DO")));
    let wishes = Wishes { opt, authentic: has("AD"), unchecked: has("CD") };
    let token = driver.resolver().counters().requests + 1;
    driver.request(Duration::ZERO, client(token), wishes.query(token as u16, &question(text)));
    let answered = driver.run_until_answered(token, PATIENCE).is_some();
    assert!(answered, "{text}: no answer");
    driver.run_until_quiet(PATIENCE);
    let violations = driver.invariants().violations();
    assert!(violations.is_empty(), "{violations:?}");
    let wire = driver.response(token).unwrap().wire.clone().unwrap();
    let message = Message::parse(&wire).unwrap();
    let errors = message.edns().map(|edns| edns.extended_errors().map(|e| e.0.0).collect());
    Got {
        rcode: message.rcode(),
        ad: message.header().ad(),
        cd: message.header().cd(),
        answer: message.answer().map(|record| record.rtype()).collect(),
        authority: message.section(dns::Section::Authority).map(|r| r.rtype()).collect(),
        errors: errors.unwrap_or_default(),
    }
}

fn exchanges(driver: &Driver<Network>) -> usize {
    driver.invariants().exchanges()
}

const DATA: &str =
    "www A 192.0.2.7\n www TXT hello\n *.wild TXT star\n d.deep TXT x\n alias CNAME www";

fn nsec3(iterations: u16) -> Plan {
    Plan { absence: Absence::Nsec3 { salt: vec![0xab], iterations, opt_out: false }, ..plan() }
}

/// A signed zone, one that is signed wrongly, an unsigned one, and an island.
fn world() -> Driver<Network> {
    let mut world = SignedWorld::new().unwrap();
    world.zone("good.", Some(plan()), DATA).unwrap();
    let garbled = Plan { wrong: Some(Wrong::SignatureGarbled), ..plan() };
    world.zone("bad.", Some(garbled), DATA).unwrap();
    world.zone("plain.", None, DATA).unwrap();
    let island = world.zone("island.", Some(plan()), DATA).unwrap();
    world.without_ds(island);
    world.open().unwrap()
}

/// RFC 4035 §3.2, RFC 6840 §5.7, §5.8, §5.9.
#[test]
fn bits_of_secure_bogus_and_insecure_answers() {
    use Rtype as T;
    for round in ["asked", "cached"] {
        let mut driver = world();
        let mut both = |bits: &str, text: &str| {
            if round == "cached" {
                ask(&mut driver, bits, text);
            }
            ask(&mut driver, bits, text)
        };
        for (bits, ad, with_rrsig) in
            [("", false, false), ("AD", true, false), ("DO", true, true), ("DO AD", true, true)]
        {
            let got = both(bits, "www.good. A");
            let types = if with_rrsig { vec![T::A, T::RRSIG] } else { vec![T::A] };
            let expected = (Rcode::NOERROR, ad, false, types);
            assert_eq!((got.rcode, got.ad, got.cd, got.answer), expected, "{round}, {bits}");
            for name in ["www.plain. A", "www.island. A"] {
                let got = both(bits, name);
                assert_eq!((got.rcode, got.ad), (Rcode::NOERROR, false), "{round}, {bits} {name}");
            }
            let got = both(bits, "www.bad. A");
            assert_eq!((got.rcode, got.ad), (Rcode::SERVFAIL, false), "{round}, {bits}");
            assert!(got.answer.is_empty() && got.authority.is_empty());
        }
        // CD: unchecked, and never called authentic; others still get nothing of it.
        let got = both("DO CD", "www.bad. A");
        assert_eq!((got.rcode, got.ad, got.cd), (Rcode::NOERROR, false, true), "{round}");
        assert_eq!(got.answer, [T::A, T::RRSIG]);
        assert_eq!(both("DO", "www.bad. A").rcode, Rcode::SERVFAIL, "{round}");
        assert_eq!(both("DO AD", "www.good. A").answer, [T::A, T::RRSIG], "{round}");
    }
}

/// Signatures and proofs come with DO only, but for what was asked for (RFC 4035 §3.2.1).
#[test]
fn proofs_of_absence_come_with_do() {
    use Rtype as T;
    let mut driver = world();
    for _ in 0..2 {
        let got = ask(&mut driver, "DO", "gone.good. A");
        assert_eq!((got.rcode, got.ad), (Rcode::NXDOMAIN, true));
        let count = |wanted| got.authority.iter().filter(|rtype| **rtype == wanted).count();
        assert_eq!((count(T::SOA), count(T::NSEC), count(T::RRSIG)), (1, 2, 3));
        let got = ask(&mut driver, "AD", "gone.good. A");
        assert_eq!((got.rcode, got.ad, got.authority), (Rcode::NXDOMAIN, true, vec![T::SOA]));
        let got = ask(&mut driver, "DO", "x.wild.good. TXT");
        assert_eq!(got.answer, [T::TXT, T::RRSIG]);
        assert_eq!((got.ad, got.authority), (true, vec![T::NSEC, T::RRSIG]));
    }
}

/// RFC 4035 §5.3.1, each rule, and the keys' (RFC 4034 §2.1, RFC 5011 §2.1): what breaks it is bogus,
/// and says why (RFC 8914).
#[test]
fn each_rule_for_signatures_and_keys() {
    for (wrong, expected) in [
        // "The RRSIG RR and the RRset MUST have the same owner name and class": the server's data
        // was changed after it was signed.
        (Wrong::DataAltered, 6),
        (Wrong::SignaturesMissing, 10),
        // "The RRSIG RR's Signer's Name field MUST be the name of the zone".
        (Wrong::SignerOther, 10),
        // "The number of labels in the RRset owner name MUST be greater than or equal to the
        // value in the RRSIG RR's Labels field"; and none may lie above the signer.
        (Wrong::LabelsTooMany, 6),
        // … or they make a wildcard of it, which no proof goes with.
        (Wrong::LabelsTooFew, 12),
        // "The validator's notion of the current time MUST be" between inception and expiration.
        (Wrong::SignatureExpired, 7),
        (Wrong::SignatureFromTheFuture, 8),
        (Wrong::SignatureBackwards, 25),
        // "Signer's Name, Algorithm, and Key Tag fields MUST match" a DNSKEY.
        (Wrong::TagWrong, 6),
        (Wrong::AlgorithmWrong, 6),
        (Wrong::KeyUnknown, 6),
        (Wrong::SignatureGarbled, 6),
        (Wrong::TtlNotSigned, 6),
        // "The matching DNSKEY RR MUST have the Zone Flag bit set", protocol 3, not revoked.
        (Wrong::KeyNotForZones, 11),
        (Wrong::KeyProtocol, 9),
        (Wrong::KeyRevoked, 9),
        // RFC 4035 §5.2.
        (Wrong::DsDigestWrong, 9),
        (Wrong::DsTagWrong, 9),
        (Wrong::KeysMissing, 9),
        (Wrong::KeysUnsigned, 10),
        (Wrong::KeysSignedByZoneKey, 6),
        (Wrong::KeySignatureExpired, 7),
    ] {
        let mut world = SignedWorld::new().unwrap();
        world.zone("zone.", Some(Plan { wrong: Some(wrong), ..plan() }), DATA).unwrap();
        let mut driver = world.open().unwrap();
        let got = ask(&mut driver, "DO", "www.zone. A");
        assert_eq!((got.rcode, got.ad), (Rcode::SERVFAIL, false), "{wrong:?}");
        assert_eq!(got.errors, [expected], "{wrong:?}");
        assert_eq!(ask(&mut driver, "CD", "www.zone. A").rcode, Rcode::NOERROR, "{wrong:?}");
    }
}

/// RFC 4035 §5.4, RFC 5155 §8, RFC 6840 §4: proofs that do not prove are none.
#[test]
fn each_rule_for_proofs() {
    let nsec3 = nsec3(1);
    for (wrong, plan, question) in [
        (Wrong::NextOutside, plan(), "gone.zone. A"),
        (Wrong::AbsenceGap, plan(), "gone.zone. A"),
        (Wrong::AbsenceGap, nsec3.clone(), "gone.zone. A"),
        (Wrong::AbsenceLiesAboutTypes, plan(), "www.zone. MX"),
        (Wrong::AbsenceLiesAboutTypes, nsec3.clone(), "www.zone. MX"),
        (Wrong::AbsenceUnsigned, plan(), "gone.zone. A"),
        (Wrong::AbsenceUnsigned, nsec3.clone(), "www.zone. MX"),
        (Wrong::AbsenceUnproved, plan(), "www.zone. MX"),
        (Wrong::AbsenceUnproved, nsec3.clone(), "x.wild.zone. TXT"),
        (Wrong::Nsec3OtherSalt, nsec3.clone(), "gone.zone. A"),
        (Wrong::Nsec3UnknownHash, nsec3, "gone.zone. A"),
    ] {
        let mut world = SignedWorld::new().unwrap();
        world.zone("zone.", Some(Plan { wrong: Some(wrong), ..plan }), DATA).unwrap();
        let mut driver = world.open().unwrap();
        // Twice: nothing of it may be believed the second time either (RFC 8198).
        for _ in 0..2 {
            let got = ask(&mut driver, "DO", question);
            assert_eq!((got.rcode, got.ad), (Rcode::SERVFAIL, false), "{wrong:?} {question}");
        }
        assert!(ask(&mut driver, "DO", "www.zone. A").ad, "{wrong:?}");
    }
}

/// RFC 6672 §2.2, §5.3.4.1: the DNAME is what was signed, and that a name gets too long follows from it.
#[test]
fn a_name_that_gets_too_long_is_validated_by_its_dname() {
    let data = format!("long DNAME {0}.{0}.{0}.{1}.zone.", "l".repeat(63), "m".repeat(49));
    for wrong in [None, Some(Wrong::SignatureGarbled), Some(Wrong::SignatureExpired)] {
        let mut world = SignedWorld::new().unwrap();
        world.zone("zone.", Some(Plan { wrong, ..plan() }), &data).unwrap();
        let mut driver = world.open().unwrap();
        for text in ["too.far.long.zone. A", "too.far.long.zone. A", "one.more.long.zone. CNAME"] {
            let got = ask(&mut driver, "DO", text);
            let expected = match wrong {
                None => (Rcode::YXDOMAIN, true, vec![Rtype::DNAME, Rtype::RRSIG]),
                Some(_) => (Rcode::SERVFAIL, false, vec![]),
            };
            assert_eq!((got.rcode, got.ad, got.answer), expected, "{text} {wrong:?}");
            assert!(got.authority.is_empty(), "{text} {wrong:?}");
        }
        if wrong.is_none() {
            let before = exchanges(&driver);
            assert_eq!(ask(&mut driver, "", "yet.another.long.zone. A").rcode, Rcode::YXDOMAIN);
            assert_eq!(exchanges(&driver), before, "the DNAME is kept");
        }
    }
}

/// RFC 9276 §3.2: beyond the bound a zone's proofs make its answers insecure.
#[test]
fn costly_nsec3_is_insecure() {
    let mut world = SignedWorld::new().unwrap();
    world.zone("costly.", Some(nsec3(51)), DATA).unwrap();
    world.zone("cheap.", Some(nsec3(50)), DATA).unwrap();
    let mut driver = world.open().unwrap();
    let got = ask(&mut driver, "DO", "gone.costly. A");
    assert_eq!((got.rcode, got.ad, got.errors), (Rcode::NXDOMAIN, false, vec![27]));
    let got = ask(&mut driver, "DO", "gone.cheap. A");
    assert_eq!((got.rcode, got.ad), (Rcode::NXDOMAIN, true));
}

/// What is bogus for one client fails neither those who wait for the same keys nor those who do not
/// want to be checked for (RFC 6840 §5.9).
#[test]
fn a_bogus_answer_is_the_business_of_those_who_asked_for_it() {
    for seed in 0..6 {
        let mut world = SignedWorld::new().unwrap();
        let wrong = Some(Wrong::AbsenceUnproved);
        world.zone("zone.", Some(Plan { wrong, ..nsec3(1) }), DATA).unwrap();
        let (settings, world) = world.build().unwrap();
        let mut driver = open(settings, world, seed).unwrap();
        let asked = [
            ("gone.zone. A", false, Rcode::SERVFAIL),
            ("www.zone. A", false, Rcode::NOERROR),
            ("gone.zone. A", true, Rcode::NXDOMAIN),
            ("other.zone. TXT", false, Rcode::SERVFAIL),
            ("www.zone. TXT", false, Rcode::NOERROR),
        ];
        for (token, (text, unchecked, _)) in (1..).zip(asked) {
            let opt = Some(OptRecord::new(1232, true));
            let wishes = Wishes { opt, authentic: false, unchecked };
            let wire = wishes.query(token as u16, &question(text));
            driver.request(Duration::ZERO, client(token), wire);
        }
        driver.run_until_quiet(PATIENCE);
        for (token, (text, _, rcode)) in (1..).zip(asked) {
            let wire = driver.response(token).unwrap().wire.clone().unwrap();
            let message = Message::parse(&wire).unwrap();
            assert_eq!(message.rcode(), rcode, "{text}, {seed}");
            assert_eq!(message.header().ad(), rcode == Rcode::NOERROR, "{text}, {seed}");
        }
    }
}

/// RFC 8198: what was proved once is not asked for again.
#[test]
fn gaps_wildcards_and_delegations_are_learnt_once() {
    for plan in [plan(), nsec3(0)] {
        let mut world = SignedWorld::new().unwrap();
        let nodes = format!("{DATA}\n sub NS ns.sub\n ns.sub A 192.0.2.9");
        world.zone("zone.", Some(plan.clone()), &nodes).unwrap();
        let mut driver = world.open().unwrap();
        let learn = [
            "gone.zone. A",
            "www.zone. MX",
            "gone.wild.zone. TXT",
            "b.zone. A",
            "x.www.zone. A",
            "gone.wild.zone. MX",
            "y.deep.zone. A",
            "deep.zone. A",
            "sub.zone. DS",
            "n.zone. A",
            "zone. MX",
            "q.zone. A",
            "v.zone. A",
            "z.zone. A",
            "e.zone. A",
            "k.zone. A",
            "o.zone. A",
        ];
        for text in learn {
            ask(&mut driver, "DO", text);
        }
        let before = exchanges(&driver);
        for (text, rcode, answers) in [
            ("other.zone. A", Rcode::NXDOMAIN, false),
            ("a.b.c.zone. TXT", Rcode::NXDOMAIN, false),
            ("www.zone. SRV", Rcode::NOERROR, false),
            ("other.wild.zone. TXT", Rcode::NOERROR, true),
            ("other.wild.zone. SRV", Rcode::NOERROR, false),
            ("deep.zone. TXT", Rcode::NOERROR, false),
            ("z.www.zone. A", Rcode::NXDOMAIN, false),
        ] {
            let got = ask(&mut driver, "DO", text);
            assert_eq!((got.rcode, got.ad), (rcode, true), "{text} {:?}", plan.absence);
            assert_eq!(!got.answer.is_empty(), answers, "{text} {:?}", plan.absence);
        }
        assert_eq!(exchanges(&driver), before, "{:?}", plan.absence);
        assert!(driver.resolver().counters().synthesized >= 7);
        // What is there is found all the same.
        assert_eq!(ask(&mut driver, "DO", "www.zone. A").answer, [Rtype::A, Rtype::RRSIG]);
        // Proofs end with their TTL (RFC 9077): the SOA says 300 seconds.
        driver.run_for(Duration::from_secs(400));
        let before = exchanges(&driver);
        ask(&mut driver, "DO", "other.zone. A");
        assert!(exchanges(&driver) > before, "{:?}", plan.absence);
    }
}

/// Ranges made for one name teach nothing about others (RFC 4470).
#[test]
fn narrow_ranges_are_not_learnt() {
    let mut world = SignedWorld::new().unwrap();
    world.zone("zone.", Some(Plan { wrong: Some(Wrong::AbsenceGap), ..plan() }), DATA).unwrap();
    let mut driver = world.open().unwrap();
    // The record at the name itself is right.
    assert!(ask(&mut driver, "DO", "www.zone. MX").ad);
    assert!(ask(&mut driver, "DO", "www.zone. SRV").ad);
    assert_eq!(driver.resolver().counters().synthesized, 0);
}

/// A child knows nothing about its own DS (RFC 4035 §3.1.4.1, RFC 6840 §4.4). Where one of the
/// parent's servers is in truth the child's, what it says about that is no end of the search.
#[test]
fn the_childs_side_of_a_cut_does_not_speak_for_the_parent() {
    let plans = [None, Some(plan()), Some(nsec3(0))];
    for (plan, seed) in plans.iter().flat_map(|plan| (0..6).map(move |seed| (plan, seed))) {
        let mut world = SignedWorld::new().unwrap();
        let child = world.zone("zone.", plan.clone(), DATA).unwrap();
        let (mut settings, mut world) = world.build().unwrap();
        world.hints = vec![("ns.".parse().unwrap(), vec![address(child), address(0)])];
        settings.root_hints = Arc::new(world.hints.clone());
        let mut driver = open(settings, world, seed).unwrap();
        for text in ["www.zone. A", "gone.zone. A", "www.zone. TXT", "zone. DS"] {
            let got = ask(&mut driver, "DO", text);
            assert_ne!(got.rcode, Rcode::SERVFAIL, "{text} {plan:?} {:?}", got.errors);
            assert_eq!(got.ad, plan.is_some() || text == "zone. DS", "{text} {plan:?}");
        }
    }
}

/// Everything is asked of one server that has all zones.
fn forwarded(kind: ForwardKind) -> Driver<Network> {
    let mut world = SignedWorld::new().unwrap();
    world.zone("good.", Some(plan()), DATA).unwrap();
    let garbled = Plan { wrong: Some(Wrong::SignatureGarbled), ..plan() };
    world.zone("bad.", Some(garbled), DATA).unwrap();
    let (mut settings, mut world) = world.build().unwrap();
    let zones = world.servers.values().flat_map(|server| server.zones.clone()).collect();
    let target = address(9);
    world.servers.insert(target, Server::new(zones));
    let targets = vec![((target, 53).into(), Via::Udp)];
    settings.forwards = vec![Forward { suffix: Name::root(), kind, targets }];
    open(settings, world, 1).unwrap()
}

/// Answers of forwarding targets are validated, those of stubs are not.
#[test]
fn forwarding_validates_and_stubs_do_not() {
    let mut driver = forwarded(ForwardKind::Forward);
    for text in ["www.good. A", "www.good. MX", "x.wild.good. TXT"] {
        let got = ask(&mut driver, "DO", text);
        assert_eq!((got.rcode, got.ad), (Rcode::NOERROR, true), "{text}");
    }
    let before = exchanges(&driver);
    assert!(ask(&mut driver, "DO", "y.wild.good. TXT").ad);
    assert_eq!(exchanges(&driver), before, "proofs are learnt from forwarding targets, too");
    assert_eq!(ask(&mut driver, "DO", "www.bad. A").rcode, Rcode::SERVFAIL);
    let got = ask(&mut driver, "DO CD", "www.bad. A");
    assert_eq!((got.rcode, got.ad), (Rcode::NOERROR, false));
    let mut driver = forwarded(ForwardKind::Stub);
    let got = ask(&mut driver, "DO", "www.bad. A");
    assert_eq!((got.rcode, got.ad), (Rcode::NOERROR, false));
}

/// The keys of a zone are fetched and parsed once, whoever needs them.
/// ML-DSA-44 also with `--features ml-dsa`.
#[test]
fn each_algorithm_is_validated() {
    let tried_out = cfg!(feature = "ml-dsa").then_some(Algorithm::ML_DSA_44);
    let settled = [
        Algorithm::RSASHA256,
        Algorithm::ECDSAP256SHA256,
        Algorithm::ECDSAP384SHA384,
        Algorithm::ED25519,
        Algorithm::ED448,
    ];
    for algorithm in settled.into_iter().chain(tried_out) {
        let mut world = SignedWorld::new().unwrap();
        world.zone("zone.", Some(Plan { algorithm, ..plan() }), DATA).unwrap();
        let mut driver = world.open().unwrap();
        assert!(ask(&mut driver, "DO", "www.zone. A").ad, "{algorithm}");
        let before = exchanges(&driver);
        assert!(ask(&mut driver, "DO", "www.zone. TXT").ad, "{algorithm}");
        // Signatures that no datagram holds are asked for once more, over TCP.
        let again = usize::from(Some(algorithm) == tried_out);
        assert_eq!(exchanges(&driver), before + 1 + again, "{algorithm}");
    }
}
