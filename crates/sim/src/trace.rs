//! What happened in a simulated world, in order: who asked what of whom, what came back, and what
//! became of it. Kept as data and turned into text only when somebody wants to read it.

use std::fmt::Write as _;
use std::time::Duration;

use resolve::{ExchangeFault, ExchangeId, ReplyVerdict, Target, Via};

use crate::text;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A client asked.
    Request { token: u64, wire: Vec<u8> },
    /// The client's answer was at hand.
    Hit { token: u64 },
    /// The resolver answered a client.
    Respond { token: u64, wire: Vec<u8> },
    /// The resolver said nothing to a client.
    Drop { token: u64 },
    /// The resolver asked an upstream.
    Exchange { id: ExchangeId, target: Target, wire: Vec<u8> },
    /// Something came back.
    Reply { id: ExchangeId, reply: Result<Vec<u8>, ExchangeFault>, verdict: ReplyVerdict },
    /// The resolver stopped waiting.
    Cancel { id: ExchangeId },
    /// A deadline came due, and whose.
    Deadline { whose: &'static str },
    /// A remark of the world (a server had nothing to say, the script moved on).
    Note(String),
}

/// A list of happenings with their times.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    entries: Vec<(Duration, What)>,
}

/// How much to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// One line for each happening.
    Lines,
    /// Whole messages.
    Messages,
}

impl Trace {
    /// Adds a happening at a time since the world began.
    pub fn push(&mut self, at: Duration, what: What) {
        self.entries.push((at, what));
    }

    /// All happenings.
    pub fn entries(&self) -> &[(Duration, What)] {
        &self.entries
    }

    /// Forgets what was recorded so far.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// How many questions went upstream.
    pub fn exchanges(&self) -> usize {
        self.entries.iter().filter(|(_, what)| matches!(what, What::Exchange { .. })).count()
    }

    /// The readable form, one happening a line.
    pub fn render(&self, detail: Detail) -> String {
        let mut out = String::new();
        for (at, what) in &self.entries {
            let _infallible = write!(out, "{:>11.3} ms  ", at.as_secs_f64() * 1e3);
            render(&mut out, what, detail);
        }
        out
    }
}

fn render(out: &mut String, what: &What, detail: Detail) {
    let mut message = None;
    let line = match what {
        What::Request { token, wire } => {
            message = Some(wire);
            format!("client {token} asks   {}", text::summary(wire))
        }
        What::Hit { token } => format!("client {token}: the answer is at hand"),
        What::Respond { token, wire } => {
            message = Some(wire);
            format!("client {token} gets   {}", text::summary(wire))
        }
        What::Drop { token } => format!("client {token} gets no answer"),
        What::Exchange { id, target, wire } => {
            message = Some(wire);
            format!("  #{} to {}  {}", id.0, place(target), text::summary(wire))
        }
        What::Reply { id, reply: Ok(wire), verdict } => {
            message = Some(wire);
            let kept = match verdict {
                ReplyVerdict::Over => "",
                ReplyVerdict::KeepWaiting => "  (not believed, still waiting)",
            };
            format!("  #{} reply  {}{kept}", id.0, text::summary(wire))
        }
        What::Reply { id, reply: Err(fault), .. } => format!("  #{} fails: {fault:?}", id.0),
        What::Cancel { id } => format!("  #{} given up", id.0),
        What::Deadline { whose } => format!("  deadline: {whose}"),
        What::Note(text) => text.clone(),
    };
    out.push_str(&line);
    out.push('\n');
    if let (Detail::Messages, Some(wire)) = (detail, message) {
        for line in text::message(wire).lines() {
            let _infallible = writeln!(out, "                    {line}");
        }
    }
}

fn place(target: &Target) -> String {
    let via = match &target.via {
        Via::Udp => "udp",
        Via::Tcp => "tcp",
        Via::Tls(_) => "tls",
    };
    match target.address.port() {
        53 => format!("{} {via}", target.address.ip()),
        _ => format!("{} {via}", target.address),
    }
}
