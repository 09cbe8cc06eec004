//! The language as operators write it, run against a process that only remembers.

mod recording;
mod world;

mod cache;
mod configurations;
mod console;
mod events;
mod general;
mod modules;
mod network;
mod packets;
mod policy;
