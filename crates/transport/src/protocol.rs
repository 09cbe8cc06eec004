//! The table of what is spoken: one row for each way of carrying DNS messages.
//!
//! Names, default ports, log tags and statistics follow from a row; nothing else in the program
//! says that a protocol exists.

/// What carries the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pipe {
    /// Each datagram is a message.
    Datagrams,
    /// Octets in order; messages have to be found in them.
    Stream,
}

/// What stands between the pipe and the messages, from the pipe upwards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PipeLayer {
    /// Octets that nobody on the way can read (RFC 8446).
    Tls,
    /// Requests and responses on streams of their own (RFC 9113).
    Http2,
    /// Two octets of length before each message (RFC 1035 §4.2.2).
    Framing,
}

/// A way of carrying DNS messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// DNS over UDP (RFC 1035 §4.2.1).
    Udp,
    /// DNS over TCP (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProtocolDef {
    pub protocol: Protocol,
    /// The word in traces and statistics.
    pub name: &'static str,
    /// The `kind` of `net.listen` that serves it.
    pub kind: &'static str,
    /// The port if none is given.
    pub port: u16,
    pub pipe: Pipe,
    pub layers: &'static [PipeLayer],
}

/// All rows.
pub const PROTOCOLS: &[ProtocolDef] = &[
    ProtocolDef {
        protocol: Protocol::Udp,
        name: "udp",
        kind: "dns",
        port: 53,
        pipe: Pipe::Datagrams,
        layers: &[],
    },
    ProtocolDef {
        protocol: Protocol::Tcp,
        name: "tcp",
        kind: "dns",
        port: 53,
        pipe: Pipe::Stream,
        layers: &[PipeLayer::Framing],
    },
    ProtocolDef {
        protocol: Protocol::Tls,
        name: "tls",
        kind: "tls",
        port: 853,
        pipe: Pipe::Stream,
        layers: &[PipeLayer::Tls, PipeLayer::Framing],
    },
    ProtocolDef {
        protocol: Protocol::Https,
        name: "https",
        kind: "doh2",
        port: 443,
        pipe: Pipe::Stream,
        layers: &[PipeLayer::Tls, PipeLayer::Http2],
    },
];

/// The protocols that a kind of endpoint serves.
pub fn of_kind(kind: &str) -> impl Iterator<Item = &'static ProtocolDef> + '_ {
    PROTOCOLS.iter().filter(move |def| def.kind == kind)
}
