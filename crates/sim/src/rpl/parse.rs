//! Reads the text of a scenario. Line by line, as its grammar is: a keyword and its words, and
//! records inside sections.
//!
//! The grammar is that of Deckard's scenario guide, with three words of our own for MATCH (`udp`,
//! `tcp`, `ttl`) and one for STEP QUERY (`tcp`).

use dns::edns::OptRecord;
use dns::{Class, Name, Question, Rcode, Rtype};

use super::config::Config;
use super::script::{
    Criterion, Entry, Range, Record, SCRIPTED_UDP_SIZE, Scenario, Scripted, Step, StepKind,
};
use crate::text;

/// TTL of records that do not say theirs, in seconds.
const DEFAULT_TTL: u32 = 3600;

/// Why a text is no scenario.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct RplFault {
    /// Counted from one.
    pub line: usize,
    pub what: String,
}

/// Reads a scenario.
pub fn parse(text: &str) -> Result<Scenario, RplFault> {
    let mut lines = Lines::new(text);
    let mut config = Config::default();
    if text.lines().any(|line| line.starts_with("CONFIG_END")) {
        lines.config(&mut config)?;
    }
    lines.scenario(config)
}

/// The lines of a file with their numbers.
struct Lines<'t> {
    rest: std::iter::Peekable<std::iter::Enumerate<std::str::Lines<'t>>>,
    line: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Lines<'t> {
        Lines { rest: text.lines().enumerate().peekable(), line: 0 }
    }

    fn fault<T>(&self, what: impl Into<String>) -> Result<T, RplFault> {
        Err(RplFault { line: self.line, what: what.into() })
    }

    fn config(&mut self, config: &mut Config) -> Result<(), RplFault> {
        for (number, line) in self.rest.by_ref() {
            self.line = number + 1;
            if line.starts_with("CONFIG_END") {
                break;
            }
            config.line(line).map_err(|what| RplFault { line: number + 1, what })?;
        }
        Ok(())
    }

    /// The words of the next line that has some, without comments.
    fn peek(&mut self) -> Option<Vec<&'t str>> {
        loop {
            let (number, line) = *self.rest.peek()?;
            let words: Vec<&str> = without_comment(line).split_whitespace().collect();
            if !words.is_empty() {
                self.line = number + 1;
                return Some(words);
            }
            self.rest.next();
        }
    }

    fn next(&mut self) -> Option<Vec<&'t str>> {
        let words = self.peek();
        self.rest.next();
        words
    }

    fn expect(&mut self, within: &str) -> Result<Vec<&'t str>, RplFault> {
        match self.next() {
            Some(words) => Ok(words),
            None => self.fault(format!("the file ends inside {within}")),
        }
    }

    fn scenario(&mut self, config: Config) -> Result<Scenario, RplFault> {
        let begin = self.expect("the configuration")?;
        if begin[0] != "SCENARIO_BEGIN" {
            return self.fault(format!("expected SCENARIO_BEGIN, found `{}`", begin[0]));
        }
        let title = begin[1..].join(" ");
        let mut scenario = Scenario { title, config, ranges: Vec::new(), steps: Vec::new() };
        loop {
            let words = self.expect("the scenario")?;
            match words[0] {
                "RANGE_BEGIN" => scenario.ranges.push(self.range(&words)?),
                "STEP" => scenario.steps.push(self.step(&words)?),
                "SCENARIO_END" => return Ok(scenario),
                other => return self.fault(format!("unexpected `{other}` in a scenario")),
            }
        }
    }

    fn number(&self, word: Option<&&str>, of: &str) -> Result<u64, RplFault> {
        match word.map(|word| word.parse()) {
            Some(Ok(number)) => Ok(number),
            _ => self.fault(format!("{of} needs a number")),
        }
    }

    fn address(&self, word: Option<&&str>) -> Result<std::net::IpAddr, RplFault> {
        match word.map(|word| word.parse()) {
            Some(Ok(address)) => Ok(address),
            _ => self.fault("ADDRESS needs an address"),
        }
    }

    fn range(&mut self, begin: &[&str]) -> Result<Range, RplFault> {
        let line = self.line;
        let from = self.number(begin.get(1), "RANGE_BEGIN")?;
        let to = self.number(begin.get(2), "RANGE_BEGIN")?;
        if from > to {
            return self.fault("the range ends before it begins");
        }
        let mut range = Range { line, from, to, addresses: Vec::new(), entries: Vec::new() };
        if begin.len() > 3 {
            range.addresses.push(self.address(begin.get(3))?);
        }
        loop {
            let words = self.expect("a range")?;
            match words[0] {
                "ADDRESS" => range.addresses.push(self.address(words.get(1))?),
                "ENTRY_BEGIN" => range.entries.push(self.entry()?),
                "RANGE_END" => return Ok(range),
                other => return self.fault(format!("unexpected `{other}` in a range")),
            }
        }
    }

    fn step(&mut self, words: &[&str]) -> Result<Step, RplFault> {
        let line = self.line;
        let number = self.number(words.get(1), "STEP")?;
        let kind = words.get(2).copied().unwrap_or_default();
        if kind == "TIME_PASSES" {
            if words.get(3) != Some(&"ELAPSE") {
                return self.fault("TIME_PASSES needs ELAPSE and a number of seconds");
            }
            let kind = StepKind::TimePasses(self.number(words.get(4), "ELAPSE")?);
            return Ok(Step { line, number, kind });
        }
        let entry = match self.peek() {
            Some(words) if words[0] == "ENTRY_BEGIN" => {
                self.next();
                Some(Box::new(self.entry()?))
            }
            _ => None,
        };
        let kind = match (kind, entry) {
            ("QUERY", Some(entry)) => StepKind::Query(entry),
            ("CHECK_ANSWER", Some(entry)) => StepKind::CheckAnswer(entry),
            ("REPLY", Some(entry)) => StepKind::Reply(entry),
            ("CHECK_OUT_QUERY", _) => StepKind::CheckOutQuery,
            ("QUERY" | "CHECK_ANSWER" | "REPLY", None) => {
                return Err(RplFault { line, what: format!("STEP {kind} needs an entry") });
            }
            _ => return Err(RplFault { line, what: format!("unknown step `{kind}`") }),
        };
        Ok(Step { line, number, kind })
    }

    fn entry(&mut self) -> Result<Entry, RplFault> {
        let mut entry = Entry {
            line: self.line,
            criteria: None,
            adjust: Default::default(),
            message: Scripted::default(),
            raw: None,
            mandatory: false,
        };
        let mut section = None;
        loop {
            let words = self.expect("an entry")?;
            match words[0] {
                "ENTRY_END" => return Ok(entry),
                "MATCH" => {
                    let criteria = entry.criteria.get_or_insert_default();
                    for word in &words[1..] {
                        if !criterion(word, criteria) {
                            return self.fault(format!("unknown word `{word}` in MATCH"));
                        }
                    }
                }
                "ADJUST" => {
                    for word in &words[1..] {
                        match *word {
                            "copy_id" => entry.adjust.copy_id = true,
                            "copy_query" => entry.adjust.copy_query = true,
                            "raw_id" => entry.adjust.raw_id = true,
                            "do_not_answer" => entry.adjust.do_not_answer = true,
                            _ => return self.fault(format!("unknown word `{word}` in ADJUST")),
                        }
                    }
                }
                "REPLY" | "FLAGS" => self.flags(&words[1..], &mut entry.message)?,
                "MANDATORY" => entry.mandatory = true,
                "SECTION" => {
                    section = Some(match words.get(1).copied() {
                        Some("QUESTION") => None,
                        Some("ANSWER") => Some(0),
                        Some("AUTHORITY") => Some(1),
                        Some("ADDITIONAL") => Some(2),
                        _ => return self.fault("unknown section"),
                    });
                }
                "RAW" => {
                    let words = self.expect("an entry")?;
                    let Some(raw) = text::from_hex(&words.concat()) else {
                        return self.fault("RAW needs hexadecimal digits");
                    };
                    entry.raw = Some(raw);
                    section = None;
                }
                _ => match section {
                    Some(None) => entry.message.question = Some(self.question(&words)?),
                    Some(Some(index)) => entry.message.sections[index].push(self.record(&words)?),
                    None => return self.fault(format!("unexpected `{}` in an entry", words[0])),
                },
            }
        }
    }

    fn flags(&self, words: &[&str], message: &mut Scripted) -> Result<(), RplFault> {
        for word in words {
            let header = &mut message.header;
            match *word {
                "QR" => header.set_qr(true),
                "AA" => header.set_aa(true),
                "TC" => header.set_tc(true),
                "RD" => header.set_rd(true),
                "RA" => header.set_ra(true),
                "AD" => header.set_ad(true),
                "CD" => header.set_cd(true),
                "DO" => message.opt = Some(OptRecord::new(SCRIPTED_UDP_SIZE, true)),
                // Our own: a message without EDNS.
                "NOEDNS" => message.opt = None,
                _ => match rcode(word) {
                    Some(rcode) => message.rcode = rcode,
                    None => return self.fault(format!("unknown word `{word}` in REPLY")),
                },
            }
        }
        Ok(())
    }

    fn name(&self, word: &str) -> Result<Name, RplFault> {
        Name::from_text(word.as_bytes(), &Name::root())
            .or_else(|fault| self.fault(format!("`{word}`: {fault}")))
    }

    fn question(&self, words: &[&str]) -> Result<Question, RplFault> {
        let name = self.name(words[0])?;
        let (class, rest) = match words.get(1).and_then(|word| word.parse::<Class>().ok()) {
            Some(class) if words.len() > 2 => (class, &words[2..]),
            _ => (Class::IN, &words[1..]),
        };
        match rest.first().map(|word| word.parse::<Rtype>()) {
            Some(Ok(rtype)) => Ok(Question { name, rtype, class }),
            _ => self.fault("a question needs a type"),
        }
    }

    fn record(&self, words: &[&str]) -> Result<Record, RplFault> {
        let owner = self.name(words[0])?;
        let mut rest = &words[1..];
        let (mut ttl, mut class) = (DEFAULT_TTL, Class::IN);
        if let Some(Ok(seconds)) = rest.first().map(|word| word.parse()) {
            (ttl, rest) = (seconds, &rest[1..]);
        }
        if let Some(Ok(known)) = rest.first().map(|word| word.parse()) {
            (class, rest) = (known, &rest[1..]);
        }
        let Some(Ok(rtype)) = rest.first().map(|word| word.parse::<Rtype>()) else {
            return self.fault("a record needs a type");
        };
        let words: Vec<&str> = rest[1..].iter().map(|word| without_surplus_padding(word)).collect();
        let rdata = text::rdata_from_text(rtype, class, &words.join(" "), &Name::root())
            .or_else(|what| self.fault(what))?;
        Ok(Record { owner, rtype, class, ttl, rdata })
    }
}

fn criterion(word: &str, criteria: &mut Vec<Criterion>) -> bool {
    use Criterion::{
        Additional, Answer, AnswerRrsigs, AnswerTypes, Authority, Edns, Flags, Nsid, Opcode, Qcase,
        Qname, Qtype, Rcode, Subdomain, Tcp, Ttl, Udp,
    };
    let added: &[Criterion] = match word {
        "opcode" => &[Opcode],
        "qtype" => &[Qtype],
        "qname" => &[Qname],
        "qcase" => &[Qcase],
        "subdomain" => &[Subdomain],
        "flags" => &[Flags],
        "rcode" => &[Rcode],
        "question" => &[Qtype, Qname],
        "answer" => &[Answer],
        "authority" => &[Authority],
        "additional" => &[Additional],
        "all" => &[Opcode, Qtype, Qname, Flags, Rcode, Answer, Authority, Additional],
        "edns" => &[Edns],
        "answertypes" => &[AnswerTypes],
        "answerrrsigs" => &[AnswerRrsigs],
        "nsid" => &[Nsid],
        "udp" | "UDP" => &[Udp],
        "tcp" | "TCP" => &[Tcp],
        "ttl" => &[Ttl],
        _ => return false,
    };
    criteria.extend_from_slice(added);
    true
}

fn rcode(word: &str) -> Option<Rcode> {
    if word == "NOTIMP" {
        return Some(Rcode::NOTIMP);
    }
    let known = Rcode::NAMES.iter().find(|(_, text)| *text == word);
    known.map(|(number, _)| Rcode(*number))
}

/// Scripts have base64 with padding behind whole groups, which Python's decoder puts up with.
fn without_surplus_padding(word: &str) -> &str {
    let bare = word.trim_end_matches('=');
    if bare.len() > 4 && bare.len().is_multiple_of(4) { bare } else { word }
}

/// The line up to a semicolon outside of quotes.
fn without_comment(line: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' if !escaped => quoted = !quoted,
            b';' if !quoted && !escaped => return &line[..at],
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    line
}

#[cfg(test)]
mod tests;
