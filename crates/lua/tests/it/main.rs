//! The language as operators write it, run against a process that only remembers.

mod recording;
mod world;

mod configurations;
mod console;
