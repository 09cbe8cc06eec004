//! The resolver under test in the lab: its configuration, its process, questions to it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Lab, os, servers};

/// Where it listens, port 53.
pub const ADDRESS: &str = "127.10.0.1";

/// How often to ask whether it answers, and how long to wait in between.
const READY_ATTEMPTS: usize = 200;
const READY_PAUSE: Duration = Duration::from_millis(50);

/// A running resolver. Ends when dropped.
#[derive(Debug)]
pub struct Resolver {
    process: Child,
    folder: PathBuf,
}

impl Resolver {
    pub(super) fn start(lab: &Lab, program: &Path, more: &str) -> Result<Resolver> {
        let folder = lab.folder().join("resolver");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("config"), lab.resolver_configuration(ADDRESS, more))?;
        let log = fs::File::create(folder.join("log"))?;
        let mut command = lab.command(program);
        command.args(["-n", "-c", "config", "."]).current_dir(&folder).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut resolver = Resolver { process, folder };
        resolver.wait_until_ready(lab)?;
        Ok(resolver)
    }

    fn wait_until_ready(&mut self, lab: &Lab) -> Result<()> {
        for _ in 0..READY_ATTEMPTS {
            if let Some(status) = self.process.try_wait()? {
                bail!("the resolver ended with {status}:\n{}", self.log());
            }
            // Its own TCP socket is the sign of life: it costs no question to anyone.
            let mut question = lab.command("kdig");
            question.args([&format!("@{ADDRESS}"), "+tcp", "+timeout=1", "+retry=0", "+norec"]);
            question.args([".", "NS"]);
            let output = question.output().context("cannot start kdig (package knot-dnsutils)")?;
            if String::from_utf8_lossy(&output.stdout).contains("HEADER") {
                return Ok(());
            }
            std::thread::sleep(READY_PAUSE);
        }
        bail!("the resolver does not answer:\n{}", self.log())
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Its working directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Asks it to end and waits; its exit status, or nothing if it had to be killed.
    pub fn stop(mut self) -> Option<ExitStatus> {
        os::terminate(self.process.id());
        servers::stop(&mut self.process)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        os::terminate(self.process.id());
        servers::stop(&mut self.process);
    }
}

impl Lab {
    /// A configuration that knows this Internet and no other, for a resolver at an address.
    pub fn resolver_configuration(&self, address: &str, more: &str) -> String {
        configuration(self.root_ds(), address, more)
    }
}

fn configuration(root_ds: &str, address: &str, more: &str) -> String {
    let anchors: Vec<String> =
        root_ds.lines().map(|line| format!("trust_anchors.add('{line}')\n")).collect();
    format!(
        "net.ipv6 = false\n\
         net.listen('{address}', 53, {{ kind = 'dns' }})\n\
         modules = {{ 'hints > iterate' }}\n\
         hints.root({{\n\
         \x20   ['a.root-servers.net.'] = '127.1.0.1',\n\
         \x20   ['b.root-servers.net.'] = '127.1.0.2',\n\
         }})\n\
         trust_anchors.remove('.')\n\
         {}\
         option('ALLOW_LOCAL', true)\n\
         cache.size = 20 * MB\n\
         {more}\n",
        anchors.concat()
    )
}
