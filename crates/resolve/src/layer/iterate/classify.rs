//! What a reply means. One decision after another, each of which either settles the matter or
//! leaves it to the next; whatever nobody settles is a useless reply, and another server is asked.

use dns::{Rcode, Rtype};
use store::cache::Rank;

use super::super::QueryContext;
use super::alias::{self, End};
use super::{negative, referral, scrub};
use crate::action::Via;
use crate::flags::QueryFlags;
use crate::limits::{ALIASES_MAX, REFERRALS_MAX, USELESS_REPLIES_MAX};
use crate::query::{Ask, Outcome};
use crate::reply::{Reply, Source};
use crate::settings::GlueMode;
use crate::state::State;
use crate::trace;
use crate::zone_cut::ZoneCut;

/// Why a reply is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Useless {
    /// The server does not serve the zone.
    Lame,
    /// An RCODE that says nothing about the name.
    Rcode(Rcode),
    /// The data contradicts itself.
    Senseless,
    /// Something is missing, and there is no way to ask for more than a stream can carry.
    Truncated,
}

/// Judges the reply of the current query. Sets the outcome, or leaves it open for another server.
pub(super) fn classify(ctx: &mut QueryContext<'_>) -> State {
    let (Some(mut reply), Some(cut), Some(round)) =
        (ctx.query.reply.take(), ctx.query.cut.take(), ctx.query.round.take())
    else {
        return State::Fail;
    };
    let ask = round.ask.clone();
    ctx.query.round = Some(round);
    let judged = match judge(ctx, &mut reply, &cut, &ask) {
        // Servers that cannot cope with the short question may know the full one (RFC 9156 §2.3).
        Err(Useless::Lame) if ask.minimised => Ok(Outcome::Unminimised),
        judged => judged,
    };
    let state = match judged {
        Ok(outcome) => {
            trace!(ctx, Iterate, "<= {}", describe(&outcome, &reply));
            // The addresses that were looked up for this query have led somewhere.
            let budget = &mut ctx.request.budget;
            let lookups = std::mem::take(&mut ctx.query.lookups);
            budget.barren_lookups = budget.barren_lookups.saturating_sub(lookups);
            let state = match outcome {
                Outcome::Referral { .. } | Outcome::Unminimised => State::Produce,
                _ => State::Done,
            };
            ctx.query.outcome = Some(outcome);
            state
        }
        Err(useless) => {
            trace!(ctx, Iterate, "<= useless reply: {useless:?}");
            note_useless(ctx, &reply, useless)
        }
    };
    ctx.query.reply = Some(reply);
    ctx.query.cut = Some(cut);
    state
}

fn judge(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    cut: &ZoneCut,
    ask: &Ask,
) -> Result<Outcome, Useless> {
    match reply.rcode {
        Rcode::NOERROR | Rcode::NXDOMAIN => {}
        // RFC 6672 §2.2: a DNAME made the name too long.
        Rcode::YXDOMAIN if reply.answer.iter().any(|s| s.set.rtype == Rtype::DNAME) => {}
        rcode if ask.minimised => {
            let _shown_in_trace = rcode;
            return Ok(Outcome::Unminimised);
        }
        rcode => return Err(Useless::Rcode(rcode)),
    }
    // RFC 2181 §9: what a truncated reply has may be half a set. Over UDP it was asked for again over
    // TCP; over TCP there is no honest reason for it.
    if reply.truncated {
        return Err(Useless::Truncated);
    }
    // A server that points upwards does not serve the zone, whatever its AA bit says.
    let is_upward = !cut.is_forward() && negative::points_upwards(reply, &cut.name);
    scrub::scrub(reply, &cut.name, ask.class);
    let says_something = !reply.answer.is_empty();
    if let Some(outcome) = answer(ctx, reply, cut, ask)? {
        rank(ctx, reply, true);
        return Ok(outcome);
    }
    if !cut.is_forward()
        && reply.rcode == Rcode::NOERROR
        && let Some(outcome) = refer(ctx, reply, cut, ask)?
    {
        return Ok(outcome);
    }
    if is_upward {
        return Err(Useless::Lame);
    }
    let outcome = deny(ctx, reply, cut, ask, says_something)?;
    rank(ctx, reply, true);
    Ok(outcome)
}

/// Is there an answer, or an alias?
fn answer(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    cut: &ZoneCut,
    ask: &Ask,
) -> Result<Option<Outcome>, Useless> {
    if reply.answer.is_empty() {
        return Ok(None);
    }
    // The usual answer: the set that was asked for and nothing else.
    if let [signed] = &reply.answer[..]
        && !ask.minimised
        && signed.set.rtype == ask.rtype
        && signed.set.owner == ask.name
    {
        // Proofs that belong to an expansion of a wildcard (RFC 4035 §3.1.3.3).
        reply.authority.retain(|signed| signed.set.rtype.is_denial());
        reply.additional.clear();
        return Ok(Some(Outcome::Answer));
    }
    let strict = referral::glue_mode(ctx) == GlueMode::Strict;
    let chain = alias::unroll(&reply.answer, &ask.name, ask.rtype, &cut.name, strict);
    if chain.sets.is_empty() {
        // Records that nobody asked for.
        reply.answer.clear();
        return Ok(None);
    }
    if ask.minimised {
        return Ok(Some(Outcome::Unminimised));
    }
    let links = ctx.query.aliases.saturating_add(chain.links);
    reply.answer = chain.sets;
    reply.contradictory = chain.contradictory;
    ctx.query.aliases = links;
    if links > ALIASES_MAX || chain.end == End::TooManyLinks {
        ctx.request.bound.get_or_insert("too many aliases");
        return Ok(Some(Outcome::Failed(Rcode::SERVFAIL)));
    }
    let outcome = match chain.end {
        End::Records => Outcome::Answer,
        End::TooLong => Outcome::Failed(Rcode::YXDOMAIN),
        End::TooManyLinks => Outcome::Failed(Rcode::SERVFAIL),
        End::Name(target) => {
            let denied = !strict
                && target.is_at_or_below(&cut.name)
                && negative::has_soa(reply, &cut.name, &target)
                && !negative::is_by_child(reply, &target, ask.rtype);
            match reply.rcode {
                Rcode::NXDOMAIN if denied => Outcome::NxDomain,
                Rcode::NOERROR if denied => Outcome::NoData,
                _ => Outcome::Alias { target },
            }
        }
    };
    match outcome {
        Outcome::NxDomain | Outcome::NoData => negative::keep_proofs(reply),
        _ => {
            // Proofs that belong to an expansion of a wildcard (RFC 4035 §3.1.3.3).
            reply.authority.retain(|signed| signed.set.rtype.is_denial());
            reply.additional.clear();
        }
    }
    Ok(Some(outcome))
}

/// Is there a referral?
fn refer(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    cut: &ZoneCut,
    ask: &Ask,
) -> Result<Option<Outcome>, Useless> {
    let Some(ns) = referral::referring(reply, &cut.name, ask) else { return Ok(None) };
    let ns = ns.clone();
    if ctx.query.referrals >= REFERRALS_MAX {
        ctx.request.bound.get_or_insert("too many referrals");
        return Ok(Some(Outcome::Failed(Rcode::SERVFAIL)));
    }
    let zone = referral::zone(ctx, reply, &ns, &cut.name);
    let parent = cut.name.clone();
    reply.additional.retain(|signed| {
        matches!(signed.set.rtype, Rtype::A | Rtype::AAAA)
            && zone.name_servers().iter().any(|server| server.name == signed.set.owner)
            && referral::is_believed_glue(ctx, &signed.set.owner, &zone.name, &parent)
    });
    rank(ctx, reply, false);
    Ok(Some(Outcome::Referral { cut: Box::new(zone) }))
}

/// Is it a denial?
fn deny(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    cut: &ZoneCut,
    ask: &Ask,
    says_something: bool,
) -> Result<Outcome, Useless> {
    let has_soa = negative::has_soa(reply, &cut.name, &ask.name);
    if reply.rcode == Rcode::YXDOMAIN {
        return Err(Useless::Senseless);
    }
    // Records of another type than the one asked for deny the latter, as upstream sees it.
    // Permissive mode takes a denial from anybody, but silence is none.
    let is_credible = reply.authoritative
        || has_soa
        || says_something
        || (is_permissive(ctx) && reply.rcode == Rcode::NXDOMAIN);
    if !is_credible && !cut.is_forward() {
        return Err(Useless::Lame);
    }
    // As upstream: the first reply that is no referral ends minimisation. Some servers deny empty
    // non-terminals, so for clients not even a denial is final (RFC 8020 §1). The address of a
    // name server is not worth that second question: thousands of names below one that does not
    // exist are an attack (NXNSAttack).
    let is_final = reply.rcode == Rcode::NXDOMAIN && !ctx.query.is_for_client();
    if ask.minimised && !is_final {
        return Ok(Outcome::Unminimised);
    }
    negative::keep_proofs(reply);
    Ok(if reply.rcode == Rcode::NXDOMAIN { Outcome::NxDomain } else { Outcome::NoData })
}

fn is_permissive(ctx: &QueryContext<'_>) -> bool {
    referral::glue_mode(ctx) == GlueMode::Permissive
}

/// Gives the sets their first rank; the validator raises or lowers it.
fn rank(ctx: &QueryContext<'_>, reply: &mut Reply, is_authoritative: bool) {
    let wanted = ctx.query.flags.contains(QueryFlags::DNSSEC_WANT);
    let status = if wanted { Rank::TRY } else { Rank::INSECURE };
    let rank = if is_authoritative { status.with_auth() } else { status };
    for signed in reply.answer.iter_mut().chain(&mut reply.authority) {
        signed.rank = rank;
    }
    for signed in &mut reply.additional {
        signed.rank = Rank::OMIT;
    }
}

/// Notes that a server was of no use and decides what follows.
fn note_useless(ctx: &mut QueryContext<'_>, reply: &Reply, useless: Useless) -> State {
    let Some(round) = &mut ctx.query.round else { return State::Fail };
    if let Source::Upstream { address, via } = &reply.source {
        let tried = round.tried_mut(*address);
        tried.useless += 1;
        let is_edns_trouble =
            matches!(useless, Useless::Rcode(Rcode::FORMERR | Rcode::NOTIMP | Rcode::BADVERS));
        // RFC 6891 §7, but believed over streams only: a forged datagram must not switch EDNS off.
        tried.no_edns |= is_edns_trouble && *via != Via::Udp;
    }
    round.useless += 1;
    if round.useless >= USELESS_REPLIES_MAX {
        round.exhausted = true;
    }
    State::Produce
}

fn describe(outcome: &Outcome, reply: &Reply) -> String {
    match outcome {
        Outcome::Answer => format!("answer, rcode: {}", reply.rcode),
        Outcome::NoData => "no data".to_owned(),
        Outcome::NxDomain => "no such name".to_owned(),
        Outcome::Alias { target } => format!("alias to '{target}'"),
        Outcome::Referral { cut } => format!("referral to '{}'", cut.name),
        Outcome::Unminimised => "found cut, retrying with non-minimized name".to_owned(),
        Outcome::Failed(rcode) => format!("failed, rcode: {rcode}"),
    }
}
