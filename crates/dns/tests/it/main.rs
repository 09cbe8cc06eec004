//! The crate as others see it, against independent implementations: `domain`, `hickory-proto`, and
//! a zone signed by BIND.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod hickory;
mod messages;
mod signed;
mod text;
