//! Messages and records as Lua tables: `{ id, flags, question, [0] = answer, [1] = …, [2] = … }`,
//! a record as `{ owner, class, type, ttl, rdata }`, names and rdata as octets.

use dns::rdata::text::{fmt_rdata, parse_rdata_text};
use dns::{Class, Composer, Header, Message, Name, Rdatas, RecordRef, Rrset, Rtype, Section};
use mlua::{Lua, MultiValue, Table, Value};
use store::cache::Rank;
use store::cache::entry::SignedSet;

use super::super::Call;
use crate::convert::{Answer, Args, Failure};

/// The sections by the number that Lua code uses.
const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

/// `parse_packet(wire)`.
pub(super) fn parse(call: &Call<'_>, args: &Args) -> Answer {
    let Value::String(wire) = args.value(0) else {
        return Err("expected a message as a string of octets".into());
    };
    let wire = wire.as_bytes();
    let message = Message::parse(&wire).map_err(|fault| format!("not a DNS message: {fault}"))?;
    call.ok(message_table(call.lua, &message)?)
}

/// A message as a table.
pub(crate) fn message_table(lua: &Lua, message: &Message<'_>) -> Result<Table, Failure> {
    let table = lua.create_table()?;
    let header = message.header();
    table.raw_set("msg_id", header.id)?;
    table.raw_set("flags", header.flags)?;
    table.raw_set("code", message.rcode().0)?;
    if let Some(question) = message.question() {
        table.raw_set(
            "question",
            question_table(lua, &question.name, question.rtype, question.class)?,
        )?;
    }
    for (number, section) in SECTIONS.into_iter().enumerate() {
        let list = lua.create_table()?;
        for record in message.section(section) {
            list.raw_push(record_table(lua, &record)?)?;
        }
        table.raw_set(number, list)?;
    }
    if let Some(edns) = message.edns() {
        let entry = lua.create_table()?;
        entry.raw_set("udp_size", edns.udp_size)?;
        entry.raw_set("version", edns.version)?;
        entry.raw_set("dnssec_ok", edns.dnssec_ok)?;
        table.raw_set("edns", entry)?;
    }
    table.raw_set("octets", lua.create_string(message.wire())?)?;
    Ok(table)
}

/// `{ name, type, class }`.
pub(crate) fn question_table(
    lua: &Lua,
    name: &Name,
    rtype: Rtype,
    class: Class,
) -> Result<Table, Failure> {
    let entry = lua.create_table()?;
    entry.raw_set("name", lua.create_string(name.as_wire())?)?;
    entry.raw_set("type", rtype.0)?;
    entry.raw_set("class", class.0)?;
    Ok(entry)
}

fn record_table(lua: &Lua, record: &RecordRef<'_>) -> Result<Table, Failure> {
    record_from(lua, &record.owner(), record.rtype(), record.class(), record.ttl(), &record.rdata())
}

/// A record as a table.
pub(crate) fn record_from(
    lua: &Lua,
    owner: &Name,
    rtype: Rtype,
    class: Class,
    ttl: u32,
    rdata: &[u8],
) -> Result<Table, Failure> {
    let entry = lua.create_table()?;
    entry.raw_set("owner", lua.create_string(owner.as_wire())?)?;
    entry.raw_set("type", rtype.0)?;
    entry.raw_set("class", class.0)?;
    entry.raw_set("ttl", ttl)?;
    entry.raw_set("rdata", lua.create_string(rdata)?)?;
    Ok(entry)
}

/// `compose_packet(table, limit)`: the octets.
pub(super) fn compose(call: &Call<'_>, args: &Args) -> Answer {
    let table = args.table(0).ok_or("expected a packet")?;
    let limit = args.integer(1).and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(usize::from(u16::MAX));
    let header = Header {
        id: number_field(table, "msg_id")?,
        flags: number_field(table, "flags")?,
        ..Header::default()
    };
    let full = |_| Failure::from("the packet is full");
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, header, limit);
    if let Some(question) = table.get::<Option<Table>>("question")? {
        let name = name_field(&question, "name")?;
        let rtype = Rtype(number_field(&question, "type")?);
        let class = Class(number_field(&question, "class")?);
        composer.question(&name, rtype, class).map_err(full)?;
    }
    for (number, section) in SECTIONS.into_iter().enumerate() {
        let Some(list) = table.get::<Option<Table>>(number)? else { continue };
        for record in list.sequence_values::<Table>() {
            let record = record?;
            let owner = name_field(&record, "owner")?;
            let rtype = Rtype(number_field(&record, "type")?);
            let class = Class(number_field(&record, "class")?);
            let ttl = record.get::<Option<u32>>("ttl")?.unwrap_or(0);
            let rdata = octets_field(&record, "rdata")?;
            composer
                .records(section, &owner, rtype, class, ttl, std::iter::once(rdata.as_slice()))
                .map_err(full)?;
        }
    }
    composer.finish(None);
    call.ok(call.lua.create_string(out)?)
}

fn octets_field(table: &Table, key: &str) -> Result<Vec<u8>, Failure> {
    match table.get::<Value>(key)? {
        Value::String(octets) => Ok(octets.as_bytes().to_vec()),
        _ => Err(format!("the record has no {key}").into()),
    }
}

fn name_field(table: &Table, key: &str) -> Result<Name, Failure> {
    Name::from_wire(&octets_field(table, key)?)
        .map_err(|fault| format!("{key} is not a name in wire format: {fault}").into())
}

fn number_field(table: &Table, key: &str) -> Result<u16, Failure> {
    table
        .get::<Option<f64>>(key)?
        .filter(|number| (0.0..=65535.0).contains(number))
        .map(|number| number as u16)
        .ok_or_else(|| format!("{key} must be a number within <0, 65535>").into())
}

/// `rdata_text(type, rdata)`.
pub(super) fn rdata_text(call: &Call<'_>, args: &Args) -> Answer {
    let (rtype, rdata) = typed_rdata(args)?;
    let mut text = String::new();
    fmt_rdata(rtype, &rdata, &mut text).map_err(|_| "the record cannot be written as text")?;
    call.ok(text)
}

fn typed_rdata(args: &Args) -> Result<(Rtype, Vec<u8>), Failure> {
    let rtype = args
        .integer(0)
        .and_then(|number| u16::try_from(number).ok())
        .ok_or("type must be a number within <0, 65535>")?;
    match args.value(1) {
        Value::String(rdata) => Ok((Rtype(rtype), rdata.as_bytes().to_vec())),
        _ => Err("rdata must be a string of octets".into()),
    }
}

/// `parse_rdata(line)`: the octets of `A 192.0.2.1` and the like.
pub(super) fn parse_rdata(call: &Call<'_>, args: &Args) -> Answer {
    let line = args.text(0).ok_or("a table of string(s) is expected")?;
    let fault = || Failure::from(format!("failed to parse line: {line}"));
    let trimmed = line.trim();
    let (mnemonic, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
    let rtype: Rtype = mnemonic.parse().map_err(|_| fault())?;
    let rdata =
        parse_rdata_text(rtype, Class::IN, rest.as_bytes(), &Name::root()).map_err(|_| fault())?;
    call.ok(call.lua.create_string(rdata)?)
}

/// `cache_insert(owner, type, class, ttl, { rdata }, { signatures }, rank)`.
pub(super) fn cache_insert(call: &Call<'_>, args: &Args) -> Answer {
    let Value::String(owner) = args.value(0) else {
        return Err("the set has no owner".into());
    };
    let owner = Name::from_wire(&owner.as_bytes())
        .map_err(|fault| format!("owner is not a name in wire format: {fault}"))?;
    let number = |at: usize, most: i64, what: &str| -> Result<i64, Failure> {
        args.integer(at)
            .filter(|number| (0..=most).contains(number))
            .ok_or_else(|| format!("{what} must be a number within <0, {most}>").into())
    };
    let rdatas = |at: usize| -> Result<Rdatas, Failure> {
        let mut rdatas = Rdatas::new();
        if let Some(list) = args.table(at) {
            for rdata in list.sequence_values::<mlua::LuaString>() {
                rdatas.push(&rdata?.as_bytes());
            }
        }
        Ok(rdatas)
    };
    let rtype = Rtype(number(1, 0xffff, "type")? as u16);
    let class = Class(number(2, 0xffff, "class")? as u16);
    let mut set = Rrset::new(owner, rtype, class, number(3, 0xffff_ffff, "ttl")? as u32);
    set.rdatas = rdatas(4)?;
    let rank = Rank::from_byte(number(6, 0xff, "rank")? as u8).ok_or("there is no such rank")?;
    let set = SignedSet { set, signatures: rdatas(5)?, rank };
    call.ok(call.host.cache_insert(&set)?)
}

/// `names_equal(a, b)`: two names in wire format, without regard to case.
pub(super) fn names_equal(call: &Call<'_>, args: &Args) -> Answer {
    let name = |at: usize| match args.value(at) {
        Value::String(wire) => Name::from_wire(&wire.as_bytes()).ok(),
        _ => None,
    };
    match (name(0), name(1)) {
        (Some(a), Some(b)) => call.ok(a == b),
        _ => {
            let mut answer = MultiValue::new();
            answer.push_back(Value::Boolean(false));
            Ok(answer)
        }
    }
}
