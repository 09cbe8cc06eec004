//! Questions over TCP and TLS: connections to upstreams, shared by the questions that go there.
//!
//! A question joins a connection that is open or being opened, if there is room on it; otherwise
//! another one is opened. A reused connection that the peer turns out to have closed before it
//! answered anything is not held against the peer: the question goes out once more, on a new one
//! (RFC 7766 §6.2.4).

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use resolve::{Encryption, ExchangeFault, ExchangeId, Now};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use transport::client::ClientStream;
use transport::limits::UPSTREAM_IDLE_MAX;
use transport::tls::TlsSession;

use super::tls::TlsUpstreams;
use super::{Source, fault_of};
use crate::clock::Clock;
use crate::limits::UPSTREAM_STREAMS_MAX;
use crate::os::watch::watch;
use crate::worker::Worker;

/// A question under way on a connection.
pub(super) struct Question {
    pub id: ExchangeId,
    pub wire: Vec<u8>,
    pub connect_timeout: Duration,
    /// Sent on a connection that had been used before.
    pub on_used: bool,
}

/// Where a connection goes to, and how its other side proves who it is if it is encrypted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub address: SocketAddr,
    pub encryption: Option<Arc<Encryption>>,
}

/// One connection to an upstream.
pub(crate) struct UpstreamStream {
    place: Place,
    connect_timeout: Duration,
    stream: OnceCell<AsyncFd<TcpStream>>,
    tls: Option<RefCell<TlsSession>>,
    session: RefCell<ClientStream<ExchangeId>>,
    questions: RefCell<Vec<Question>>,
    /// Something was done from outside that the task has to look at.
    changed: Notify,
    closing: Cell<bool>,
}

/// All connections to upstreams.
#[derive(Default)]
pub(crate) struct TcpExchanges {
    streams: RefCell<HashMap<Place, Vec<Rc<UpstreamStream>>>>,
    exchanges: RefCell<HashMap<ExchangeId, Rc<UpstreamStream>>>,
    /// Connections whose task is still to be started.
    unborn: RefCell<Vec<Rc<UpstreamStream>>>,
    open: Cell<usize>,
}

impl TcpExchanges {
    /// Sends a question on an open connection or a new one.
    pub(super) fn start(
        &self,
        now: Now,
        place: Place,
        question: Question,
        sessions: &TlsUpstreams,
        free: usize,
    ) -> Result<(), ExchangeFault> {
        let fits = |stream: &&Rc<UpstreamStream>| {
            !stream.closing.get() && stream.session.borrow().has_room_for(&question.wire)
        };
        let open = self.streams.borrow().get(&place).and_then(|s| s.iter().find(fits).cloned());
        let stream = match open {
            Some(stream) => stream,
            None => self.open(now, place, question.connect_timeout, sessions, free)?,
        };
        let on_used = stream.session.borrow().has_answered();
        self.queue(now, &stream, Question { on_used, ..question })
    }

    /// A connection about to be made.
    fn open(
        &self,
        now: Now,
        place: Place,
        connect_timeout: Duration,
        sessions: &TlsUpstreams,
        free: usize,
    ) -> Result<Rc<UpstreamStream>, ExchangeFault> {
        let tls = match &place.encryption {
            Some(encryption) => Some(sessions.session(now, place.address, encryption)?),
            None => None,
        };
        if free == 0 || self.open.get() >= UPSTREAM_STREAMS_MAX {
            // The descriptor comes free when the task has run; until then one more is in use.
            if !self.close_idle() || free == 0 {
                return Err(ExchangeFault::NoSocket);
            }
        }
        let stream = Rc::new(UpstreamStream {
            place: place.clone(),
            connect_timeout,
            stream: OnceCell::new(),
            tls: tls.map(RefCell::new),
            session: RefCell::new(ClientStream::new(Clock::elapsed(now))),
            questions: RefCell::default(),
            changed: Notify::new(),
            closing: Cell::new(false),
        });
        self.open.set(self.open.get() + 1);
        self.streams.borrow_mut().entry(place).or_default().push(stream.clone());
        self.unborn.borrow_mut().push(stream.clone());
        Ok(stream)
    }

    fn queue(
        &self,
        now: Now,
        stream: &Rc<UpstreamStream>,
        question: Question,
    ) -> Result<(), ExchangeFault> {
        let queued = stream.session.borrow_mut().queue_query(
            Clock::elapsed(now),
            question.id,
            &question.wire,
        );
        queued.map_err(|_| ExchangeFault::Unreachable)?;
        self.exchanges.borrow_mut().insert(question.id, stream.clone());
        stream.questions.borrow_mut().push(question);
        stream.changed.notify_one();
        Ok(())
    }

    /// Ends some connection on which nothing is under way. Returns whether there was one.
    pub(super) fn close_idle(&self) -> bool {
        let streams = self.streams.borrow();
        let idle = |stream: &&Rc<UpstreamStream>| {
            !stream.closing.get() && stream.session.borrow().is_idle()
        };
        match streams.values().flatten().find(idle) {
            Some(stream) => {
                stream.close();
                true
            }
            None => false,
        }
    }

    /// The exchange is over; its connection stays for others.
    pub(super) fn cancel(&self, now: Now, id: ExchangeId) {
        if let Some(stream) = self.exchanges.borrow_mut().remove(&id) {
            stream.session.borrow_mut().forget_query(Clock::elapsed(now), id);
            stream.questions.borrow_mut().retain(|question| question.id != id);
            // Nobody waits for a connection that is still being made.
            if stream.stream.get().is_none() && stream.session.borrow().is_idle() {
                stream.close();
            }
        }
    }

    /// Connections open or being opened.
    pub(super) fn len(&self) -> usize {
        self.open.get()
    }

    /// The connections whose task is to be started, for once.
    pub(crate) fn take_unborn(&self) -> Vec<Rc<UpstreamStream>> {
        if self.unborn.borrow().is_empty() {
            return Vec::new();
        }
        self.unborn.take()
    }

    /// Takes a connection that has ended out of the table. Returns the exchanges that have ended
    /// with it; the others go out once more.
    fn remove(
        &self,
        now: Now,
        stream: &Rc<UpstreamStream>,
        fault: ExchangeFault,
        sessions: &TlsUpstreams,
        free: usize,
    ) -> Vec<(ExchangeId, ExchangeFault)> {
        stream.closing.set(true);
        let mut streams = self.streams.borrow_mut();
        if let Some(same) = streams.get_mut(&stream.place) {
            same.retain(|other| !Rc::ptr_eq(other, stream));
            if same.is_empty() {
                streams.remove(&stream.place);
            }
        }
        drop(streams);
        self.open.set(self.open.get().saturating_sub(1));
        let mut failed = Vec::new();
        for question in stream.questions.take() {
            self.exchanges.borrow_mut().remove(&question.id);
            let (id, again) = (question.id, question.on_used && fault == ExchangeFault::Closed);
            let outcome = if again {
                let opened =
                    self.open(now, stream.place.clone(), question.connect_timeout, sessions, free);
                let question = Question { on_used: false, ..question };
                opened.and_then(|fresh| self.queue(now, &fresh, question))
            } else {
                Err(fault)
            };
            if let Err(fault) = outcome {
                failed.push((id, fault));
            }
        }
        failed
    }
}

impl UpstreamStream {
    fn close(&self) {
        self.closing.set(true);
        self.changed.notify_one();
    }

    /// Makes the connection.
    async fn connect(&self, source: Source) -> Result<(), ExchangeFault> {
        let stream = self.begin_connect(source).map_err(|error| fault_of(&error))?;
        let stream = watch(stream).map_err(|error| fault_of(&error))?;
        drop(stream.writable().await.map_err(|error| fault_of(&error))?);
        match stream.get_ref().take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Err(fault_of(&error)),
        }
        let _first = self.stream.set(stream);
        Ok(())
    }

    fn begin_connect(&self, source: Source) -> io::Result<TcpStream> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let domain = Domain::for_address(self.place.address);
        let socket = Socket::new_raw(domain, kind, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        let from: Option<IpAddr> = match self.place.address {
            SocketAddr::V4(_) => source.v4.map(IpAddr::V4),
            SocketAddr::V6(_) => source.v6.map(IpAddr::V6),
        };
        if let Some(from) = from {
            socket.bind(&SockAddr::from(SocketAddr::new(from, 0)))?;
        }
        match socket.connect(&SockAddr::from(self.place.address)) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(socket.into())
    }

    /// Sends what the kernel takes.
    fn flush(&self, stream: &TcpStream, now: Now) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        let mut stream = stream;
        if let Some(tls) = &self.tls {
            return tls.borrow_mut().send(&mut (&mut *session, Clock::elapsed(now)), &mut stream);
        }
        while !session.output().is_empty() {
            match stream.write(session.output()) {
                Ok(count) => session.advance_output(Clock::elapsed(now), count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The octets of DNS in what was read: `None` if it is those themselves. `UnexpectedEof`: the
    /// other side ends the session, as far as it is heard; `InvalidData`: it broke the protocol, or
    /// is not who it should be.
    pub(crate) fn decrypt(&self, input: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(tls) = &self.tls else { return Ok(None) };
        let mut tls = tls.borrow_mut();
        let mut plain = Vec::with_capacity(input.len());
        match tls.receive(input, &mut plain) {
            Ok(true) if plain.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(Some(plain)),
            Err(fault) => {
                // The other side is told why, if it takes that.
                if let Some(stream) = self.stream.get() {
                    let _told = tls.write_to(&mut stream.get_ref());
                }
                Err(io::Error::new(io::ErrorKind::InvalidData, fault))
            }
        }
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.borrow().is_handshaking())
    }

    /// The connection's state machine.
    pub(crate) fn session(&self) -> &RefCell<ClientStream<ExchangeId>> {
        &self.session
    }
}

/// Makes a connection and serves it until it ends.
pub(crate) async fn drive(worker: Rc<Worker>, stream: Rc<UpstreamStream>) {
    let source = worker.upstream.source.get();
    let connecting = async {
        tokio::select! {
            result = timeout(stream.connect_timeout, stream.connect(source)) => {
                result.unwrap_or(Err(ExchangeFault::Unreachable))
            }
            () = closed(&stream) => Err(ExchangeFault::Closed),
        }
    };
    let fault = match connecting.await {
        Ok(()) => match stream.stream.get() {
            Some(socket) => match exchange(&worker, &stream, socket).await {
                // It took the connection and would not speak TLS, or not such that it is believed.
                ExchangeFault::Closed | ExchangeFault::Refused if stream.is_handshaking() => {
                    ExchangeFault::Handshake
                }
                fault => fault,
            },
            None => ExchangeFault::Closed,
        },
        Err(fault) => fault,
    };
    worker.handle_upstream_end(|now, upstream, free| {
        upstream.tcp.remove(now, &stream, fault, &upstream.tls, free)
    });
}

/// Waits until nobody wants the connection any more.
async fn closed(stream: &UpstreamStream) {
    while !stream.closing.get() {
        stream.changed.notified().await;
    }
}

/// Moves octets until the connection ends; says how.
async fn exchange(
    worker: &Rc<Worker>,
    stream: &Rc<UpstreamStream>,
    socket: &AsyncFd<TcpStream>,
) -> ExchangeFault {
    let timer = sleep(UPSTREAM_IDLE_MAX);
    tokio::pin!(timer);
    loop {
        let now = worker.now();
        let mut blocked = false;
        match stream.flush(socket.get_ref(), now) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => blocked = true,
            Err(error) => return fault_of(&error),
        }
        let deadline = stream.session.borrow().deadline();
        if stream.closing.get() || deadline.is_some_and(|at| at <= Clock::elapsed(now)) {
            return ExchangeFault::Closed;
        }
        let latest = Clock::elapsed(now) + UPSTREAM_IDLE_MAX;
        let wake = worker.clock.instant_at(deadline.map_or(latest, |at| at.min(latest)));
        if timer.is_elapsed() || wake < timer.deadline() {
            timer.as_mut().reset(wake);
        }
        tokio::select! {
            biased;
            guard = socket.readable() => {
                let Ok(mut guard) = guard else { return ExchangeFault::Closed };
                match worker.handle_upstream_stream(stream, |buffer| socket.get_ref().read(buffer)) {
                    Ok(drained) => if drained { guard.clear_ready() },
                    Err(error) => {
                        let fault = fault_of(&error);
                        if fault == ExchangeFault::Handshake {
                            worker.upstream.tls.tell(worker.now(), stream.place.address, &error);
                        }
                        return fault;
                    }
                }
            }
            guard = socket.writable(), if blocked => {
                let Ok(mut guard) = guard else { return ExchangeFault::Closed };
                if let Err(error) = stream.flush(socket.get_ref(), worker.now()) {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        return fault_of(&error);
                    }
                    guard.clear_ready();
                }
            }
            () = stream.changed.notified() => {}
            () = &mut timer => {}
        }
    }
}
