//! The resolver as its driver sees it: requests and replies go in, actions come out. Upstream
//! servers are functions; time jumps from event to event.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod amplification;
mod intake;
mod sharing;
mod sockets;
mod spoofing;
mod switches;
mod walking;
mod world;
