//! The endpoints that are open, and how to open and close them.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tokio::task::{AbortHandle, spawn_local};
use transport::protocol::{Pipe, Protocol, of_kind};

use crate::console::{self, ControlListener};
use crate::logging::log;
use crate::tcp::{self, StreamListener};
use crate::udp::{self, UdpListener};
use crate::worker::Worker;

/// Where an endpoint is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Place {
    fn ip(&self) -> Option<SocketAddr> {
        match self {
            Place::Udp(address) | Place::Tcp(address) => Some(*address),
            Place::Unix(_) => None,
        }
    }
}

/// What an endpoint is served on.
pub(crate) enum Socket {
    Udp(Rc<UdpListener>),
    Stream(Rc<StreamListener>),
    Control(Rc<ControlListener>),
    /// The configuration is only looked at.
    Unopened,
}

impl Socket {
    /// The same socket once more.
    fn lend(&self) -> io::Result<Option<OwnedFd>> {
        let descriptor = match self {
            Socket::Udp(listener) => listener.descriptor(),
            Socket::Stream(listener) => listener.descriptor(),
            Socket::Control(listener) => listener.descriptor(),
            Socket::Unopened => return Ok(None),
        };
        descriptor.try_clone_to_owned().map(Some)
    }

    fn serve(&self, worker: &Rc<Worker>) -> Option<AbortHandle> {
        let task = match self {
            Socket::Udp(listener) => spawn_local(udp::serve(worker.clone(), listener.clone())),
            Socket::Stream(listener) => spawn_local(tcp::accept(worker.clone(), listener.clone())),
            Socket::Control(listener) => spawn_local(console::serve(listener.clone())),
            Socket::Unopened => return None,
        };
        Some(task.abort_handle())
    }
}

/// An open endpoint; closed when it is dropped.
struct Endpoint {
    place: Place,
    kind: String,
    freebind: bool,
    socket: Socket,
    /// Where the socket is from.
    origin: Origin,
    /// The file of a UNIX socket goes with this endpoint.
    owns_path: Cell<bool>,
    /// Serves it, unless it is only kept open.
    task: RefCell<Option<AbortHandle>>,
}

/// Where a socket is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// Opened for this configuration.
    Own,
    /// Opened for the one that serves while this one is loaded beside it.
    Borrowed,
    /// Opened by somebody else who started this process.
    Inherited,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.pause();
        if let Place::Unix(path) = &self.place
            && self.owns_path.get()
        {
            let _gone_already = std::fs::remove_file(path);
        }
    }
}

impl Endpoint {
    fn pause(&self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// What is known about an open endpoint.
#[derive(Clone, Debug)]
pub(crate) struct EndpointInfo {
    pub(crate) place: Place,
    pub(crate) kind: String,
    pub(crate) freebind: bool,
}

/// All open endpoints.
#[derive(Default)]
pub(crate) struct Listeners {
    endpoints: RefCell<Vec<Endpoint>>,
    udp: RefCell<Vec<Option<Rc<UdpListener>>>>,
    /// Endpoints were given at start, beside the configuration.
    given: Cell<bool>,
    /// Endpoints are served; before, they are only open.
    serving: Cell<bool>,
}

impl Listeners {
    /// The UDP socket of this number, if it is still open.
    pub(crate) fn udp(&self, number: u32) -> Option<Rc<UdpListener>> {
        self.udp.borrow().get(number as usize).cloned().flatten()
    }

    /// Were endpoints given at start, by the command line or the service manager?
    pub(crate) fn are_given(&self) -> bool {
        self.given.get()
    }

    /// Takes note that they were.
    pub(crate) fn set_given(&self) {
        self.given.set(true);
    }

    /// Is this address open already, over any protocol?
    pub(crate) fn is_open(&self, address: SocketAddr) -> bool {
        self.endpoints.borrow().iter().any(|endpoint| endpoint.place.ip() == Some(address))
    }

    /// Is this path open already?
    pub(crate) fn is_open_path(&self, path: &Path) -> bool {
        let endpoints = self.endpoints.borrow();
        endpoints.iter().any(|endpoint| endpoint.place == Place::Unix(path.to_owned()))
    }

    /// What is open.
    pub(crate) fn list(&self) -> Vec<EndpointInfo> {
        let info = |endpoint: &Endpoint| EndpointInfo {
            place: endpoint.place.clone(),
            kind: endpoint.kind.clone(),
            freebind: endpoint.freebind,
        };
        self.endpoints.borrow().iter().map(info).collect()
    }

    /// Closes the endpoints on an address. Returns whether there were any.
    pub(crate) fn close(&self, address: IpAddr, port: Option<u16>) -> bool {
        self.close_where(|place| {
            place.ip().is_some_and(|open| {
                open.ip() == address && port.is_none_or(|port| open.port() == port)
            })
        })
    }

    /// Closes the endpoint on a path. Returns whether there was one.
    pub(crate) fn close_path(&self, path: &Path) -> bool {
        self.close_where(|place| *place == Place::Unix(path.to_owned()))
    }

    /// Takes no more queries and connections, and goes on to answer those that have come.
    pub(crate) fn shut_all(&self) {
        for listener in self.udp.borrow().iter().flatten() {
            if let Err(error) = listener.shut() {
                log!(Debug, "io", "leaving {}: {error}", listener.address());
            }
        }
        // What has come before this turn of the loop has been accepted, and is served.
        self.endpoints.borrow_mut().retain(|endpoint| !matches!(endpoint.place, Place::Tcp(_)));
    }

    /// Closes everything.
    pub(crate) fn close_all(&self) {
        self.close_where(|_| true);
    }

    fn close_where(&self, matches: impl Fn(&Place) -> bool) -> bool {
        let mut endpoints = self.endpoints.borrow_mut();
        let before = endpoints.len();
        endpoints.retain(|endpoint| !matches(&endpoint.place));
        for slot in self.udp.borrow_mut().iter_mut() {
            if slot.as_ref().is_some_and(|udp| matches(&Place::Udp(udp.address()))) {
                *slot = None;
            }
        }
        before != endpoints.len()
    }

    /// Enters an endpoint, which is served as soon as the others are.
    pub(crate) fn add(
        &self,
        worker: &Rc<Worker>,
        place: Place,
        kind: &str,
        freebind: bool,
        origin: Origin,
        socket: Socket,
    ) {
        let endpoint = Endpoint {
            owns_path: Cell::new(origin == Origin::Own && !matches!(socket, Socket::Unopened)),
            place,
            kind: kind.to_owned(),
            freebind,
            socket,
            origin,
            task: RefCell::default(),
        };
        if self.serving.get() {
            *endpoint.task.borrow_mut() = endpoint.socket.serve(worker);
        }
        self.endpoints.borrow_mut().push(endpoint);
    }

    /// Begins to serve all endpoints.
    pub(crate) fn begin(&self, worker: &Rc<Worker>) {
        self.serving.set(true);
        for endpoint in self.endpoints.borrow().iter() {
            if endpoint.task.borrow().is_none() {
                *endpoint.task.borrow_mut() = endpoint.socket.serve(worker);
            }
        }
    }

    /// Ends serving; everything stays open, so that answers can leave.
    pub(crate) fn pause(&self) {
        self.serving.set(false);
        self.endpoints.borrow().iter().for_each(Endpoint::pause);
    }

    /// The socket of an endpoint of this place and kind once more, if it is open.
    pub(crate) fn lend(&self, place: &Place, kind: &str) -> io::Result<Option<OwnedFd>> {
        let endpoints = self.endpoints.borrow();
        let same = |endpoint: &&Endpoint| endpoint.place == *place && endpoint.kind == kind;
        endpoints.iter().find(same).map_or(Ok(None), |endpoint| endpoint.socket.lend())
    }

    /// The sockets that somebody else has opened, once more, with their kinds.
    pub(crate) fn lend_inherited(&self) -> io::Result<Vec<(OwnedFd, String)>> {
        let endpoints = self.endpoints.borrow();
        let inherited = endpoints.iter().filter(|e| e.origin == Origin::Inherited);
        let mut lent = Vec::new();
        for endpoint in inherited {
            if let Some(socket) = endpoint.socket.lend()? {
                lent.push((socket, endpoint.kind.clone()));
            }
        }
        Ok(lent)
    }

    /// The files of UNIX sockets that were lent by others are theirs from now on, or were theirs all
    /// the time.
    pub(crate) fn leave_paths_to(&self, others: &Listeners) {
        for endpoint in self.endpoints.borrow().iter() {
            if others.endpoints.borrow().iter().any(|other| other.place == endpoint.place) {
                endpoint.owns_path.set(false);
            }
        }
    }

    /// The files of the sockets that this process has opened go with these endpoints.
    pub(crate) fn own_paths(&self) {
        for endpoint in self.endpoints.borrow().iter() {
            endpoint.owns_path.set(endpoint.origin != Origin::Inherited);
        }
    }
}

/// Serves queries over UDP on a bound socket.
pub(crate) fn serve_udp(
    worker: &Rc<Worker>,
    socket: UdpSocket,
    freebind: bool,
    origin: Origin,
) -> io::Result<()> {
    let listeners = &worker.listeners;
    let number = u32::try_from(listeners.udp.borrow().len()).map_err(io::Error::other)?;
    let listener = Rc::new(UdpListener::new(socket, number)?);
    listeners.udp.borrow_mut().push(Some(listener.clone()));
    let place = Place::Udp(listener.address());
    listeners.add(worker, place, "dns", freebind, origin, Socket::Udp(listener));
    Ok(())
}

/// Serves queries over TCP on a listening socket: in the clear (`dns`), over TLS (`tls`) or HTTPS
/// (`doh2`).
pub(crate) fn serve_tcp(
    worker: &Rc<Worker>,
    socket: TcpListener,
    kind: &str,
    freebind: bool,
    origin: Origin,
) -> io::Result<()> {
    let spoken = of_kind(kind).find(|def| def.pipe == Pipe::Stream).map(|def| def.protocol);
    let listener = Rc::new(StreamListener::new(socket, spoken.unwrap_or(Protocol::Tcp))?);
    let place = Place::Tcp(listener.address());
    worker.listeners.add(worker, place, kind, freebind, origin, Socket::Stream(listener));
    Ok(())
}
