//! What is counted: plain numbers that only grow, read by the daemon.

/// Numbers since the start of the worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Messages from clients that were looked at.
    pub requests: u64,
    /// Requests that ended with a response.
    pub responses: u64,
    /// Requests that ended without one.
    pub dropped: u64,
    /// Responses whose records all came from the store or from local data.
    pub answered_from_cache: u64,
    /// Queries answered by what proofs of absence say about other names and types (RFC 8198).
    pub synthesized: u64,
    pub noerror: u64,
    pub nodata: u64,
    pub nxdomain: u64,
    pub servfail: u64,
    /// Requests turned away because too many were under way.
    pub overload: u64,
    /// Messages sent upstream, by address family and protocol.
    pub upstream_ipv4: u64,
    pub upstream_ipv6: u64,
    pub upstream_udp: u64,
    pub upstream_tcp: u64,
    pub upstream_tls: u64,
    /// Questions that did not have to be sent because another request was asking the same.
    pub upstream_joined: u64,
    /// Messages upstream that nobody answered in time.
    pub upstream_timeouts: u64,
    /// Datagrams that pretended to be replies (RFC 5452 §9).
    pub near_misses: u64,
    /// Signatures that were checked, what that cost in verifications of P-256, and SHA-1 blocks that
    /// were hashed for proofs by NSEC3.
    pub crypto_operations: u64,
    pub crypto_work: u64,
    pub hash_blocks: u64,
    /// Replies that failed validation.
    pub bogus_replies: u64,
    /// Questions answered from the failure cache (RFC 9520).
    pub failures_cached: u64,
    /// Requests that ended because a bound was reached.
    pub bounds_reached: u64,
    /// Requests that were given up because our own code panicked.
    pub panics: u64,
    /// Writes to the store that failed.
    pub store_errors: u64,
}
