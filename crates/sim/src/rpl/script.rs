//! A scenario as data: configuration, scripted servers, steps. What a `.rpl` file says and nothing
//! about how it is played.

use std::net::IpAddr;

use dns::edns::OptRecord;
use dns::header::Header;
use dns::{Class, Composer, Message, Name, Question, Rcode, Rtype, Section};
use resolve::UnixTime;

use super::config::Config;

/// EDNS payload of scripted messages, as in Deckard.
pub(super) const SCRIPTED_UDP_SIZE: u16 = 4096;

/// A whole scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The text behind SCENARIO_BEGIN.
    pub title: String,
    pub config: Config,
    pub ranges: Vec<Range>,
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Wall time at which it begins: the one it names, or a fixed one.
    pub fn start(&self) -> UnixTime {
        // Scenarios without a date have no signatures that could expire.
        const DEFAULT_START: u64 = 1_600_000_000;
        UnixTime::from_seconds(self.config.timestamp.unwrap_or(DEFAULT_START))
    }
}

/// Scripted servers that answer while the step's number lies in a range.
#[derive(Clone, Debug)]
pub struct Range {
    /// Line of RANGE_BEGIN.
    pub line: usize,
    pub from: u64,
    pub to: u64,
    /// Where it answers; any address if empty.
    pub addresses: Vec<IpAddr>,
    pub entries: Vec<Entry>,
}

/// One thing to do, in the order of the file.
#[derive(Clone, Debug)]
pub struct Step {
    /// Line of STEP.
    pub line: usize,
    pub number: u64,
    pub kind: StepKind,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// A client asks, over TCP if the entry says so, and waits for its answer.
    Query(Box<Entry>),
    /// The last answer is compared with the entry.
    CheckAnswer(Box<Entry>),
    /// An answer for one upstream question, used once.
    Reply(Box<Entry>),
    /// Kept for files that have it; nothing is checked (as in Deckard).
    CheckOutQuery,
    /// Seconds go by.
    TimePasses(u64),
}

/// What is compared, by the words of the MATCH line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Criterion {
    Opcode,
    Qtype,
    Qname,
    /// The name with its letter case.
    Qcase,
    /// The question is at or below the scripted one.
    Subdomain,
    Flags,
    Rcode,
    Answer,
    Authority,
    Additional,
    Edns,
    /// The types in the answer, signatures left out.
    AnswerTypes,
    /// The types in the answer and what its signatures cover.
    AnswerRrsigs,
    Nsid,
    /// The question came over UDP (not in Deckard).
    Udp,
    /// The question came over TCP (not in Deckard).
    Tcp,
    /// TTLs of all records that are compared (not in Deckard).
    Ttl,
}

/// How a reply is fitted to the question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Adjust {
    /// The question's id, and its name if the script has a question.
    pub copy_id: bool,
    /// The question's question section.
    pub copy_query: bool,
    /// The id is written over the first two of the raw bytes.
    pub raw_id: bool,
    /// Silence.
    pub do_not_answer: bool,
}

/// A scripted message with the rules for when and how to use it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Line of ENTRY_BEGIN.
    pub line: usize,
    /// Nothing without a MATCH line.
    pub criteria: Option<Vec<Criterion>>,
    pub adjust: Adjust,
    pub message: Scripted,
    pub raw: Option<Vec<u8>>,
    /// The scenario fails unless it was used.
    pub mandatory: bool,
}

/// One record of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub owner: Name,
    pub rtype: Rtype,
    pub class: Class,
    pub ttl: u32,
    pub rdata: Vec<u8>,
}

/// The message of an entry.
#[derive(Clone, Debug)]
pub struct Scripted {
    /// Flags and opcode; id and counts are not used.
    pub header: Header,
    pub rcode: Rcode,
    pub question: Option<Question>,
    pub sections: [Vec<Record>; 3],
    /// EDNS of the message as a query or as an unadjusted reply.
    pub opt: Option<OptRecord>,
}

impl Default for Scripted {
    fn default() -> Scripted {
        Scripted {
            header: Header::default(),
            rcode: Rcode::NOERROR,
            question: None,
            sections: [Vec::new(), Vec::new(), Vec::new()],
            opt: Some(OptRecord::new(SCRIPTED_UDP_SIZE, false)),
        }
    }
}

impl Scripted {
    /// The records of a section.
    pub fn section(&self, section: Section) -> &[Record] {
        &self.sections[section as usize]
    }

    /// The bytes, with the question and the EDNS given here.
    pub fn compose(&self, id: u16, question: Option<&Question>, opt: Option<OptRecord>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut header = Header { id, ..self.header };
        header.set_rcode_low(self.rcode);
        // Scripted messages have any size: the script says itself when TC is to be set.
        let mut composer = Composer::new(&mut out, header, usize::MAX);
        if let Some(question) = question {
            let _fits = composer.question(&question.name, question.rtype, question.class);
        }
        for section in [Section::Answer, Section::Authority, Section::Additional] {
            for record in self.section(section) {
                let rdata = std::iter::once(record.rdata.as_slice());
                let Record { owner, rtype, class, ttl, .. } = record;
                let _fits = composer.records(section, owner, *rtype, *class, *ttl, rdata);
            }
        }
        let opt = opt.map(|mut opt| {
            opt.rcode_high = (self.rcode.0 >> 4) as u8;
            opt
        });
        composer.finish(opt.as_ref());
        out
    }

    /// The bytes of the message as a query.
    pub fn query(&self, id: u16) -> Vec<u8> {
        self.compose(id, self.question.as_ref(), self.opt.clone())
    }
}

impl Entry {
    /// What this entry says to a question; nothing if it is to be silent.
    pub fn reply(&self, query: &Message<'_>) -> Option<Vec<u8>> {
        if self.adjust.do_not_answer {
            return None;
        }
        let id = query.header().id;
        if let Some(raw) = &self.raw {
            let mut wire = raw.clone();
            if let (true, Some(start)) = (self.adjust.raw_id, wire.first_chunk_mut::<2>()) {
                *start = id.to_be_bytes();
            }
            return Some(wire);
        }
        let Adjust { copy_id, copy_query, .. } = self.adjust;
        if !copy_id && !copy_query {
            // An id of its own, that can be the right one only by chance.
            let wrong = !id;
            return Some(self.message.compose(
                wrong,
                self.message.question.as_ref(),
                self.message.opt.clone(),
            ));
        }
        let asked = query.question();
        let question = match (&self.message.question, &asked) {
            (_, _) if copy_query => asked,
            (Some(own), Some(asked)) => {
                Some(Question { name: asked.name.clone(), rtype: own.rtype, class: own.class })
            }
            (own, _) => own.clone(),
        };
        // The reply speaks EDNS as the question does.
        let opt = query.edns().map(|edns| {
            let mut opt = OptRecord::new(dns::edns::UDP_SIZE_DEFAULT, edns.dnssec_ok);
            opt.version = edns.version;
            opt
        });
        Some(self.message.compose(if copy_id { id } else { !id }, question.as_ref(), opt))
    }
}
