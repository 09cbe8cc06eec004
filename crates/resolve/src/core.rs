//! What the layers of a resolver share: settings, memory, chance and counters.

use std::collections::VecDeque;
use std::sync::Arc;

use dns::dnssec::GoodSignatures;
use store::cache::Cache;

use crate::chance::Chance;
use crate::counters::Counters;
use crate::failures::Failures;
use crate::known_zones::KnownZones;
use crate::layer::cache::SharedProof;
use crate::limits::LOG_LINES_MAX;
use crate::selection::Servers;
use crate::settings::Settings;
use crate::time::Mono;
use crate::trace::Log;

/// What the layers share.
pub struct Core {
    pub settings: Arc<Settings>,
    pub cache: Cache,
    /// What is known about servers.
    pub servers: Servers,
    /// Until then sockets are scarce: one for each question has to do.
    pub sockets_scarce_until: Mono,
    /// Questions that failed lately (RFC 9520).
    pub failures: Failures,
    /// What is known about the trust of zones.
    pub zones: KnownZones,
    /// Signatures that were good.
    pub(crate) signatures: GoodSignatures,
    /// What the denials of a turn share.
    pub(crate) shared_proof: SharedProof,
    pub chance: Chance,
    pub counters: Counters,
    pub log: Log,
    /// What layers have to tell the operator, by log group.
    pub notices: VecDeque<(&'static str, String)>,
}

impl Core {
    /// What is known about the trust of zones, without what rests on a store that any worker has
    /// cleared or changed by hand since.
    pub fn known_zones(&mut self) -> &mut KnownZones {
        self.zones.set_generation(self.cache.kv().generation());
        &mut self.zones
    }

    /// Adds a message to the log of the program, at the level of notices. For rare events only;
    /// the newest are dropped when nobody takes them.
    pub fn note(&mut self, group: &'static str, text: String) {
        if self.notices.len() < LOG_LINES_MAX {
            self.notices.push_back((group, text));
        }
    }
}
