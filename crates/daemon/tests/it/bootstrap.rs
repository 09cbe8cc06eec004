//! The first file of the root's anchors, from a server like IANA's.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::process::{Running, eventually, free_address, run};

const ANCHORS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<TrustAnchor id="1" source="http://data.iana.org/root-anchors/root-anchors.xml">
<Zone>.</Zone>
<KeyDigest id="old" validFrom="2010-07-15T00:00:00+00:00" validUntil="2019-01-11T00:00:00+00:00">
<KeyTag>19036</KeyTag><Algorithm>8</Algorithm><DigestType>2</DigestType>
<Digest>49AAC11D7B6F6446702E54A1607371607A1A41855200FD2CE1CDDE32F24E8FB5</Digest>
</KeyDigest>
<KeyDigest id="new" validFrom="2017-02-02T00:00:00+00:00">
<KeyTag>20326</KeyTag><Algorithm>8</Algorithm><DigestType>2</DigestType>
<Digest>E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D</Digest>
</KeyDigest>
</TrustAnchor>
"#;

/// A server of `root-anchors.xml` with a certificate for `localhost`. Ends when dropped.
struct Iana {
    server: Child,
    folder: TempDir,
    port: u16,
}

impl Drop for Iana {
    fn drop(&mut self) {
        let _ended_already = self.server.kill();
        let _ = self.server.wait();
    }
}

fn openssl(folder: &Path, words: &str) {
    let mut command = Command::new("openssl");
    let made = command.args(words.split_whitespace()).current_dir(folder).output();
    let made = made.expect("openssl starts");
    assert!(made.status.success(), "{words}: {}", String::from_utf8_lossy(&made.stderr));
}

impl Iana {
    fn start() -> Iana {
        const NEW: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("root-anchors.xml"), ANCHORS).unwrap();
        fs::write(path.join("leaf.ext"), "subjectAltName=DNS:localhost\n").unwrap();
        openssl(path, &format!("req -x509 {NEW} -subj /CN=ca -days 9 -keyout ca.key -out ca.pem"));
        openssl(path, &format!("req {NEW} -subj /CN=localhost -keyout leaf.key -out leaf.csr"));
        openssl(
            path,
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 \
             -extfile leaf.ext -out leaf.pem",
        );
        let port = free_address().port();
        let server = Command::new("openssl")
            .args(["s_server", "-WWW", "-quiet", "-cert", "leaf.pem", "-key", "leaf.key"])
            .args(["-accept", &port.to_string()])
            .current_dir(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        let iana = Iana { server, folder, port };
        eventually("the server listens", || {
            std::net::TcpStream::connect(("localhost", iana.port)).ok().map(drop)
        });
        iana
    }

    /// The configuration that says where it is.
    fn location(&self) -> String {
        format!(
            "trust_anchors.remove('.')\n\
             trust_anchors.bootstrap_url = 'https://localhost:{}/root-anchors.xml'\n\
             trust_anchors.bootstrap_ca = '{}'\n",
            self.port,
            self.folder.path().join("ca.pem").display()
        )
    }
}

const RECORD: &str =
    ". 0 IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";

#[test]
fn a_file_that_is_not_there_is_fetched_before_anybody_is_served() {
    let iana = Iana::start();
    let running = Running::start(&format!("{}trust_anchors.add_file('new.keys')", iana.location()));
    let log = running.log();
    assert!(log.contains("bootstrapped over https") && log.contains(RECORD), "{log}");
    let file = fs::read_to_string(running.directory.path().join("new.keys")).unwrap();
    assert!(file.contains("20326 8 2") && !file.contains("19036 8 2"), "{file}");
}

#[test]
fn later_it_is_fetched_while_others_are_served() {
    let iana = Iana::start();
    let later = "event.after(50, function () trust_anchors.add_file('later.keys') end)";
    let running = Running::start(&format!("{}{later}", iana.location()));
    let path = running.directory.path().join("later.keys");
    eventually("the anchors are there", || {
        (path.exists() && running.log().contains("bootstrapped over https")).then_some(())
    });
}

#[test]
fn who_cannot_fetch_says_so_and_does_not_start() {
    let iana = Iana::start();
    let folder = tempfile::tempdir().unwrap();
    let add = "trust_anchors.add_file('new.keys')";
    let wrong = [
        ("trust_anchors.bootstrap_url = 'https://localhost:1/'", "refused"),
        ("trust_anchors.bootstrap_url = 'http://localhost/'", "no URL of HTTPS"),
        ("trust_anchors.bootstrap_ca = '/nowhere.pem'", "/nowhere.pem"),
        ("trust_anchors.bootstrap_ca = 'config'", "no certificate"),
        (
            &format!("trust_anchors.bootstrap_url = 'https://localhost:{}/nothing'", iana.port),
            "expected `<TrustAnchor ` once",
        ),
    ];
    for (setting, why) in wrong {
        let text = format!("{}{setting}\n{add}\n", iana.location());
        fs::write(folder.path().join("config"), text).unwrap();
        let output = run(folder.path(), &["-n"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{setting}: {told}");
        assert!(told.contains("Failed to bootstrap root trust anchors"), "{setting}: {told}");
        assert!(told.contains(why), "{setting}: {told}");
        assert!(!folder.path().join("new.keys").exists());
    }
}
