//! Keys from seeds, sets and their signatures, for the tests of [`super::verify`] and
//! [`super::keys`].

use super::crypto::sign::KeyPair;
use super::{Algorithm, Budget};
use crate::canonical::signed_data;
use crate::name::Name;
use crate::rdata::view::{DnskeyView, RrsigView};
use crate::rrset::{Rdatas, Rrset};
use crate::rtype::{Class, Rtype};

pub(super) const NOW: u32 = 1_700_000_000;
pub(super) const KSK: u16 = DnskeyView::ZONE | DnskeyView::SEP;

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn pair(seed: u8) -> KeyPair {
    KeyPair::from_seed(Algorithm::ED25519, &[seed]).unwrap()
}

/// More than any test needs.
pub(super) fn plenty() -> Budget {
    Budget { operations: 1000, work: 1000, failures: 1000, failed_work: 1000, hash_blocks: 0 }
}

pub(super) fn set(owner: &str, rtype: Rtype, rdatas: &[&[u8]]) -> Rrset {
    Rrset { rdatas: rdatas.iter().collect(), ..Rrset::new(name(owner), rtype, Class::IN, 3600) }
}

/// The fields of a signature, right unless a test changes them.
#[derive(Clone)]
pub(super) struct Fields {
    pub(super) seed: u8,
    pub(super) flags: u16,
    pub(super) algorithm: Algorithm,
    pub(super) labels: Option<u8>,
    pub(super) ttl: u32,
    pub(super) expiration: u32,
    pub(super) inception: u32,
    pub(super) signer: &'static str,
    /// Changes a bit of the signature itself.
    pub(super) garbled: bool,
}

pub(super) fn by(seed: u8) -> Fields {
    Fields {
        seed,
        flags: DnskeyView::ZONE,
        algorithm: Algorithm::ED25519,
        labels: None,
        ttl: 3600,
        expiration: NOW + 1000,
        inception: NOW - 1000,
        signer: "example.",
        garbled: false,
    }
}

/// The RRSIG rdata over a set.
pub(super) fn sign(set: &Rrset, fields: &Fields) -> Vec<u8> {
    let pair = pair(fields.seed);
    let own = set.owner.label_count() - usize::from(set.owner.is_wildcard());
    let mut rdata = set.rtype.0.to_be_bytes().to_vec();
    rdata.extend([fields.algorithm.0, fields.labels.unwrap_or(own as u8)]);
    for number in [fields.ttl, fields.expiration, fields.inception] {
        rdata.extend(number.to_be_bytes());
    }
    rdata.extend(pair.key_tag(fields.flags).to_be_bytes());
    rdata.extend(name(fields.signer).as_wire());
    let mut data = Vec::new();
    let unsigned = [rdata.as_slice(), &[0]].concat();
    // What cannot be signed over gets a signature over nothing.
    let _impossible = signed_data(&RrsigView::new(&unsigned).unwrap(), set, &mut data);
    let mut signature = pair.sign(&data).unwrap();
    signature[5] ^= u8::from(fields.garbled);
    rdata.extend(signature);
    rdata
}

/// Signatures over a set, one for each list of fields.
pub(super) fn signatures(set: &Rrset, all: &[Fields]) -> Rdatas {
    all.iter().map(|fields| sign(set, fields)).collect()
}
