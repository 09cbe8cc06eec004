//! A zone's keys from seeds, its DNSKEY sets and their signatures, for the tests of this folder.

use dns::canonical::signed_data;
use dns::dnssec::crypto::sign::KeyPair;
use dns::dnssec::{Algorithm, Voucher, key_tag};
use dns::message::Section;
use dns::rdata::view::{DnskeyView, RrsigView};
use dns::rrset::Rdatas;
use dns::{Class, Composer, Header, Name, Rcode, Rrset, Rtype};

use super::key::{AnchorKey, KeyState};
use super::roll::AnchorSet;

pub(super) const DAY: u64 = 86_400;
pub(super) const TTL: u32 = 172_800;
const KSK: u16 = DnskeyView::ZONE | DnskeyView::SEP;

/// A key of the zone as it is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) seed: u8,
    pub(super) revoked: bool,
    /// Does it sign the set?
    pub(super) signs: bool,
}

/// A key that signs.
pub(super) fn key(seed: u8) -> Key {
    Key { seed, revoked: false, signs: true }
}

/// The same, revoked by its own signature.
pub(super) fn revoked(seed: u8) -> Key {
    Key { revoked: true, ..key(seed) }
}

/// A key that is there and signs nothing.
pub(super) fn idle(seed: u8) -> Key {
    Key { signs: false, ..key(seed) }
}

fn pair(seed: u8) -> KeyPair {
    KeyPair::from_seed(Algorithm::ED25519, &[seed]).unwrap()
}

impl Key {
    pub(super) fn rdata(&self) -> Vec<u8> {
        pair(self.seed).dnskey_rdata(if self.revoked { KSK | DnskeyView::REVOKE } else { KSK })
    }

    pub(super) fn tag(&self) -> u16 {
        key_tag(&self.rdata())
    }

    pub(super) fn anchor(&self, state: KeyState, timer: Option<u64>) -> AnchorKey {
        AnchorKey { voucher: Voucher::Key(self.rdata()), ttl: TTL, state, timer }
    }
}

/// The anchors of the root.
pub(super) fn anchors(keys: impl IntoIterator<Item = AnchorKey>) -> AnchorSet {
    AnchorSet { zone: Name::root(), keys: keys.into_iter().collect() }
}

/// The root's DNSKEY set with signatures that are valid for ten days around `now`.
pub(super) fn publish(now: u64, keys: &[Key]) -> (Rrset, Rdatas) {
    let mut set = Rrset::new(Name::root(), Rtype::DNSKEY, Class::IN, TTL);
    let zone_key = KeyPair::from_seed(Algorithm::ED25519, b"zone").unwrap();
    set.rdatas.push(&zone_key.dnskey_rdata(DnskeyView::ZONE));
    for key in keys {
        set.rdatas.push(&key.rdata());
    }
    let signers = keys.iter().filter(|key| key.signs);
    let signatures = signers.map(|key| sign(now as u32, &set, *key)).collect();
    (set, signatures)
}

fn sign(now: u32, set: &Rrset, key: Key) -> Vec<u8> {
    const HALF: u32 = 5 * 86_400;
    let mut rdata = set.rtype.0.to_be_bytes().to_vec();
    rdata.extend([Algorithm::ED25519.0, 0]);
    for number in [TTL, now + HALF, now - HALF] {
        rdata.extend(number.to_be_bytes());
    }
    rdata.extend(key.tag().to_be_bytes());
    rdata.push(0);
    let mut data = Vec::new();
    let unsigned = [rdata.as_slice(), &[0]].concat();
    signed_data(&RrsigView::new(&unsigned).unwrap(), set, &mut data).unwrap();
    rdata.extend(pair(key.seed).sign(&data).unwrap());
    rdata
}

/// What a resolver answers.
pub(super) fn answer(rcode: Rcode, authentic: bool, set: &Rrset, signatures: &Rdatas) -> Vec<u8> {
    let mut header = Header::default();
    header.set_qr(true);
    header.set_ad(authentic);
    header.set_rcode_low(rcode);
    let mut wire = Vec::new();
    let mut composer = Composer::new(&mut wire, header, usize::MAX);
    composer.question(&set.owner, set.rtype, set.class).unwrap();
    let mut put = |rtype, rdatas: &Rdatas| {
        let section = Section::Answer;
        composer.records(section, &set.owner, rtype, set.class, set.ttl, rdatas.iter()).unwrap();
    };
    put(Rtype::DNSKEY, &set.rdatas);
    put(Rtype::RRSIG, signatures);
    composer.finish(None);
    wire
}
