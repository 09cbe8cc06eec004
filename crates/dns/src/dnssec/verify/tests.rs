//! Each rule of RFC 4035 §5.3.1 for one signature, what several signatures mean together, and what
//! may be spent on them.

use super::super::testing::{Fields, NOW, by, name, pair, plenty, set, signatures};
use super::*;
use crate::rdata::view::DnskeyView;
use crate::rtype::Rtype;

fn keys(seeds: &[u8]) -> KeySet {
    let rdatas = seeds.iter().map(|seed| pair(*seed).dnskey_rdata(DnskeyView::ZONE));
    KeySet {
        zone: name("example."),
        keys: rdatas.filter_map(|rdata| ZoneKey::new(&rdata)).collect(),
    }
}

fn www() -> Rrset {
    set("www.example.", Rtype::A, &[&[192, 0, 2, 1], &[192, 0, 2, 2]])
}

fn check(set: &Rrset, all: &[Fields]) -> Result<Verified, SetFault> {
    verify_set(set, &signatures(set, all), &keys(&[1, 2]), NOW, &mut plenty())
}

#[test]
fn a_good_signature_is_good() {
    let verified = check(&www(), &[by(1)]).unwrap();
    assert_eq!(verified, Verified { ttl: 1000, wildcard_labels: None });
}

#[test]
fn each_rule_for_itself() {
    let fine = by(1);
    for (fields, fault) in [
        // The signer is the zone that the set is in.
        (Fields { signer: "com.", ..fine.clone() }, SetFault::OtherSigner),
        (Fields { signer: ".", ..fine.clone() }, SetFault::OtherSigner),
        (Fields { signer: "www.example.", ..fine.clone() }, SetFault::OtherSigner),
        // The owner has at least as many labels as the signature says, and those of the zone.
        (Fields { labels: Some(3), ..fine.clone() }, SetFault::Labels),
        (Fields { labels: Some(0), ..fine.clone() }, SetFault::Labels),
        // Now is neither before nor after.
        (Fields { expiration: NOW - 1, ..fine.clone() }, SetFault::Expired),
        (Fields { inception: NOW + 1, ..fine.clone() }, SetFault::NotYetValid),
        (
            Fields { inception: NOW + 10, expiration: NOW - 10, ..fine.clone() },
            SetFault::ExpiredBeforeValid,
        ),
        // Key tag and algorithm are those of a key of the zone.
        (by(3), SetFault::NoKey),
        (Fields { algorithm: Algorithm::RSASHA256, ..fine.clone() }, SetFault::NoKey),
        (Fields { algorithm: Algorithm(200), ..fine.clone() }, SetFault::UnsupportedAlgorithm),
        // And the signature is by that key over these records.
        (Fields { garbled: true, ..fine }, SetFault::Mismatch),
    ] {
        assert_eq!(check(&www(), &[fields]).unwrap_err(), fault);
    }
    let signed = signatures(&www(), &[by(1)]);
    for other in [
        set("www.example.", Rtype::A, &[&[192, 0, 2, 1], &[192, 0, 2, 3]]),
        set("www.example.", Rtype::A, &[&[192, 0, 2, 1]]),
        set("ftp.example.", Rtype::A, &[&[192, 0, 2, 1], &[192, 0, 2, 2]]),
    ] {
        let fault = verify_set(&other, &signed, &keys(&[1]), NOW, &mut plenty()).unwrap_err();
        assert_eq!(fault, SetFault::Mismatch, "{other}");
    }
    // A signature over another type is none.
    let text = set("www.example.", Rtype::TXT, &[b"\x01x"]);
    let fault = verify_set(&text, &signed, &keys(&[1]), NOW, &mut plenty()).unwrap_err();
    assert_eq!(fault, SetFault::Missing);
    assert_eq!(check(&www(), &[]).unwrap_err(), SetFault::Missing);
    // A set outside of the zone is nobody's to sign there.
    let outside = set("www.test.", Rtype::A, &[&[192, 0, 2, 1]]);
    assert_eq!(check(&outside, &[by(1)]).unwrap_err(), SetFault::OtherSigner);
}

#[test]
fn the_first_and_last_second_count() {
    for fields in [Fields { expiration: NOW, ..by(1) }, Fields { inception: NOW, ..by(1) }] {
        assert!(check(&www(), &[fields]).is_ok());
    }
}

#[test]
fn dates_are_serial_numbers() {
    // RFC 4034 §3.1.5: around the year 2106.
    let now = u32::MAX - 10;
    let fields = Fields { inception: now - 5, expiration: 20, ..by(1) };
    let signed = signatures(&www(), std::slice::from_ref(&fields));
    let check = |at| verify_set(&www(), &signed, &keys(&[1]), at, &mut plenty());
    assert_eq!(check(now).unwrap().ttl, 31);
    assert_eq!(check(10).unwrap().ttl, 10);
    assert_eq!(check(21).unwrap_err(), SetFault::Expired);
    assert_eq!(check(now - 6).unwrap_err(), SetFault::NotYetValid);
}

#[test]
fn the_ttl_is_the_least_of_three() {
    let ttl = |fields: Fields, own: u32| {
        let set = Rrset { ttl: own, ..www() };
        check(&set, &[fields]).unwrap().ttl
    };
    assert_eq!(ttl(by(1), 10), 10);
    assert_eq!(ttl(Fields { ttl: 20, ..by(1) }, 500), 20);
    assert_eq!(ttl(Fields { expiration: NOW + 30, ..by(1) }, 500), 30);
}

#[test]
fn wildcards_are_told_from_names() {
    let expanded = |labels| Fields { labels: Some(labels), ..by(1) };
    let labels = |owner: &str, fields: Fields| {
        check(&set(owner, Rtype::A, &[&[192, 0, 2, 1]]), &[fields]).unwrap().wildcard_labels
    };
    assert_eq!(labels("www.example.", expanded(1)), Some(1));
    assert_eq!(labels("a.b.example.", expanded(2)), Some(2));
    assert_eq!(labels("a.b.example.", expanded(3)), None);
    // The wildcard itself was not expanded.
    assert_eq!(labels("*.example.", expanded(1)), None);
    let over = set("*.example.", Rtype::A, &[&[192, 0, 2, 1]]);
    assert_eq!(check(&over, &[expanded(2)]).unwrap_err(), SetFault::Labels);
}

#[test]
fn one_good_signature_is_enough_and_the_most_telling_fault_counts() {
    let bad = Fields { garbled: true, ..by(2) };
    let old = Fields { expiration: NOW - 1, ..by(2) };
    assert!(check(&www(), &[bad.clone(), old.clone(), by(1)]).is_ok());
    assert_eq!(check(&www(), &[by(9), old.clone()]).unwrap_err(), SetFault::Expired);
    assert_eq!(check(&www(), &[old, bad]).unwrap_err(), SetFault::Mismatch);
}

#[test]
fn good_signatures_are_remembered_and_nothing_else() {
    let mut good = GoodSignatures::new((1, 2));
    let mut check = |set: &Rrset, fields: &Fields, seeds: &[u8], at| {
        let (signed, mut budget) = (signatures(set, std::slice::from_ref(fields)), plenty());
        let found = verify_set_again(set, &signed, &keys(seeds), at, &mut budget, &mut good);
        (found.map(|verified| verified.ttl), 1000 - budget.operations, 1000 - budget.failures)
    };
    for _ in 0..2 {
        assert_eq!(check(&www(), &by(1), &[1], NOW), (Ok(1000), 1, 0));
        // Time goes on, for what is known as well.
        assert_eq!(check(&www(), &by(1), &[1], NOW + 999), (Ok(1), 1, 0));
        assert_eq!(check(&www(), &by(1), &[1], NOW + 1001), (Err(SetFault::Expired), 0, 0));
        // A key that has gone vouches for nothing any more.
        assert_eq!(check(&www(), &by(1), &[2], NOW), (Err(SetFault::NoKey), 0, 0));
        let garbled = Fields { garbled: true, ..by(1) };
        assert_eq!(check(&www(), &garbled, &[1], NOW), (Err(SetFault::Mismatch), 1, 1));
    }
    let other = set("www.example.", Rtype::A, &[&[192, 0, 2, 1], &[192, 0, 2, 3]]);
    let signed = signatures(&www(), &[by(1)]);
    let budget = &mut plenty();
    let fault = verify_set_again(&other, &signed, &keys(&[1]), NOW, budget, &mut good);
    assert_eq!(fault.unwrap_err(), SetFault::Mismatch);
}

#[test]
fn names_in_capitals_are_signed_in_small_letters() {
    let upper = set("WWW.Example.", Rtype::CNAME, &[b"\x04HOST\x07eXample\x00"]);
    let lower = set("www.example.", Rtype::CNAME, &[b"\x04host\x07example\x00"]);
    let signed = signatures(&lower, &[by(1)]);
    assert!(verify_set(&upper, &signed, &keys(&[1]), NOW, &mut plenty()).is_ok());
}

#[test]
fn work_is_paid_for_before_it_is_done() {
    let bad = |seed| Fields { garbled: true, ..by(seed) };
    let spend = |all: &[Fields], mut budget: Budget| {
        let outcome =
            verify_set(&www(), &signatures(&www(), all), &keys(&[1, 2]), NOW, &mut budget);
        (outcome.map(|_| ()), budget)
    };
    let (outcome, left) = spend(&[by(1)], plenty());
    assert_eq!((outcome, left.operations, left.failures), (Ok(()), 999, 1000));
    assert!(left.work < 1000);
    let (outcome, left) = spend(&[bad(1), bad(2)], plenty());
    assert_eq!((outcome, left.operations, left.failures), (Err(SetFault::Mismatch), 998, 998));
    for budget in [
        Budget { operations: 0, ..plenty() },
        Budget { work: 0, ..plenty() },
        Budget { failed_work: 0, ..plenty() },
    ] {
        assert_eq!(spend(&[by(1)], budget).0, Err(SetFault::Budget));
    }
    let (outcome, _) = spend(&[bad(1), by(2)], Budget { failures: 0, ..plenty() });
    assert_eq!(outcome, Err(SetFault::Budget));
    // What dates or names rule out costs nothing.
    let old = Fields { expiration: NOW - 1, ..by(1) };
    assert_eq!(spend(&[old, by(9)], plenty()).1, plenty());
}

#[test]
fn of_many_signatures_and_keys_only_some_are_tried() {
    let bad: Vec<Fields> = (0..20)
        .map(|more| Fields { garbled: true, expiration: NOW + 1000 + more, ..by(1) })
        .collect();
    let mut budget = plenty();
    let outcome = verify_set(&www(), &signatures(&www(), &bad), &keys(&[1]), NOW, &mut budget);
    assert_eq!(outcome.unwrap_err(), SetFault::Mismatch);
    assert_eq!(1000 - budget.operations, SIGNATURES_MAX as u32);
    // Keys that share a tag and an algorithm (CVE-2023-50387).
    let one = keys(&[1]).keys.remove(0);
    let many = KeySet { zone: name("example."), keys: vec![one; 20] };
    let mut budget = plenty();
    let outcome = verify_set(&www(), &signatures(&www(), &bad[..1]), &many, NOW, &mut budget);
    assert_eq!(outcome.unwrap_err(), SetFault::Mismatch);
    assert_eq!(1000 - budget.operations, KEYS_PER_TAG_MAX as u32);
}

#[test]
fn a_key_that_is_none_is_a_failure_and_no_operation() {
    let mut rdata = pair(1).dnskey_rdata(DnskeyView::ZONE);
    rdata.truncate(20);
    let broken = ZoneKey::new(&rdata).unwrap();
    let mut fields = signatures(&www(), &[by(1)]).iter().next().unwrap().to_vec();
    fields[16..18].copy_from_slice(&broken.tag.to_be_bytes());
    let keys = KeySet { zone: name("example."), keys: vec![broken] };
    let mut budget = plenty();
    let signed: Rdatas = [fields].iter().collect();
    let fault = verify_set(&www(), &signed, &keys, NOW, &mut budget).unwrap_err();
    assert_eq!(fault, SetFault::NoKey);
    assert_eq!((budget.operations, budget.failures), (1000, 999));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        rdata in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120),
        key in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
    ) {
        let signed: Rdatas = [rdata].iter().collect();
        let mut all = keys(&[1]);
        all.keys.extend(ZoneKey::new(&key));
        let _any = verify_set(&www(), &signed, &all, NOW, &mut plenty());
    }

    /// No single bit of a signature's rdata can be changed without notice, except the letter case
    /// of the signer's name.
    #[test]
    fn every_bit_counts(bit in 0usize..(8 * (18 + 9 + 64))) {
        let mut rdata = signatures(&www(), &[by(1)]).iter().next().unwrap().to_vec();
        rdata[bit / 8] ^= 1 << (bit % 8);
        let is_case = rdata[bit / 8].is_ascii_alphabetic() && (18..27).contains(&(bit / 8))
            && bit % 8 == 5;
        let signed: Rdatas = [rdata].iter().collect();
        let outcome = verify_set(&www(), &signed, &keys(&[1]), NOW, &mut plenty());
        proptest::prop_assert_eq!(outcome.is_ok(), is_case);
    }
}
