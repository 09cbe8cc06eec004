//! Asking another process over its control socket, for `map()` and `kresctl`. Waiting is bounded.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use lua::console::{FRAME_FAILED, FRAME_GOOD, FRAMED};

/// Longest answer of a process, in octets.
const REPLY_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// A connection to a control socket.
pub(crate) struct Client {
    stream: UnixStream,
}

/// What a command came to.
pub(crate) type Reply = Result<Vec<u8>, Vec<u8>>;

impl Client {
    /// Connects; each answer is waited for so long.
    pub(crate) fn connect(path: &Path, timeout: Duration) -> io::Result<Client> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        let mut client = Client { stream };
        client.stream.write_all(FRAMED)?;
        client.stream.write_all(b"\n")?;
        Ok(client)
    }

    /// Runs a command and returns the text of its answer, or that of its error.
    pub(crate) fn ask(&mut self, command: &[u8]) -> io::Result<Reply> {
        let length = u32::try_from(command.len()).map_err(io::Error::other)?;
        let frame = [&length.to_be_bytes(), command].concat();
        self.stream.write_all(&frame).map_err(named)?;
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).map_err(named)?;
        // The prompt "> " comes before the process hears how we want to talk.
        if let [b'>', b' ', first, second] = head {
            let mut more = [0; 2];
            self.stream.read_exact(&mut more).map_err(named)?;
            head = [first, second, more[0], more[1]];
        }
        let length = u32::from_be_bytes(head);
        if length == 0 || length > REPLY_BYTES_MAX {
            return Err(unintelligible());
        }
        let mut reply = vec![0; length as usize];
        self.stream.read_exact(&mut reply).map_err(named)?;
        match (reply.remove(0), reply) {
            (FRAME_GOOD, text) => Ok(Ok(text)),
            (FRAME_FAILED, text) => Ok(Err(text)),
            _ => Err(unintelligible()),
        }
    }
}

fn unintelligible() -> io::Error {
    let text = "it answers in another way; a program of another version may be running there";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The words for what waiting ended with.
fn named(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time")
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => io::Error::new(error.kind(), "it ended the connection"),
        _ => error,
    }
}
