//! A roll of the root's key (RFC 5011) with a real signer, Knot DNS, times shortened to seconds, and
//! a restart in the middle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use xtask::lab::{ADDRESS, Lab};

use crate::e2e::program;
use crate::process::{Running, eventually};

/// Where the root of these tests is served, in the lab's network.
const ROOT: &str = "127.77.0.1";

const ZONE: &str = "$ORIGIN .\n$TTL 2\n@ SOA a.root. h.root. 1 3600 900 604800 2\n@ NS a.root.\n\
                    a.root. A 127.77.0.1\nsome. TXT \"ok\"\n";

/// A root zone whose keys are changed by hand.
struct Root {
    lab: Lab,
    folder: TempDir,
    server: Child,
}

impl Root {
    fn start() -> Root {
        let lab = Lab::start().expect("the lab starts");
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().display();
        let configuration = format!(
            "server:\n  rundir: {own}\n  listen: [ {ROOT}@53 ]\n\
             \x20 udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             database:\n  storage: {own}\nlog:\n- target: stderr\n  any: info\n\
             policy:\n- id: p\n  algorithm: ecdsap256sha256\n  manual: on\n  dnskey-ttl: 2\n\
             template:\n- id: default\n  storage: {own}\n  zonefile-sync: -1\n\
             \x20 journal-content: none\n  semantic-checks: off\n\
             zone:\n- domain: .\n  file: root.zone\n  dnssec-signing: on\n  dnssec-policy: p\n"
        );
        fs::write(folder.path().join("knot.conf"), configuration).unwrap();
        fs::write(folder.path().join("root.zone"), ZONE).unwrap();
        for kind in ["ksk=yes", "zsk=yes"] {
            knot(&lab, folder.path(), "keymgr", &[".", "generate", kind]);
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let server = command(&lab, folder.path(), "knotd")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("knotd starts (package knot)");
        let root = Root { lab, folder, server };
        eventually("the root is served", || (root.keys().len() == 2).then_some(()));
        root
    }

    fn knot(&self, program: &str, words: &[&str]) -> String {
        knot(&self.lab, self.folder.path(), program, words)
    }

    /// Changes keys and signs anew.
    fn change(&self, words: &[&str]) {
        self.knot("keymgr", words);
        self.knot("knotc", &["zone-sign", "."]);
    }

    /// The published keys, as their flags and tags.
    fn keys(&self) -> Vec<String> {
        let mut kdig = self.lab.command("kdig");
        kdig.args([&format!("@{ROOT}"), "+short", "+nocrypto", "+timeout=1", "+retry=0"]);
        let output = kdig.args([".", "DNSKEY"]).output().expect("kdig starts");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Tags of the keys that sign keys, the oldest first.
    fn tags(&self) -> Vec<String> {
        let list = self.knot("keymgr", &[".", "list"]);
        let mut keys: Vec<Vec<&str>> = list
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|words| words.contains(&"KSK"))
            .collect();
        keys.sort_by_key(|words| words.iter().find(|word| word.starts_with("publish=")).copied());
        keys.iter().map(|words| words[1].to_owned()).collect()
    }

    /// A file with the DS of the root's first key.
    fn write_anchor(&self, path: &Path) {
        let ds = self.knot("keymgr", &[".", "ds"]);
        let sha256 = |line: &&str| line.split_whitespace().nth(4) == Some("2");
        fs::write(path, ds.lines().find(sha256).expect("a DS")).unwrap();
    }

    /// Starts a resolver whose configuration ends with these lines.
    fn resolver(&self, folder: &Path, more: &str) -> Resolver {
        let text = format!(
            "net.ipv6 = false\nnet.listen('{ADDRESS}', 53)\ncache.size = 1*MB\n\
             modules = {{ 'hints > iterate' }}\nhints.root({{ ['a.root.'] = '{ROOT}' }})\n\
             option('ALLOW_LOCAL', true)\n\
             trust_anchors.remove('.')\nlog_level('info')\n{more}\n"
        );
        fs::write(folder.join("config"), text).unwrap();
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = self.lab.command(program());
        command.args(["-n", "-c", "config", "."]).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("the program starts");
        let resolver = Resolver { child, log: folder.join("log") };
        eventually("an answer", || self.is_secure().then_some(()));
        resolver
    }

    /// Is a name of the zone validated?
    fn is_secure(&self) -> bool {
        let answer = self.lab.ask("+adflag +timeout=1 some. TXT");
        answer.is_ok_and(|answer| answer.to_string() == "NOERROR ad\nsome. TXT \"ok\"")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ended = self.server.kill();
        let _waited = self.server.wait();
    }
}

fn command(lab: &Lab, folder: &Path, program: &str) -> Command {
    let mut command = lab.command(program);
    command.arg("-c").arg(folder.join("knot.conf")).current_dir(folder);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

fn knot(lab: &Lab, folder: &Path, program: &str, words: &[&str]) -> String {
    let output = command(lab, folder, program).args(words).output().expect("package knot");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A resolver in the lab.
struct Resolver {
    child: Child,
    log: PathBuf,
}

impl Resolver {
    fn stop(mut self) {
        Running::signal(self.child.id(), "TERM");
        let status = eventually("the end", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0));
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// The lines of a file of keys that hold a key with this tag.
fn line_of(file: &Path, tag: &str) -> Option<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let wanted = format!("; KeyTag:{tag}");
    text.lines().find(|line| line.ends_with(&wanted)).map(str::to_owned)
}

/// Waits until a key is in a state. Returns its line.
#[track_caller]
fn wait_for(file: &Path, tag: &str, state: &str) -> String {
    let word = format!("; {state}:");
    eventually(&format!("key {tag} in state {state}"), || {
        line_of(file, tag).filter(|line| line.contains(&word))
    })
}

#[test]
fn a_key_rolls_through_a_restart() {
    let root = Root::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.keys");
    root.write_anchor(&file);
    let configuration = "trust_anchors.hold_down_time = 4 * sec\n\
                         trust_anchors.refresh_time = 200\n\
                         trust_anchors.add_file('root.keys')";
    let resolver = root.resolver(folder.path(), configuration);
    let first = root.tags().remove(0);
    assert!(wait_for(&file, &first, "Valid").contains("\tDNSKEY\t257 3 13 "));

    root.change(&[".", "generate", "ksk=yes"]);
    let second = root.tags().into_iter().find(|tag| *tag != first).unwrap();
    let watched = wait_for(&file, &second, "AddPend");
    assert!(watched.starts_with("; ."), "not for programs that know no states: {watched}");
    resolver.stop();
    let resolver = root.resolver(folder.path(), configuration);
    if let Some(line) = line_of(&file, &second).filter(|line| line.contains("; AddPend:")) {
        assert_eq!(line, watched, "its time goes on where it was");
    }
    wait_for(&file, &second, "Valid");

    root.change(&[".", "set", &format!("keytag={first}"), "revoke=+0"]);
    wait_for(&file, &first, "Revoked");
    assert!(root.is_secure());
    eventually("the revoked key is forgotten", || line_of(&file, &first).is_none().then_some(()));
    let id = root.knot("keymgr", &[".", "list"]);
    let id = id.lines().find(|line| line.contains("revoke=")).unwrap();
    let id = id.split_whitespace().next().unwrap();
    root.change(&[".", "delete", id]);
    eventually("the new key alone", || (root.keys().len() == 2).then_some(()));
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
    eventually("still secure", || root.is_secure().then_some(()));
    resolver.stop();
    let left = fs::read_dir(folder.path()).unwrap().filter_map(|entry| entry.ok());
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().contains(".lock.")));
}

#[test]
fn a_file_that_cannot_be_written_is_no_end() {
    let root = Root::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.keys");
    root.write_anchor(&file);
    let before = fs::read_to_string(&file).unwrap();
    let configuration = "trust_anchors.refresh_time = 200\n\
                         trust_anchors.hold_down_time = 1 * sec\n\
                         trust_anchors.add_file('root.keys')\n\
                         os.execute('mkdir root.keys.lock.' .. worker.pid)";
    let resolver = root.resolver(folder.path(), configuration);
    eventually("a warning", || resolver.log().contains("cannot be written").then_some(()));
    root.change(&[".", "generate", "ksk=yes"]);
    eventually("the new key is trusted", || {
        resolver.log().contains("state: Valid (was AddPend)").then_some(())
    });
    assert!(root.is_secure());
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    resolver.stop();
}

#[test]
fn who_only_reads_a_file_is_told_of_new_keys() {
    let root = Root::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.keys");
    root.write_anchor(&file);
    let before = fs::read_to_string(&file).unwrap();
    let configuration = "trust_anchors.refresh_time = 200\n\
                         trust_anchors.add_file('root.keys', true)";
    let resolver = root.resolver(folder.path(), configuration);
    root.change(&[".", "generate", "ksk=yes"]);
    let words = "you need to update package with trust anchors in \"root.keys\"";
    eventually("a warning", || resolver.log().contains(words).then_some(()));
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    resolver.stop();
}
