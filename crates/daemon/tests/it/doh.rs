//! Clients over HTTPS: `kdig` and `curl`, and strangers on the port.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::process::{Running, framed, free_address, query, read_to_close};

/// The program with a listener for HTTPS and further configuration.
fn start(configuration: &str) -> (Running, SocketAddr) {
    let https = free_address();
    let listen = format!("net.listen('{}', {}, {{ kind = 'doh2' }})", https.ip(), https.port());
    (Running::start(&format!("{listen}\n{configuration}")), https)
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the client starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn kdig(https: SocketAddr, arguments: &[&str]) -> String {
    let (server, port) = (format!("@{}", https.ip()), https.port().to_string());
    run("kdig", &[&[&server, "-p", &port, "+timeout=8"], arguments].concat())
}

/// What `curl` prints with these arguments about a path: the head of the response and the status.
fn curl(https: SocketAddr, path: &str, arguments: &[&str]) -> String {
    let address = format!("https://{https}{path}");
    let fixed = ["-s", "-k", "--http2", "-m", "8", "-o", "/dev/null", "-D", "-"];
    run("curl", &[&fixed, arguments, &[&address]].concat())
}

/// `localhost. A` in base64url, id 0, RD.
const LOCALHOST: &str = "AAABAAABAAAAAAAACWxvY2FsaG9zdAAAAQAB";

#[test]
fn questions_over_https_are_answered_by_both_methods() {
    let (running, https) = start("");
    // The first time through the layers, then from the finished answers.
    for method in ["+https", "+https-get", "+https", "+https-get"] {
        let told = kdig(https, &[method, "localhost", "A"]);
        assert!(told.contains("127.0.0.1"), "{told}\n{}", running.log());
        assert!(told.contains("Received 468 B"), "{told}");
    }
    let told = curl(https, &format!("/dns-query?dns={LOCALHOST}"), &[]);
    assert!(told.starts_with("HTTP/2 200"), "{told}");
    assert!(told.contains("content-type: application/dns-message"), "{told}");
    assert!(told.contains("cache-control: max-age="), "{told}");
    assert!(told.contains("access-control-allow-origin: *"), "{told}");
    assert_eq!(running.log().matches("HTTP").count(), 0, "{}", running.log());
}

#[test]
fn statuses_say_what_is_wrong() {
    let (running, https) = start("");
    let dns = "content-type: application/dns-message";
    for (path, arguments, status) in [
        ("/", &[][..], 404),
        ("/dns-query", &[], 400),
        ("/dns-query?dns=A", &[], 400),
        ("/dns-query?dns=AAAA", &[], 400),
        ("/dns-query", &["-H", dns, "-d", "short"], 400),
        ("/dns-query", &["-H", "content-type: text/plain", "-d", "x"], 415),
        ("/dns-query", &["-X", "PUT"], 501),
    ] {
        let told = curl(https, path, arguments);
        assert!(told.starts_with(&format!("HTTP/2 {status}")), "{path} {arguments:?}: {told}");
    }
    let large = running.directory.path().join("large");
    std::fs::write(&large, vec![0; 70_000]).unwrap();
    let told =
        curl(https, "/dns-query", &["-H", dns, "--data-binary", &format!("@{}", large.display())]);
    assert!(told.contains("HTTP/2 413"), "{told}");
    running.check_alive();
}

#[test]
fn rules_see_clients_over_https_and_drops_are_answered() {
    let (running, https) = start(
        "policy.add(policy.suffix(policy.DROP, policy.todnames({'drop.example.com'})))
         policy.add(policy.suffix(policy.DENY, policy.todnames({'deny.example.com'})))",
    );
    let told = kdig(https, &["+https", "drop.example.com", "A"]);
    assert!(told.contains("SERVFAIL"), "{told}\n{}", running.log());
    let told = kdig(https, &["+https", "deny.example.com", "A"]);
    assert!(told.contains("NXDOMAIN"), "{told}");
}

#[test]
fn strangers_on_the_port_do_no_harm() {
    let (running, https) = start("net.tls_handshake_timeout(500)");
    let mut garbage = TcpStream::connect(https).unwrap();
    garbage.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    garbage.write_all(&framed(&query(1))).unwrap();
    assert!(read_to_close(&mut garbage));
    let mut silent = TcpStream::connect(https).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(read_to_close(&mut silent));
    // Nothing older than HTTP/2 is spoken.
    let told =
        run("curl", &["-s", "-k", "--http1.1", "-m", "5", &format!("https://{https}/dns-query")]);
    assert_eq!(told, "");
    // No more connections of one client than its share; the others are closed.
    let held: Vec<TcpStream> = (0..150).filter_map(|_| TcpStream::connect(https).ok()).collect();
    running.check_alive();
    drop(held);
    assert!(kdig(https, &["+https", "localhost", "A"]).contains("127.0.0.1"), "{}", running.log());
}
