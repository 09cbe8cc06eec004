//! The driver: who is called when. It contains no DNS judgement; what replies mean is said by
//! layers, and what follows from that by [`crate::settle`].
//!
//! A request is worked on until it has to wait, in steps: `produce` for a query that was told
//! nothing, `consume` for one that was. Between steps it is one owned value in its slot.

use dns::Rcode;

use crate::core::Core;
use crate::extended_error::Verdict;
use crate::layer::iterate::{self, Plans};
use crate::layer::stack::LayerStack;
use crate::layer::{Hooks, QueryContext, RequestContext};
use crate::limits::STEPS_MAX;
use crate::query::{Purpose, Query};
use crate::request::Request;
use crate::settle::{Settled, give_up, settle};
use crate::state::State;
use crate::time::Now;
use crate::trace;

/// Where the work on a request has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// A message is planned for the current query: send it and wait.
    Send,
    /// Something was sent before and is waited for.
    Wait,
    /// The response is complete, or the request is to be dropped.
    Over,
}

/// Lets the layers look at a new request and puts its question on the plan.
pub(crate) fn begin(
    now: Now,
    core: &mut Core,
    layers: &mut LayerStack,
    request: &mut Request,
) -> Progress {
    let mut state = State::Produce;
    let ctx = &mut RequestContext { now, core, request };
    for (_, layer) in layers.with_hook(Hooks::BEGIN, 0) {
        state = layer.begin(ctx, state);
    }
    match state {
        State::Produce | State::Consume | State::Yield => {}
        State::Done => return Progress::Over,
        State::Fail => {
            if request.response.rcode == Rcode::NOERROR {
                request.response.rcode = Rcode::SERVFAIL;
            }
            return Progress::Over;
        }
    }
    let mut question = ctx.request.question.clone();
    if let Some(name) = ctx.request.redirected.take() {
        question.name = name;
    }
    trace!(ctx, Plan, "plan '{}' type '{}'", question.name, question.rtype);
    let (rtype, class) = (question.rtype, question.class);
    let mut query = Box::new(Query::new(question.name, rtype, class, Purpose::Client));
    query.flags = ctx.request.flags;
    // The first query always has room.
    let _pushed = ctx.request.plan.push(query);
    advance(now, core, layers, request)
}

/// Works on a request until it has to wait or is over.
pub(crate) fn advance(
    now: Now,
    core: &mut Core,
    layers: &mut LayerStack,
    request: &mut Request,
) -> Progress {
    loop {
        let Some(mut query) = request.plan.take() else { return Progress::Over };
        request.budget.steps += 1;
        if request.budget.steps > STEPS_MAX {
            request.bound.get_or_insert("too many steps");
            fail(core, request, Verdict::BoundReached);
            request.plan.resolved = Some(query);
            return Progress::Over;
        }
        let ctx = &mut QueryContext { now, core, request, query: &mut query };
        let step =
            if ctx.query.reply.is_some() { consume(ctx, layers) } else { produce(ctx, layers) };
        let settled = match step {
            Step::Again => Settled::Continues(query),
            Step::Send | Step::Wait => {
                request.plan.put_back(query);
                return if step == Step::Send { Progress::Send } else { Progress::Wait };
            }
            Step::Settle => settle(request, query),
            Step::GiveUp => {
                // A failure that a bound of this request caused says nothing to others.
                if query.parent.is_some() && request.bound.is_none() {
                    let failures = &mut core.failures;
                    let is_known = if request.checking_disabled() {
                        failures.is_failing_unchecked(&query.name, query.rtype, now.mono)
                    } else {
                        failures.is_failing(&query.name, query.rtype, now.mono)
                    };
                    // What failed because it is remembered to fail is no news.
                    match request.bogus {
                        _ if is_known => {}
                        Some(why) => {
                            failures.note_bogus(&query.name, query.rtype, now.mono, why);
                        }
                        None => failures.note(&query.name, query.rtype, now.mono),
                    }
                }
                give_up(request, query)
            }
        };
        match settled {
            Settled::Continues(query) => request.plan.put_back(query),
            Settled::Over => {}
            Settled::Failed(query) => {
                let verdict = if request.bound.is_some() {
                    Verdict::BoundReached
                } else {
                    request.bogus.unwrap_or(Verdict::NoReachableAuthority)
                };
                request.plan.resolved = Some(query);
                fail(core, request, verdict);
                return Progress::Over;
            }
        }
    }
}

/// Ends the resolution of a request without the answer.
pub(crate) fn fail(core: &mut Core, request: &mut Request, verdict: Verdict) {
    let told = verdict.told();
    request.plan.clear();
    request.response.clear_records();
    request.response.rcode = told.rcode;
    request.response.add_extended_error(told.code, told.tag);
    if verdict == Verdict::NoReachableAuthority && request.budget.undelivered > 0 {
        let told = Verdict::NetworkError.told();
        request.response.add_extended_error(told.code, told.tag);
    }
    if request.bound.is_some() {
        core.counters.bounds_reached += 1;
    }
}

/// The last hooks of a request.
pub(crate) fn finalize(now: Now, core: &mut Core, layers: &mut LayerStack, request: &mut Request) {
    let mut state =
        if request.response.rcode == Rcode::SERVFAIL { State::Fail } else { State::Done };
    let ctx = &mut RequestContext { now, core, request };
    for (_, layer) in layers.with_hook(Hooks::ANSWER_FINALIZE, 0) {
        state = layer.answer_finalize(ctx, state);
    }
}

/// Says goodbye to the request; its response has been sent.
pub(crate) fn finish(now: Now, core: &mut Core, layers: &mut LayerStack, request: &mut Request) {
    let mut state = State::Done;
    let ctx = &mut RequestContext { now, core, request };
    for (_, layer) in layers.with_hook(Hooks::FINISH, 0) {
        state = layer.finish(ctx, state);
    }
}

/// What one step came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Go on with whatever is on top of the plan.
    Again,
    Send,
    Wait,
    Settle,
    GiveUp,
}

fn produce(ctx: &mut QueryContext<'_>, layers: &mut LayerStack) -> Step {
    if !ctx.query.begun {
        ctx.query.begun = true;
        let mut state = State::Produce;
        for (_, layer) in layers.with_hook(Hooks::RESET, 0) {
            state = layer.reset(ctx, state);
        }
    }
    let mut state = State::Produce;
    for (_, layer) in layers.with_hook(Hooks::PRODUCE, 0) {
        state = layer.produce(ctx, state);
        if state == State::Fail || state == State::Yield {
            break;
        }
    }
    match state {
        State::Fail => return Step::GiveUp,
        State::Yield if ctx.request.plan.has_children() => return Step::Again,
        State::Yield => return Step::GiveUp,
        State::Produce | State::Consume | State::Done if ctx.query.reply.is_some() => {
            return Step::Again;
        }
        State::Done | State::Consume => return Step::Settle,
        State::Produce => {}
    }
    match iterate::plan_message(ctx) {
        Plans::Send => checkout(ctx, layers),
        Plans::Wait => Step::Wait,
        Plans::Children => Step::Again,
        Plans::Nothing if ctx.query.unreachable => Step::GiveUp,
        Plans::Nothing => {
            // Layers that help out when nobody can be reached get one more chance.
            ctx.query.unreachable = true;
            Step::Again
        }
    }
}

fn checkout(ctx: &mut QueryContext<'_>, layers: &mut LayerStack) -> Step {
    let mut state = State::Produce;
    for (_, layer) in layers.with_hook(Hooks::CHECKOUT, 0) {
        state = layer.checkout(ctx, state);
        if state == State::Fail {
            return Step::GiveUp;
        }
    }
    Step::Send
}

fn consume(ctx: &mut QueryContext<'_>, layers: &mut LayerStack) -> Step {
    let mut state = State::Consume;
    for (at, layer) in layers.with_hook(Hooks::CONSUME, ctx.query.resume) {
        state = layer.consume(ctx, state);
        match state {
            State::Yield => {
                ctx.query.resume = at;
                ctx.request.plan.abandon_round(ctx.query);
                break;
            }
            State::Fail => break,
            State::Consume | State::Produce | State::Done => {}
        }
    }
    match state {
        State::Yield if ctx.request.plan.has_children() => Step::Again,
        State::Fail | State::Yield => Step::GiveUp,
        State::Produce if ctx.query.outcome.is_none() => {
            // The reply was of no use; the round goes on.
            ctx.query.reply = None;
            ctx.query.resume = 0;
            Step::Again
        }
        State::Produce | State::Consume | State::Done => Step::Settle,
    }
}
