//! Sockets that clients come to: how they are opened, with which options, and what to say when
//! they cannot be.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::limits::{BACKLOG, SOCKET_BUFFER_BYTES};
use crate::os;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("bind to '{address}' ({protocol}): {source}{advice}")]
pub(crate) struct BindError {
    address: String,
    protocol: &'static str,
    source: io::Error,
    advice: &'static str,
}

impl BindError {
    fn new(address: SocketAddr, protocol: &'static str, source: io::Error) -> BindError {
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "; something listens there already, 'ss -lnptu' shows what: end it, or choose \
                 another port"
            }
            io::ErrorKind::PermissionDenied => {
                "; ports below 1024 need root or CAP_NET_BIND_SERVICE: start with it, choose a \
                 higher port, or let systemd pass the sockets"
            }
            io::ErrorKind::AddrNotAvailable => {
                "; no interface of this machine has the address ('ip address' lists them); \
                 option freebind = true binds all the same"
            }
            _ => "",
        };
        BindError { address: display(address), protocol, source, advice }
    }
}

/// `address@port`, as messages and `-a` have it.
pub(crate) fn display(address: SocketAddr) -> String {
    format!("{}@{}", address.ip(), address.port())
}

/// `ADDR[@PORT]`, where a link-local address may end with `%interface`.
pub(crate) fn parse(text: &str, default_port: u16) -> Option<SocketAddr> {
    let (address, port) = match text.rsplit_once('@') {
        Some((address, port)) => (address, port.parse().ok().filter(|port| *port > 0)?),
        None => (text, default_port),
    };
    if let Some((address, interface)) = address.split_once('%') {
        let index = interface.parse().ok().or_else(|| interface_index(interface))?;
        return Some(SocketAddrV6::new(address.parse().ok()?, port, 0, index).into());
    }
    Some(SocketAddr::new(address.parse().ok()?, port))
}

/// The number that the kernel has given to an interface.
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// A UDP socket for queries.
pub(crate) fn bind_udp(address: SocketAddr, freebind: bool) -> Result<UdpSocket, BindError> {
    try_bind_udp(address, freebind).map_err(|error| BindError::new(address, "UDP", error))
}

fn try_bind_udp(address: SocketAddr, freebind: bool) -> io::Result<UdpSocket> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = Socket::new_raw(Domain::for_address(address), kind, Some(Protocol::UDP))?;
    prepare(&socket, address, freebind)?;
    tune_udp(&socket, address);
    if address.ip().is_unspecified() {
        ask_for_local_address(&socket, address)?;
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

/// A TCP socket for connections.
pub(crate) fn bind_tcp(address: SocketAddr, freebind: bool) -> Result<TcpListener, BindError> {
    try_bind_tcp(address, freebind).map_err(|error| BindError::new(address, "TCP", error))
}

fn try_bind_tcp(address: SocketAddr, freebind: bool) -> io::Result<TcpListener> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new_raw(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    prepare(&socket, address, freebind)?;
    // Accepted connections inherit it; what is sent is complete and need not wait for more.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What both kinds need before they are bound.
fn prepare(socket: &Socket, address: SocketAddr, freebind: bool) -> io::Result<()> {
    // Other workers listen on the same address; the kernel spreads the clients.
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if freebind {
        match address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
            SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    Ok(())
}

/// Options without which a UDP socket works as well, only not under load.
pub(crate) fn tune_udp(socket: &Socket, address: SocketAddr) {
    let _smaller = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _smaller = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    never_fragment_by_forged_mtu(socket, address);
}

/// Path MTU information can be forged to make answers travel in fragments, of which the second
/// can be replaced (RFC 9715 §3.1): the kernel is told to ignore it.
pub(crate) fn never_fragment_by_forged_mtu(socket: &Socket, address: SocketAddr) {
    let _older_kernel = os::ignore_path_mtu(socket.as_fd(), address.is_ipv6());
}

/// Gives a UDP socket that somebody else has opened the options that it needs.
pub(crate) fn prepare_inherited_udp(socket: &UdpSocket) -> io::Result<()> {
    let address = socket.local_addr()?;
    let socket = Socket::from(socket.try_clone()?);
    tune_udp(&socket, address);
    if address.ip().is_unspecified() {
        ask_for_local_address(&socket, address)?;
    }
    Ok(())
}

/// Makes the kernel say which address a datagram was sent to, for sockets bound to all of them.
fn ask_for_local_address(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match address.ip() {
        IpAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        IpAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_port() {
        let read = |text| parse(text, 53).map(|address| address.to_string());
        assert_eq!(read("127.0.0.1").as_deref(), Some("127.0.0.1:53"));
        assert_eq!(read("127.0.0.1@5399").as_deref(), Some("127.0.0.1:5399"));
        assert_eq!(read("::1@5399").as_deref(), Some("[::1]:5399"));
        assert_eq!(read("fe80::1%1@5399").as_deref(), Some("[fe80::1%1]:5399"));
        for bad in ["", "bogus", "127.0.0.1@", "127.0.0.1@0", "127.0.0.1@65536", "1.2.3@53", "@53"]
        {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
