//! Proofs on small hand-made chains: what proves, and every near miss that must not.

use super::*;
use crate::rdata::bitmap::TypeBitmap;
use crate::rtype::Class;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn nsec(owner: &str, next: &str, types: &[Rtype]) -> Rrset {
    let mut rdata = name(next).as_wire().to_vec();
    TypeBitmap::write(types.iter().copied(), &mut rdata);
    let mut set = Rrset::new(name(owner), Rtype::NSEC, Class::IN, 60);
    set.rdatas.push(&rdata);
    set
}

fn budget() -> Budget {
    Budget { operations: 0, work: 0, failures: 0, failed_work: 0, hash_blocks: 1000 }
}

const APEX: &[Rtype] = &[Rtype::SOA, Rtype::NS, Rtype::DNSKEY];

#[test]
fn nxdomain_needs_the_name_and_the_wildcard_denied() {
    let zone = name("z");
    let (apex, b) = (nsec("z", "b.z", APEX), nsec("b.z", "d.z", &[Rtype::A]));
    let prove = |sets: &[&Rrset], n: &str| prove_nxdomain(&zone, sets, &name(n), &mut budget());
    assert!(prove(&[&apex, &b], "c.z").is_ok());
    assert!(prove(&[&b], "c.z").is_err(), "*.z may exist");
    assert!(prove(&[&apex], "c.z").is_err());
    assert!(prove(&[&apex, &b], "b.z").is_err(), "it exists");
    assert!(prove(&[&apex, &b], "d.z").is_err(), "it exists");
    // The last NSEC points to the apex.
    let last = nsec("d.z", "z", &[Rtype::A]);
    assert!(prove(&[&apex, &last], "e.z").is_ok());
    assert!(prove(&[&apex, &last], "c.z").is_err());
}

#[test]
fn a_delegation_or_dname_denies_nothing_below_itself() {
    let zone = name("z");
    let apex = nsec("z", "cut.z", APEX);
    for types in [&[Rtype::NS][..], &[Rtype::DNAME]] {
        let cut = nsec("cut.z", "z", types);
        let denied = prove_nxdomain(&zone, &[&apex, &cut], &name("a.cut.z"), &mut budget());
        assert_eq!(denied, Err(DenialFault::Missing), "{types:?}");
        assert!(prove_nxdomain(&zone, &[&apex, &cut], &name("d.z"), &mut budget()).is_ok());
    }
}

#[test]
fn no_data_on_the_right_side_of_a_cut() {
    let zone = name("z");
    let cut = nsec("cut.z", "z", &[Rtype::NS]);
    let prove = |set: &Rrset, n: &str, t| prove_no_data(&zone, &[set], &name(n), t, &mut budget());
    assert!(prove(&cut, "cut.z", Rtype::DS).is_ok());
    assert!(prove(&cut, "cut.z", Rtype::A).is_err(), "the parent does not know");
    let apex = nsec("z", "b.z", APEX);
    assert!(prove(&apex, "z", Rtype::A).is_ok());
    assert!(prove(&apex, "z", Rtype::DS).is_err(), "the child does not know");
    assert!(prove(&apex, "z", Rtype::NS).is_err(), "it is there");
    let alias = nsec("a.z", "z", &[Rtype::CNAME]);
    assert!(prove(&alias, "a.z", Rtype::A).is_err(), "an alias is an answer");
}

#[test]
fn empty_non_terminals_and_wildcards_without_data() {
    let zone = name("z");
    let apex = nsec("z", "a.ent.z", APEX);
    assert!(prove_no_data(&zone, &[&apex], &name("ent.z"), Rtype::A, &mut budget()).is_ok());
    assert!(prove_nxdomain(&zone, &[&apex], &name("ent.z"), &mut budget()).is_err());
    let (wild, b) = (nsec("*.z", "b.z", &[Rtype::A]), nsec("b.z", "z", &[Rtype::A]));
    let prove = |t| prove_no_data(&zone, &[&wild, &b], &name("c.z"), t, &mut budget());
    assert!(prove(Rtype::TXT).is_ok());
    assert!(prove(Rtype::A).is_err());
    assert!(prove_nxdomain(&zone, &[&wild, &b], &name("c.z"), &mut budget()).is_err());
    // A wildcard that only has names below it (RFC 4592 §2.2.2).
    let (empty, b) = (nsec("z", "a.*.z", APEX), nsec("b.z", "z", &[Rtype::A]));
    let sets = [&empty, &b];
    assert!(prove_no_data(&zone, &sets, &name("c.z"), Rtype::A, &mut budget()).is_ok());
    assert!(prove_no_data(&zone, &[&b], &name("c.z"), Rtype::A, &mut budget()).is_err());
    assert!(prove_no_data(&zone, &[&empty], &name("c.z"), Rtype::A, &mut budget()).is_err());
    assert!(prove_nxdomain(&zone, &sets, &name("c.z"), &mut budget()).is_err());
}

#[test]
fn an_expansion_needs_that_nothing_closer_exists() {
    let zone = name("z");
    let b = nsec("b.z", "d.z", &[Rtype::A]);
    assert!(prove_expansion(&zone, &[&b], &name("c.z"), 1, &mut budget()).is_ok());
    let closer = nsec("b.x.z", "d.x.z", &[Rtype::A]);
    assert!(prove_expansion(&zone, &[&closer], &name("c.x.z"), 1, &mut budget()).is_err());
    assert!(prove_expansion(&zone, &[&closer], &name("c.x.z"), 2, &mut budget()).is_ok());
}

#[test]
fn ends_outside_the_zone_prove_nothing() {
    let zone = name("z");
    let foreign = nsec("b.z", "a.zz", &[Rtype::A]);
    let apex = nsec("z", "b.z", APEX);
    assert!(prove_nxdomain(&zone, &[&apex, &foreign], &name("c.z"), &mut budget()).is_err());
}

/// RFC 5155 appendix A: zone `example` with salt AABBCCDD and 12 iterations.
mod rfc5155 {
    use super::*;
    use crate::dnssec::nsec3::decode;

    fn nsec3(owner: &str, flags: u8, next: &str, types: &[Rtype]) -> Rrset {
        let mut rdata = vec![1, flags, 0, 12, 4, 0xaa, 0xbb, 0xcc, 0xdd, 20];
        rdata.extend_from_slice(&decode(next.as_bytes()).unwrap());
        TypeBitmap::write(types.iter().copied(), &mut rdata);
        let mut set = Rrset::new(name(&format!("{owner}.example")), Rtype::NSEC3, Class::IN, 3600);
        set.rdatas.push(&rdata);
        set
    }

    const APEX: &str = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom";
    const NS1: &str = "2t7b4g4vsa5smi47k61mv5bv1a22bojr";
    const WILD_NEXT: &str = "2vptu5timamqttgl4luu9kg21e0aor3s";
    const X_W: &str = "b4um86eghhds6nea196smvmlo4ors995";
    const X_W_NEXT: &str = "gjeqe526plbf1g8mklp59enfd789njgi";
    const AI: &str = "35mthgpgcu1qg68fab165klnsnk3dpvl";

    #[test]
    fn name_error_of_appendix_b1() {
        let zone = name("example");
        let apex = nsec3(APEX, 1, NS1, &[Rtype::NS, Rtype::SOA]);
        let covers = nsec3(X_W, 1, X_W_NEXT, &[Rtype::MX]);
        let next = nsec3(AI, 1, X_W, &[Rtype::NS, Rtype::DS]);
        let sets = [&apex, &covers, &next];
        let found = prove_nxdomain(&zone, &sets, &name("a.c.x.w.example"), &mut budget());
        assert_eq!(found, Ok(Proven { opt_out: true }));
        assert!(
            prove_nxdomain(&zone, &sets[..1], &name("a.c.x.w.example"), &mut budget()).is_err()
        );
    }

    #[test]
    fn no_data_of_appendix_b2_and_opt_out_of_b3() {
        let zone = name("example");
        let ns1 = nsec3(NS1, 1, WILD_NEXT, &[Rtype::A]);
        assert!(
            prove_no_data(&zone, &[&ns1], &name("ns1.example"), Rtype::MX, &mut budget()).is_ok()
        );
        assert!(
            prove_no_data(&zone, &[&ns1], &name("ns1.example"), Rtype::A, &mut budget()).is_err()
        );
        let apex = nsec3(APEX, 1, NS1, &[Rtype::NS, Rtype::SOA]);
        let covers_c = nsec3(AI, 1, X_W, &[Rtype::NS, Rtype::DS]);
        let found = prove_no_ds(&zone, &[&apex, &covers_c], &name("c.example"), &mut budget());
        assert_eq!(found, Ok(NoDs::OptOut));
    }

    #[test]
    fn hashing_is_paid_for() {
        let zone = name("example");
        let apex = nsec3(APEX, 0, NS1, &[Rtype::NS, Rtype::SOA]);
        let mut poor =
            Budget { operations: 0, work: 0, failures: 0, failed_work: 0, hash_blocks: 20 };
        let found = prove_nxdomain(&zone, &[&apex], &name("a.b.c.d.e.f.example"), &mut poor);
        assert_eq!(found, Err(DenialFault::Budget));
        let mut many = nsec3(APEX, 0, NS1, &[Rtype::SOA]);
        many.rdatas = many
            .rdatas
            .iter()
            .map(|rdata| [&rdata[..2], &51u16.to_be_bytes(), &rdata[4..]].concat())
            .collect();
        let found = prove_nxdomain(&zone, &[&many], &name("a.example"), &mut budget());
        assert_eq!(found, Err(DenialFault::Iterations));
    }
}
