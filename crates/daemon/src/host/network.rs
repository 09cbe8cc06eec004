//! `net`: endpoints, source addresses, sizes.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use lua::host::{
    BoundEndpoint, HostError, Interface, Listen, ListenAddress, Network, Padding, Process,
    Protocol, TlsClient, TlsFiles,
};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, getsockopt, sockopt};
use resolve::{Client, Encryption};

use super::DaemonHost;
use crate::console::ControlListener;
use crate::listeners::{self, Origin, Place, Socket};
use crate::logging::log;
use crate::program::Program;
use crate::token::Token;
use crate::upstream::Source;
use crate::{control, endpoint, os};

/// The kinds of endpoint that are known, and not served by this program.
const UNSERVED: [&str; 3] = ["doh_legacy", "webmgmt", "xdp"];

/// What is set and has no other home.
pub(super) struct State {
    tls_files: RefCell<Option<TlsFiles>>,
    tls_padding: Cell<Padding>,
    tls_clients: RefCell<Vec<TlsClient>>,
    proxy_allowed: RefCell<Vec<(IpAddr, u8)>>,
    doh_headers: RefCell<Vec<String>>,
    kinds: RefCell<Vec<String>>,
}

impl Default for State {
    fn default() -> State {
        State {
            tls_files: RefCell::default(),
            tls_padding: Cell::new(Padding::Recommended),
            tls_clients: RefCell::default(),
            proxy_allowed: RefCell::default(),
            doh_headers: RefCell::default(),
            kinds: RefCell::default(),
        }
    }
}

/// An address as messages have it.
fn shown(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Ip(address) => endpoint::display(*address),
        ListenAddress::Unix(path) => path.display().to_string(),
        ListenAddress::Interface(name) => name.clone(),
    }
}

fn unsupported(listen: &Listen) -> HostError {
    HostError::refused(format!(
        "kind '{}' does not go with that sort of address: dns, tls and doh2 take an IP address, control a \
         path",
        listen.kind
    ))
}

fn system(action: String) -> impl FnOnce(std::io::Error) -> HostError {
    move |source| HostError::System { action, source }
}

impl DaemonHost {
    fn listen_dns(&self, address: SocketAddr, freebind: bool) -> Result<(), HostError> {
        self.refuse_open(address)?;
        if self.checking {
            for place in [Place::Udp(address), Place::Tcp(address)] {
                self.enter_unopened(place, "dns", freebind);
            }
            return Ok(());
        }
        let refused = |error: endpoint::BindError| HostError::refused(error.to_string());
        let what = || format!("listen on '{}'", endpoint::display(address));
        let udp = match self.borrow_socket(&Place::Udp(address), "dns")? {
            Some(socket) => UdpSocket::from(socket),
            None => endpoint::bind_udp(address, freebind).map_err(refused)?,
        };
        let tcp = match self.borrow_socket(&Place::Tcp(address), "dns")? {
            Some(socket) => TcpListener::from(socket),
            None => endpoint::bind_tcp(address, freebind).map_err(refused)?,
        };
        let own = Origin::Own;
        listeners::serve_udp(&self.worker, udp, freebind, own).map_err(system(what()))?;
        listeners::serve_tcp(&self.worker, tcp, "dns", freebind, own).map_err(|error| {
            self.worker.listeners.close(address.ip(), Some(address.port()));
            system(what())(error)
        })
    }

    fn listen_stream(
        &self,
        kind: &str,
        address: SocketAddr,
        freebind: bool,
    ) -> Result<(), HostError> {
        self.refuse_open(address)?;
        if self.checking {
            self.enter_unopened(Place::Tcp(address), kind, freebind);
            return Ok(());
        }
        let tcp = match self.borrow_socket(&Place::Tcp(address), kind)? {
            Some(socket) => TcpListener::from(socket),
            None => endpoint::bind_tcp(address, freebind)
                .map_err(|error| HostError::refused(error.to_string()))?,
        };
        listeners::serve_tcp(&self.worker, tcp, kind, freebind, Origin::Own)
            .map_err(system(format!("listen on '{}'", endpoint::display(address))))
    }

    /// The socket of the program that serves while this one is loaded beside it: the same one, so that
    /// nothing is lost that waits in it.
    fn borrow_socket(&self, place: &Place, kind: &str) -> Result<Option<OwnedFd>, HostError> {
        let Some(beside) = self.beside() else { return Ok(None) };
        let lent = beside.worker().listeners.lend(place, kind);
        lent.map_err(system(format!("socket of {place:?}")))
    }

    fn refuse_open(&self, address: SocketAddr) -> Result<(), HostError> {
        if !self.worker.listeners.is_open(address) {
            return Ok(());
        }
        Err(HostError::refused(format!(
            "bind to '{}': Address already in use; this process listens there already",
            endpoint::display(address)
        )))
    }

    /// Enters an endpoint that is not to be opened.
    fn enter_unopened(&self, place: Place, kind: &str, freebind: bool) {
        let (worker, nothing) = (&self.worker, Socket::Unopened);
        worker.listeners.add(worker, place, kind, freebind, Origin::Own, nothing);
    }

    /// Opens a control socket.
    pub(crate) fn listen_control(&self, path: &Path) -> Result<(), HostError> {
        let failed = |source| HostError::System {
            action: format!("control socket '{}'", path.display()),
            source,
        };
        let path = std::path::absolute(path).map_err(failed)?;
        if self.worker.listeners.is_open_path(&path) {
            return Err(failed(std::io::ErrorKind::AddrInUse.into()));
        }
        if self.checking {
            self.enter_unopened(Place::Unix(path), "control", false);
            return Ok(());
        }
        let own = self.control_directory();
        if path.parent() == Some(&*own) && !own.exists() {
            control::make_directory().map_err(failed)?;
        }
        let place = Place::Unix(path.clone());
        let (listener, origin) = match self.borrow_socket(&place, "control")? {
            Some(socket) => (UnixListener::from(socket), Origin::Borrowed),
            None => (control::bind(&path).map_err(failed)?, Origin::Own),
        };
        self.serve_control(path, listener, origin).map_err(failed)
    }

    fn serve_control(
        &self,
        path: PathBuf,
        socket: UnixListener,
        origin: Origin,
    ) -> std::io::Result<()> {
        let (worker, service) = (&self.worker, self.service.clone());
        let listener = Rc::new(ControlListener::new(socket, &path, service)?);
        let socket = Socket::Control(listener);
        worker.listeners.add(worker, Place::Unix(path), "control", false, origin, socket);
        Ok(())
    }
}

impl Network for DaemonHost {
    fn listen(&self, listen: &Listen) -> Result<(), HostError> {
        match (listen.kind.as_str(), &listen.address) {
            ("dns", ListenAddress::Ip(address)) => self.listen_dns(*address, listen.freebind),
            (kind @ ("tls" | "doh2"), ListenAddress::Ip(address)) => {
                self.listen_stream(kind, *address, listen.freebind)
            }
            ("control", ListenAddress::Unix(path)) => self.listen_control(path),
            ("dns" | "tls" | "doh2" | "control", _) => Err(unsupported(listen)),
            (kind, _)
                if UNSERVED.contains(&kind)
                    || self.network.kinds.borrow().iter().any(|k| k == kind) =>
            {
                log!(
                    Notice,
                    "net",
                    "kind '{kind}' is not served by this program: {} stays closed",
                    shown(&listen.address)
                );
                Ok(())
            }
            (kind, _) => Err(HostError::refused(format!(
                "network socket kind '{kind}' is not known; known are dns, tls, doh2 and control"
            ))),
        }
    }

    fn close(&self, address: &ListenAddress, port: Option<u16>) -> bool {
        match address {
            ListenAddress::Ip(address) => self.worker.listeners.close(address.ip(), port),
            ListenAddress::Unix(path) => {
                std::path::absolute(path).is_ok_and(|path| self.worker.listeners.close_path(&path))
            }
            ListenAddress::Interface(_) => false,
        }
    }

    fn endpoints(&self) -> Vec<BoundEndpoint> {
        let show = |info: listeners::EndpointInfo| {
            let (address, protocol) = match info.place {
                Place::Udp(address) => (ListenAddress::Ip(address), Protocol::Udp),
                Place::Tcp(address) => (ListenAddress::Ip(address), Protocol::Tcp),
                Place::Unix(path) => (ListenAddress::Unix(path), Protocol::Stream),
            };
            BoundEndpoint { address, kind: info.kind, protocol, freebind: info.freebind }
        };
        self.worker.listeners.list().into_iter().map(show).collect()
    }

    fn interfaces(&self) -> Result<Vec<Interface>, HostError> {
        let all = getifaddrs().map_err(|errno| system("interfaces".to_owned())(errno.into()))?;
        let mut interfaces: Vec<Interface> = Vec::new();
        for entry in all {
            let position = match interfaces.iter().position(|i| i.name == entry.interface_name) {
                Some(position) => position,
                None => {
                    let name = entry.interface_name.clone();
                    interfaces.push(Interface { name, addresses: Vec::new(), mac: [0; 6] });
                    interfaces.len() - 1
                }
            };
            let (Some(interface), Some(address)) = (interfaces.get_mut(position), entry.address)
            else {
                continue;
            };
            if let Some(v4) = address.as_sockaddr_in() {
                interface.addresses.push(v4.ip().to_string());
            } else if let Some(v6) = address.as_sockaddr_in6() {
                let ip = v6.ip();
                let scope = if ip.is_unicast_link_local() { &interface.name } else { "" };
                let mark = if scope.is_empty() { "" } else { "%" };
                interface.addresses.push(format!("{ip}{mark}{scope}"));
            } else if let Some(link) = address.as_link_addr() {
                interface.mac = link.addr().unwrap_or_default();
            }
        }
        Ok(interfaces)
    }

    fn interface_index(&self, name: &str) -> Option<u32> {
        endpoint::interface_index(name)
    }

    fn bufsize(&self) -> (u16, u16) {
        self.worker.with_settings(|s| (s.udp_size_downstream, s.udp_size_upstream))
    }

    fn set_bufsize(&self, downstream: u16, upstream: u16) -> Result<(), HostError> {
        self.worker.change_settings(|settings| {
            settings.udp_size_downstream = downstream;
            settings.udp_size_upstream = upstream;
        });
        Ok(())
    }

    fn tcp_pipeline(&self) -> u16 {
        u16::try_from(self.worker.stream_limits().pipeline).unwrap_or(u16::MAX)
    }

    fn set_tcp_pipeline(&self, limit: u16) -> Result<(), HostError> {
        let mut limits = self.worker.stream_limits();
        limits.pipeline = usize::from(limit);
        self.worker.set_stream_limits(limits);
        Ok(())
    }

    fn tcp_in_idle(&self) -> u64 {
        u64::try_from(self.worker.stream_limits().idle.as_millis()).unwrap_or(u64::MAX)
    }

    fn set_tcp_in_idle(&self, ms: u64) -> Result<(), HostError> {
        let mut limits = self.worker.stream_limits();
        limits.idle = Duration::from_millis(ms);
        self.worker.set_stream_limits(limits);
        self.worker.change_settings(|settings| {
            settings.idle_timeout_ms = u32::try_from(ms).unwrap_or(u32::MAX);
        });
        Ok(())
    }

    fn tls_handshake_timeout(&self) -> u64 {
        u64::try_from(self.worker.tls.handshake().as_millis()).unwrap_or(u64::MAX)
    }

    fn set_tls_handshake_timeout(&self, ms: u64) -> Result<(), HostError> {
        self.worker.tls.set_handshake(Duration::from_millis(ms));
        Ok(())
    }

    fn outgoing_v4(&self) -> Option<Ipv4Addr> {
        self.worker.upstream.source.get().v4
    }

    fn set_outgoing_v4(&self, address: Option<Ipv4Addr>) -> Result<(), HostError> {
        let source = self.worker.upstream.source.get();
        self.worker.upstream.source.set(Source { v4: address, ..source });
        Ok(())
    }

    fn outgoing_v6(&self) -> Option<Ipv6Addr> {
        self.worker.upstream.source.get().v6
    }

    fn set_outgoing_v6(&self, address: Option<Ipv6Addr>) -> Result<(), HostError> {
        let source = self.worker.upstream.source.get();
        self.worker.upstream.source.set(Source { v6: address, ..source });
        Ok(())
    }

    fn tls_files(&self) -> Option<TlsFiles> {
        self.network.tls_files.borrow().clone()
    }

    fn set_tls_files(&self, files: &TlsFiles) -> Result<(), HostError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(system(format!("TLS file '{}'", path.display())))
        };
        let (chain, key) = (read(&files.certificate)?, read(&files.key)?);
        self.worker.tls.set_pair(chain, key).map_err(|error| {
            HostError::refused(format!(
                "TLS files '{}' and '{}': {error}",
                files.certificate.display(),
                files.key.display()
            ))
        })?;
        *self.network.tls_files.borrow_mut() = Some(files.clone());
        Ok(())
    }

    fn tls_padding(&self) -> Padding {
        self.network.tls_padding.get()
    }

    fn set_tls_padding(&self, padding: Padding) -> Result<(), HostError> {
        self.network.tls_padding.set(padding);
        self.worker.change_settings(|settings| {
            settings.padding_block = match padding {
                Padding::Off => 0,
                Padding::Recommended => resolve::Settings::default().padding_block,
                Padding::Block(octets) => octets,
            };
        });
        Ok(())
    }

    fn set_tls_ticket_secret(&self, secret: Option<&[u8]>) -> Result<(), HostError> {
        match secret {
            Some(secret) => self.worker.tls.set_secret(secret),
            None => {
                let random = os::random_seed().map_err(system("random secret".to_owned()))?;
                self.worker.tls.set_secret(&random);
            }
        }
        Ok(())
    }

    fn tls_clients(&self) -> Vec<TlsClient> {
        self.network.tls_clients.borrow().clone()
    }

    fn set_tls_client(&self, client: &TlsClient) -> Result<(), HostError> {
        self.clear_tls_client(client.address);
        self.worker.upstream.tls.set(
            client.address,
            Encryption {
                hostnames: client.hostnames.clone(),
                pins: client.pins_sha256.clone(),
                ca_files: client.ca_files.clone(),
                insecure: client.insecure,
            },
        );
        self.network.tls_clients.borrow_mut().push(client.clone());
        Ok(())
    }

    fn clear_tls_client(&self, address: SocketAddr) -> bool {
        let mut clients = self.network.tls_clients.borrow_mut();
        let before = clients.len();
        clients.retain(|client| client.address != address);
        self.worker.upstream.tls.clear(address);
        before != clients.len()
    }

    fn proxy_allowed(&self) -> Vec<(IpAddr, u8)> {
        self.network.proxy_allowed.borrow().clone()
    }

    fn set_proxy_allowed(&self, networks: &[(IpAddr, u8)]) -> Result<(), HostError> {
        *self.network.proxy_allowed.borrow_mut() = networks.to_vec();
        self.worker.proxied.allow(networks);
        Ok(())
    }

    fn doh_headers(&self) -> Vec<String> {
        self.network.doh_headers.borrow().clone()
    }

    fn set_doh_headers(&self, names: &[String]) -> Result<(), HostError> {
        *self.network.doh_headers.borrow_mut() = names.to_vec();
        self.worker.doh.show_headers(names);
        Ok(())
    }

    fn request_headers(&self, client: &Client) -> Vec<(String, Vec<u8>)> {
        match Token::from(client.token) {
            Token::Own(number) => self.worker.headers_of(number),
            _ => Vec::new(),
        }
    }

    fn declare_kind(&self, kind: &str, served: bool) -> Result<bool, HostError> {
        let mut kinds = self.network.kinds.borrow_mut();
        let before = kinds.iter().any(|known| known == kind);
        kinds.retain(|known| known != kind);
        if served {
            kinds.push(kind.to_owned());
        }
        Ok(before)
    }

    fn set_bpf(&self, program_fd: Option<i32>) -> Result<(), HostError> {
        match program_fd {
            // There never is one to detach.
            None => Ok(()),
            Some(_) => Err(HostError::Unsupported("BPF on UDP sockets")),
        }
    }

    fn has_inherited_endpoints(&self) -> bool {
        self.worker.listeners.are_given()
    }

    fn run_directory(&self) -> &Path {
        &self.run_directory
    }
}

/// Serves a socket that the process was started with. The kind is that of the command line or of
/// the socket unit's name; whether it carries datagrams or connections the socket says itself.
pub(crate) fn serve_inherited(
    host: &DaemonHost,
    descriptor: RawFd,
    kind: &str,
) -> Result<(), HostError> {
    let failed = system(format!("socket passed as descriptor {descriptor}"));
    let socket = os::adopt_socket(descriptor).map_err(failed)?;
    serve_given(host, socket, kind)
}

/// Serves the sockets that the process was started with and that another program serves still.
pub(crate) fn serve_again(host: &DaemonHost, program: &Program) -> Result<(), HostError> {
    let lent = program.worker().listeners.lend_inherited();
    for (socket, kind) in lent.map_err(system("sockets passed at the start".to_owned()))? {
        serve_given(host, socket, &kind)?;
    }
    Ok(())
}

fn serve_given(host: &DaemonHost, socket: OwnedFd, kind: &str) -> Result<(), HostError> {
    let descriptor = socket.as_raw_fd();
    let action = || format!("socket passed as descriptor {descriptor}");
    let nix_error = |errno: nix::Error| system(action())(errno.into());
    let is_stream = getsockopt(&socket, sockopt::SockType).map_err(nix_error)?
        == nix::sys::socket::SockType::Stream;
    let family = os::family_of(descriptor).map_err(system(action()))?;
    host.worker.listeners.set_given();
    match (kind, family, is_stream) {
        ("dns", Some(AddressFamily::Inet | AddressFamily::Inet6), false) => {
            let socket = UdpSocket::from(socket);
            socket.set_nonblocking(true).map_err(system(action()))?;
            endpoint::prepare_inherited_udp(&socket).map_err(system(action()))?;
            listeners::serve_udp(&host.worker, socket, false, Origin::Inherited)
                .map_err(system(action()))
        }
        ("dns" | "tls" | "doh2", Some(AddressFamily::Inet | AddressFamily::Inet6), true) => {
            let socket = TcpListener::from(socket);
            socket.set_nonblocking(true).map_err(system(action()))?;
            listeners::serve_tcp(&host.worker, socket, kind, false, Origin::Inherited)
                .map_err(system(action()))
        }
        ("control", Some(AddressFamily::Unix), true) => {
            let listener = UnixListener::from(socket);
            listener.set_nonblocking(true).map_err(system(action()))?;
            let address = listener.local_addr().map_err(system(action()))?;
            let path = address.as_pathname().map(PathBuf::from).unwrap_or_default();
            host.serve_control(path, listener, Origin::Inherited).map_err(system(action()))
        }
        _ if UNSERVED.contains(&kind) => {
            log!(
                Notice,
                "net",
                "kind '{kind}' is not served by this program: {} stays unused",
                action()
            );
            Ok(())
        }
        _ => Err(HostError::refused(format!(
            "{}: kind '{kind}' does not go with that sort of socket; dns takes UDP or listening \
             TCP sockets, tls and doh2 listening TCP sockets, control takes listening UNIX sockets",
            action()
        ))),
    }
}
