//! Questions over UDP: one connected socket with a random port for each exchange.
//!
//! All sockets are watched by one epoll set of their own, which the runtime watches as a single
//! descriptor: entering and leaving the runtime's own set costs more than the rest of an exchange,
//! and a closed socket leaves an epoll set by itself. So an exchange takes seven system calls:
//! `socket`, `setsockopt`, `bind`, `connect`, `epoll_ctl`, `send`, `recv`, `close`, and a share of
//! `epoll_wait`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use nix::sys::epoll::{EpollEvent, EpollFlags};
use resolve::{ExchangeFault, ExchangeId};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;

use super::{Source, fault_of, ports::Ports};
use crate::endpoint::never_fragment_by_forged_mtu;
use crate::limits::{PORT_ATTEMPTS, REPLY_BYTES_MAX, UPSTREAM_EVENTS};
use crate::os::watch::{EpollSet, watch_reading};
use crate::worker::Worker;

/// The exchanges under way over UDP.
pub(crate) struct UdpExchanges {
    readiness: AsyncFd<EpollSet>,
    sockets: RefCell<HashMap<ExchangeId, Socket>>,
    ports: RefCell<Ports>,
}

impl UdpExchanges {
    pub(super) fn new(ports: Ports) -> io::Result<UdpExchanges> {
        Ok(UdpExchanges {
            readiness: watch_reading(EpollSet::new()?)?,
            sockets: RefCell::default(),
            ports: RefCell::new(ports),
        })
    }

    /// Sends a question.
    pub(super) fn start(
        &self,
        id: ExchangeId,
        address: SocketAddr,
        source: Source,
        wire: &[u8],
    ) -> Result<(), ExchangeFault> {
        let socket = self.open(address, source).map_err(|error| fault_of(&error))?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, id.0);
        self.readiness.get_ref().add(&socket, event).map_err(|_| ExchangeFault::NoSocket)?;
        match socket.send(wire) {
            Ok(_) => {}
            // No room in the kernel: as lost as any datagram; the resolver will ask again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(fault_of(&error)),
        }
        self.sockets.borrow_mut().insert(id, socket);
        Ok(())
    }

    /// Sends a copy of a client's message. Nobody waits for a reply, and nobody is told if it could
    /// not be sent.
    pub(super) fn send_copy(&self, target: SocketAddr, source: Source, wire: &[u8]) {
        if let Ok(socket) = self.open(target, source) {
            let _lost = socket.send(wire);
        }
    }

    /// Closes an exchange's socket. Returns whether there was one.
    pub(crate) fn close(&self, id: ExchangeId) -> bool {
        self.sockets.borrow_mut().remove(&id).is_some()
    }

    /// Sockets open.
    pub(super) fn len(&self) -> usize {
        self.sockets.borrow().len()
    }

    /// What the runtime waits for.
    pub(crate) fn readiness(&self) -> &AsyncFd<EpollSet> {
        &self.readiness
    }

    /// The exchanges for which something has arrived, at most a turn's worth.
    pub(crate) fn ready(&self, ids: &mut Vec<ExchangeId>) {
        ids.clear();
        let mut events = [EpollEvent::empty(); UPSTREAM_EVENTS];
        let count = self.readiness.get_ref().ready(&mut events);
        ids.extend(events[..count].iter().map(|event| ExchangeId(event.data())));
    }

    /// Takes one datagram of an exchange into the buffer. `None`: nothing more is there, or the
    /// exchange is over.
    pub(crate) fn receive(
        &self,
        id: ExchangeId,
        buffer: &mut [u8; REPLY_BYTES_MAX],
    ) -> Option<Result<usize, ExchangeFault>> {
        let sockets = self.sockets.borrow();
        let mut socket = sockets.get(&id)?;
        loop {
            match socket.read(buffer) {
                Ok(length) => return Some(Ok(length)),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return None,
                    _ => return Some(Err(fault_of(&error))),
                },
            }
        }
    }

    /// A socket with a random port, connected to the upstream.
    fn open(&self, address: SocketAddr, source: Source) -> io::Result<Socket> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new_raw(Domain::for_address(address), kind, Some(Protocol::UDP))?;
        never_fragment_by_forged_mtu(&socket, address);
        let from: IpAddr = match address {
            SocketAddr::V4(_) => source.v4.unwrap_or(Ipv4Addr::UNSPECIFIED).into(),
            SocketAddr::V6(_) => source.v6.unwrap_or(Ipv6Addr::UNSPECIFIED).into(),
        };
        let mut ports = self.ports.borrow_mut();
        for _ in 0..PORT_ATTEMPTS {
            match socket.bind(&SockAddr::from(SocketAddr::new(from, ports.draw()))) {
                Ok(()) => {
                    socket.connect(&SockAddr::from(address))?;
                    return Ok(socket);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

/// Takes replies as they come.
pub(crate) async fn receive(worker: Rc<Worker>) {
    loop {
        let Ok(mut guard) = worker.upstream.udp.readiness().readable().await else { return };
        // Only an empty set ends it: what remains unread is not reported again.
        if !worker.handle_upstream_datagrams() {
            guard.clear_ready();
        }
        drop(guard);
        yield_now().await;
    }
}
