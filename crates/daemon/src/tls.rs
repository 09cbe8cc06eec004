//! What the listeners for DNS over TLS use: certificate, session tickets, time for the handshake.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use resolve::Now;
use tokio_rustls::rustls::ServerConfig;
use transport::tls::{TicketSecret, TlsServer, TlsSession, TlsSetupError};

use crate::logging::log;

/// The name in a certificate made here if the machine's own name cannot stand in one.
const NAME_WITHOUT_HOST: &str = "localhost";
/// A handshake takes no longer than this unless `net.tls_handshake_timeout` says so.
const HANDSHAKE_DEFAULT: Duration = Duration::from_secs(6);

/// Certificate chain and private key, two PEM texts.
struct Pair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// The TLS server of this worker.
pub(crate) struct TlsService {
    /// Made when the first client comes, anew when something changes.
    server: RefCell<Option<TlsServer>>,
    /// What the operator gave; none: an ephemeral pair.
    pair: RefCell<Option<Pair>>,
    secret: RefCell<TicketSecret>,
    handshake: Cell<Duration>,
}

impl TlsService {
    /// No certificate yet. The secret of session tickets comes from the system's generator.
    pub(crate) fn new(secret: [u8; 32]) -> TlsService {
        TlsService {
            server: RefCell::default(),
            pair: RefCell::default(),
            secret: RefCell::new(TicketSecret::new(&secret)),
            handshake: Cell::new(HANDSHAKE_DEFAULT),
        }
    }

    /// How long a handshake may take.
    pub(crate) fn handshake(&self) -> Duration {
        self.handshake.get()
    }

    /// Sets that for connections from now on.
    pub(crate) fn set_handshake(&self, time: Duration) {
        self.handshake.set(time);
    }

    /// Takes a certificate chain and its key for connections from now on. On an error the former
    /// ones stay.
    pub(crate) fn set_pair(&self, chain: Vec<u8>, key: Vec<u8>) -> Result<(), TlsSetupError> {
        let server = TlsServer::from_pem(&chain, &key, self.secret.borrow().clone())?;
        *self.pair.borrow_mut() = Some(Pair { chain, key });
        *self.server.borrow_mut() = Some(server);
        Ok(())
    }

    /// Sets what the keys of session tickets are derived from.
    pub(crate) fn set_secret(&self, secret: &[u8]) {
        *self.secret.borrow_mut() = TicketSecret::new(secret);
        *self.server.borrow_mut() = None;
    }

    /// A session for a connection that has just come; `None` if there is no way to have one, which
    /// the log says.
    pub(crate) fn session(&self, now: Now) -> Option<TlsSession> {
        let server = self.server().map_err(|error| log!(Err, "tls", "{error}")).ok()?;
        let session = server.session(now.unix.seconds());
        session.map_err(|fault| log!(Err, "tls", "{fault}")).ok()
    }

    /// What connections over HTTP that come now are accepted with; `None` as with
    /// [`TlsService::session`].
    pub(crate) fn https(&self, now: Now) -> Option<Arc<ServerConfig>> {
        let server = self.server().map_err(|error| log!(Err, "tls", "{error}")).ok()?;
        Some(server.https(now.unix.seconds()))
    }

    fn server(&self) -> Result<TlsServer, TlsSetupError> {
        if let Some(server) = &*self.server.borrow() {
            return Ok(server.clone());
        }
        let secret = self.secret.borrow().clone();
        let server = match &*self.pair.borrow() {
            Some(pair) => TlsServer::from_pem(&pair.chain, &pair.key, secret)?,
            None => {
                log!(
                    Info,
                    "tls",
                    "no certificate was given, an ephemeral one is made; net.tls('cert', 'key') \
                     gives one that clients can check"
                );
                let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
                let host = host.as_deref().unwrap_or(NAME_WITHOUT_HOST);
                TlsServer::ephemeral(host, secret.clone())
                    .or_else(|_| TlsServer::ephemeral(NAME_WITHOUT_HOST, secret))?
            }
        };
        *self.server.borrow_mut() = Some(server.clone());
        Ok(server)
    }
}
