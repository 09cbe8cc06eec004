//! The endpoints that are open, and how to open and close them.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tokio::task::{AbortHandle, spawn_local};
use transport::protocol::{PipeLayer, of_kind};

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

/// An open endpoint; closed when it is dropped.
struct Endpoint {
    place: Place,
    kind: String,
    freebind: bool,
    /// Ends the task that serves it, and so closes the socket.
    task: AbortHandle,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
        if let Place::Unix(path) = &self.place {
            let _gone_already = std::fs::remove_file(path);
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

    /// Enters an endpoint that a task serves.
    pub(crate) fn add(&self, place: Place, kind: &str, freebind: bool, task: AbortHandle) {
        let endpoint = Endpoint { place, kind: kind.to_owned(), freebind, task };
        self.endpoints.borrow_mut().push(endpoint);
    }
}

/// Serves queries over UDP on a bound socket.
pub(crate) fn serve_udp(worker: &Rc<Worker>, socket: UdpSocket, freebind: bool) -> io::Result<()> {
    let listeners = &worker.listeners;
    let number = u32::try_from(listeners.udp.borrow().len()).map_err(io::Error::other)?;
    let listener = Rc::new(UdpListener::new(socket, number)?);
    listeners.udp.borrow_mut().push(Some(listener.clone()));
    let place = Place::Udp(listener.address());
    let task = spawn_local(udp::serve(worker.clone(), listener)).abort_handle();
    listeners.add(place, "dns", freebind, task);
    Ok(())
}

/// Serves queries over TCP on a listening socket, in the clear (`dns`) or over TLS (`tls`).
pub(crate) fn serve_tcp(
    worker: &Rc<Worker>,
    socket: TcpListener,
    kind: &str,
    freebind: bool,
) -> io::Result<()> {
    let encrypted = of_kind(kind).any(|def| def.layers.contains(&PipeLayer::Tls));
    let listener = Rc::new(StreamListener::new(socket, encrypted)?);
    let place = Place::Tcp(listener.address());
    let task = spawn_local(tcp::accept(worker.clone(), listener)).abort_handle();
    worker.listeners.add(place, kind, freebind, task);
    Ok(())
}
