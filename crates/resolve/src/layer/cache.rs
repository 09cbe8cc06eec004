//! The cache as a layer: `produce` looks whether the answer is known, `consume` keeps what was
//! learnt. What may be believed was decided before; here it only matters that data that nobody
//! vouched for (glue, referrals) answers no client.

use dns::rdata::view::SoaView;
use dns::{Name, Rcode, Rdatas, Rrset, Rtype};
use store::cache::entry::{Body, SignedSet};
use store::cache::{Hit, Rank};

use super::{Hooks, Layer, QueryContext, validate};
use crate::extended_error::Verdict;
use crate::flags::QueryFlags;
use crate::limits::ALIASES_MAX;
use crate::query::{Outcome, Purpose};
use crate::reply::{Reply, Source};
use crate::state::State;
use crate::trace;

/// The name in the stack.
pub const NAME: &str = "cache";

/// The layer; the store itself is in [`crate::core::Core`].
#[derive(Debug, Default)]
pub struct CacheLayer;

impl Layer for CacheLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::PRODUCE | Hooks::CONSUME
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn produce(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if state != State::Produce || ctx.query.cache_tried {
            return state;
        }
        ctx.query.cache_tried = true;
        if ctx.query.flags.contains(QueryFlags::NO_CACHE) {
            return state;
        }
        if let Some((reply, outcome)) = peek(ctx) {
            trace!(ctx, Cache, "=> satisfied by cache: {}", reply.rcode);
            ctx.query.aliases += u8::from(matches!(outcome, Outcome::Alias { .. }));
            if ctx.query.aliases > ALIASES_MAX {
                ctx.request.bound.get_or_insert("too many aliases");
                return State::Fail;
            }
            ctx.query.reply = Some(reply);
            ctx.query.outcome = Some(outcome);
            return State::Consume;
        }
        let (failures, query) = (&ctx.core.failures, &*ctx.query);
        let failing = if ctx.request.checking_disabled() {
            failures.is_failing_unchecked(&query.name, query.rtype, ctx.now.mono)
        } else {
            failures.is_failing(&query.name, query.rtype, ctx.now.mono)
        };
        if failing {
            trace!(ctx, Cache, "=> failed a moment ago");
            ctx.core.counters.failures_cached += 1;
            let told = Verdict::FailedBefore.told();
            ctx.request.response.add_extended_error(told.code, told.tag);
            return State::Fail;
        }
        state
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if state == State::Fail {
            return state;
        }
        let (Some(reply), Some(outcome)) = (ctx.query.reply.take(), ctx.query.outcome.take())
        else {
            return state;
        };
        if reply.is_fresh() {
            stash(ctx, &reply, &outcome);
        }
        ctx.query.reply = Some(reply);
        ctx.query.outcome = Some(outcome);
        state
    }
}

/// Which ranks may answer a question. What nobody has validated serves those who validate
/// themselves, and names that no trust anchor covers.
#[derive(Clone, Copy)]
struct Standard {
    checking_disabled: bool,
    is_covered: bool,
    is_address: bool,
}

impl Standard {
    fn of(ctx: &QueryContext<'_>) -> Standard {
        let query = &*ctx.query;
        let anchors = &ctx.core.settings.trust_anchors;
        Standard {
            checking_disabled: query.flags.intersects(QueryFlags::DNSSEC_CD | QueryFlags::STUB),
            is_covered: anchors.closest_for(&query.name, query.rtype).is_some(),
            is_address: matches!(query.purpose, Purpose::Address { .. }),
        }
    }

    fn admits(self, rank: Rank) -> bool {
        if !rank.is_auth() {
            return self.is_address && !rank.is_bogus();
        }
        let is_validated = rank.is_secure() || rank.is_insecure();
        is_validated || self.checking_disabled || (!self.is_covered && !rank.is_bogus())
    }
}

fn peek(ctx: &mut QueryContext<'_>) -> Option<(Reply, Outcome)> {
    let now = ctx.now.unix.seconds();
    let (name, rtype) = (ctx.query.name.clone(), ctx.query.rtype);
    let standard = Standard::of(ctx);
    if let Some(hit) = ctx.core.cache.peek(now, &name, rtype)
        && standard.admits(hit.rank)
        && has_soa(&hit.body)
    {
        return Some(from_hit(hit, &name, rtype));
    }
    let mut found = None;
    let is_good = |hit: &Hit| hit.rank.is_auth() && standard.admits(hit.rank);
    ctx.core.cache.walk(now, &name, 0, |at, apex| {
        if at == &name {
            let cname = apex.cname.filter(|hit| rtype != Rtype::CNAME && is_good(hit));
            found = cname.and_then(|hit| alias(hit, at, (&name, rtype), Rtype::CNAME));
        } else {
            let dname = apex.dname.filter(is_good);
            found = dname.and_then(|hit| alias(hit, at, (&name, rtype), Rtype::DNAME));
        }
        if found.is_none() {
            // RFC 8020 §2: what is below a name that does not exist does not exist either.
            found = apex.nxdomain.filter(is_good).map(|hit| from_hit(hit, &name, rtype));
        }
        found.is_none()
    });
    found
}

/// Is it more than the proofs that came with a referral? Those answer nobody, the SOA is missing.
fn has_soa(body: &Body) -> bool {
    match body {
        Body::NoData { proofs } => {
            proofs.is_empty() || proofs.iter().any(|signed| signed.set.rtype == Rtype::SOA)
        }
        Body::Records { .. } | Body::NxDomain { .. } => true,
    }
}

/// A reply made of what the store says about a question.
fn from_hit(hit: Hit, name: &Name, rtype: Rtype) -> (Reply, Outcome) {
    let ttl = u32::try_from(hit.ttl_left.max(0)).unwrap_or(0);
    let mut reply = Reply { rank: hit.rank, ..Reply::new(Source::Cache, Rcode::NOERROR) };
    let aged = |mut signed: SignedSet| {
        signed.set.ttl = signed.set.ttl.min(ttl);
        signed
    };
    match hit.body {
        Body::Records { rdatas, signatures, proofs } => {
            reply.answer.push(signed_set(name, rtype, ttl, rdatas, signatures, hit.rank));
            reply.authority.extend(proofs.into_iter().map(aged));
            (reply, Outcome::Answer)
        }
        Body::NoData { proofs } => {
            reply.authority.extend(proofs.into_iter().map(aged));
            (reply, Outcome::NoData)
        }
        Body::NxDomain { proofs } => {
            reply.rcode = Rcode::NXDOMAIN;
            reply.authority.extend(proofs.into_iter().map(aged));
            (reply, Outcome::NxDomain)
        }
    }
}

/// A reply made of a CNAME at the name or a DNAME above it.
fn alias(
    hit: Hit,
    owner: &Name,
    (name, wanted): (&Name, Rtype),
    rtype: Rtype,
) -> Option<(Reply, Outcome)> {
    let ttl = u32::try_from(hit.ttl_left.max(0)).unwrap_or(0);
    let Body::Records { rdatas, signatures, proofs } = hit.body else { return None };
    let first = Name::from_wire(rdatas.iter().next()?).ok()?;
    let mut reply = Reply { rank: hit.rank, ..Reply::new(Source::Cache, Rcode::NOERROR) };
    let target = if rtype == Rtype::DNAME {
        match name.substitute(owner, &first) {
            Ok(target) => target,
            Err(_) => {
                reply.rcode = Rcode::YXDOMAIN;
                let signed = signed_set(owner, rtype, ttl, rdatas, signatures, hit.rank);
                reply.answer.push(signed);
                return Some((reply, Outcome::Failed(Rcode::YXDOMAIN)));
            }
        }?
    } else {
        first
    };
    reply.answer.push(signed_set(owner, rtype, ttl, rdatas, signatures, hit.rank));
    if rtype == Rtype::DNAME {
        let mut rdatas = Rdatas::new();
        rdatas.push(target.as_wire());
        let made = signed_set(name, Rtype::CNAME, ttl, rdatas, Rdatas::new(), hit.rank);
        reply.answer.push(made);
    }
    reply.authority.extend(proofs);
    // Who asks for a CNAME has it now.
    let outcome = if wanted == Rtype::CNAME { Outcome::Answer } else { Outcome::Alias { target } };
    Some((reply, outcome))
}

fn signed_set(
    owner: &Name,
    rtype: Rtype,
    ttl: u32,
    rdatas: Rdatas,
    signatures: Rdatas,
    rank: Rank,
) -> SignedSet {
    let set = Rrset { rdatas, ..Rrset::new(owner.clone(), rtype, dns::Class::IN, ttl) };
    SignedSet { set, signatures, rank }
}

/// Keeps what a fresh reply taught.
fn stash(ctx: &mut QueryContext<'_>, reply: &Reply, outcome: &Outcome) {
    let Some(ask) = ctx.query.round.as_ref().map(|round| round.ask.clone()) else { return };
    match outcome {
        Outcome::Referral { cut } => {
            for signed in reply.authority.iter().filter(|s| s.set.owner == cut.name) {
                let is_good_ds = signed.set.rtype == Rtype::DS && signed.rank.is_secure();
                if signed.set.rtype == Rtype::NS || is_good_ds {
                    put(ctx, signed, &[]);
                }
            }
            put_no_ds(ctx, reply, &cut.name);
            for signed in &reply.additional {
                put(ctx, signed, &[]);
            }
        }
        Outcome::Answer | Outcome::Alias { .. } => put_answer(ctx, reply),
        Outcome::NoData | Outcome::NxDomain => {
            put_answer(ctx, reply);
            put_absence(ctx, reply, outcome, end_of_chain(reply, ask.name), ask.rtype);
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

/// Keeps the validated proof of a referral that a zone has no DS.
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
    let now = ctx.now.unix.seconds();
    let put = ctx.core.cache.stash_no_data(now, zone, Rtype::DS, ttl, reply.rank, &proofs);
    if put.is_err() {
        ctx.core.counters.store_errors += 1;
    }
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
