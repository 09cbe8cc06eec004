//! The validator: is what a reply says secure, insecure or bogus (RFC 4033 §5, RFC 4035 §5)?
//!
//! It works in two passes over a fresh reply. The first finds for each set the zone whose keys must
//! have signed it and how far that zone is trusted; what is missing for that is asked for, one link
//! at a time, and the hook yields ([`chain`]). The second checks signatures ([`sets`]) and proofs of
//! absence ([`negative`], [`referral`]), from a budget. What comes from the store was validated
//! before.
//!
//! A bogus reply is treated like one of no use: another server may have better data. When nobody is
//! left the request fails, with an extended error that says why.

mod chain;
mod negative;
mod referral;
mod sets;

use dns::dnssec::Budget;
use dns::{Name, Rcode, Rtype};
use store::cache::Rank;

pub use chain::{Chain, Delegation};
use chain::{Pending, note_ds, take_deliveries};
pub(crate) use sets::claims_expansion;

use super::{Hooks, Layer, QueryContext, RequestContext, iterate};
use crate::extended_error::Verdict;
use crate::limits::{
    BOGUS_REPLIES_MAX, MESSAGE_CRYPTO_FAILED_WORK_MAX, MESSAGE_CRYPTO_FAILURES_MAX,
    MESSAGE_CRYPTO_OPERATIONS_MAX, MESSAGE_CRYPTO_WORK_MAX, MESSAGE_HASH_BLOCKS_MAX,
    TCP_PER_ADDRESS_MAX, UDP_PER_ADDRESS_MAX, USELESS_REPLIES_MAX,
};
use crate::query::{Outcome, Purpose};
use crate::reply::{Reply, Source};
use crate::state::State;
use crate::trace;

/// The name in the stack.
pub const NAME: &str = "validate";

/// What may be spent on one message.
const MESSAGE_BUDGET: Budget = Budget {
    operations: MESSAGE_CRYPTO_OPERATIONS_MAX,
    work: MESSAGE_CRYPTO_WORK_MAX,
    failures: MESSAGE_CRYPTO_FAILURES_MAX,
    failed_work: MESSAGE_CRYPTO_FAILED_WORK_MAX,
    hash_blocks: MESSAGE_HASH_BLOCKS_MAX,
};

/// The layer; what it knows is in the requests and in the store.
#[derive(Debug, Default)]
pub struct Validate;

/// Why a reply was not found good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stop {
    /// A link of the chain has to be asked for.
    Pending,
    /// The reply is bogus; another server may send a better one.
    Bogus(Verdict),
    /// The chain to the zone is broken, whatever its servers send.
    Broken(Verdict),
}

impl From<Pending> for Stop {
    fn from(_: Pending) -> Stop {
        Stop::Pending
    }
}

impl Layer for Validate {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::CONSUME | Hooks::ANSWER_FINALIZE
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if state == State::Fail || ctx.query.reply.is_none() {
            return state;
        }
        if let Some((rank, is_final)) = known(ctx) {
            note_good(ctx, rank, is_final);
            return state;
        }
        let Some(mut outcome) = ctx.query.outcome.take() else { return state };
        let Some(mut reply) = ctx.query.reply.take() else { return state };
        take_deliveries(ctx);
        let judged = judge(ctx, &mut reply, &mut outcome);
        let state = match judged {
            Ok(()) => {
                conclude(ctx, &reply, &outcome);
                ctx.query.outcome = Some(outcome);
                state
            }
            Err(Stop::Pending) => {
                ctx.query.outcome = Some(outcome);
                State::Yield
            }
            Err(Stop::Bogus(verdict)) => reject(ctx, &reply, verdict),
            Err(Stop::Broken(verdict)) => {
                trace!(ctx, Validate, "<= broken chain of trust: {verdict:?}");
                note_bogus(ctx, verdict);
                State::Fail
            }
        };
        ctx.query.reply = Some(reply);
        state
    }

    fn answer_finalize(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        let request = &mut *ctx.request;
        if let Some(secure) = request.chain.secure {
            let response = &request.response;
            let is_empty = response.answer.is_empty() && response.authority.is_empty();
            let is_answer =
                matches!(response.rcode, Rcode::NOERROR | Rcode::NXDOMAIN | Rcode::YXDOMAIN);
            request.response.authentic = secure && is_answer && !is_empty && !request.header.cd();
        }
        state
    }
}

/// Validates a reply. Sets the ranks of its sets and of itself, bounds their TTLs, and leaves of
/// the authority section what proves something.
fn judge(ctx: &mut QueryContext<'_>, reply: &mut Reply, outcome: &mut Outcome) -> Result<(), Stop> {
    if !reply.is_fresh() {
        return Ok(());
    }
    let settings = ctx.core.settings.clone();
    if settings.trust_anchors.is_empty() || iterate::is_stub(ctx) {
        sets::drop_needless_proofs(reply, outcome);
        return Ok(());
    }
    let Some(cut) = ctx.query.cut.as_ref().map(|cut| cut.name.clone()) else { return Ok(()) };
    if ctx.request.checking_disabled() {
        sets::drop_needless_proofs(reply, outcome);
        return Ok(());
    }
    if ctx.query.purpose == Purpose::Trust
        && let Some(target) = target(reply, &ctx.query.name)
    {
        *outcome = Outcome::Alias { target };
        keep_alias(reply, &ctx.query.name);
    }
    match outcome {
        Outcome::Unminimised => Ok(()),
        Outcome::Referral { cut: child } => {
            let child = child.name.clone();
            referral::validate(ctx, reply, &cut, &child)
        }
        Outcome::Failed(rcode) if *rcode != Rcode::YXDOMAIN => Ok(()),
        Outcome::Answer | Outcome::Alias { .. } | Outcome::Failed(_) => {
            validate_positive(ctx, reply, outcome, &cut)
        }
        Outcome::NoData | Outcome::NxDomain => validate_negative(ctx, reply, outcome, &cut),
    }
}

/// Where the alias at a name leads, if a reply says that there is one.
fn target(reply: &Reply, name: &Name) -> Option<Name> {
    let alias = reply.find_answer(name, Rtype::CNAME)?;
    Name::from_wire(alias.set.rdatas.iter().next()?).ok()
}

/// Leaves nothing of a reply to a question for a link of a chain of trust but the alias in its place: a
/// name with an alias is no zone cut, and that is all that was asked. The rest is about other names,
/// and perhaps other zones.
fn keep_alias(reply: &mut Reply, name: &Name) {
    reply.answer.retain(|signed| match signed.set.rtype {
        Rtype::CNAME => signed.set.owner == *name,
        Rtype::DNAME => name.is_below(&signed.set.owner),
        _ => false,
    });
    reply.authority.retain(|signed| signed.set.rtype.is_denial());
}

fn validate_positive(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    outcome: &Outcome,
    cut: &Name,
) -> Result<(), Stop> {
    sets::drop_needless_proofs(reply, outcome);
    let bases = sets::bases(ctx, cut, &reply.answer)?;
    let mut budget = MESSAGE_BUDGET.min(ctx.request.chain.budget);
    let share = budget;
    let validated = sets::verify_all(ctx, &mut reply.answer, &bases, &mut budget)
        .and_then(|expansions| negative::expansions(ctx, reply, &expansions, &mut budget));
    spend(ctx, share, budget);
    validated?;
    reply.rank = sets::least_rank(&reply.answer);
    if reply.contradictory && reply.rank.is_secure() {
        // The DNAME is good, the CNAME that came with it is not.
        return Err(Stop::Bogus(Verdict::Signature));
    }
    Ok(())
}

fn validate_negative(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    outcome: &Outcome,
    cut: &Name,
) -> Result<(), Stop> {
    let bases = sets::bases(ctx, cut, &reply.answer)?;
    let denial = negative::bases(ctx, reply, cut)?;
    let mut budget = MESSAGE_BUDGET.min(ctx.request.chain.budget);
    let share = budget;
    let validated = sets::verify_all(ctx, &mut reply.answer, &bases, &mut budget)
        .and_then(|expansions| negative::expansions(ctx, reply, &expansions, &mut budget))
        .and_then(|()| negative::validate(ctx, reply, outcome, &denial, &mut budget));
    spend(ctx, share, budget);
    reply.rank = sets::lesser(validated?, sets::least_rank(&reply.answer));
    Ok(())
}

/// Takes what a message has cost from what its request may spend.
fn spend(ctx: &mut QueryContext<'_>, share: Budget, left: Budget) {
    let counters = &mut ctx.core.counters;
    counters.crypto_operations += u64::from(share.operations - left.operations);
    counters.crypto_work += u64::from(share.work - left.work);
    counters.hash_blocks += u64::from(share.hash_blocks - left.hash_blocks);
    let chain = &mut ctx.request.chain;
    chain.budget = chain.budget.after(share, left);
}

/// The reply is good: notes what it says about zones and about the response.
fn conclude(ctx: &mut QueryContext<'_>, reply: &Reply, outcome: &Outcome) {
    if reply.is_fresh() && reply.rank.is_secure() {
        trace!(ctx, Validate, "<= answer valid, OK");
    }
    if is_final(outcome) && ctx.query.rtype == Rtype::DS {
        note_ds(ctx, reply, outcome);
    }
    note_good(ctx, reply.rank, is_final(outcome));
}

/// If the reply was validated before, and says nothing about a delegation: its rank, and whether it
/// ends the query.
fn known(ctx: &QueryContext<'_>) -> Option<(Rank, bool)> {
    let query = &*ctx.query;
    let (reply, outcome) = (query.reply.as_ref()?, query.outcome.as_ref()?);
    let is_known = !reply.is_fresh() && query.rtype != Rtype::DS && query.deliveries.is_empty();
    is_known.then(|| (reply.rank, is_final(outcome)))
}

/// Does a reply end its query, or lead it to another name?
fn is_final(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Referral { .. } | Outcome::Unminimised)
}

/// Notes that a reply of some rank is good.
fn note_good(ctx: &mut QueryContext<'_>, rank: Rank, is_final: bool) {
    if ctx.query.parent.is_some() {
        return;
    }
    // What a child was told about another name does not mend what its parent was told.
    ctx.request.bogus = None;
    if is_final && ctx.query.is_for_client() {
        let chain = &mut ctx.request.chain;
        chain.secure = Some(chain.secure.unwrap_or(true) && rank.is_secure());
    }
}

/// The reply is bogus. Another server of the zone may have better data, so the round goes on
/// without this one, a bounded number of times.
fn reject(ctx: &mut QueryContext<'_>, reply: &Reply, verdict: Verdict) -> State {
    trace!(ctx, Validate, "<= bogus: {verdict:?}");
    ctx.core.counters.bogus_replies += 1;
    note_bogus(ctx, verdict);
    ctx.request.chain.bogus_replies += 1;
    keep_good_parts(ctx, reply);
    let (Source::Upstream { address, .. }, Some(round)) = (&reply.source, &mut ctx.query.round)
    else {
        return State::Fail;
    };
    if ctx.request.chain.bogus_replies > BOGUS_REPLIES_MAX {
        return State::Fail;
    }
    let tried = round.tried_mut(*address);
    (tried.udp, tried.tcp) = (UDP_PER_ADDRESS_MAX, TCP_PER_ADDRESS_MAX);
    tried.useless += 1;
    round.useless += 1;
    round.exhausted |= round.useless >= USELESS_REPLIES_MAX;
    State::Produce
}

fn note_bogus(ctx: &mut QueryContext<'_>, verdict: Verdict) {
    ctx.request.bogus = Some(verdict);
    ctx.request.bogus_query = Some((ctx.query.name.clone(), ctx.query.rtype));
}

/// Sets whose own signatures are good may be used again, whatever else was wrong with the reply.
fn keep_good_parts(ctx: &mut QueryContext<'_>, reply: &Reply) {
    let now = ctx.now.unix.seconds();
    for signed in &reply.answer {
        let is_derived = signed.signatures.is_empty();
        if signed.rank.is_secure() && !is_derived && !claims_expansion(signed) {
            let (cache, set) = (&mut ctx.core.cache, &signed.set);
            if cache.stash(now, set, &signed.signatures, signed.rank, &[]).is_err() {
                ctx.core.counters.store_errors += 1;
            }
        }
    }
}
