//! A world small enough to be certain about: a clock that jumps, scripted and generated servers,
//! and the resolver in the middle of them, driven through its rim.
//!
//! Reading order: [`drive`] (what the daemon does, in virtual time), [`rpl`] (scenarios),
//! [`check`] (rules that hold in every world), [`trace`] (what happened). Never part of a program
//! that users run.
#![forbid(unsafe_code)]

pub mod anchors;
pub mod check;
pub mod clock;
pub mod dice;
pub mod drive;
pub mod fuzz;
pub mod generate;
pub mod net;
pub mod oracle;
pub mod rpl;
pub mod sign;
pub mod signed;
pub mod simulate;
pub mod text;
pub mod trace;
pub mod world;
pub mod zone;
