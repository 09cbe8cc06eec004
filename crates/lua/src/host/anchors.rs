//! `trust_anchors`: positive and negative trust anchors.

use std::path::{Path, PathBuf};

use dns::{Name, Rtype};

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

/// Where the root's anchors are fetched from when a file of them is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bootstrap {
    /// `https://…`
    pub url: String,
    /// A file of certificates, one of which must have signed the server's.
    pub ca: String,
}

/// One anchor as scripts see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorKey {
    /// DS or DNSKEY.
    pub rtype: Rtype,
    /// Seconds.
    pub ttl: u32,
    pub rdata: Vec<u8>,
    pub tag: u16,
    /// The state of RFC 5011 §4.2 by its name in files.
    pub state: &'static str,
    /// When time alone ends the state, in seconds since 1970.
    pub timer: Option<u64>,
    /// The comment behind the record in files.
    pub comment: String,
}

/// The anchors of a zone as scripts see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyset {
    pub zone: Name,
    /// Follows the zone's keys.
    pub managed: bool,
    /// The zone's keys are looked at, whether the anchors follow them or not.
    pub tracked: bool,
    pub filename: Option<PathBuf>,
    pub keys: Vec<AnchorKey>,
}

/// Trust anchors, as `trust_anchors` sees them.
pub trait TrustAnchors {
    /// Adds the DS or DNSKEY records of a file (one owner) and, unless `readonly`, keeps them and
    /// the file up to date. One that is not there yet is made by `bootstrap`. Errors: an unreadable
    /// or mixed file, a directory that may not be written to, keys that cannot be fetched.
    fn anchors_add_file(
        &self,
        path: &Path,
        readonly: bool,
        bootstrap: &Bootstrap,
    ) -> Result<(), HostError>;
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
    /// All anchors with what is done for them.
    fn anchors_keysets(&self) -> Vec<Keyset>;
    /// Looks at the keys of a zone from now on, and lets its anchors follow them if `managed`.
    /// Returns whether it has any.
    fn anchors_track(&self, zone: &Name, managed: bool) -> bool;
    /// Leaves the anchors of a zone as they are from now on.
    fn anchors_untrack(&self, zone: &Name);
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
