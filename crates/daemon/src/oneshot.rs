//! Resolving once, without a service: what `kresd-host` and `kresd-query` have in common.
//!
//! The program is the one that `kresd` runs with `-c -`: nothing listens, nothing is written to the
//! present directory, no cache file is opened, nobody is trusted. What is asked, and what is done with
//! the answers, is Lua.

pub(crate) mod host;
pub(crate) mod query;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result};
use clap::Parser;
use clap::error::ErrorKind;
use lua::host::TrustAnchors;
use tokio::runtime::{Builder, LocalOptions};

use crate::cli::Options;
use crate::clock::Clock;
use crate::descriptors;
use crate::logging::{self, Level};
use crate::program::Program;
use crate::service::{Service, Setup};
use crate::start;
use crate::systemd::Manager;

/// Exit status when the answer, or what was to be done with it, is none.
const STATUS_FAILED: u8 = 1;
/// Exit status of a command line that cannot be read.
const STATUS_USAGE: u8 = 2;

/// The variable of Lua in which a task leaves the status to end with.
const STATUS_VARIABLE: &str = "__status";

/// What is to be done: pieces of configuration in their order, then a chunk of Lua with its arguments.
/// The chunk ends with `quit()`, now or in a callback, after it has set `__status`.
struct Task<'a> {
    configuration: &'a [String],
    chunk: &'static str,
    arguments: Vec<String>,
    /// The trust anchors that come with the program are loaded.
    default_anchors: bool,
    debug: bool,
}

/// The command line of a tool, or the status to end with because of it.
fn parse<Line: Parser>() -> Result<Line, ExitCode> {
    Line::try_parse().map_err(|error| {
        let _nobody = error.print();
        let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        ExitCode::from(if asked { 0 } else { STATUS_USAGE })
    })
}

/// Does it, and says what went wrong in the name of the tool.
fn run(tool: &str, task: &Task<'_>) -> ExitCode {
    logging::set_level(if task.debug { Level::Debug } else { Level::Warning });
    match perform(task) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            complain(tool, start::words(&error));
            ExitCode::from(STATUS_FAILED)
        }
    }
}

/// A line about what went wrong. If nobody reads it, nobody can be told.
fn complain(tool: &str, text: impl Display) {
    let _nobody = writeln!(std::io::stderr(), "{tool}: {text}");
}

fn perform(task: &Task<'_>) -> Result<u8> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .context("event loop")?;
    runtime.block_on(async {
        let mut options = Options::try_parse_from(["kresd", "-n", "-q", "-c", "-"])?;
        options.is_silent = true;
        options.verbose = task.debug;
        let service = Rc::new(Service::new(Setup {
            options,
            workers: 1,
            suspects: None,
            manager: Manager::Nobody,
            descriptors: descriptors::raise(),
            clock: Clock::start(),
            directory: std::env::current_dir().context("present directory")?,
            counters: Rc::default(),
            quitting: Rc::default(),
        }));
        let program = start::build(&service, None, Vec::new()).await?;
        service.begin(program.clone());
        let status = ask(&service, &program, task).await;
        service.end();
        status
    })
}

/// Runs the task and waits for its end.
async fn ask(service: &Rc<Service>, program: &Rc<Program>, task: &Task<'_>) -> Result<u8> {
    if task.default_anchors {
        program.host.anchors_load_default().context("trust anchors")?;
    }
    for piece in task.configuration {
        command(program, piece).context("configuration (-C)")?;
    }
    let arguments: Vec<String> = task.arguments.iter().map(|text| quoted(text)).collect();
    command(program, &format!("(function (...) {}\nend)({})", task.chunk, arguments.join(", ")))?;
    if !program.is_quitting() {
        service.setup.quitting.notified().await;
    }
    let status = command(program, &format!("return tostring({STATUS_VARIABLE})"))?;
    Ok(status.parse().unwrap_or(STATUS_FAILED))
}

fn command(program: &Rc<Program>, text: &str) -> Result<String> {
    let answer = program.run_command(text.as_bytes());
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    answer.map(text).map_err(|error| anyhow::anyhow!(text(error)))
}

/// A text as a literal of Lua.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'-' | b'_' | b' ' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("\\{other:03}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_says_what_the_text_does() {
        assert_eq!(quoted("a.b-c 1"), "\"a.b-c 1\"");
        assert_eq!(quoted("\"\\\n7"), "\"\\034\\092\\0107\"");
    }
}
