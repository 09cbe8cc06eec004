//! DNSSEC primitives: what validation computes, as pure functions on bytes.
//!
//! Numbers and names of algorithms are in [`algorithm`], every cryptographic operation is behind
//! [`crypto`], key tags are in [`key_tag()`], the text form of NSEC3 hashes is in [`nsec3`].
//! Nothing here decides what is secure: that is the validator's work.

pub mod algorithm;
pub mod crypto;
mod key_tag;
pub mod nsec3;

pub use algorithm::{Algorithm, DigestType};
pub use key_tag::key_tag;
