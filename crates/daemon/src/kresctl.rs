//! The program `kresctl`: commands for the processes that work in a run directory.
//!
//! Each of them has a control socket; what they are asked is Lua, as on their console. Nothing here
//! knows what a command means: how one is run on all processes and reported is in `instances.rs`.

mod cache;
mod cli;
mod instances;
mod reload;

use std::fmt::Display;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use clap::error::ErrorKind;

use crate::control;
use crate::prompt::{self, Backend, call};
use crate::start::words;
use cli::{Command, Options};
use instances::{Instance, Instances};

/// Exit status when a command failed on a process.
const STATUS_FAILED: u8 = 1;
/// Exit status of a command line that cannot be read.
const STATUS_USAGE: u8 = 2;
/// Exit status when no process runs that could be asked.
const STATUS_NOBODY: u8 = 3;
/// Where packages keep the run directory.
const RUN_DIRECTORY: &str = "/run/knot-resolver";
/// What names another one.
const RUN_DIRECTORY_VARIABLE: &str = "KRES_RUNDIR";
/// Longest input that is taken as one command, in octets; processes take no more.
const INPUT_BYTES_MAX: u64 = 1024 * 1024;
/// How long processes may take to end, and how often they are looked at meanwhile.
const STOP_WAIT: Duration = Duration::from_secs(15);
const STOP_LOOK: Duration = Duration::from_millis(20);

/// The program `kresctl`.
pub fn control_main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let _nobody = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { 0 } else { STATUS_USAGE });
        }
    };
    match run(&options) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            complain(words(&error));
            ExitCode::from(STATUS_FAILED)
        }
    }
}

/// A line of what was asked for. If nobody reads it, nobody can be told.
fn say(text: impl Display) {
    let _nobody = writeln!(std::io::stdout(), "{text}");
}

/// A line about what went wrong.
fn complain(text: impl Display) {
    let _nobody = writeln!(std::io::stderr(), "kresctl: {text}");
}

/// The run directory that is meant: the one named, the present one if it is one, that of packages.
fn run_directory(options: &Options) -> PathBuf {
    let named = options.rundir.clone();
    match named.or_else(|| std::env::var_os(RUN_DIRECTORY_VARIABLE).map(PathBuf::from)) {
        Some(directory) => directory,
        None if Path::new(control::DIRECTORY).is_dir() => PathBuf::from("."),
        None => PathBuf::from(RUN_DIRECTORY),
    }
}

fn run(options: &Options) -> Result<u8> {
    let directory = run_directory(options);
    if let Some(Command::Check { no_io, file }) = &options.command {
        return check(&directory, *no_io, file.as_deref());
    }
    if let Some(Command::Cache { command }) = &options.command {
        return cache::run(command, &directory, options.instance.as_deref());
    }
    let mut instances = match Instances::find(&directory, options.instance.as_deref()) {
        Ok(instances) => instances,
        Err(text) => {
            complain(text);
            return Ok(STATUS_NOBODY);
        }
    };
    match options.command.as_ref() {
        Some(Command::Run { json, code }) => run_code(&mut instances, *json, code),
        Some(Command::Status { json }) => status(&mut instances, *json),
        Some(Command::Reload) => reload::reload(&mut instances),
        Some(Command::Stop) => stop(&mut instances),
        Some(Command::Check { .. } | Command::Cache { .. }) => bail!("it was done already"),
        None => talk(instances),
    }
}

/// Without a command: a prompt, whose commands are run on all processes.
fn talk(mut instances: Instances) -> Result<u8> {
    if !std::io::stdin().is_terminal() {
        bail!("nothing to do; 'kresctl --help' shows what, 'kresctl run -' reads Lua from a pipe");
    }
    let names: Vec<&str> = (0..instances.len()).map(|index| instances.name(index)).collect();
    say(format_args!("commands go to {}; Ctrl-D ends", names.join(", ")));
    prompt::converse(Everybody(&mut instances)).context("the prompt")?;
    Ok(0)
}

/// All processes as those who answer a prompt.
struct Everybody<'a>(&'a mut Instances);

impl Backend for Everybody<'_> {
    fn run(&mut self, command: &str) -> Option<Result<String, String>> {
        // Questions of the prompt itself are answered by one of them.
        if self.0.len() == 1 || command.starts_with(prompt::OWN) {
            return Some(self.0.ask(0, command));
        }
        let mut texts = Vec::new();
        for index in 0..self.0.len() {
            let text = self.0.ask(index, command).unwrap_or_else(|error| error);
            texts.push(format!("-- instance {}\n{text}", self.0.name(index)));
        }
        Some(Ok(texts.join("\n")))
    }

    fn interrupt(&mut self) {}
}

/// `run`: the command on each process, and what each answers.
fn run_code(instances: &mut Instances, json: bool, code: &[String]) -> Result<u8> {
    let mut text = code.join(" ");
    if text == "-" {
        text.clear();
        let mut input = std::io::stdin().take(INPUT_BYTES_MAX + 1);
        input.read_to_string(&mut text).context("standard input")?;
        if text.len() as u64 > INPUT_BYTES_MAX {
            bail!("a command may have at most {INPUT_BYTES_MAX} octets");
        }
    }
    let command = if json { call("json", &text) } else { text };
    Ok(report(instances, &command, json))
}

/// `status`: what each process is and does.
fn status(instances: &mut Instances, json: bool) -> Result<u8> {
    if json {
        return Ok(report(instances, "return tojson(__control.state())", true));
    }
    let mut status = 0;
    instances.each(|instance| match instance.ask("return __control.status()") {
        Ok(text) => say(text),
        Err(text) => {
            complain(format_args!("instance {}: {text}", instance.name()));
            status = STATUS_FAILED;
        }
    });
    Ok(status)
}

/// Runs a command on each process and prints the answers: alone as it is, several under the name of
/// their process; as JSON an object of them.
fn report(instances: &mut Instances, command: &str, json: bool) -> u8 {
    let (several, mut failed, mut objects) = (instances.len() > 1, false, Vec::new());
    instances.each(|instance: &mut Instance| match instance.ask(command) {
        Ok(text) if json => objects.push(format!("{:?}: {text}", instance.name())),
        Ok(text) if several => say(format_args!("-- instance {}\n{text}", instance.name())),
        Ok(text) if text.is_empty() => {}
        Ok(text) => say(text),
        Err(text) => {
            complain(format_args!("instance {}: {text}", instance.name()));
            failed = true;
        }
    });
    if json {
        say(format_args!("{{{}}}", objects.join(", ")));
    }
    if failed { STATUS_FAILED } else { 0 }
}

/// `check`: the configuration is run by the program itself, in the way that it starts.
fn check(directory: &Path, no_io: bool, file: Option<&Path>) -> Result<u8> {
    let mut process = Process::new(sibling("kresd")?);
    process.arg("--check").stdin(Stdio::null());
    if no_io {
        process.arg("--no-io");
    }
    if let Some(file) = file {
        // Options of the program are relative to its run directory.
        let file = std::path::absolute(file).with_context(|| file.display().to_string())?;
        process.arg("-c").arg(file);
    }
    process.arg(if directory.is_dir() { directory } else { Path::new(".") });
    let status = process.status().context("kresd cannot be started")?;
    match status.code() {
        Some(0) => {
            say("the configuration is good");
            Ok(0)
        }
        Some(code) => Ok(u8::try_from(code).unwrap_or(STATUS_FAILED)),
        None => bail!("kresd ended by {status}"),
    }
}

/// A program that was installed beside this one, or stands on the path.
fn sibling(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("where this program is")?;
    Ok(own
        .parent()
        .map(|place| place.join(name))
        .filter(|path| path.is_file())
        .unwrap_or(name.into()))
}

/// `stop`: asks all processes to end and waits until they have.
fn stop(instances: &mut Instances) -> Result<u8> {
    let mut failed = false;
    instances.each(|instance| {
        if let Err(text) = instance.ask("quit()") {
            complain(format_args!("instance {}: {text}", instance.name()));
            failed = true;
        }
    });
    let looks = STOP_WAIT.as_millis() / STOP_LOOK.as_millis();
    for _ in 0..looks {
        if instances.are_gone() {
            let count = instances.len();
            say(format_args!("{count} {} ended", if count == 1 { "process" } else { "processes" }));
            return Ok(if failed { STATUS_FAILED } else { 0 });
        }
        std::thread::sleep(STOP_LOOK);
    }
    bail!(
        "after {} s there are processes that have not ended; 'kresctl status' shows which, and \
         'kill -9' ends them",
        STOP_WAIT.as_secs()
    )
}
