//! Exchanges with upstreams: opens or reuses sockets, and says why if that cannot be.
//!
//! Which reply is believed is the resolver's business: whatever arrives on an exchange's socket is
//! handed to it, until it says that the exchange is over.

mod ports;
pub(crate) mod tcp;
pub(crate) mod udp;

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use resolve::{ExchangeFault, ExchangeId, Now, Target, Via};

use crate::logging::log;
use ports::Ports;
use tcp::TcpExchanges;
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
    pub(crate) source: Cell<Source>,
    encryption_missed: Cell<bool>,
}

impl Upstream {
    pub(crate) fn new(random: ChaCha12Rng) -> io::Result<Upstream> {
        Ok(Upstream {
            udp: UdpExchanges::new(Ports::new(random))?,
            tcp: TcpExchanges::default(),
            source: Cell::default(),
            encryption_missed: Cell::new(false),
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
        match &target.via {
            Via::Udp if free == 0 => {
                // For the next one, which the resolver sends when it is told to wait.
                self.tcp.close_idle();
                Err(ExchangeFault::NoSocket)
            }
            Via::Udp => self.udp.start(id, target.address, self.source.get(), &wire),
            Via::Tcp => self.tcp.start(now, id, target.address, wire, connect_timeout, free),
            Via::Tls(_) => {
                if !self.encryption_missed.replace(true) {
                    log!(Err, "tls_cl", "this program does not speak TLS to upstreams");
                }
                Err(ExchangeFault::Handshake)
            }
        }
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
        _ => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                ExchangeFault::NoSocket
            }
            _ => ExchangeFault::Unreachable,
        },
    }
}
