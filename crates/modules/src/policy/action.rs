//! What each action does to a request.

use std::net::IpAddr;

use dns::{Class, ExtendedErrorCode, Name, Rcode, Rdatas, Rrset, Rtype};
use resolve::flags::QueryFlags;
use resolve::trace::TraceCondition;
use resolve::{ForwardKind, RequestContext, State};
use store::cache::Rank;
use store::cache::entry::SignedSet;

use super::evaluate::Helpers;
use super::rule::{Action, AnswerRecords, Network};
use super::{FunctionFault, dump};

/// TTL of denials and their explanations, in seconds.
const DENIAL_TTL: u32 = 10_800;
/// TTL of the SOA of an answer without data, in seconds: as short as that of a synthesised record
/// for which nothing else is said.
const NODATA_TTL: u32 = 1;

/// Applies an action. The state of the request from now on, or nothing if the next rule is to be
/// tried.
pub(super) fn apply(
    action: &Action,
    helpers: Helpers<'_>,
    ctx: &mut RequestContext<'_>,
    state: State,
) -> Option<State> {
    match action {
        Action::Pass => Some(decide(ctx, state)),
        Action::Deny { message, extended_error } => {
            Some(deny(ctx, message.as_deref(), *extended_error))
        }
        Action::Drop => {
            own_response(ctx, Rcode::SERVFAIL, false);
            say(ctx, ExtendedErrorCode::PROHIBITED, "PDRP");
            Some(State::Fail)
        }
        Action::Refuse => {
            own_response(ctx, Rcode::REFUSED, false);
            say(ctx, ExtendedErrorCode::PROHIBITED, "PRFS");
            Some(State::Done)
        }
        Action::NoAnswer => {
            ctx.request.response.silent = true;
            Some(State::Done)
        }
        Action::Truncate => {
            // Those who come over a stream get the answer, which is not one for datagrams.
            ctx.request.shareable = false;
            if !ctx.request.client.protocol.is_datagram() {
                return Some(decide(ctx, state));
            }
            own_response(ctx, Rcode::NOERROR, false);
            ctx.request.response.truncated = true;
            Some(State::Done)
        }
        Action::Answer { records, nodata } => answer(ctx, records, *nodata),
        Action::Redirect { target, ttl } => Some(redirect(ctx, target, *ttl, state)),
        Action::Forward(forward) => {
            let stub = forward.kind == ForwardKind::Stub;
            ctx.request.flags |= if stub { QueryFlags::STUB } else { QueryFlags::FORWARD };
            ctx.request.forward = Some(forward.clone());
            Some(decide(ctx, state))
        }
        Action::Function(function) => {
            ctx.request.shareable = false;
            // Who runs functions is known as soon as there can be any.
            let next = helpers.functions?.action(*function, ctx, state, helpers.list);
            match next {
                Ok(next) => {
                    ctx.request.ruled |= next.is_some();
                    next
                }
                Err(fault) => Some(fail(ctx, &fault)),
            }
        }
        chain => {
            apply_chain(chain, ctx);
            None
        }
    }
}

/// Applies an action after which the next rule is tried.
fn apply_chain(action: &Action, ctx: &mut RequestContext<'_>) {
    match action {
        Action::Flags { set, clear } => {
            ctx.request.flags |= *set;
            ctx.request.flags -= *clear;
        }
        Action::Reroute(map) => reroute(ctx, map),
        Action::Mirror(target) => {
            ctx.request.shareable = false;
            ctx.request.mirrors.push(*target);
        }
        Action::DebugAlways => {
            ctx.request.shareable = false;
            ctx.request.flags |= QueryFlags::TRACE;
            if let Some(held) = ctx.request.trace.held.take() {
                ctx.core.log.release(held);
            }
            trace_messages(ctx);
        }
        Action::DebugCacheMiss => trace_if(ctx, TraceCondition::CacheMiss),
        Action::DebugIf(function) => trace_if(ctx, TraceCondition::Function(function.0)),
        Action::QTrace => {
            ctx.request.shareable = false;
            ctx.request.trace.replies = true;
        }
        Action::ReqTrace => {
            ctx.request.shareable = false;
            trace_request(ctx);
        }
        Action::IpTrace => {
            ctx.request.shareable = false;
            dump::client(ctx);
        }
        Action::Pass
        | Action::Deny { .. }
        | Action::Drop
        | Action::Refuse
        | Action::NoAnswer
        | Action::Truncate
        | Action::Answer { .. }
        | Action::Redirect { .. }
        | Action::Forward(_)
        | Action::Function(_) => {}
    }
}

/// A function of the operator failed: this request fails, and the log says why.
pub(super) fn fail(ctx: &mut RequestContext<'_>, fault: &FunctionFault) -> State {
    ctx.write_trace(resolve::trace::Group::Policy, format_args!("{fault}"));
    own_response(ctx, Rcode::SERVFAIL, false);
    say(ctx, ExtendedErrorCode::OTHER, "PFNF: a function of a rule failed");
    State::Fail
}

/// The rule has the last word, also over the names that are answered locally.
fn decide(ctx: &mut RequestContext<'_>, state: State) -> State {
    ctx.request.ruled = true;
    state
}

/// Empties the response for one of our own.
fn own_response(ctx: &mut RequestContext<'_>, rcode: Rcode, authoritative: bool) {
    let response = &mut ctx.request.response;
    response.clear_records();
    response.rcode = rcode;
    response.authoritative = authoritative;
    response.authentic = false;
    ctx.request.ruled = true;
}

fn say(ctx: &mut RequestContext<'_>, code: ExtendedErrorCode, text: &str) {
    ctx.request.response.add_extended_error(code, text);
}

fn deny(
    ctx: &mut RequestContext<'_>,
    message: Option<&str>,
    extended_error: ExtendedErrorCode,
) -> State {
    own_response(ctx, Rcode::NXDOMAIN, true);
    let soa = soa(&ctx.request.question.name, DENIAL_TTL);
    let response = &mut ctx.request.response;
    response.authority.push(soa);
    if let Some(explanation) = message.and_then(explanation) {
        response.additional.push(explanation);
    }
    say(ctx, extended_error, "PDNY");
    State::Done
}

/// `explanation.invalid. TXT`; nothing if the text is too long for a string of TXT.
fn explanation(message: &str) -> Option<SignedSet> {
    let length = u8::try_from(message.len()).ok()?;
    let owner = Name::from_wire(b"\x0bexplanation\x07invalid\x00").ok()?;
    let mut text = vec![length];
    text.extend_from_slice(message.as_bytes());
    let mut rdatas = Rdatas::new();
    rdatas.push(&text);
    Some(own_set(owner, Rtype::TXT, DENIAL_TTL, rdatas))
}

fn answer(ctx: &mut RequestContext<'_>, records: &[AnswerRecords], nodata: bool) -> Option<State> {
    let question = ctx.request.question.clone();
    let found = records.iter().find(|records| records.rtype == question.rtype);
    if found.is_none() && !nodata {
        return None;
    }
    own_response(ctx, Rcode::NOERROR, true);
    let response = &mut ctx.request.response;
    match found {
        Some(AnswerRecords { rtype, ttl, rdatas }) => {
            response.answer.push(own_set(question.name, *rtype, *ttl, rdatas.clone()));
        }
        None => response.authority.push(soa(&question.name, NODATA_TTL)),
    }
    say(ctx, ExtendedErrorCode::FORGED_ANSWER, "PANS");
    Some(State::Done)
}

/// Answers with an alias; what it leads to is looked up, unless the alias itself was asked for.
fn redirect(ctx: &mut RequestContext<'_>, target: &Name, ttl: u32, state: State) -> State {
    let question = ctx.request.question.clone();
    let asked_for_alias = question.rtype == Rtype::CNAME;
    own_response(ctx, Rcode::NOERROR, asked_for_alias);
    let mut rdatas = Rdatas::new();
    rdatas.push(target.as_wire());
    let alias = own_set(question.name, Rtype::CNAME, ttl, rdatas);
    ctx.request.response.answer.push(alias);
    say(ctx, ExtendedErrorCode::FORGED_ANSWER, "PRDR");
    if asked_for_alias {
        return State::Done;
    }
    ctx.request.redirected = Some(target.clone());
    state
}

fn own_set(owner: Name, rtype: Rtype, ttl: u32, rdatas: Rdatas) -> SignedSet {
    let mut set = Rrset::new(owner, rtype, Class::IN, ttl);
    set.rdatas = rdatas;
    SignedSet { set, signatures: Rdatas::new(), rank: Rank::INSECURE.with_auth() }
}

/// A SOA that denies what is asked of `owner`: of the name itself, served by nobody.
fn soa(owner: &Name, ttl: u32) -> SignedSet {
    let mut rdata = owner.as_wire().to_ascii_lowercase();
    rdata.extend_from_slice(b"\x06nobody\x07invalid\x00");
    for number in [1u32, 3600, 1200, 604_800, DENIAL_TTL] {
        rdata.extend_from_slice(&number.to_be_bytes());
    }
    let mut rdatas = Rdatas::new();
    rdatas.push(&rdata);
    own_set(owner.clone(), Rtype::SOA, ttl, rdatas)
}

/// Rewrites addresses in the answer; what was signed is so no more.
fn reroute(ctx: &mut RequestContext<'_>, map: &[(Network, IpAddr)]) {
    let response = &mut ctx.request.response;
    let mut changed = false;
    for signed in &mut response.answer {
        let mut rewritten = Rdatas::new();
        let mut touched = false;
        for rdata in signed.set.rdatas.iter() {
            match rerouted(signed.set.rtype, rdata, map) {
                Some(IpAddr::V4(address)) => {
                    rewritten.push(&address.octets());
                    touched = true;
                }
                Some(IpAddr::V6(address)) => {
                    rewritten.push(&address.octets());
                    touched = true;
                }
                None => {
                    rewritten.push(rdata);
                }
            }
        }
        if touched {
            signed.set.rdatas = rewritten;
            signed.signatures = Rdatas::new();
            changed = true;
        }
    }
    if changed {
        response.authentic = false;
        say(ctx, ExtendedErrorCode::FORGED_ANSWER, "PRRT");
    }
}

fn rerouted(rtype: Rtype, rdata: &[u8], map: &[(Network, IpAddr)]) -> Option<IpAddr> {
    let address = match rtype {
        Rtype::A => IpAddr::from(<[u8; 4]>::try_from(rdata).ok()?),
        // An IPv4-mapped address in AAAA stays what it is.
        Rtype::AAAA => IpAddr::from(<[u8; 16]>::try_from(rdata).ok()?),
        _ => return None,
    };
    if address != address.to_canonical() {
        return None;
    }
    map.iter().find_map(|(network, target)| network.translate(address, *target))
}

/// Traces the request, but keeps the trace back until its end.
fn trace_if(ctx: &mut RequestContext<'_>, condition: TraceCondition) {
    ctx.request.shareable = false;
    let request = &mut *ctx.request;
    if request.flags.contains(QueryFlags::TRACE) && request.trace.held.is_none() {
        // It is traced in any case.
        return;
    }
    request.flags |= QueryFlags::TRACE;
    request.trace.held.get_or_insert_default();
    request.trace.conditions.push(condition);
    trace_messages(ctx);
}

/// Messages belong to a trace: the client's, those from upstream, the response.
fn trace_messages(ctx: &mut RequestContext<'_>) {
    ctx.request.trace.replies = true;
    trace_request(ctx);
}

fn trace_request(ctx: &mut RequestContext<'_>) {
    if !ctx.request.trace.response {
        ctx.request.trace.response = true;
        dump::request(ctx);
    }
}
