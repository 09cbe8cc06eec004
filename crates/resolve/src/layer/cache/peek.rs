//! Looking for an answer: at the name, at the aliases and absences above it, and at last in what the
//! zone's proofs of absence say.

use dns::{Name, Rcode, Rdatas, Rrset, Rtype};
use store::cache::denial::Chains;
use store::cache::entry::{Body, SignedSet};
use store::cache::{ApexHit, Hit, Rank};

use super::super::{QueryContext, iterate};
use super::Standard;
use super::synthesis::{self, Question};
use crate::query::{KnownCut, Outcome};
use crate::reply::{Reply, Source};

/// What the store says about the current query. If that is nothing, the zone cuts that were passed
/// are noted down for whoever has to ask.
pub(super) fn peek(ctx: &mut QueryContext<'_>) -> Option<(Reply, Outcome)> {
    let now = ctx.now.unix.seconds();
    let (name, rtype) = (ctx.query.name.clone(), ctx.query.rtype);
    let standard = Standard::of(ctx);
    if let Some(hit) = ctx.core.cache.peek(now, &name, rtype)
        && standard.admits(hit.rank)
        && has_soa(&hit)
    {
        return Some(from_hit(hit, &name, rtype));
    }
    let mut found = None;
    let mut cuts = Vec::new();
    let mut zone = None;
    let is_good = |hit: &Hit| hit.rank.is_auth() && standard.admits(hit.rank);
    ctx.core.cache.walk(now, &name, 0, |at, mut apex| {
        note_zone(&mut zone, at, &mut apex, &name, rtype);
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
        if let Some(Body::Records { rdatas, .. }) = apex.ns.map(|hit| hit.body) {
            cuts.push(KnownCut { name: at.clone(), servers: rdatas });
        }
        found.is_none()
    });
    if found.is_some() {
        return found;
    }
    // What no anchor covers may be another zone of that name than the one that the proofs are of,
    // and stubs are asked for what the rest of the world does not see.
    if standard.is_covered
        && !iterate::is_stub(ctx)
        && let Some((zone, chains)) = zone
    {
        let question = Question { zone: &zone, name: &name, rtype };
        found = synthesis::synthesize(&mut ctx.core.cache, now, &question, &chains);
    }
    match found {
        Some(_) => ctx.core.counters.synthesized += 1,
        None => ctx.query.known_cuts = Some(cuts),
    }
    found
}

/// Notes the zone that a name is in as far as the store knows: the first apex on the way up.
fn note_zone(
    zone: &mut Option<(Name, Chains)>,
    at: &Name,
    apex: &mut ApexHit,
    name: &Name,
    rtype: Rtype,
) {
    // DS belongs to the parent side of a cut (RFC 4035 §3.1.4.1).
    let is_childs = rtype == Rtype::DS && at == name;
    if zone.is_none() && !is_childs && (apex.ns.is_some() || !apex.chains.is_empty()) {
        *zone = Some((at.clone(), std::mem::take(&mut apex.chains)));
    }
}

/// Do the proofs that are kept say what a reply said about a question?
pub(super) fn is_synthesizable(ctx: &mut QueryContext<'_>, name: &Name, rtype: Rtype) -> bool {
    let now = ctx.now.unix.seconds();
    let mut zone = None;
    ctx.core.cache.walk(now, name, 0, |at, mut apex| {
        note_zone(&mut zone, at, &mut apex, name, rtype);
        zone.is_none()
    });
    let Some((zone, chains)) = zone else { return false };
    let question = Question { zone: &zone, name, rtype };
    synthesis::synthesize(&mut ctx.core.cache, now, &question, &chains).is_some()
}

/// Is it more than what came with a referral? That answers nobody, the SOA is missing.
fn has_soa(hit: &Hit) -> bool {
    match &hit.body {
        Body::NoData { proofs } if proofs.is_empty() => !hit.rank.is_secure(),
        Body::NoData { proofs } => proofs.iter().any(|signed| signed.set.rtype == Rtype::SOA),
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

pub(super) fn signed_set(
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
