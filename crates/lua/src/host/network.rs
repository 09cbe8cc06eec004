//! `net`: listening addresses, outgoing addresses, TCP and TLS parameters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use resolve::Client;

use super::HostError;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and port; a link-local address carries its interface as scope.
    Ip(SocketAddr),
    /// A stream socket in the file system.
    Unix(PathBuf),
    /// A network interface, for kind `xdp`.
    Interface(String),
}

/// One `net.listen` for one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: ListenAddress,
    /// What is spoken there: `dns`, `tls`, `doh2`, `doh_legacy`, `webmgmt`, `control`, `xdp`, or a
    /// kind that a module serves. Kind `dns` means UDP and TCP; all others a stream only.
    pub kind: String,
    /// Bind although no interface has the address (`IP_FREEBIND`).
    pub freebind: bool,
    /// The queue of the network card, for kind `xdp`; `None` = all.
    pub nic_queue: Option<u16>,
}

/// What carries the bytes of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// A TCP stream.
    Tcp,
    /// A stream in the file system.
    Stream,
    /// Frames below the kernel's network stack.
    Xdp,
}

impl Protocol {
    /// The name that `net.list()` prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Stream => "stream",
            Self::Xdp => "xdp",
        }
    }
}

/// A socket that is open, as `net.list()` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundEndpoint {
    /// Where it listens.
    pub address: ListenAddress,
    /// What is spoken there.
    pub kind: String,
    /// What carries it.
    pub protocol: Protocol,
    /// Whether it was bound with `IP_FREEBIND`.
    pub freebind: bool,
}

/// A network interface and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its addresses as text, in the order of the system; link-local ones end in `%name`.
    pub addresses: Vec<String>,
    /// Its hardware address, all zero where it has none.
    pub mac: [u8; 6],
}

/// How answers over TLS and HTTPS are padded (RFC 7830, RFC 8467).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Not at all.
    Off,
    /// As RFC 8467 recommends: to a multiple of 468 octets.
    Recommended,
    /// To a multiple of so many octets (2 to 4096).
    Block(u16),
}

/// The certificate and key of the TLS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file with the certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// How to authenticate one upstream over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsClient {
    /// Its address and port.
    pub address: SocketAddr,
    /// Accept any certificate.
    pub insecure: bool,
    /// Names of which the certificate must carry one; empty = only pins decide.
    pub hostnames: Vec<String>,
    /// Files with certificate authorities; empty with host names = those of the system.
    pub ca_files: Vec<PathBuf>,
    /// SHA-256 digests of acceptable public keys (SPKI), base64 text.
    pub pins_sha256: Vec<String>,
}

/// The network, as `net` sees it.
pub trait Network {
    /// Opens one endpoint. Errors: the address is in use or cannot be bound, the kind is not
    /// served, the kind does not go with that sort of address.
    fn listen(&self, listen: &Listen) -> Result<(), HostError>;
    /// Closes the endpoints on an address (`port` restricts to one port; a path or interface has
    /// none). The port inside `address` is to be ignored. Returns whether any was closed.
    fn close(&self, address: &ListenAddress, port: Option<u16>) -> bool;
    /// The open endpoints in any order, control sockets included.
    fn endpoints(&self) -> Vec<BoundEndpoint>;
    /// The interfaces of the machine.
    fn interfaces(&self) -> Result<Vec<Interface>, HostError>;
    /// The system's index of an interface name (the scope of a link-local address).
    fn interface_index(&self, name: &str) -> Option<u32>;

    /// The advertised EDNS payload sizes in octets: (to clients, to upstreams).
    fn bufsize(&self) -> (u16, u16);
    /// Sets both sizes, each within 512 to 65535.
    fn set_bufsize(&self, downstream: u16, upstream: u16) -> Result<(), HostError>;
    /// The number of outstanding queries that one client connection may have.
    fn tcp_pipeline(&self) -> u16;
    /// Sets it.
    fn set_tcp_pipeline(&self, limit: u16) -> Result<(), HostError>;
    /// After how many milliseconds an idle client connection is closed.
    fn tcp_in_idle(&self) -> u64;
    /// Sets it; at least 1.
    fn set_tcp_in_idle(&self, ms: u64) -> Result<(), HostError>;
    /// How many milliseconds a TLS handshake may take.
    fn tls_handshake_timeout(&self) -> u64;
    /// Sets it; at least 1.
    fn set_tls_handshake_timeout(&self, ms: u64) -> Result<(), HostError>;
    /// The source address of IPv4 queries; `None` = the system chooses.
    fn outgoing_v4(&self) -> Option<Ipv4Addr>;
    /// Sets it for queries sent from now on.
    fn set_outgoing_v4(&self, address: Option<Ipv4Addr>) -> Result<(), HostError>;
    /// The source address of IPv6 queries; `None` = the system chooses.
    fn outgoing_v6(&self) -> Option<Ipv6Addr>;
    /// Sets it for queries sent from now on.
    fn set_outgoing_v6(&self, address: Option<Ipv6Addr>) -> Result<(), HostError>;

    /// The configured certificate and key; `None` = an ephemeral pair.
    fn tls_files(&self) -> Option<TlsFiles>;
    /// Loads a certificate and key and uses them for new connections; the old pair stays on error.
    fn set_tls_files(&self, files: &TlsFiles) -> Result<(), HostError>;
    /// How answers are padded.
    fn tls_padding(&self) -> Padding;
    /// Sets it.
    fn set_tls_padding(&self, padding: Padding) -> Result<(), HostError>;
    /// Sets the secret from which session ticket keys are derived (at least 32 octets); `None` =
    /// a random one.
    fn set_tls_ticket_secret(&self, secret: Option<&[u8]>) -> Result<(), HostError>;
    /// How upstreams are authenticated.
    fn tls_clients(&self) -> Vec<TlsClient>;
    /// Sets how an upstream is authenticated, replacing what was set for that address.
    fn set_tls_client(&self, client: &TlsClient) -> Result<(), HostError>;
    /// Forgets it. Returns whether there was something to forget.
    fn clear_tls_client(&self, address: SocketAddr) -> bool;
    /// The networks whose PROXYv2 headers are believed: (address, prefix length).
    fn proxy_allowed(&self) -> Vec<(IpAddr, u8)>;
    /// Replaces them.
    fn set_proxy_allowed(&self, networks: &[(IpAddr, u8)]) -> Result<(), HostError>;
    /// The HTTP headers that policies may look at.
    fn doh_headers(&self) -> Vec<String>;
    /// Replaces them.
    fn set_doh_headers(&self, names: &[String]) -> Result<(), HostError>;
    /// Those of this client's request, by name, in the order in which they were sent.
    fn request_headers(&self, client: &Client) -> Vec<(String, Vec<u8>)>;

    /// Declares (`true`) that a module written in Lua serves this kind of endpoint, or takes that
    /// back. Returns whether the kind was declared before.
    fn declare_kind(&self, kind: &str, served: bool) -> Result<bool, HostError>;
    /// Attaches a loaded BPF program to the UDP sockets; `None` = detaches it.
    fn set_bpf(&self, program_fd: Option<i32>) -> Result<(), HostError>;

    /// Whether sockets were handed over at start (socket activation, `-S`, `-a`, `-t`), so that
    /// the default endpoints are not to be opened.
    fn has_inherited_endpoints(&self) -> bool;
    /// The text form of a bound path or file is relative to this directory.
    fn run_directory(&self) -> &Path;
}
