//! `modules`: the order of modules and the commands of native ones.

use std::rc::Rc;

use mlua::{Function, MultiValue, Value};

use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure, from_data, to_data};
use crate::data::Data;
use crate::host::Placement;
use crate::interpreter::call::HookFunction;
use crate::layer::{LuaLayer, Phase};

pub(super) const BINDINGS: &[Binding] = &[
    Binding { name: "list", usage: "list()", doc: "loaded modules in order", call: list },
    Binding {
        name: "is_native",
        usage: "load(name)",
        doc: "whether the program brings this module",
        call: is_native,
    },
    Binding {
        name: "load_native",
        usage: "load(name)",
        doc: "load a module: 'name', 'name > other', 'name < other'",
        call: load_native,
    },
    Binding {
        name: "insert",
        usage: "load(name)",
        doc: "put a module written in Lua into the order",
        call: insert,
    },
    Binding { name: "remove", usage: "unload(name)", doc: "unload a module", call: remove },
    Binding {
        name: "commands",
        usage: "help()",
        doc: "the commands of a native module",
        call: commands,
    },
    Binding { name: "call", usage: "module.command(...)", doc: "run a command", call: run },
    Binding {
        name: "config",
        usage: "module.config(configuration)",
        doc: "configure a native module",
        call: config,
    },
    Binding {
        name: "get",
        usage: "module[property]",
        doc: "read a property of a native module",
        call: get,
    },
    Binding {
        name: "set",
        usage: "module[property] = value",
        doc: "write a property of a native module",
        call: set,
    },
];

fn list(call: &Call<'_>, _args: &Args) -> Answer {
    call.ok(call.host.module_order())
}

fn name(args: &Args) -> Result<String, Failure> {
    args.text(0).ok_or_else(|| "expected 'load(string name)'".into())
}

fn is_native(call: &Call<'_>, args: &Args) -> Answer {
    call.ok(call.host.has_native_module(&name(args)?))
}

/// `(…, '<' | '>' | nil, reference)` from the second argument on.
fn placement(args: &Args) -> Result<Placement, Failure> {
    let reference = || args.text(2).ok_or("referenced module not found");
    match args.text(1).as_deref() {
        None => Ok(Placement::Last),
        Some(">") => Ok(Placement::After(reference()?)),
        Some("<") => Ok(Placement::Before(reference()?)),
        Some(other) => Err(format!("unknown precedence operator '{other}'").into()),
    }
}

fn load_native(call: &Call<'_>, args: &Args) -> Answer {
    call.host.load_native_module(&name(args)?, &placement(args)?)?;
    call.ok(true)
}

/// `insert(name, operator, reference, { hook = closure of the prelude })`.
fn insert(call: &Call<'_>, args: &Args) -> Answer {
    let name = name(args)?;
    let layer = match args.table(3) {
        Some(hooks) => {
            let mut present = Vec::new();
            for phase in Phase::ALL {
                if let Some(function) = hooks.get::<Option<Function>>(phase.name())? {
                    present.push((phase, HookFunction::new(call.lua, &function)?));
                }
            }
            let door = call.state.door.get().ok_or("the language is not loaded yet")?;
            Some(LuaLayer::new(name.clone(), present, Rc::clone(door), Rc::clone(&call.state.host)))
        }
        None => None,
    };
    call.host.insert_lua_module(&name, &placement(args)?, layer)?;
    call.ok(true)
}

fn remove(call: &Call<'_>, args: &Args) -> Answer {
    call.host.remove_module(&name(args)?)?;
    call.ok(true)
}

/// `commands(name)`: a list of `{ name, usage, doc }`.
fn commands(call: &Call<'_>, args: &Args) -> Answer {
    let list = call.lua.create_table()?;
    for command in call.host.module_commands(&name(args)?) {
        let entry = call.lua.create_table()?;
        entry.raw_set("name", command.name)?;
        entry.raw_set("usage", command.usage)?;
        entry.raw_set("doc", command.doc)?;
        list.raw_push(entry)?;
    }
    call.ok(list)
}

/// `call(module, command, ...)`.
fn run(call: &Call<'_>, args: &Args) -> Answer {
    let command = args.text(1).unwrap_or_default();
    let values = (2..args.len())
        .map(|at| to_data(&args.value(at)))
        .collect::<Result<Vec<Data>, Failure>>()?;
    let result = call.host.module_call(&name(args)?, &command, &values)?;
    call.ok(from_data(call.lua, &result)?)
}

/// `config(module, configuration)`.
fn config(call: &Call<'_>, args: &Args) -> Answer {
    let result = call.host.module_config(&name(args)?, &to_data(&args.value(1))?)?;
    call.ok(from_data(call.lua, &result)?)
}

/// `get(module, property)`: whether there is such sugar, and the value.
fn get(call: &Call<'_>, args: &Args) -> Answer {
    let property = args.text(1).unwrap_or_default();
    match call.host.module_get(&name(args)?, &property) {
        Some(data) => call.ok((true, from_data(call.lua, &data?)?)),
        None => call.ok(false),
    }
}

/// `set(module, property, value)`: whether there is such sugar.
fn set(call: &Call<'_>, args: &Args) -> Answer {
    let property = args.text(1).unwrap_or_default();
    let value = match args.value(2) {
        Value::Nil => Data::Nil,
        value => to_data(&value)?,
    };
    match call.host.module_set(&name(args)?, &property, &value) {
        Some(result) => {
            result?;
            call.ok(true)
        }
        None => {
            let mut answer = MultiValue::new();
            answer.push_back(Value::Boolean(false));
            Ok(answer)
        }
    }
}
