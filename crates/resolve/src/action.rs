//! What the resolver asks of the world: answers to clients and questions to upstreams.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::client::Client;

/// One query–reply round with one upstream, as known to both sides of the rim. Never used twice in
/// the life of a resolver.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// What authenticates an encrypted upstream (RFC 8310).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Encryption {
    /// Names of which the certificate must carry one; the first one goes into the SNI.
    pub hostnames: Vec<String>,
    /// Base64 SHA-256 pins of the public key; any of them will do.
    pub pins: Vec<String>,
    /// Files of CA certificates instead of the system's.
    pub ca_files: Vec<PathBuf>,
    /// No check at all, asked for in so many words.
    pub insecure: bool,
}

/// How to reach an upstream.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Via {
    /// A connected UDP socket with a fresh random port.
    Udp,
    /// TCP, reusing an open connection to the address where there is one (RFC 7766 §6.2.1).
    Tcp,
    /// TLS.
    Tls(Arc<Encryption>),
}

/// Where a question goes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub via: Via,
}

/// Why an exchange brought no reply.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ExchangeFault {
    /// The address refused or reset (ICMP port unreachable, RST).
    Refused,
    /// The peer closed the stream before it answered.
    Closed,
    /// No route, or the address family is not available here.
    Unreachable,
    /// The TLS handshake failed or the certificate does not match.
    Handshake,
    /// No socket could be had (file descriptors, ports): our own trouble, not the upstream's.
    NoSocket,
}

/// What is to become of an exchange after bytes for it were handed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyVerdict {
    /// The exchange is over; its socket can be closed or reused.
    Over,
    /// That was not the reply (wrong id, question, case; malformed). Keep listening: a forged
    /// packet must not end an attempt.
    KeepWaiting,
}

/// An effect for the daemon to carry out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send this message to a client. The request is over.
    Respond { client: Client, wire: Vec<u8> },
    /// Say nothing to this client. The request is over.
    Drop { client: Client },
    /// Ask an upstream. Whatever arrives for it comes back by `handle_reply`; the resolver itself
    /// minds the time and cancels. Streams: connecting takes at most `connect_timeout`.
    Exchange { id: ExchangeId, target: Target, wire: Vec<u8>, connect_timeout: Duration },
    /// Send a copy of a client's message there by UDP; nobody waits for a reply.
    Mirror { target: SocketAddr, wire: Vec<u8> },
    /// Nobody waits for this exchange any more. No reply to it may be handed in after this.
    Cancel { id: ExchangeId },
}
