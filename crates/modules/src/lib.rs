//! Behaviour one can load, unload and reorder.
//!
//! A module has a folder, a chapter of the manual and a row in [`MODULES`]. It acts on requests by
//! a layer of its own ([`resolve::Layer`]) and is spoken to by an operator through commands,
//! properties and a configuration ([`Module`]). What both sides share is the module's business,
//! usually an `Rc` of cells.
//!
//! A module reads no clock, file or socket. What it needs of the world it asks of [`Environment`],
//! which the daemon implements; what it wants to do later it says by [`Module::deadline`].
//!
//! HINT: the smallest module is `refuse_nord`; `cargo xtask new module NAME` copies it.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what failed by failing")
)]

pub mod environment;
pub mod value;

#[cfg(test)]
mod testing;

pub mod bogus_log;
pub mod detect_time_jump;
pub mod detect_time_skew;
pub mod dns64;
pub mod edns_keepalive;
pub mod extended_error;
mod frequent;
pub mod hints;
pub mod nsid;
pub mod policy;
pub mod predict;
pub mod priming;
pub mod rebinding;
pub mod refuse_nord;
pub mod renumber;
pub mod serve_stale;
pub mod stats;
pub mod subnet;
pub mod ta_sentinel;
pub mod ta_signal_query;
pub mod watchdog;
pub mod workarounds;

use resolve::{Layer, Mono};

pub use environment::{Environment, Level, Manner, Question};
pub use value::Value;

/// What a module cannot do, in words for the operator.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl Refusal {
    /// A refusal with these words.
    pub fn new(text: impl Into<String>) -> Refusal {
        Refusal(text.into())
    }
}

/// A command of a module: a function in the configuration language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    pub name: &'static str,
    /// How it is called: `set('name address')`.
    pub usage: &'static str,
    /// What it does, one line.
    pub doc: &'static str,
}

/// The name of the command that configures a module. A module that lists it is configured by
/// `modules = { NAME = … }` too, and again each time that is said.
pub const CONFIG: &str = "config";

/// One loaded module. Every method but `layer` has a default that does nothing.
pub trait Module {
    /// Its layer, asked once, before [`Module::start`]. Without one the module has a place in the
    /// order all the same.
    fn layer(&mut self) -> Option<Box<dyn Layer>>;

    /// It is in its place. An error takes it out again.
    fn start(&mut self, _env: &dyn Environment) -> Result<(), Refusal> {
        Ok(())
    }

    /// It is about to be taken out: what it has changed elsewhere is to be undone.
    fn stop(&mut self, _env: &dyn Environment) {}

    /// Its commands.
    fn commands(&self) -> &'static [Command] {
        &[]
    }

    /// Runs one of them.
    fn call(
        &mut self,
        _env: &dyn Environment,
        command: &str,
        _arguments: &[Value],
    ) -> Result<Value, Refusal> {
        Err(Refusal::new(format!("there is no command '{command}'")))
    }

    /// Reads a property; `None`: there is none of that name.
    fn get(&mut self, _env: &dyn Environment, _property: &str) -> Option<Value> {
        None
    }

    /// Writes a property; `None`: this module takes no assignments.
    fn set(
        &mut self,
        _env: &dyn Environment,
        _property: &str,
        _value: &Value,
    ) -> Option<Result<(), Refusal>> {
        None
    }

    /// When it wants to be woken.
    fn deadline(&self) -> Option<Mono> {
        None
    }

    /// That time has come.
    fn handle_deadline(&mut self, _env: &dyn Environment) {}

    /// The answer to a question that it asked ([`Environment::ask`]) under this number; `None`: the
    /// question was dropped.
    fn handle_answer(&mut self, _env: &dyn Environment, _number: u16, _answer: Option<&[u8]>) {}
}

/// Where a module's layer goes if the operator says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// Behind all others, which is where it is loaded too.
    Last,
    /// Directly before this layer.
    Before(&'static str),
    /// Directly behind this layer.
    After(&'static str),
}

/// A row of the table of modules.
pub struct Entry {
    pub name: &'static str,
    pub home: Home,
    /// Makes one that has not started.
    pub make: fn() -> Box<dyn Module>,
}

/// Every module, by name.
pub const MODULES: &[Entry] = &[
    Entry { name: bogus_log::NAME, home: Home::Last, make: bogus_log::make },
    Entry { name: detect_time_jump::NAME, home: Home::Last, make: detect_time_jump::make },
    Entry { name: detect_time_skew::NAME, home: Home::Last, make: detect_time_skew::make },
    Entry { name: dns64::NAME, home: Home::Last, make: dns64::make },
    Entry { name: edns_keepalive::NAME, home: Home::Last, make: edns_keepalive::make },
    Entry { name: extended_error::NAME, home: Home::Last, make: extended_error::make },
    Entry { name: hints::NAME, home: Home::Last, make: hints::make },
    Entry { name: nsid::NAME, home: Home::Last, make: nsid::make },
    Entry { name: predict::NAME, home: Home::Last, make: predict::make },
    Entry { name: priming::NAME, home: Home::Last, make: priming::make },
    Entry { name: rebinding::NAME, home: Home::Before("iterate"), make: rebinding::make },
    Entry { name: refuse_nord::NAME, home: Home::Last, make: refuse_nord::make },
    Entry { name: renumber::NAME, home: Home::Last, make: renumber::make },
    Entry { name: serve_stale::NAME, home: Home::Before("cache"), make: serve_stale::make },
    Entry { name: stats::NAME, home: Home::Last, make: stats::make },
    Entry { name: ta_sentinel::NAME, home: Home::Last, make: ta_sentinel::make },
    Entry { name: ta_signal_query::NAME, home: Home::Last, make: ta_signal_query::make },
    Entry { name: watchdog::NAME, home: Home::Last, make: watchdog::make },
    Entry { name: workarounds::NAME, home: Home::Last, make: workarounds::make },
];

/// The row of a module.
pub fn find(name: &str) -> Option<&'static Entry> {
    MODULES.iter().find(|entry| entry.name == name)
}
