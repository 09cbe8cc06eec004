//! One RRset against the keys of its zone (RFC 4035 §5.3).

use super::Algorithm;
use super::budget::Budget;
use super::good::GoodSignatures;
use super::keys::{KeySet, ZoneKey};
use crate::canonical::{is_wildcard_expansion, signed_data};
use crate::limits::{KEYS_PER_TAG_MAX, SIGNATURES_MAX};
use crate::name::Name;
use crate::rdata::view::RrsigView;
use crate::rrset::{Rdatas, Rrset};

/// What a good signature says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Seconds that the set may be kept: no longer than its TTL, the TTL that was signed and the
    /// life of the signature (RFC 4035 §5.3.3).
    pub ttl: u32,
    /// Labels of the wildcard that the owner was made from; then a proof must show that nothing
    /// closer exists (RFC 4035 §5.3.4).
    pub wildcard_labels: Option<u8>,
}

/// Why no signature vouches for a set. In order of how much they tell: of several, the last counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum SetFault {
    #[error("no signature")]
    Missing,
    #[error("no signature by the zone")]
    OtherSigner,
    #[error("no signature of a supported algorithm")]
    UnsupportedAlgorithm,
    #[error("the Labels field of the signature is impossible")]
    Labels,
    #[error("no key for the signature")]
    NoKey,
    #[error("signature expired before it became valid")]
    ExpiredBeforeValid,
    #[error("signature not yet valid")]
    NotYetValid,
    #[error("signature expired")]
    Expired,
    #[error("signature does not match")]
    Mismatch,
    #[error("too much work")]
    Budget,
}

/// Checks a set against its zone's keys. `now` is in seconds since 1970 (modulo 2^32, as
/// signatures count: RFC 4034 §3.1.5).
pub fn verify_set(
    set: &Rrset,
    signatures: &Rdatas,
    keys: &KeySet,
    now: u32,
    budget: &mut Budget,
) -> Result<Verified, SetFault> {
    verify_with(set, signatures, (&keys.zone, &keys.keys), now, budget, None)
}

/// The same for somebody who remembers which signatures were good. They are paid for all the same, so
/// that what is found does not depend on what others have asked before.
pub fn verify_set_again(
    set: &Rrset,
    signatures: &Rdatas,
    keys: &KeySet,
    now: u32,
    budget: &mut Budget,
    good: &mut GoodSignatures,
) -> Result<Verified, SetFault> {
    verify_with(set, signatures, (&keys.zone, &keys.keys), now, budget, Some(good))
}

pub(super) fn verify_with(
    set: &Rrset,
    signatures: &Rdatas,
    (zone, keys): (&Name, &[ZoneKey]),
    now: u32,
    budget: &mut Budget,
    good: Option<&mut GoodSignatures>,
) -> Result<Verified, SetFault> {
    let mut fault = SetFault::Missing;
    let mut data = Vec::new();
    for rdata in signatures.iter().take(SIGNATURES_MAX) {
        let Some(rrsig) = RrsigView::new(rdata) else { continue };
        if rrsig.type_covered() != set.rtype {
            continue;
        }
        if let Err(found) = acceptable(&rrsig, set, zone, now) {
            fault = fault.max(found);
            continue;
        }
        let algorithm = Algorithm(rrsig.algorithm());
        let fitting =
            keys.iter().filter(|key| key.tag == rrsig.key_tag() && key.algorithm == algorithm);
        fault = fault.max(SetFault::NoKey);
        for key in fitting.take(KEYS_PER_TAG_MAX) {
            let Ok(public) = key.public_key() else {
                budget.pay_failure(1).map_err(|_| SetFault::Budget)?;
                continue;
            };
            budget.pay_operation(public.cost()).map_err(|_| SetFault::Budget)?;
            data.clear();
            if signed_data(&rrsig, set, &mut data).is_err() {
                continue;
            }
            let signature = rrsig.signature();
            let mark = good.as_deref().map(|good| good.mark(key.rdata(), &data, signature));
            let is_known = good.as_deref().zip(mark).is_some_and(|(good, mark)| good.has(mark));
            if is_known || public.verify(&data, signature).is_ok() {
                if let (Some(good), Some(mark)) = (good, mark) {
                    good.keep(mark);
                }
                return Ok(verified(&rrsig, set, now));
            }
            fault = fault.max(SetFault::Mismatch);
            budget.pay_failure(public.cost()).map_err(|_| SetFault::Budget)?;
        }
    }
    Err(fault)
}

/// Everything that can be checked before the arithmetic (RFC 4035 §5.3.1).
fn acceptable(rrsig: &RrsigView<'_>, set: &Rrset, zone: &Name, now: u32) -> Result<(), SetFault> {
    if rrsig.signer() != *zone || !set.owner.is_at_or_below(zone) {
        return Err(SetFault::OtherSigner);
    }
    if !Algorithm(rrsig.algorithm()).is_supported() {
        return Err(SetFault::UnsupportedAlgorithm);
    }
    let owner_labels = set.owner.label_count() - usize::from(set.owner.is_wildcard());
    let labels = usize::from(rrsig.labels());
    // More labels than the owner has, or a wildcard above the zone itself.
    if labels > owner_labels || labels < zone.label_count() {
        return Err(SetFault::Labels);
    }
    // Serial number arithmetic (RFC 4034 §3.1.5, RFC 1982).
    let after = |a: u32, b: u32| (a.wrapping_sub(b) as i32) > 0;
    if after(rrsig.inception(), rrsig.expiration()) {
        return Err(SetFault::ExpiredBeforeValid);
    }
    if after(now, rrsig.expiration()) {
        return Err(SetFault::Expired);
    }
    if after(rrsig.inception(), now) {
        return Err(SetFault::NotYetValid);
    }
    Ok(())
}

fn verified(rrsig: &RrsigView<'_>, set: &Rrset, now: u32) -> Verified {
    let life = rrsig.expiration().wrapping_sub(now);
    let expanded = is_wildcard_expansion(&set.owner, rrsig.labels());
    Verified {
        ttl: set.ttl.min(rrsig.original_ttl()).min(life),
        wildcard_labels: expanded.then(|| rrsig.labels()),
    }
}

#[cfg(test)]
mod tests;
