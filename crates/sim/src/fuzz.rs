//! The validator as a fuzz target: bytes say what is asked in a signed world and what is changed in
//! the replies on their way. `fuzz/` at the root wraps it for cargo-fuzz; the tests replay
//! `fuzz/corpus/validator/`.
//!
//! The laws: whatever is changed, nothing panics, each question is answered once, what is called
//! authentic is what the zones say, and of secure names clients get just that or SERVFAIL.

use std::collections::BTreeMap;
use std::time::Duration;

use dns::edns::OptRecord;
use dns::{Class, Message, Name, Question, Rcode, Rtype};
use resolve::{Now, ResolverParts, Settings, UnixTime};

use crate::clock::Clock;
use crate::dice::Dice;
use crate::drive::{Delivery, Driver, Exchange, Journey, Upstreams};
use crate::net::Network;
use crate::sign::{Absence, Plan};
use crate::signed::{SignedWorld, WorldFault, plan};
use crate::simulate::{START, Wishes, client};
use crate::text;
use crate::world::World;

/// Room for what one input teaches.
const STORE_BYTES: u64 = 1024 * 1024;
/// Longest virtual time for one question.
const PATIENCE: Duration = Duration::from_secs(30);
/// Changes that one input may make.
const EDITS_MAX: usize = 64;
/// Bytes of one change.
const EDIT_BYTES: usize = 5;
/// Replies that a change can name.
const REPLIES: u8 = 24;
/// No message is longer.
const MESSAGE_BYTES_MAX: usize = u16::MAX as usize;

/// What may be asked. Below `opt.` and `plain.` forged answers are possible, nowhere else.
const QUESTIONS: [(&str, Rtype); 20] = [
    ("www.nsec.", Rtype::A),
    ("www.nsec.", Rtype::MX),
    ("gone.nsec.", Rtype::A),
    ("x.wild.nsec.", Rtype::TXT),
    ("x.wild.nsec.", Rtype::A),
    ("deep.nsec.", Rtype::A),
    ("far.nsec.", Rtype::A),
    ("w.d.nsec.", Rtype::A),
    ("sub.nsec.", Rtype::DS),
    ("www.sub.nsec.", Rtype::A),
    ("www.nsec3.", Rtype::A),
    ("www.nsec3.", Rtype::MX),
    ("gone.a.nsec3.", Rtype::A),
    ("x.wild.nsec3.", Rtype::TXT),
    ("nsec3.", Rtype::DNSKEY),
    ("none.", Rtype::A),
    ("www.opt.", Rtype::A),
    ("gone.opt.", Rtype::A),
    ("www.plain.", Rtype::A),
    ("gone.plain.", Rtype::A),
];

fn name(text: &str) -> Name {
    text.parse().unwrap_or_else(|_| Name::root())
}

fn is_secure(question: &Question) -> bool {
    !["opt.", "plain."].iter().any(|zone| question.name.is_at_or_below(&name(zone)))
}

fn world() -> Result<(Settings, World), WorldFault> {
    const DATA: &str = "www A 192.0.2.7\n *.wild TXT star\n y.deep TXT x";
    let nsec3 = |opt_out| {
        let absence = Absence::Nsec3 { salt: vec![0xab], iterations: 1, opt_out };
        Plan { absence, ..plan() }
    };
    let mut world = SignedWorld::new()?;
    let aliases = format!("{DATA}\n far CNAME www.nsec3.\n d DNAME wild.nsec3.");
    world.zone("nsec.", Some(plan()), &aliases)?;
    world.zone("nsec3.", Some(nsec3(false)), &format!("{DATA}\n w.wild A 192.0.2.8"))?;
    world.zone("opt.", Some(nsec3(true)), DATA)?;
    world.zone("plain.", None, DATA)?;
    world.zone("sub.nsec.", Some(nsec3(false)), DATA)?;
    world.build()
}

/// The world and what is true in it, by the number of the question.
struct Truth {
    settings: Settings,
    world: World,
    answers: Vec<Said>,
}

/// What a client was told.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Said {
    rcode: Rcode,
    authentic: bool,
    answer: Vec<String>,
}

impl Truth {
    fn new() -> Result<Truth, WorldFault> {
        let (settings, world) = world()?;
        let mut truth = Truth { settings, world, answers: Vec::new() };
        let mut driver = truth.open(Vec::new())?;
        for number in 0..QUESTIONS.len() {
            let said = ask(&mut driver, number as u64 + 1, &question(number), false);
            truth.answers.extend(said);
        }
        assert_eq!(truth.answers.len(), QUESTIONS.len());
        Ok(truth)
    }

    fn open(&self, edits: Vec<Edit>) -> Result<Driver<Liar>, WorldFault> {
        let mut dice = Dice::new(1);
        let parts = ResolverParts::in_memory(self.settings.clone(), dice.seed(), STORE_BYTES)?;
        let network = Network::new(self.world.clone(), dice);
        let clock = Clock::starting_at(UnixTime::from_seconds(START));
        let liar = Liar { network, edits, replies: 0, earlier: BTreeMap::new() };
        Ok(Driver::new(resolve::Resolver::new(parts), clock, liar))
    }
}

thread_local! {
    static TRUTH: Result<Truth, WorldFault> = Truth::new();
}

fn question(number: usize) -> Question {
    let (owner, rtype) = QUESTIONS[number % QUESTIONS.len()];
    Question { name: name(owner), rtype, class: Class::IN }
}

/// Asks; `None` if there was no answer to read.
fn ask<U: Upstreams>(
    driver: &mut Driver<U>,
    token: u64,
    question: &Question,
    unchecked: bool,
) -> Option<Said> {
    let wishes = Wishes { opt: Some(OptRecord::new(1232, true)), authentic: true, unchecked };
    driver.request(Duration::ZERO, client(token), wishes.query(token as u16, question));
    driver.run_until_answered(token, PATIENCE);
    driver.run_until_quiet(PATIENCE);
    let wire = driver.response(token)?.wire.clone()?;
    let message = Message::parse(&wire).ok()?;
    let mut answer: Vec<String> = message
        .answer()
        .map(|record| {
            let mut rdata = record.rdata().to_vec();
            dns::rdata::canonicalize(record.rtype(), &mut rdata);
            let owner = record.owner().to_lowercase();
            format!("{owner} {} {}", record.rtype(), text::rdata_to_text(record.rtype(), &rdata))
        })
        .collect();
    answer.sort();
    Some(Said { rcode: message.rcode(), authentic: message.header().ad(), answer })
}

/// One change to one reply.
#[derive(Clone, Copy)]
struct Edit {
    reply: usize,
    kind: u8,
    at: usize,
    byte: u8,
}

/// Two bytes say what is asked and how, the others what is changed.
pub fn validator(data: &[u8]) {
    let Some(([number, bits], rest)) = data.split_first_chunk() else { return };
    let chunks = rest.chunks_exact(EDIT_BYTES).take(EDITS_MAX);
    let edits: Vec<Edit> = chunks
        .map(|chunk| Edit {
            reply: usize::from(chunk[0] % REPLIES),
            kind: chunk[1],
            at: usize::from(u16::from_be_bytes([chunk[2], chunk[3]])),
            byte: chunk[4],
        })
        .collect();
    TRUTH.with(|truth| {
        let Ok(truth) = truth else { return };
        let Ok(mut driver) = truth.open(edits) else { return };
        let first = usize::from(*number) % QUESTIONS.len();
        let second = (first + usize::from(bits >> 1)) % QUESTIONS.len();
        let unchecked = bits & 1 == 1;
        // The second question shows whether something of the lies has stuck.
        for (token, at, unchecked) in [(1, first, unchecked), (2, first, false), (3, second, false)]
        {
            let question = question(at);
            let said = ask(&mut driver, token, &question, unchecked);
            check(&question, said.as_ref(), &truth.answers[at], unchecked);
        }
        let broken = driver.invariants().violations();
        assert!(broken.is_empty(), "{broken:?}");
    });
}

fn check(question: &Question, said: Option<&Said>, truth: &Said, unchecked: bool) {
    let asked = format!("{} {}", question.name, question.rtype);
    let Some(said) = said else { panic!("{asked}: no answer that can be read") };
    if said.authentic {
        assert_eq!(said, truth, "{asked} is called authentic");
    }
    if is_secure(question) && !unchecked && said.rcode != Rcode::SERVFAIL {
        assert_eq!(said, truth, "{asked} is secure");
    }
}

/// The network with somebody on the path.
struct Liar {
    network: Network,
    edits: Vec<Edit>,
    replies: usize,
    /// Replies by number, to be shown again in the place of others.
    earlier: BTreeMap<usize, Vec<u8>>,
}

impl Upstreams for Liar {
    fn route(&mut self, now: Now, exchange: &Exchange) -> Journey {
        self.network.route(now, exchange)
    }

    fn serve(&mut self, now: Now, exchange: &Exchange, notes: &mut Vec<String>) -> Vec<Delivery> {
        let mut deliveries = self.network.serve(now, exchange, notes);
        for wire in deliveries.iter_mut().filter_map(|delivery| delivery.reply.as_mut().ok()) {
            let number = self.replies;
            self.replies += 1;
            if number < usize::from(REPLIES) {
                self.earlier.insert(number, wire.clone());
            }
            for edit in self.edits.iter().filter(|edit| edit.reply == number) {
                edit.apply(wire, &self.earlier);
            }
        }
        deliveries
    }
}

impl Edit {
    fn apply(self, wire: &mut Vec<u8>, earlier: &BTreeMap<usize, Vec<u8>>) {
        /// Bytes of the header.
        const HEADER: usize = 12;
        let at = self.at % wire.len().max(1);
        let span = at..(at + usize::from(self.byte)).min(wire.len());
        match self.kind % 9 {
            0 if at < wire.len() => wire[at] = self.byte,
            1 if at < wire.len() => wire[at] ^= self.byte,
            2 => wire.insert(at.min(wire.len()), self.byte),
            3 => drop(wire.drain(span)),
            4 => wire.truncate(at),
            5 => {
                let copy = wire[span].to_vec();
                wire.splice(at..at, copy);
            }
            // A count in the header.
            6 if wire.len() > HEADER => wire[5 + 2 * (at % 4)] = self.byte,
            // The response code.
            7 if wire.len() > HEADER => wire[3] = wire[3] & 0xf0 | self.byte & 0x0f,
            // All that another reply said, from a place on, in the place of what this one says.
            _ => {
                let Some(other) = earlier.get(&usize::from(self.byte % REPLIES)) else { return };
                let from = at.min(other.len());
                wire.truncate(from);
                wire.extend_from_slice(&other[from..]);
                // The counts, too, or little of it would be read.
                if wire.len() > HEADER && other.len() > HEADER {
                    wire[4..HEADER].copy_from_slice(&other[4..HEADER]);
                }
            }
        }
        wire.truncate(MESSAGE_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_changes_all_is_said_as_it_is() {
        let truth = Truth::new().unwrap();
        for (number, said) in truth.answers.iter().enumerate() {
            let question = question(number);
            let is_plain = question.name.is_at_or_below(&name("plain."));
            let is_gone_in_gap = question.name == name("gone.opt.");
            assert_eq!(said.authentic, !is_plain && !is_gone_in_gap, "{question:?} {said:?}");
            assert_ne!(said.rcode, Rcode::SERVFAIL, "{question:?}");
            validator(&[number as u8, 2]);
        }
    }

    #[test]
    fn corpus_replays_and_its_mutations_hold_the_laws() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/validator");
        let mut inputs: Vec<Vec<u8>> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        inputs.sort();
        assert!(inputs.len() >= 10, "{}", inputs.len());
        let mut dice = Dice::new(1);
        for input in &inputs {
            validator(input);
            let mut changed = input.clone();
            for _ in 0..dice.between(1, 6) {
                let kind = dice.below(9) as u8;
                let at = (dice.below(400) as u16).to_be_bytes();
                changed.extend([dice.below(24) as u8, kind, at[0], at[1], dice.word() as u8]);
            }
            validator(&changed);
        }
    }
}
