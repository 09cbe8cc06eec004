//! The resolver in simulated worlds: scenarios, random worlds, forgers and amplifiers.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod amplification;
mod cuts;
mod floods;
mod gates;
mod odd_names;
mod rolls;
mod scenarios;
mod seeds;
mod sharing;
mod spoofing;
mod town;
mod trust;
mod validation;
