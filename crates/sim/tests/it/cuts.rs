//! Proofs from one side of a zone cut that are shown for the other: each is signed properly, and
//! none says what it is shown for (RFC 6840 §4.1, §4.4; RFC 5155 §8.3, §8.9).

use std::sync::Arc;

use dns::{Class, Name, Question, Rcode, Rrset, Rtype};
use sim::drive::Driver;
use sim::net::Network;
use sim::sign::{Absence, Plan};
use sim::signed::{SignedWorld, address, open, plan};
use sim::zone::{Denial, Zone, ZoneAnswer};

use crate::validation::ask;

const CHILD: &str = "sub.zone.";
/// A DNAME, and an alias to where nothing is signed if the child is not.
const ABOVE: &str = "d DNAME elsewhere.\nfar CNAME www.sub";

fn nsec3(opt_out: bool) -> Plan {
    Plan { absence: Absence::Nsec3 { salt: Vec::new(), iterations: 0, opt_out }, ..plan() }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Who lies, and what the question is answered with, given the zone above and the one below the
/// cut. Nothing: what an honest server says.
type Lie = fn(&Zone, &Zone, &Question) -> Option<ZoneAnswer>;

/// `zone.` with a delegation to `sub.zone.` and a DNAME; the liar is the server of one of them.
fn world(above: &Plan, below: Option<&Plan>, liar_is_child: bool, lie: Lie) -> Driver<Network> {
    let mut world = SignedWorld::new().unwrap();
    // The whole name goes to every server, so that each has its chance to lie.
    world.settings.no_minimize = true;
    let parent = world.zone("zone.", Some(above.clone()), ABOVE).unwrap();
    let child = world.zone(CHILD, below.cloned(), "www A 192.0.2.1").unwrap();
    let (settings, world) = world.build().unwrap();
    let zone = |number| Arc::clone(&world.servers[&address(number)].zones[0]);
    let (above, below) = (zone(parent), zone(child));
    let liar = if liar_is_child { child } else { parent };
    let mut driver = open(settings, world, 1).unwrap();
    let honest = if liar_is_child { Arc::clone(&below) } else { Arc::clone(&above) };
    driver.upstreams_mut().set_inventor(
        address(liar),
        Box::new(move |question| {
            lie(&above, &below, question).unwrap_or_else(|| honest.answer(question, true))
        }),
    );
    driver
}

/// All proofs that a zone has, with its SOA.
fn all_proofs(zone: &Zone) -> Vec<Rrset> {
    let apex = zone.node(zone.origin()).unwrap();
    let mut sets: Vec<Rrset> = apex.set(Rtype::SOA).cloned().into_iter().collect();
    sets.extend(apex.signatures(Rtype::SOA).cloned());
    if let Denial::Nsec3(chain) = zone.denial() {
        for (set, signatures) in chain.records.values() {
            sets.push(set.clone());
            sets.extend(signatures.clone());
        }
    }
    for (_, node) in zone.nodes() {
        sets.extend(node.set(Rtype::NSEC).cloned());
        sets.extend(node.signatures(Rtype::NSEC).cloned());
    }
    sets
}

fn denial(rcode: Rcode, proofs: Vec<Rrset>) -> ZoneAnswer {
    ZoneAnswer {
        authoritative: true,
        rcode: Some(rcode),
        authority: proofs,
        ..ZoneAnswer::default()
    }
}

fn is_in_child(question: &Question) -> bool {
    question.name.is_at_or_below(&name(CHILD))
}

fn plans() -> Vec<Plan> {
    vec![plan(), nsec3(false)]
}

/// The lies must be of the kind that is believed where it is true.
#[test]
fn the_same_proofs_are_good_for_what_they_are_about() {
    for above in [plan(), nsec3(false)] {
        let mut driver = world(&above, Some(&plan()), false, |above, _, question| {
            let gone = question.name == name("gone.zone.");
            gone.then(|| denial(Rcode::NXDOMAIN, all_proofs(above)))
        });
        let got = ask(&mut driver, "DO", "gone.zone. A");
        assert_eq!((got.rcode, got.ad), (Rcode::NXDOMAIN, true), "{above:?}");
        assert!(ask(&mut driver, "DO", "www.sub.zone. A").ad, "{above:?}");
    }
}

/// "A validator MUST NOT use an ancestor delegation NSEC to prove the nonexistence of any RRs below
/// that zone cut" (RFC 6840 §4.1), whoever shows it.
#[test]
fn the_parents_record_of_a_cut_denies_nothing_below_it() {
    for (above, below) in plans().iter().flat_map(|above| {
        let belows = [Some(plan()), Some(nsec3(false)), None];
        belows.map(move |below| (above.clone(), below))
    }) {
        for liar_is_child in [false, true] {
            let mut driver = world(&above, below.as_ref(), liar_is_child, |above, _, question| {
                let hits = is_in_child(question)
                    && question.name.label_count() > 2
                    && question.name != name("ns.sub.zone.");
                hits.then(|| denial(Rcode::NXDOMAIN, all_proofs(above)))
            });
            let got = ask(&mut driver, "DO", "www.sub.zone. A");
            let told = format!("{:?} {below:?} {liar_is_child}: {got:?}", above.absence);
            assert!(!got.ad, "{told}");
            // An unsigned child's server may say what it likes, but nobody calls it authentic.
            assert!(got.rcode == Rcode::SERVFAIL || below.is_none() && liar_is_child, "{told}");
        }
    }
}

/// Nor does it say which types the child has at its apex: it knows of DS only.
#[test]
fn the_parents_record_of_a_cut_does_not_know_the_childs_types() {
    for above in plans() {
        for liar_is_child in [false, true] {
            let mut driver = world(&above, Some(&plan()), liar_is_child, |above, _, question| {
                let hits = question.name == name(CHILD) && question.rtype == Rtype::SOA;
                hits.then(|| denial(Rcode::NOERROR, all_proofs(above)))
            });
            let got = ask(&mut driver, "DO", "sub.zone. SOA");
            assert_eq!((got.rcode, got.ad), (Rcode::SERVFAIL, false), "{above:?} {liar_is_child}");
        }
    }
}

/// A DNAME denies the names below itself no more than a delegation does (RFC 6840 §4.1).
#[test]
fn the_record_of_a_dname_denies_nothing_below_it() {
    for above in plans() {
        let mut driver = world(&above, None, false, |above, _, question| {
            let hits = question.name.is_below(&name("d.zone."));
            hits.then(|| denial(Rcode::NXDOMAIN, all_proofs(above)))
        });
        let got = ask(&mut driver, "DO", "www.d.zone. A");
        assert_eq!((got.rcode, got.ad), (Rcode::SERVFAIL, false), "{above:?}");
    }
}

/// The child's apex has no DS in its types, and that is no proof that the parent has none: a signed
/// zone must not become an unsigned one by it (RFC 5155 §8.9, RFC 6840 §4.4).
#[test]
fn the_childs_record_of_its_apex_does_not_take_away_its_ds() {
    for (above, below) in
        plans().iter().flat_map(|above| plans().into_iter().map(move |b| (above.clone(), b)))
    {
        let mut driver =
            world(&above, Some(&below), false, |above, below, question| {
                if !is_in_child(question) {
                    return None;
                }
                if question.rtype == Rtype::DS && question.name == name(CHILD) {
                    return Some(denial(Rcode::NOERROR, all_proofs(below)));
                }
                let mut referral = above.answer(question, false);
                referral.authority.extend(all_proofs(below).into_iter().filter(|set| {
                    set.rtype.is_denial() || set.covers().is_some_and(Rtype::is_denial)
                }));
                Some(referral)
            });
        for text in ["www.sub.zone. A", "sub.zone. DS", "gone.sub.zone. A"] {
            let got = ask(&mut driver, "DO", text);
            let told = format!("{text} {:?} {:?}: {got:?}", above.absence, below.absence);
            assert_eq!((got.rcode, got.ad), (Rcode::SERVFAIL, false), "{told}");
        }
    }
}

/// Opt-out hides unsigned delegations only: it does not undo one that is signed.
#[test]
fn a_gap_with_opt_out_does_not_cover_a_signed_delegation() {
    let opt_out = nsec3(true);
    let mut driver = world(&opt_out, Some(&plan()), false, |above, _, question| {
        if !is_in_child(question) {
            return None;
        }
        let proofs = all_proofs(above);
        if question.rtype == Rtype::DS && question.name == name(CHILD) {
            return Some(denial(Rcode::NOERROR, proofs));
        }
        let mut referral = above.answer(question, false);
        referral.authority.extend(proofs.into_iter().filter(|set| set.rtype != Rtype::SOA));
        Some(referral)
    });
    let got = ask(&mut driver, "DO", "www.sub.zone. A");
    assert_eq!((got.rcode, got.ad), (Rcode::SERVFAIL, false), "{got:?}");
    let question = Question { name: name(CHILD), rtype: Rtype::DS, class: Class::IN };
    assert_eq!(ask(&mut driver, "DO", &format!("{} DS", question.name)).rcode, Rcode::SERVFAIL);
}

/// Addresses that nobody signed, in the place of what a signed zone says.
fn forged(question: &Question) -> ZoneAnswer {
    let mut set = Rrset::new(question.name.clone(), Rtype::A, Class::IN, 300);
    set.rdatas.push(&[192, 0, 2, 66]);
    ZoneAnswer { authoritative: true, answer: vec![set], ..ZoneAnswer::default() }
}

/// What an alias leads to, and how far that is trusted, says nothing about the name that has it: a
/// forger must not make a signed name an unsigned one by it.
#[test]
fn an_alias_to_an_unsigned_zone_does_not_make_its_own_name_one() {
    for above in plans() {
        for with_target in [false, true] {
            let lie: Lie = match with_target {
                false => |_, _, question| {
                    let hits = question.rtype == Rtype::A && question.name != name("ns.zone.");
                    hits.then(|| forged(question))
                },
                true => |above, below, question| {
                    if question.rtype == Rtype::A && question.name != name("ns.zone.") {
                        return Some(forged(question));
                    }
                    (question.rtype == Rtype::DS && question.name == name("far.zone.")).then(|| {
                        let mut answer = above.answer(question, true);
                        answer.authoritative = true;
                        answer.rcode = Some(Rcode::NOERROR);
                        let apex = below.node(below.origin()).unwrap();
                        answer.authority = apex.set(Rtype::SOA).cloned().into_iter().collect();
                        answer
                    })
                },
            };
            let mut driver = world(&above, None, false, lie);
            // What the first one has found out the second one has no use for.
            for text in ["far.zone. A", "x.far.zone. A"] {
                let got = ask(&mut driver, "DO", text);
                let told = format!("{text} {:?} {with_target}: {got:?}", above.absence);
                assert_eq!((got.rcode, got.ad), (Rcode::SERVFAIL, false), "{told}");
            }
        }
    }
}

/// Those who look for the address of a server do not spoil a name with an alias for those who ask for
/// it.
#[test]
fn a_server_that_is_an_alias_has_no_address_and_its_name_an_answer() {
    for below in [None, Some(plan())] {
        let mut world = SignedWorld::new().unwrap();
        world.zone("zone.", below, "far CNAME www\nwww A 192.0.2.1\nlame NS far").unwrap();
        let (settings, world) = world.build().unwrap();
        let mut driver = open(settings, world, 1).unwrap();
        assert_eq!(ask(&mut driver, "", "x.lame.zone. A").rcode, Rcode::SERVFAIL);
        let got = ask(&mut driver, "", "far.zone. A");
        assert_eq!((got.rcode, got.answer), (Rcode::NOERROR, vec![Rtype::CNAME, Rtype::A]));
    }
}

/// The NSEC of a name with an alias stands beside it (RFC 4034 §4.1): the alias does not lead to it.
#[test]
fn what_stands_beside_an_alias_is_not_looked_for_behind_it() {
    let mut world = SignedWorld::new().unwrap();
    world.zone("zone.", Some(plan()), "far CNAME www\nwww A 192.0.2.1").unwrap();
    let (settings, world) = world.build().unwrap();
    let mut driver = open(settings, world, 1).unwrap();
    assert_eq!(ask(&mut driver, "", "far.zone. A").answer, [Rtype::CNAME, Rtype::A]);
    for bits in ["", "CD"] {
        assert_eq!(ask(&mut driver, bits, "far.zone. NSEC").answer, [Rtype::NSEC], "{bits}");
    }
}
