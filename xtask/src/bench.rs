//! `cargo xtask bench`: times, for looking, and instruction counts, for judging. A busy machine
//! cannot disturb a count, so counts are held against a committed baseline.
//!
//! Counts depend on the compiler, the C library and the processor whose variants of `memcpy` it picks.
//! The baseline says with what it was counted; with anything else counts are shown and not judged.

pub mod accidents;
pub mod cache;
pub mod churn;
mod load;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{cargo, is_there, run};
use crate::tree;

/// Where the counts that were accepted stand.
const BASELINE: &str = "docs/bench/baseline.toml";
/// By how much a count may exceed its baseline: compilers and libraries move counts by less.
const TOLERANCE: f64 = 0.03;
/// The two numbers of repetitions, whose difference is counted.
const FEW: usize = 100;
const MANY: usize = 1100;

type Counts = BTreeMap<String, u64>;

/// Times every scenario.
pub fn time() -> Result<()> {
    run(cargo().args(["bench", "--workspace", "--bench", "counts"]))
}

/// The folder with the programs as they are released: that of `KRES_BUILT`, or built now.
fn built() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("KRES_BUILT") {
        return Ok(PathBuf::from(folder));
    }
    run(cargo().args(["build", "--release", "--package", "daemon", "--bins"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(target.unwrap_or_else(|| tree::root().join("target")).join("release"))
}

/// Counts every scenario and compares with the baseline, or writes a new one.
pub fn count(write: bool) -> Result<()> {
    if !is_there("valgrind") {
        bail!("counting needs valgrind: sudo apt-get install valgrind");
    }
    let path = tree::root().join(BASELINE);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let baseline = read_baseline(&text)?;
    let (here, there) = (surroundings(), counted_with(&text).unwrap_or_default().to_string());
    let mut counts = Counts::new();
    for program in programs()? {
        for name in scenarios(&program)? {
            let few = instructions(&program, &name, FEW)?;
            let many = instructions(&program, &name, MANY)?;
            let count = many.saturating_sub(few) / (MANY - FEW) as u64;
            println!("{}", row(&name, count, baseline.get(&name).copied()));
            counts.insert(name, count);
        }
    }
    if write {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, baseline_text(&here, &counts))?;
        println!("wrote {BASELINE}");
        return Ok(());
    }
    if here != there {
        println!("not judged: the baseline was counted with {there}, this is {here}");
        return Ok(());
    }
    let complaints = compare(&baseline, &counts);
    if !complaints.is_empty() {
        bail!("{}\n(if this is intended: cargo xtask bench count --write)", complaints.join("\n"));
    }
    Ok(())
}

/// What counts depend on, in one line: compiler, C library, valgrind, processor.
fn surroundings() -> String {
    let first_line = |program: &str, option: &str| {
        let output = Command::new(program).arg(option).output();
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
        text.unwrap_or_default().lines().next().unwrap_or("?").trim().to_string()
    };
    let libc = first_line("getconf", "GNU_LIBC_VERSION");
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = processor.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    // The instructions that valgrind knows and that the C library has variants for.
    let known = ["sse4_2", "avx2", "erms"].map(|flag| (flag, flags.split(' ').any(|f| f == flag)));
    let known: Vec<&str> = known.iter().filter(|(_, there)| *there).map(|(f, _)| *f).collect();
    let (rustc, valgrind) = (first_line("rustc", "--version"), first_line("valgrind", "--version"));
    format!("{rustc}, {libc}, {valgrind}, {} {}", std::env::consts::ARCH, known.join(" "))
}

/// Where the baseline says with what it was counted.
const COUNTED_WITH: &str = "# Counted with: ";

fn counted_with(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix(COUNTED_WITH))
}

/// The bench programs, built as the release is.
fn programs() -> Result<Vec<PathBuf>> {
    let mut command = cargo();
    command.args(["bench", "--workspace", "--bench", "counts", "--no-run"]);
    let output = command.args(["--message-format", "json"]).stderr(std::process::Stdio::inherit());
    let output = output.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the bench programs do not build");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let paths = text.lines().filter_map(|line| {
        let rest = line.split("\"executable\":\"").nth(1)?;
        rest.split('"').next().map(PathBuf::from)
    });
    Ok(paths.collect())
}

fn scenarios(program: &Path) -> Result<Vec<String>> {
    let output = Command::new(program).arg("--list").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect())
}

fn instructions(program: &Path, scenario: &str, repetitions: usize) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    command.args(["--repeat", scenario, &repetitions.to_string()]);
    let output = command.output().context("cannot start valgrind")?;
    let report = String::from_utf8_lossy(&output.stderr);
    match collected(&report) {
        Some(count) if output.status.success() => Ok(count),
        _ => bail!("counting {scenario} failed: {report}"),
    }
}

/// The figure in callgrind's line `==1== Collected : 123`.
fn collected(report: &str) -> Option<u64> {
    report.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok())
}

fn row(name: &str, count: u64, before: Option<u64>) -> String {
    let change = before.map_or("new".to_string(), |before| {
        format!("{:+.1} %", (count as f64 / before as f64 - 1.0) * 100.0)
    });
    format!("{name:40} {count:>10} instructions  {change:>8}")
}

fn compare(baseline: &Counts, counts: &Counts) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, count) in counts {
        match baseline.get(name) {
            None => complaints.push(format!("{name} has no baseline")),
            Some(before) if *count as f64 > *before as f64 * (1.0 + TOLERANCE) => {
                complaints.push(format!("{name} went from {before} to {count} instructions"));
            }
            Some(_) => {}
        }
    }
    for name in baseline.keys().filter(|name| !counts.contains_key(*name)) {
        complaints.push(format!("{name} is in the baseline but was not measured"));
    }
    complaints
}

/// Lines `"name" = count`; other lines must be comments.
fn read_baseline(text: &str) -> Result<Counts> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, count) = line.split_once('=').context("a line without =")?;
            Ok((name.trim().trim_matches('"').to_string(), count.trim().parse()?))
        })
        .collect::<Result<Counts>>()
        .with_context(|| format!("reading {BASELINE}"))
}

fn baseline_text(surroundings: &str, counts: &Counts) -> String {
    let mut text = format!(
        "# Instructions per operation under callgrind, release profile. `cargo xtask bench count`\n\
         # fails when one rises by more than 3 %; `cargo xtask bench count --write` writes this file.\n\
         {COUNTED_WITH}{surroundings}\n"
    );
    for (name, count) in counts {
        text.push_str(&format!("\"{name}\" = {count}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, u64)]) -> Counts {
        rows.iter().map(|(name, count)| (name.to_string(), *count)).collect()
    }

    #[test]
    fn only_growth_beyond_the_tolerance_is_a_complaint() {
        let baseline = counts(&[("a", 1000), ("b", 1000), ("c", 1000), ("gone", 1)]);
        let now = counts(&[("a", 1030), ("b", 1031), ("c", 10), ("new", 1)]);
        assert_eq!(
            compare(&baseline, &now),
            [
                "b went from 1000 to 1031 instructions",
                "new has no baseline",
                "gone is in the baseline but was not measured",
            ]
        );
    }

    #[test]
    fn the_baseline_is_read_as_it_is_written() {
        let some = counts(&[("dns.parse", 12), ("x", 3)]);
        let text = baseline_text("rustc 1, glibc 2", &some);
        assert_eq!(read_baseline(&text).expect("reads"), some);
        assert_eq!(counted_with(&text), Some("rustc 1, glibc 2"));
        assert!(read_baseline("nonsense").is_err());
    }

    #[test]
    fn callgrind_is_understood() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 4711\n"), Some(4711));
    }
}
