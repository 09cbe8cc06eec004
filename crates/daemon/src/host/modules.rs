//! `modules`: the order of layers and the native modules.
//!
//! The order of the modules is the order of the resolver's stack of layers; a module without a
//! layer has an empty one there, so that others can be placed beside it. While a step of the
//! resolver is running, changes to the stack wait for its end, and the order kept here says what
//! holds from then on.

mod environment;
mod timers;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use lua::data::Data;
use lua::host::{HostError, ModuleCommand, Modules, Placement};
use lua::layer::LuaLayer;
use modules::{Home, Module, Refusal, Value};
use resolve::layer::refuse_nord;
use resolve::layer::stack::Place;
use resolve::{Hooks, Layer};
use tokio::sync::Notify;

use self::environment::ModuleEnvironment;
use super::DaemonHost;
use crate::logging::log;
use crate::worker::Worker;

pub(crate) use timers::run;

/// The layers that are always there.
const BUILT_IN: [&str; 3] = ["iterate", "validate", "cache"];
/// A layer that modules are not told of: special-use names. It follows the rules of `policy`.
const LOCAL_DATA: &str = resolve::layer::local_data::NAME;

/// Numbers of modules are so wide among the questions from inside the program.
const NUMBER_MAX: u16 = 0x7fff;

/// A loaded module.
struct Loaded {
    name: String,
    /// Absent for built-in layers and modules written in Lua.
    native: Option<Native>,
}

/// A native module with its place among the questions from inside the program.
#[derive(Clone)]
struct Native {
    module: Rc<RefCell<Box<dyn Module>>>,
    number: u16,
}

/// The modules in the order of their layers.
pub(super) struct State {
    loaded: RefCell<Vec<Loaded>>,
    /// Native modules loaded so far; numbers are not used twice.
    numbers: Cell<u16>,
    /// A deadline of a module may have changed.
    woken: Notify,
}

impl Default for State {
    fn default() -> State {
        let built_in = |name: &str| Loaded { name: name.to_owned(), native: None };
        State {
            loaded: RefCell::new(BUILT_IN.map(built_in).into()),
            numbers: Cell::new(0),
            woken: Notify::new(),
        }
    }
}

/// The layer of a module that has none.
struct Blank(String);

impl Layer for Blank {
    fn name(&self) -> &str {
        &self.0
    }

    fn hooks(&self) -> Hooks {
        Hooks::empty()
    }

    fn is_transparent(&self) -> bool {
        true
    }
}

fn unknown(name: &str) -> HostError {
    HostError::NotFound { what: "module", name: name.to_owned() }
}

fn refused(refusal: Refusal) -> HostError {
    HostError::refused(refusal.0)
}

impl State {
    fn position(&self, name: &str) -> Option<usize> {
        self.loaded.borrow().iter().position(|loaded| loaded.name == name)
    }

    fn native(&self, name: &str) -> Option<Native> {
        let loaded = self.loaded.borrow();
        loaded.iter().find(|loaded| loaded.name == name)?.native.clone()
    }
}

impl DaemonHost {
    /// The layers that are modules here are taken out of a new resolver; the configuration loads
    /// them.
    pub(super) fn take_over_layers(worker: &Worker) {
        worker.change_resolver(|core| {
            let layers = core.layers_mut();
            layers.remove(refuse_nord::NAME);
            // Special-use names come behind all that is there now, which is behind `policy`.
            if let Some(local_data) = layers.remove(LOCAL_DATA) {
                let _at_the_end = layers.insert(local_data, Place::Last);
            }
        });
    }

    /// Puts a module into the order and its layer into the stack.
    fn put_module(
        &self,
        name: &str,
        placement: &Placement,
        home: Home,
        native: Option<Native>,
        layer: Option<Box<dyn Layer>>,
    ) -> Result<(), HostError> {
        let place = match placement {
            Placement::After(other) => Spot::After(other.clone()),
            Placement::Before(other) => Spot::Before(other.clone()),
            Placement::Last => match home {
                Home::Last => Spot::Last,
                Home::After(other) => Spot::After(other.to_owned()),
                Home::Before(other) => Spot::Before(other.to_owned()),
            },
        };
        let reference = |other: &str| {
            self.modules.position(other).ok_or_else(|| HostError::NotFound {
                what: "referenced module",
                name: other.to_owned(),
            })
        };
        let last = self.modules.loaded.borrow().len();
        let at = match &place {
            // Not a module, so not in the order: what goes before it goes last.
            Spot::Before(other) if other == LOCAL_DATA => last,
            Spot::Last => last,
            Spot::After(other) => reference(other)? + 1,
            Spot::Before(other) => reference(other)?,
        };
        let loaded = Loaded { name: name.to_owned(), native };
        self.modules.loaded.borrow_mut().insert(at, loaded);
        let layer = layer.unwrap_or_else(|| Box::new(Blank(name.to_owned())));
        self.worker.change_resolver(move |core| {
            let put = core.layers_mut().insert(layer, place.as_place());
            if put.is_err() {
                log!(Crit, "module", "bug: a module has no place among the layers");
            }
        });
        Ok(())
    }

    /// Runs something on a native module.
    fn with_module<R>(
        &self,
        name: &str,
        use_it: impl FnOnce(&mut dyn Module, &ModuleEnvironment) -> R,
    ) -> Result<R, HostError> {
        let native = self.modules.native(name).ok_or_else(|| unknown(name))?;
        let result = self.with_native(&native, use_it).ok_or(HostError::Busy)?;
        Ok(result)
    }

    /// The same; `None` if the module is running already.
    fn with_native<R>(
        &self,
        native: &Native,
        use_it: impl FnOnce(&mut dyn Module, &ModuleEnvironment) -> R,
    ) -> Option<R> {
        let environment = ModuleEnvironment::new(self.worker.clone(), native.number);
        let mut module = native.module.try_borrow_mut().ok()?;
        let result = use_it(&mut **module, &environment);
        self.modules.woken.notify_one();
        Some(result)
    }
}

/// A place in the stack by a name of its own.
enum Spot {
    Last,
    Before(String),
    After(String),
}

impl Spot {
    fn as_place(&self) -> Place<'_> {
        match self {
            Spot::Last => Place::Last,
            Spot::Before(other) => Place::Before(other),
            Spot::After(other) => Place::After(other),
        }
    }
}

impl Modules for DaemonHost {
    fn has_native_module(&self, name: &str) -> bool {
        modules::find(name).is_some()
    }

    fn module_order(&self) -> Vec<String> {
        self.modules.loaded.borrow().iter().map(|loaded| loaded.name.clone()).collect()
    }

    fn load_native_module(&self, name: &str, placement: &Placement) -> Result<(), HostError> {
        if self.modules.position(name).is_some() {
            return Ok(());
        }
        let entry = modules::find(name).ok_or_else(|| unknown(name))?;
        let mut module = (entry.make)();
        let layer = module.layer();
        let number = self.modules.numbers.get();
        self.modules.numbers.set(number.wrapping_add(1));
        let native = Native { module: Rc::new(RefCell::new(module)), number: number & NUMBER_MAX };
        self.put_module(name, placement, entry.home, Some(native.clone()), layer)?;
        let started = self.with_native(&native, |module, environment| module.start(environment));
        match started {
            Some(Ok(())) => Ok(()),
            Some(Err(refusal)) => {
                self.remove_module(name)?;
                Err(refused(refusal))
            }
            None => Err(HostError::Busy),
        }
    }

    fn insert_lua_module(
        &self,
        name: &str,
        placement: &Placement,
        layer: Option<LuaLayer>,
    ) -> Result<(), HostError> {
        if self.modules.position(name).is_some() {
            return Ok(());
        }
        let (home, rules) = self.rule_layer(name);
        let layer = layer.map(|layer| Box::new(layer) as Box<dyn Layer>);
        self.put_module(name, placement, home, None, rules.or(layer))
    }

    fn remove_module(&self, name: &str) -> Result<(), HostError> {
        if BUILT_IN.contains(&name) {
            return Err(HostError::refused(format!("module '{name}' is built in and stays")));
        }
        let at = self.modules.position(name).ok_or_else(|| unknown(name))?;
        if let Some(native) = self.modules.native(name) {
            let stopped = self.with_native(&native, |module, environment| module.stop(environment));
            stopped.ok_or(HostError::Busy)?;
        }
        self.modules.loaded.borrow_mut().remove(at);
        self.forget_rule_layer(name);
        let name = name.to_owned();
        self.worker.change_resolver(move |core| {
            core.layers_mut().remove(&name);
        });
        Ok(())
    }

    fn module_commands(&self, name: &str) -> Vec<ModuleCommand> {
        let commands = self.with_module(name, |module, _| module.commands());
        commands
            .unwrap_or_default()
            .iter()
            .map(|command| ModuleCommand {
                name: command.name,
                usage: command.usage,
                doc: command.doc,
            })
            .collect()
    }

    fn module_call(&self, module: &str, command: &str, args: &[Data]) -> Result<Data, HostError> {
        let arguments: Vec<Value> = args.iter().map(to_value).collect();
        let result = self.with_module(module, |module, environment| {
            module.call(environment, command, &arguments)
        })?;
        Ok(from_value(&result.map_err(refused)?))
    }

    fn module_config(&self, module: &str, config: &Data) -> Result<Data, HostError> {
        self.module_call(module, modules::CONFIG, std::slice::from_ref(config))
    }

    fn module_get(&self, module: &str, property: &str) -> Option<Result<Data, HostError>> {
        let result =
            self.with_module(module, |module, environment| module.get(environment, property));
        match result {
            Ok(value) => value.map(|value| Ok(from_value(&value))),
            Err(error) => Some(Err(error)),
        }
    }

    fn module_set(
        &self,
        module: &str,
        property: &str,
        value: &Data,
    ) -> Option<Result<(), HostError>> {
        let value = to_value(value);
        let result = self
            .with_module(module, |module, environment| module.set(environment, property, &value));
        match result {
            Ok(result) => result.map(|done| done.map_err(refused)),
            Err(error) => Some(Err(error)),
        }
    }
}

fn to_value(data: &Data) -> Value {
    match data {
        Data::Nil => Value::Nil,
        Data::Bool(value) => Value::Bool(*value),
        Data::Number(number) => Value::Number(*number),
        Data::Text(text) => Value::Text(text.clone()),
        Data::List(items) => items.iter().map(to_value).collect(),
        Data::Map(map) => map.iter().map(|(key, value)| (key.as_str(), to_value(value))).collect(),
    }
}

fn from_value(value: &Value) -> Data {
    match value {
        Value::Nil => Data::Nil,
        Value::Bool(value) => Data::Bool(*value),
        Value::Number(number) => Data::Number(*number),
        Value::Text(text) => Data::Text(text.clone()),
        Value::List(items) => Data::List(items.iter().map(from_value).collect()),
        Value::Map(map) => {
            Data::Map(map.iter().map(|(key, value)| (key.clone(), from_value(value))).collect())
        }
    }
}
