//! One TLS connection, of a client or to an upstream.
//!
//! It holds no more than what one record takes in each direction: plain text is handed out as it is
//! decrypted, and nothing is encrypted before the pipe has taken what was encrypted last.

use std::io::{self, Read, Write};
use std::time::Duration;

use rustls::Connection;

use super::{TlsFault, fault};
use crate::client::ClientStream;
use crate::limits::TLS_PLAIN_MAX;
use crate::server::ServerStream;

/// Octets that wait to be encrypted: a stream's output, at a time.
pub trait Plain {
    /// What comes next.
    fn output(&self) -> &[u8];
    /// So many octets of it are with the kernel, encrypted.
    fn advance(&mut self, octets: usize);
}

impl Plain for (&mut ServerStream, Duration) {
    fn output(&self) -> &[u8] {
        self.0.output()
    }

    fn advance(&mut self, octets: usize) {
        self.0.advance_output(self.1, octets);
    }
}

impl<T: Copy + PartialEq> Plain for (&mut ClientStream<T>, Duration) {
    fn output(&self) -> &[u8] {
        self.0.output()
    }

    fn advance(&mut self, octets: usize) {
        self.0.advance_output(self.1, octets);
    }
}

/// One TLS connection.
pub struct TlsSession {
    connection: Connection,
    /// Octets of the plain text that were encrypted and are not yet with the kernel.
    encrypted: usize,
}

impl std::fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsSession(..)")
    }
}

impl TlsSession {
    pub(super) fn new(mut connection: Connection) -> TlsSession {
        connection.set_buffer_limit(Some(TLS_PLAIN_MAX));
        TlsSession { connection, encrypted: 0 }
    }

    /// Takes cipher text that has come and appends what it says to `plain`. Returns whether the
    /// other side has said that nothing more will come. After an error, what [`TlsSession::write_to`]
    /// has to send is an alert.
    pub fn receive(&mut self, mut input: &[u8], plain: &mut Vec<u8>) -> Result<bool, TlsFault> {
        let mut closed = false;
        while !input.is_empty() {
            let taken =
                self.connection.read_tls(&mut input).map_err(|e| TlsFault(e.to_string()))?;
            let state = self.connection.process_new_packets().map_err(|error| fault(&error))?;
            let start = plain.len();
            plain.resize(start + state.plaintext_bytes_to_read(), 0);
            if let Some(space) = plain.get_mut(start..).filter(|space| !space.is_empty()) {
                let read = self.connection.reader().read_exact(space);
                read.map_err(|error| TlsFault(error.to_string()))?;
            }
            closed = state.peer_has_closed();
            if taken == 0 || closed {
                break;
            }
        }
        Ok(closed)
    }

    /// Encrypts the beginning of `plain`; returns how many octets of it. Nothing waits to be written.
    fn encrypt(&mut self, plain: &[u8]) -> usize {
        let share = plain.get(..TLS_PLAIN_MAX).unwrap_or(plain);
        // Writing into memory does not fail; what does not fit is not taken.
        self.connection.writer().write(share).unwrap_or(0)
    }

    /// Writes as much as the pipe takes: what is encrypted already, then more of `plain`, which
    /// counts as sent when the kernel has it. During the handshake `plain` waits. Errors are those of
    /// the pipe, `WouldBlock` when it takes no more.
    pub fn send(&mut self, plain: &mut dyn Plain, pipe: &mut dyn Write) -> io::Result<()> {
        loop {
            while self.has_output() {
                match self.write_to(pipe) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            plain.advance(std::mem::take(&mut self.encrypted));
            if plain.output().is_empty() || self.is_handshaking() {
                return Ok(());
            }
            self.encrypted = self.encrypt(plain.output());
        }
    }

    /// Does cipher text wait to be written?
    pub fn has_output(&self) -> bool {
        self.connection.wants_write()
    }

    /// Writes cipher text to the pipe, once.
    pub fn write_to(&mut self, pipe: &mut dyn Write) -> io::Result<usize> {
        self.connection.write_tls(pipe)
    }

    /// Is the handshake still under way?
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Says that nothing more will be sent (RFC 8446 §6.1).
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }
}
