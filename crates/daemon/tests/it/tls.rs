//! Clients over TLS, played by `kdig`, and strangers on the TLS port.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::process::{Running, framed, free_address, query, read_to_close, run};

/// The program with a TLS listener and further configuration.
fn start(configuration: &str) -> (Running, SocketAddr) {
    let tls = free_address();
    let listen = format!("net.listen('{}', {}, {{ kind = 'tls' }})", tls.ip(), tls.port());
    (Running::start(&format!("{listen}\n{configuration}")), tls)
}

/// What `kdig` prints about questions over TLS.
fn kdig(tls: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("kdig")
        .args([&format!("@{}", tls.ip()), "-p", &tls.port().to_string(), "+tls", "+timeout=5"])
        .args(arguments)
        .output()
        .expect("kdig starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn questions_over_tls_are_answered_and_padded() {
    let (running, tls) = start("");
    // The first time through the layers, then from the finished answers.
    for _ in 0..4 {
        let told = kdig(tls, &["localhost", "A"]);
        assert!(told.contains("127.0.0.1"), "{told}\n{}", running.log());
        assert!(told.contains("Received 468 B"), "{told}");
    }
    let told = kdig(tls, &["+keepopen", "localhost", "A", "localhost", "AAAA", "localhost", "A"]);
    assert_eq!(told.matches("status: NOERROR").count(), 3, "{told}");
    // Who does not speak EDNS gets nothing that it does not know.
    let told = kdig(tls, &["+noedns", "localhost", "A"]);
    assert!(told.contains("127.0.0.1") && !told.contains("468 B"), "{told}");
}

#[test]
fn padding_is_as_configured() {
    for (setting, size) in [("128", Some("Received 128 B")), ("false", None)] {
        let (_running, tls) = start(&format!("net.tls_padding({setting})"));
        let told = kdig(tls, &["localhost", "A"]);
        assert!(told.contains("127.0.0.1"), "{told}");
        match size {
            Some(size) => assert!(told.contains(size), "{told}"),
            None => assert!(!told.contains("PADDING"), "{told}"),
        }
    }
}

#[test]
fn a_certificate_that_was_given_is_the_one_that_clients_see() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (chain, key) = (path("cert.pem"), path("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=resolver.test", "-addext", "subjectAltName=DNS:resolver.test"])
        .args(["-days", "2", "-keyout", &key, "-out", &chain])
        .output()
        .expect("openssl starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // Called after net.listen, as configurations do.
    let (running, tls) = start(&format!("net.tls('{chain}', '{key}')"));
    let ca = format!("+tls-ca={chain}");
    let told = kdig(tls, &[&ca, "+tls-hostname=resolver.test", "localhost", "A"]);
    assert!(told.contains("127.0.0.1"), "{told}\n{}", running.log());
    let told = kdig(tls, &[&ca, "+tls-hostname=other.test", "localhost", "A"]);
    assert!(!told.contains("127.0.0.1"), "{told}");
}

#[test]
fn unusable_certificates_are_refused_with_their_names() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("no.pem"), "nothing").unwrap();
    for (path, why) in [("no.pem", "BEGIN CERTIFICATE"), ("/nope", "No such file")] {
        let text = format!("net.tls('{path}', '{path}')\n");
        std::fs::write(directory.path().join("config"), text).unwrap();
        let output = run(directory.path(), &["-n"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{told}");
        assert!(told.contains(path) && told.contains(why), "{told}");
    }
}

#[test]
fn strangers_on_the_tls_port_do_no_harm() {
    let (running, tls) = start("net.tls_handshake_timeout(500)");
    let mut garbage = TcpStream::connect(tls).unwrap();
    garbage.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    garbage.write_all(&framed(&query(1))).unwrap();
    assert!(read_to_close(&mut garbage));
    // Who begins a handshake and does not go on is closed, sooner than an idle client is.
    let mut silent = TcpStream::connect(tls).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    silent.write_all(&[0x16, 3, 1, 2, 0]).unwrap();
    assert!(read_to_close(&mut silent));
    assert!(kdig(tls, &["localhost", "A"]).contains("127.0.0.1"));
    running.check_alive();
}
