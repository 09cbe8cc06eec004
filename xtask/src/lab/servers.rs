//! From the description of the world to running servers: keys, zone files, configurations,
//! processes.
//!
//! Knot DNS signs most zones when it loads them; those that other tools sign it serves as they are.
//! The keys are made first, because the parents' DS records have to be in their zone files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::namespace::Namespace;
use super::world::{ALGORITHMS, Denial, Ds, NameServer, SERVERS, Server, Signing, Zone};
use super::{os, presign};

/// How often the servers are asked whether they are ready, and how long to wait in between: half a
/// minute together, of which a second is used on an idle machine.
const READY_ATTEMPTS: usize = 300;
const READY_PAUSE: Duration = Duration::from_millis(100);

/// Time a server has to end after it was asked to, in steps of [`STOP_PAUSE`].
const STOP_ATTEMPTS: usize = 100;
const STOP_PAUSE: Duration = Duration::from_millis(10);

/// A digest of nothing.
const WRONG_DS: &str =
    "12345 13 2 0000000000000000000000000000000000000000000000000000000000000000";

/// The running servers.
#[derive(Debug)]
pub(super) struct Servers {
    processes: Vec<Child>,
    root_ds: String,
}

impl Servers {
    /// Starts all of them and waits until each answers for its zones.
    pub(super) fn start(namespace: &Namespace, folder: &Path, world: &[Zone]) -> Result<Servers> {
        for server in SERVERS {
            write_configuration(&server_folder(folder, *server), *server, world)?;
        }
        let keys = make_keys(folder, world)?;
        for zone in world {
            let own = server_folder(folder, zone.server);
            let file = own.join("zones").join(file_name(zone.name));
            fs::write(&file, zone_file(zone, world, &keys))?;
            if let Signing::Presigned(tools, _, denial) = zone.signing {
                presign::sign(&key_folder(&own, zone), zone.name, &file, (tools, denial))?;
            }
        }
        let root_ds = keys.get(".").cloned().unwrap_or_default();
        let mut servers = Servers { processes: Vec::new(), root_ds };
        for server in SERVERS {
            let own = server_folder(folder, *server);
            let mut command = Command::new("knotd");
            namespace.enter(&mut command);
            let log = fs::File::create(own.join("log"))?;
            command.arg("-c").arg(own.join("knot.conf")).current_dir(&own).env("PATH", path());
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
            servers.processes.push(command.spawn().context("cannot start knotd (package knot)")?);
        }
        for server in SERVERS {
            wait_until_ready(namespace, *server, world)
                .with_context(|| complaints(folder, *server))?;
        }
        Ok(servers)
    }

    /// The DS record set of the root.
    pub(super) fn root_ds(&self) -> &str {
        &self.root_ds
    }

    /// Ends all of them.
    pub(super) fn stop(&mut self) {
        for process in &self.processes {
            os::terminate(process.id());
        }
        for mut process in self.processes.drain(..) {
            stop(&mut process);
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits for a process that was asked to end, and kills it if it does not; its exit status if it
/// ended by itself.
pub(super) fn stop(process: &mut Child) -> Option<std::process::ExitStatus> {
    for _ in 0..STOP_ATTEMPTS {
        if let Ok(Some(status)) = process.try_wait() {
            return Some(status);
        }
        std::thread::sleep(STOP_PAUSE);
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

/// Where programs are: Debian keeps servers where ordinary users do not look.
pub fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn server_folder(folder: &Path, server: Server) -> PathBuf {
    folder.join(format!("{server:?}").to_lowercase())
}

/// Where the keys of a zone are that tools sign.
fn key_folder(own: &Path, zone: &Zone) -> PathBuf {
    own.join("keys").join(zone.name)
}

fn file_name(zone: &str) -> String {
    if zone == "." { "root.zone".into() } else { format!("{zone}.zone") }
}

fn policy(algorithm: &str, denial: Denial) -> String {
    format!("{algorithm}-{denial:?}").to_lowercase()
}

/// The name with a final dot.
fn absolute(name: &str) -> String {
    if name == "." { name.into() } else { format!("{name}.") }
}

fn write_configuration(own: &Path, server: Server, world: &[Zone]) -> Result<()> {
    fs::create_dir_all(own.join("zones"))?;
    let mut text = String::new();
    let listen: Vec<String> =
        server.addresses().iter().map(|address| format!("{address}@53")).collect();
    writeln!(text, "server:\n  rundir: {}\n  listen: [ {} ]", own.display(), listen.join(", "))?;
    writeln!(text, "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1")?;
    writeln!(text, "database:\n  storage: {}", own.display())?;
    writeln!(text, "log:\n- target: stderr\n  any: info")?;
    let zones: Vec<&Zone> = world.iter().filter(|zone| zone.server == server).collect();
    let mut policies = BTreeMap::new();
    for zone in &zones {
        if let Signing::Signed(algorithm, denial) = zone.signing {
            policies.insert(policy(algorithm, denial), (algorithm, denial));
        }
    }
    if !policies.is_empty() {
        writeln!(text, "policy:")?;
    }
    for (id, (algorithm, denial)) in policies {
        writeln!(text, "- id: {id}\n  algorithm: {algorithm}\n  manual: on")?;
        let (nsec3, opt_out) = (denial != Denial::Nsec, denial == Denial::Nsec3OptOut);
        if nsec3 {
            writeln!(text, "  nsec3: on\n  nsec3-iterations: 0\n  nsec3-salt-length: 0")?;
        }
        if opt_out {
            writeln!(text, "  nsec3-opt-out: on")?;
        }
    }
    writeln!(text, "template:\n- id: default\n  storage: {}", own.join("zones").display())?;
    writeln!(text, "  zonefile-sync: -1\n  journal-content: none\n  semantic-checks: off")?;
    if server == Server::Stubborn {
        writeln!(text, "  global-module: mod-noudp")?;
    }
    writeln!(text, "zone:")?;
    for zone in zones {
        writeln!(text, "- domain: {}\n  file: {}", absolute(zone.name), file_name(zone.name))?;
        if let Signing::Signed(algorithm, denial) = zone.signing {
            writeln!(text, "  dnssec-signing: on\n  dnssec-policy: {}", policy(algorithm, denial))?;
        }
    }
    fs::write(own.join("knot.conf"), text)?;
    Ok(())
}

/// Makes a key for each signed zone; its DS records as zone file lines, by zone.
fn make_keys(folder: &Path, world: &[Zone]) -> Result<BTreeMap<&'static str, String>> {
    let mut keys = BTreeMap::new();
    for zone in world {
        let own = server_folder(folder, zone.server);
        let algorithm = match zone.signing {
            Signing::Unsigned => continue,
            // By its number, since the configuration and this tool have different names for some.
            Signing::Signed(algorithm, _) => {
                let known = ALGORITHMS.iter().find(|(_, name, ..)| *name == algorithm);
                format!("algorithm={}", known.map_or(0, |(number, ..)| *number))
            }
            Signing::Presigned(tools, algorithm, _) => {
                let ds = presign::make_keys(&key_folder(&own, zone), zone.name, tools, algorithm)?;
                keys.insert(zone.name, ds);
                continue;
            }
        };
        keymgr(&own, zone.name, &["generate", &algorithm, "ksk=yes", "zsk=yes"])?;
        let lines = keymgr(&own, zone.name, &["ds"])?;
        // Knot prints one line per digest; SHA-256 is enough and is what registries publish.
        let sha256 = lines.lines().filter(|line| line.split_whitespace().nth(4) == Some("2"));
        let lines: Vec<&str> = sha256.collect();
        if lines.is_empty() {
            bail!("keymgr printed no SHA-256 DS record for {}", zone.name);
        }
        keys.insert(zone.name, lines.join("\n"));
    }
    Ok(keys)
}

fn keymgr(own: &Path, zone: &str, words: &[&str]) -> Result<String> {
    let mut command = Command::new("keymgr");
    command.arg("-c").arg(own.join("knot.conf")).arg(absolute(zone)).args(words);
    command.env("PATH", path()).stdin(Stdio::null());
    let output = command.output().context("cannot start keymgr (package knot)")?;
    if !output.status.success() {
        bail!("keymgr {zone} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The name servers of a zone, those by default included.
fn name_servers(zone: &Zone) -> Vec<(String, Option<String>)> {
    if !zone.name_servers.is_empty() {
        let own = |ns: &NameServer| (ns.name.to_string(), ns.address.map(str::to_string));
        return zone.name_servers.iter().map(own).collect();
    }
    let numbered = zone.server.addresses().iter().enumerate();
    numbered.map(|(i, a)| (format!("ns{}.{}", i + 1, zone.name), Some(a.to_string()))).collect()
}

/// Whether `name` is `zone` or below it.
fn is_below(name: &str, zone: &str) -> bool {
    zone == "." || name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

/// The deepest zone above another.
fn parent<'a>(name: &str, world: &'a [Zone]) -> Option<&'a Zone> {
    let above = world.iter().filter(|zone| zone.name != name && is_below(name, zone.name));
    above.max_by_key(|zone| if zone.name == "." { 0 } else { zone.name.len() })
}

fn zone_file(zone: &Zone, world: &[Zone], keys: &BTreeMap<&str, String>) -> String {
    let servers = name_servers(zone);
    let primary = servers.first().map_or(".", |(name, _)| name.as_str());
    let mut text = format!("$ORIGIN {}\n$TTL 3600\n", absolute(zone.name));
    text.push_str(&format!("@ SOA {}. hostmaster.{primary}. 1 3600 900 604800 300\n", primary));
    for (name, address) in &servers {
        text.push_str(&format!("@ NS {name}.\n"));
        if let Some(address) = address.as_ref().filter(|_| is_below(name, zone.name)) {
            text.push_str(&format!("{name}. A {address}\n"));
        }
    }
    text.push_str(&zone.records);
    for child in world {
        if child.name != "." && parent(child.name, world).is_some_and(|p| p.name == zone.name) {
            delegate(&mut text, child, keys);
        }
    }
    text
}

fn delegate(text: &mut String, child: &Zone, keys: &BTreeMap<&str, String>) {
    for (name, address) in name_servers(child) {
        text.push_str(&format!("{}. NS {name}.\n", child.name));
        if let Some(address) = address.filter(|_| is_below(&name, child.name)) {
            text.push_str(&format!("{name}. A {address}\n"));
        }
    }
    match child.ds {
        Ds::True => {
            if let Some(ds) = keys.get(child.name) {
                text.push_str(&format!("{ds}\n"));
            }
        }
        Ds::Absent => {}
        Ds::Wrong => text.push_str(&format!("{}. DS {WRONG_DS}\n", child.name)),
    }
}

/// What a server has logged about failures.
fn complaints(folder: &Path, server: Server) -> String {
    let log = fs::read_to_string(server_folder(folder, server).join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" error: ")).collect();
    format!("the server {server:?} is not ready: {}", lines.join("; "))
}

/// Asks a server for the SOA of each of its zones until it has them all.
fn wait_until_ready(namespace: &Namespace, server: Server, world: &[Zone]) -> Result<()> {
    let zones: Vec<String> =
        world.iter().filter(|zone| zone.server == server).map(|zone| absolute(zone.name)).collect();
    let Some(address) = server.addresses().first() else { return Ok(()) };
    for _ in 0..READY_ATTEMPTS {
        let mut command = Command::new("kdig");
        namespace.enter(&mut command);
        command.args([&format!("@{address}"), "+short", "+timeout=1", "+retry=0", "+tcp"]);
        for zone in &zones {
            command.args([zone, "SOA"]);
        }
        let output = command.output().context("cannot start kdig (package knot-dnsutils)")?;
        let answers = String::from_utf8_lossy(&output.stdout);
        let soa = answers.lines().filter(|line| line.contains("hostmaster")).count();
        if soa == zones.len() {
            return Ok(());
        }
        std::thread::sleep(READY_PAUSE);
    }
    bail!("the server {server:?} does not serve all of its zones")
}

#[cfg(test)]
mod tests {
    use super::super::world::world;
    use super::*;

    #[test]
    fn delegations_come_from_the_children() {
        let world = world();
        let keys = BTreeMap::from([("nsec.com", "nsec.com. DS 1 13 2 AB".to_string())]);
        let com = world.iter().find(|zone| zone.name == "com").expect("com");
        let text = zone_file(com, &world, &keys);
        assert!(text.contains("plain.com. NS ns1.plain.com.\nns1.plain.com. A 127.3.0.1\n"));
        assert!(text.contains("nsec.com. DS 1 13 2 AB\n"));
        assert!(!text.contains("sub.plain.com"), "{text}");
    }

    #[test]
    fn glue_is_written_only_for_names_below_the_cut() {
        let world = world();
        let cz = world.iter().find(|zone| zone.name == "cz").expect("cz");
        let text = zone_file(cz, &world, &BTreeMap::new());
        assert!(text.contains("no-glue.cz. NS ns.plain.com.\n"));
        assert!(!text.contains("ns.plain.com. A"));
        assert!(text.contains(&format!("bogus.cz. DS {WRONG_DS}")));
    }

    #[test]
    fn below_means_whole_labels() {
        assert!(is_below("a.b.c", "b.c") && is_below("b.c", "b.c") && is_below("b.c", "."));
        assert!(!is_below("xb.c", "b.c"));
    }
}
