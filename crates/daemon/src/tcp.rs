//! Queries over TCP: connections of clients.
//!
//! What a connection may take and when it ends is said by [`transport::server`]; here octets are
//! moved. Answers are sent at the end of the turn that made them, one system call a connection;
//! a task for each connection waits for what the kernel could not take, for queries, and for time.

pub(crate) mod admission;

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;

use resolve::{Client, ClientProtocol, Now};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Duration, sleep};
use transport::server::{ServerLimits, ServerStream};

use crate::clock::Clock;
use crate::limits::ACCEPTS_PER_TURN;
use crate::logging::log;
use crate::os;
use crate::os::watch::{watch, watch_reading};
use crate::token::Token;
use crate::worker::Worker;

/// After an error that cannot be mended by waiting for the listener: no descriptor, no memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that connections come to.
pub(crate) struct StreamListener {
    socket: AsyncFd<TcpListener>,
    address: SocketAddr,
}

impl StreamListener {
    /// Takes a listening, non-blocking socket. To be called within the runtime.
    pub(crate) fn new(socket: TcpListener) -> io::Result<StreamListener> {
        let address = socket.local_addr()?;
        Ok(StreamListener { socket: watch_reading(socket)?, address })
    }

    /// The address it is bound to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
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
    let Ok(stream) = watch(stream) else { return };
    let now = worker.now();
    let limits = worker.stream_limits();
    let Some(connection) = worker.streams.admit(peer, worker.client_streams_max(), |token| {
        ClientStream::new(now, token, peer, local, stream, limits)
    }) else {
        return;
    };
    tokio::task::spawn_local(serve(worker.clone(), connection));
}

/// One client's connection.
pub(crate) struct ClientStream {
    pub(crate) token: Token,
    pub(crate) peer: SocketAddr,
    local: SocketAddr,
    stream: AsyncFd<TcpStream>,
    session: RefCell<ServerStream>,
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
        limits: ServerLimits,
    ) -> ClientStream {
        ClientStream {
            token,
            peer,
            local,
            stream,
            session: RefCell::new(ServerStream::new(Clock::elapsed(now), limits)),
            changed: Notify::new(),
            paused: Cell::new(false),
            closing: Cell::new(false),
            finished: Cell::new(false),
            queued: Cell::new(false),
            held: Cell::new(0),
        }
    }

    pub(crate) fn client(&self) -> Client {
        let protocol = ClientProtocol::Tcp;
        Client { token: self.token.into(), peer: self.peer, local: self.local, protocol }
    }

    /// The connection's state machine.
    pub(crate) fn session(&self) -> &RefCell<ServerStream> {
        &self.session
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
        while !session.output().is_empty() {
            match self.stream.get_ref().write(session.output()) {
                Ok(count) => session.advance_output(Clock::elapsed(now), count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.closing.set(true);
                    }
                    self.changed.notify_one();
                    return;
                }
            }
        }
        if self.finished.get() || (self.paused.get() && session.wants_messages()) {
            self.changed.notify_one();
        }
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

    /// Nothing remains to be done, or the time is over.
    fn is_over(&self, now: Duration) -> bool {
        let session = self.session.borrow();
        self.closing.get()
            || (self.finished.get() && session.is_idle())
            || session.deadline().is_some_and(|at| at <= now)
    }
}

/// Serves a connection until it ends.
async fn serve(worker: Rc<Worker>, connection: Rc<ClientStream>) {
    let idle = worker.stream_limits().idle;
    let timer = sleep(idle);
    tokio::pin!(timer);
    loop {
        let now = Clock::elapsed(worker.now());
        if connection.is_over(now) {
            break;
        }
        let (reads, sends, deadline) = {
            let session = connection.session.borrow();
            let reads = session.wants_messages() && !connection.finished.get();
            (reads, !session.output().is_empty(), session.deadline())
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
                if !connection.session.borrow().output().is_empty() {
                    guard.clear_ready();
                }
            }
            () = connection.changed.notified() => {
                let kept = connection.session.borrow().has_kept();
                if kept && worker.handle_kept(&connection).is_err() {
                    break;
                }
            }
            () = &mut timer => {}
        }
    }
    worker.forget_stream(&connection);
}

/// The client broke the framing, took too much, or its connection failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamEnd;
