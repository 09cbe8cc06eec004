//! Questions to a resolver in the lab by a real client, `kdig`, and what it printed, boiled down to
//! what a test wants to compare.

use std::fmt;

use anyhow::{Context, Result, bail};

use super::{ADDRESS, Lab};

/// One answer as `kdig` saw it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// RCODE by name; `TIMEOUT` if there was no answer.
    pub status: String,
    /// Those of AA, TC, AD, CD that are set, in lower case.
    pub flags: Vec<String>,
    /// Records as `owner TYPE rdata`, sorted. An RRSIG is shown by the type it covers only.
    pub answer: Vec<String>,
    /// Records as `owner TYPE`, sorted.
    pub authority: Vec<String>,
    /// Info codes of Extended DNS Errors.
    pub extended_errors: Vec<u16>,
}

impl Lab {
    /// Asks the resolver one question, in `kdig`'s own words, for instance `+tcp example.com MX`.
    pub fn ask(&self, question: &str) -> Result<Answer> {
        let mut command = self.command("kdig");
        command.args([&format!("@{ADDRESS}"), "+retry=0", "+timeout=10", "+nocrypto"]);
        command.args(question.split_whitespace());
        let output = command.output().context("cannot start kdig (package knot-dnsutils)")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("->>HEADER<<-") {
            return Answer::parse(&text);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        if complaint.contains("response timeout") || text.contains("response timeout") {
            return Ok(Answer { status: "TIMEOUT".into(), ..Answer::default() });
        }
        bail!("kdig {question}: {text}{complaint}")
    }
}

impl Answer {
    /// Reads the output of one question to `kdig`.
    pub fn parse(text: &str) -> Result<Answer> {
        let mut answer = Answer::default();
        let mut section = "";
        for line in text.lines() {
            if let Some(rest) = line.split("status: ").nth(1) {
                answer.status = rest.split(';').next().unwrap_or_default().to_string();
            } else if let Some(rest) = line.strip_prefix(";; Flags: ") {
                let flags = rest.split(';').next().unwrap_or_default().split_whitespace();
                let shown = flags.filter(|flag| ["aa", "tc", "ad", "cd"].contains(flag));
                answer.flags = shown.map(str::to_string).collect();
            } else if let Some(rest) = line.split("EDE: ").nth(1) {
                let number: Option<u16> =
                    rest.split_whitespace().next().and_then(|word| word.parse().ok());
                answer.extended_errors.extend(number);
            } else if line.ends_with(" SECTION:") {
                section = line;
            } else if !line.is_empty() && !line.starts_with(';') {
                answer.add_record(section, line);
            }
        }
        if answer.status.is_empty() {
            bail!("no header in: {text}");
        }
        answer.answer.sort();
        answer.authority.sort();
        Ok(answer)
    }

    fn add_record(&mut self, section: &str, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [owner, _ttl, _class, rtype, rdata @ ..] = words.as_slice() else { return };
        if section.contains("AUTHORITY") {
            self.authority.push(format!("{owner} {rtype}"));
        } else if section.contains("ANSWER") {
            let rdata = if *rtype == "RRSIG" { &rdata[..rdata.len().min(1)] } else { rdata };
            self.answer.push(format!("{owner} {rtype} {}", rdata.join(" ")));
        }
    }
}

/// The status with the flags, then one record a line: `NOERROR ad`, `www.example.com. A 192.0.2.1`.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = vec![self.status.as_str()];
        words.extend(self.flags.iter().map(String::as_str));
        f.write_str(&words.join(" "))?;
        self.answer.iter().try_for_each(|record| write!(f, "\n{record}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_kdig_is_read() {
        let text = "\
;; ->>HEADER<<- opcode: QUERY; status: NOERROR; id: 1360
;; Flags: qr rd ra ad; QUERY: 1; ANSWER: 2; AUTHORITY: 1; ADDITIONAL: 1

;; EDNS PSEUDOSECTION:
;; Version: 0; flags: do; UDP size: 1232 B; ext-rcode: NOERROR
;; EDE: 29 (Synthesized): 'X'

;; QUESTION SECTION:
;; b.example.      \t\tIN\tA

;; ANSWER SECTION:
b.example.      \t3600\tIN\tA\t192.0.2.41
b.example.      \t3600\tIN\tRRSIG\tA 13 2 3600 20260101 20250101 1 example. AAAA

;; AUTHORITY SECTION:
example.      \t3600\tIN\tNS\tns.example.

;; Received 100 B
";
        let answer = Answer::parse(text).expect("an answer");
        assert_eq!(answer.to_string(), "NOERROR ad\nb.example. A 192.0.2.41\nb.example. RRSIG A");
        assert_eq!(answer.authority, ["example. NS"]);
        assert_eq!(answer.extended_errors, [29]);
    }
}
