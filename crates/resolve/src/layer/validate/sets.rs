//! Sets of records: whose keys must have signed each of them, and have they?

use std::rc::Rc;
use std::sync::Arc;

use dns::canonical::is_wildcard_expansion;
use dns::dnssec::{
    Budget, KeySet, KeysFault, SetFault, Verified, Voucher, verify_keys, verify_set_again,
};
use dns::rdata::view::RrsigView;
use dns::{Name, Rtype};
use store::cache::Rank;
use store::cache::entry::SignedSet;

use super::Stop;
use super::chain::{self, Delegation, Trust};
use crate::extended_error::Verdict;
use crate::layer::QueryContext;
use crate::limits::UNSEEN_CUTS_MAX;
use crate::query::Outcome;
use crate::reply::Reply;
use crate::trace;

/// What a set can be checked against.
#[derive(Clone, Debug)]
pub(super) enum Basis {
    /// Nothing has to be checked.
    Insecure,
    /// Keys of the zone that must have signed.
    Keys(Rc<KeySet>),
    /// The zone's own keys: what vouches for them.
    Vouchers(Arc<Vec<Voucher>>),
    /// Derived from the DNAME at this place of the list (RFC 6672 §3.1).
    Derived(usize),
    /// A signature, which nobody signs (RFC 4035 §2.2).
    Unsignable,
}

/// A set that was made from a wildcard: it needs a proof that nothing closer exists.
#[derive(Clone, Debug)]
pub(super) struct Expansion {
    pub(super) owner: Name,
    /// Labels of the wildcard's parent.
    pub(super) labels: u8,
    pub(super) keys: Rc<KeySet>,
}

/// The bases of the sets of an answer section.
pub(super) fn bases(
    ctx: &mut QueryContext<'_>,
    cut: &Name,
    answer: &[SignedSet],
) -> Result<Vec<Basis>, Stop> {
    let mut bases = Vec::with_capacity(answer.len());
    for (at, signed) in answer.iter().enumerate() {
        let is_unsigned_alias = signed.set.rtype == Rtype::CNAME && signed.signatures.is_empty();
        let dname = answer[..at].iter().position(|other| {
            other.set.rtype == Rtype::DNAME && signed.set.owner.is_below(&other.set.owner)
        });
        bases.push(match dname {
            Some(dname) if is_unsigned_alias => Basis::Derived(dname),
            _ => basis(ctx, cut, signed)?,
        });
    }
    Ok(bases)
}

/// What a set of a reply from the servers of `cut` can be checked against. Asks for what is missing.
pub(super) fn basis(
    ctx: &mut QueryContext<'_>,
    cut: &Name,
    signed: &SignedSet,
) -> Result<Basis, Stop> {
    let (owner, rtype) = (&signed.set.owner, signed.set.rtype);
    if rtype == Rtype::RRSIG {
        return Ok(Basis::Unsignable);
    }
    let settings = ctx.core.settings.clone();
    let Some(anchor) = settings.trust_anchors.closest_for(owner, rtype) else {
        return Ok(Basis::Insecure);
    };
    let is_forward = ctx.query.cut.as_ref().is_some_and(|cut| cut.is_forward());
    if signed.signatures.is_empty() && !is_forward && is_entered_unseen(ctx, cut, anchor) {
        trace!(ctx, Validate, "{owner} {rtype} comes from above the island {anchor}: insecure");
        return Ok(Basis::Insecure);
    }
    let base = if is_forward || anchor.is_below(cut) { anchor } else { cut };
    let Some(signer) = signer(base, anchor, signed) else {
        return unsigned(ctx, base, owner, rtype);
    };
    if rtype == Rtype::DNSKEY && signer == *owner {
        return match chain::delegation(ctx, &signer)? {
            Delegation::Vouched(vouchers) if chain::is_supported(ctx, &vouchers) => {
                Ok(Basis::Vouchers(vouchers))
            }
            Delegation::Vouched(_) | Delegation::Insecure => Ok(Basis::Insecure),
            Delegation::NotACut => Err(Stop::Bogus(Verdict::Signature)),
            Delegation::Broken(verdict) => Err(Stop::Broken(verdict)),
        };
    }
    match chain::trust(ctx, &signer)? {
        Trust::Secure(keys) => Ok(Basis::Keys(keys)),
        Trust::Insecure => Ok(Basis::Insecure),
        Trust::NotACut => Err(Stop::Bogus(Verdict::Signature)),
        Trust::Broken(verdict) => Err(Stop::Broken(verdict)),
    }
}

/// Do servers of a zone that no anchor covers answer for an island below it, whose keys nobody has seen?
///
/// RFC 4033 §5 would have everything below an anchor signed. As upstream does it, an anchor counts from
/// the zone cut at its name on, and servers above that answer by themselves, with no referral, say that
/// there is none. What they say is as good as the rest of their unsigned zone and never authentic. Where
/// the keys of the island are in the store it is there to be seen, and unsigned records are bogus.
fn is_entered_unseen(ctx: &mut QueryContext<'_>, cut: &Name, anchor: &Name) -> bool {
    let anchors = ctx.core.settings.trust_anchors.clone();
    anchor.is_below(cut)
        && anchors.closest(cut).is_none()
        && ctx.request.chain.keys(anchor).is_none()
        && chain::stored_keys(ctx, anchor).is_none()
}

/// The zone that signed a set: of several that may, the one that was asked, else the deepest.
/// A zone may sign what is at or below its apex, but for a DS at the apex itself, which is the
/// parent's (RFC 4035 §5.3.1).
fn signer(base: &Name, anchor: &Name, signed: &SignedSet) -> Option<Name> {
    let owner = &signed.set.owner;
    let may_sign = |signer: &Name| {
        let is_parents = signed.set.rtype == Rtype::DS && !owner.is_root();
        owner.is_at_or_below(signer)
            && signer.is_at_or_below(anchor)
            && !(is_parents && signer == owner)
    };
    let mut best: Option<Name> = None;
    for rdata in signed.signatures.iter() {
        let Some(signer) = RrsigView::new(rdata).map(|rrsig| rrsig.signer()) else { continue };
        if !may_sign(&signer) {
            continue;
        }
        if signer == *base {
            return Some(signer);
        }
        if best.as_ref().is_none_or(|best| signer.is_below(best)) {
            best = Some(signer);
        }
    }
    best
}

/// A set without a signature. If its zone is signed there may be an unsigned zone in between that
/// has the same servers, so that no referral showed it.
fn unsigned(
    ctx: &mut QueryContext<'_>,
    base: &Name,
    owner: &Name,
    rtype: Rtype,
) -> Result<Basis, Stop> {
    match chain::delegation(ctx, base)? {
        Delegation::Insecure => return Ok(Basis::Insecure),
        Delegation::Broken(verdict) => return Err(Stop::Broken(verdict)),
        Delegation::Vouched(vouchers) if !chain::is_supported(ctx, &vouchers) => {
            return Ok(Basis::Insecure);
        }
        Delegation::Vouched(_) | Delegation::NotACut => {}
    }
    // What is said about a DS is the parent's, be it the DS itself or an alias in its place; whether
    // there is a cut at the name is what was asked.
    let asks_parent = ctx.query.rtype == Rtype::DS && ctx.query.name == *owner;
    let is_parents = rtype == Rtype::DS || asks_parent;
    let labels = owner.label_count() - usize::from(is_parents && !owner.is_root());
    for depth in (base.label_count() + 1..=labels).take(UNSEEN_CUTS_MAX) {
        match chain::delegation(ctx, &owner.suffix(depth))? {
            Delegation::Insecure => return Ok(Basis::Insecure),
            // Nobody can tell whether there is a cut, but a server that signs needs no such excuse.
            Delegation::Broken(verdict) => return Err(Stop::Bogus(verdict)),
            Delegation::Vouched(_) | Delegation::NotACut => {}
        }
    }
    trace!(ctx, Validate, "no signature of {owner} {rtype}");
    let is_keys = rtype == Rtype::DNSKEY && ctx.query.rtype == Rtype::DNSKEY;
    let verdict = if is_keys { Verdict::KeySignaturesMissing } else { Verdict::SignaturesMissing };
    Err(Stop::Bogus(verdict))
}

/// Checks the sets of an answer section. Returns those that were made from wildcards.
pub(super) fn verify_all(
    ctx: &mut QueryContext<'_>,
    answer: &mut [SignedSet],
    bases: &[Basis],
    budget: &mut Budget,
) -> Result<Vec<Expansion>, Stop> {
    let mut expansions = Vec::new();
    for (at, basis) in bases.iter().enumerate() {
        let (before, rest) = answer.split_at_mut(at);
        let Some(signed) = rest.first_mut() else { break };
        if let Basis::Derived(dname) = basis {
            if let Some(dname) = before.get(*dname) {
                (signed.rank, signed.set.ttl) = (dname.rank, dname.set.ttl);
            }
            continue;
        }
        let verified = verify(ctx, signed, basis, budget)?;
        if let (Basis::Keys(keys), Some(labels)) = (basis, verified.and_then(|v| v.wildcard_labels))
        {
            let owner = signed.set.owner.clone();
            expansions.push(Expansion { owner, labels, keys: keys.clone() });
        }
    }
    Ok(expansions)
}

/// Checks one set: gives it its rank and bounds its TTL.
pub(super) fn verify(
    ctx: &mut QueryContext<'_>,
    signed: &mut SignedSet,
    basis: &Basis,
    budget: &mut Budget,
) -> Result<Option<Verified>, Stop> {
    let now = ctx.now.unix.seconds() as u32;
    let verified = match basis {
        Basis::Insecure | Basis::Derived(_) => {
            signed.rank = Rank::INSECURE.with_auth();
            return Ok(None);
        }
        Basis::Unsignable => return Ok(None),
        Basis::Keys(keys) => {
            let (set, signatures, good) =
                (&signed.set, &signed.signatures, &mut ctx.core.signatures);
            verify_set_again(set, signatures, keys, now, budget, good)
                .map_err(|fault| Stop::Bogus(set_verdict(fault)))
        }
        Basis::Vouchers(vouchers) => {
            let found = verify_keys(&signed.set, &signed.signatures, vouchers, now, budget);
            found
                .map(|(keys, verified)| {
                    ctx.request.chain.set_keys(&signed.set.owner, Rc::new(keys));
                    verified
                })
                .map_err(|fault| Stop::Bogus(keys_verdict(fault)))
        }
    };
    let verified = verified.inspect_err(|stop| {
        let (owner, rtype) = (&signed.set.owner, signed.set.rtype);
        trace!(ctx, Validate, "bogus signatures of {owner} {rtype}: {stop:?}");
    })?;
    // A wildcard makes no delegations and no zones (RFC 4592 §4.2, §4.6): a DS that one was expanded
    // to could otherwise be put at any name below it.
    let makes_cuts = matches!(signed.set.rtype, Rtype::DS | Rtype::SOA | Rtype::DNSKEY);
    if makes_cuts && verified.wildcard_labels.is_some() {
        return Err(Stop::Bogus(Verdict::Signature));
    }
    signed.rank = Rank::SECURE;
    signed.set.ttl = verified.ttl;
    Ok(Some(verified))
}

fn set_verdict(fault: SetFault) -> Verdict {
    match fault {
        SetFault::Missing => Verdict::SignaturesMissing,
        SetFault::OtherSigner
        | SetFault::UnsupportedAlgorithm
        | SetFault::Labels
        | SetFault::NoKey
        | SetFault::Mismatch => Verdict::Signature,
        SetFault::ExpiredBeforeValid => Verdict::SignatureNeverValid,
        SetFault::NotYetValid => Verdict::SignatureNotYetValid,
        SetFault::Expired => Verdict::SignatureExpired,
        SetFault::Budget => Verdict::TooMuchCrypto,
    }
}

fn keys_verdict(fault: KeysFault) -> Verdict {
    match fault {
        KeysFault::Unsupported | KeysFault::NoMatch => Verdict::KeysUnvouched,
        KeysFault::NoZoneKey => Verdict::KeyNotForZones,
        KeysFault::Set(SetFault::Missing) => Verdict::KeySignaturesMissing,
        KeysFault::Set(SetFault::Expired) => Verdict::KeySignatureExpired,
        KeysFault::Set(SetFault::NotYetValid) => Verdict::KeySignatureNotYetValid,
        KeysFault::Set(SetFault::Budget) => Verdict::TooMuchCrypto,
        KeysFault::Set(SetFault::ExpiredBeforeValid) => Verdict::SignatureNeverValid,
        KeysFault::Set(
            SetFault::OtherSigner
            | SetFault::UnsupportedAlgorithm
            | SetFault::Labels
            | SetFault::NoKey
            | SetFault::Mismatch,
        ) => Verdict::KeySignature,
    }
}

/// Was the set made from a wildcard, as far as its signatures say?
pub(crate) fn claims_expansion(signed: &SignedSet) -> bool {
    signed.signatures.iter().filter_map(RrsigView::new).any(|rrsig| {
        rrsig.type_covered() == signed.set.rtype
            && is_wildcard_expansion(&signed.set.owner, rrsig.labels())
    })
}

/// Positive answers carry proofs only if a wildcard was expanded (RFC 4035 §3.1.3.3).
pub(super) fn drop_needless_proofs(reply: &mut Reply, outcome: &Outcome) {
    let is_positive =
        matches!(outcome, Outcome::Answer | Outcome::Alias { .. } | Outcome::Failed(_));
    if is_positive && !reply.answer.iter().any(claims_expansion) {
        reply.authority.clear();
    }
}

/// The least of the ranks of sets: secure if there is none.
pub(super) fn least_rank(sets: &[SignedSet]) -> Rank {
    sets.iter().fold(Rank::SECURE, |least, signed| lesser(least, signed.rank))
}

/// The one that is trusted less.
pub(super) fn lesser(a: Rank, b: Rank) -> Rank {
    if b.trust() < a.trust() { b } else { a }
}
