//! Counters of what a worker did, as `worker.stats()` shows them.

use std::cell::Cell;

use resolve::{Target, Via};

/// A number that only rises.
#[derive(Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    /// Counts.
    pub(crate) fn add(&self, number: usize) {
        self.0.set(self.0.get().wrapping_add(number as u64));
    }

    /// The number so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Counters {
    /// Queries that came over each protocol.
    pub(crate) udp: Counter,
    pub(crate) tcp: Counter,
    /// Queries without an answer.
    pub(crate) dropped: Counter,
    /// Answers that the kernel had no room for.
    pub(crate) lost: Counter,
    /// Questions that left over each protocol and family.
    pub(crate) upstream_udp: Counter,
    pub(crate) upstream_tcp: Counter,
    pub(crate) upstream_tls: Counter,
    pub(crate) upstream_ipv4: Counter,
    pub(crate) upstream_ipv6: Counter,
    /// Questions that found no answer because their connection failed.
    pub(crate) failed_tcp: Counter,
    /// Bugs.
    pub(crate) panics: Counter,
}

impl Counters {
    /// A question leaves.
    pub(crate) fn exchange(&self, target: &Target) {
        let (protocol, family) = (
            match target.via {
                Via::Udp => &self.upstream_udp,
                Via::Tcp => &self.upstream_tcp,
                Via::Tls(_) => &self.upstream_tls,
            },
            if target.address.is_ipv4() { &self.upstream_ipv4 } else { &self.upstream_ipv6 },
        );
        protocol.add(1);
        family.add(1);
    }
}
