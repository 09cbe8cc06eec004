//! `cargo xtask differential`: the same questions to our resolver, Knot Resolver 5.6, Unbound and BIND,
//! over the zones of the lab and with its key as anchor. Where those three agree on the code, the AD
//! bit and the answer, ours has to say the same.
//!
//! The lab is started here; the questions are asked by a second process of this program inside its
//! network.

mod peers;
mod questions;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::lab::{self, Lab};
use peers::{Peers, RESOLVERS};
use questions::{Question, questions, zones};
use wire::{Bits, Said};

/// Questions if nothing is said.
const COUNT: usize = 20_000;
const SEED: u64 = 1;
/// Longest wait for one answer: more than any of the four takes to give up.
const PATIENCE: Duration = Duration::from_secs(14);
/// Clients at once. More only wait for each other on a small machine.
const CLIENTS: usize = 8;
/// How often to ask whether a resolver is there, each time for up to [`PATIENCE`].
const READY_ATTEMPTS: usize = 100;
/// Answers that do not fit are asked for again over TCP, and no message is longer.
const MESSAGE_BYTES_MAX: usize = 65_535;
/// Columns of the progress bar.
const BAR: usize = 40;

/// Runs it: `--questions N`, `--seed S`.
pub fn differential(words: &[&str]) -> Result<()> {
    let (count, seed) = numbers(words)?;
    let program = lab::program()?;
    let lab = Lab::start_with(&zones())?;
    let _ours = lab.resolver(&program, "")?;
    let _peers = Peers::start(&lab)?;
    let report = report();
    let mut inside = lab.command(std::env::current_exe()?);
    inside.args(["differential", "inside", &count.to_string(), &seed.to_string()]).arg(&report);
    let status = inside.status().context("the part inside the lab")?;
    if !status.success() {
        bail!("there are differences, see {}", report.display());
    }
    Ok(())
}

fn numbers(words: &[&str]) -> Result<(usize, u64)> {
    let (mut count, mut seed) = (COUNT, SEED);
    for pair in words.chunks(2) {
        match pair {
            ["--questions", number] => count = number.parse()?,
            ["--seed", number] => seed = number.parse()?,
            _ => bail!("differential [--questions N] [--seed S]"),
        }
    }
    Ok((count, seed))
}

/// Where differences are written, one JSON object a line.
fn report() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| crate::tree::root().join("target")).join("differential.jsonl")
}

/// What the four said to one question.
type Four = [Said; 4];

/// Asks everything; an error if ours differs where the others agree. To be run inside the lab.
pub fn inside(words: &[&str]) -> Result<()> {
    let [count, seed, report] = words else { bail!("this is for `differential` itself") };
    wait_until_ready()?;
    let questions = questions(count.parse()?, seed.parse()?);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some(question) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let four = ask_all(question);
                    if let Ok(mut tally) = done.lock() {
                        tally.count(question, &four, questions.len());
                    }
                }
            });
        }
    });
    eprintln!();
    let Ok(mut tally) = done.into_inner() else { bail!("a client has failed") };
    tally.ask_again();
    tally.conclude(Path::new(report))
}

fn wait_until_ready() -> Result<()> {
    let bits = Bits { dnssec_ok: false, authentic: false, unchecked: false };
    let question = Question { name: String::new(), rtype: 2, bits };
    for (name, address, port) in RESOLVERS {
        let mut attempts = 0..READY_ATTEMPTS;
        let ready = attempts.any(|_| {
            let said = ask((address, port), &question);
            let is_there = said.rcode == "NOERROR";
            if !is_there {
                std::thread::sleep(Duration::from_millis(200));
            }
            is_there
        });
        if !ready {
            bail!("{name} does not answer, see its log in the lab's folder");
        }
    }
    Ok(())
}

fn ask_all(question: &Question) -> Four {
    RESOLVERS.map(|(_, address, port)| ask((address, port), question))
}

fn ask((address, port): (&str, u16), question: &Question) -> Said {
    // Each has a socket of its own, so one id does for all.
    const ID: u16 = 0x6b72;
    let query = wire::query(ID, &question.name, question.rtype, question.bits);
    let Ok(address) = address.parse::<IpAddr>() else { return Said::nothing("ADDRESS") };
    let at = SocketAddr::new(address, port);
    match over_udp(at, &query, ID) {
        Some(said) if said.truncated => {
            over_tcp(at, &query, ID).unwrap_or_else(|| Said::nothing("NO STREAM"))
        }
        Some(said) => said,
        None => Said::nothing("SILENCE"),
    }
}

fn over_udp(at: SocketAddr, query: &[u8], id: u16) -> Option<Said> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.connect(at).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.send(query).ok()?;
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let length = socket.recv(&mut buffer).ok()?;
    wire::read(id, &buffer[..length])
}

fn over_tcp(at: SocketAddr, query: &[u8], id: u16) -> Option<Said> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = u16::try_from(query.len()).ok()?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).ok()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).ok()?;
    wire::read(id, &answer)
}

/// What came of it.
#[derive(Default)]
struct Tally {
    asked: usize,
    /// The three others agree, and ours agrees with them.
    equal: usize,
    /// The three others do not agree with each other.
    open: usize,
    /// Among those: ours says what at least one of them says.
    in_company: usize,
    /// Among those: who says something else than the other two, which ours agrees with or not.
    odd: BTreeMap<String, usize>,
    /// Ours says what nobody says, where the others do not agree either.
    alone: Vec<(Question, Four)>,
    /// Ours says what Unbound or BIND says, and Knot Resolver 5.6 something else.
    elsewhere: Vec<(Question, Four)>,
    /// Differs the first time, and not when it is asked again.
    passing: usize,
    different: Vec<(Question, Four)>,
}

enum Judged {
    Equal,
    Open { in_company: bool },
    Different,
}

fn judge(four: &Four) -> Judged {
    let [ours, others @ ..] = four;
    if others.iter().all(|said| *said == others[0]) {
        return if *ours == others[0] { Judged::Equal } else { Judged::Different };
    }
    Judged::Open { in_company: others.contains(ours) }
}

/// Who differs from the other two of the others, and whether ours is with those two.
fn odd_one(four: &Four) -> String {
    let [ours, others @ ..] = four;
    for (odd, (name, ..)) in RESOLVERS[1..].iter().enumerate() {
        let (one, two) = (&others[(odd + 1) % 3], &others[(odd + 2) % 3]);
        if one == two {
            let with =
                if ours == one { "ours is with the two" } else { "ours is not with the two" };
            return format!("{name} is alone, {with}");
        }
    }
    "all three differ".into()
}

impl Tally {
    fn count(&mut self, question: &Question, four: &Four, all: usize) {
        self.asked += 1;
        match judge(four) {
            Judged::Equal => self.equal += 1,
            Judged::Open { in_company } => {
                self.open += 1;
                self.in_company += usize::from(in_company);
                *self.odd.entry(odd_one(four)).or_default() += 1;
                if !in_company {
                    self.alone.push((question.clone(), four.clone()));
                } else if four[0] != four[1] {
                    self.elsewhere.push((question.clone(), four.clone()));
                }
            }
            Judged::Different => self.different.push((question.clone(), four.clone())),
        }
        let step = (all / 200).max(1);
        if self.asked.is_multiple_of(step) || self.asked == all {
            let filled = self.asked * BAR / all.max(1);
            let bar = "#".repeat(filled) + &" ".repeat(BAR - filled);
            eprint!("\r[{bar}] {}/{all}, {} different", self.asked, self.different.len());
        }
    }

    /// What differs is asked once more, since servers that are slow make luck of some answers.
    fn ask_again(&mut self) {
        for (question, first) in std::mem::take(&mut self.different) {
            let again = ask_all(&question);
            match judge(&again) {
                Judged::Different => self.different.push((question, again)),
                _ => {
                    self.passing += 1;
                    println!("passing: {}", describe(&question, &first));
                }
            }
        }
    }

    fn conclude(&self, report: &Path) -> Result<()> {
        let kinds = [
            ("different", &self.different),
            ("alone", &self.alone),
            ("elsewhere", &self.elsewhere),
        ];
        let lines: Vec<String> = kinds
            .iter()
            .flat_map(|(kind, list)| list.iter().map(|(q, four)| json(kind, q, four)))
            .collect();
        fs::write(report, lines.concat()).with_context(|| report.display().to_string())?;
        println!(
            "{} questions: {} where the three others agree and ours with them, {} where they do not \
             agree with each other (ours with one of them at least: {}), {} different once and not \
             again, {} different",
            self.asked,
            self.equal,
            self.open,
            self.in_company,
            self.passing,
            self.different.len(),
        );
        for (who, count) in &self.odd {
            println!("{count:5} {who}");
        }
        let mut kinds: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for (question, four) in &self.different {
            let [ours, theirs, ..] = four;
            let state =
                |said: &Said| format!("{}{}", said.rcode, if said.authentic { " ad" } else { "" });
            let kind = format!(
                "{}: {} here, {} there",
                wire::type_name(question.rtype),
                state(ours),
                state(theirs)
            );
            let entry = kinds.entry(kind).or_insert_with(|| (0, describe(question, four)));
            entry.0 += 1;
        }
        for (kind, (count, example)) in &kinds {
            println!("{count:5} {kind}\n      {example}");
        }
        if self.different.is_empty() { Ok(()) } else { bail!("{} different", self.different.len()) }
    }
}

fn describe(question: &Question, four: &Four) -> String {
    let Question { name, rtype, bits } = question;
    format!(
        "{name} {} {}: {} | {}",
        wire::type_name(*rtype),
        bits.text(),
        four[0].text(),
        four[1].text()
    )
}

fn json(kind: &str, question: &Question, four: &Four) -> String {
    let mut fields = vec![
        format!("\"kind\":{}", quoted(kind)),
        format!("\"name\":{}", quoted(&question.name)),
        format!("\"type\":{}", quoted(&wire::type_name(question.rtype))),
        format!("\"bits\":{}", quoted(&question.bits.text())),
    ];
    for ((name, ..), said) in RESOLVERS.iter().zip(four) {
        fields.push(format!("{}:{}", quoted(name), quoted(&said.text())));
    }
    format!("{{{}}}\n", fields.join(","))
}

/// A JSON string; names may hold anything.
fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", c as u32),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_all_others_say_counts() {
        let said = |rcode: &str| Said::nothing(rcode);
        let four = |codes: [&str; 4]| codes.map(said);
        assert!(matches!(judge(&four(["A", "A", "A", "A"])), Judged::Equal));
        assert!(matches!(judge(&four(["B", "A", "A", "A"])), Judged::Different));
        let company = judge(&four(["B", "A", "B", "A"]));
        assert!(matches!(company, Judged::Open { in_company: true }));
        assert!(matches!(judge(&four(["C", "A", "B", "A"])), Judged::Open { in_company: false }));
        assert_eq!(quoted("a\"\\\u{1}"), r#""a\"\\\u0001""#);
    }
}
