//! The side that asks: how an upstream proves who it is (RFC 7858 §4, RFC 8310 §8), and sessions to it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use super::{ALPN_DOT, TlsFault, TlsSession, TlsSetupError, fault};

/// Octets of a pin, a SHA-256 digest.
const PIN_BYTES: usize = 32;

/// How an upstream proves who it is.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Its key has one of these digests (RFC 7858 §4.2: SHA-256 of the SubjectPublicKeyInfo). What
    /// else its certificate says is not looked at.
    Pins(Vec<[u8; PIN_BYTES]>),
    /// One of the authorities has certified one of these names or addresses for it (RFC 8310 §8.1).
    /// The authorities are PEM texts, each with one certificate or more.
    Names { names: Vec<String>, authorities: Vec<Vec<u8>> },
    /// Not at all; against who only listens (RFC 7858 §4.1).
    Unchecked,
}

/// What sessions to one upstream are made from. It keeps what the upstream gave to resume them.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    clock: Arc<ToldTime>,
    /// For the SNI; none if only the address is known.
    name: Option<ServerName<'static>>,
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Errors: a name that is none, authorities without a usable certificate, or nothing to check.
    pub fn new(authentication: Authentication) -> Result<TlsClient, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (how, name) = match authentication {
            Authentication::Unchecked => (How::Any, None),
            Authentication::Pins(pins) if pins.is_empty() => {
                return Err(TlsSetupError::NoAuthentication);
            }
            Authentication::Pins(pins) => (How::Pins(pins), None),
            Authentication::Names { names, authorities } => {
                let names: Vec<ServerName<'static>> = names
                    .into_iter()
                    .map(|name| {
                        let plain = name.trim_end_matches('.').to_owned();
                        ServerName::try_from(plain).map_err(|_| TlsSetupError::Hostname(name))
                    })
                    .collect::<Result<_, _>>()?;
                let first = names.first().cloned().ok_or(TlsSetupError::NoAuthentication)?;
                let authorities = Authorities::new(&authorities, provider.clone())?;
                (How::Names(names, authorities), Some(first))
            }
        };
        let clock = Arc::new(ToldTime::default());
        let judge = Arc::new(Judge { how, provider: provider.clone() });
        let mut config = ClientConfig::builder_with_details(provider, clock.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsSetupError::Unusable)?
            .dangerous()
            .with_custom_certificate_verifier(judge)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN_DOT.to_vec()];
        Ok(TlsClient { config: Arc::new(config), clock, name })
    }

    /// A session to the upstream at an address, begun at `unix` seconds since 1970.
    pub fn session(&self, peer: IpAddr, unix: u64) -> Result<TlsSession, TlsFault> {
        self.clock.0.store(unix, Ordering::Relaxed);
        let name = self.name.clone().unwrap_or_else(|| ServerName::from(peer));
        let connection = ClientConnection::new(self.config.clone(), name);
        connection
            .map(|connection| TlsSession::new(connection.into()))
            .map_err(|error| fault(&error))
    }
}

/// The time as last told.
#[derive(Debug, Default)]
struct ToldTime(AtomicU64);

impl TimeProvider for ToldTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

#[derive(Debug)]
enum How {
    Pins(Vec<[u8; PIN_BYTES]>),
    Names(Vec<ServerName<'static>>, Authorities),
    Any,
}

/// Who may certify names.
#[derive(Debug)]
struct Authorities {
    verifier: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Errors: none of the certificates is usable.
    fn new(texts: &[Vec<u8>], provider: Arc<CryptoProvider>) -> Result<Authorities, TlsSetupError> {
        let mut store = RootCertStore::empty();
        let (mut certificates, mut last) = (Vec::new(), None);
        for found in texts.iter().flat_map(|text| CertificateDer::pem_slice_iter(text)) {
            // The stores of systems have some that nobody can use; the others are enough.
            let added = found.map_err(|error| error.to_string()).and_then(|certificate| {
                certificates.push(certificate.clone());
                store.add(certificate).map_err(|error| error.to_string())
            });
            last = added.err().or(last);
        }
        if store.is_empty() {
            let why = last.unwrap_or_else(|| "there is no BEGIN CERTIFICATE in them".to_owned());
            return Err(TlsSetupError::Authorities(why));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
            .build()
            .map_err(|error| TlsSetupError::Authorities(error.to_string()))?;
        Ok(Authorities { verifier, certificates })
    }

    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // A server that shows the very certificate that the operator gave needs nobody to vouch for
        // it. Many private resolvers do, and theirs says that it is an authority, which a path that
        // ends there must not.
        if self.certificates.iter().any(|certificate| certificate == end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.verifier.verify_server_cert(end_entity, intermediates, name, stapled, now)
    }
}

/// Decides about certificates.
#[derive(Debug)]
struct Judge {
    how: How,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.how {
            How::Any => {}
            // Only the key that the handshake proves to be there counts: anybody can send along the
            // certificate of somebody else.
            How::Pins(pins) => {
                let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
                let found = digest(&SHA256, &key);
                if !pins.iter().any(|pin| pin[..] == *found.as_ref()) {
                    return Err(CertificateError::ApplicationVerificationFailure.into());
                }
            }
            How::Names(names, authorities) => {
                let mut verdict = Err(CertificateError::NotValidForName.into());
                for name in names {
                    match authorities.check(end_entity, intermediates, name, stapled, now) {
                        Ok(verified) => return Ok(verified),
                        Err(error) => verdict = Err(error),
                    }
                }
                return verdict;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
