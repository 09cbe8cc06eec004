//! The only room with the outside world in it: sockets, the clock, signals, files, processes.
//!
//! [`run`] is the program `kresd`, [`collect`] the program `kres-cache-gc`, [`control_main`] the
//! program `kresctl`, [`host_main`] and [`query_main`] are `kresd-host` and `kresd-query`. Reading order: `start.rs` (from the command line to a running worker),
//! `worker.rs` (what happens in a turn), `udp.rs` and `tcp.rs` (clients), `upstream.rs`.
#![deny(unsafe_code)]

mod alarm;
mod cli;
mod clock;
mod collector;
mod console;
mod control;
mod counters;
mod descriptors;
mod doh;
mod endpoint;
mod fleet;
mod host;
mod kresctl;
mod limits;
mod listeners;
mod logging;
mod oneshot;
#[allow(unsafe_code, reason = "system calls without a safe wrapper")]
mod os;
mod program;
mod prompt;
mod proxied;
mod service;
mod signals;
mod start;
mod supervisor;
mod systemd;
mod tcp;
mod terminal;
mod tls;
mod token;
mod udp;
mod upstream;
mod watches;
mod worker;

pub use collector::collect;
pub use kresctl::control_main;
pub use oneshot::host::host_main;
pub use oneshot::query::query_main;
pub use start::run;
