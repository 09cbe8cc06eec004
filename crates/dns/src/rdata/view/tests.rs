//! Views of well-formed rdata, of every cut of it, and of arbitrary bytes.

use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn rrsig() -> Vec<u8> {
    let mut rdata = vec![0, 1, 13, 2, 0, 0, 14, 16, 0x60, 0, 0, 1, 0x50, 0, 0, 2, 0x12, 0x34];
    rdata.extend_from_slice(name("Example.").as_wire());
    rdata.extend_from_slice(b"signature");
    rdata
}

#[test]
fn rrsig_fields() {
    let rdata = rrsig();
    let view = RrsigView::new(&rdata).unwrap();
    assert_eq!(view.type_covered(), Rtype::A);
    assert_eq!((view.algorithm(), view.labels(), view.original_ttl()), (13, 2, 3600));
    assert_eq!((view.expiration(), view.inception()), (0x6000_0001, 0x5000_0002));
    assert_eq!(view.key_tag(), 0x1234);
    assert_eq!(view.signer(), name("example."));
    assert_eq!(view.signature(), b"signature");
    assert_eq!(view.unsigned_part().len() + 9, rdata.len());
    for end in 0..=rdata.len() - 9 {
        assert_eq!(RrsigView::new(&rdata[..end]), None);
    }
}

#[test]
fn nsec_and_nsec3_fields() {
    let mut rdata = name("b.example").as_wire().to_vec();
    rdata.extend_from_slice(&[0, 1, 0x40]);
    let view = NsecView::new(&rdata).unwrap();
    assert_eq!(view.next(), name("b.example"));
    assert!(view.has_type(Rtype::A) && !view.has_type(Rtype::NS));
    assert_eq!(NsecView::new(&rdata[..rdata.len() - 1]), None);

    let rdata = [1, 1, 0, 12, 2, 0xaa, 0xbb, 3, 7, 8, 9, 0, 1, 0x60];
    let view = Nsec3View::new(&rdata).unwrap();
    assert_eq!((view.hash_algorithm(), view.iterations()), (1, 12));
    assert!(view.is_opt_out());
    assert_eq!((view.salt(), view.next_hash()), (&[0xaa, 0xbb][..], &[7, 8, 9][..]));
    assert!(view.has_type(Rtype::A) && view.has_type(Rtype::NS) && !view.has_type(Rtype::SOA));
    assert_eq!(Nsec3ParamView::new(&rdata[..7]), Some(view.parameters()));
    assert_eq!(Nsec3ParamView::new(&rdata[..8]), None);
    for end in (0..rdata.len()).filter(|end| *end != 11) {
        assert_eq!(Nsec3View::new(&rdata[..end]), None, "{end}");
    }
}

#[test]
fn key_digest_and_soa_fields() {
    let key = DnskeyView::new(&[1, 0x81, 3, 8, 5, 6]).unwrap();
    assert!(key.is_zone_key() && key.is_secure_entry_point() && key.is_revoked());
    assert_eq!((key.protocol(), key.algorithm(), key.public_key()), (3, 8, &[5, 6][..]));
    assert_eq!(DnskeyView::new(&[1, 1, 3]), None);
    let ds = DsView::new(&[0x12, 0x34, 8, 2, 9]).unwrap();
    assert_eq!((ds.key_tag(), ds.algorithm(), ds.digest_type()), (0x1234, 8, 2));
    assert_eq!(ds.digest(), [9]);

    let mut rdata = name("ns.test").as_wire().to_vec();
    rdata.extend_from_slice(name("admin.test").as_wire());
    for word in 1u32..=5 {
        rdata.extend_from_slice(&word.to_be_bytes());
    }
    let soa = SoaView::new(&rdata).unwrap();
    assert_eq!((soa.mname(), soa.rname()), (name("ns.test"), name("admin.test")));
    assert_eq!(
        [soa.serial(), soa.refresh(), soa.retry(), soa.expire(), soa.minimum()],
        [1, 2, 3, 4, 5]
    );
    rdata.push(0);
    assert_eq!(SoaView::new(&rdata), None);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_an_accessor_panic(rdata in proptest::collection::vec(proptest::prop_oneof![0u8..4, 0u8..], 0..80)) {
        if let Some(v) = RrsigView::new(&rdata) {
            let _ = (v.type_covered(), v.algorithm(), v.labels(), v.original_ttl(), v.expiration());
            proptest::prop_assert!(v.signer().as_wire() == v.signer_wire());
            proptest::prop_assert!(!v.signature().is_empty());
        }
        if let Some(v) = DnskeyView::new(&rdata) {
            let _ = (v.flags(), v.protocol(), v.algorithm(), v.public_key());
        }
        if let Some(v) = DsView::new(&rdata) {
            let _ = (v.key_tag(), v.algorithm(), v.digest_type(), v.digest());
        }
        if let Some(v) = NsecView::new(&rdata) {
            proptest::prop_assert!(v.next().as_wire() == v.next_wire());
            proptest::prop_assert!(v.types().iter().all(|t| v.has_type(t)));
        }
        if let Some(v) = Nsec3View::new(&rdata) {
            let _ = (v.flags(), v.iterations(), v.salt(), v.next_hash());
            proptest::prop_assert!(v.types().iter().all(|t| v.has_type(t)));
        }
        if let Some(v) = SoaView::new(&rdata) {
            let _ = (v.mname(), v.rname(), v.minimum());
        }
    }
}
