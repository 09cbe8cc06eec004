//! The keys of a zone and how they come to be trusted: by a DS of the parent or by a trust anchor
//! (RFC 4035 §5.2).

use std::cell::OnceCell;

use super::budget::Budget;
use super::crypto::{KeyFault, PublicKey, digest};
use super::verify::{SetFault, Verified, verify_with};
use super::{Algorithm, DigestType, key_tag};
use crate::limits::{DIGEST_MISMATCHES_MAX, DS_MAX, KEYS_PER_TAG_MAX};
use crate::name::Name;
use crate::rdata::view::{DnskeyView, DsView, RrsigView};
use crate::rrset::{Rdatas, Rrset};

/// One zone key. Its public key is read when it is first needed: of twenty published keys one
/// signs.
#[derive(Clone, Debug)]
pub struct ZoneKey {
    pub tag: u16,
    pub algorithm: Algorithm,
    /// The DNSKEY rdata.
    rdata: Box<[u8]>,
    parsed: OnceCell<Result<PublicKey, KeyFault>>,
}

impl ZoneKey {
    /// Takes a DNSKEY that may sign zone data: zone bit set, not revoked, protocol 3
    /// (RFC 4034 §2.1, RFC 5011 §2.1).
    pub fn new(rdata: &[u8]) -> Option<ZoneKey> {
        ZoneKey::even_revoked(rdata)
            .filter(|_| DnskeyView::new(rdata).is_some_and(|view| !view.is_revoked()))
    }

    fn even_revoked(rdata: &[u8]) -> Option<ZoneKey> {
        let view = DnskeyView::new(rdata)?;
        if !view.is_zone_key() || view.protocol() != 3 {
            return None;
        }
        Some(ZoneKey {
            tag: key_tag(rdata),
            algorithm: Algorithm(view.algorithm()),
            rdata: rdata.into(),
            parsed: OnceCell::new(),
        })
    }

    /// The DNSKEY rdata.
    pub fn rdata(&self) -> &[u8] {
        &self.rdata
    }

    /// The public key, or why it is none.
    pub fn public_key(&self) -> Result<&PublicKey, KeyFault> {
        let parse = || match DnskeyView::new(&self.rdata) {
            Some(view) => PublicKey::parse(self.algorithm, view.public_key()),
            None => Err(KeyFault::UnsupportedAlgorithm),
        };
        self.parsed.get_or_init(parse).as_ref().map_err(|fault| *fault)
    }
}

/// The trusted keys of a zone.
#[derive(Clone, Debug)]
pub struct KeySet {
    pub zone: Name,
    pub keys: Vec<ZoneKey>,
}

impl KeySet {
    /// The zone keys of a DNSKEY set that was validated before.
    pub fn from_set(set: &Rrset) -> KeySet {
        KeySet {
            zone: set.owner.clone(),
            keys: set.rdatas.iter().filter_map(ZoneKey::new).collect(),
        }
    }
}

/// Something that vouches for a key: a DS record, or a DNSKEY of a trust anchor.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Voucher {
    /// DS rdata.
    Ds(Vec<u8>),
    /// DNSKEY rdata.
    Key(Vec<u8>),
}

impl Voucher {
    /// Can we use it: known algorithm and, for DS, known digest (RFC 4035 §5.2, RFC 6840 §5.2)?
    pub fn is_supported(&self) -> bool {
        match self {
            Voucher::Ds(rdata) => DsView::new(rdata).is_some_and(|ds| {
                Algorithm(ds.algorithm()).is_supported()
                    && DigestType(ds.digest_type()).is_supported()
            }),
            Voucher::Key(rdata) => {
                DnskeyView::new(rdata).is_some_and(|key| Algorithm(key.algorithm()).is_supported())
            }
        }
    }

    /// Do we know its digest? A key has none to be unknown.
    pub fn has_supported_digest(&self) -> bool {
        match self {
            Voucher::Ds(rdata) => {
                DsView::new(rdata).is_some_and(|ds| DigestType(ds.digest_type()).is_supported())
            }
            Voucher::Key(_) => true,
        }
    }

    fn is_sha1(&self) -> bool {
        matches!(self, Voucher::Ds(rdata)
            if DsView::new(rdata).is_some_and(|ds| DigestType(ds.digest_type()) == DigestType::SHA1))
    }

    fn may_match(&self, key: &ZoneKey) -> bool {
        match self {
            Voucher::Ds(rdata) => DsView::new(rdata).is_some_and(|ds| {
                ds.key_tag() == key.tag && Algorithm(ds.algorithm()) == key.algorithm
            }),
            Voucher::Key(rdata) => **rdata == *key.rdata,
        }
    }

    fn matches(&self, owner: &Name, key: &ZoneKey) -> bool {
        match self {
            Voucher::Ds(rdata) => DsView::new(rdata).is_some_and(|ds| {
                let owner = owner.to_lowercase();
                let digest = digest(DigestType(ds.digest_type()), &[owner.as_wire(), &key.rdata]);
                digest.is_some_and(|digest| *digest == *ds.digest())
            }),
            Voucher::Key(rdata) => **rdata == *key.rdata,
        }
    }
}

/// Why a DNSKEY set was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeysFault {
    /// No voucher has an algorithm and digest that we know: the zone counts as unsigned.
    #[error("no supported DS")]
    Unsupported,
    /// No key matches any voucher.
    #[error("no DNSKEY matches a DS")]
    NoMatch,
    /// No key matches any voucher but one without the bit that makes it a zone key (RFC 4034
    /// §2.1.1).
    #[error("the DNSKEY that matches a DS has no zone key bit")]
    NoZoneKey,
    /// A key matches but does not sign the set as it should.
    #[error("{0}")]
    Set(SetFault),
}

/// Checks a zone's DNSKEY set against what the parent or a trust anchor vouches for. `now` is in
/// seconds since 1970.
pub fn verify_keys(
    set: &Rrset,
    signatures: &Rdatas,
    vouchers: &[Voucher],
    now: u32,
    budget: &mut Budget,
) -> Result<(KeySet, Verified), KeysFault> {
    let mut usable: Vec<&Voucher> = vouchers.iter().filter(|v| v.is_supported()).collect();
    if usable.is_empty() {
        return Err(KeysFault::Unsupported);
    }
    // RFC 4509 §3: SHA-1 is not looked at where something stronger is there.
    if usable.iter().any(|voucher| !voucher.is_sha1()) {
        usable.retain(|voucher| !voucher.is_sha1());
    }
    let all = KeySet::from_set(set);
    let mut entry_points: Vec<ZoneKey> = Vec::new();
    let mut mismatches = 0;
    for voucher in usable.into_iter().take(DS_MAX) {
        let candidates = all.keys.iter().filter(|key| voucher.may_match(key));
        for key in candidates.take(KEYS_PER_TAG_MAX) {
            if voucher.matches(&set.owner, key) {
                if !entry_points.iter().any(|known| known.rdata == key.rdata) {
                    entry_points.push(key.clone());
                }
            } else {
                mismatches += 1;
            }
            if mismatches >= DIGEST_MISMATCHES_MAX {
                break;
            }
        }
    }
    if entry_points.is_empty() {
        return Err(if is_for_other_use(set, vouchers) {
            KeysFault::NoZoneKey
        } else {
            KeysFault::NoMatch
        });
    }
    verify_with(set, signatures, (&set.owner, &entry_points), now, budget, None)
        .map(|verified| (all, verified))
        .map_err(KeysFault::Set)
}

/// Does a voucher mean a key that is none of a zone, as far as its tag tells?
fn is_for_other_use(set: &Rrset, vouchers: &[Voucher]) -> bool {
    let others = set
        .rdatas
        .iter()
        .filter(|rdata| DnskeyView::new(rdata).is_some_and(|key| !key.is_zone_key()));
    others.take(DS_MAX).any(|rdata| {
        let tag = key_tag(rdata);
        vouchers.iter().take(DS_MAX).any(|voucher| match voucher {
            Voucher::Ds(ds) => DsView::new(ds).is_some_and(|ds| ds.key_tag() == tag),
            Voucher::Key(key) => **key == *rdata,
        })
    })
}

/// Is a validated DNSKEY set signed by this key of it, revoked or not? A key revokes itself only by
/// a signature of its own (RFC 5011 §2.1). Says nothing of the signature's dates: they are those of
/// the set, and a revocation does not expire.
pub fn is_signed_by(set: &Rrset, signatures: &Rdatas, dnskey: &[u8], budget: &mut Budget) -> bool {
    let Some(key) = ZoneKey::even_revoked(dnskey) else { return false };
    signatures.iter().filter_map(RrsigView::new).any(|rrsig| {
        // Checked as of a moment within its dates.
        let when = rrsig.inception();
        rrsig.key_tag() == key.tag
            && verify_with(
                set,
                signatures,
                (&set.owner, std::slice::from_ref(&key)),
                when,
                budget,
                None,
            )
            .is_ok()
    })
}

#[cfg(test)]
mod tests;
