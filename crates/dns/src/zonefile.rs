//! Zone files: master format as a stream of records (RFC 1035 §5, RFC 2308 §4), with `$ORIGIN`,
//! `$TTL`, `$INCLUDE` and `$GENERATE`.
//!
//! A [`Reader`] is fed text in pieces of any size and hands each record, or what is wrong and
//! where, to a sink; it goes on after a fault with the next entry. It keeps no more than one
//! entry. Files are opened by the loader that the caller gives, or not at all. For text that is
//! in memory there are [`read`], [`rrsets`] and [`record`].

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::limits::ZONE_ENTRY_BYTES_MAX;
use crate::name::Name;
use crate::rdata::text::TextFault;
use crate::rrset::{Rrset, covered};
use crate::rtype::{Class, Rtype};

mod entry;
mod fault;
mod generate;
mod scan;

pub use fault::{Fault, FaultKind};

use entry::Entries;
use scan::Scan;

/// What holds until the text says otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Completes names without a final dot, until `$ORIGIN`.
    pub origin: Name,
    /// The class of records that name none.
    pub class: Class,
    /// The TTL, in seconds, of records that name none where no `$TTL` and no earlier record does.
    pub ttl: Option<u32>,
}

impl Default for Settings {
    /// The root, class IN, and no TTL.
    fn default() -> Settings {
        Settings { origin: Name::root(), class: Class::IN, ttl: None }
    }
}

/// One record as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    pub owner: &'a Name,
    /// Seconds; at most 2³¹ − 1 (RFC 2181 §8).
    pub ttl: u32,
    pub class: Class,
    pub rtype: Rtype,
    /// Uncompressed.
    pub rdata: &'a [u8],
}

impl Record<'_> {
    /// A set of this record alone.
    pub fn to_rrset(&self) -> Rrset {
        let mut set = Rrset::new(self.owner.clone(), self.rtype, self.class, self.ttl);
        set.rdatas.push(self.rdata);
        set
    }
}

/// What a sink gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    Record(Record<'a>),
    /// An entry that yields nothing, or nothing more.
    Fault(Fault),
}

/// Receives events; `Break` ends the reading.
pub type Sink<'s> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 's;

/// Gives the text of a file that `$INCLUDE` names, or says why it cannot.
pub type Loader<'l> = dyn FnMut(&str) -> Result<Vec<u8>, String> + 'l;

/// Reads one zone from pieces of text.
pub struct Reader<'l> {
    entries: Entries<'l>,
    scan: Scan,
    /// The start of an entry whose end has not come yet, comments left out.
    held: Vec<u8>,
    /// The held entry was too long; the rest of its line is skipped.
    skipping: bool,
}

impl<'l> Reader<'l> {
    /// A reader that refuses `$INCLUDE`.
    pub fn new(settings: &Settings) -> Reader<'l> {
        Reader {
            entries: Entries::new(settings, None),
            scan: Scan::default(),
            held: Vec::new(),
            skipping: false,
        }
    }

    /// A reader that loads what `$INCLUDE` names.
    pub fn with_loader(settings: &Settings, loader: &'l mut Loader<'l>) -> Reader<'l> {
        Reader { entries: Entries::new(settings, Some(loader)), ..Reader::new(settings) }
    }

    /// Takes the next piece of text.
    pub fn feed(&mut self, text: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        let mut start = 0;
        let mut comment = None;
        if self.scan.is_in_comment() {
            start = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        }
        for (at, &byte) in text.iter().enumerate().skip(start) {
            let was_in_comment = self.scan.is_in_comment();
            let ends = self.scan.step(byte);
            match (was_in_comment, self.scan.is_in_comment()) {
                (false, true) => comment = Some(at),
                (true, false) => comment = None,
                _ => {}
            }
            if !ends {
                continue;
            }
            let piece = &text[start..=at];
            start = at + 1;
            if std::mem::take(&mut self.skipping) {
                self.entries.skip(piece);
            } else if self.held.is_empty() {
                self.entries.entry(piece, sink)?;
            } else {
                self.held.extend_from_slice(piece);
                self.entries.entry(&self.held, sink)?;
                self.held.clear();
            }
        }
        self.hold(&text[start..comment.unwrap_or(text.len()).max(start)], sink)
    }

    /// Keeps the start of an entry for the next piece.
    fn hold(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.skipping {
            self.entries.skip(piece);
            return ControlFlow::Continue(());
        }
        self.held.extend_from_slice(piece);
        if self.held.len() <= ZONE_ENTRY_BYTES_MAX {
            return ControlFlow::Continue(());
        }
        let fault = TextFault::new(0, "an entry of bounded length; is a ')' missing?", None);
        let event = self.entries.fault_at(&self.held, fault);
        self.entries.skip(&self.held);
        self.held.clear();
        self.scan.recover();
        self.skipping = true;
        sink(event)
    }

    /// Ends the text; what is held is the last entry.
    pub fn finish(mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.skipping || self.held.is_empty() {
            return ControlFlow::Continue(());
        }
        let last = std::mem::take(&mut self.held);
        self.entries.entry(&last, sink)
    }
}

/// Reads all of a text that is in memory; `$INCLUDE` is refused.
pub fn read(text: &[u8], settings: &Settings, sink: &mut Sink<'_>) {
    let mut reader = Reader::new(settings);
    let _whether_it_was_ended_early = match reader.feed(text, sink) {
        ControlFlow::Continue(()) => reader.finish(sink),
        ended => ended,
    };
}

/// Reads all of a text and gathers its records into sets, in the order of their first records;
/// signatures are kept apart by the type they cover. Ends at the first fault.
pub fn rrsets(text: &[u8], settings: &Settings) -> Result<Vec<Rrset>, Fault> {
    let mut sets: Vec<Rrset> = Vec::new();
    let mut index = BTreeMap::new();
    let mut fault = None;
    read(text, settings, &mut |event| match event {
        Event::Record(record) => {
            let covers = if record.rtype == Rtype::RRSIG { covered(record.rdata) } else { None };
            let key = (record.owner.clone(), record.rtype, record.class, covers);
            let at = *index.entry(key).or_insert(sets.len());
            match sets.get_mut(at) {
                Some(set) => {
                    set.ttl = set.ttl.min(record.ttl);
                    set.rdatas.push(record.rdata);
                }
                None => sets.push(record.to_rrset()),
            }
            ControlFlow::Continue(())
        }
        Event::Fault(first) => {
            fault = Some(first);
            ControlFlow::Break(())
        }
    });
    fault.map_or(Ok(sets), Err)
}

/// Reads one record, for instance a line of a configuration or a scenario. Blanks before the
/// owner do not mean that the owner is missing.
pub fn record(text: &[u8], settings: &Settings) -> Result<Rrset, Fault> {
    const EXPECTED: &str = "exactly one record";
    let text = text.trim_ascii();
    let mut outcome: Option<Result<Rrset, Fault>> = None;
    read(text, settings, &mut |event| {
        outcome = Some(match (&outcome, event) {
            (_, Event::Fault(fault)) => Err(fault),
            (None, Event::Record(record)) => Ok(record.to_rrset()),
            (Some(_), Event::Record(_)) => {
                Err(Fault::at_start(TextFault::new(0, EXPECTED, Some(text))))
            }
        });
        match outcome {
            Some(Ok(_)) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    });
    outcome.unwrap_or_else(|| Err(Fault::at_start(TextFault::new(0, EXPECTED, None))))
}

#[cfg(test)]
mod tests;
