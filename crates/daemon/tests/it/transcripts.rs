//! What is typed into a control socket and what comes back, octet for octet: the transcripts in
//! `tests/transcripts` were recorded from Knot Resolver 5.6.
//!
//! A line that begins with `> ` is a command, those behind it that begin with `| ` are its answer.
//! `> #sleep N` waits for so many seconds. What differs between runs is written as RUNDIR, PID, PORT
//! and ADDRESS.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::process::{Running, SOON, eventually};

struct Console {
    running: Running,
    stream: UnixStream,
}

impl Console {
    fn start() -> Console {
        let running = Running::start("cache.size = 20*MB\ntrust_anchors.remove('.')\n");
        let path = running.directory.path().join("control").join(running.id().to_string());
        // The file is there a moment before anybody listens.
        let mut stream = eventually("a session", || UnixStream::connect(&path).ok());
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.read_exact(&mut [0; 2]).expect("the prompt");
        stream.write_all(b"__binary\n").unwrap();
        Console { running, stream }
    }

    fn ask(&mut self, command: &str) -> String {
        self.stream.write_all(format!("{command}\n").as_bytes()).unwrap();
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap_or_else(|error| panic!("{command}: {error}"));
        let mut reply = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut reply).unwrap();
        self.comparable(&String::from_utf8_lossy(&reply))
    }

    /// The text without what is another one each time.
    fn comparable(&self, text: &str) -> String {
        let text = text.replace(&self.running.directory.path().display().to_string(), "RUNDIR");
        let text = replace_number(&text, &self.running.id().to_string(), "PID");
        let text = replace_number(&text, &self.running.address.port().to_string(), "PORT");
        let mut parts = text.split("0x");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
            let address = if digits >= 6 { "ADDRESS" } else { &format!("0x{}", &part[..digits]) };
            out.push_str(address);
            out.push_str(&part[digits..]);
        }
        out.trim_end().to_owned()
    }
}

/// Writes a word for a number where that stands by itself, and not within another one.
fn replace_number(text: &str, number: &str, word: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(number) {
        let (before, after) = (&rest[..at], &rest[at + number.len()..]);
        let is_within = before.ends_with(|c: char| c.is_ascii_digit())
            || after.starts_with(|c: char| c.is_ascii_digit());
        out.push_str(before);
        out.push_str(if is_within { number } else { word });
        rest = after;
    }
    out + rest
}

#[test]
fn only_whole_numbers_are_replaced() {
    assert_eq!(replace_number("547 90075474099 5474:", "547", "PID"), "PID 90075474099 5474:");
}

/// Commands and their answers.
fn entries(text: &str) -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            entries.push((command.to_owned(), String::new()));
        } else if let (Some(part), Some((_, answer))) = (line.strip_prefix('|'), entries.last_mut())
        {
            answer.push_str(part.strip_prefix(' ').unwrap_or(part));
            answer.push('\n');
        }
    }
    entries
}

#[track_caller]
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let entries = entries(&text);
    assert!(entries.len() > 30, "{name} has {} commands only", entries.len());
    let mut console = Console::start();
    let mut wrong = Vec::new();
    for (command, expected) in entries {
        if let Some(seconds) = command.strip_prefix("#sleep ") {
            std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap()));
            continue;
        }
        let answer = console.ask(&command);
        if answer != expected.trim_end() {
            wrong.push(format!("> {command}\n-- expected\n{expected}-- got\n{answer}"));
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

#[test]
fn groups_and_modules() {
    check("groups.txt");
}

#[test]
fn general_functions() {
    check("general.txt");
}

#[test]
fn values_and_statements() {
    check("values.txt");
}

#[test]
fn events_cache_and_anchors() {
    check("events.txt");
}
