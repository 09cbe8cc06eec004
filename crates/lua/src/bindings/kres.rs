//! `kres`: constants, and conversions that need no request.

use std::net::IpAddr;

use dns::{Name, Rtype};
use mlua::{Lua, MultiValue, Table, Value};

use super::{Binding, Call};
use crate::convert::{Answer, Args, name_of_text};

pub(crate) mod packet;

pub(super) const BINDINGS: &[Binding] = &[
    Binding {
        name: "str2dname",
        usage: "str2dname(text)",
        doc: "name in wire format, nil if it is no name",
        call: str2dname,
    },
    Binding {
        name: "dname2str",
        usage: "dname2str(wire)",
        doc: "text of a name in wire format",
        call: dname2str,
    },
    Binding {
        name: "str2ip",
        usage: "str2ip(text)",
        doc: "octets of an address, nil if it is none",
        call: str2ip,
    },
    Binding {
        name: "parse_packet",
        usage: "packet(octets)",
        doc: "read a DNS message",
        call: packet::parse,
    },
    Binding {
        name: "compose_packet",
        usage: "packet:towire()",
        doc: "octets of a DNS message",
        call: packet::compose,
    },
    Binding {
        name: "rdata_text",
        usage: "rr2str(record)",
        doc: "text of a record",
        call: packet::rdata_text,
    },
    Binding {
        name: "parse_rdata",
        usage: "parse_rdata({ lines })",
        doc: "rdata in wire format of lines like 'A 192.0.2.1'",
        call: packet::parse_rdata,
    },
    Binding {
        name: "cache_insert",
        usage: "kres.context().cache:insert(rrset, rrsigs, rank)",
        doc: "put a set of records into the cache",
        call: packet::cache_insert,
    },
    Binding {
        name: "names_equal",
        usage: "names_equal(a, b)",
        doc: "compare two names in wire format",
        call: packet::names_equal,
    },
];

/// Numbers by name, as Lua code uses them.
type Numbers = &'static [(&'static str, i32)];

const CLASS: Numbers = &[("IN", 1), ("CH", 3), ("NONE", 254), ("ANY", 255)];

const OPCODE: Numbers = &[("QUERY", 0), ("IQUERY", 1), ("STATUS", 2), ("NOTIFY", 4), ("UPDATE", 5)];

const SECTION: Numbers = &[("ANSWER", 0), ("AUTHORITY", 1), ("ADDITIONAL", 2)];

/// IANA's "DNS RCODEs"; NOTIMPL is how Lua code spells NOTIMP.
const RCODE: Numbers = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMPL", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("BADVERS", 16),
    ("BADCOOKIE", 23),
];

/// How far stored data is trusted.
const RANK: Numbers = &[
    ("INITIAL", 0),
    ("OMIT", 1),
    ("TRY", 2),
    ("INDET", 4),
    ("BOGUS", 5),
    ("MISMATCH", 6),
    ("MISSING", 7),
    ("INSECURE", 8),
    ("AUTH", 16),
    ("SECURE", 32),
];

/// RFC 8914 §5.2, by the names that Lua code uses.
const EXTENDED_ERROR: Numbers = &[
    ("NONE", -1),
    ("OTHER", 0),
    ("DNSKEY_ALG", 1),
    ("DS_DIGEST", 2),
    ("STALE", 3),
    ("FORGED", 4),
    ("INDETERMINATE", 5),
    ("BOGUS", 6),
    ("SIG_EXPIRED", 7),
    ("SIG_NOTYET", 8),
    ("DNSKEY_MISS", 9),
    ("RRSIG_MISS", 10),
    ("DNSKEY_BIT", 11),
    ("NSEC_MISS", 12),
    ("CACHED_ERR", 13),
    ("NOT_READY", 14),
    ("BLOCKED", 15),
    ("CENSORED", 16),
    ("FILTERED", 17),
    ("PROHIBITED", 18),
    ("STALE_NXD", 19),
    ("NOTAUTH", 20),
    ("NOTSUP", 21),
    ("NREACH_AUTH", 22),
    ("NETWORK", 23),
    ("INV_DATA", 24),
];

/// What a layer hook returns.
const STATES: Numbers = &[("CONSUME", 1), ("PRODUCE", 2), ("DONE", 4), ("FAIL", 8), ("YIELD", 16)];

/// The tables of numbers: `type`, `class`, … by name, and the states.
pub(super) fn constants(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let groups: [(&str, Numbers); 6] = [
        ("class", CLASS),
        ("opcode", OPCODE),
        ("section", SECTION),
        ("rcode", RCODE),
        ("rank", RANK),
        ("extended_error", EXTENDED_ERROR),
    ];
    for (name, numbers) in groups {
        table.raw_set(name, lua.create_table_from(numbers.iter().copied())?)?;
    }
    let types = lua.create_table()?;
    for rr_type in Rtype::ALL {
        if let Some(mnemonic) = rr_type.mnemonic() {
            types.raw_set(mnemonic, rr_type.0)?;
        }
    }
    table.raw_set("type", types)?;
    for (name, number) in STATES {
        table.raw_set(*name, *number)?;
    }
    Ok(table)
}

fn str2dname(call: &Call<'_>, args: &Args) -> Answer {
    let Value::String(text) = args.value(0) else { return Ok(MultiValue::new()) };
    match name_of_text(&text.as_bytes()) {
        Some(name) => {
            // Lower case: rules and the store compare octets.
            call.ok(call.lua.create_string(name.to_lowercase().as_wire())?)
        }
        None => call.ok(Value::Nil),
    }
}

fn dname2str(call: &Call<'_>, args: &Args) -> Answer {
    match args.value(0) {
        Value::Nil => Ok(MultiValue::new()),
        Value::String(wire) => {
            let wire = wire.as_bytes();
            if wire.is_empty() {
                return call.ok(".");
            }
            // Octets behind the root label are not looked at, and it is there where the string ends: in C
            // every string of Lua has a zero behind it.
            let terminated = [&*wire, &[0]].concat();
            let (name, _) = Name::parse(&terminated, 0)
                .map_err(|fault| format!("not a name in wire format: {fault}"))?;
            call.ok(name.to_string())
        }
        _ => Err("expected 'dname2str(string name in wire format)'".into()),
    }
}

fn str2ip(call: &Call<'_>, args: &Args) -> Answer {
    if !matches!(args.value(0), Value::String(_) | Value::Nil) {
        return Err("expected 'str2ip(string address)'".into());
    }
    let address = args.text(0).and_then(|text| text.parse::<IpAddr>().ok());
    match address {
        Some(IpAddr::V4(ip)) => call.ok(call.lua.create_string(ip.octets())?),
        Some(IpAddr::V6(ip)) => call.ok(call.lua.create_string(ip.octets())?),
        None => call.ok(Value::Nil),
    }
}
