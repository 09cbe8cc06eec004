//! `cargo xtask setup`: the programs that the tests start, from the distribution's packages.
//!
//! Only what is missing is installed. Without the rights to do so it says what to type.

use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{cargo, is_there, run, succeeds};

/// A program that tests start, the Debian package that has it, and the service that the package
/// would start by itself, which nobody asked for.
struct Need {
    program: &'static str,
    package: &'static str,
    service: Option<&'static str>,
}

/// What `cargo xtask ci` needs beyond a Rust toolchain and a C compiler.
const NEEDS: &[Need] = &[
    Need { program: "knotd", package: "knot", service: Some("knot.service") },
    Need { program: "keymgr", package: "knot", service: Some("knot.service") },
    Need { program: "kdig", package: "knot-dnsutils", service: None },
    Need { program: "delv", package: "bind9-dnsutils", service: None },
    Need { program: "dnssec-signzone", package: "bind9-utils", service: None },
    Need { program: "ldns-signzone", package: "ldnsutils", service: None },
    Need {
        program: "redis-server",
        package: "redis-server",
        service: Some("redis-server.service"),
    },
    Need { program: "openssl", package: "openssl", service: None },
    Need { program: "curl", package: "curl", service: None },
];

/// Parts of the Rust toolchain that a minimal installation lacks.
const COMPONENTS: &[(&str, &str)] = &[("fmt", "rustfmt"), ("clippy", "clippy")];

/// Installs what is missing, or says how.
pub fn setup() -> Result<()> {
    for (command, component) in COMPONENTS {
        if !succeeds(cargo().args([command, "--version"])) {
            run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !is_there(need.program)).collect();
    if missing.is_empty() {
        println!("    nothing is missing");
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.dedup();
    let by_hand = format!("sudo apt-get install --no-install-recommends {}", packages.join(" "));
    let Some(prefix) = privileges() else {
        bail!("neither root nor sudo without a password; please run: {by_hand}");
    };
    if !is_there("apt-get") {
        bail!("no apt-get here; please install the equivalents of: {}", packages.join(" "));
    }
    if std::path::Path::new("/run/systemd/system").exists() {
        for service in missing.iter().filter_map(|need| need.service) {
            println!("    {service} is masked, so that it does not take port 53 of this machine");
            run(privileged(prefix, &["systemctl", "mask", service]).env("LC_ALL", "C"))?;
        }
    }
    let options = ["apt-get", "install", "--yes", "--no-install-recommends"];
    let mut install = privileged(prefix, &options);
    install.args(&packages).env("DEBIAN_FRONTEND", "noninteractive");
    if run(&mut install).is_ok() {
        return Ok(());
    }
    run(privileged(prefix, &["apt-get", "update"]).env("DEBIAN_FRONTEND", "noninteractive"))?;
    run(&mut install)
}

/// What to put in front of a command so that it runs as root; `None` if nothing helps.
fn privileges() -> Option<&'static [&'static str]> {
    if is_root() {
        return Some(&[]);
    }
    succeeds(Command::new("sudo").args(["-n", "true"])).then_some(&["sudo", "-n"])
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

fn privileged(prefix: &[&str], words: &[&str]) -> Command {
    let mut all = prefix.iter().chain(words);
    let mut command = Command::new(all.next().copied().unwrap_or("true"));
    command.args(all);
    command
}
