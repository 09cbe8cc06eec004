//! The console: commands from standard input and from control sockets, one a line.
//!
//! Each line is a command of the configuration language; the answer is its value as text, or the
//! text of its error. A control socket that is told `__binary` answers with the length in four
//! octets before each text and no prompt, for programs.

use std::cell::Cell;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::rc::Rc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_local;

use crate::limits::{COMMAND_BYTES_MAX, CONTROL_STREAMS_MAX};
use crate::logging::log;
use crate::os::watch::watch;
use crate::program::Program;

/// The word that makes a session one for programs.
const BINARY: &[u8] = b"__binary";
const PROMPT: &[u8] = b"> ";
/// Octets read at once.
const CHUNK_BYTES: usize = 4096;

/// Lines out of a stream of octets.
#[derive(Default)]
struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next line without its end. `Err`: longer than a command may be.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ()> {
        match self.pending.iter().position(|octet| *octet == b'\n') {
            Some(end) => {
                let mut line: Vec<u8> = self.pending.drain(..=end).collect();
                line.pop();
                line.pop_if(|octet| *octet == b'\r');
                Ok(Some(line))
            }
            None if self.pending.len() > COMMAND_BYTES_MAX => Err(()),
            None => Ok(None),
        }
    }
}

/// Runs one command; the text of the answer, whether it went well or not.
fn run(program: &Program, line: &[u8]) -> Vec<u8> {
    match program.eval(line) {
        Ok(text) | Err(text) => text,
    }
}

/// Serves a control socket until the task is ended.
pub(crate) async fn serve(program: Rc<Program>, listener: UnixListener) {
    let open = Rc::new(Cell::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
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
    let mut lines = Lines::default();
    let mut chunk = [0; CHUNK_BYTES];
    let mut binary = false;
    if !program.is_quiet() {
        stream.write_all(PROMPT).await?;
    }
    loop {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        lines.feed(chunk.get(..count).unwrap_or_default());
        let mut out = Vec::new();
        while let Some(line) = lines.next().map_err(|()| io::ErrorKind::InvalidData)? {
            if line == BINARY {
                binary = true;
                continue;
            }
            log!(Debug, "contrl", "> {}", line.escape_ascii());
            let answer = run(program, &line);
            if binary {
                out.extend(u32::try_from(answer.len()).unwrap_or(u32::MAX).to_be_bytes());
                out.extend(answer);
            } else {
                out.extend(answer);
                out.extend(b"\n");
                if !program.is_quiet() {
                    out.extend(PROMPT);
                }
            }
        }
        stream.write_all(&out).await?;
    }
}

/// Opens a control socket; a file that an earlier process left behind is replaced.
pub(crate) fn bind(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    let listener = match std::os::unix::net::UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !is_alive(path) => {
            std::fs::remove_file(path)?;
            std::os::unix::net::UnixListener::bind(path)?
        }
        result => result?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Does anybody listen there?
fn is_alive(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
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
    let quiet = program.is_quiet();
    if !quiet {
        print(b"Interactive mode:\n> ");
    }
    let Ok(input) = watch(io::stdin()) else { return };
    let mut lines = Lines::default();
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let Ok(mut guard) = input.readable().await else { return };
        if !has_input(io::stdin().as_fd()) {
            guard.clear_ready();
            continue;
        }
        match nix::unistd::read(io::stdin(), &mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(count) => lines.feed(chunk.get(..count).unwrap_or_default()),
        }
        loop {
            match lines.next() {
                Ok(Some(line)) => {
                    print(&run(&program, &line));
                    print(if quiet { b"\n" } else { b"\n> " });
                    if program.is_quitting() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(()) => return,
            }
        }
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
