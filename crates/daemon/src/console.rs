//! The console: commands from standard input and from control sockets.
//!
//! What a command is and how its answer is framed is said by [`lua::console`]; here octets are
//! moved.

use std::cell::Cell;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::rc::{Rc, Weak};

use lua::console::{Session, SessionState};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{Duration, sleep};

use crate::control::peer::Trusted;
use crate::limits::CONTROL_STREAMS_MAX;
use crate::logging::log;
use crate::os::watch::watch_reading;
use crate::service::Service;

/// After an error that cannot be mended by waiting for the listener: no descriptor, no memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Octets read at once.
const CHUNK_BYTES: usize = 4096;

/// A control socket.
pub(crate) struct ControlListener {
    listener: UnixListener,
    /// Those who may give commands.
    trusted: Trusted,
    service: Weak<Service>,
}

impl ControlListener {
    /// Takes a listening, non-blocking socket; `path` is where it is, if that is known. To be called
    /// within the runtime.
    pub(crate) fn new(
        socket: std::os::unix::net::UnixListener,
        path: &Path,
        service: Weak<Service>,
    ) -> io::Result<ControlListener> {
        let listener = UnixListener::from_std(socket)?;
        Ok(ControlListener { listener, trusted: Trusted::of_socket(path), service })
    }

    /// The socket itself.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Serves a control socket until the task is ended. Sessions go on when another configuration takes
/// over; their commands are for the one that serves.
pub(crate) async fn serve(control: Rc<ControlListener>) {
    let open = Rc::new(Cell::new(0));
    loop {
        let stream = match control.listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                log!(Warning, "contrl", "accepting a session: {error}");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(text) = control.trusted.check(&stream) {
            log!(Warning, "contrl", "session turned away: {text}");
            continue;
        }
        if open.get() >= CONTROL_STREAMS_MAX {
            log!(Warning, "contrl", "more than {CONTROL_STREAMS_MAX} sessions: one turned away");
            continue;
        }
        open.set(open.get() + 1);
        let (service, open) = (control.service.clone(), open.clone());
        spawn_local(async move {
            let _client_gone = session(&service, stream).await;
            open.set(open.get() - 1);
        });
    }
}

/// One session on a control socket.
async fn session(service: &Weak<Service>, mut stream: UnixStream) -> io::Result<()> {
    let current = || service.upgrade().and_then(|service| service.current());
    let quiet = service.upgrade().is_some_and(|service| service.setup.options.quiet);
    let mut session = Session::new(quiet);
    stream.write_all(session.greeting()).await?;
    let mut chunk = [0; CHUNK_BYTES];
    let mut state = SessionState::Open;
    let mut out = Vec::new();
    while state != SessionState::Close {
        let count = match state {
            SessionState::Busy => 0,
            _ => stream.read(&mut chunk).await?,
        };
        if count == 0 && state == SessionState::Open {
            return Ok(());
        }
        let Some(program) = current() else { return Ok(()) };
        state =
            program.handle_console(&mut session, chunk.get(..count).unwrap_or_default(), &mut out);
        drop(program);
        stream.write_all(&out).await?;
        out.clear();
    }
    Ok(())
}

/// Can commands be read from standard input? Only from a terminal or a pipe.
pub(crate) fn input_is_usable() -> bool {
    use nix::sys::stat::{SFlag, fstat};
    use std::io::IsTerminal;

    let stdin = io::stdin();
    let kind =
        fstat(&stdin).map(|status| SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT);
    stdin.is_terminal() || matches!(kind, Ok(SFlag::S_IFIFO | SFlag::S_IFSOCK))
}

/// Is somebody typing, and reading the answers?
pub(crate) fn is_on_terminal() -> bool {
    use std::io::IsTerminal;

    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Reads commands from standard input until the end of it; the service goes on after that. The
/// input is not made non-blocking, since that would reach other programs with the same terminal.
pub(crate) async fn interact(service: Rc<Service>) {
    let quiet = service.setup.options.quiet;
    let mut session = Session::new(quiet);
    if !quiet {
        print(b"Interactive mode:\n");
    }
    print(session.greeting());
    let Ok(input) = watch_reading(io::stdin()) else { return };
    let mut chunk = [0; CHUNK_BYTES];
    let mut state = SessionState::Open;
    let mut out = Vec::new();
    while state != SessionState::Close {
        let Some(program) = service.current().filter(|program| !program.is_quitting()) else {
            return;
        };
        drop(program);
        let mut count = 0;
        if state == SessionState::Open {
            let Ok(mut guard) = input.readable().await else { return };
            if !has_input(io::stdin().as_fd()) {
                guard.clear_ready();
                continue;
            }
            match nix::unistd::read(io::stdin(), &mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(read) => count = read,
            }
        }
        let Some(program) = service.current() else { return };
        state =
            program.handle_console(&mut session, chunk.get(..count).unwrap_or_default(), &mut out);
        print(&out);
        out.clear();
        yield_now().await;
    }
}

/// Is there something to read, or the end?
fn has_input(descriptor: BorrowedFd<'_>) -> bool {
    let mut wanted = [PollFd::new(descriptor, PollFlags::POLLIN)];
    poll(&mut wanted, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

/// Writes to standard output. Nobody is there to be told if that fails.
fn print(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _nobody = out.write_all(bytes).and_then(|()| out.flush());
}
