//! Questions over TLS to an upstream, which another instance plays: who is believed and who is not.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::{Running, free_address};

/// What the upstream says about every name.
const ANSWER: &str = "192.0.2.7";

/// A certificate and its key; the digest of the key as a pin.
struct Identity {
    chain: String,
    key: String,
    pin: String,
}

fn shell(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().expect("a shell");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A certificate for `resolver.test` that vouches for itself.
fn identity(directory: &Path, name: &str, constraint: &str) -> Identity {
    let path = |end: &str| directory.join(format!("{name}.{end}")).display().to_string();
    let (chain, key) = (path("cert"), path("key"));
    shell(&format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=resolver.test \
         -addext subjectAltName=DNS:resolver.test -addext basicConstraints=critical,{constraint} \
         -days 2 -keyout {key} -out {chain}"
    ));
    let pin = shell(&format!(
        "openssl x509 -in {chain} -noout -pubkey | openssl pkey -pubin -outform der | \
         openssl dgst -sha256 -binary | openssl base64"
    ));
    Identity { chain, key, pin }
}

/// An upstream with that certificate. It answers every question itself.
fn upstream(identity: &Identity) -> (Running, SocketAddr) {
    let tls = free_address();
    let running = Running::start(&format!(
        "net.listen('{}', {}, {{ kind = 'tls' }})
         net.tls('{}', '{}')
         policy.add(policy.all(policy.ANSWER({{
             [kres.type.A] = {{ rdata = kres.str2ip('{ANSWER}'), ttl = 300 }} }})))",
        tls.ip(),
        tls.port(),
        identity.chain,
        identity.key,
    ));
    (running, tls)
}

/// A resolver that asks there, authenticating it as `how` says.
fn resolver(configuration: &str) -> Running {
    Running::start(&format!("trust_anchors.remove('.')\n{configuration}"))
}

fn forwarding(tls: SocketAddr, how: &str) -> Running {
    resolver(&format!(
        "policy.add(policy.all(policy.TLS_FORWARD({{ {{ '{}@{}', {how} }} }})))",
        tls.ip(),
        tls.port()
    ))
}

fn ask(running: &Running, name: &str) -> String {
    let address = running.address;
    let output = Command::new("kdig")
        .args([&format!("@{}", address.ip()), "-p", &address.port().to_string(), "+timeout=8"])
        .args([name, "A"])
        .output()
        .expect("kdig starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn who_proves_its_name_or_key_is_believed_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let leaf = identity(directory.path(), "leaf", "CA:FALSE");
    let own = identity(directory.path(), "own", "CA:TRUE");
    for identity in [&leaf, &own] {
        let (_upstream, tls) = upstream(identity);
        let (ca, pin) = (&identity.chain, &identity.pin);
        for how in [
            format!("hostname = 'resolver.test', ca_file = '{ca}'"),
            format!("pin_sha256 = '{pin}'"),
            format!("pin_sha256 = {{ '{}', '{pin}' }}", "A".repeat(43) + "="),
            "insecure = true".to_owned(),
        ] {
            let running = forwarding(tls, &how);
            for name in ["www.example.com", "mail.example.com"] {
                let told = ask(&running, name);
                assert!(told.contains(ANSWER), "{how}: {told}\n{}", running.log());
            }
        }
    }
    let (_upstream, tls) = upstream(&leaf);
    for (how, why) in [
        (format!("hostname = 'other.test', ca_file = '{}'", leaf.chain), "other.test"),
        (format!("hostname = 'resolver.test', ca_file = '{}'", own.chain), "BadSignature"),
        (format!("pin_sha256 = '{}'", own.pin), "invalid peer certificate"),
    ] {
        let running = forwarding(tls, &how);
        let told = ask(&running, "www.example.com");
        assert!(told.contains("SERVFAIL"), "{how}: {told}\n{}", running.log());
        let log = running.log();
        assert!(log.contains("[tls_cl]") && log.contains(why), "{how}: {log}");
    }
}

#[test]
fn tls_client_makes_plain_targets_encrypted() {
    let directory = tempfile::tempdir().unwrap();
    let identity = identity(directory.path(), "leaf", "CA:FALSE");
    let (_upstream, tls) = upstream(&identity);
    let target = format!("{}@{}", tls.ip(), tls.port());
    let running = resolver(&format!(
        "net.tls_client({{ '{target}', pin_sha256 = '{}' }})
         policy.add(policy.all(policy.FORWARD('{target}')))",
        identity.pin
    ));
    let told = ask(&running, "www.example.com");
    assert!(told.contains(ANSWER), "{told}\n{}", running.log());
}

#[test]
fn an_upstream_that_comes_back_is_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let identity = identity(directory.path(), "leaf", "CA:FALSE");
    let (first, tls) = upstream(&identity);
    let running = forwarding(tls, &format!("pin_sha256 = '{}'", identity.pin));
    assert!(ask(&running, "one.example.com").contains(ANSWER), "{}", running.log());
    drop(first);
    let gone = ask(&running, "two.example.com");
    assert!(gone.contains("SERVFAIL") || gone.is_empty(), "{gone}\n{}", running.log());
    running.check_alive();
}

#[test]
fn authorities_that_cannot_be_used_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let identity = identity(directory.path(), "leaf", "CA:FALSE");
    let (_upstream, tls) = upstream(&identity);
    let nothing = directory.path().join("nothing.pem");
    std::fs::write(&nothing, "nothing").unwrap();
    let how = format!("hostname = 'resolver.test', ca_file = '{}'", nothing.display());
    let running = forwarding(tls, &how);
    assert!(ask(&running, "www.example.com").contains("SERVFAIL"));
    let log = running.log();
    assert!(log.contains("certificate authorities cannot be used"), "{log}");
}
