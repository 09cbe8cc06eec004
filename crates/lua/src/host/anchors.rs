//! `trust_anchors`: positive and negative trust anchors.

use std::path::Path;

use dns::Name;

use super::HostError;

/// What can be tuned in the following of key changes (RFC 5011).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnchorTunable {
    /// How long a new key is watched before it is trusted, milliseconds; default 30 days.
    HoldDownTime,
    /// The period of looking for new keys, milliseconds; default: as RFC 5011 §2.3 says.
    RefreshTime,
    /// How many removed keys are remembered; default 0.
    KeepRemoved,
}

/// Trust anchors, as `trust_anchors` sees them.
pub trait TrustAnchors {
    /// Adds the DS or DNSKEY records of a file (one owner) and, unless `readonly`, keeps them and
    /// the file up to date. Errors: an unreadable or mixed file, a directory that cannot be
    /// written to.
    fn anchors_add_file(&self, path: &Path, readonly: bool) -> Result<(), HostError>;
    /// Adds one static DS or DNSKEY given as text.
    fn anchors_add(&self, record: &str) -> Result<(), HostError>;
    /// Removes the anchors of a zone. Returns whether there were any.
    fn anchors_remove(&self, zone: &Name) -> bool;
    /// Replaces the set of negative trust anchors (RFC 7646).
    fn anchors_set_insecure(&self, zones: &[Name]) -> Result<(), HostError>;
    /// The negative trust anchors.
    fn anchors_insecure(&self) -> Vec<Name>;
    /// The zones with positive anchors and their records as text, one per line, each line ended.
    /// Restricted to one zone if given.
    fn anchors(&self, zone: Option<&Name>) -> Vec<(Name, String)>;
    /// The value of a tunable; `None` = its default.
    fn anchors_tunable(&self, tunable: AnchorTunable) -> Option<u64>;
    /// Sets it; `None` = the default.
    fn set_anchors_tunable(
        &self,
        tunable: AnchorTunable,
        value: Option<u64>,
    ) -> Result<(), HostError>;
    /// Whether the configuration has touched the anchors, so that the default file is not loaded.
    fn anchors_configured(&self) -> bool;
    /// Loads the anchors that the distribution ships; done once after the configuration.
    fn anchors_load_default(&self) -> Result<(), HostError>;
}
