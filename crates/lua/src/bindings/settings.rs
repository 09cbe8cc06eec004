//! `mode`, `option`, root hints: what holds for every request.

use std::net::IpAddr;
use std::path::PathBuf;

use dns::Name;
use mlua::{Table, Value};

use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure};
use crate::flags::QueryFlag;
use crate::host::Mode;
use crate::suggest::nearest;

pub(super) const BINDINGS: &[Binding] = &[
    Binding {
        name: "mode",
        usage: "mode(['strict' | 'normal' | 'permissive'])",
        doc: "get or set how strictly glue is judged",
        call: mode,
    },
    Binding {
        name: "option",
        usage: "option(name[, value])",
        doc: "get or set a query flag for all requests",
        call: option,
    },
    Binding {
        name: "root_hints",
        usage: "hints.root([{ name = address }])",
        doc: "get or replace the addresses of root servers",
        call: root_hints,
    },
    Binding {
        name: "root_hints_file",
        usage: "hints.root_file([path])",
        doc: "replace the addresses of root servers by those of a zone file",
        call: root_hints_file,
    },
];

/// How many addresses one root server may have.
const ROOT_ADDRESSES_MAX: usize = 64;

fn mode(call: &Call<'_>, args: &Args) -> Answer {
    if args.is_nil(0) || args.boolean(0) == Some(false) {
        return call.ok(call.host.mode().name());
    }
    let name = args.text(0).unwrap_or_default();
    let mode = Mode::from_name(&name).ok_or_else(|| format!("unsupported mode: {name}"))?;
    call.host.set_mode(mode);
    call.ok(true)
}

/// The flag of that name, or a message with the nearest one.
pub(super) fn flag_of(name: &str) -> Result<QueryFlag, Failure> {
    QueryFlag::from_name(name).ok_or_else(|| {
        let known = QueryFlag::ALL.iter().map(|flag| flag.name());
        let hint = nearest(&name.to_ascii_uppercase(), known)
            .map(|known| format!(", did you mean '{known}'?"))
            .unwrap_or_default();
        format!("'struct kr_qflags' has no member named '{name}'{hint}").into()
    })
}

fn option(call: &Call<'_>, args: &Args) -> Answer {
    let name = args.text(0).ok_or("expected 'option(string name, [boolean value])'")?;
    let flag = flag_of(&name.to_ascii_uppercase())?;
    match args.value(1) {
        Value::Nil => {}
        Value::Boolean(on) => call.host.set_flag(flag, on),
        _ => return Err("expected 'option(string name, [boolean value])'".into()),
    }
    call.ok(call.host.flag(flag))
}

fn root_hints(call: &Call<'_>, args: &Args) -> Answer {
    if let Some(table) = args.table(0) {
        call.host.set_root_hints(&parse_hints(table)?)?;
    } else if !args.is_nil(0) {
        return Err("expected 'root([table])', a table of server names and addresses".into());
    }
    let table = call.lua.create_table()?;
    for (name, addresses) in call.host.root_hints() {
        let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        table.raw_set(name.to_string(), texts)?;
    }
    call.ok(table)
}

fn parse_hints(table: &Table) -> Result<Vec<(Name, Vec<IpAddr>)>, Failure> {
    let mut hints = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let is_empty =
            |value: &Value| value.as_string().is_some_and(|text| text.as_bytes().is_empty());
        if is_empty(&key) && is_empty(&value) {
            // A template that was given no root server.
            continue;
        }
        let name = key
            .as_string()
            .and_then(|key| Name::from_text(&key.as_bytes(), &Name::root()).ok())
            .map(|name| name.to_lowercase())
            .ok_or_else(|| {
                format!("not a server name: '{}'", key.to_string().unwrap_or_default())
            })?;
        let texts = super::net::strings(&value)
            .filter(|texts| !texts.is_empty() && texts.len() <= ROOT_ADDRESSES_MAX)
            .ok_or_else(|| format!("{name}: expected an address or a list of addresses"))?;
        let addresses = texts
            .iter()
            .map(|text| text.parse().map_err(|_| format!("{name}: '{text}' is not an IP address")))
            .collect::<Result<Vec<IpAddr>, String>>()?;
        hints.push((name, addresses));
    }
    // A table has no order of its own; servers are kept by name.
    hints.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(hints)
}

fn root_hints_file(call: &Call<'_>, args: &Args) -> Answer {
    let path = match args.value(0) {
        Value::Nil => None,
        Value::String(path) => Some(PathBuf::from(path.to_string_lossy())),
        _ => return Err("expected 'root_file([string path])'".into()),
    };
    call.host.set_root_hints_file(path.as_deref())?;
    call.ok("")
}
