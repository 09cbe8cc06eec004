//! The resolvers that are compared: ours, and those that the distribution has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use crate::lab::Lab;

/// Who is asked, and where: ours first. BIND only listens on addresses that the system lists.
pub(super) const RESOLVERS: [(&str, &str, u16); 4] = [
    ("kres", "127.10.0.1", 53),
    ("kresd 5.6", "127.10.0.2", 53),
    ("unbound", "127.10.0.3", 53),
    ("named", "127.0.0.1", 5300),
];

/// The program of Knot Resolver, unless the environment names another.
const KRESD: &str = "/usr/sbin/kresd";

/// The other three, running. They end when this is dropped.
pub(super) struct Peers(Vec<Child>);

impl Peers {
    pub(super) fn start(lab: &Lab) -> Result<Peers> {
        let mut peers = Peers(Vec::new());
        let kresd = std::env::var_os("KRESD_5").map_or_else(|| PathBuf::from(KRESD), PathBuf::from);
        let folder = |name: &str| -> Result<PathBuf> {
            let folder = lab.folder().join(name);
            fs::create_dir_all(&folder)?;
            Ok(folder)
        };
        let own = folder("kresd")?;
        fs::write(own.join("config"), lab.resolver_configuration(RESOLVERS[1].1, ""))?;
        peers.spawn(lab, &kresd, &["-n", "-c", "config", "."], &own)?;
        let own = folder("unbound")?;
        fs::write(own.join("hints"), HINTS)?;
        fs::write(own.join("unbound.conf"), unbound(lab, &own))?;
        peers.spawn(lab, Path::new("unbound"), &["-d", "-p", "-c", "unbound.conf"], &own)?;
        let own = folder("named")?;
        fs::write(own.join("hints"), HINTS)?;
        fs::write(own.join("named.conf"), named(lab, &own))?;
        peers.spawn(lab, Path::new("named"), &["-g", "-n", "1", "-c", "named.conf"], &own)?;
        Ok(peers)
    }

    fn spawn(&mut self, lab: &Lab, program: &Path, words: &[&str], folder: &Path) -> Result<()> {
        let log = fs::File::create(folder.join("log"))?;
        let mut command = lab.command(program);
        command.args(words).current_dir(folder).env("PATH", crate::lab::system_path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        self.0.push(child);
        Ok(())
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended already has nothing to be told.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const HINTS: &str = "\
. 3600000 NS a.root-servers.net.
. 3600000 NS b.root-servers.net.
a.root-servers.net. 3600000 A 127.1.0.1
b.root-servers.net. 3600000 A 127.1.0.2
";

fn unbound(lab: &Lab, folder: &Path) -> String {
    let anchors: String =
        lab.root_ds().lines().map(|line| format!("  trust-anchor: \"{line}\"\n")).collect();
    format!(
        "server:\n  interface: {}\n  port: 53\n  do-ip6: no\n  access-control: 127.0.0.0/8 allow\n\
         \x20 do-not-query-localhost: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"{}\"\n\
         \x20 pidfile: \"\"\n  use-syslog: no\n  root-hints: \"hints\"\n  num-threads: 1\n\
         \x20 unblock-lan-zones: yes\n  insecure-lan-zones: no\n{anchors}\
         remote-control:\n  control-enable: no\n",
        RESOLVERS[2].1,
        folder.display(),
    )
}

fn named(lab: &Lab, folder: &Path) -> String {
    format!(
        "options {{ directory \"{}\"; listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }};\n\
         \x20 recursion yes; allow-query {{ any; }}; allow-recursion {{ any; }};\n\
         \x20 dnssec-validation yes; empty-zones-enable no; pid-file none;\n\
         \x20 session-keyfile \"session.key\"; managed-keys-directory \"{}\"; }};\n\
         server ::/0 {{ bogus yes; }};\n\
         controls {{ }};\n{}zone \".\" {{ type hint; file \"hints\"; }};\n",
        folder.display(),
        RESOLVERS[3].2,
        RESOLVERS[3].1,
        folder.display(),
        lab.anchors(),
    )
}
