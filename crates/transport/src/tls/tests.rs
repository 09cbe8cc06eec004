//! The session against a client of the same library, tickets across processes, and strangers.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use std::io::{Read, Write};

use super::*;
use crate::limits::TLS_PLAIN_MAX;

const NOW: u64 = 1_700_000_000;

/// Believes any certificate.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn secret() -> TicketSecret {
    TicketSecret::new(&[7; 32])
}

fn client_config(alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config.clone(), "resolver.test".try_into().unwrap()).unwrap()
}

/// Carries cipher text to and fro until neither side has any. Returns what the server read.
fn exchange(client: &mut ClientConnection, server: &mut TlsSession) -> Result<Vec<u8>, TlsFault> {
    let mut plain = Vec::new();
    while client.wants_write() || server.has_output() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        // In pieces, as the network brings them.
        for piece in wire.chunks(7) {
            server.receive(piece, &mut plain)?;
        }
        let mut wire = Vec::new();
        while server.has_output() {
            server.write_to(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    Ok(plain)
}

/// A text, and how much of it is sent.
struct Text(Vec<u8>, usize);

impl Plain for Text {
    fn output(&self) -> &[u8] {
        &self.0[self.1..]
    }

    fn advance(&mut self, octets: usize) {
        self.1 += octets;
    }
}

/// A pipe that takes little and then nothing more, now and then.
struct Narrow(Vec<u8>, bool);

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        let taken = bytes.len().min(1000);
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Carries cipher text between two sessions of ours until neither has any.
fn meet(asks: &mut TlsSession, answers: &mut TlsSession) -> Result<(), TlsFault> {
    for _ in 0..10 {
        for _ in 0..2 {
            let mut wire = Vec::new();
            while asks.has_output() {
                asks.write_to(&mut wire).unwrap();
            }
            answers.receive(&wire, &mut Vec::new())?;
            std::mem::swap(asks, answers);
        }
    }
    Ok(())
}

#[test]
fn an_upstream_is_who_it_proves_to_be() {
    let made = rcgen::generate_simple_self_signed(vec!["resolver.test".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem().into_bytes(), made.signing_key.serialize_pem());
    let server = TlsServer::from_pem(&chain, key.as_bytes(), secret()).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&made.signing_key);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &spki);
    let pin: [u8; 32] = digest.as_ref().try_into().unwrap();
    let named = |name: &str| Authentication::Names {
        names: vec![name.to_owned()],
        authorities: vec![chain.clone()],
    };
    for (authentication, is_believed) in [
        (Authentication::Unchecked, true),
        (Authentication::Pins(vec![[0; 32], pin]), true),
        (Authentication::Pins(vec![[0; 32]]), false),
        (named("resolver.test"), true),
        (named("resolver.test."), true),
        (named("other.test"), false),
    ] {
        let text = format!("{authentication:?}");
        let client = TlsClient::new(authentication).unwrap();
        let mut asks = client.session([192, 0, 2, 1].into(), NOW).unwrap();
        let mut answers = server.session(NOW).unwrap();
        assert_eq!(meet(&mut asks, &mut answers).is_ok(), is_believed, "{text}");
        assert_eq!(!asks.is_handshaking(), is_believed, "{text}");
    }
    let none = |authentication| TlsClient::new(authentication).unwrap_err();
    assert!(matches!(none(Authentication::Pins(Vec::new())), TlsSetupError::NoAuthentication));
    assert!(matches!(none(named("no host")), TlsSetupError::Hostname(_)));
    let empty = Authentication::Names { names: vec!["a.test".to_owned()], authorities: vec![] };
    assert!(matches!(none(empty), TlsSetupError::Authorities(_)));
}

#[test]
fn a_narrow_pipe_gets_everything_once() {
    let server = TlsServer::ephemeral("resolver.test", secret()).unwrap();
    let mut answers = server.session(NOW).unwrap();
    let client = TlsClient::new(Authentication::Unchecked).unwrap();
    let mut asks = client.session([192, 0, 2, 1].into(), NOW).unwrap();
    meet(&mut asks, &mut answers).unwrap();
    let long: Vec<u8> = (0..50_000_u32).map(|n| n as u8).collect();
    let (mut text, mut pipe) = (Text(long, 0), Narrow(Vec::new(), false));
    for _ in 0..500 {
        match asks.send(&mut text, &mut pipe) {
            Ok(()) => break,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    let mut heard = Vec::new();
    answers.receive(&pipe.0, &mut heard).unwrap();
    assert!(heard == text.0, "{} of {}", heard.len(), text.0.len());
}

#[test]
fn what_one_side_says_the_other_hears() {
    let server = TlsServer::ephemeral("resolver.test", secret()).unwrap();
    let mut session = server.session(NOW).unwrap();
    let mut client = client(&client_config(&[b"dot"]));
    assert!(session.is_handshaking());
    exchange(&mut client, &mut session).unwrap();
    assert!(!session.is_handshaking());
    client.writer().write_all(b"question").unwrap();
    assert_eq!(exchange(&mut client, &mut session).unwrap(), b"question");
    let mut long = Text(vec![5; TLS_PLAIN_MAX + 1], 0);
    let mut wire = Vec::new();
    session.send(&mut long, &mut wire).unwrap();
    assert_eq!(long.1, TLS_PLAIN_MAX + 1);
    let mut wire = &wire[..];
    let mut heard = Vec::new();
    while !wire.is_empty() {
        client.read_tls(&mut wire).unwrap();
        let count = client.process_new_packets().unwrap().plaintext_bytes_to_read();
        let start = heard.len();
        heard.resize(start + count, 0);
        client.reader().read_exact(&mut heard[start..]).unwrap();
    }
    assert_eq!(heard, long.0);
    client.send_close_notify();
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    assert_eq!(session.receive(&wire, &mut Vec::new()), Ok(true));
}

#[test]
fn a_ticket_of_one_process_is_good_at_another() {
    let config = client_config(&[]);
    for (secret_of_second, expected) in [(7, true), (8, false)] {
        let first = TlsServer::ephemeral("resolver.test", secret()).unwrap();
        let mut one = client(&config);
        exchange(&mut one, &mut first.session(NOW).unwrap()).unwrap();
        let secret = TicketSecret::new(&[secret_of_second; 32]);
        let second = TlsServer::ephemeral("resolver.test", secret).unwrap();
        let mut two = client(&config);
        exchange(&mut two, &mut second.session(NOW + 60).unwrap()).unwrap();
        let resumed = two.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        assert_eq!(resumed, expected);
    }
}

#[test]
fn octets_that_are_no_tls_end_the_session_with_an_alert() {
    let server = TlsServer::ephemeral("resolver.test", secret()).unwrap();
    for garbage in
        [&b"\0\x1c\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www"[..], b"GET / HTTP/1.1\r\n\r\n"]
    {
        let mut session = server.session(NOW).unwrap();
        assert!(session.receive(garbage, &mut Vec::new()).is_err());
        assert!(session.has_output());
    }
}

#[test]
fn another_application_protocol_is_refused() {
    let server = TlsServer::ephemeral("resolver.test", secret()).unwrap();
    let mut session = server.session(NOW).unwrap();
    let mut client = client(&client_config(&[b"h2"]));
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    assert!(session.receive(&wire, &mut Vec::new()).is_err());
}

#[test]
fn files_that_are_no_certificate_are_told_apart() {
    let made = rcgen::generate_simple_self_signed(vec!["resolver.test".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let read =
        |chain: &str, key: &str| TlsServer::from_pem(chain.as_bytes(), key.as_bytes(), secret());
    assert!(read(&chain, &key).is_ok());
    assert!(matches!(read(&key, &key), Err(TlsSetupError::NoCertificate)));
    assert!(matches!(read(&chain, &chain), Err(TlsSetupError::Key(_))));
    let other = rcgen::generate_simple_self_signed(vec!["other.test".to_owned()]).unwrap();
    let other = other.signing_key.serialize_pem();
    assert!(matches!(read(&chain, &other), Err(TlsSetupError::Unusable(_))));
}
