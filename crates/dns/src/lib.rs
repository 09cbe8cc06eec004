//! DNS data and the bytes it travels as. Pure functions.
//!
//! Reading order: [`Name`], [`Message`] (a parsed view of received bytes), [`Rrset`] (owned data),
//! [`Composer`] (bytes to send), [`edns`]. Nothing here reads a clock, opens a socket or panics on
//! any input; every parser is linear in the length of what it is given.
#![forbid(unsafe_code)]

pub mod canonical;
pub mod compose;
pub mod dnssec;
pub mod edns;
pub mod extended_error;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod header;
pub mod limits;
pub mod message;
pub mod name;
pub mod rdata;
pub mod rrset;
pub mod rtype;
pub mod zonefile;

pub use compose::{Composer, Truncated};
pub use edns::{Edns, EdnsOption};
pub use extended_error::ExtendedErrorCode;
pub use header::{Header, Opcode, Rcode};
pub use message::{Message, MessageFault, Question, RecordRef, Section};
pub use name::{Name, NameFault, NameKey};
pub use rrset::{Dump, Rdatas, Rrset};
pub use rtype::{Class, Rtype};
