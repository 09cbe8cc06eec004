//! `trust_anchors`: positive and negative anchors and their tunables.

use std::path::PathBuf;

use dns::Name;
use mlua::{MultiValue, Value};

use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure};
use crate::host::AnchorTunable;

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
    call.host.anchors_add_file(&PathBuf::from(path.to_string_lossy()), readonly)?;
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
    Name::from_text(&value.as_string()?.as_bytes(), &Name::root()).ok()
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
                format!("'{}' is not a domain name", item.to_string().unwrap_or_default()).into()
            })
        })
        .collect::<Result<Vec<Name>, Failure>>()?;
    if let Some(zone) = zones.iter().find(|zone| !call.host.anchors(Some(zone)).is_empty()) {
        return Err(format!(
            "cannot add NTA {zone} because it is TA. Use trust_anchors.remove() instead"
        )
        .into());
    }
    call.host.anchors_set_insecure(&zones)?;
    Ok(MultiValue::new())
}

fn get_insecure(call: &Call<'_>, _args: &Args) -> Answer {
    let names: Vec<String> = call.host.anchors_insecure().iter().map(Name::to_string).collect();
    call.ok(names)
}

fn summary(call: &Call<'_>, args: &Args) -> Answer {
    let owner = match args.value(0) {
        Value::Nil => None,
        value => Some(name_of(&value).ok_or("expected 'summary([string zonename])'")?),
    };
    let mut text = String::new();
    for (_, records) in call.host.anchors(owner.as_ref()) {
        text.push_str(&records);
    }
    let mut insecure = call.host.anchors_insecure();
    if let Some(owner) = &owner {
        insecure.retain(|zone| zone == owner);
        if text.is_empty() && insecure.is_empty() {
            text = format!("{owner} has no explicit trust anchors\n");
        }
    } else if text.is_empty() {
        text.push_str("No valid trust anchors, DNSSEC validation is disabled\n");
    }
    for zone in insecure {
        text.push_str(&format!("{zone} is negative trust anchor\n"));
    }
    call.ok(text)
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
