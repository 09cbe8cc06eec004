//! The records of DNSSEC one by one, as any bytes: RRSIG, DNSKEY, DS, NSEC and NSEC3 are read in every
//! way there is, and what is read fits together.

use crate::dnssec::crypto::{PublicKey, nsec3_blocks, nsec3_hash};
use crate::dnssec::keys::ZoneKey;
use crate::dnssec::nsec3::hash_from_label;
use crate::dnssec::{Algorithm, DigestType, Voucher, key_tag};
use crate::rdata::bitmap::TypeBitmap;
use crate::rdata::view::{DnskeyView, DsView, Nsec3ParamView, Nsec3View, NsecView, RrsigView};
use crate::{Name, Rtype};

/// More iterations than the validator computes would only slow the search down.
const ITERATIONS_MAX: u16 = crate::limits::NSEC3_ITERATIONS_MAX;
/// The dearest key that is tried, in verifications of P-256; above it a key must be refused.
const COST_MAX: u32 = 64;

/// The first byte chooses the type, the others are rdata.
pub fn dnssec_records(data: &[u8]) {
    let Some((kind, rdata)) = data.split_first() else { return };
    match kind % 6 {
        0 => rrsig(rdata),
        1 => dnskey(rdata),
        2 => ds(rdata),
        3 => nsec(rdata),
        4 => nsec3(rdata),
        _ => nsec3_parameters(rdata),
    }
}

fn rrsig(rdata: &[u8]) {
    let Some(view) = RrsigView::new(rdata) else { return };
    let (unsigned, signature) = (view.unsigned_part(), view.signature());
    assert_eq!([unsigned, signature].concat(), rdata);
    assert!(unsigned.ends_with(view.signer_wire()));
    assert_eq!(Name::from_wire(view.signer_wire()), Ok(view.signer()));
    let numbers = [view.original_ttl(), view.expiration(), view.inception()];
    assert_eq!(numbers.map(u32::to_be_bytes).concat(), rdata[4..16]);
    assert_eq!(view.type_covered().0.to_be_bytes(), rdata[..2]);
    assert_eq!([view.algorithm(), view.labels()], rdata[2..4]);
    assert_eq!(view.key_tag().to_be_bytes(), rdata[16..18]);
}

fn dnskey(rdata: &[u8]) {
    let tag = key_tag(rdata);
    let Some(view) = DnskeyView::new(rdata) else {
        assert!(ZoneKey::new(rdata).is_none());
        return;
    };
    assert_eq!(view.as_rdata(), rdata);
    let key = ZoneKey::new(rdata);
    let usable = view.is_zone_key() && !view.is_revoked() && view.protocol() == 3;
    assert_eq!(key.is_some(), usable);
    assert!(key.is_none_or(|key| key.tag == tag && key.rdata() == rdata));
    let algorithm = Algorithm(view.algorithm());
    let parsed = PublicKey::parse(algorithm, view.public_key());
    assert!(algorithm.is_supported() || parsed.is_err());
    let Ok(key) = parsed else { return };
    assert_eq!(key.algorithm(), algorithm);
    assert!((1..=COST_MAX).contains(&key.cost()));
    // Nobody can sign without the private key; the numbers nought and one are tried, too, and a
    // signature as long as the key.
    let length = view.public_key().len();
    let zeros = vec![0; length];
    for signature in [&[][..], view.public_key(), &zeros, rdata] {
        let _no_panic = key.verify(b"data", signature);
    }
    assert!(key.verify(b"data", &[]).is_err());
}

fn ds(rdata: &[u8]) {
    let Some(view) = DsView::new(rdata) else { return };
    assert_eq!(view.key_tag().to_be_bytes(), rdata[..2]);
    let known = Algorithm(view.algorithm()).is_supported();
    let digest = DigestType(view.digest_type());
    let voucher = Voucher::Ds(rdata.to_vec());
    assert_eq!(voucher.is_supported(), known && digest.is_supported());
    assert_eq!(voucher.has_supported_digest(), digest.is_supported());
    assert_eq!(view.digest(), &rdata[4..]);
}

fn bitmap(types: &TypeBitmap<'_>, has: impl Fn(Rtype) -> bool) {
    let listed: Vec<Rtype> = types.iter().collect();
    assert!(listed.iter().all(|rtype| has(*rtype)));
    assert!(listed.windows(2).all(|pair| pair[0] < pair[1]));
    let mut again = Vec::new();
    TypeBitmap::write(listed.iter().copied(), &mut again);
    assert!(again.is_empty() == listed.is_empty());
}

fn nsec(rdata: &[u8]) {
    let Some(view) = NsecView::new(rdata) else { return };
    assert_eq!(Name::from_wire(view.next_wire()), Ok(view.next()));
    bitmap(&view.types(), |rtype| view.has_type(rtype));
}

fn nsec3(rdata: &[u8]) {
    let Some(view) = Nsec3View::new(rdata) else { return };
    bitmap(&view.types(), |rtype| view.has_type(rtype));
    let iterations = view.iterations().min(ITERATIONS_MAX);
    assert!(view.next_hash().len() <= 255 && view.salt().len() <= 255);
    assert_eq!(view.is_opt_out(), view.flags() & Nsec3View::OPT_OUT != 0);
    let owner = Name::root();
    let blocks = nsec3_blocks(owner.len(), view.salt().len(), iterations);
    assert!(blocks > u32::from(iterations));
    let hash = nsec3_hash(owner.as_wire(), view.salt(), iterations);
    assert_eq!(hash, nsec3_hash(owner.as_wire(), view.salt(), iterations));
    // As the label of an owner, too.
    let _a_hash_or_not = hash_from_label(view.next_hash());
}

fn nsec3_parameters(rdata: &[u8]) {
    let Some(view) = Nsec3ParamView::new(rdata) else { return };
    assert_eq!([view.hash_algorithm(), view.flags()], rdata[..2]);
    assert_eq!(view.iterations().to_be_bytes(), rdata[2..4]);
    assert_eq!(view.salt(), &rdata[5..]);
}
