//! The validator's primitives on any message: what it has of keys, DS records, signatures and proofs
//! of absence is run through all of them, from a budget.

use crate::dnssec::denial::{prove_expansion, prove_no_data, prove_no_ds, prove_nxdomain};
use crate::dnssec::keys::is_signed_by;
use crate::dnssec::{
    Budget, GoodSignatures, KeySet, Voucher, verify_keys, verify_set, verify_set_again,
};
use crate::rdata::view::RrsigView;
use crate::rrset::{Rdatas, Rrset};
use crate::{Message, Name, Rtype, Section};

/// What may be spent on one input.
const BUDGET: Budget =
    Budget { operations: 40, work: 200, failures: 30, failed_work: 100, hash_blocks: 300 };

/// Nothing panics, no budget is overdrawn, and what is verified stays verified when its records
/// come in another order.
pub fn dnssec(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    let Some(question) = message.question() else { return };
    let sets = sets(&message);
    let signatures = |set: &Rrset| -> Rdatas {
        let own = sets.iter().filter(|other| {
            other.rtype == Rtype::RRSIG
                && other.owner == set.owner
                && other.covers() == Some(set.rtype)
        });
        own.flat_map(|other| other.rdatas.iter()).collect()
    };
    // As of a moment within the dates of the first signature, or nothing would get far.
    let rrsigs = || sets.iter().filter(|set| set.rtype == Rtype::RRSIG);
    let now = rrsigs()
        .flat_map(|set| set.rdatas.iter())
        .find_map(|rdata| RrsigView::new(rdata).map(|rrsig| rrsig.inception()))
        .unwrap_or_default();
    let (mut budget, mut good) = (BUDGET, GoodSignatures::new((1, 2)));
    for keys in sets.iter().filter(|set| set.rtype == Rtype::DNSKEY) {
        let signed = signatures(keys);
        let mut vouchers: Vec<Voucher> =
            keys.rdatas.iter().map(|rdata| Voucher::Key(rdata.to_vec())).collect();
        for ds in sets.iter().filter(|set| set.rtype == Rtype::DS) {
            vouchers.extend(ds.rdatas.iter().map(|rdata| Voucher::Ds(rdata.to_vec())));
        }
        let verified = verify_keys(keys, &signed, &vouchers, now, &mut budget).is_ok();
        for rdata in keys.rdatas.iter() {
            let _either = is_signed_by(keys, &signed, rdata, &mut budget);
        }
        let trusted = KeySet::from_set(keys);
        for set in sets.iter().filter(|set| set.rtype != Rtype::RRSIG) {
            let signed = signatures(set);
            let mut fresh = BUDGET;
            let outcome = verify_set(set, &signed, &trusted, now, &mut fresh);
            let backwards: Vec<&[u8]> = set.rdatas.iter().collect();
            let rdatas: Rdatas = backwards.into_iter().rev().collect();
            let turned = Rrset { rdatas, ..set.clone() };
            fresh = BUDGET;
            assert_eq!(verify_set(&turned, &signed, &trusted, now, &mut fresh), outcome);
            for _ in 0..2 {
                let mut again = BUDGET;
                let found = verify_set_again(set, &signed, &trusted, now, &mut again, &mut good);
                assert_eq!((found, again), (outcome, fresh));
            }
            if let Ok(verified) = outcome {
                assert!(verified.ttl <= set.ttl);
            }
        }
        assert!(!verified || !signed.is_empty());
    }
    absence(&sets, &question.name, question.rtype, budget);
}

/// All proofs that any zone could want to see in the sets.
fn absence(sets: &[Rrset], name: &Name, rtype: Rtype, mut budget: Budget) {
    let all: Vec<&Rrset> = sets.iter().filter(|set| set.rtype.is_denial()).collect();
    for count in 0..=name.label_count() {
        let zone = name.suffix(count);
        let before = budget.hash_blocks;
        let none = prove_nxdomain(&zone, &all, name, &mut budget);
        let no_data = prove_no_data(&zone, &all, name, rtype, &mut budget);
        let _either = prove_no_ds(&zone, &all, name, &mut budget);
        let _either = prove_expansion(&zone, &all, name, count as u8, &mut budget);
        assert!(budget.hash_blocks <= before);
        // Whatever proves absence is a record that denies something.
        assert!(!all.is_empty() || (none.is_err() && no_data.is_err()));
    }
}

/// The sets of a message, signatures by the type they cover.
fn sets(message: &Message<'_>) -> Vec<Rrset> {
    const SETS_MAX: usize = 64;
    let mut sets: Vec<Rrset> = Vec::new();
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for record in message.section(section) {
            let full = sets.len() >= SETS_MAX;
            match sets.iter_mut().find(|set| set.admits(&record)) {
                Some(set) => set.add(&record),
                None if full => {}
                None => sets.push(Rrset::from_record(&record)),
            }
        }
    }
    sets
}
