//! TLS below a stream of DNS messages (RFC 7858): cipher text in, plain text out, and back.
//!
//! A [`TlsServer`] is what sessions of clients are made from: a certificate, its key, and the keys of
//! session tickets. A [`TlsSession`] is one connection. It holds no more than what one record takes
//! in each direction: plain text is handed out as it is decrypted, and nothing is encrypted before
//! the pipe has taken what was encrypted last.
//!
//! Randomness of handshakes comes from the crypto library; the time by which tickets live is told by
//! the caller.

mod tickets;

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
pub use tickets::TicketSecret;
use tickets::Tickets;

use crate::limits::TLS_PLAIN_MAX;

/// RFC 7858 §3.1 says nothing of ALPN; the name is registered, and clients that send one send this.
const ALPN_DOT: &[u8] = b"dot";

/// Why a server cannot be made of what it was given.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    #[error("there is no certificate in it; a PEM file with BEGIN CERTIFICATE is needed")]
    NoCertificate,
    #[error("the certificate cannot be read: {0}")]
    Certificate(rustls::pki_types::pem::Error),
    #[error("the private key cannot be read: {0}; a PEM file with BEGIN PRIVATE KEY is needed")]
    Key(rustls::pki_types::pem::Error),
    #[error("certificate and key cannot be used: {0}")]
    Unusable(rustls::Error),
    #[error("no certificate can be made: {0}")]
    Ephemeral(rcgen::Error),
}

/// The other side broke the protocol, or nothing could be agreed on; the connection is of no more
/// use. What remains to be sent is an alert.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsFault(String);

/// What clients' sessions are made from. Cheap to clone.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    tickets: Arc<Tickets>,
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsServer(..)")
    }
}

impl TlsServer {
    /// A server with the certificate chain and the key of two PEM texts.
    pub fn from_pem(
        chain: &[u8],
        key: &[u8],
        secret: TicketSecret,
    ) -> Result<TlsServer, TlsSetupError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(TlsSetupError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsSetupError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsSetupError::Key)?;
        TlsServer::new(chain, key, secret)
    }

    /// A server with a certificate that it has made itself. Clients can only compare its key with
    /// one that they know, or believe anything (RFC 7858 §4.1).
    pub fn ephemeral(host: &str, secret: TicketSecret) -> Result<TlsServer, TlsSetupError> {
        let names = vec![host.to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(TlsSetupError::Ephemeral)?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        TlsServer::new(vec![made.cert.der().clone()], key, secret)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        secret: TicketSecret,
    ) -> Result<TlsServer, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsSetupError::Unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsSetupError::Unusable)?;
        let tickets = Arc::new(Tickets::new(secret));
        config.alpn_protocols = vec![ALPN_DOT.to_vec()];
        config.ticketer = tickets.clone();
        // Sessions live in tickets, which every worker can read, and not in this process.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(TlsServer { config: Arc::new(config), tickets })
    }

    /// The session of a connection that was accepted at `unix` seconds since 1970.
    pub fn session(&self, unix: u64) -> Result<TlsSession, TlsFault> {
        self.tickets.set_time(unix);
        let mut connection =
            ServerConnection::new(self.config.clone()).map_err(|error| fault(&error))?;
        connection.set_buffer_limit(Some(TLS_PLAIN_MAX));
        Ok(TlsSession { connection })
    }
}

/// One client's TLS session.
pub struct TlsSession {
    connection: ServerConnection,
}

impl std::fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsSession(..)")
    }
}

impl TlsSession {
    /// Takes cipher text that has come and appends what it says to `plain`. Returns whether the
    /// client has said that nothing more will come. After an error, what [`TlsSession::write_to`]
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

    /// Encrypts the beginning of `plain`; returns how many octets of it. To be called when nothing
    /// waits to be written.
    pub fn encrypt(&mut self, plain: &[u8]) -> usize {
        let share = plain.get(..TLS_PLAIN_MAX).unwrap_or(plain);
        // Writing into memory does not fail; what does not fit is not taken.
        self.connection.writer().write(share).unwrap_or(0)
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

fn fault(error: &rustls::Error) -> TlsFault {
    TlsFault(error.to_string())
}

#[cfg(test)]
mod tests;
