//! Keeping what a fresh reply taught.

use dns::rdata::view::{RrsigView, SoaView};
use dns::{Name, Rcode, Rtype};
use store::cache::Rank;
use store::cache::entry::SignedSet;

use super::super::{QueryContext, validate};
use super::peek::is_synthesizable;
use crate::flags::QueryFlags;
use crate::query::Outcome;
use crate::reply::Reply;

/// Keeps what a fresh reply taught.
pub(super) fn stash(ctx: &mut QueryContext<'_>, reply: &Reply, outcome: &Outcome) {
    let Some(ask) = ctx.query.round.as_ref().map(|round| round.ask.clone()) else { return };
    match outcome {
        Outcome::Referral { cut } => {
            for signed in reply.authority.iter().filter(|s| s.set.owner == cut.name) {
                let is_good_ds = signed.set.rtype == Rtype::DS && signed.rank.is_secure();
                if signed.set.rtype == Rtype::NS || is_good_ds {
                    put(ctx, signed, &[]);
                }
            }
            put_links(ctx, reply, None);
            put_no_ds(ctx, reply, &cut.name);
            for signed in &reply.additional {
                put(ctx, signed, &[]);
            }
        }
        // That a name becomes too long follows from the DNAME, as an alias does (RFC 6672 §2.2).
        Outcome::Answer | Outcome::Alias { .. } | Outcome::Failed(Rcode::YXDOMAIN) => {
            put_answer(ctx, reply);
            put_links(ctx, reply, None);
        }
        Outcome::NoData | Outcome::NxDomain => {
            put_answer(ctx, reply);
            let name = end_of_chain(reply, ask.name);
            if !put_denial(ctx, reply, &name, ask.rtype) {
                put_absence(ctx, reply, outcome, name, ask.rtype);
            }
        }
        Outcome::Unminimised | Outcome::Failed(_) => {}
    }
}

fn put_answer(ctx: &mut QueryContext<'_>, reply: &Reply) {
    let mut below_dname = false;
    for signed in &reply.answer {
        // The CNAME that a DNAME implies is derived again when it is needed.
        if !(below_dname && signed.set.rtype == Rtype::CNAME) {
            // RFC 4035 §3.1.3.3.
            let proofs: Vec<SignedSet> = if validate::claims_expansion(signed) {
                reply.authority.iter().filter(|s| s.set.rtype.is_denial()).cloned().collect()
            } else {
                Vec::new()
            };
            put(ctx, signed, &proofs);
            put_wildcard(ctx, signed);
        }
        below_dname = signed.set.rtype == Rtype::DNAME;
    }
}

fn put(ctx: &mut QueryContext<'_>, signed: &SignedSet, proofs: &[SignedSet]) {
    let now = ctx.now.unix.seconds();
    let put = ctx.core.cache.stash(now, &signed.set, &signed.signatures, signed.rank, proofs);
    if put.is_err() {
        ctx.core.counters.store_errors += 1;
    }
}

/// Keeps what a referral has proven, that a zone has no DS. A validated proof has done its work, and
/// a large zone has millions of unsigned children: it is kept in the parent's chain if at all, and
/// who asks for DS with proofs gets them from the parent.
fn put_no_ds(ctx: &mut QueryContext<'_>, reply: &Reply, zone: &Name) {
    let has_ds = reply.find_authority(zone, Rtype::DS).is_some();
    if has_ds || !reply.rank.is_auth() {
        return;
    }
    let proofs: Vec<SignedSet> = reply
        .authority
        .iter()
        .filter(|signed| signed.set.rtype.is_denial() && signed.rank.is_secure())
        .cloned()
        .collect();
    let Some(ttl) = proofs.iter().map(|signed| signed.set.ttl).min() else { return };
    let (now, secure) = (ctx.now.unix.seconds(), reply.rank.is_secure());
    let proofs = if secure { &[] } else { &proofs[..] };
    let put = ctx.core.cache.stash_no_data(now, zone, Rtype::DS, ttl, reply.rank, proofs);
    if put.is_err() {
        ctx.core.counters.store_errors += 1;
    }
}

/// Keeps the wildcard that a validated set was made from, for other names (RFC 8198 §5.3).
fn put_wildcard(ctx: &mut QueryContext<'_>, signed: &SignedSet) {
    if !signed.rank.is_secure() || !validate::claims_expansion(signed) {
        return;
    }
    let labels = |rdata| RrsigView::new(rdata).map(|rrsig| rrsig.labels());
    let mut signatures = signed.signatures.iter();
    let Some(count) = signatures.next().and_then(labels) else { return };
    // Where signatures say different things nobody remembers which of them was checked.
    if signatures.any(|rdata| labels(rdata) != Some(count)) {
        return;
    }
    let encloser = signed.set.owner.suffix(usize::from(count));
    let Some(owner) = encloser.wildcard_child() else { return };
    let mut wildcard = signed.clone();
    wildcard.set.owner = owner;
    put(ctx, &wildcard, &[]);
}

/// Keeps the validated records of NSEC and NSEC3 chains in a reply, for no longer than the SOA
/// allows where there is one. Returns whether all of them are kept.
fn put_links(ctx: &mut QueryContext<'_>, reply: &Reply, soa_ttl: Option<u32>) -> bool {
    let now = ctx.now.unix.seconds();
    let mut all_kept = true;
    for signed in reply.authority.iter().filter(|signed| signed.set.rtype.is_denial()) {
        let rrsig = signed.signatures.iter().next().and_then(RrsigView::new);
        let Some(zone) = rrsig.filter(|_| signed.rank.is_secure()).map(|rrsig| rrsig.signer())
        else {
            all_kept = false;
            continue;
        };
        let kept = ctx.core.cache.stash_link(now, &zone, signed, soa_ttl.unwrap_or(u32::MAX));
        ctx.core.counters.store_errors += u64::from(kept.is_err());
        all_kept &= kept.unwrap_or(false);
    }
    all_kept
}

/// Keeps a validated denial in the form of its SOA and proofs, which say the same about other names
/// (RFC 8198). Returns whether the question can be answered from them.
fn put_denial(ctx: &mut QueryContext<'_>, reply: &Reply, name: &Name, rtype: Rtype) -> bool {
    let soa = reply
        .authority
        .iter()
        .find(|signed| signed.set.rtype == Rtype::SOA && signed.rank.is_secure());
    let Some(soa) = soa.filter(|_| reply.rank.is_secure()) else {
        put_links(ctx, reply, None);
        return false;
    };
    let view = soa.set.rdatas.iter().next().and_then(SoaView::new);
    let ttl = view.map_or(0, |view| soa.set.ttl.min(view.minimum()));
    let all_kept = put_links(ctx, reply, Some(ttl));
    let now = ctx.now.unix.seconds();
    let known = ctx.core.cache.peek(now, &soa.set.owner, Rtype::SOA);
    // Every denial has the SOA; writing it each time would be most of the work.
    let is_known =
        known.is_some_and(|hit| hit.rank.is_secure() && hit.ttl_left * 2 > i64::from(soa.set.ttl));
    if !is_known {
        put(ctx, soa, &[]);
    }
    all_kept && is_synthesizable(ctx, name, rtype)
}

fn put_absence(
    ctx: &mut QueryContext<'_>,
    reply: &Reply,
    outcome: &Outcome,
    name: Name,
    rtype: Rtype,
) {
    // RFC 2308 §5. Without a SOA nothing says how long; the least time that data is kept must do.
    let soa = reply.authority.iter().find(|signed| signed.set.rtype == Rtype::SOA);
    let minimum = soa.and_then(|soa| soa.set.rdatas.iter().next().and_then(SoaView::new));
    let ttl = soa.zip(minimum).map_or(0, |(soa, view)| soa.set.ttl.min(view.minimum()));
    // Where the reply as a whole is not secure because of the aliases before the denial, the name at
    // their end may still be: who asks for it gets that from its zone.
    let is_secure = soa.is_some_and(|soa| soa.rank.is_secure());
    if !reply.answer.is_empty() && is_secure && reply.rank.is_insecure() {
        return;
    }
    let rank = match reply.rank {
        Rank::OMIT => soa.map_or(first_rank(ctx), |soa| soa.rank),
        validated => validated,
    };
    let (now, cache) = (ctx.now.unix.seconds(), &mut ctx.core.cache);
    let put = if *outcome == Outcome::NxDomain {
        cache.stash_nxdomain(now, &name, ttl, rank, &reply.authority)
    } else {
        cache.stash_no_data(now, &name, rtype, ttl, rank, &reply.authority)
    };
    if put.is_err() {
        ctx.core.counters.store_errors += 1;
    }
}

/// The rank of an authority's word before validation.
fn first_rank(ctx: &QueryContext<'_>) -> Rank {
    let wanted = ctx.query.flags.contains(QueryFlags::DNSSEC_WANT);
    if wanted { Rank::TRY.with_auth() } else { Rank::INSECURE.with_auth() }
}

/// The name at the end of the aliases of an answer section.
fn end_of_chain(reply: &Reply, name: Name) -> Name {
    reply.answer.iter().filter(|signed| signed.set.rtype == Rtype::CNAME).fold(
        name,
        |at, signed| {
            let target =
                signed.set.rdatas.iter().next().and_then(|rdata| Name::from_wire(rdata).ok());
            target.unwrap_or(at)
        },
    )
}
