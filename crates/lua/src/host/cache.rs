//! `cache`: opening, limits, counters, clearing.

use std::path::PathBuf;

use dns::{Name, Rtype};
use store::cache::entry::SignedSet;

use super::HostError;

/// What the cache knows about one type at a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheRow {
    /// The type, or `NXDOMAIN` when it is that the name does not exist.
    pub rtype: String,
    /// Whether there are records, or it is known that there are none.
    pub exists: bool,
    /// Security status, with `+auth` if an authority of the zone said it.
    pub rank: String,
    /// Seconds left; negative when expired.
    pub ttl: i64,
}

/// Both clocks at one moment: what tells later that one of them has jumped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Milliseconds of a clock that only goes forward.
    pub mono: u64,
    /// Milliseconds since 1970.
    pub unix: u64,
}

/// A zone file that is to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFile {
    pub path: PathBuf,
    /// The apex; by default the owner of the SOA.
    pub origin: Option<Name>,
    /// A ZONEMD record (RFC 8976) has to be there and to match.
    pub zonemd: bool,
    /// A zone for which there is no trust anchor is accepted, as insecure.
    pub accept_unsigned: bool,
}

/// The cache, as `cache` sees it. Operations on contents answer [`HostError::CacheClosed`] when no
/// cache is open.
pub trait Cache {
    /// Opens the cache, or re-opens it: `size` is its limit in octets, `storage` a URI such as
    /// `lmdb:///var/cache/kres` (`lmdb://` and `lmdb://.` are the run directory). The one open
    /// before stays open on error. Errors: an unsupported scheme, a path that cannot be used.
    fn cache_open(&self, size: u64, storage: &str) -> Result<(), HostError>;
    /// Closes it. Returns whether one was open.
    fn cache_close(&self) -> bool;
    /// The limit in octets and the URI as it was given; `None` when closed.
    fn cache_current(&self) -> Option<(u64, String)>;
    /// The schemes that `cache_open` knows, with whether each is the default.
    fn cache_backends(&self) -> Vec<(String, bool)>;
    /// The number of entries, without internal ones.
    fn cache_count(&self) -> Result<u64, HostError>;
    /// Counters of low-level operations since start: `open close count count_entries clear commit
    /// read read_miss write remove remove_miss match match_miss read_leq read_leq_miss`, and
    /// `usage_percent`.
    fn cache_stats(&self) -> Result<Vec<(&'static str, f64)>, HostError>;
    /// The lower and upper bound of TTLs in seconds.
    fn cache_ttl_bounds(&self) -> Result<(u32, u32), HostError>;
    /// Sets both; `min <= max` holds.
    fn set_cache_ttl_bounds(&self, min: u32, max: u32) -> Result<(), HostError>;
    /// For how many milliseconds an upstream that did not answer is left alone.
    fn cache_ns_timeout(&self) -> u32;
    /// Sets it; at least 1.
    fn set_cache_ns_timeout(&self, ms: u32) -> Result<(), HostError>;
    /// Removes everything, what is known about upstreams included. Returns the number of entries
    /// that there were.
    fn cache_clear(&self) -> Result<u64, HostError>;
    /// Removes the records of exactly this owner, of one type or of all. Returns how many.
    fn cache_clear_name(&self, name: &Name, rr_type: Option<Rtype>) -> Result<u64, HostError>;
    /// Removes records at and below this name, at most `limit` of them. Returns how many.
    fn cache_clear_subtree(&self, name: &Name, limit: u32) -> Result<u64, HostError>;
    /// The deepest zone apex at or above this name that the cache knows (the root at worst).
    fn cache_closest_apex(&self, name: &Name) -> Result<Name, HostError>;
    /// What is known about exactly this name, one row for each type.
    fn cache_get(&self, name: &Name) -> Result<Vec<CacheRow>, HostError>;
    /// The last moment that was kept, that of opening at first.
    fn cache_checkpoint(&self) -> Result<Checkpoint, HostError>;
    /// Keeps this moment, and writes what is to be written.
    fn set_cache_checkpoint(&self) -> Result<(), HostError>;
    /// Puts a set of records into the cache, as if it had just come with this rank. Returns whether
    /// it was taken: not if what is there is trusted more, or if such sets are not kept.
    fn cache_insert(&self, set: &SignedSet) -> Result<bool, HostError>;
    /// Begins to check a zone and to put it into the cache, a little at a time. A file that is not
    /// there, and a short one that is no zone, is refused at once; all else is told by
    /// [`crate::Interpreter::handle_imported`] with this number.
    fn cache_import_zone(&self, zone: &ZoneFile, number: u64) -> Result<(), HostError>;
    /// The size in octets of the file system that holds the cache.
    fn cache_fssize(&self) -> Result<u64, HostError>;
}
