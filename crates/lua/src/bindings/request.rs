//! What the handles of requests and queries do: each function finds the request that its handle
//! names, if a hook of that request is running, and reads or changes it.
//!
//! Handles are made in `lua/request.lua`. A query is named by a key (`layer::query_key`): negative
//! stands for the question of a request that has no query yet, as in `begin`.

use std::net::{IpAddr, SocketAddr};

use dns::{Class, ExtendedErrorCode, Name, Rtype};
use mlua::{BString, MultiValue, Table, Value};
use resolve::flags::QueryFlags as Switches;
use resolve::{ClientProtocol, Purpose, Query, QueryContext, RequestContext};
use store::cache::Rank;

use super::settings::flag_of;
use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure};
use crate::flags::QueryFlag;
use crate::interpreter::call;
use crate::interpreter::lent::{self, View};
use crate::layer::{kept, query_key, state_number};

mod packet;
mod selected;

pub(super) const BINDINGS: &[Binding] = &[
    row("query", "req:current()", "a query of the request", query),
    row("keys", "req.rplan", "the queries of the request", keys),
    row("flag", "qry.flags.NAME", "a switch of a query or request", flag),
    row("set_flag", "qry.flags.NAME = true", "set a switch of a query or request", set_flag),
    row("cut", "qry.zone_cut", "the zone that is asked", cut),
    row("source", "req.qsource", "where the request came from", source),
    row("state", "req.state", "the state that the hook was given", state),
    row("rank", "req.rank", "how far the response is trusted", rank),
    row("all_cached", "req:all_from_cache()", "whether nothing was asked upstream", all_cached),
    row("number", "req.uid", "the number of a request", number),
    row("dead", "req", "requests that are over", dead),
    row("mark", "req:vars()", "have the end of the request noted", mark),
    row("push", "req:push(name, type, class, flags)", "resolve something first", push),
    row("set_error", "req:set_extended_error(code, text)", "RFC 8914", set_extended_error),
    row("has_edns", "req:ensure_edns()", "whether the client speaks EDNS", has_edns),
    row("apply", "policy.DENY(state, req)", "apply an action of policy", apply),
    row("selected", "req.answ_selected", "sets of a section", selected::list),
    row("unselect", "entry.to_wire = false", "take a set out of a section", selected::remove),
    row("packet_head", "pkt:rcode()", "id, flags and RCODE of a message", packet::head),
    row("packet_set", "pkt:rcode(code)", "change flags or RCODE of a message", packet::set_head),
    row("packet_question", "pkt:qname()", "the question of a message", packet::question),
    row("packet_section", "pkt:section(number)", "the records of a section", packet::section),
    row("packet_put", "pkt:put(...)", "add a record", packet::put),
    row("packet_clear", "pkt:clear_payload()", "empty a section", packet::clear),
    row("packet_wire", "pkt:towire()", "the octets of a message", packet::wire),
    row("packet_edns", "pkt:dobit()", "what the OPT record says", packet::edns),
];

const fn row(
    name: &'static str,
    usage: &'static str,
    doc: &'static str,
    call: fn(&Call<'_>, &Args) -> Answer,
) -> Binding {
    Binding { name, usage, doc, call }
}

/// Why a handle cannot be used.
const GONE: &str = "the request is over, or nothing of it is being worked on now: requests, \
                    queries and packets can be used in hooks and rules only, while they run";

fn number_of(args: &Args) -> Option<u32> {
    match args.value(0) {
        Value::LightUserData(handle) => call::number_of(handle),
        _ => None,
    }
}

/// `number(request)`: nothing for other light userdata.
fn number(call: &Call<'_>, args: &Args) -> Answer {
    call.ok(number_of(args))
}

/// Works on the request that the first argument is the handle of.
fn with<R>(
    args: &Args,
    use_it: impl FnOnce(&mut View<'_>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let number = number_of(args);
    lent::with(|mut view| match number == Some(view.request.id.number) {
        true => use_it(&mut view),
        false => Err(GONE.into()),
    })
    .unwrap_or_else(|| Err(GONE.into()))
}

/// The query with this key; `None` for the question of the request.
fn find<'a>(view: &'a mut View<'_>, key: i64) -> Result<Option<&'a mut Query>, Failure> {
    if key < 0 {
        return Ok(None);
    }
    let is_it = |query: &Query| i64::from(query_key(Some(query))) == key;
    if let Some(query) = view.query.as_deref_mut().filter(|query| is_it(query)) {
        return Ok(Some(query));
    }
    let plan = &mut view.request.plan;
    let waiting = plan.queries().find(|query| is_it(query)).map(|query| query.id);
    if let Some(id) = waiting {
        return Ok(plan.query_mut(id));
    }
    match plan.resolved.as_deref_mut().filter(|query| is_it(query)) {
        Some(query) => Ok(Some(query)),
        None => Err("the query is over".into()),
    }
}

fn key_of(args: &Args, at: usize) -> i64 {
    args.integer(at).unwrap_or(-1)
}

/// `query(number, which)`: key, uid, name, type, class and the key of the parent.
fn query(call: &Call<'_>, args: &Args) -> Answer {
    let which = args.text(1).unwrap_or_default();
    with(args, |view| {
        kept::mark(view.request);
        let plan = &view.request.plan;
        let running = view.query.as_deref();
        let has_begun = running.is_some() || plan.pushed() > 0;
        let found = match which.as_str() {
            "current" => running.or_else(|| plan.current()),
            "initial" => plan.queries().next().or(running).or(plan.resolved.as_deref()),
            "last" => plan.current().or(running).or(plan.resolved.as_deref()),
            "resolved" => plan.resolved.as_deref(),
            _ => {
                let key = key_of(args, 1);
                find(view, key)?.map(|query| &*query)
            }
        };
        let Some(query) = found else {
            // Before the first query there is the question.
            let question = &view.request.question;
            return match which == "resolved" || has_begun && which == "current" {
                true => call.ok(Value::Nil),
                false => {
                    let name = call.lua.create_string(question.name.as_wire())?;
                    call.ok((-1, 0, name, question.rtype.0, question.class.0))
                }
            };
        };
        let key = query_key(Some(query));
        let name = call.lua.create_string(query.name.as_wire())?;
        let (uid, rtype, class) = (query.id.0, query.rtype.0, query.class.0);
        let parent = query.parent.and_then(|id| view.request.plan.query(id));
        let parent = parent.map(|query| query_key(Some(query)));
        call.ok((key, uid, name, rtype, class, parent))
    })
}

/// `keys(number)`: the keys of the queries that wait, and of those that are resolved.
fn keys(call: &Call<'_>, args: &Args) -> Answer {
    with(args, |view| {
        let plan = &view.request.plan;
        let mut pending: Vec<i32> = plan.queries().map(|query| query_key(Some(query))).collect();
        pending.extend(view.query.as_deref().map(|query| query_key(Some(query))));
        let resolved: Vec<i32> = plan.resolved.iter().map(|query| query_key(Some(query))).collect();
        call.ok((pending, resolved))
    })
}

/// The switch of the resolver that a flag stands for.
fn switch_of(flag: QueryFlag) -> Option<Switches> {
    Switches::from_name(flag.name())
}

fn flag_argument(args: &Args) -> Result<QueryFlag, Failure> {
    flag_of(&args.text(2).unwrap_or_default())
}

/// `flag(number, key, name)`; the key is nil for the request. What the resolver does not keep as a
/// switch is told from what it knows.
fn flag(call: &Call<'_>, args: &Args) -> Answer {
    let flag = flag_argument(args)?;
    with(args, |view| {
        let from_store = view.request.cached;
        let switches = view.request.flags;
        let is_over = view.request.plan.is_empty() && view.query.is_none();
        let query = match args.is_nil(1) {
            true => None,
            false => find(view, key_of(args, 1))?,
        };
        let on = match (switch_of(flag), query) {
            (Some(switch), Some(query)) => query.flags.contains(switch),
            (Some(switch), None) => switches.contains(switch),
            (None, Some(query)) => fact(query, flag, is_over && from_store),
            (None, None) => false,
        };
        call.ok(on)
    })
}

/// What the resolver knows of a query, by the flag that stands for it elsewhere.
fn fact(query: &Query, flag: QueryFlag, answered_from_store: bool) -> bool {
    match flag {
        QueryFlag::Cached => match &query.reply {
            Some(reply) => !reply.is_fresh(),
            None => answered_from_store,
        },
        QueryFlag::Resolved => query.outcome.is_some(),
        QueryFlag::CacheTried => query.cache_tried,
        QueryFlag::AwaitCut => query.cut.is_none(),
        QueryFlag::NoNsFound => query.unreachable,
        _ => false,
    }
}

/// `set_flag(number, key, name, on)`: whether it is a switch; others are notes for Lua alone.
fn set_flag(call: &Call<'_>, args: &Args) -> Answer {
    let flag = flag_argument(args)?;
    let on = match args.value(3) {
        Value::Boolean(on) => on,
        Value::Nil => false,
        _ => return Err("a flag is true or false".into()),
    };
    let Some(switch) = switch_of(flag) else { return call.ok(false) };
    with(args, |view| {
        let query = match args.is_nil(1) {
            true => None,
            false => find(view, key_of(args, 1))?,
        };
        match query {
            Some(query) => query.flags.set(switch, on),
            None => view.request.flags.set(switch, on),
        }
        call.ok(true)
    })
}

/// `cut(number, key)`: the name of the zone that is asked for a query, if that is known.
fn cut(call: &Call<'_>, args: &Args) -> Answer {
    with(args, |view| {
        let name = find(view, key_of(args, 1))?.and_then(|query| query.cut.as_ref());
        // As a server spelled it, that is: as it was asked in a random mixture of cases.
        let name = name.map(|cut| call.lua.create_string(cut.name.to_lowercase().as_wire()));
        call.ok(name.transpose()?)
    })
}

/// `source(number)`: a table with addresses, protocol and the message of the client; nothing for a
/// request from inside.
fn source(call: &Call<'_>, args: &Args) -> Answer {
    with(args, |view| {
        let request = &view.request;
        let table = call.lua.create_table()?;
        let client = &request.client;
        let protocol = match client.protocol {
            ClientProtocol::Udp => "udp",
            ClientProtocol::Tcp => "tcp",
            ClientProtocol::Tls => "tls",
            ClientProtocol::Https => "http",
            ClientProtocol::Quic => "quic",
            ClientProtocol::Internal => "internal",
        };
        table.raw_set("protocol", protocol)?;
        table.raw_set("wire", call.lua.create_string(&request.wire)?)?;
        if client.protocol != ClientProtocol::Internal {
            table.raw_set("peer", address(call, client.peer)?)?;
            table.raw_set("own", address(call, client.local)?)?;
        }
        let headers = call.lua.create_table()?;
        for (name, value) in call.host.request_headers(client) {
            headers.raw_push([name.into_bytes(), value].map(BString::from))?;
        }
        table.raw_set("headers", headers)?;
        call.ok(table)
    })
}

/// `{ octets, port }`; an IPv4 client of an IPv6 socket is an IPv4 client.
fn address(call: &Call<'_>, address: SocketAddr) -> Result<Table, Failure> {
    let ip = address.ip().to_canonical();
    let table = call.lua.create_table()?;
    let octets = match ip {
        IpAddr::V4(ip) => call.lua.create_string(ip.octets())?,
        IpAddr::V6(ip) => call.lua.create_string(ip.octets())?,
    };
    table.raw_set("octets", octets)?;
    table.raw_set("port", address.port())?;
    Ok(table)
}

fn state(call: &Call<'_>, args: &Args) -> Answer {
    with(args, |view| call.ok(state_number(view.state)))
}

/// `rank(number)`: that of the least trusted set of the response.
fn rank(call: &Call<'_>, args: &Args) -> Answer {
    with(args, |view| {
        let response = &view.request.response;
        let ranks = response.answer.iter().chain(&response.authority).map(|signed| signed.rank);
        let least = ranks.min_by_key(|rank| rank.trust()).unwrap_or(Rank::OMIT);
        call.ok(least.to_byte())
    })
}

fn all_cached(call: &Call<'_>, args: &Args) -> Answer {
    with(args, |view| call.ok(view.request.cached))
}

/// `dead()`: handle and slot of marked requests that have ended, one after the other.
fn dead(call: &Call<'_>, _args: &Args) -> Answer {
    let over = kept::take_over().into_iter();
    let list: Vec<Value> = over
        .flat_map(|(slot, number)| {
            [Value::LightUserData(call::handle(number)), Value::Integer(slot.into())]
        })
        .collect();
    call.ok(list)
}

fn mark(call: &Call<'_>, args: &Args) -> Answer {
    with(args, |view| {
        kept::mark(view.request);
        call.ok(true)
    })
}

/// `push(number, name in wire format, type, class, { flags })`: the key of the new query.
fn push(call: &Call<'_>, args: &Args) -> Answer {
    let Value::String(wire) = args.value(1) else {
        return Err("req:push(): expected a name in wire format".into());
    };
    let name = Name::from_wire(&wire.as_bytes())
        .map_err(|fault| format!("req:push(): not a name in wire format: {fault}"))?;
    let number = |at: usize, what: &str| -> Result<u16, Failure> {
        args.integer(at)
            .and_then(|number| u16::try_from(number).ok())
            .ok_or_else(|| format!("req:push(): {what} must be a number within <0, 65535>").into())
    };
    let (rtype, class) = (Rtype(number(2, "type")?), Class(number(3, "class")?));
    let flags = match args.table(4) {
        Some(list) => super::general::flags_of(list)?,
        None => crate::flags::QueryFlags::NONE,
    };
    with(args, |view| {
        let Some(query) = view.query.as_deref_mut() else {
            return Err("req:push() works in hooks of a query: reset, produce, consume".into());
        };
        let mut child = Query::new(name, rtype, class, Purpose::Module(0));
        child.flags = flags.switches();
        let (now, core, request) = (view.now, &mut *view.core, &mut *view.request);
        let mut ctx = QueryContext { now, core, request, query };
        let id = ctx.push_child(child).map_err(|_| "req:push(): too many queries")?;
        call.ok(i32::from(id.0) << 8)
    })
}

fn set_extended_error(call: &Call<'_>, args: &Args) -> Answer {
    let code = args
        .integer(1)
        .and_then(|code| u16::try_from(code).ok())
        .ok_or("the code of an extended error is a number within <0, 65535>")?;
    let text = args.text(2).unwrap_or_default();
    with(args, |view| {
        let errors = &mut view.request.response.extended_errors;
        errors.retain(|error| error.code != ExtendedErrorCode(code));
        view.request.response.add_extended_error(ExtendedErrorCode(code), &text);
        call.ok(true)
    })
}

fn has_edns(call: &Call<'_>, args: &Args) -> Answer {
    with(args, |view| call.ok(view.request.edns.is_some()))
}

/// `apply(number, action)`: the state that follows, or nothing for a chain action.
fn apply(call: &Call<'_>, args: &Args) -> Answer {
    let table = args.table(1).ok_or("expected an action")?;
    let action = super::policy::parse_action(call, table)?;
    with(args, |view| {
        let (state, request) = (view.state, &mut *view.request);
        let mut ctx = RequestContext { now: view.now, core: &mut *view.core, request };
        match call.host.policy_apply(&action, &mut ctx, state)? {
            Some(next) => call.ok(state_number(next)),
            None => Ok(MultiValue::new()),
        }
    })
}
