//! Steps of a longer job: each announced, timed, and named again when it fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A job with a fixed number of steps.
#[derive(Debug)]
pub struct Steps {
    started: Instant,
    total: usize,
    done: usize,
}

impl Steps {
    /// Starts the watch for a job of `total` steps.
    pub fn new(total: usize) -> Steps {
        Steps { started: now(), total, done: 0 }
    }

    /// Runs one step; its failure names it.
    pub fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        self.done += 1;
        let place = format!("{}/{}", self.done, self.total);
        println!("\n==> [{place}] {name}  (at {})", clock(self.started.elapsed()));
        let begun = now();
        step().with_context(|| format!("step {place} failed: {name}"))?;
        println!("<== [{place}] {name}: good after {}", clock(begun.elapsed()));
        Ok(())
    }

    /// Time since the job began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "a tool for people times itself")]
fn now() -> Instant {
    Instant::now()
}

/// Minutes and seconds.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// Runs a command with the terminal's own input and output; fails unless it succeeds.
pub fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    println!("    $ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}`: {status}");
    }
    Ok(())
}

/// Whether a program can be started at all.
pub fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&paths).chain(system).any(|folder| folder.join(program).is_file())
}

/// Runs a command silently; whether it succeeded.
pub fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// `cargo`, in the workspace, as the one that runs this tool.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::tree::root());
    command
}
