//! Queries over UDP: sockets that clients send to, read and answered in batches.

#[allow(unsafe_code, reason = "recvmmsg and sendmmsg")]
pub(crate) mod mmsg;

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use resolve::{Client, ClientProtocol};
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;

use crate::limits::BATCHES_PER_TURN;
use crate::logging::log;
use crate::os::watch::watch_reading;
use crate::token::Token;
use crate::worker::Worker;
use mmsg::{Datagram, Inbox, Local, Outbox};

/// A batch with fewer datagrams than this was not full and has emptied the socket. While it was
/// answered, hardly any more can have come: asking for them costs more than waiting.
const SCARCE: usize = 6;

/// Where a socket that is to get nothing more is connected to: the discard service, which nobody runs.
const DISCARD_PORT: u16 = 9;

/// A socket that queries come to.
pub(crate) struct UdpListener {
    socket: AsyncFd<UdpSocket>,
    address: SocketAddr,
    /// Bound to all addresses: each datagram says which one it came to.
    wildcard: bool,
    token: Token,
}

impl UdpListener {
    /// Takes a bound, non-blocking socket. To be called within the runtime.
    pub(crate) fn new(socket: UdpSocket, number: u32) -> io::Result<UdpListener> {
        let address = socket.local_addr()?;
        Ok(UdpListener {
            socket: watch_reading(socket)?,
            address,
            wildcard: address.ip().is_unspecified(),
            token: Token::Listener(number),
        })
    }

    /// The address it is bound to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }

    /// Takes a batch without waiting.
    pub(crate) fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        inbox.receive(self.socket.get_ref().as_fd(), self.wildcard)
    }

    /// Sends a batch.
    pub(crate) fn send(&self, outbox: &mut Outbox) -> usize {
        outbox.send(self.socket.get_ref().as_fd())
    }

    /// Lets no more datagrams in, while those that have come can be read and answers can be sent: a
    /// socket that is connected is passed over when the kernel picks one of those that share an address.
    pub(crate) fn shut(&self) -> io::Result<()> {
        let nowhere: SocketAddr = match self.address {
            SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, DISCARD_PORT).into(),
            SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, DISCARD_PORT).into(),
        };
        self.socket.get_ref().connect(nowhere)
    }

    /// Who sent a datagram.
    pub(crate) fn client(&self, datagram: &Datagram<'_>) -> Client {
        let local = match datagram.local {
            Some(local) => {
                let mut address = SocketAddr::new(local.address, self.address.port());
                if let SocketAddr::V6(v6) = &mut address {
                    v6.set_scope_id(local.interface);
                }
                address
            }
            None => self.address,
        };
        let protocol = ClientProtocol::Udp;
        Client { token: self.token.into(), peer: datagram.peer, local, protocol }
    }

    /// Where the answer to a client has to leave from, if the socket alone does not say it.
    pub(crate) fn source(&self, client: &Client) -> Option<Local> {
        self.wildcard.then(|| Local {
            address: client.local.ip(),
            interface: match client.local {
                SocketAddr::V4(_) => 0,
                SocketAddr::V6(local) => local.scope_id(),
            },
        })
    }
}

/// Serves a socket until the task is ended.
pub(crate) async fn serve(worker: Rc<Worker>, listener: Rc<UdpListener>) {
    loop {
        // Cheaper than `readable`, which may be waited for by several.
        let ready = poll_fn(|context| listener.socket.poll_read_ready(context)).await;
        let Ok(mut guard) = ready else { return };
        let mut drained = false;
        for _ in 0..BATCHES_PER_TURN {
            match worker.handle_datagrams(&listener) {
                Ok(count) => drained = count < SCARCE,
                Err(error) => {
                    drained = true;
                    if error.kind() != io::ErrorKind::WouldBlock {
                        log!(Debug, "io", "receiving on {}: {error}", listener.address);
                    }
                }
            }
            if drained {
                guard.clear_ready();
                break;
            }
        }
        drop(guard);
        if !drained {
            yield_now().await;
        }
    }
}
