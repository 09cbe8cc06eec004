//! Memory of failed questions (RFC 9520): asking again at once what just failed helps nobody and
//! hurts servers in trouble.
//!
//! A question that failed is not asked again for five seconds; each further failure doubles the
//! time, up to five minutes. Success forgets.

use std::collections::VecDeque;
use std::time::Duration;

use dns::{Name, Rtype};
use hashbrown::HashMap;

use crate::extended_error::Verdict;
use crate::keyed::Keyed;
use crate::limits::{FAILURE_TIME_MAX, FAILURE_TIME_MIN, FAILURES_MAX};
use crate::time::Mono;

#[derive(Clone, Copy, Debug)]
struct Failure {
    until: Mono,
    wait: Duration,
    /// There was an answer, but validation refused it, for this reason.
    bogus: Option<Verdict>,
}

/// Questions that failed, in bounded memory: the oldest make room.
pub struct Failures {
    table: HashMap<(Name, Rtype), Failure, Keyed>,
    order: VecDeque<(Name, Rtype)>,
}

impl Failures {
    /// An empty memory with a keyed hash: strangers choose the names.
    pub fn new(key: Keyed) -> Failures {
        Failures { table: HashMap::with_hasher(key), order: VecDeque::new() }
    }

    /// Is the question not to be asked now?
    pub fn is_failing(&self, name: &Name, rtype: Rtype, now: Mono) -> bool {
        if self.table.is_empty() {
            return false;
        }
        self.table.get(&(name.clone(), rtype)).is_some_and(|failure| now < failure.until)
    }

    /// The same for a client that disables checking (RFC 4035 §3.2.2): what failed only in
    /// validation is to be had for it.
    pub fn is_failing_unchecked(&self, name: &Name, rtype: Rtype, now: Mono) -> bool {
        self.is_failing(name, rtype, now)
            && self.table.get(&(name.clone(), rtype)).is_some_and(|failure| failure.bogus.is_none())
    }

    /// Why validation refused the answer to a question that is not to be asked now.
    pub fn bogus_reason(&self, name: &Name, rtype: Rtype) -> Option<Verdict> {
        self.table.get(&(name.clone(), rtype))?.bogus
    }

    /// The question was answered, but validation refused the answer.
    pub fn note_bogus(&mut self, name: &Name, rtype: Rtype, now: Mono, reason: Verdict) {
        self.note(name, rtype, now);
        if let Some(failure) = self.table.get_mut(&(name.clone(), rtype)) {
            failure.bogus = Some(reason);
        }
    }

    /// The question could not be resolved.
    pub fn note(&mut self, name: &Name, rtype: Rtype, now: Mono) {
        let key = (name.clone(), rtype);
        if let Some(failure) = self.table.get_mut(&key) {
            // A failure long ago says nothing about this one.
            let repeated = now < failure.until + failure.wait * 2;
            let wait = if repeated { failure.wait * 2 } else { FAILURE_TIME_MIN };
            failure.wait = wait.min(FAILURE_TIME_MAX);
            failure.until = now + failure.wait;
            failure.bogus = None;
            return;
        }
        if self.order.len() >= FAILURES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.table.remove(&oldest);
        }
        self.order.push_back(key.clone());
        let failure =
            Failure { until: now + FAILURE_TIME_MIN, wait: FAILURE_TIME_MIN, bogus: None };
        self.table.insert(key, failure);
    }

    /// The question was resolved.
    pub fn forget(&mut self, name: &Name, rtype: Rtype) {
        if !self.table.is_empty() {
            // Its place in the order is found stale later.
            if let Some(failure) = self.table.get_mut(&(name.clone(), rtype)) {
                failure.until = Mono::default();
                failure.wait = FAILURE_TIME_MIN / 2;
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.table.clear();
        self.order.clear();
    }

    /// Failures remembered.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Is none remembered?
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}
