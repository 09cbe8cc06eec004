//! Zones that BIND's tools and those of ldns sign, before Knot DNS serves them as they are.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::servers::path;
use super::world::{ALGORITHMS, Denial, Tools};

/// Bits of RSA keys: the fewest that BIND makes, since nobody keeps them.
const RSA_BITS: &str = "1024";

/// Makes a key signing and a zone signing key; the DS record of the first as a zone file line.
pub(super) fn make_keys(
    folder: &Path,
    zone: &str,
    tools: Tools,
    algorithm: &str,
) -> Result<String> {
    fs::create_dir_all(folder)?;
    let Some((_, knot, bind, ldns)) = ALGORITHMS.iter().find(|(_, knot, ..)| *knot == algorithm)
    else {
        bail!("no signer knows the algorithm {algorithm}");
    };
    let size: &[&str] = if knot.starts_with("rsa") { &["-b", RSA_BITS] } else { &[] };
    let (generate, first, digest): (&str, Vec<&str>, &[&str]) = match tools {
        Tools::Bind => {
            ("dnssec-keygen", [&["-q", "-a", bind], size].concat(), &["dnssec-dsfromkey", "-2"])
        }
        Tools::Ldns => {
            ("ldns-keygen", [&["-a", ldns], size].concat(), &["ldns-key2ds", "-n", "-2"])
        }
    };
    let entry: &[&str] = if tools == Tools::Bind { &["-f", "KSK"] } else { &["-k"] };
    let key_signing = run(folder, generate, &[first.as_slice(), entry, &[zone]].concat())?;
    let zone_signing = run(folder, generate, &[first.as_slice(), &[zone]].concat())?;
    fs::write(folder.join("names"), format!("{}\n{}\n", key_signing.trim(), zone_signing.trim()))?;
    let file = format!("{}.key", key_signing.trim());
    let (program, options) = (digest[0], &digest[1..]);
    let ds = run(folder, program, &[options, &[file.as_str()]].concat())?;
    // One of the two writes the TTL of its choice, which is as good as the zone's own.
    Ok(ds.trim().to_string())
}

/// Signs a zone file in place, with the keys that were made for it.
pub(super) fn sign(
    folder: &Path,
    zone: &str,
    file: &Path,
    (tools, denial): (Tools, Denial),
) -> Result<()> {
    let signed = folder.join("signed");
    let (from, to) = (file.display().to_string(), signed.display().to_string());
    let nsec3 = denial != Denial::Nsec;
    let opt_out = denial == Denial::Nsec3OptOut;
    let mut words: Vec<&str> = Vec::new();
    let names = fs::read_to_string(folder.join("names"))?;
    let program = match tools {
        Tools::Bind => {
            words.extend(["-q", "-S", "-o", zone, "-f", &to]);
            words.extend(if nsec3 { &["-3", "-", "-H", "0"][..] } else { &[] });
            words.extend(if opt_out { &["-A"][..] } else { &[] });
            words.push(&from);
            "dnssec-signzone"
        }
        Tools::Ldns => {
            words.extend(["-o", zone, "-f", &to]);
            words.extend(if nsec3 { &["-n", "-t", "0"][..] } else { &[] });
            words.extend(if opt_out { &["-p"][..] } else { &[] });
            words.push(&from);
            words.extend(names.lines());
            "ldns-signzone"
        }
    };
    run(folder, program, &words)?;
    fs::rename(&signed, file).with_context(|| format!("the signed zone {zone}"))
}

fn run(folder: &Path, program: &str, words: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).env("PATH", path()).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{program} {words:?}: {}", String::from_utf8_lossy(&said));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
