//! What a request knows about the trust of zones, and how it finds out: from the anchors, from what
//! this request has learnt already, from the store, and at last by asking for DS or DNSKEY.
//!
//! A chain is followed from its anchor downwards: of several missing links the topmost is asked for
//! first, so children do not wait for children of their own.

use std::rc::Rc;
use std::sync::Arc;

use dns::dnssec::{Budget, KeySet, NoDs, Voucher};
use dns::rdata::view::RrsigView;
use dns::{Class, Name, Rrset, Rtype};
use store::cache::entry::{Body, SignedSet};

use super::super::QueryContext;
use crate::extended_error::Verdict;
use crate::flags::QueryFlags;
use crate::limits::{
    REQUEST_CRYPTO_FAILED_WORK_MAX, REQUEST_CRYPTO_FAILURES_MAX, REQUEST_CRYPTO_OPERATIONS_MAX,
    REQUEST_CRYPTO_WORK_MAX, REQUEST_HASH_BLOCKS_MAX,
};
use crate::query::{Outcome, Purpose, Query};
use crate::reply::Reply;
use crate::trace;
use crate::zone_cut::StoredDs;

/// What a zone's parent, or an anchor, says about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delegation {
    /// It is signed, and this vouches for its keys.
    Vouched(Arc<Vec<Voucher>>),
    /// It is not signed, or nobody can tell (RFC 4035 §5.2).
    Insecure,
    /// No zone begins at that name.
    NotACut,
    /// The chain is broken; nothing below can be validated.
    Broken(Verdict),
}

/// How far data of a zone can be trusted.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// By signatures of these keys.
    Secure(Rc<KeySet>),
    Insecure,
    /// There is no such zone.
    NotACut,
    Broken(Verdict),
}

/// Something has to be asked first; the hook yields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pending;

/// What is known about one zone.
#[derive(Clone, Debug)]
struct Link {
    zone: Name,
    delegation: Option<Delegation>,
    keys: Option<Rc<KeySet>>,
}

/// What a request has found out about the trust of zones, and what it may still spend on that.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Few: a zone or two for each label. Bounded by the number of queries.
    links: Vec<Link>,
    /// Signatures and hashes that may still be computed for this request.
    pub budget: Budget,
    /// Is everything secure that went into the response so far? `None`: nothing did.
    pub secure: Option<bool>,
    /// Bogus replies so far.
    pub bogus_replies: u8,
}

impl Default for Chain {
    fn default() -> Chain {
        Chain {
            links: Vec::new(),
            budget: Budget {
                operations: REQUEST_CRYPTO_OPERATIONS_MAX,
                work: REQUEST_CRYPTO_WORK_MAX,
                failures: REQUEST_CRYPTO_FAILURES_MAX,
                failed_work: REQUEST_CRYPTO_FAILED_WORK_MAX,
                hash_blocks: REQUEST_HASH_BLOCKS_MAX,
            },
            secure: None,
            bogus_replies: 0,
        }
    }
}

impl Chain {
    /// What is known about the delegation of a zone.
    pub fn delegation(&self, zone: &Name) -> Option<&Delegation> {
        self.links.iter().find(|link| link.zone == *zone)?.delegation.as_ref()
    }

    /// The keys of a zone, if they were validated for this request.
    pub fn keys(&self, zone: &Name) -> Option<&Rc<KeySet>> {
        self.links.iter().find(|link| link.zone == *zone)?.keys.as_ref()
    }

    pub(super) fn set_delegation(&mut self, zone: &Name, delegation: Delegation) {
        self.link(zone).delegation = Some(delegation);
    }

    pub(super) fn set_keys(&mut self, zone: &Name, keys: Rc<KeySet>) {
        self.link(zone).keys = Some(keys);
    }

    fn link(&mut self, zone: &Name) -> &mut Link {
        let at = match self.links.iter().position(|link| link.zone == *zone) {
            Some(at) => at,
            None => {
                self.links.push(Link { zone: zone.clone(), delegation: None, keys: None });
                self.links.len() - 1
            }
        };
        &mut self.links[at]
    }
}

/// What is known about the delegation of a zone; asks for what is missing.
pub(super) fn delegation(ctx: &mut QueryContext<'_>, zone: &Name) -> Result<Delegation, Pending> {
    let anchors = ctx.core.settings.trust_anchors.clone();
    let Some(anchor) = anchors.closest(zone) else { return Ok(Delegation::Insecure) };
    if let Some(known) = remembered(ctx, anchor, zone) {
        return Ok(known);
    }
    if has_no_stored_ds(ctx, zone) && is_below_insecure(ctx, anchor, zone) {
        ctx.request.chain.set_delegation(zone, Delegation::Insecure);
        return Ok(Delegation::Insecure);
    }
    if let Some(stored) = stored(ctx, zone) {
        return Ok(stored);
    }
    for cut in cuts_between(ctx, anchor, zone) {
        match remembered(ctx, anchor, &cut).or_else(|| stored(ctx, &cut)) {
            Some(Delegation::Vouched(_) | Delegation::NotACut) => {}
            Some(Delegation::Insecure) => {
                ctx.request.chain.set_delegation(zone, Delegation::Insecure);
                return Ok(Delegation::Insecure);
            }
            Some(Delegation::Broken(verdict)) => return Ok(Delegation::Broken(verdict)),
            None => return ask(ctx, &cut, Rtype::DS).map(Delegation::Broken),
        }
    }
    ask(ctx, zone, Rtype::DS).map(Delegation::Broken)
}

/// How far data of a zone can be trusted; asks for what is missing.
pub(super) fn trust(ctx: &mut QueryContext<'_>, zone: &Name) -> Result<Trust, Pending> {
    let vouchers = match delegation(ctx, zone)? {
        Delegation::Vouched(vouchers) => vouchers,
        Delegation::Insecure => return Ok(Trust::Insecure),
        Delegation::NotACut => return Ok(Trust::NotACut),
        Delegation::Broken(verdict) => return Ok(Trust::Broken(verdict)),
    };
    if !is_supported(ctx, &vouchers) {
        return Ok(Trust::Insecure);
    }
    if let Some(keys) = ctx.request.chain.keys(zone) {
        return Ok(Trust::Secure(keys.clone()));
    }
    if let Some(keys) = stored_keys(ctx, zone) {
        ctx.request.chain.set_keys(zone, keys.clone());
        return Ok(Trust::Secure(keys));
    }
    ask(ctx, zone, Rtype::DNSKEY).map(Trust::Broken)
}

/// Can any of the vouchers be used? If not the zone counts as unsigned, and the client is told why.
pub(super) fn is_supported(ctx: &mut QueryContext<'_>, vouchers: &[Voucher]) -> bool {
    let supported = vouchers.iter().any(Voucher::is_supported);
    if !supported {
        // RFC 8914 §4.3 is about digests alone; anything else is the algorithm's fault.
        let told = match vouchers.iter().any(Voucher::has_supported_digest) {
            true => Verdict::UnsupportedAlgorithms.told(),
            false => Verdict::UnsupportedDigests.told(),
        };
        ctx.request.response.add_extended_error(told.code, told.tag);
    }
    supported
}

/// What anchors, this request or the ones before it say about the delegation of a zone at or below
/// `anchor`, its closest one.
fn remembered(ctx: &mut QueryContext<'_>, anchor: &Name, zone: &Name) -> Option<Delegation> {
    // What could not be had a moment ago is not asked for again, be there an anchor or not.
    if let Some(broken @ Delegation::Broken(_)) = ctx.request.chain.delegation(zone) {
        return Some(broken.clone());
    }
    if anchor == zone
        && let Some(vouchers) = ctx.core.settings.trust_anchors.vouchers(zone)
    {
        // Who configures an anchor wants validation. As upstream, one that cannot be used is no
        // reason to go without; DS in a chain are another matter (RFC 4035 §5.2).
        if !vouchers.iter().any(Voucher::is_supported) {
            return Some(Delegation::Broken(Verdict::AnchorUnusable));
        }
        return Some(Delegation::Vouched(vouchers.clone()));
    }
    if let Some(known) = ctx.request.chain.delegation(zone) {
        return Some(known.clone());
    }
    let cut = ctx.query.cut.as_ref();
    if cut.is_some_and(|cut| cut.ds == StoredDs::Insecure && cut.name == *zone) {
        return Some(Delegation::Insecure);
    }
    let now = ctx.now.unix.seconds();
    let known = ctx.core.known_zones().delegation(now, zone)?;
    ctx.request.chain.set_delegation(zone, known.clone());
    Some(known)
}

/// Is it likely that the store says nothing about the DS of a zone?
fn has_no_stored_ds(ctx: &QueryContext<'_>, zone: &Name) -> bool {
    let cut = ctx.query.cut.as_ref();
    cut.is_some_and(|cut| cut.ds == StoredDs::Nothing && cut.name == *zone)
}

/// Is it remembered for each name from an anchor downwards what it is, down to one that is not signed?
/// Zones below that have no DS, and most unsigned zones are right below it.
fn is_below_insecure(ctx: &mut QueryContext<'_>, anchor: &Name, zone: &Name) -> bool {
    for depth in anchor.label_count() + 1..zone.label_count() {
        match remembered(ctx, anchor, &zone.suffix(depth)) {
            Some(Delegation::Vouched(_) | Delegation::NotACut) => {}
            Some(Delegation::Insecure) => return true,
            Some(Delegation::Broken(_)) | None => return false,
        }
    }
    false
}

/// What the store says about the delegation of a zone.
fn stored(ctx: &mut QueryContext<'_>, zone: &Name) -> Option<Delegation> {
    let now = ctx.now.unix.seconds();
    let hit = ctx.core.cache.peek(now, zone, Rtype::DS)?;
    let ttl = hit.ttl_left;
    let delegation = match hit.body {
        _ if hit.rank.is_insecure() => Delegation::Insecure,
        _ if !hit.rank.is_secure() => return None,
        Body::Records { rdatas, .. } => {
            Delegation::Vouched(Arc::new(rdatas.iter().map(|r| Voucher::Ds(r.to_vec())).collect()))
        }
        // The proof went with a referral.
        Body::NoData { proofs } if proofs.is_empty() => Delegation::Insecure,
        Body::NoData { proofs } => denied(ctx, zone, &proofs)?,
        Body::NxDomain { .. } => return None,
    };
    ctx.core.zones.note_delegation(now, zone, delegation.clone(), ttl);
    ctx.request.chain.set_delegation(zone, delegation.clone());
    Some(delegation)
}

/// What a validated proof says about a zone without DS.
fn denied(ctx: &mut QueryContext<'_>, zone: &Name, proofs: &[SignedSet]) -> Option<Delegation> {
    let parent = proofs
        .iter()
        .find(|signed| signed.set.rtype.is_denial())
        .and_then(|signed| RrsigView::new(signed.signatures.iter().next()?))
        .map(|rrsig| rrsig.signer())?;
    let sets: Vec<&Rrset> =
        proofs.iter().filter(|signed| signed.rank.is_secure()).map(|signed| &signed.set).collect();
    let share = ctx.request.chain.budget;
    let mut budget = share;
    let found = dns::dnssec::denial::prove_no_ds(&parent, &sets, zone, &mut budget);
    super::spend(ctx, share, budget);
    Some(match found.ok()? {
        NoDs::Unsigned | NoDs::OptOut => Delegation::Insecure,
        NoDs::NotACut | NoDs::NoName => Delegation::NotACut,
    })
}

/// The keys of a zone that the store has, validated before.
pub(super) fn stored_keys(ctx: &mut QueryContext<'_>, zone: &Name) -> Option<Rc<KeySet>> {
    let now = ctx.now.unix.seconds();
    if let Some(keys) = ctx.core.known_zones().keys(now, zone) {
        return Some(keys);
    }
    let hit = ctx.core.cache.peek(now, zone, Rtype::DNSKEY).filter(|hit| hit.rank.is_secure())?;
    let Body::Records { rdatas, .. } = hit.body else { return None };
    let set = Rrset { rdatas, ..Rrset::new(zone.clone(), Rtype::DNSKEY, Class::IN, 0) };
    let keys = Rc::new(KeySet::from_set(&set));
    ctx.core.zones.note_keys(now, zone, keys.clone(), hit.ttl_left);
    Some(keys)
}

/// The zone cuts that the store knows strictly between an anchor and a zone, the topmost first.
fn cuts_between(ctx: &mut QueryContext<'_>, anchor: &Name, zone: &Name) -> Vec<Name> {
    let Some(parent) = zone.parent() else { return Vec::new() };
    let now = ctx.now.unix.seconds();
    let mut cuts = Vec::new();
    ctx.core.cache.walk(now, &parent, 0, |at, hit| {
        if !at.is_below(anchor) {
            return false;
        }
        if hit.ns.is_some() {
            cuts.push(at.clone());
        }
        true
    });
    cuts.reverse();
    cuts
}

/// Pushes a child for a link of the chain. Returns a verdict instead if it cannot be asked for.
fn ask(ctx: &mut QueryContext<'_>, zone: &Name, rtype: Rtype) -> Result<Verdict, Pending> {
    if ctx.is_asked_already(zone, rtype) {
        trace!(ctx, Validate, "'{zone}' {rtype} is needed to validate itself");
        return Ok(missing(rtype));
    }
    let mut child = Query::new(zone.clone(), rtype, Class::IN, Purpose::Trust);
    let cut = ctx.query.cut.as_ref().filter(|cut| {
        // The servers that answered know the keys of the zones that they answered for, and those of
        // the parent know the DS. Other zones' servers are looked up.
        let apex = if rtype == Rtype::DS { zone.parent() } else { Some(zone.clone()) };
        apex.is_some_and(|apex| apex.is_at_or_below(&cut.name))
    });
    if let Some(cut) = cut {
        let mut cut = cut.clone();
        if rtype == Rtype::DNSKEY && !cut.is_forward() {
            (cut.name, cut.ds) = (zone.clone(), StoredDs::Unknown);
        }
        child.cut = Some(cut);
        child.flags |= QueryFlags::NO_MINIMIZE;
    }
    trace!(ctx, Validate, "need '{zone}' {rtype}");
    match ctx.push_child(child) {
        Ok(_) => Err(Pending),
        Err(_) => Ok(Verdict::BoundReached),
    }
}

fn missing(rtype: Rtype) -> Verdict {
    if rtype == Rtype::DNSKEY { Verdict::KeysMissing } else { Verdict::DelegationUnclear }
}

/// Takes in what children for links of the chain have brought.
pub(super) fn take_deliveries(ctx: &mut QueryContext<'_>) {
    let mut links = Vec::new();
    ctx.query.deliveries.retain(|delivery| {
        let is_link = delivery.purpose == Purpose::Trust;
        if is_link {
            links.push((delivery.name.clone(), delivery.rtype, delivery.outcome.is_some()));
        }
        !is_link
    });
    for (zone, rtype, resolved) in links {
        let chain = &mut ctx.request.chain;
        let is_known = match rtype {
            Rtype::DNSKEY => {
                chain.keys(&zone).is_some()
                    || matches!(chain.delegation(&zone), Some(Delegation::Insecure))
            }
            _ => chain.delegation(&zone).is_some(),
        };
        if is_known {
            continue;
        }
        let verdict = ctx.request.bogus.unwrap_or(missing(rtype));
        chain.set_delegation(&zone, Delegation::Broken(verdict));
        // Other requests need not find out again at once (RFC 9520 §3.2).
        let failures = &mut ctx.core.failures;
        if !resolved && !failures.is_failing(&zone, rtype, ctx.now.mono) {
            match ctx.request.bogus {
                Some(why) => failures.note_bogus(&zone, rtype, ctx.now.mono, why),
                None => failures.note(&zone, rtype, ctx.now.mono),
            }
        }
    }
}

/// Notes what the validated reply to a question for DS says.
pub(super) fn note_ds(ctx: &mut QueryContext<'_>, reply: &Reply, outcome: &Outcome) {
    let zone = ctx.query.name.clone();
    let delegation = match outcome {
        Outcome::Answer | Outcome::NoData | Outcome::NxDomain | Outcome::Alias { .. }
            if reply.rank.is_insecure() =>
        {
            Some(Delegation::Insecure)
        }
        Outcome::Answer => reply.find_answer(&zone, Rtype::DS).map(|signed| {
            let vouchers = signed.set.rdatas.iter().map(|rdata| Voucher::Ds(rdata.to_vec()));
            Delegation::Vouched(Arc::new(vouchers.collect()))
        }),
        Outcome::NoData => denied(ctx, &zone, &reply.authority),
        Outcome::NxDomain | Outcome::Alias { .. } => Some(Delegation::NotACut),
        _ => None,
    };
    if let Some(delegation) = delegation {
        ctx.request.chain.set_delegation(&zone, delegation);
    }
}
