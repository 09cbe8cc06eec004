//! The configuration language: LuaJIT, the tables and functions that a configuration, the console
//! and the control sockets know, and the one trait through which they reach the process.
//!
//! The arrow points inward: [`host::Host`] is defined here and implemented by the daemon. Nothing
//! in this crate opens a DNS socket, owns a cache or resolves a name; it turns Lua into calls on
//! `Host`, and what the process reports back into Lua callbacks.
//!
//! # Driving the interpreter
//!
//! One `Interpreter` per process, on the loop's thread:
//!
//! 1. `Interpreter::new(host)`, then `run_config(path)` for each configuration file, then
//!    `finish_config()`, which fills in what the configuration left open (default modules,
//!    endpoints, cache, trust anchors). An error of any of them means: do not start.
//! 2. In the loop: `handle_console(session, input, out)` for bytes from the console or a control
//!    socket (one [`console::Session`] each), `handle_deadline()` when `next_deadline()` has passed, `handle_readable(watch, status)` for a
//!    watched descriptor, `handle_resolved(id, answer)` for a query that Lua started. After any of
//!    them ask `next_deadline()` anew.
//! 3. While the resolver works, it calls hooks of [`layer::LuaLayer`]s, and rules call
//!    `run_filters`, `run_action` and `run_test`. What Lua asks of the host from there is asked
//!    while the resolver is in use: see [`with_core`].
//! 4. `shutdown()` before the process ends.

mod bindings;
pub mod console;
mod convert;
pub mod data;
pub mod flags;
pub mod host;
mod interpreter;
mod json;
pub mod layer;
pub mod log_groups;
pub mod policy;
mod suggest;
mod timers;

pub use bindings::{Binding, GROUPS};
pub use host::Host;
pub use interpreter::{
    CONFIGURATION_ANEW, CONFIGURATION_FIRST, Interpreter, InterpreterError, QueryCallbacks,
    RuleFault, is_in_hook, with_core,
};
