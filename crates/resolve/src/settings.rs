//! What an operator can set: plain data that the daemon fills from the configuration and hands to
//! the resolver, at start and whenever it changes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::Name;

use crate::action::Via;
use crate::flags::QueryFlags;
use crate::trust_anchors::TrustAnchors;

/// How much glue is believed (`mode()` of the configuration).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GlueMode {
    /// Only mandatory glue: names at or below the delegated zone.
    Strict,
    /// Also names elsewhere inside the parent zone.
    #[default]
    Normal,
    /// Any address in the additional section.
    Permissive,
}

/// What is expected of a forwarding target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForwardKind {
    /// A resolver: its answers are validated and cached here (`policy.FORWARD`, `TLS_FORWARD`).
    Forward,
    /// Whatever answers for a private name: neither validated nor cached as anything but itself
    /// (`policy.STUB`).
    Stub,
}

/// A rule that sends questions at or below a name to given servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forward {
    pub suffix: Name,
    pub kind: ForwardKind,
    pub targets: Vec<(SocketAddr, Via)>,
}

/// Everything that can be set.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    pub glue_mode: GlueMode,
    /// Ask upstreams over IPv4 / IPv6 (`net.ipv4`, `net.ipv6`).
    pub ipv4: bool,
    pub ipv6: bool,
    /// Flags of `option()`, all off by default.
    pub no_minimize: bool,
    /// Believe and ask addresses of the loopback range from glue and address records.
    pub allow_local: bool,
    pub no_0x20: bool,
    pub always_cut: bool,
    /// Further switches that every request begins with.
    pub flags: QueryFlags,
    /// Rotate records inside sets of answers (`reorder_RR`).
    pub reorder_rr: bool,
    /// EDNS payload announced to clients and to upstreams (`net.bufsize`).
    pub udp_size_downstream: u16,
    pub udp_size_upstream: u16,
    /// Root servers: name and addresses (`hints.root`). Built-in list by default.
    pub root_hints: Arc<Vec<(Name, Vec<IpAddr>)>>,
    pub forwards: Vec<Forward>,
    /// Where validation begins, and where it does not. Without anchors nothing is validated.
    pub trust_anchors: Arc<TrustAnchors>,
    /// Special-use names that are resolved like others, with everything below.
    pub local_data_except: Vec<Name>,
    /// Bounds on the TTL of what is stored, in seconds (`cache.min_ttl`, `cache.max_ttl`).
    pub ttl_min: u32,
    pub ttl_max: u32,
    /// How long an unresponsive server is left alone, in milliseconds (`cache.ns_tout`).
    pub ns_timeout_ms: u32,
    /// Tell clients what went wrong (RFC 8914).
    pub extended_errors: bool,
    /// How long a client's idle connection is kept, in milliseconds, to be told (RFC 7828).
    pub idle_timeout_ms: u32,
    /// Answers over encrypted pipes are padded to a multiple of so many octets (RFC 8467 §4.1,
    /// `net.tls_padding`); zero: not at all.
    pub padding_block: u16,
    /// Trace each step of each request to the log at debug level.
    pub trace: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            glue_mode: GlueMode::Normal,
            ipv4: true,
            ipv6: true,
            no_minimize: false,
            allow_local: false,
            no_0x20: false,
            always_cut: false,
            flags: QueryFlags::empty(),
            reorder_rr: true,
            udp_size_downstream: dns::edns::UDP_SIZE_DEFAULT,
            udp_size_upstream: dns::edns::UDP_SIZE_DEFAULT,
            root_hints: Arc::new(Vec::new()),
            forwards: Vec::new(),
            trust_anchors: Arc::new(TrustAnchors::new()),
            local_data_except: Vec::new(),
            ttl_min: 5,
            ttl_max: 24 * 3600,
            ns_timeout_ms: 1000,
            extended_errors: true,
            idle_timeout_ms: 10_000,
            padding_block: dns::edns::options::PADDING_BLOCK_RESPONSE as u16,
            trace: false,
        }
    }
}
