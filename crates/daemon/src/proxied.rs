//! Queries that a load balancer passes on with a PROXY header: whose headers are believed, and where
//! answers to datagrams have to go, which is not to who asked.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use resolve::{Client, ClientProtocol};
use slab::Slab;
use transport::proxy::{self, ProxyHeader};

use crate::token::Token;
use crate::udp::UdpListener;
use crate::udp::mmsg::Local;

/// The way back of an answer to a datagram.
pub(crate) struct Route {
    pub listener: Rc<UdpListener>,
    pub peer: SocketAddr,
    pub source: Option<Local>,
}

/// What a datagram turned out to be.
pub(crate) enum Passed<'a> {
    /// A query of who sent it.
    Plain,
    /// A query of this client; the token leads to its route.
    On(Client, &'a [u8]),
    /// A header of somebody who is not to be believed, or none.
    Refused,
}

/// Proxied queries of one worker.
#[derive(Default)]
pub(crate) struct Proxied {
    /// Addresses and prefix lengths (`net.proxy_allowed`).
    allowed: RefCell<Vec<(IpAddr, u8)>>,
    /// One for each datagram that waits for its answer; bounded by the requests under way.
    routes: RefCell<Slab<Route>>,
}

impl Proxied {
    /// Replaces the networks whose headers are believed.
    pub(crate) fn allow(&self, networks: &[(IpAddr, u8)]) {
        *self.allowed.borrow_mut() = networks.to_vec();
    }

    /// Are headers from this address believed?
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let allowed = self.allowed.borrow();
        allowed.iter().any(|(network, length)| contains(*network, *length, address))
    }

    /// Looks at a datagram before anybody else does.
    #[inline]
    pub(crate) fn pass<'a>(
        &self,
        listener: &Rc<UdpListener>,
        client: &Client,
        datagram: &'a [u8],
    ) -> Passed<'a> {
        if !datagram.starts_with(&proxy::SIGNATURE) {
            return Passed::Plain;
        }
        self.pass_on(listener, client, datagram)
    }

    #[cold]
    fn pass_on<'a>(
        &self,
        listener: &Rc<UdpListener>,
        client: &Client,
        datagram: &'a [u8],
    ) -> Passed<'a> {
        if !self.allows(client.peer.ip()) {
            return Passed::Refused;
        }
        let Ok(Some(header)) = proxy::parse(datagram) else { return Passed::Refused };
        let Some(query) = datagram.get(header.length..) else { return Passed::Refused };
        let route = Route {
            listener: listener.clone(),
            peer: client.peer,
            source: listener.source(client),
        };
        let mut routes = self.routes.borrow_mut();
        let place = routes.vacant_entry();
        let Ok(number) = u32::try_from(place.key()) else { return Passed::Refused };
        place.insert(route);
        let mut real = real_client(*client, &header);
        real.token = Token::Proxied(number).into();
        Passed::On(real, query)
    }

    /// The way back of an answer, which is used once.
    pub(crate) fn take(&self, token: Token) -> Option<Route> {
        let Token::Proxied(number) = token else { return None };
        self.routes.borrow_mut().try_remove(number as usize)
    }
}

/// The client that a header speaks of.
pub(crate) fn real_client(client: Client, header: &ProxyHeader) -> Client {
    let (peer, local) = header.addresses.unwrap_or((client.peer, client.local));
    // Over TLS to the load balancer: the client's pipe is what counts for padding and for policies.
    // A datagram stays one, however long its answer may be.
    let protocol = match client.protocol {
        ClientProtocol::Tcp if header.encrypted => ClientProtocol::Tls,
        other => other,
    };
    Client { peer, local, protocol, ..client }
}

fn contains(network: IpAddr, length: u8, address: IpAddr) -> bool {
    let same = |network: &[u8], address: &[u8]| {
        let (whole, bits) = (usize::from(length / 8), u32::from(length % 8));
        network.get(..whole) == address.get(..whole)
            && match (network.get(whole), address.get(whole)) {
                (Some(network), Some(address)) => (network ^ address).leading_zeros() >= bits,
                _ => true,
            }
    };
    match (network, address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) => same(&network.octets(), &address.octets()),
        (IpAddr::V6(network), IpAddr::V6(address)) => same(&network.octets(), &address.octets()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_begins_like_them() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(contains(ip("127.127.0.0"), 16, ip("127.127.9.1")));
        assert!(!contains(ip("127.127.0.0"), 16, ip("127.126.255.255")));
        assert!(contains(ip("10.0.0.0"), 9, ip("10.127.0.1")));
        assert!(!contains(ip("10.0.0.0"), 9, ip("10.128.0.1")));
        assert!(contains(ip("192.0.2.1"), 32, ip("::ffff:192.0.2.1")));
        assert!(contains(ip("0.0.0.0"), 0, ip("203.0.113.9")));
        assert!(!contains(ip("0.0.0.0"), 0, ip("::1")));
        assert!(contains(ip("2001:db8::"), 33, ip("2001:db8:7fff::1")));
        assert!(!contains(ip("2001:db8::"), 33, ip("2001:db8:8000::1")));
    }
}
