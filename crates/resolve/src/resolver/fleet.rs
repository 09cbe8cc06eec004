//! A second store that machines share: what to look for there before a question is taken in, and what
//! was found. Looking is the caller's business, since it takes time.

use dns::{Class, Rtype};
use store::cache::fleet::Imported;

use super::Resolver;
use crate::response::{self, Intake};
use crate::time::Now;

impl Resolver {
    /// The keys under which other machines may have told what answers this query; none if it is known
    /// here, or if there is no question in it that is asked of a cache.
    pub fn wanted_from_fleet(&mut self, now: Now, wire: &[u8]) -> Vec<Vec<u8>> {
        match response::take_in(wire, &self.core.settings) {
            Intake::Query { header, question, .. }
                if question.class == Class::IN
                    && header.rd()
                    && question.rtype != Rtype::ANY
                    && !question.rtype.is_meta() =>
            {
                let now = now.unix.seconds();
                self.core.cache.wanted_from_fleet(now, &question.name, question.rtype)
            }
            _ => Vec::new(),
        }
    }

    /// Takes over what was found; false if it is not to be believed.
    pub fn import_from_fleet(&mut self, now: Now, key: &[u8], value: &[u8]) -> bool {
        let taken = self.core.cache.import_from_fleet(now.unix.seconds(), key, value);
        match taken {
            Ok(taken) => taken != Imported::Refused,
            Err(_) => {
                self.core.counters.store_errors += 1;
                true
            }
        }
    }
}
