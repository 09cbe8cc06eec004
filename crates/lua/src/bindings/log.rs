//! `log*`: level, target, groups, messages.

use mlua::{Lua, MultiValue, Table, Value};

use super::{Binding, Call};
use crate::convert::{Answer, Args};
use crate::host::{LogLevel, LogTarget};
use crate::log_groups::{LOG_GROUPS, UNKNOWN_GROUP, find_tag, tag_of};

pub(super) const BINDINGS: &[Binding] = &[
    Binding {
        name: "log_level",
        usage: "log_level([level])",
        doc: "get or set the level of log messages: crit, err, warning, notice, info, debug",
        call: level,
    },
    Binding {
        name: "log_target",
        usage: "log_target([target])",
        doc: "get or set where log messages go: syslog, stderr, stdout",
        call: target,
    },
    Binding {
        name: "log_groups",
        usage: "log_groups([{ groups }])",
        doc: "get or set the groups that are logged at every level",
        call: groups,
    },
    Binding {
        name: "write",
        usage: "log_info(group, format, ...)",
        doc: "write a message to the log",
        call: write,
    },
    Binding {
        name: "enabled",
        usage: "log_enabled(group, level)",
        doc: "whether such a message would be written",
        call: enabled,
    },
];

/// The numbers of the groups by the names that `ffi.C` knows.
pub(super) fn constants(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("LOG_GRP_UNKNOWN", UNKNOWN_GROUP)?;
    for (number, (constant, _)) in (1..).zip(LOG_GROUPS) {
        table.raw_set(constant, number)?;
    }
    Ok(table)
}

fn level(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() > 1 {
        return Err("takes at most one parameter".into());
    }
    if args.len() == 1 {
        let name = args.text(0).ok_or("takes a name of a log level or nothing")?;
        let level = LogLevel::from_name(&name).ok_or_else(|| {
            let known: Vec<&str> = LogLevel::ALL.iter().map(|level| level.name()).collect();
            format!("unknown log level '{name}', known are {}", known.join(", "))
        })?;
        call.host.set_log_level(level);
    }
    call.ok(call.host.log_level().name())
}

fn target(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() > 1 {
        return Err("takes at most one parameter".into());
    }
    if args.len() == 1 {
        let name = args.text(0).ok_or("takes a name of a log target or nothing")?;
        let target = LogTarget::from_name(&name).ok_or_else(|| {
            format!("unknown log target '{name}', known are syslog, stderr, stdout")
        })?;
        call.host.set_log_target(target)?;
    }
    call.ok(call.host.log_target().name())
}

fn groups(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() > 1 {
        return Err("takes at most one parameter".into());
    }
    if args.len() == 1 {
        let usage = "takes a table of string groups as parameter or nothing";
        let table = args.table(0).ok_or(usage)?;
        let mut wanted = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let Value::String(name) = pair?.1 else { return Err(usage.into()) };
            let name = name.to_string_lossy();
            wanted.push(find_tag(&name).ok_or_else(|| format!("unknown log group '{name}'"))?);
        }
        for (_, tag) in LOG_GROUPS {
            call.host.set_log_debug_group(tag, wanted.contains(&tag));
        }
    }
    call.ok(call.host.log_debug_groups())
}

/// `write(group number, level number of syslog, message)`.
fn write(call: &Call<'_>, args: &Args) -> Answer {
    let tag = args.integer(0).and_then(tag_of).unwrap_or("module");
    let level = args.integer(1).and_then(|level| u8::try_from(level).ok());
    let level = level.and_then(LogLevel::from_syslog).unwrap_or(LogLevel::Notice);
    if call.host.log_enabled(tag, level) {
        let text = args.bytes(2).unwrap_or_default();
        call.host.log(tag, level, &String::from_utf8_lossy(&text));
    }
    Ok(MultiValue::new())
}

fn enabled(call: &Call<'_>, args: &Args) -> Answer {
    let tag = args.integer(0).and_then(tag_of).unwrap_or("module");
    let level = args.integer(1).and_then(|level| u8::try_from(level).ok());
    let level = level.and_then(LogLevel::from_syslog).unwrap_or(LogLevel::Notice);
    call.ok(call.host.log_enabled(tag, level))
}
