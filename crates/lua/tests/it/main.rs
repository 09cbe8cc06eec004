//! The language as operators write it, run against a process that only remembers.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

mod recording;
mod world;

mod budget;
mod bundled;
mod cache;
mod configurations;
mod console;
mod events;
mod general;
mod layers;
mod modules;
mod network;
mod packets;
mod policy;
