//! Questions that end the process. A panic costs one request; worse than that is survived by telling
//! those who start the process again which question was being worked on, and by not working on one that
//! has ended it before.

use std::hash::{BuildHasher, Hash, Hasher};

use dns::{Name, Rtype};

use crate::keyed::Keyed;

/// Where it is told. What is told has to outlive the process.
pub trait Suspects {
    /// Key of the hashes of questions, the same for all processes that share this.
    fn key(&self) -> (u64, u64);
    /// A question is being worked on from now on.
    fn begin(&self, question: u64);
    /// None is.
    fn end(&self);
    /// Is this one not to be worked on?
    fn is_condemned(&self, question: u64) -> bool;
}

/// The number of a question, never zero.
pub(crate) fn question_number(key: (u64, u64), name: &Name, rtype: Rtype) -> u64 {
    let mut hasher = Keyed(key.0, key.1).build_hasher();
    name.hash(&mut hasher);
    hasher.write_u16(rtype.0);
    hasher.finish().max(1)
}
