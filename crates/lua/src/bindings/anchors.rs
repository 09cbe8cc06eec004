//! `trust_anchors`: positive and negative anchors and their tunables.

use std::path::PathBuf;

use dns::Name;
use mlua::{MultiValue, Table, Value};

use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure, name_of_text};
use crate::host::{AnchorKey, AnchorTunable, Bootstrap};

pub(super) const BINDINGS: &[Binding] = &[
    Binding {
        name: "add_file",
        usage: "add_file(keyfile[, readonly = false])",
        doc: "load trust anchors from a file and, unless read-only, keep it up to date",
        call: add_file,
    },
    Binding {
        name: "add",
        usage: "add(rr_string)",
        doc: "add a static DS or DNSKEY record",
        call: add,
    },
    Binding {
        name: "remove",
        usage: "remove(zonename)",
        doc: "remove the trust anchors of a zone; returns whether there were any",
        call: remove,
    },
    Binding {
        name: "set_insecure",
        usage: "set_insecure({ names })",
        doc: "replace the negative trust anchors",
        call: set_insecure,
    },
    Binding {
        name: "get_insecure",
        usage: "insecure",
        doc: "the negative trust anchors",
        call: get_insecure,
    },
    Binding {
        name: "summary",
        usage: "summary([zonename])",
        doc: "the configured trust anchors as text",
        call: summary,
    },
    Binding {
        name: "keysets",
        usage: "keysets",
        doc: "the trust anchors with their states, by the zone's name in wire form",
        call: keysets,
    },
    Binding {
        name: "track",
        usage: "track(zonename[, managed = false])",
        doc: "look at the keys of a zone from now on, and follow them if managed",
        call: track,
    },
    Binding {
        name: "untrack",
        usage: "untrack(zonename)",
        doc: "leave the trust anchors of a zone as they are",
        call: untrack,
    },
    Binding {
        name: "tunable",
        usage: "hold_down_time, refresh_time, keep_removed",
        doc: "times of automated updates (RFC 5011)",
        call: tunable,
    },
];

const INSECURE_USAGE: &str =
    "parameter must be list of domain names (e.g. {\"a.test\", \"b.example\"})";

fn add_file(call: &Call<'_>, args: &Args) -> Answer {
    let Value::String(path) = args.value(0) else {
        return Err("expected 'add_file(string keyfile, boolean readonly = false)'".into());
    };
    let readonly = !matches!(args.value(1), Value::Nil | Value::Boolean(false));
    let bootstrap =
        Bootstrap { url: args.text(2).unwrap_or_default(), ca: args.text(3).unwrap_or_default() };
    call.host.anchors_add_file(&PathBuf::from(path.to_string_lossy()), readonly, &bootstrap)?;
    Ok(MultiValue::new())
}

fn add(call: &Call<'_>, args: &Args) -> Answer {
    let Value::String(record) = args.value(0) else {
        return Err("expected 'add(string record)'".into());
    };
    call.host.anchors_add(&record.to_string_lossy())?;
    Ok(MultiValue::new())
}

fn name_of(value: &Value) -> Option<Name> {
    match value {
        Value::Integer(number) => name_of_text(number.to_string().as_bytes()),
        Value::String(text) => name_of_text(&text.as_bytes()),
        _ => None,
    }
}

/// A name in wire form, which ends with the empty label, or as text.
fn wire_or_text(value: &Value) -> Option<Name> {
    let bytes = value.as_string()?.as_bytes().to_vec();
    if bytes.last() == Some(&0) { Name::from_wire(&bytes).ok() } else { name_of(value) }
}

fn remove(call: &Call<'_>, args: &Args) -> Answer {
    let removed = name_of(&args.value(0)).is_some_and(|zone| call.host.anchors_remove(&zone));
    call.ok(removed)
}

/// `set_insecure({ names })`.
fn set_insecure(call: &Call<'_>, args: &Args) -> Answer {
    let table = args.table(0).ok_or(INSECURE_USAGE)?;
    let zones = table
        .sequence_values::<Value>()
        .map(|item| {
            let item = item?;
            name_of(&item).ok_or_else(|| {
                format!("not a domain name: '{}'", item.to_string().unwrap_or_default()).into()
            })
        })
        .collect::<Result<Vec<Name>, Failure>>()?;
    call.host.anchors_set_insecure(&zones)?;
    Ok(MultiValue::new())
}

fn get_insecure(call: &Call<'_>, _args: &Args) -> Answer {
    let names: Vec<String> = call.host.anchors_insecure().iter().map(Name::to_string).collect();
    call.ok(names)
}

/// The negative ones first, then the others with their records.
fn summary(call: &Call<'_>, args: &Args) -> Answer {
    let owner = match args.value(0) {
        Value::Nil | Value::Boolean(false) => None,
        Value::String(name) if name.as_bytes().is_empty() => Some(Name::root()),
        value => Some(wire_or_text(&value).ok_or("expected 'summary([string zonename])'")?),
    };
    let mut insecure = call.host.anchors_insecure();
    insecure.retain(|zone| owner.as_ref().is_none_or(|owner| owner == zone));
    let mut anchors = call.host.anchors(owner.as_ref());
    let none = anchors.is_empty();
    let mut text = String::new();
    for zone in &insecure {
        text.push_str(&format!("{zone} is negative trust anchor\n"));
        if let Some(at) = anchors.iter().position(|(other, _)| other == zone) {
            text.push_str("WARNING! negative trust anchor also has an explicit TA\n");
            text.push_str(&anchors.remove(at).1);
        }
    }
    anchors.iter().for_each(|(_, records)| text.push_str(records));
    match owner {
        Some(owner) if text.is_empty() => {
            text = format!("{owner} has no explicit trust anchors\n");
        }
        None if none => {
            text.push_str("No valid trust anchors, DNSSEC validation is disabled\n");
        }
        _ => {}
    }
    call.ok(text)
}

fn keysets(call: &Call<'_>, _args: &Args) -> Answer {
    let all = call.lua.create_table()?;
    for set in call.host.anchors_keysets() {
        let owner = call.lua.create_string(set.zone.as_wire())?;
        let keys = call.lua.create_table()?;
        for key in &set.keys {
            let row = key_table(call, key)?;
            row.raw_set("owner", owner.clone())?;
            keys.raw_push(row)?;
        }
        keys.raw_set("owner", owner.clone())?;
        keys.raw_set("managed", set.managed)?;
        keys.raw_set("tracked", set.tracked)?;
        keys.raw_set("filename", set.filename.map(|path| path.display().to_string()))?;
        all.raw_set(owner, keys)?;
    }
    call.ok(all)
}

fn key_table(call: &Call<'_>, key: &AnchorKey) -> mlua::Result<Table> {
    let row = call.lua.create_table()?;
    row.raw_set("class", 1)?;
    row.raw_set("type", key.rtype.0)?;
    row.raw_set("ttl", key.ttl)?;
    row.raw_set("rdata", call.lua.create_string(&key.rdata)?)?;
    row.raw_set("key_tag", key.tag)?;
    row.raw_set("state", key.state)?;
    row.raw_set("timer", key.timer)?;
    row.raw_set("comment", key.comment.as_str())?;
    Ok(row)
}

fn track(call: &Call<'_>, args: &Args) -> Answer {
    let managed = !matches!(args.value(1), Value::Nil | Value::Boolean(false));
    let known =
        wire_or_text(&args.value(0)).is_some_and(|zone| call.host.anchors_track(&zone, managed));
    if !known {
        return Err("TA must be configured first before tracking it".into());
    }
    Ok(MultiValue::new())
}

fn untrack(call: &Call<'_>, args: &Args) -> Answer {
    if let Some(zone) = wire_or_text(&args.value(0)) {
        call.host.anchors_untrack(&zone);
    }
    Ok(MultiValue::new())
}

/// `tunable(name)` reads, `tunable(name, value)` writes, `nil` = default.
fn tunable(call: &Call<'_>, args: &Args) -> Answer {
    let name = args.text(0).unwrap_or_default();
    let tunable = match name.as_str() {
        "hold_down_time" => AnchorTunable::HoldDownTime,
        "refresh_time" => AnchorTunable::RefreshTime,
        "keep_removed" => AnchorTunable::KeepRemoved,
        _ => return Err(format!("trust_anchors.{name} is not known").into()),
    };
    if args.len() == 1 {
        return call.ok(call.host.anchors_tunable(tunable));
    }
    let value = match args.value(1) {
        Value::Nil => None,
        Value::Integer(number) if number >= 0 => Some(number as u64),
        Value::Number(number) if (0.0..9e15).contains(&number) => Some(number as u64),
        _ => return Err(format!("trust_anchors.{name} must be a number, 0 or larger").into()),
    };
    call.host.set_anchors_tunable(tunable, value)?;
    Ok(MultiValue::new())
}
