//! Runs simulations by hand: scenario files and random worlds.
#![allow(clippy::print_stdout, reason = "printing is what this tool is for")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use sim::rpl::suite;
use sim::simulate::{QUESTIONS, simulate, simulate_gaps};
use sim::trace::Detail;

const USAGE: &str = "\
Usage: sim scenario [-v | -vv] [--chances N] [--list FILE --root DIR] [PATH...]
       sim seeds [-v | -vv] [-w] [--gaps] [--from S] [--seeds N | --seed S]

  scenario   play .rpl files, or all of a folder, against the resolver in virtual time
             -v prints the trace of each failure, -vv whole messages with it
             --chances plays each with N different choices of the resolver
             --list takes the names from a file and looks for them below --root
  seeds      random worlds against the oracle
             --seeds N runs N seeds (200 if nothing is said), --seed S only that one
             --from S begins with that seed
             -w prints the servers and delegations of each world that fails
             --gaps asks for many names that are not there, and then for those that are
             -v prints the trace of each failure, -vv whole messages with it
";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == "scenario" => scenario(rest),
        Some((command, rest)) if command == "seeds" => seeds(rest),
        _ => {
            print!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

fn scenario(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    let (mut list, mut root, mut detail) = (None, PathBuf::from("."), None);
    let mut chances = 1;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "-v" => detail = Some(Detail::Lines),
            "-vv" => detail = Some(Detail::Messages),
            "--list" => list = Some(value()?.clone()),
            "--root" => root = value()?.into(),
            "--chances" => chances = u8::try_from(number(value()?)?)?,
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
        for run in suite::run_file(file, chances).iter().filter(|run| !run.outcome.passed()) {
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

fn number(text: &str) -> anyhow::Result<u64> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.with_context(|| format!("`{text}` is no number"))
}

fn seeds(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (mut seeds, mut detail, mut gaps, mut shown) = (0..200_u64, None, false, false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "-v" => detail = Some(Detail::Lines),
            "-vv" => detail = Some(Detail::Messages),
            "-w" => shown = true,
            "--gaps" => gaps = true,
            "--seeds" => seeds.end = seeds.start.saturating_add(number(value()?)?),
            "--from" => {
                let (from, count) = (number(value()?)?, seeds.end - seeds.start);
                seeds = from..from.saturating_add(count);
            }
            "--seed" => {
                let seed = number(value()?)?;
                seeds = seed..seed + 1;
            }
            option => bail!("unknown option {option}\n{USAGE}"),
        }
    }
    let (mut failed, mut questions, mut exchanges, mut synthesized) = (0, 0, 0, 0);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let report = if gaps { simulate_gaps(seed) } else { simulate(seed, true) };
        synthesized += report.synthesized;
        questions += report.questions;
        exchanges += report.exchanges;
        if report.failures.is_empty() {
            continue;
        }
        failed += 1;
        println!("FAIL seed {seed:#x}");
        for failure in &report.failures {
            println!("  {failure}");
        }
        println!("  again: {}", report.reproduce());
        if shown {
            print!("{}", sim::generate::generate(seed, QUESTIONS).world.describe());
        }
        if let Some(detail) = detail {
            print!("{}", report.trace.render(detail));
        }
    }
    println!(
        "passed {} of {count} worlds: {questions} questions, {exchanges} exchanges, \
         {synthesized} synthesised",
        count - failed
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
