//! TLS below a stream of DNS messages (RFC 7858): cipher text in, plain text out, and back.
//!
//! A [`TlsServer`] is what sessions of clients are made from: a certificate, its key, and the keys of
//! session tickets. A [`TlsClient`] is what sessions to an upstream are made from: how the upstream
//! proves who it is. A [`TlsSession`] is one connection, of either.
//!
//! Randomness of handshakes comes from the crypto library; the time by which tickets live and
//! certificates are judged is told by the caller.

mod client;
mod session;
mod tickets;

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

pub use client::{Authentication, TlsClient};
pub use session::{Plain, TlsSession};
pub use tickets::TicketSecret;
use tickets::Tickets;

/// RFC 7858 §3.1 says nothing of ALPN; the name is registered, and clients that send one send this.
const ALPN_DOT: &[u8] = b"dot";

/// HTTP/2 (RFC 9113 §3.2); DNS over HTTPS is spoken over nothing older.
const ALPN_HTTP: &[u8] = b"h2";

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
    #[error("'{0}' is neither the name of a host nor an address")]
    Hostname(String),
    #[error("certificate authorities cannot be used: {0}")]
    Authorities(String),
    #[error("nothing says how the other side proves who it is")]
    NoAuthentication,
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
    https: Arc<ServerConfig>,
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
        let mut https = config.clone();
        https.alpn_protocols = vec![ALPN_HTTP.to_vec()];
        Ok(TlsServer { config: Arc::new(config), https: Arc::new(https), tickets })
    }

    /// The same certificate for connections over HTTP that are accepted at `unix` seconds since 1970
    /// and later; for a library that moves the octets itself.
    pub fn https(&self, unix: u64) -> Arc<ServerConfig> {
        self.tickets.set_time(unix);
        self.https.clone()
    }

    /// The session of a connection that was accepted at `unix` seconds since 1970.
    pub fn session(&self, unix: u64) -> Result<TlsSession, TlsFault> {
        self.tickets.set_time(unix);
        let connection =
            ServerConnection::new(self.config.clone()).map_err(|error| fault(&error))?;
        Ok(TlsSession::new(connection.into()))
    }
}

fn fault(error: &rustls::Error) -> TlsFault {
    TlsFault(error.to_string())
}

#[cfg(test)]
mod tests;
