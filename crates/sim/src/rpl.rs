//! `.rpl` scenarios: a test language that several DNS projects share. A scenario scripts the
//! servers of the world, asks the resolver, and says what it must answer.
//!
//! [`parse`](fn@parse) reads the text, [`play`](fn@play) runs it onto a resolver in virtual time. The dialect is
//! Deckard's; a question that the script does not foresee is answered SERVFAIL and fails the
//! scenario, as there.

mod compare;
mod config;
mod natives;
mod parse;
mod play;
mod rules;
mod script;
pub mod suite;

pub use compare::Difference;
pub use config::Config;
pub use parse::{RplFault, parse};
pub use play::{Outcome, Variant, play, variants};
pub use script::{Adjust, Criterion, Entry, Range, Record, Scenario, Scripted, Step, StepKind};
