//! What a hook wrote into the packet of `produce`: the reply to its query, if it says so.

use dns::Rcode;
use resolve::reply::{Reply, Source};
use resolve::{Outcome, Query, QueryContext, State};

/// The reply that a hook writes; an empty one is made when it begins to.
pub(crate) fn reply_of(query: &mut Query) -> &mut Reply {
    query.reply.get_or_insert_with(|| Reply::new(Source::Local, Rcode::NOERROR))
}

/// After a `produce` hook of a query that had no reply before. A reply counts if the hook returned
/// `kres.DONE` or `kres.CONSUME`; otherwise what was written is thrown away.
pub(crate) fn settle(ctx: &mut QueryContext<'_>, state: State) -> State {
    let Some(reply) = &ctx.query.reply else { return state };
    if !matches!(state, State::Done | State::Consume) {
        ctx.query.reply = None;
        return state;
    }
    if ctx.query.outcome.is_none() {
        ctx.query.outcome = Some(outcome(ctx.query, reply));
    }
    State::Consume
}

/// What the records mean: the end of the chain of aliases decides.
fn outcome(query: &Query, reply: &Reply) -> Outcome {
    let mut name = query.name.clone();
    // Each alias in the reply is followed once.
    for _ in 0..=reply.answer.len() {
        if reply.find_answer(&name, query.rtype).is_some() {
            return Outcome::Answer;
        }
        let target = reply.find_answer(&name, dns::Rtype::CNAME).and_then(|alias| {
            let rdata = alias.set.rdatas.iter().next()?;
            dns::Name::from_wire(rdata).ok()
        });
        match target {
            Some(target) => name = target,
            None => break,
        }
    }
    match reply.rcode {
        Rcode::NXDOMAIN => Outcome::NxDomain,
        Rcode::NOERROR if name != query.name => Outcome::Alias { target: name },
        Rcode::NOERROR => Outcome::NoData,
        rcode => Outcome::Failed(rcode),
    }
}
