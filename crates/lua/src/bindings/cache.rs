//! `cache`: opening, limits, counters, clearing. `cache.clear` with its rounds is in the prelude.

use dns::{Name, Rtype};
use mlua::{MultiValue, Value};

use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure, name_of_text};
use crate::host::ZoneFile;

pub(super) const BINDINGS: &[Binding] = &[
    Binding {
        name: "open",
        usage: "open(max_size[, storage])",
        doc: "open or re-open the cache",
        call: open,
    },
    Binding { name: "close", usage: "close()", doc: "close the cache", call: close },
    Binding { name: "count", usage: "count()", doc: "number of entries", call: count },
    Binding {
        name: "stats",
        usage: "stats()",
        doc: "counters of low-level operations",
        call: stats,
    },
    Binding {
        name: "backends",
        usage: "backends()",
        doc: "known kinds of storage, true for the default",
        call: backends,
    },
    Binding {
        name: "max_ttl",
        usage: "max_ttl([seconds])",
        doc: "get or set the largest TTL",
        call: max_ttl,
    },
    Binding {
        name: "min_ttl",
        usage: "min_ttl([seconds])",
        doc: "get or set the smallest TTL",
        call: min_ttl,
    },
    Binding {
        name: "ns_tout",
        usage: "ns_tout([ms])",
        doc: "get or set how long a silent server is left alone",
        call: ns_tout,
    },
    Binding {
        name: "get",
        usage: "get(name)",
        doc: "what is known about a name: types, ranks, seconds left",
        call: get,
    },
    Binding {
        name: "checkpoint",
        usage: "checkpoint([true])",
        doc: "the last moment that was kept, by both clocks; with true, keep this one",
        call: checkpoint,
    },
    Binding {
        name: "import_zone",
        usage: "zone_import(path)",
        doc: "check a zone file against its signatures and put it into the cache",
        call: import_zone,
    },
    Binding {
        name: "fssize",
        usage: "fssize()",
        doc: "size of the file system that holds the cache",
        call: fssize,
    },
    Binding {
        name: "current",
        usage: "current_size, current_storage",
        doc: "limit and storage of the open cache",
        call: current,
    },
    Binding {
        name: "clear_everything",
        usage: "clear()",
        doc: "remove everything",
        call: clear_everything,
    },
    Binding {
        name: "clear_name",
        usage: "clear(name, true[, rr_type])",
        doc: "remove the records of one owner",
        call: clear_name,
    },
    Binding {
        name: "clear_subtree",
        usage: "clear(name)",
        doc: "remove records at and below a name",
        call: clear_subtree,
    },
    Binding {
        name: "closest_apex",
        usage: "closest_apex(name)",
        doc: "the deepest known zone apex at or above a name",
        call: closest_apex,
    },
];

/// Smaller than two pages no store can be.
const SIZE_MIN: f64 = 8192.0;
/// 2^47: more than any machine can map (user space of x86-64).
const SIZE_MAX: f64 = 140_737_488_355_328.0;
/// TTLs are 31 bits wide (RFC 2181 §8).
const TTL_MAX: f64 = 2_147_483_647.0;

fn open(call: &Call<'_>, args: &Args) -> Answer {
    let usage = "expected 'open(number max_size, string config = \"\")'";
    let size = args.number(0).ok_or(usage)?;
    if !(SIZE_MIN..=SIZE_MAX).contains(&size) {
        return Err("invalid cache size specified, it must be in range <8192, 2^47>".into());
    }
    let storage = match args.value(1) {
        Value::Nil => "lmdb://".to_owned(),
        Value::String(storage) if storage.as_bytes().is_empty() => "lmdb://".to_owned(),
        Value::String(storage) => storage.to_string_lossy(),
        _ => return Err(usage.into()),
    };
    call.host.cache_open(size as u64, &storage)?;
    call.ok(true)
}

fn close(call: &Call<'_>, _args: &Args) -> Answer {
    if call.host.cache_close() { call.ok(true) } else { Ok(MultiValue::new()) }
}

fn count(call: &Call<'_>, _args: &Args) -> Answer {
    call.ok(call.host.cache_count()?)
}

fn stats(call: &Call<'_>, _args: &Args) -> Answer {
    call.ok(call.numbers(&call.host.cache_stats()?)?)
}

fn backends(call: &Call<'_>, _args: &Args) -> Answer {
    call.ok(call.lua.create_table_from(call.host.cache_backends())?)
}

fn max_ttl(call: &Call<'_>, args: &Args) -> Answer {
    let (min, max) = call.host.cache_ttl_bounds()?;
    if args.len() == 0 {
        return call.ok(max);
    }
    const USAGE: &str = "expected 'max_ttl(number ttl)'";
    args.at_most(1, USAGE)?;
    let ttl = args.number(0).ok_or(USAGE)?;
    if !(f64::from(min).max(1.0)..=TTL_MAX).contains(&ttl) {
        return Err("max_ttl must be larger than minimum TTL, and in range <1, 2147483647>".into());
    }
    call.host.set_cache_ttl_bounds(min, ttl as u32)?;
    call.ok(ttl as u32)
}

fn min_ttl(call: &Call<'_>, args: &Args) -> Answer {
    let (min, max) = call.host.cache_ttl_bounds()?;
    if args.len() == 0 {
        return call.ok(min);
    }
    let ttl = args.number(0).ok_or("expected 'min_ttl(number ttl)'")?;
    if !(0.0..=f64::from(max)).contains(&ttl) {
        return Err("min_ttl must be smaller than maximum TTL, and in range <0, 2147483647>".into());
    }
    call.host.set_cache_ttl_bounds(ttl as u32, max)?;
    call.ok(ttl as u32)
}

fn ns_tout(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        return call.ok(call.host.cache_ns_timeout());
    }
    let ms = args.number(0).ok_or("expected 'cache.ns_tout(interval in ms)'")?;
    if !(1.0..=f64::from(u32::MAX)).contains(&ms) {
        return Err("invalid interval specified, it must be in range > 0, < 4294967296".into());
    }
    call.host.set_cache_ns_timeout(ms as u32)?;
    call.ok(ms as u32)
}

fn checkpoint(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() > 0 && (args.len() > 1 || args.boolean(0) != Some(true)) {
        return Err("cache.checkpoint() takes no parameters or a true value".into());
    }
    if args.len() == 1 {
        call.host.set_cache_checkpoint()?;
        return call.ok(true);
    }
    let moment = call.host.cache_checkpoint()?;
    let wall = call.lua.create_table()?;
    wall.raw_set("sec", moment.unix / 1_000)?;
    wall.raw_set("usec", moment.unix % 1_000 * 1_000)?;
    let table = call.lua.create_table()?;
    table.raw_set("monotime", moment.mono)?;
    table.raw_set("walltime", wall)?;
    call.ok(table)
}

fn fssize(call: &Call<'_>, _args: &Args) -> Answer {
    call.ok(call.host.cache_fssize()?)
}

fn get(call: &Call<'_>, args: &Args) -> Answer {
    if !matches!(args.value(0), Value::String(_)) {
        return Err("expected 'cache.get(string name)'".into());
    }
    let list = call.lua.create_table()?;
    for row in call.host.cache_get(&name(args)?)? {
        let entry = call.lua.create_table()?;
        entry.raw_set("type", row.rtype)?;
        entry.raw_set("exists", row.exists)?;
        entry.raw_set("rank", row.rank)?;
        entry.raw_set("ttl", row.ttl)?;
        list.raw_push(entry)?;
    }
    call.ok(list)
}

/// `current()`: size and storage, nothing when closed.
fn current(call: &Call<'_>, _args: &Args) -> Answer {
    match call.host.cache_current() {
        Some((size, storage)) => call.ok((size, storage)),
        None => Ok(MultiValue::new()),
    }
}

fn clear_everything(call: &Call<'_>, _args: &Args) -> Answer {
    call.ok(call.host.cache_clear()?)
}

fn name(args: &Args) -> Result<Name, Failure> {
    args.bytes(0).and_then(|text| name_of_text(&text)).ok_or_else(|| "incorrect name passed".into())
}

/// `clear_name(name[, type])`.
fn clear_name(call: &Call<'_>, args: &Args) -> Answer {
    let rr_type = match args.value(1) {
        Value::Nil => None,
        _ => {
            let number = args.integer(1).and_then(|number| u16::try_from(number).ok());
            Some(Rtype(number.ok_or("incorrect rr_type passed")?))
        }
    };
    call.ok(call.host.cache_clear_name(&name(args)?, rr_type)?)
}

/// `clear_subtree(name, limit)`.
fn clear_subtree(call: &Call<'_>, args: &Args) -> Answer {
    let limit = args
        .integer(1)
        .and_then(|limit| u32::try_from(limit).ok())
        .filter(|limit| *limit > 0)
        .ok_or("chunk_size has to be a positive integer")?;
    call.ok(call.host.cache_clear_subtree(&name(args)?, limit)?)
}

/// `closest_apex(name)`: the name of the apex as text, and whether it is the name itself.
fn closest_apex(call: &Call<'_>, args: &Args) -> Answer {
    let name = name(args)?;
    let apex = call.host.cache_closest_apex(&name)?;
    call.ok((apex.to_string(), apex == name))
}

/// `import_zone(path, origin, zonemd, accept_unsigned)`: the number under which its end is told.
fn import_zone(call: &Call<'_>, args: &Args) -> Answer {
    let path = args.text(0).ok_or("expected zone_import(path)")?;
    let origin = match args.value(1) {
        Value::String(wire) => Some(
            Name::from_wire(&wire.as_bytes())
                .map_err(|_| "the origin is no name in wire format")?,
        ),
        _ => None,
    };
    let zone = ZoneFile {
        path: path.into(),
        origin,
        zonemd: args.boolean(2).unwrap_or(false),
        accept_unsigned: args.boolean(3).unwrap_or(false),
    };
    let number = call.state.timers.borrow_mut().reserve_id();
    call.host.cache_import_zone(&zone, number)?;
    call.ok(number)
}
