//! Policy rules as data: which queries a rule selects and what happens to them.
//!
//! The built-in kinds are evaluated by the resolver without entering Lua; a function that the
//! operator wrote appears as [`LuaFunction`] and is called through the interpreter.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use dns::{Name, Rtype};

use crate::flags::QueryFlags;

/// A function kept in the interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LuaFunction(pub u32);

/// A condition on the client, from `view`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// Its address is in this network; IPv4-mapped addresses count as IPv4.
    Source(IpAddr, u8),
    /// It asked an address of ours in this network.
    Destination(IpAddr, u8),
    /// Its query carries a TSIG with this key name (not verified).
    Tsig(Name),
}

/// Which queries a rule selects. Names are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Every query.
    All,
    /// These names and everything below them.
    Suffix(Vec<Name>),
    /// Exactly these names.
    Domains(Vec<Name>),
    /// A Lua pattern on the QNAME in lower-case wire format.
    Pattern(Vec<u8>),
    /// The triggers of a response policy zone; the rule's action is that of `CNAME .`.
    Rpz {
        /// The zone file.
        path: PathBuf,
        /// Whether to load it again when it changes.
        watch: bool,
    },
    /// `function (state, request)` that returns an action or nothing.
    Lua(LuaFunction),
}

/// An upstream to forward to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its address and port.
    pub address: SocketAddr,
    /// How it is authenticated over TLS; `None` = plain DNS.
    pub tls: Option<TargetTls>,
}

/// How a TLS upstream is authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetTls {
    /// Accept any certificate.
    pub insecure: bool,
    /// The name that the certificate must carry.
    pub hostname: Option<String>,
    /// Files with certificate authorities; empty = those of the system.
    pub ca_files: Vec<PathBuf>,
    /// SHA-256 digests of acceptable public keys, base64 text.
    pub pins_sha256: Vec<String>,
}

/// The records of a synthesised answer, of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRecords {
    /// The type.
    pub rr_type: Rtype,
    /// Seconds.
    pub ttl: u32,
    /// Each record's RDATA, wire format.
    pub rdata: Vec<Vec<u8>>,
}

/// What happens to a selected query. "Chain" actions let the evaluation go on with the next rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Resolve as usual; look at no further rule.
    Pass,
    /// NXDOMAIN, optionally with an explanation (at most 255 octets) in ADDITIONAL, and an
    /// extended error code (RFC 8914).
    Deny {
        /// The explanation.
        message: Option<String>,
        /// INFO-CODE.
        extended_error: u16,
    },
    /// SERVFAIL.
    Drop,
    /// REFUSED.
    Refuse,
    /// No message at all.
    NoAnswer,
    /// TC=1 over UDP; nothing over streams.
    Truncate,
    /// These records; for other types NODATA if `nodata`, else the next rule.
    Answer {
        /// By type.
        records: Vec<AnswerRecords>,
        /// Whether other types do not exist.
        nodata: bool,
    },
    /// Forward to one of these (at most four), and validate.
    Forward(Vec<Target>),
    /// Forward to one of these without validation.
    Stub(Vec<Target>),
    /// Chain: send a copy there.
    Mirror(SocketAddr),
    /// Chain: set and clear flags of the request.
    Flags {
        /// To set.
        set: QueryFlags,
        /// To clear.
        clear: QueryFlags,
    },
    /// Rewrite addresses in the answer: (network, prefix length, new network).
    Reroute(Vec<(IpAddr, u8, IpAddr)>),
    /// Chain: log every step of the request.
    DebugAlways,
    /// Chain: log every step of the request unless it is answered from the cache.
    DebugCacheMiss,
    /// Chain: log every step of the request if the function says so at its end.
    DebugIf(LuaFunction),
    /// Chain: log each message from upstream.
    QTrace,
    /// Chain: log a summary of the request at its end.
    ReqTrace,
    /// Chain: log the client's address.
    IpTrace,
    /// `function (state, request)` that returns a state or nothing.
    Lua(LuaFunction),
}

/// A rule: condition on the client, condition on the query, action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The clients it is for; `None` = all.
    pub client: Option<Client>,
    /// The queries it selects.
    pub filter: Filter,
    /// What happens to them. Ignored by [`Filter::Lua`], which returns its own.
    pub action: Action,
}
