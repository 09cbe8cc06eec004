//! What the layers of a resolver share: settings, memory, chance and counters.

use std::sync::Arc;

use store::cache::Cache;

use crate::chance::Chance;
use crate::counters::Counters;
use crate::failures::Failures;
use crate::known_zones::KnownZones;
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
    pub chance: Chance,
    pub counters: Counters,
    pub log: Log,
}
