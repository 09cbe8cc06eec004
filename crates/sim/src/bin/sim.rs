//! Runs simulations by hand: scenario files and random worlds.
#![allow(clippy::print_stdout, reason = "printing is what this tool is for")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use sim::rpl::suite;
use sim::trace::Detail;

const USAGE: &str = "\
Usage: sim scenario [-v | -vv] [--list FILE --root DIR] [PATH...]

  scenario   play .rpl files, or all of a folder, against the resolver in virtual time
             -v prints the trace of each failure, -vv whole messages with it
             --list takes the names from a file and looks for them below --root
";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == "scenario" => scenario(rest),
        _ => {
            print!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

fn scenario(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    let (mut list, mut root, mut detail) = (None, PathBuf::from("."), None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "-v" => detail = Some(Detail::Lines),
            "-vv" => detail = Some(Detail::Messages),
            "--list" => list = Some(value()?.clone()),
            "--root" => root = value()?.into(),
            option if option.starts_with('-') => bail!("unknown option {option}\n{USAGE}"),
            path => files.extend(suite::find(Path::new(path)).with_context(|| path.to_string())?),
        }
    }
    if let Some(list) = list {
        files.extend(suite::find_listed(Path::new(&list), &root).with_context(|| list)?);
    }
    if files.is_empty() {
        bail!("no scenarios\n{USAGE}");
    }
    let mut failed = Vec::new();
    for file in &files {
        let mut bad = false;
        for run in suite::run_file(file).iter().filter(|run| !run.outcome.passed()) {
            bad = true;
            let variant = run.variant.map(|variant| format!(" [{variant}]")).unwrap_or_default();
            println!("FAIL {}{variant}", file.display());
            for failure in &run.outcome.failures {
                println!("  {failure}");
            }
            if let Some(detail) = detail {
                print!("{}", run.outcome.trace.render(detail));
            }
        }
        if bad {
            failed.push(file);
        }
    }
    println!("passed {} of {}", files.len() - failed.len(), files.len());
    for file in &failed {
        println!("  failed: {}", file.display());
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
