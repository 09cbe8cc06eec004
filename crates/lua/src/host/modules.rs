//! `modules`: what is loaded, in which order, and the commands that modules offer.

use super::HostError;
use crate::data::Data;
use crate::layer::LuaLayer;

/// Where a module goes in the order of layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Behind all others.
    #[default]
    Last,
    /// Directly behind this one (`'hints > iterate'`).
    After(String),
    /// Directly before this one (`'view < cache'`).
    Before(String),
}

/// A command of a native module, a function in Lua.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleCommand {
    /// The name of the function.
    pub name: &'static str,
    /// How it is called: `set('name address')`.
    pub usage: &'static str,
    /// What it does, one line.
    pub doc: &'static str,
}

/// The modules of the process. The built-in layers (`iterate`, `validate`, `cache`) are members of
/// the order from the start.
pub trait Modules {
    /// Whether this program has a native module of that name (loaded or not).
    fn has_native_module(&self, name: &str) -> bool;
    /// The names of all modules in the order of their layers, built-in ones included.
    fn module_order(&self) -> Vec<String>;
    /// Loads a native module. Errors: [`HostError::NotFound`] for `Placement`'s reference; the
    /// module's own refusal. Loading a loaded one changes nothing.
    fn load_native_module(&self, name: &str, placement: &Placement) -> Result<(), HostError>;
    /// Puts a module written in Lua into the order; it may have no layer at all.
    fn insert_lua_module(
        &self,
        name: &str,
        placement: &Placement,
        layer: Option<LuaLayer>,
    ) -> Result<(), HostError>;
    /// Takes a module, of either sort, out of the order; the others keep theirs.
    fn remove_module(&self, name: &str) -> Result<(), HostError>;
    /// The commands of a loaded native module.
    fn module_commands(&self, name: &str) -> Vec<ModuleCommand>;
    /// Runs one.
    fn module_call(&self, module: &str, command: &str, args: &[Data]) -> Result<Data, HostError>;
    /// Configures a loaded native module that has a command `config`; called again, it replaces
    /// the configuration.
    fn module_config(&self, module: &str, config: &Data) -> Result<Data, HostError>;
    /// Reads a property (`stats['answer.total']`); `None` = the module has no such sugar.
    fn module_get(&self, module: &str, property: &str) -> Option<Result<Data, HostError>>;
    /// Writes one (`hints['a.test'] = '192.0.2.1'`); `None` = the module has no such sugar.
    fn module_set(
        &self,
        module: &str,
        property: &str,
        value: &Data,
    ) -> Option<Result<(), HostError>>;
}
