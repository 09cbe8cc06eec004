//! Who asks: enough about a client to answer it and to apply rules to it.

use std::net::SocketAddr;

/// How a request came in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum ClientProtocol {
    /// DNS over UDP.
    Udp,
    /// DNS over TCP.
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
    /// DNS over QUIC (RFC 9250).
    Quic,
    /// From inside the program: a module, Lua, a refresh. Not limited by message size.
    Internal,
}

impl ClientProtocol {
    /// Is an answer bounded by a datagram's size?
    pub const fn is_datagram(self) -> bool {
        matches!(self, ClientProtocol::Udp)
    }

    /// Can nobody on the way read it (RFC 7830 §4: then, and only then, answers are padded)?
    pub const fn is_encrypted(self) -> bool {
        matches!(self, ClientProtocol::Tls | ClientProtocol::Https | ClientProtocol::Quic)
    }
}

/// One client as the daemon knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client {
    /// The daemon's own word for where the answer has to go; handed back untouched.
    pub token: u64,
    /// Where the request came from (after PROXYv2, the real client).
    pub peer: SocketAddr,
    /// The address it was sent to.
    pub local: SocketAddr,
    pub protocol: ClientProtocol,
}
