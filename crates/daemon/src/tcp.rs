//! Queries over TCP and TLS: connections of clients.
//!
//! What a connection may take and when it ends is said by [`transport::server`]; here octets are
//! moved. Answers are sent at the end of the turn that made them, one system call a connection;
//! a task for each connection waits for what the kernel could not take, for queries, and for time.

pub(crate) mod admission;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use resolve::{Client, ClientProtocol, Now};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Duration, sleep};
use transport::protocol::Protocol;
use transport::proxy::{self, ProxyHeader};
use transport::server::{ServerLimits, ServerStream};
use transport::tls::TlsSession;

use crate::clock::Clock;
use crate::doh;
use crate::limits::ACCEPTS_PER_TURN;
use crate::logging::log;
use crate::os;
use crate::os::watch::{watch, watch_reading};
use crate::proxied::real_client;
use crate::token::Token;
use crate::worker::Worker;

/// After an error that cannot be mended by waiting for the listener: no descriptor, no memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that connections come to.
pub(crate) struct StreamListener {
    socket: AsyncFd<TcpListener>,
    address: SocketAddr,
    /// What clients speak here.
    spoken: Protocol,
}

impl StreamListener {
    /// Takes a listening, non-blocking socket. To be called within the runtime.
    pub(crate) fn new(socket: TcpListener, spoken: Protocol) -> io::Result<StreamListener> {
        let address = socket.local_addr()?;
        Ok(StreamListener { socket: watch_reading(socket)?, address, spoken })
    }

    /// The address it is bound to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

/// Accepts connections until the task is ended.
pub(crate) async fn accept(worker: Rc<Worker>, listener: Rc<StreamListener>) {
    loop {
        let Ok(mut guard) = listener.socket.readable().await else { return };
        let mut pause = None;
        for _ in 0..ACCEPTS_PER_TURN {
            match os::accept(listener.socket.get_ref()) {
                Ok((stream, peer)) => admit(&worker, &listener, stream, peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        guard.clear_ready();
                        break;
                    }
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        log!(Warning, "io", "accepting on {}: {error}", listener.address);
                        pause = Some(ACCEPT_PAUSE);
                        break;
                    }
                },
            }
        }
        drop(guard);
        match pause {
            Some(pause) => sleep(pause).await,
            None => yield_now().await,
        }
    }
}

/// Makes room for a connection and starts to serve it.
fn admit(worker: &Rc<Worker>, listener: &StreamListener, stream: TcpStream, peer: SocketAddr) {
    let local = if listener.address.ip().is_unspecified() {
        stream.local_addr().unwrap_or(listener.address)
    } else {
        listener.address
    };
    if listener.spoken == Protocol::Https {
        return doh::admit(worker, stream, peer, local);
    }
    let Ok(stream) = watch(stream) else { return };
    let now = worker.now();
    let limits = worker.stream_limits();
    let tls = match listener.spoken == Protocol::Tls {
        false => None,
        true => match worker.tls.session(now) {
            Some(session) => Some(Secured {
                session: RefCell::new(session),
                handshake_by: Clock::elapsed(now) + worker.tls.handshake(),
            }),
            None => return,
        },
    };
    let Some(connection) = worker.streams.admit(peer, worker.client_streams_max(), |token| {
        ClientStream::new(now, token, peer, local, stream, tls, limits)
    }) else {
        return;
    };
    tokio::task::spawn_local(serve(worker.clone(), connection));
}

/// TLS on a connection.
struct Secured {
    session: RefCell<TlsSession>,
    /// By then the handshake is over, or the connection.
    handshake_by: Duration,
}

/// The beginning of a connection, where a PROXY header may stand.
enum Front {
    /// Not all of it is there.
    Expected(Vec<u8>),
    /// There was none.
    Plain,
    /// The client is another one than who connected.
    Passed(ProxyHeader),
}

/// One client's connection.
pub(crate) struct ClientStream {
    /// Another one when another configuration takes over.
    pub(crate) token: Cell<Token>,
    pub(crate) peer: SocketAddr,
    local: SocketAddr,
    stream: AsyncFd<TcpStream>,
    session: RefCell<ServerStream>,
    tls: Option<Secured>,
    /// What stands before the first message.
    front: RefCell<Front>,
    /// Something was done from outside that the task has to look at.
    changed: Notify,
    /// The task does not read because no query is wanted just now.
    paused: Cell<bool>,
    closing: Cell<bool>,
    /// The client has sent everything that it will; answers may still be owed to it.
    finished: Cell<bool>,
    /// Already in the list of those with something to send.
    pub(crate) queued: Cell<bool>,
    /// Buffer memory that is accounted for.
    held: Cell<usize>,
}

impl ClientStream {
    fn new(
        now: Now,
        token: Token,
        peer: SocketAddr,
        local: SocketAddr,
        stream: AsyncFd<TcpStream>,
        tls: Option<Secured>,
        limits: ServerLimits,
    ) -> ClientStream {
        ClientStream {
            token: Cell::new(token),
            peer,
            local,
            stream,
            session: RefCell::new(ServerStream::new(Clock::elapsed(now), limits)),
            tls,
            front: RefCell::new(Front::Expected(Vec::new())),
            changed: Notify::new(),
            paused: Cell::new(false),
            closing: Cell::new(false),
            finished: Cell::new(false),
            queued: Cell::new(false),
            held: Cell::new(0),
        }
    }

    pub(crate) fn client(&self) -> Client {
        let encrypted = self.tls.is_some();
        let protocol = if encrypted { ClientProtocol::Tls } else { ClientProtocol::Tcp };
        let token = self.token.get().into();
        let client = Client { token, peer: self.peer, local: self.local, protocol };
        match &*self.front.borrow() {
            Front::Passed(header) => real_client(client, header),
            Front::Expected(_) | Front::Plain => client,
        }
    }

    /// Takes a PROXY header off the front of what was read. `allows` says whose headers are believed;
    /// from others, and if it is malformed, it ends the connection.
    pub(crate) fn strip<'a>(
        &self,
        input: &'a [u8],
        allows: impl Fn(IpAddr) -> bool,
    ) -> Result<Cow<'a, [u8]>, StreamEnd> {
        let mut front = self.front.borrow_mut();
        let Front::Expected(kept) = &mut *front else { return Ok(input.into()) };
        if kept.is_empty() && !proxy::may_begin(input) {
            *front = Front::Plain;
            return Ok(input.into());
        }
        kept.extend_from_slice(input);
        let octets = std::mem::take(kept);
        if !proxy::may_begin(&octets) {
            *front = Front::Plain;
            return Ok(octets.into());
        }
        let believed = octets.len() < proxy::SIGNATURE.len() || allows(self.peer.ip());
        match proxy::parse(&octets) {
            Ok(None) if believed && octets.len() < proxy::HEADER_BYTES_MAX => {
                *kept = octets;
                Ok(Cow::Borrowed(&[]))
            }
            Ok(Some(header)) if believed => {
                *front = Front::Passed(header);
                Ok(octets.get(header.length..).unwrap_or_default().to_vec().into())
            }
            _ => {
                log!(Debug, "io", "{}: a PROXY header that is not believed", self.peer);
                Err(StreamEnd)
            }
        }
    }

    /// The connection's state machine.
    pub(crate) fn session(&self) -> &RefCell<ServerStream> {
        &self.session
    }

    /// The task looks at the connection.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Nothing is under way on it, so that another worker can go on with it.
    fn can_move(&self) -> bool {
        self.session.borrow().is_idle() && !self.queued.get() && !self.has_output()
    }

    /// Ends the connection soon.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.changed.notify_one();
    }

    /// Nothing is under way, and since when.
    pub(crate) fn idle_since(&self) -> Option<Duration> {
        let session = self.session.borrow();
        session.is_idle().then(|| session.last_progress())
    }

    /// The buffer memory that is accounted for.
    pub(crate) fn held(&self) -> usize {
        self.held.get()
    }

    /// Takes note of the buffer memory held now.
    pub(crate) fn account(&self) -> usize {
        let held = self.session.borrow().held();
        self.held.set(held);
        held
    }

    /// Sends what the kernel takes. If something remains, or queries can be taken again, the task
    /// is told.
    pub(crate) fn flush(&self, now: Now) {
        self.queued.set(false);
        let mut session = self.session.borrow_mut();
        let sent = match &self.tls {
            None => self.send(&mut session, Clock::elapsed(now)),
            Some(tls) => {
                let mut plain = (&mut *session, Clock::elapsed(now));
                tls.session.borrow_mut().send(&mut plain, &mut self.stream.get_ref())
            }
        };
        if let Err(error) = sent {
            if error.kind() != io::ErrorKind::WouldBlock {
                self.closing.set(true);
            }
            self.changed.notify_one();
            return;
        }
        if self.finished.get() || (self.paused.get() && session.wants_messages()) {
            self.changed.notify_one();
        }
    }

    fn send(&self, session: &mut ServerStream, now: Duration) -> io::Result<()> {
        while !session.output().is_empty() {
            match self.stream.get_ref().write(session.output()) {
                Ok(count) => session.advance_output(now, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The octets of DNS in what was read: those themselves, or what they decrypt to. On a fault
    /// the client is told, and the connection is over.
    pub(crate) fn decrypt(&self, now: Now, input: &[u8]) -> Result<Option<Vec<u8>>, StreamEnd> {
        let Some(tls) = &self.tls else { return Ok(None) };
        let mut plain = Vec::with_capacity(input.len());
        let received = tls.session.borrow_mut().receive(input, &mut plain);
        match received {
            Ok(closed) => {
                if closed {
                    self.finished.set(true);
                }
                Ok(Some(plain))
            }
            Err(fault) => {
                log!(Debug, "tls", "{}: {fault}", self.peer);
                self.flush(now);
                Err(StreamEnd)
            }
        }
    }

    /// Is there something that the kernel has not taken?
    pub(crate) fn has_output(&self) -> bool {
        let waits = |tls: &Secured| tls.session.borrow().has_output();
        !self.session.borrow().output().is_empty() || self.tls.as_ref().is_some_and(waits)
    }

    /// When the connection ends if nothing happens until then.
    fn deadline(&self) -> Option<Duration> {
        let tls = self.tls.as_ref().filter(|tls| tls.session.borrow().is_handshaking());
        let handshake = tls.map(|tls| tls.handshake_by);
        [self.session.borrow().deadline(), handshake].into_iter().flatten().min()
    }

    /// Reads once. `Ok(0)`: the client will send nothing more.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.get_ref().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => {
                    self.finished.set(true);
                    return Ok(0);
                }
                result => return result,
            }
        }
    }

    /// Tells a TLS client that the end of the stream is meant (RFC 8446 §6.1), as far as the kernel
    /// takes it.
    fn say_goodbye(&self) {
        if let Some(tls) = &self.tls {
            let mut session = tls.session.borrow_mut();
            session.close();
            while session.has_output()
                && session.write_to(&mut self.stream.get_ref()).is_ok_and(|count| count > 0)
            {
            }
        }
    }

    /// Nothing remains to be done, or the time is over.
    fn is_over(&self, now: Duration) -> bool {
        let session = self.session.borrow();
        self.closing.get()
            || (self.finished.get() && session.is_idle())
            || self.deadline().is_some_and(|at| at <= now)
    }
}

/// Serves a connection until it ends.
async fn serve(mut worker: Rc<Worker>, connection: Rc<ClientStream>) {
    let idle = worker.stream_limits().idle;
    let timer = sleep(idle);
    tokio::pin!(timer);
    loop {
        let now = Clock::elapsed(worker.now());
        if connection.is_over(now) {
            break;
        }
        let successor = worker.successor();
        if let Some(next) = successor.clone()
            && connection.can_move()
        {
            worker.streams.remove(&connection);
            next.streams.adopt(&connection);
            worker = next;
            let kept = connection.session.borrow().has_kept();
            if kept && worker.handle_kept(&connection).is_err() {
                break;
            }
            continue;
        }
        let (reads, sends, deadline) = {
            let session = connection.session.borrow();
            // Once it is replaced a worker only answers what it has taken.
            let wanted = session.wants_messages() && successor.is_none();
            let reads = wanted && !connection.finished.get();
            (reads, connection.has_output(), connection.deadline())
        };
        // The deadline is asked for when the timer fires, not each time that it changes. It may
        // come to exist meanwhile, so the timer is never set for later than the idle time.
        let latest = now + idle;
        let wake = worker.clock.instant_at(deadline.map_or(latest, |at| at.min(latest)));
        if timer.is_elapsed() || wake < timer.deadline() {
            timer.as_mut().reset(wake);
        }
        connection.paused.set(!reads);
        tokio::select! {
            biased;
            guard = connection.stream.readable(), if reads => {
                let Ok(mut guard) = guard else { break };
                match worker.handle_stream(&connection) {
                    Ok(drained) => if drained { guard.clear_ready() },
                    Err(StreamEnd) => break,
                }
            }
            guard = connection.stream.writable(), if sends => {
                let Ok(mut guard) = guard else { break };
                connection.flush(worker.now());
                if connection.has_output() {
                    guard.clear_ready();
                }
            }
            () = connection.changed.notified() => {
                let kept = connection.session.borrow().has_kept() && worker.successor().is_none();
                if kept && worker.handle_kept(&connection).is_err() {
                    break;
                }
            }
            () = &mut timer => {}
        }
    }
    connection.say_goodbye();
    worker.forget_stream(&connection);
}

/// The client broke the framing, took too much, or its connection failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamEnd;
