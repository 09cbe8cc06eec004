//! Questions over UDP: one connected socket with a random port for each exchange.
//!
//! All sockets are watched by one epoll set of their own, which the runtime watches as a single
//! descriptor: entering and leaving the runtime's own set costs more than the rest of an exchange,
//! and a closed socket leaves an epoll set by itself. So an exchange takes seven system calls:
//! `socket`, `bind`, `connect`, `epoll_ctl`, `send`, `recv`, `close`, and a share of `epoll_wait`.
//!
//! Being watched is the dearest of them after the socket itself, and a reply from the same machine or
//! the next one has often come before anybody would wait for it. So as long as that turns out to be
//! so ([`Luck`]), a socket is read once or twice in the course of other work, and watched only if
//! there was nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use nix::sys::epoll::{EpollEvent, EpollFlags};
use resolve::{ExchangeFault, ExchangeId};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::{Source, fault_of, ports::Ports};
use crate::endpoint::never_fragment_by_forged_mtu;
use crate::limits::{
    PORT_ATTEMPTS, REPLY_BYTES_MAX, UPSTREAM_EVENTS, UPSTREAM_LOOK_CREDIT_MAX, UPSTREAM_LOOK_EVERY,
    UPSTREAM_LOOK_GAIN, UPSTREAM_LOOKS,
};
use crate::os::watch::{EpollSet, watch_reading};
use crate::worker::Worker;

/// The exchanges under way over UDP.
pub(crate) struct UdpExchanges {
    readiness: AsyncFd<EpollSet>,
    sockets: RefCell<HashMap<ExchangeId, Socket, BuildHasherDefault<OfNumber>>>,
    ports: RefCell<Ports>,
    /// Those that are not watched, and how often they were looked at.
    unwatched: RefCell<Vec<(ExchangeId, u8)>>,
    /// There is one of these again.
    sent: Notify,
    luck: Luck,
}

/// Whether replies come before anybody would wait for them. A reply that was there saves some six
/// times what a look in vain costs.
#[derive(Default)]
struct Luck {
    /// How many exchanges more are worth a look.
    credit: Cell<u8>,
    /// Exchanges since the last one that was looked at without credit.
    passed: Cell<u8>,
}

impl Luck {
    /// Is a look at the next exchange worth its cost?
    fn is_tried(&self) -> bool {
        if self.credit.get() > 0 {
            return true;
        }
        let passed = self.passed.get() + 1;
        self.passed.set(passed % UPSTREAM_LOOK_EVERY);
        passed == UPSTREAM_LOOK_EVERY
    }

    /// A reply was there, or not.
    fn note(&self, there: bool) {
        let credit = self.credit.get();
        self.credit.set(match there {
            true => credit.saturating_add(UPSTREAM_LOOK_GAIN).min(UPSTREAM_LOOK_CREDIT_MAX),
            false => credit.saturating_sub(1),
        });
    }
}

/// Hash of a number that counts up: nobody else can choose it.
#[derive(Default)]
struct OfNumber(u64);

impl Hasher for OfNumber {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio spreads neighbours over the upper bits (Knuth, TAOCP 6.4).
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl UdpExchanges {
    pub(super) fn new(ports: Ports) -> io::Result<UdpExchanges> {
        Ok(UdpExchanges {
            readiness: watch_reading(EpollSet::new()?)?,
            sockets: RefCell::default(),
            ports: RefCell::new(ports),
            unwatched: RefCell::default(),
            sent: Notify::new(),
            luck: Luck::default(),
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
        let is_watched = !self.luck.is_tried();
        if is_watched {
            self.watch(id, &socket)?;
        }
        match socket.send(wire) {
            Ok(_) => {}
            // No room in the kernel: as lost as any datagram; the resolver will ask again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(fault_of(&error)),
        }
        self.sockets.borrow_mut().insert(id, socket);
        if !is_watched {
            let mut unwatched = self.unwatched.borrow_mut();
            unwatched.push((id, 0));
            if unwatched.len() == 1 {
                self.sent.notify_one();
            }
        }
        Ok(())
    }

    fn watch(&self, id: ExchangeId, socket: &Socket) -> Result<(), ExchangeFault> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, id.0);
        self.readiness.get_ref().add(socket, event).map_err(|_| ExchangeFault::NoSocket)
    }

    /// The exchanges that are not watched, at most a turn's worth, to be looked at.
    pub(crate) fn unwatched(&self, ids: &mut Vec<ExchangeId>) {
        let unwatched = self.unwatched.borrow();
        ids.clear();
        ids.extend(unwatched.iter().take(UPSTREAM_EVENTS).map(|(id, _)| *id));
    }

    /// They have been looked at: those that are not over are looked at once more, and then watched.
    /// Returns whether any is left, and those that cannot be watched.
    pub(crate) fn looked(&self, ids: &[ExchangeId]) -> (bool, Vec<ExchangeId>) {
        let sockets = self.sockets.borrow();
        let mut unwatched = self.unwatched.borrow_mut();
        let mut lost = Vec::new();
        let mut number = 0;
        unwatched.retain_mut(|(id, looks)| {
            number += 1;
            if number > ids.len() {
                return true;
            }
            let Some(socket) = sockets.get(id) else {
                self.luck.note(true);
                return false;
            };
            *looks += 1;
            if *looks < UPSTREAM_LOOKS {
                return true;
            }
            self.luck.note(false);
            if self.watch(*id, socket).is_err() {
                lost.push(*id);
            }
            false
        });
        (!unwatched.is_empty(), lost)
    }

    /// Sends a copy of a client's message. Nobody waits for a reply, and nobody is told if it could
    /// not be sent.
    pub(super) fn send_copy(&self, target: SocketAddr, source: Source, wire: &[u8]) {
        if let Ok(socket) = self.open(target, source) {
            never_fragment_by_forged_mtu(&socket, target);
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

    /// A socket with a random port, connected to the upstream. A question is shorter than the least
    /// MTU that the kernel believes (552 octets), so no forged one makes it travel in fragments.
    fn open(&self, address: SocketAddr, source: Source) -> io::Result<Socket> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new_raw(Domain::for_address(address), kind, Some(Protocol::UDP))?;
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

/// Looks for replies that have come before anybody waits for them.
pub(crate) async fn look(worker: Rc<Worker>) {
    loop {
        worker.upstream.udp.sent.notified().await;
        loop {
            // Others have their turn, and replies their time.
            yield_now().await;
            if !worker.handle_unwatched() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many exchanges are looked at.
    fn tried(luck: &Luck, exchanges: u32, is_there: bool) -> u32 {
        let tries = (0..exchanges).filter(|_| {
            let is_tried = luck.is_tried();
            if is_tried {
                luck.note(is_there);
            }
            is_tried
        });
        tries.count() as u32
    }

    #[test]
    fn looks_are_for_upstreams_that_are_near() {
        let luck = Luck::default();
        let every = u32::from(UPSTREAM_LOOK_EVERY);
        assert_eq!(tried(&luck, 100 * every, false), 100, "one of many");
        // The first that is there makes more of them be looked at.
        let near = tried(&luck, 1_000, true);
        assert!(near >= 1_000 - every, "{near}");
        let credit = u32::from(UPSTREAM_LOOK_CREDIT_MAX);
        let far = tried(&luck, 100 * every, false);
        assert!((credit..=credit + 100).contains(&far), "{far}");
    }

    #[test]
    fn numbers_of_exchanges_are_spread() {
        let hash = |number: u64| {
            let mut hasher = OfNumber::default();
            hasher.write_u64(number);
            hasher.finish()
        };
        // By the lowest bits tables choose the place, by the highest ones they tell apart what is near.
        let low: std::collections::BTreeSet<_> = (0..128).map(|n| hash(n) & 127).collect();
        let high: std::collections::BTreeSet<_> = (0..128).map(|n| hash(n) >> 57).collect();
        assert_eq!(low.len(), 128);
        assert!(high.len() > 80, "{}", high.len());
    }
}
