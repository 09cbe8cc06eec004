//! The console: commands from standard input and from control sockets.
//!
//! What a command is and how its answer is framed is said by [`lua::console`]; here octets are
//! moved.

use std::cell::Cell;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

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
use crate::program::Program;

/// After an error that cannot be mended by waiting for the listener: no descriptor, no memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Octets read at once.
const CHUNK_BYTES: usize = 4096;

/// Serves a control socket until the task is ended. `trusted` are those who may give commands.
pub(crate) async fn serve(program: Rc<Program>, listener: UnixListener, trusted: Trusted) {
    let open = Rc::new(Cell::new(0));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                log!(Warning, "contrl", "accepting a session: {error}");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(text) = trusted.check(&stream) {
            log!(Warning, "contrl", "session turned away: {text}");
            continue;
        }
        if open.get() >= CONTROL_STREAMS_MAX {
            log!(Warning, "contrl", "more than {CONTROL_STREAMS_MAX} sessions: one turned away");
            continue;
        }
        open.set(open.get() + 1);
        let (program, open) = (program.clone(), open.clone());
        spawn_local(async move {
            let _client_gone = session(&program, stream).await;
            open.set(open.get() - 1);
        });
    }
}

/// One session on a control socket.
async fn session(program: &Program, mut stream: UnixStream) -> io::Result<()> {
    let mut session = Session::new(program.is_quiet());
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
        state =
            program.handle_console(&mut session, chunk.get(..count).unwrap_or_default(), &mut out);
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

/// Reads commands from standard input until the end of it; the service goes on after that. The
/// input is not made non-blocking, since that would reach other programs with the same terminal.
pub(crate) async fn interact(program: Rc<Program>) {
    let mut session = Session::new(program.is_quiet());
    if !program.is_quiet() {
        print(b"Interactive mode:\n");
    }
    print(session.greeting());
    let Ok(input) = watch_reading(io::stdin()) else { return };
    let mut chunk = [0; CHUNK_BYTES];
    let mut state = SessionState::Open;
    let mut out = Vec::new();
    while state != SessionState::Close && !program.is_quitting() {
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
