//! The program from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what failed by failing")]

mod bootstrap;
mod cache_trouble;
mod cli;
mod collector;
mod control;
mod crashes;
mod ctl_cache;
mod doh;
mod e2e;
mod e2e_lua;
mod e2e_signed;
mod e2e_signers;
mod examples;
mod fleet;
mod group;
mod limits;
mod modules;
mod notify;
mod oneshot;
mod policy;
mod process;
mod proxied;
mod reload;
mod roll;
mod sharing;
mod tcp;
mod terminal;
mod tls;
mod tls_upstream;
mod transcripts;
mod udp;
mod upstream;
mod zone_import;
