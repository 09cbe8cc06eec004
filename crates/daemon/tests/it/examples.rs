//! What the project shows is true: its example configurations start and answer, and the manual page
//! knows every option.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use xtask::lab::Lab;

use crate::control::check_ctl;
use crate::e2e::program;
use crate::process::{eventually, run};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn example_configurations_start_and_answer() {
    let lab = Lab::start().expect("the lab starts");
    let mut examples: Vec<PathBuf> = std::fs::read_dir(project().join("etc/config"))
        .unwrap()
        .map(|entry| entry.unwrap().path().canonicalize().unwrap())
        .collect();
    examples.sort();
    assert!(examples.len() >= 3, "{examples:?}");
    for example in examples {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut child = lab
            .command(program())
            .arg("-n")
            .arg("-c")
            .arg(&example)
            .arg(".")
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("the program starts");
        let said = || std::fs::read_to_string(&log).unwrap();
        eventually(&example.display().to_string(), || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{} ended with {status}: {}", example.display(), said());
            }
            let mut question = lab.command("kdig");
            question.args(["@127.0.0.1", "+tcp", "+timeout=1", "+retry=0", "localhost", "A"]);
            let output = question.output().expect("kdig is installed");
            String::from_utf8_lossy(&output.stdout).contains("status: NOERROR").then_some(())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!said().contains("error"), "{}: {}", example.display(), said());
    }
}

#[test]
fn the_manual_page_of_kresctl_knows_every_command_and_option() {
    let manual = std::fs::read_to_string(project().join("docs/man/kresctl.8")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let help = |words: &[&str]| check_ctl(directory.path(), words, 0);
    let summary = help(&["--help"]);
    let commands = summary.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let commands: Vec<&str> =
        commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() >= 5, "{summary}");
    for command in commands.iter().filter(|command| **command != "help") {
        assert!(
            manual.contains(&format!("\n.B {command}\n"))
                || manual.contains(&format!("\n.BI {command} "))
                || manual.contains(&format!("\n.BR {command} ")),
            "{command}"
        );
        let text = help(&[command, "--help"]);
        let options = text.split_whitespace().filter_map(|word| word.strip_prefix("--"));
        for option in options.map(|option| option.trim_matches(|c: char| !c.is_ascii_lowercase())) {
            assert!(manual.contains(&option.replace('-', "\\-")), "{command} --{option}");
        }
    }
}

#[test]
fn the_manual_page_knows_every_option() {
    let directory = tempfile::tempdir().unwrap();
    let help = run(directory.path(), &["--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    let manual = std::fs::read_to_string(project().join("docs/man/kresd.8")).unwrap();
    let options: Vec<&str> = help
        .split(|c: char| c.is_whitespace() || c == ',' || c == '=')
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|word| word.chars().all(|c| c.is_ascii_lowercase()) && !word.is_empty())
        .collect();
    assert!(options.len() >= 9, "{help}");
    for option in options {
        assert!(
            manual.contains(&format!("\\-\\-{option}")),
            "--{option} is not in the manual page"
        );
    }
}
