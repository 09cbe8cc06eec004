//! `policy`: rules on their way from Lua tables to typed data.
//!
//! The prelude describes a rule as `{ client =, filter =, action = }`, each a table with a `kind`;
//! here it becomes a [`Rule`].

use std::path::PathBuf;

use dns::{Name, Rtype};
use mlua::{Table, Value};

use super::addresses::{parse_network, parse_socket};
use super::general::flags_of;
use super::net::strings;
use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure, number_of};
use crate::flags::QueryFlags;
use crate::host::{RuleId, RuleList};
use crate::policy::{Action, AnswerRecords, Client, Filter, LuaFunction, Rule, Target, TargetTls};

pub(super) const BINDINGS: &[Binding] = &[
    Binding {
        name: "add",
        usage: "add(rule[, postrule])",
        doc: "add a rule; returns a table with its id",
        call: add,
    },
    Binding {
        name: "del",
        usage: "del(id)",
        doc: "remove a rule; returns whether it existed",
        call: del,
    },
    Binding {
        name: "suspend",
        usage: "rule.suspended = true",
        doc: "suspend a rule, or have it apply again; returns whether it exists",
        call: suspend,
    },
    Binding { name: "hits", usage: "rule.count", doc: "how often a rule matched", call: hits },
    Binding {
        name: "check_action",
        usage: "policy.FORWARD(...)",
        doc: "check an action before it is used in a rule",
        call: check_action,
    },
];

/// How many upstreams one forwarding action may name.
const TARGETS_MAX: usize = 4;
/// TXT strings are at most this long (RFC 1035 §3.3).
const MESSAGE_BYTES_MAX: usize = 255;
/// TTLs are 31 bits wide (RFC 2181 §8).
const TTL_MAX: f64 = 2_147_483_647.0;
const DNS_PORT: u16 = 53;
const TLS_PORT: u16 = 853;
/// RFC 8914 §4.16: Blocked.
const EDE_BLOCKED: u16 = 15;

/// `add(rule, 'before' | 'after' | 'view')` returns the id.
fn add(call: &Call<'_>, args: &Args) -> Answer {
    let table = args.table(0).ok_or("expected 'add(rule, [boolean postrule])'")?;
    let rule = parse_rule(call, table)?;
    let id = RuleId(call.state.next_rule.get());
    let list = match args.text(1).as_deref() {
        Some("after") => RuleList::After,
        Some("view") => RuleList::View,
        _ => RuleList::Before,
    };
    call.host.policy_add(id, &rule, list)?;
    call.state.next_rule.set(id.0.saturating_add(1));
    call.ok(id.0)
}

fn rule_id(args: &Args) -> Option<RuleId> {
    args.integer(0).and_then(|id| u32::try_from(id).ok()).map(RuleId)
}

fn del(call: &Call<'_>, args: &Args) -> Answer {
    call.ok(rule_id(args).is_some_and(|id| call.host.policy_remove(id)))
}

fn suspend(call: &Call<'_>, args: &Args) -> Answer {
    let suspended = args.boolean(1).unwrap_or(true);
    call.ok(rule_id(args).is_some_and(|id| call.host.policy_suspend(id, suspended)))
}

fn hits(call: &Call<'_>, args: &Args) -> Answer {
    call.ok(rule_id(args).map_or(0, |id| call.host.policy_hits(id)))
}

/// `check_action(action)`: an error now rather than at the first query.
fn check_action(call: &Call<'_>, args: &Args) -> Answer {
    let table = args.table(0).ok_or("expected an action")?;
    parse_action(call, table)?;
    call.ok(true)
}

fn kind_of(table: &Table) -> Result<String, Failure> {
    Ok(table.get::<Option<String>>("kind")?.unwrap_or_default())
}

fn parse_rule(call: &Call<'_>, table: &Table) -> Result<Rule, Failure> {
    let client = match table.get::<Option<Table>>("client")? {
        Some(client) => Some(parse_client(&client)?),
        None => None,
    };
    let filter: Table = table.get("filter")?;
    let action: Table = table.get("action")?;
    Ok(Rule { client, filter: parse_filter(&filter)?, action: parse_action(call, &action)? })
}

fn parse_client(table: &Table) -> Result<Client, Failure> {
    let value: Value = table.get("value")?;
    if kind_of(table)? == "tsig" {
        // Written as a string of C, the name ends with an octet that Lua does not have.
        let terminated = || {
            let mut wire = value.as_string()?.as_bytes().to_vec();
            wire.push(0);
            Name::from_wire(&wire).ok()
        };
        return wire_name(&value)
            .or_else(terminated)
            .map(Client::Tsig)
            .ok_or_else(|| "the key's name must be in wire format".into());
    }
    let text = value.as_string().map(|text| text.to_string_lossy()).unwrap_or_default();
    let (network, length) =
        parse_network(&text).ok_or_else(|| format!("failed to parse subnet {text}"))?;
    Ok(match kind_of(table)?.as_str() {
        "destination" => Client::Destination(network, length),
        _ => Client::Source(network, length),
    })
}

fn wire_name(value: &Value) -> Option<Name> {
    Name::from_wire(&value.as_string()?.as_bytes()).ok()
}

fn parse_filter(table: &Table) -> Result<Filter, Failure> {
    Ok(match kind_of(table)?.as_str() {
        "all" => Filter::All,
        "suffix" => Filter::Suffix(names(table)?),
        "domains" => Filter::Domains(names(table)?),
        "pattern" => match table.get("pattern")? {
            Value::String(pattern) => Filter::Pattern(pattern.as_bytes().to_vec()),
            _ => return Err("policy.pattern: expected a pattern".into()),
        },
        "rpz" => Filter::Rpz {
            path: PathBuf::from(table.get::<String>("path")?),
            watch: table.get("watch")?,
        },
        "lua" => Filter::Lua(LuaFunction(table.get("fn")?)),
        other => return Err(format!("unknown policy filter '{other}'").into()),
    })
}

/// The list of names in wire format.
fn names(table: &Table) -> Result<Vec<Name>, Failure> {
    let list: Table = table.get("names")?;
    let mut names = Vec::with_capacity(list.raw_len());
    for (at, item) in (1..).zip(list.sequence_values::<Value>()) {
        let item = item?;
        names.push(wire_name(&item).ok_or_else(|| {
            format!("item {at} is not a name in wire format; use todname() or policy.todnames()")
        })?);
    }
    Ok(names)
}

pub(crate) fn parse_action(call: &Call<'_>, table: &Table) -> Result<Action, Failure> {
    Ok(match kind_of(table)?.as_str() {
        "pass" => Action::Pass,
        "deny" => deny(table)?,
        "drop" => Action::Drop,
        "refuse" => Action::Refuse,
        "no_answer" => Action::NoAnswer,
        "tc" => Action::Truncate,
        "answer" => answer(table)?,
        "forward" => Action::Forward(targets(call, table, "FORWARD")?),
        "tls_forward" => Action::Forward(tls_targets(call, table)?),
        "stub" => Action::Stub(targets(call, table, "STUB")?),
        "mirror" => match targets(call, table, "MIRROR")?.as_slice() {
            [target] => Action::Mirror(target.address),
            _ => return Err("policy.MIRROR takes one address".into()),
        },
        "flags" => {
            let set = |key: &str| match table.get::<Value>(key)? {
                Value::Table(list) => flags_of(&list),
                _ => Ok(QueryFlags::NONE),
            };
            Action::Flags { set: set("set")?, clear: set("clear")? }
        }
        "reroute" => Action::Reroute(reroute(table)?),
        "debug_always" => Action::DebugAlways,
        "debug_cache_miss" => Action::DebugCacheMiss,
        "debug_if" => Action::DebugIf(LuaFunction(table.get("fn")?)),
        "qtrace" => Action::QTrace,
        "reqtrace" => Action::ReqTrace,
        "iptrace" => Action::IpTrace,
        "lua" => Action::Lua(LuaFunction(table.get("fn")?)),
        other => return Err(format!("unknown policy action '{other}'").into()),
    })
}

fn deny(table: &Table) -> Result<Action, Failure> {
    let message = match table.get::<Value>("message")? {
        Value::Nil => None,
        Value::String(text) if text.as_bytes().len() <= MESSAGE_BYTES_MAX => {
            Some(text.to_string_lossy())
        }
        Value::String(_) => return Err("DENY_MSG: message too long, at most 255 octets".into()),
        _ => return Err("DENY_MSG: expected a message".into()),
    };
    let extended_error = match table.get::<Value>("extended_error")? {
        Value::Nil => EDE_BLOCKED,
        value => number_of(&value)
            .filter(|code| (0.0..=65535.0).contains(code))
            .map(|code| code as u16)
            .ok_or("DENY_MSG: the extended error must be a number within <0, 65535>")?,
    };
    Ok(Action::Deny { message, extended_error })
}

fn answer(table: &Table) -> Result<Action, Failure> {
    let by_type: Table = table.get("records")?;
    let mut records = Vec::new();
    for pair in by_type.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let rr_type = match key {
            Value::Integer(number) => u16::try_from(number).ok(),
            _ => None,
        }
        .ok_or("policy.ANSWER: keys must be record types (kres.type.A)")?;
        let Value::Table(entry) = value else {
            return Err("policy.ANSWER: expected { [type] = { rdata =, ttl = } }".into());
        };
        let ttl = match entry.get::<Value>("ttl")? {
            Value::Nil => 1.0,
            value => number_of(&value)
                .filter(|ttl| (0.0..=TTL_MAX).contains(ttl))
                .ok_or("policy.ANSWER: ttl must be a number within <0, 2147483647>")?,
        };
        let rdata = match entry.get::<Value>("rdata")? {
            Value::String(rdata) => vec![rdata.as_bytes().to_vec()],
            Value::Table(list) => list
                .sequence_values::<Value>()
                .map(|item| match item? {
                    Value::String(rdata) => Ok(rdata.as_bytes().to_vec()),
                    _ => Err("policy.ANSWER: rdata must be strings in wire format".into()),
                })
                .collect::<Result<Vec<_>, Failure>>()?,
            _ => return Err("policy.ANSWER: rdata must be a string or a list of strings".into()),
        };
        records.push(AnswerRecords { rr_type: Rtype(rr_type), ttl: ttl as u32, rdata });
    }
    records.sort_by_key(|records| records.rr_type);
    Ok(Action::Answer { records, nodata: table.get::<Option<bool>>("nodata")?.unwrap_or(false) })
}

fn targets(call: &Call<'_>, table: &Table, what: &str) -> Result<Vec<Target>, Failure> {
    let texts = strings(&table.get("targets")?)
        .filter(|texts| !texts.is_empty())
        .ok_or_else(|| format!("policy.{what} takes an address or a list of addresses"))?;
    if texts.len() > TARGETS_MAX {
        return Err(format!("policy.{what} takes at most {TARGETS_MAX} addresses").into());
    }
    texts
        .iter()
        .map(|text| {
            let address = parse_socket(call.host, text, DNS_PORT)
                .ok_or_else(|| format!("target '{text}' is not a valid IP address"))?;
            Ok(Target { address, tls: None })
        })
        .collect()
}

fn tls_targets(call: &Call<'_>, table: &Table) -> Result<Vec<Target>, Failure> {
    let usage = "TLS_FORWARD argument must be a non-empty table";
    let Value::Table(list) = table.get("targets")? else { return Err(usage.into()) };
    let mut targets = Vec::new();
    for item in list.sequence_values::<Value>() {
        let Value::Table(item) = item? else {
            return Err("TLS_FORWARD: each target must be a table { address, hostname = }".into());
        };
        let client = super::net::parse_tls_client(call, &item, TLS_PORT)?;
        if targets.iter().any(|target: &Target| target.address == client.address) {
            let address = client.address;
            return Err(format!("TLS_FORWARD cannot have two targets at {address}").into());
        }
        targets.push(Target {
            address: client.address,
            tls: Some(TargetTls {
                insecure: client.insecure,
                hostname: client.hostnames.first().cloned(),
                ca_files: client.ca_files,
                pins_sha256: client.pins_sha256,
            }),
        });
    }
    match targets.len() {
        0 => Err(usage.into()),
        1..=TARGETS_MAX => Ok(targets),
        _ => Err(format!("TLS_FORWARD supports at most {TARGETS_MAX} IP addresses").into()),
    }
}

fn reroute(table: &Table) -> Result<Vec<(std::net::IpAddr, u8, std::net::IpAddr)>, Failure> {
    let Value::Table(map) = table.get("map")? else {
        return Err("policy.REROUTE: expected { ['network'] = 'address' }".into());
    };
    let mut rules = Vec::new();
    for pair in map.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let text = |value: &Value| value.as_string().map(|text| text.to_string_lossy());
        let from = text(&key).unwrap_or_default();
        let to = text(&value).unwrap_or_default();
        let (network, length) =
            parse_network(&from).ok_or_else(|| format!("'{from}' is not a network"))?;
        let target = to.parse().map_err(|_| format!("'{to}' is not an IP address"))?;
        if network.is_ipv4() != std::net::IpAddr::is_ipv4(&target) {
            return Err(format!("'{from}' and '{to}' are not of one family").into());
        }
        rules.push((network, length, target));
    }
    // A table has no order of its own: the longest prefix comes first.
    rules.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    Ok(rules)
}
