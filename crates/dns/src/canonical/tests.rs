//! Canonical form and signed data, byte by byte, and what does not fit.

use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn rrsig(covered: Rtype, labels: u8, signer: &str) -> Vec<u8> {
    let mut rdata = covered.0.to_be_bytes().to_vec();
    rdata.extend_from_slice(&[8, labels, 0, 0, 0, 77, 1, 2, 3, 4, 0, 2, 3, 4, 9, 9]);
    rdata.extend_from_slice(name(signer).as_wire());
    rdata.extend_from_slice(&[0xde, 0xad]);
    rdata
}

#[test]
fn records_are_sorted_lower_cased_and_unique() {
    let mut set = Rrset::new(name("Z.Example"), Rtype::MX, Class::IN, 5);
    for (preference, exchange) in [(20, "B.example"), (10, "b.EXAMPLE"), (20, "b.example")] {
        let mut rdata = vec![0, preference];
        rdata.extend_from_slice(name(exchange).as_wire());
        set.rdatas.push(&rdata);
    }
    let rdata = rrsig(Rtype::MX, 2, "EXAMPLE");
    let mut out = Vec::new();
    signed_data(&RrsigView::new(&rdata).unwrap(), &set, &mut out).unwrap();
    let mut expected = rdata[..18].to_vec();
    expected.extend_from_slice(b"\x07example\x00");
    for preference in [10, 20] {
        expected
            .extend_from_slice(b"\x01z\x07example\x00\x00\x0f\x00\x01\x00\x00\x00\x4d\x00\x0d\x00");
        expected.push(preference);
        expected.extend_from_slice(b"\x01b\x07example\x00");
    }
    assert_eq!(out, expected);
    let canonical = canonical_rdatas(Rtype::MX, &set.rdatas);
    assert_eq!(canonical.len(), 2);
}

#[test]
fn next_name_of_nsec_keeps_its_case() {
    // RFC 6840 §5.1.
    let mut set = Rrset::new(name("A."), Rtype::NSEC, Class::IN, 5);
    set.rdatas.push(b"\x01B\x00\x00\x01\x40");
    assert_eq!(canonical_rdatas(Rtype::NSEC, &set.rdatas), set.rdatas);
}

#[test]
fn wildcards_by_the_labels_field() {
    let owner = name("a.B.w.Example");
    assert!(signed_owner(&owner, 4).unwrap().eq_exact(&name("a.b.w.example")));
    assert!(signed_owner(&owner, 2).unwrap().eq_exact(&name("*.w.example")));
    assert!(signed_owner(&owner, 0).unwrap().eq_exact(&name("*")));
    assert_eq!(signed_owner(&owner, 5), None);
    assert_eq!(signed_owner(&name("*.w.example"), 2), Some(name("*.w.example")));
    assert_eq!(signed_owner(&Name::root(), 0), Some(Name::root()));
    assert!(is_wildcard_expansion(&owner, 2));
    assert!(!is_wildcard_expansion(&owner, 4));
    assert!(!is_wildcard_expansion(&name("*.w.example"), 2));
    assert!(is_wildcard_expansion(&name("*.w.example"), 1));
}

#[test]
fn what_does_not_fit_is_a_fault_and_leaves_no_bytes() {
    let mut set = Rrset::new(name("a.example"), Rtype::A, Class::IN, 5);
    let mut out = vec![7];
    let good = rrsig(Rtype::A, 2, "example");
    let faults = |set: &Rrset, rdata: &[u8], out: &mut Vec<u8>| {
        signed_data(&RrsigView::new(rdata).unwrap(), set, out).unwrap_err()
    };
    assert_eq!(faults(&set, &good, &mut out), SignedDataFault::NoRecords);
    set.rdatas.push(&[1, 2, 3, 4]);
    assert_eq!(faults(&set, &rrsig(Rtype::NS, 2, "."), &mut out), SignedDataFault::TypeCovered);
    assert_eq!(faults(&set, &rrsig(Rtype::A, 3, "."), &mut out), SignedDataFault::Labels);
    assert_eq!(out, [7]);
}
