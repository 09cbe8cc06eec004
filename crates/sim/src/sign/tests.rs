//! Each way to sign, judged by the DNSSEC primitives alone: a validator for one zone.

use dns::dnssec::budget::Budget;
use dns::dnssec::denial::{
    DenialFault, NoDs, prove_expansion, prove_no_data, prove_no_ds, prove_nxdomain,
};
use dns::dnssec::keys::{KeySet, KeysFault, Voucher, verify_keys};
use dns::dnssec::verify::verify_set;
use dns::{Class, Question, Rcode};

use super::*;
use crate::zone::ZoneAnswer;

const NOW: u32 = 1_700_000_000;

const ZONE: &str = "
    @                SOA    ns admin 1 2 3 4 60
    @                NS     ns
    ns               A      192.0.2.1
    www              A      192.0.2.7
    www              TXT    hello
    alias            CNAME  www
    *.wild           TXT    star
    deep.under       TXT    depth
    old              DNAME  elsewhere.
    signed           NS     ns.signed
    signed           DS     1 15 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF
    unsigned         NS     ns.unsigned
    ns.unsigned      A      192.0.2.9
";

fn origin() -> Name {
    Name::from_text(b"example.", &Name::root()).unwrap()
}

fn question(text: &str) -> Question {
    let (name, rtype) = text.split_once(' ').unwrap();
    let name = Name::from_text(name.as_bytes(), &origin()).unwrap();
    Question { name, rtype: rtype.parse().unwrap(), class: Class::IN }
}

/// Sets of a section with the signatures over them.
fn pairs(sections: &[&[Rrset]]) -> Vec<(Rrset, Rrset)> {
    let all: Vec<&Rrset> = sections.iter().flat_map(|section| section.iter()).collect();
    let data = all.iter().filter(|set| set.rtype != Rtype::RRSIG);
    let signatures = |set: &Rrset| {
        all.iter()
            .find(|other| other.owner == set.owner && other.covers() == Some(set.rtype))
            .map_or_else(
                || Rrset::new(set.owner.clone(), Rtype::RRSIG, Class::IN, 0),
                |s| (*s).clone(),
            )
    };
    data.map(|set| ((*set).clone(), signatures(set))).collect()
}

fn keys(zone: &Zone, ds: Vec<u8>, budget: &mut Budget) -> Result<KeySet, Judgement> {
    let answer = zone.answer(&question("@ DNSKEY"), true);
    let Some((set, signatures)) = pairs(&[&answer.answer]).into_iter().next() else {
        return Err(Judgement::Bogus);
    };
    match verify_keys(&set, &signatures.rdatas, &[Voucher::Ds(ds)], NOW, budget) {
        Ok((keys, _)) => Ok(keys),
        Err(KeysFault::Unsupported) => Err(Judgement::Insecure),
        Err(_) => Err(Judgement::Bogus),
    }
}

/// What the primitives make of an answer.
fn validate(zone: &Zone, ds: Vec<u8>, asked: &Question) -> Judgement {
    let mut budget =
        Budget { operations: 64, work: 256, failures: 16, failed_work: 64, hash_blocks: 600 };
    // A DS of an unknown kind settles the matter before any key is looked at.
    let keys = match keys(zone, ds, &mut budget) {
        Ok(keys) => keys,
        Err(judgement) => return judgement,
    };
    let answer = zone.answer(asked, true);
    judge(&answer, asked, &keys, &mut budget).unwrap_or(Judgement::Bogus)
}

fn judge(
    answer: &ZoneAnswer,
    asked: &Question,
    keys: &KeySet,
    budget: &mut Budget,
) -> Option<Judgement> {
    let zone = origin();
    let referral = !answer.authoritative;
    let all = pairs(&[&answer.answer, &answer.authority]);
    let mut expanded = Vec::new();
    let mut proofs = Vec::new();
    for (set, signatures) in &all {
        let made_from_dname = set.rtype == Rtype::CNAME
            && answer.answer.iter().any(|other| other.rtype == Rtype::DNAME);
        if made_from_dname || referral && set.rtype == Rtype::NS {
            continue;
        }
        let verified = verify_set(set, &signatures.rdatas, keys, NOW, budget).ok()?;
        if matches!(set.rtype, Rtype::NSEC | Rtype::NSEC3) {
            // A proof is not made from a wildcard (RFC 4035 §5.4 asks for its owner as it is).
            if verified.wildcard_labels.is_some() {
                return None;
            }
            proofs.push(set);
        } else if let Some(labels) = verified.wildcard_labels {
            expanded.push((set.owner.clone(), labels));
        }
    }
    let settle = |result: Result<bool, DenialFault>| match result {
        Ok(opt_out) => Some(if opt_out { Judgement::Insecure } else { Judgement::Secure }),
        Err(DenialFault::Iterations) => Some(Judgement::Insecure),
        Err(_) => None,
    };
    let mut worst = Judgement::Secure;
    for (name, labels) in expanded {
        let proven = prove_expansion(&zone, &proofs, &name, labels, budget);
        worst = worst.max(settle(proven.map(|proven| proven.opt_out))?);
    }
    let last = answer.answer.iter().rev().find(|set| set.rtype == Rtype::CNAME);
    let name = last.and_then(|set| Name::from_wire(set.rdatas.iter().next()?).ok());
    let name = name.unwrap_or_else(|| asked.name.clone());
    let positive =
        answer.answer.iter().any(|set| set.rtype == asked.rtype) || !name.is_at_or_below(&zone);
    let result = if referral {
        if answer.authority.iter().any(|set| set.rtype == Rtype::DS) {
            return Some(worst);
        }
        return match prove_no_ds(&zone, &proofs, &answer.authority[0].owner, budget) {
            Ok(NoDs::Unsigned | NoDs::OptOut) => Some(Judgement::Secure),
            Err(DenialFault::Iterations) => Some(Judgement::Insecure),
            _ => None,
        };
    } else if positive {
        return Some(worst);
    } else if answer.rcode == Some(Rcode::NXDOMAIN) {
        prove_nxdomain(&zone, &proofs, &name, budget)
    } else {
        prove_no_data(&zone, &proofs, &name, asked.rtype, budget)
    };
    Some(worst.max(settle(result.map(|proven| proven.opt_out))?))
}

/// Questions, and what kind of thing the answer is under NSEC and under NSEC3 with opt-out.
fn questions() -> Vec<(&'static str, Kind, Kind)> {
    let both = |question, kind| (question, kind, kind);
    let no_data = |rtype, bitmap, gap| Kind::NoData { rtype, bitmap, gap };
    vec![
        both("@ SOA", Kind::Other),
        both("www A", Kind::Data),
        both("www TXT", Kind::Data),
        both("a.b.old A", Kind::Other),
        both("alias CNAME", Kind::Other),
        both("any.wild TXT", Kind::Expansion { data: true }),
        both("any.wild A", no_data(Rtype::A, true, true)),
        both("www AAAA", no_data(Rtype::AAAA, true, false)),
        both("www SRV", no_data(Rtype::SRV, true, false)),
        ("under A", no_data(Rtype::A, false, true), no_data(Rtype::A, true, false)),
        both("nothing A", Kind::NoName),
        both("x.y.nothing A", Kind::NoName),
        both("x.signed A", Kind::Other),
        ("x.unsigned A", Kind::NoDs { gap: false }, Kind::NoDs { gap: true }),
    ]
}

fn plans(wrong: Option<Wrong>) -> Vec<Plan> {
    let plan = Plan { wrong, ..Plan::around(NOW) };
    let nsec3 = |opt_out| Plan {
        absence: Absence::Nsec3 { salt: b"s".to_vec(), iterations: 1, opt_out },
        ..plan.clone()
    };
    let mut out = Vec::new();
    if !wrong.is_some_and(Wrong::needs_nsec3) {
        out.push(plan.clone());
    }
    if !wrong.is_some_and(Wrong::needs_nsec) {
        out.extend([nsec3(false), nsec3(true)]);
    }
    out
}

fn check(wrong: Option<Wrong>) {
    for plan in plans(wrong) {
        let keys = Keys::new(&origin(), &plan).unwrap();
        let mut zone = Zone::from_text(origin(), ZONE).unwrap();
        sign(&mut zone, &keys, &plan).unwrap();
        for (asked, nsec, nsec3) in questions() {
            let (mut kind, opt_out) = match &plan.absence {
                Absence::Nsec => (nsec, false),
                Absence::Nsec3 { opt_out, .. } => (nsec3, *opt_out),
            };
            if let (Kind::NoDs { gap }, false) = (&mut kind, opt_out) {
                *gap = false;
            }
            let mut expected = wrong.map_or(Judgement::Secure, |wrong| wrong.judge(kind));
            // In a gap of an opt-out chain an unsigned delegation may hide (RFC 5155 §9.2).
            let hidden = matches!(
                kind,
                Kind::NoName | Kind::Expansion { .. } | Kind::NoData { gap: true, .. }
            );
            if opt_out && hidden && expected == Judgement::Secure {
                expected = Judgement::Insecure;
            }
            let got = validate(&zone, keys.ds(DigestType::SHA256), &question(asked));
            assert_eq!(got, expected, "{asked} with {wrong:?} and {:?}", plan.absence);
        }
    }
}

#[test]
fn a_zone_signed_right_is_secure() {
    check(None);
}

#[test]
fn each_wrong_way_is_judged_by_its_name() {
    for wrong in Wrong::ALL {
        check(Some(*wrong));
    }
}

#[test]
fn other_algorithms_sign_as_well() {
    for algorithm in [Algorithm::RSASHA256, Algorithm::ECDSAP256SHA256] {
        let plan = Plan { algorithm, ..Plan::around(NOW) };
        let keys = Keys::new(&origin(), &plan).unwrap();
        let mut zone = Zone::from_text(origin(), ZONE).unwrap();
        sign(&mut zone, &keys, &plan).unwrap();
        let got = validate(&zone, keys.ds(DigestType::SHA256), &question("www A"));
        assert_eq!(got, Judgement::Secure, "{algorithm:?}");
    }
}
