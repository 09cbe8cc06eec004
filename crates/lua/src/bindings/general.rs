//! `hostname`, `package_version`, `user`, `quit`, `tojson`, `fromjson`, `resolve`, `map`.

use dns::{Class, Rtype};
use mlua::{MultiValue, Table, Value};

use super::settings::flag_of;
use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure, from_data, name_of_text, to_data};
use crate::data::Data;
use crate::flags::QueryFlags;
use crate::host::{QueryId, ResolveQuery};
use crate::json::{from_json, to_json};
use crate::suggest::nearest;

pub(super) const BINDINGS: &[Binding] = &[
    Binding {
        name: "hostname",
        usage: "hostname([fqdn])",
        doc: "get or set the name of this machine",
        call: hostname,
    },
    Binding {
        name: "package_version",
        usage: "package_version()",
        doc: "version of the program",
        call: package_version,
    },
    Binding {
        name: "user",
        usage: "user(name[, group])",
        doc: "give up privileges and run as this user",
        call: user,
    },
    Binding { name: "quit", usage: "quit()", doc: "end the process", call: quit },
    Binding { name: "tojson", usage: "tojson(value)", doc: "JSON text of a value", call: tojson },
    Binding {
        name: "fromjson",
        usage: "fromjson(text)",
        doc: "value of a JSON text",
        call: fromjson,
    },
    Binding {
        name: "resolve",
        usage: "resolve(name, type[, class, options, finish, init])",
        doc: "resolve a name, then call finish(pkt, req)",
        call: resolve,
    },
    Binding {
        name: "now",
        usage: "ffi.C.kr_now()",
        doc: "milliseconds on the clock of this turn",
        call: now,
    },
    Binding {
        name: "ask_peers",
        usage: "map(command)",
        doc: "run a command on every instance and collect the results",
        call: ask_peers,
    },
    Binding {
        name: "nearest",
        usage: "nearest(word, names)",
        doc: "the nearest known name to a word",
        call: nearest_name,
    },
    Binding {
        name: "list_dir",
        usage: "kluautil.list_dir(path)",
        doc: "the names of the files in a directory",
        call: list_dir,
    },
    Binding {
        name: "file_modified",
        usage: "prefill.config()",
        doc: "when a file was written last, in seconds since 1970; nil if there is none",
        call: file_modified,
    },
];

fn hostname(call: &Call<'_>, args: &Args) -> Answer {
    let usage = "hostname takes at most one parameter: (\"fqdn\")";
    match args.len() {
        0 => {}
        1 => call.host.set_hostname(&args.text(0).ok_or(usage)?)?,
        _ => return Err(usage.into()),
    }
    call.ok(call.host.hostname())
}

fn package_version(call: &Call<'_>, _args: &Args) -> Answer {
    call.ok(call.host.version())
}

fn user(call: &Call<'_>, args: &Args) -> Answer {
    let usage = "user(user[, group])";
    if !(1..=2).contains(&args.len()) {
        return Err(usage.into());
    }
    let name = args.text(0).ok_or(usage)?;
    let group = if args.is_nil(1) { None } else { Some(args.text(1).ok_or(usage)?) };
    call.host.change_user(&name, group.as_deref())?;
    call.ok(true)
}

fn quit(call: &Call<'_>, _args: &Args) -> Answer {
    call.host.quit();
    Ok(MultiValue::new())
}

fn tojson(call: &Call<'_>, args: &Args) -> Answer {
    // The last one counts.
    let json = to_json(&to_data(&args.value(args.len().saturating_sub(1)))?);
    call.ok(call.lua.create_string(json)?)
}

fn fromjson(call: &Call<'_>, args: &Args) -> Answer {
    let text = args.bytes(0).filter(|_| args.len() == 1).ok_or("a JSON string is required")?;
    let data = from_json(&text).ok_or("invalid JSON string")?;
    let data = if data == Data::Nil { Data::Map(Default::default()) } else { data };
    call.ok(from_data(call.lua, &data)?)
}

/// `resolve(name, type, class, flags, wants_answer[, wire])` returns the number of the query.
fn resolve(call: &Call<'_>, args: &Args) -> Answer {
    let shown = args.text(0).unwrap_or_else(|| "nil".into());
    let name = match args.value(0) {
        Value::String(text) => name_of_text(&text.as_bytes()),
        _ => None,
    };
    let name = name.ok_or_else(|| {
        format!("failure in worker.resolve(); probably invalid qname \"{shown}\"")
    })?;
    let number = |at: usize, what: &str, default: u16| -> Result<u16, Failure> {
        if args.is_nil(at) {
            return Ok(default);
        }
        args.integer(at)
            .and_then(|number| u16::try_from(number).ok())
            .ok_or_else(|| format!("worker.resolve(): invalid {what}").into())
    };
    let rr_type = Rtype(number(1, "type", Rtype::A.0)?);
    let class = Class(number(2, "class", Class::IN.0)?);
    let flags = match args.value(3) {
        Value::Table(table) => flags_of(&table)?,
        _ => QueryFlags::NONE,
    };
    let id = QueryId(call.state.last_query.get() + 1);
    let wire = match args.value(5) {
        Value::String(wire) => Some(wire.as_bytes().to_vec()),
        _ => None,
    };
    let wants_answer = args.boolean(4).unwrap_or(false);
    call.host.resolve(ResolveQuery { id, name, rr_type, class, flags, wire, wants_answer })?;
    call.state.last_query.set(id.0);
    call.ok(id.0)
}

fn now(call: &Call<'_>, _args: &Args) -> Answer {
    call.ok(call.host.now_ms())
}

/// The flags named by a list.
pub(super) fn flags_of(table: &Table) -> Result<QueryFlags, Failure> {
    table
        .sequence_values::<Value>()
        .map(|item| match item? {
            Value::String(name) => flag_of(&name.to_string_lossy()),
            other => Err(format!("invalid option: {}", other.to_string()?).into()),
        })
        .collect()
}

/// `ask_peers(command)`: a list of `{ path, ok, text }`.
fn ask_peers(call: &Call<'_>, args: &Args) -> Answer {
    let command = args.text(0).ok_or("map() command must be a string")?;
    let list = call.lua.create_table()?;
    for peer in call.host.ask_peers(&command)? {
        let entry = call.lua.create_table()?;
        entry.raw_set("path", peer.socket.to_string_lossy())?;
        match peer.reply {
            Ok(text) => entry.raw_set("text", call.lua.create_string(text)?)?,
            Err(error) => entry.raw_set("error", error)?,
        }
        list.raw_push(entry)?;
    }
    call.ok(list)
}

/// `nearest(word, { names })`.
fn nearest_name(call: &Call<'_>, args: &Args) -> Answer {
    let word = args.text(0).unwrap_or_default();
    let Some(table) = args.table(1) else { return Ok(MultiValue::new()) };
    let names = table.sequence_values::<String>().filter_map(Result::ok).collect::<Vec<_>>();
    call.ok(nearest(&word, names.iter().map(String::as_str)))
}

fn file_modified(call: &Call<'_>, args: &Args) -> Answer {
    let path = args.text(0).ok_or("expected the path of a file")?;
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    let since = modified.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    call.ok(since.map(|since| since.as_secs()))
}

fn list_dir(call: &Call<'_>, args: &Args) -> Answer {
    let path = args.text(0).ok_or("expected 'list_dir(string path)'")?;
    // In a directory that is not there are no files.
    let Ok(entries) = std::fs::read_dir(&path) else { return call.ok(Vec::<String>::new()) };
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<String>>>()
        .map_err(|error| format!("{path}: {error}"))?;
    names.sort();
    call.ok(names)
}
