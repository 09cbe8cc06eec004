//! Descriptors that the runtime watches for readiness.
//!
//! The runtime demands that a watched object keeps one open descriptor as long as it is watched.
//! Only types listed here, of which that is known, can be handed to it.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

mod steady {
    /// Keeps one open descriptor for its whole life and gives no other by `as_raw_fd`.
    pub(crate) trait Steady: std::os::fd::AsRawFd {}
}

impl steady::Steady for UdpSocket {}
impl steady::Steady for TcpListener {}
impl steady::Steady for TcpStream {}
impl steady::Steady for EpollSet {}
/// Standard input is never closed by this program.
impl steady::Steady for io::Stdin {}

/// Makes the runtime watch something for both directions. To be called within the runtime.
pub(crate) fn watch<T: steady::Steady>(inner: T) -> io::Result<AsyncFd<T>> {
    register(inner, Interest::READABLE | Interest::WRITABLE)
}

/// Makes the runtime watch something that is only read. A UDP socket reports each datagram that
/// has left as room to write, so watching for that too would wake the process twice a query.
pub(crate) fn watch_reading<T: steady::Steady>(inner: T) -> io::Result<AsyncFd<T>> {
    register(inner, Interest::READABLE)
}

fn register<T: steady::Steady>(inner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: the types with the trait own their descriptor, never change it and close it only
    // when they are dropped, which the runtime does itself.
    unsafe { AsyncFd::register_with_interest(inner, interest) }
        .map_err(|error| error.into_parts().1)
}

/// An epoll set of our own, for descriptors that come and go too often for the runtime's, or that
/// have to be reported as long as they are ready.
pub(crate) struct EpollSet(Epoll);

impl AsRawFd for EpollSet {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl EpollSet {
    /// An empty set.
    pub(crate) fn new() -> io::Result<EpollSet> {
        Ok(EpollSet(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// Enters a descriptor; it leaves when it is closed.
    pub(crate) fn add(&self, descriptor: impl AsFd, event: EpollEvent) -> io::Result<()> {
        Ok(self.0.add(descriptor, event)?)
    }

    /// Takes a descriptor out.
    pub(crate) fn delete(&self, descriptor: impl AsFd) -> io::Result<()> {
        Ok(self.0.delete(descriptor)?)
    }

    /// What is ready now. Returns how many events were written.
    pub(crate) fn ready(&self, events: &mut [EpollEvent]) -> usize {
        self.0.wait(events, EpollTimeout::ZERO).unwrap_or(0).min(events.len())
    }
}
