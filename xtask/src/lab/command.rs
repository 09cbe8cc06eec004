//! `cargo xtask lab` for people: start everything, say what to try, wait for Ctrl-C.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{cargo, run};

use super::{ADDRESS, Lab, os};

/// Environment variable with the path of another resolver's program.
const OTHER_PROGRAM: &str = "KRESD";

/// Starts the lab with the resolver in it, prints questions to try, and stays until Ctrl-C.
pub fn lab() -> Result<()> {
    let program = program()?;
    let lab = Lab::start()?;
    let resolver = lab.resolver(&program, "log_level('info')")?;
    let way_in = lab.way_in();
    println!(
        "{} answers on {ADDRESS} for the lab's Internet. Try, from another terminal:\n",
        program.display()
    );
    for question in ["www.plain.com AAAA", "+dnssec far.alias.net A", "+tcp text.big.net TXT"] {
        println!("    {way_in}kdig @{ADDRESS} {question}");
    }
    println!("\nZones, logs and the configuration: {}", lab.folder().display());
    println!("The zones are described in xtask/src/lab/world.rs. Ctrl-C ends it.");
    os::wait_for_interrupt()?;
    println!("\nstopping");
    drop(resolver);
    Ok(())
}

/// Starts the lab with the resolver in it and runs one command inside.
pub fn run_in_lab(words: &[&str]) -> Result<()> {
    let Some((first, rest)) = words.split_first() else { bail!("no command was given") };
    let program = program()?;
    let lab = Lab::start()?;
    let _resolver = lab.resolver(&program, "log_level('info')")?;
    let mut command: Command = lab.command(first);
    command.args(rest).env("RESOLVER", ADDRESS).env("LAB", lab.folder());
    let status = command.status().with_context(|| format!("cannot start {first}"))?;
    if !status.success() {
        bail!("{first}: {status}");
    }
    Ok(())
}

/// The program to start: ours, built now, unless the environment names another.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(OTHER_PROGRAM) {
        return Ok(PathBuf::from(path));
    }
    run(cargo().args(["build", "--package", "daemon", "--bin", "kresd"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(target.unwrap_or_else(|| crate::tree::root().join("target")).join("debug").join("kresd"))
}
