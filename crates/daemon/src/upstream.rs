//! Exchanges with upstreams: opens or reuses sockets, and says why if that cannot be.
//!
//! Which reply is believed is the resolver's business: whatever arrives on an exchange's socket is
//! handed to it, until it says that the exchange is over.

mod ports;
pub(crate) mod tcp;
mod tls;
pub(crate) mod udp;

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use resolve::{ExchangeFault, ExchangeId, Now, Target, Via};

use ports::Ports;
use tcp::{Place, Question, TcpExchanges};
use tls::TlsUpstreams;
use udp::UdpExchanges;

/// Where questions leave from (`net.outgoing_v4`, `net.outgoing_v6`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Source {
    pub v4: Option<Ipv4Addr>,
    pub v6: Option<Ipv6Addr>,
}

/// All exchanges under way.
pub(crate) struct Upstream {
    pub(crate) udp: UdpExchanges,
    pub(crate) tcp: TcpExchanges,
    pub(crate) tls: TlsUpstreams,
    pub(crate) source: Cell<Source>,
}

impl Upstream {
    pub(crate) fn new(random: ChaCha12Rng) -> io::Result<Upstream> {
        Ok(Upstream {
            udp: UdpExchanges::new(Ports::new(random))?,
            tcp: TcpExchanges::default(),
            tls: TlsUpstreams::default(),
            source: Cell::default(),
        })
    }

    /// Carries out [`resolve::Action::Exchange`]. `free` descriptors may be used.
    pub(crate) fn start(
        &self,
        now: Now,
        id: ExchangeId,
        target: &Target,
        wire: Vec<u8>,
        connect_timeout: Duration,
        free: usize,
    ) -> Result<(), ExchangeFault> {
        let encryption = match &target.via {
            Via::Tls(encryption) => Some(encryption.clone()),
            Via::Udp | Via::Tcp => self.tls.for_address(target.address),
        };
        if encryption.is_some() || target.via == Via::Tcp {
            let place = Place { address: target.address, encryption };
            let question = Question { id, wire, connect_timeout, on_used: false };
            return self.tcp.start(now, place, question, &self.tls, free);
        }
        if free == 0 {
            // For the next one, which the resolver sends when it is told to wait.
            self.tcp.close_idle();
            return Err(ExchangeFault::NoSocket);
        }
        self.udp.start(id, target.address, self.source.get(), &wire)
    }

    /// Carries out [`resolve::Action::Mirror`].
    pub(crate) fn mirror(&self, target: SocketAddr, wire: &[u8]) {
        self.udp.send_copy(target, self.source.get(), wire);
    }

    /// Carries out [`resolve::Action::Cancel`].
    pub(crate) fn cancel(&self, now: Now, id: ExchangeId) {
        if !self.udp.close(id) {
            self.tcp.cancel(now, id);
        }
    }

    /// Descriptors in use.
    pub(crate) fn descriptors(&self) -> usize {
        self.udp.len() + self.tcp.len()
    }
}

/// What an error of the system means for an exchange.
fn fault_of(error: &io::Error) -> ExchangeFault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ExchangeFault::Refused,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => ExchangeFault::Closed,
        io::ErrorKind::AddrInUse => ExchangeFault::NoSocket,
        // Said by a session of TLS only.
        io::ErrorKind::InvalidData => ExchangeFault::Handshake,
        _ => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                ExchangeFault::NoSocket
            }
            _ => ExchangeFault::Unreachable,
        },
    }
}
