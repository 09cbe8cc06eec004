//! The functions that the prelude builds the language from, one table per group.
//!
//! A row names a function, how it is called and what it does; help, stubs and the manual are made
//! from the same rows. Each function checks its arguments and calls [`Host`]. It never raises a
//! Lua error itself: it returns `true` and its values, or `false` and a message, and the prelude
//! raises that message as a string, so that scripts can match on it.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};

use crate::convert::{Answer, Args, Failure};
use crate::flags::QueryFlag;
use crate::host::Host;
use crate::interpreter::budget::Budget;
use crate::interpreter::call::Door;
use crate::timers::Timers;

mod addresses;
mod anchors;
mod cache;
mod event;
mod general;
mod kres;
mod log;
mod modules;
mod net;
mod policy;
pub(crate) mod request;
mod settings;
mod worker;

pub(crate) use policy::parse_action;

/// What bound functions share.
pub(crate) struct State {
    pub(crate) host: Rc<dyn Host>,
    /// How long Lua may run at a time.
    pub(crate) budget: Rc<Budget>,
    /// The way into hooks; empty until the prelude is loaded.
    pub(crate) door: OnceCell<Rc<Door>>,
    pub(crate) timers: RefCell<Timers>,
    /// The number of the query that Lua started last.
    pub(crate) last_query: Cell<u64>,
    /// The number of the policy rule that was added last, plus one.
    pub(crate) next_rule: Cell<u32>,
}

/// The surroundings of one call.
pub(crate) struct Call<'a> {
    pub(crate) lua: &'a Lua,
    pub(crate) host: &'a dyn Host,
    pub(crate) state: &'a State,
}

impl Call<'_> {
    /// Values for Lua.
    pub(crate) fn ok(&self, values: impl IntoLuaMulti) -> Answer {
        Ok(values.into_lua_multi(self.lua)?)
    }

    /// A table of named numbers.
    pub(crate) fn numbers(&self, pairs: &[(&str, f64)]) -> Result<Table, Failure> {
        Ok(self.lua.create_table_from(pairs.iter().copied())?)
    }
}

/// One function of the language.
pub struct Binding {
    /// The name within its group.
    pub name: &'static str,
    /// How it is called, parameters in brackets may be left out.
    pub usage: &'static str,
    /// What it does, one line.
    pub doc: &'static str,
    pub(crate) call: fn(&Call<'_>, &Args) -> Answer,
}

/// All groups: the name of the table that carries the functions, and its rows. The groups whose
/// name starts with `_` are not visible under that name; the prelude builds others from them.
pub const GROUPS: &[(&str, &[Binding])] = &[
    ("net", net::BINDINGS),
    ("cache", cache::BINDINGS),
    ("trust_anchors", anchors::BINDINGS),
    ("_log", log::BINDINGS),
    ("_settings", settings::BINDINGS),
    ("_general", general::BINDINGS),
    ("worker", worker::BINDINGS),
    ("event", event::BINDINGS),
    ("modules", modules::BINDINGS),
    ("policy", policy::BINDINGS),
    ("kres", kres::BINDINGS),
    ("_request", request::BINDINGS),
];

/// Builds the table of groups for the prelude.
pub(crate) fn register(lua: &Lua, state: &Rc<State>) -> mlua::Result<Table> {
    let groups = lua.create_table()?;
    for (group, rows) in GROUPS {
        let table = lua.create_table()?;
        for row in *rows {
            let state = Rc::clone(state);
            let call = row.call;
            let function = lua.create_function(move |lua, values: MultiValue| {
                let around = Call { lua, host: state.host.as_ref(), state: &state };
                let mut answer = match call(&around, &Args::new(values)) {
                    Ok(answer) => answer,
                    Err(failure) => {
                        let text = lua.create_string(failure.to_string())?;
                        return Ok(MultiValue::from_vec(vec![
                            Value::Boolean(false),
                            Value::String(text),
                        ]));
                    }
                };
                answer.push_front(Value::Boolean(true));
                Ok(answer)
            })?;
            table.raw_set(row.name, function)?;
        }
        groups.raw_set(*group, table)?;
    }
    groups.raw_set("help", help(lua)?)?;
    groups.raw_set("constants", kres::constants(lua)?)?;
    groups.raw_set("log_groups", log::constants(lua)?)?;
    let flags = QueryFlag::ALL.iter().map(|flag| flag.name());
    groups.raw_set("flags", lua.create_sequence_from(flags)?)?;
    Ok(groups)
}

/// Usage and purpose of each row, by group.
fn help(lua: &Lua) -> mlua::Result<Table> {
    let groups = lua.create_table()?;
    for (group, rows) in GROUPS {
        let list = lua.create_table()?;
        for row in *rows {
            let entry = lua.create_table()?;
            entry.raw_set("name", row.name)?;
            entry.raw_set("usage", row.usage)?;
            entry.raw_set("doc", row.doc)?;
            list.raw_push(entry)?;
        }
        groups.raw_set(*group, list)?;
    }
    Ok(groups)
}
