//! How encrypted upstreams are authenticated: from what the configuration says to what sessions are
//! made from. Files are read when the first question goes out.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use resolve::{Encryption, ExchangeFault, Now};
use transport::tls::{Authentication, TlsClient, TlsSession, TlsSetupError};

use crate::clock::Clock;
use crate::logging::log;

/// Where systems keep the certificate authorities that they believe, the first one that is there.
const SYSTEM_AUTHORITIES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What could not be used is looked at again after this time: files get mended.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Time between two lines of the log about upstreams that are not believed: each question may bring
/// one.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// Made from a configuration, or when that failed last.
type Made = Result<TlsClient, Duration>;

/// The upstreams that are spoken to with TLS.
#[derive(Default)]
pub(crate) struct TlsUpstreams {
    /// Bounded by what the operator configures.
    made: RefCell<HashMap<Arc<Encryption>, Made>>,
    /// Addresses that always get TLS (`net.tls_client`).
    addresses: RefCell<HashMap<SocketAddr, Arc<Encryption>>>,
    /// When the log was told of an upstream last.
    told: Cell<Option<Duration>>,
}

impl TlsUpstreams {
    /// From now on TLS is spoken to an address.
    pub(crate) fn set(&self, address: SocketAddr, encryption: Encryption) {
        self.addresses.borrow_mut().insert(address, Arc::new(encryption));
    }

    /// Takes that back.
    pub(crate) fn clear(&self, address: SocketAddr) {
        self.addresses.borrow_mut().remove(&address);
    }

    /// How an address is spoken to, if with TLS whatever the resolver says.
    pub(super) fn for_address(&self, address: SocketAddr) -> Option<Arc<Encryption>> {
        let addresses = self.addresses.borrow();
        if addresses.is_empty() {
            return None;
        }
        addresses.get(&address).cloned()
    }

    /// Says why an upstream is not believed, or does not speak TLS.
    pub(super) fn tell(&self, now: Now, address: SocketAddr, why: &dyn Display) {
        let mono = Clock::elapsed(now);
        if self.told.get().is_none_or(|told| mono >= told + TELL_AGAIN) {
            self.told.set(Some(mono));
            log!(Warning, "tls_cl", "{address}: {why}");
        }
    }

    /// A new session.
    pub(super) fn session(
        &self,
        now: Now,
        address: SocketAddr,
        encryption: &Arc<Encryption>,
    ) -> Result<TlsSession, ExchangeFault> {
        let mono = Clock::elapsed(now);
        let mut made = self.made.borrow_mut();
        let usable = made.get(encryption).is_some_and(|made| match made {
            Ok(_) => true,
            Err(failed) => mono < *failed + TRY_AGAIN,
        });
        if !usable {
            let client = make(encryption).map_err(|error| {
                log!(Err, "tls_cl", "no TLS to {address}: {error}");
                mono
            });
            made.insert(encryption.clone(), client);
        }
        let Some(Ok(client)) = made.get(encryption) else { return Err(ExchangeFault::Handshake) };
        client.session(address.ip(), now.unix.seconds()).map_err(|error| {
            self.tell(now, address, &error);
            ExchangeFault::Handshake
        })
    }
}

fn make(encryption: &Encryption) -> Result<TlsClient, TlsSetupError> {
    let authentication = if encryption.insecure {
        Authentication::Unchecked
    } else if !encryption.pins.is_empty() {
        let pins = encryption.pins.iter().filter_map(|pin| pin_of(pin)).collect();
        Authentication::Pins(pins)
    } else {
        let authorities = if encryption.ca_files.is_empty() {
            let found = SYSTEM_AUTHORITIES.iter().find_map(|path| std::fs::read(path).ok());
            vec![found.ok_or_else(|| {
                let paths = SYSTEM_AUTHORITIES.join(", ");
                TlsSetupError::Authorities(format!(
                    "this system has none at {paths}; give ca_file = 'FILE', or install \
                     ca-certificates"
                ))
            })?]
        } else {
            encryption.ca_files.iter().map(|path| read(path)).collect::<Result<_, _>>()?
        };
        Authentication::Names { names: encryption.hostnames.clone(), authorities }
    };
    TlsClient::new(authentication)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsSetupError> {
    let unreadable = |error| TlsSetupError::Authorities(format!("'{}': {error}", path.display()));
    std::fs::read(path).map_err(unreadable)
}

/// The octets of a pin; its text was checked when it was configured.
fn pin_of(text: &str) -> Option<[u8; 32]> {
    dns::rdata::text::decode_base64(text.as_bytes())?.try_into().ok()
}
