//! `modules`: the order of layers and the native modules.

use std::cell::RefCell;

use lua::data::Data;
use lua::host::{HostError, ModuleCommand, Modules, Placement};
use lua::layer::LuaLayer;

use super::DaemonHost;
use crate::logging::log;

/// The layers that are always there.
const BUILT_IN: [&str; 3] = ["iterate", "validate", "cache"];

/// The modules in the order of their layers.
pub(super) struct State {
    order: RefCell<Vec<String>>,
}

impl Default for State {
    fn default() -> State {
        State { order: RefCell::new(BUILT_IN.map(str::to_owned).to_vec()) }
    }
}

impl State {
    fn insert(&self, name: &str, placement: &Placement) -> Result<(), HostError> {
        let mut order = self.order.borrow_mut();
        let position = |other: &str, order: &[String]| {
            order.iter().position(|known| known == other).ok_or_else(|| HostError::NotFound {
                what: "referenced module",
                name: other.to_owned(),
            })
        };
        if order.iter().any(|known| known == name) {
            return Ok(());
        }
        let at = match placement {
            Placement::Last => order.len(),
            Placement::After(other) => position(other, &order)? + 1,
            Placement::Before(other) => position(other, &order)?,
        };
        order.insert(at, name.to_owned());
        Ok(())
    }
}

fn unknown(name: &str) -> HostError {
    HostError::NotFound { what: "module", name: name.to_owned() }
}

impl Modules for DaemonHost {
    fn has_native_module(&self, _name: &str) -> bool {
        false
    }

    fn module_order(&self) -> Vec<String> {
        self.modules.order.borrow().clone()
    }

    fn load_native_module(&self, name: &str, _placement: &Placement) -> Result<(), HostError> {
        Err(unknown(name))
    }

    fn insert_lua_module(
        &self,
        name: &str,
        placement: &Placement,
        layer: Option<LuaLayer>,
    ) -> Result<(), HostError> {
        self.modules.insert(name, placement)?;
        if layer.is_some_and(|layer| !layer.phases().is_empty()) {
            log!(Warning, "module", "{name}: layers written in Lua are not called by this program");
        }
        Ok(())
    }

    fn remove_module(&self, name: &str) -> Result<(), HostError> {
        if BUILT_IN.contains(&name) {
            return Err(HostError::refused(format!("module '{name}' is built in and stays")));
        }
        let mut order = self.modules.order.borrow_mut();
        let position = order.iter().position(|known| known == name).ok_or_else(|| unknown(name))?;
        order.remove(position);
        Ok(())
    }

    fn module_commands(&self, _name: &str) -> Vec<ModuleCommand> {
        Vec::new()
    }

    fn module_call(&self, module: &str, _command: &str, _args: &[Data]) -> Result<Data, HostError> {
        Err(unknown(module))
    }

    fn module_config(&self, module: &str, _config: &Data) -> Result<(), HostError> {
        Err(unknown(module))
    }

    fn module_get(&self, _module: &str, _property: &str) -> Option<Result<Data, HostError>> {
        None
    }

    fn module_set(
        &self,
        _module: &str,
        _property: &str,
        _value: &Data,
    ) -> Option<Result<(), HostError>> {
        None
    }
}
