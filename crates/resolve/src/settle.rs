//! What becomes of a query when all layers have seen its reply: the consequences of an outcome that
//! `iterate` decided on. Mechanical; nothing here judges.

use std::mem;

use dns::{Rcode, Rtype};
use store::cache::entry::SignedSet;

use crate::extended_error::Verdict;
use crate::plan::Plan;
use crate::query::{Delivery, Minimise, Outcome, Purpose, Query};
use crate::reply::{Reply, Source};
use crate::request::Request;

/// How the work goes on.
#[derive(Debug)]
pub(crate) enum Settled {
    /// The query goes on with what it has learnt.
    Continues(Box<Query>),
    /// The query is over; whoever waits for it has been told.
    Over,
    /// The query is over and its request cannot be answered.
    Failed(Box<Query>),
}

/// Draws the consequences of the query's outcome.
pub(crate) fn settle(request: &mut Request, mut query: Box<Query>) -> Settled {
    let reply = query.reply.take();
    query.resume = 0;
    request.plan.abandon_round(&mut query);
    let Some(outcome) = query.outcome.take() else { return Settled::Failed(query) };
    match outcome {
        Outcome::Referral { cut } => {
            query.cut = Some(*cut);
            query.referrals += 1;
            query.round = None;
            query.unreachable = false;
            Settled::Continues(query)
        }
        Outcome::Unminimised => {
            query.minimise.off = true;
            query.round = None;
            query.unreachable = false;
            Settled::Continues(query)
        }
        Outcome::Alias { target } => follow(request, query, reply, target),
        Outcome::Answer | Outcome::NoData | Outcome::NxDomain | Outcome::Failed(_) => {
            conclude(request, query, reply, outcome);
            Settled::Over
        }
    }
}

/// The query ends without a result; its parent, if there is one, goes on without it. Returns the
/// query back if nobody waits for it.
pub(crate) fn give_up(request: &mut Request, mut query: Box<Query>) -> Settled {
    request.plan.abandon_round(&mut query);
    // Others that wait for the same round are told; those of an earlier round of this request have
    // got what they waited for.
    let asked = query.round.as_ref().map(|round| &round.ask);
    if let (Some(key), Some(ask)) = (&request.following, asked) {
        request.gave_up |= key.name == ask.name && key.rtype == ask.rtype;
    }
    if query.parent.is_none() {
        return Settled::Failed(query);
    }
    deliver(&mut request.plan, query, None, Vec::new());
    Settled::Over
}

fn follow(
    request: &mut Request,
    mut query: Box<Query>,
    reply: Option<Reply>,
    target: dns::Name,
) -> Settled {
    if let Some(reply) = reply {
        request.cached &= !reply.is_fresh();
        request.synthesized |= reply.source == Source::Proofs;
        if query.is_for_client() && query.parent.is_none() {
            append(&mut request.response.answer, reply.answer);
            append(&mut request.response.authority, reply.authority);
        }
    }
    if matches!(query.purpose, Purpose::Address { .. } | Purpose::Trust) {
        // The name of a server is no alias (RFC 2181 §10.3), and a name with one is no zone.
        deliver(&mut request.plan, query, Some(Outcome::Alias { target }), Vec::new());
        return Settled::Over;
    }
    let next = Query {
        id: query.id,
        parent: query.parent,
        purpose: query.purpose.clone(),
        flags: query.flags,
        depth: query.depth,
        aliases: query.aliases,
        minimise: Minimise::default(),
        deliveries: mem::take(&mut query.deliveries),
        ..Query::new(target, query.rtype, query.class, Purpose::Client)
    };
    request.plan.resolved = Some(mem::replace(&mut query, Box::new(next)));
    Settled::Continues(query)
}

fn conclude(request: &mut Request, query: Box<Query>, reply: Option<Reply>, outcome: Outcome) {
    let Some(reply) = reply else { return };
    request.cached &= !reply.is_fresh();
    request.synthesized |= reply.source == Source::Proofs;
    if query.parent.is_some() || !query.is_for_client() {
        deliver(&mut request.plan, query, Some(outcome), reply.answer);
        return;
    }
    let mut reply = reply;
    if reply
        .authority
        .iter()
        .any(|signed| signed.set.rtype == Rtype::SOA && signed.rank.is_secure())
    {
        // Only what was checked may stand beside a validated denial, which the AD bit vouches for
        // as a whole (RFC 4035 §3.2.3).
        reply.authority.retain(|signed| signed.rank.is_secure() || signed.set.rtype.is_denial());
    }
    if matches!(outcome, Outcome::Failed(Rcode::SERVFAIL)) && request.bound.is_some() {
        let told = Verdict::BoundReached.told();
        request.response.add_extended_error(told.code, told.tag);
    }
    let response = &mut request.response;
    append(&mut response.answer, reply.answer);
    append(&mut response.authority, reply.authority);
    response.additional.extend(reply.additional);
    response.rcode = match outcome {
        Outcome::NxDomain => Rcode::NXDOMAIN,
        Outcome::Failed(rcode) => rcode,
        _ => response.rcode,
    };
    request.plan.resolved = Some(query);
}

fn deliver(plan: &mut Plan, query: Box<Query>, outcome: Option<Outcome>, answer: Vec<SignedSet>) {
    if let Some(parent) = query.parent.and_then(|id| plan.query_mut(id)) {
        parent.deliveries.push(Delivery {
            purpose: query.purpose.clone(),
            name: query.name.clone(),
            rtype: query.rtype,
            outcome,
            answer,
        });
    }
    plan.resolved = Some(query);
}

/// Adds sets that are not there yet: two links of a chain often have the same proofs, or the same
/// DNAME.
fn append(all: &mut Vec<SignedSet>, more: Vec<SignedSet>) {
    if all.is_empty() && more.len() <= 1 {
        *all = more;
        return;
    }
    for signed in more {
        let known = |old: &SignedSet| {
            old.set.rtype == signed.set.rtype && old.set.owner == signed.set.owner
        };
        if !all.iter().any(known) {
            all.push(signed);
        }
    }
}
