//! Looking for an answer: at the name, at the aliases and absences above it, and at last in what the
//! zone's proofs of absence say.

use dns::{Name, NameKey, Rcode, Rdatas, Rrset, Rtype};
use store::cache::entry::{Body, SignedSet};
use store::cache::lent::{Apex, Lent, Reader};
use store::cache::{Hit, Rank};

use super::super::QueryContext;
use super::Standard;
use super::shared_proof::SharedProof;
use super::synthesis::{self, Question};
use crate::query::{KnownCut, Outcome};
use crate::reply::{Reply, Source};
use crate::zone_cut::StoredDs;

/// What the store says about the current query. If that is nothing, the zone cuts that were passed, up
/// to the first one that can be asked about the name, are noted down for whoever has to ask.
pub(super) fn peek(ctx: &mut QueryContext<'_>) -> Option<(Reply, Outcome)> {
    let found = look(ctx);
    if !ctx.core.cache.kv().is_intact() {
        // What was cut off while it was read is not what was vouched for.
        ctx.query.known_cuts = None;
        return None;
    }
    found
}

fn look(ctx: &mut QueryContext<'_>) -> Option<(Reply, Outcome)> {
    let standard = Standard::of(ctx);
    let with_proofs = sees_proofs(ctx);
    let (name, rtype) = (&ctx.query.name, ctx.query.rtype);
    let key = NameKey::of(name);
    let mut reader = ctx.core.cache.reader(ctx.now.unix.seconds());
    let (exact, may_have_more) = reader.find_or_more(&key, rtype);
    if let Some(lent) = exact
        && standard.admits(lent.rank())
        && let Some(hit) = lent.to_hit()
        && has_soa(&hit)
    {
        return Some(from_hit(hit, name, rtype));
    }
    let good = |lent: Option<Lent<'_>>| {
        lent.filter(|lent| lent.rank().is_auth() && standard.admits(lent.rank()))?.to_hit()
    };
    let mut cuts = Vec::new();
    let mut is_zone_known = false;
    // From the name to the root.
    for (wire, at) in name.suffixes().zip(key.ancestors()) {
        let is_start = wire.len() == name.len();
        if is_start && !may_have_more {
            continue;
        }
        let question = Question { name, zone: wire, key: &key, zone_key: at, rtype };
        if !(is_start || is_zone_known || with_proofs)
            && let Some(denied) =
                again(&mut ctx.core.shared_proof, &mut reader, &question, standard)
        {
            ctx.core.counters.synthesized += 1;
            return Some(denied);
        }
        let Some(apex) = reader.apex(at) else { continue };
        let alias_type = if is_start { Rtype::CNAME } else { Rtype::DNAME };
        // Beside an alias there are these (RFC 4034 §3, §4): who asks for them does not mean where it leads.
        let may_be_beside = matches!(rtype, Rtype::CNAME | Rtype::NSEC | Rtype::RRSIG);
        if !(is_start && may_be_beside)
            && let Some(hit) = good(apex.find(alias_type))
            && let Some(found) = alias(hit, wire, (name, rtype), alias_type)
        {
            return Some(found);
        }
        // RFC 8020 §2: what is below a name that does not exist does not exist either.
        if let Some(hit) = good(apex.nxdomain()) {
            return Some(from_hit(hit, name, rtype));
        }
        let ns = apex.find(Rtype::NS).and_then(|lent| lent.records());
        if !is_zone_known && is_zone(&apex, ns.is_some(), is_start, rtype) {
            is_zone_known = true;
            let shared = (!with_proofs).then_some(&mut ctx.core.shared_proof);
            if let Some(reply) = prove(&mut reader, &question, &apex, standard, shared) {
                ctx.core.counters.synthesized += 1;
                return Some(reply);
            }
        }
        if let Some(servers) = ns.and_then(|ns| ns.rdatas())
            && let Ok(name) = Name::from_wire(wire)
        {
            cuts.push(KnownCut { name, servers, ds: stored_ds(&apex) });
            // Whoever is asked here knows more than what is kept about the zones above.
            if !(is_start && rtype == Rtype::DS) {
                break;
            }
        }
    }
    ctx.query.known_cuts = Some(cuts);
    None
}

/// What the proofs of a zone say about a question: with them, or else what later denials need, too,
/// is kept.
fn prove<'r>(
    reader: &mut Reader<'r>,
    question: &Question<'_>,
    apex: &Apex<'r>,
    standard: Standard,
    shared: Option<&mut SharedProof>,
) -> Option<(Reply, Outcome)> {
    // What no anchor covers may be another zone of that name than the one that the proofs are of,
    // and stubs are asked for what the rest of the world does not see.
    if !standard.is_covered || standard.is_stub {
        return None;
    }
    let found = synthesis::find(reader, question, &apex.chains())?;
    let with_proofs = shared.is_none();
    if let Some(shared) = shared
        && let Some(known) = found.known(reader, question, standard)
    {
        shared.keep(known);
    }
    found.into_reply(question, with_proofs)
}

/// A denial by what the latest one in the zone has shown.
fn again(
    shared: &mut SharedProof,
    reader: &mut Reader<'_>,
    question: &Question<'_>,
    standard: Standard,
) -> Option<(Reply, Outcome)> {
    let denied = shared.deny(reader, question, standard);
    let in_full = |reader: &mut Reader<'_>| {
        let apex = reader.apex(question.zone_key)?;
        synthesis::find(reader, question, &apex.chains())?.into_reply(question, false)
    };
    debug_assert!(denied.is_none() || denied == in_full(reader), "{denied:?}");
    denied
}

/// Does anybody look at the proofs of a denial, and at signatures? The client only if it says so
/// (RFC 4035 §3.2.1).
fn sees_proofs(ctx: &QueryContext<'_>) -> bool {
    let is_clients = ctx.query.is_for_client() && ctx.query.parent.is_none();
    !is_clients || ctx.request.dnssec_ok()
}

/// Is a name on the way up from the name of a question the apex of the zone that the question is
/// about, as far as the store knows?
fn is_zone(apex: &Apex<'_>, has_ns: bool, is_start: bool, rtype: Rtype) -> bool {
    // DS belongs to the parent side of a cut (RFC 4035 §3.1.4.1).
    let is_childs = rtype == Rtype::DS && is_start;
    !is_childs && (has_ns || !apex.chains().is_empty())
}

/// Do the proofs that are kept say what a reply said about a question?
pub(super) fn is_synthesizable(ctx: &mut QueryContext<'_>, name: &Name, rtype: Rtype) -> bool {
    let key = NameKey::of(name);
    let mut reader = ctx.core.cache.reader(ctx.now.unix.seconds());
    for (wire, at) in name.suffixes().zip(key.ancestors()) {
        let Some(apex) = reader.apex(at) else { continue };
        let has_ns = apex.find(Rtype::NS).is_some_and(|lent| lent.records().is_some());
        if is_zone(&apex, has_ns, wire.len() == name.len(), rtype) {
            let question = Question { name, zone: wire, key: &key, zone_key: at, rtype };
            let found = synthesis::find(&mut reader, &question, &apex.chains());
            return found.is_some() && reader.is_intact();
        }
    }
    false
}

/// What the store says about the DS of a zone.
fn stored_ds(apex: &Apex<'_>) -> StoredDs {
    match apex.find(Rtype::DS) {
        None => StoredDs::Nothing,
        Some(lent) if lent.rank().is_insecure() => StoredDs::Insecure,
        // The proof went with a referral.
        Some(lent) if lent.rank().is_secure() && lent.is_bare_no_data() => StoredDs::Insecure,
        Some(_) => StoredDs::Unknown,
    }
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
            reply.answer = vec![signed_set(name, rtype, ttl, rdatas, signatures, hit.rank)];
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

/// A reply made of a CNAME at the name or a DNAME above it; the owner in wire form.
fn alias(
    hit: Hit,
    owner: &[u8],
    (name, wanted): (&Name, Rtype),
    rtype: Rtype,
) -> Option<(Reply, Outcome)> {
    let ttl = u32::try_from(hit.ttl_left.max(0)).unwrap_or(0);
    let Body::Records { rdatas, signatures, proofs } = hit.body else { return None };
    let owner = &Name::from_wire(owner).ok()?;
    let first = Name::from_wire(rdatas.iter().next()?).ok()?;
    let mut reply = Reply { rank: hit.rank, ..Reply::new(Source::Cache, Rcode::NOERROR) };
    let target = if rtype == Rtype::DNAME {
        match name.substitute(owner, &first) {
            Ok(target) => target,
            Err(_) => {
                reply.rcode = Rcode::YXDOMAIN;
                let signed = signed_set(owner, rtype, ttl, rdatas, signatures, hit.rank);
                reply.answer.push(signed);
                reply.authority.extend(proofs);
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
