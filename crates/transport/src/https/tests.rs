//! A file from a server on loopback, and what must not be believed.

use std::net::{TcpListener, TcpStream};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// In the life of the certificates that are made here.
const NOW: u64 = 1_800_000_000;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// The certificate as PEM text (RFC 7468).
fn pem(authority: &Authority) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (number, chunk) in authority.der().chunks(3).enumerate() {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit > chunk.len() { '=' } else { char::from(DIGITS[at]) });
        }
        if number % 16 == 15 {
            text.push('\n');
        }
    }
    text + "\n-----END CERTIFICATE-----\n"
}

/// Serves one answer to one client; returns the port.
fn serve(authority: &Authority, host: &str, answer: &'static str) -> u16 {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let mut request = [0; 1024];
        // A client that does not trust us is gone by now.
        let Ok(length) = stream.read(&mut request) else { return };
        assert!(request[..length].starts_with(b"GET /file HTTP/1.0\r\nHost: localhost\r\n"));
        stream.write_all(answer.as_bytes()).unwrap();
        stream.conn.send_close_notify();
        let _client_is_gone = stream.flush();
    });
    port
}

fn get(authorities: &str, port: u16, now: u64) -> Result<Vec<u8>, FetchFault> {
    let location = Location { host: "localhost".into(), port, path: "/file".into() };
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    fetch(stream, &location, authorities.as_bytes(), now, 100)
}

const FILE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\ncontent-length: 5\r\n\r\n<xml>";

#[test]
fn a_file_comes_from_a_server_that_the_authority_vouches_for() {
    let (ours, other) = (authority(), authority());
    assert_eq!(get(&pem(&ours), serve(&ours, "localhost", FILE), NOW).unwrap(), b"<xml>");
    // Several authorities in one file.
    let both = [pem(&other), pem(&ours)].concat();
    assert_eq!(get(&both, serve(&ours, "localhost", FILE), NOW).unwrap(), b"<xml>");
}

#[test]
fn other_servers_are_not_believed() {
    let (ours, other) = (authority(), authority());
    let fault = get(&pem(&other), serve(&ours, "localhost", FILE), NOW).unwrap_err();
    assert!(fault.to_string().contains("invalid peer certificate"), "{fault}");
    let fault = get(&pem(&ours), serve(&ours, "elsewhere.example", FILE), NOW).unwrap_err();
    assert!(fault.to_string().contains("not valid for name"), "{fault}");
    // Before anything began.
    let fault = get(&pem(&ours), serve(&ours, "localhost", FILE), 0).unwrap_err();
    assert!(fault.to_string().contains("not valid yet"), "{fault}");
    let fault = get("", serve(&ours, "localhost", FILE), NOW).unwrap_err();
    assert!(matches!(fault, FetchFault::NoAuthority), "{fault}");
}

#[test]
fn other_answers_are_errors() {
    let ours = authority();
    let ask = |answer| get(&pem(&ours), serve(&ours, "localhost", answer), NOW);
    let fault = ask("HTTP/1.1 404 Not Found\r\n\r\n").unwrap_err();
    assert_eq!(fault.to_string(), "the server said `HTTP/1.1 404 Not Found`");
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<xml>",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n<xml>",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "SSH-2.0\r\n\r\n",
    ] {
        assert!(matches!(ask(answer), Err(FetchFault::Malformed)), "{answer}");
    }
    assert_eq!(ask("HTTP/1.0 200 OK\r\n\r\nends with the connection").unwrap().len(), 24);
    let long = "HTTP/1.0 200 OK\r\n\r\n0123456789012345678901234567890123456789012345678901234567\
                89012345678901234567890123456789012345678901234567890123456789";
    assert!(matches!(ask(long), Err(FetchFault::Malformed)));
}

#[test]
fn locations_are_read() {
    let parse = |url| Location::parse(url).map(|l| (l.host, l.port, l.path));
    let expected = ("data.iana.org".to_owned(), 443, "/root-anchors/root-anchors.xml".to_owned());
    assert_eq!(parse("https://data.iana.org/root-anchors/root-anchors.xml"), Some(expected));
    assert_eq!(parse("https://a:8443"), Some(("a".into(), 8443, "/".into())));
    for url in
        ["http://a/", "https:///", "https://a/ b", "https://a\r\n/", "https://u@a/", "https://a:x/"]
    {
        assert_eq!(parse(url), None, "{url}");
    }
}
