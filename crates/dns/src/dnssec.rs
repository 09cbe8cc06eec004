//! DNSSEC primitives: what validation computes, as pure functions on bytes.
//!
//! Numbers and names of algorithms are in [`algorithm`], every cryptographic operation is behind
//! [`crypto`], key tags are in [`key_tag()`], the text form of NSEC3 hashes is in [`nsec3`]. How a
//! set is checked is in [`verify`], how keys come to be trusted in [`keys`], what proves absence in
//! [`denial`], and what all that may cost in [`budget`]; [`GoodSignatures`] remembers some results.
//! Nothing here decides what is secure: that is the validator's work.

pub mod algorithm;
pub mod budget;
pub mod crypto;
pub mod denial;
mod good;
mod key_tag;
pub mod keys;
pub mod nsec3;
#[cfg(test)]
mod testing;
pub mod verify;

pub use algorithm::{Algorithm, DigestType};
pub use budget::Budget;
pub use denial::{DenialFault, NoDs, Proven};
pub use good::GoodSignatures;
pub use key_tag::key_tag;
pub use keys::{KeySet, KeysFault, Voucher, ZoneKey, verify_keys};
pub use verify::{SetFault, Verified, verify_set, verify_set_again};
