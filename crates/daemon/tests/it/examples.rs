//! What the project shows is true: its example configurations start and answer, and the manual page
//! knows every option.

use std::path::{Path, PathBuf};

use xtask::lab::Lab;

use crate::control::check_ctl;
use crate::e2e::program;
use crate::process::run;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The program that these configurations are written for as well, if it is installed.
const ORIGINAL: &str = "/usr/sbin/kresd";

/// Asked in the world of the lab: names with and without signatures, some that rules are about.
const QUESTIONS: &[&str] = &[
    "www.plain.com A",
    "www.plain.com AAAA",
    "gone.plain.com A",
    "+dnssec www.nsec.com A",
    "alias.plain.com A",
    "tracker.plain.com A",
    "x.corp.example A",
    "printer.local A",
    "use-application-dns.net A",
    "localhost A",
    "+tcp www.plain.com MX",
];

fn examples() -> Vec<PathBuf> {
    let mut examples: Vec<PathBuf> = std::fs::read_dir(project().join("etc/config"))
        .unwrap()
        .map(|entry| entry.unwrap().path().canonicalize().unwrap())
        .collect();
    examples.sort();
    examples
}

/// What a program that runs an example answers in the lab.
fn answers(lab: &Lab, program: &Path, example: &Path) -> Vec<String> {
    let place = project().join("etc").canonicalize().unwrap();
    let text = std::fs::read_to_string(example).unwrap();
    // Servers of the lab have that port on other addresses.
    let text = text.replace("'0.0.0.0', 53", "'127.0.0.1', 53");
    let text = format!("env.KRES_ETC = '{}'\n{text}", place.display());
    let resolver = lab.resolver(program, &text).unwrap_or_else(|error| {
        panic!("{} with {}: {error:#}", program.display(), example.display())
    });
    let answers = QUESTIONS
        .iter()
        .map(|question| match lab.ask(question) {
            Ok(answer) => answer.to_string(),
            Err(error) => format!("{error:#}"),
        })
        .collect();
    let log = resolver.log();
    assert!(!log.contains("traceback"), "{}: {log}", example.display());
    resolver.stop();
    answers
}

#[test]
fn example_configurations_answer_as_those_of_the_original() {
    let lab = Lab::start().expect("the lab starts");
    let examples = examples();
    assert!(examples.len() >= 10, "{examples:?}");
    let mut differences = Vec::new();
    for example in examples {
        let ours = answers(&lab, &program(), &example);
        // What is handed to somebody beyond the lab is not answered.
        let beyond = std::fs::read_to_string(&example).unwrap().contains("TLS_FORWARD");
        let resolved = ours.iter().any(|answer| answer.starts_with("NOERROR"));
        assert!(resolved || beyond, "{}: {ours:?}", example.display());
        if !Path::new(ORIGINAL).exists() {
            continue;
        }
        let theirs = answers(&lab, Path::new(ORIGINAL), &example);
        for ((question, ours), theirs) in QUESTIONS.iter().zip(ours).zip(theirs) {
            if ours != theirs {
                let name = example.file_name().unwrap().display();
                differences
                    .push(format!("{name}: {question}\n-- {ORIGINAL}\n{theirs}\n-- ours\n{ours}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
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
                || manual.contains(&format!("\n.BI \"{command} "))
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
