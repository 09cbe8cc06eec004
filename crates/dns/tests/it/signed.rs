//! Every signature that BIND made over a zone verifies over what we read, sort and fold.

use dns::canonical::{SignedDataFault, signed_data};
use dns::dnssec::crypto::PublicKey;
use dns::dnssec::{Algorithm, key_tag};
use dns::rdata::view::{DnskeyView, RrsigView};
use dns::zonefile::{self, Settings};
use dns::{Name, Rrset, Rtype};

const ZONE: &str = include_str!("signed.zone");

struct Zone {
    sets: Vec<Rrset>,
    keys: Vec<(u16, PublicKey)>,
}

fn zone() -> Zone {
    let sets = zonefile::rrsets(ZONE.as_bytes(), &Settings::default()).unwrap();
    let keys = sets.iter().find(|set| set.rtype == Rtype::DNSKEY).unwrap();
    let keys = keys.rdatas.iter().map(|rdata| {
        let key = DnskeyView::new(rdata).unwrap();
        let parsed = PublicKey::parse(Algorithm(key.algorithm()), key.public_key());
        (key_tag(rdata), parsed.unwrap())
    });
    Zone { keys: keys.collect(), sets }
}

impl Zone {
    fn is_signed_by(&self, set: &Rrset, rrsig: &RrsigView<'_>) -> bool {
        let mut data = Vec::new();
        signed_data(rrsig, set, &mut data).unwrap();
        let (_, key) = self.keys.iter().find(|(tag, _)| *tag == rrsig.key_tag()).unwrap();
        key.verify(&data, rrsig.signature()).is_ok()
    }

    /// The signatures with the sets they are over.
    fn signed_sets(&self) -> impl Iterator<Item = (&Rrset, RrsigView<'_>)> {
        let signatures = self.sets.iter().filter(|set| set.rtype == Rtype::RRSIG);
        let each = signatures.flat_map(|set| {
            set.rdatas.iter().map(|rdata| (&set.owner, RrsigView::new(rdata).unwrap()))
        });
        each.map(|(owner, rrsig)| {
            let is_covered =
                |set: &&Rrset| set.rtype == rrsig.type_covered() && set.owner == *owner;
            (self.sets.iter().find(is_covered).unwrap(), rrsig)
        })
    }
}

#[test]
fn all_signatures_verify_in_any_case_and_order() {
    let zone = zone();
    let mut types = Vec::new();
    for (set, rrsig) in zone.signed_sets() {
        assert!(zone.is_signed_by(set, &rrsig), "{set}");
        types.push(set.rtype);
        // Case of owners and order of records are not what is signed.
        let mut other = set.clone();
        other.owner = Name::from_wire(&set.owner.as_wire().to_ascii_uppercase()).unwrap();
        other.rdatas = set.rdatas.iter().collect::<Vec<_>>().into_iter().rev().collect();
        assert!(zone.is_signed_by(&other, &rrsig), "{set}");
        other.rdatas.push(b"one record more");
        assert!(!zone.is_signed_by(&other, &rrsig), "{set}");
    }
    types.sort_unstable();
    types.dedup();
    assert!(types.len() > 40, "{types:?}");
}

#[test]
fn wildcard_signatures_hold_for_what_is_made_from_them() {
    let zone = zone();
    let mut count = 0;
    for (set, rrsig) in zone.signed_sets().filter(|(set, _)| set.owner.is_wildcard()) {
        let parent = set.owner.parent().unwrap();
        let made = parent.prepend(b"b").unwrap().prepend(b"A").unwrap();
        assert!(zone.is_signed_by(&Rrset { owner: made, ..set.clone() }, &rrsig));
        let mut data = Vec::new();
        let shorter = Rrset { owner: parent.parent().unwrap(), ..set.clone() };
        assert_eq!(signed_data(&rrsig, &shorter, &mut data), Err(SignedDataFault::Labels));
        count += 1;
    }
    assert!(count >= 2);
}
