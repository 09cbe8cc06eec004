//! Anchors as text: DS and DNSKEY records in master format, one owner to a file.
//!
//! The state of a key (RFC 5011) stands in the comment behind its record, `; Valid: ; KeyTag:20326`,
//! with the second at which the state ends behind the colon. A record whose key is not trusted is a
//! comment itself, so that programs that know no states do not trust it either. Records without
//! such a comment are trusted. This is the file that kresd writes; the states in the comments that
//! Unbound writes are understood, too.

use std::fmt::{self, Write as _};
use std::ops::ControlFlow;

use dns::dnssec::Voucher;
use dns::rdata::view::DnskeyView;
use dns::rrset::Dump;
use dns::zonefile::{self, Event, Reader, Record};
use dns::{Class, Name, Rrset, Rtype};

use super::key::{AnchorKey, KeyState, without_revocation};
use super::roll::AnchorSet;
use crate::limits::ANCHOR_KEYS_MAX;

/// The TTL, in seconds, of records that name none, as in kresd.
const TTL_DEFAULT: u32 = 3600;

/// Why text is no list of trust anchors.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnchorFault {
    #[error("empty TA set")]
    Empty,
    #[error("do not mix {0} and {1} TAs in single file/string")]
    ManyOwners(Name, Name),
    #[error("{0} is neither DS nor DNSKEY")]
    OtherType(Rtype),
    #[error("the class is {0}, not IN")]
    OtherClass(Class),
    #[error("more than {ANCHOR_KEYS_MAX} keys")]
    TooMany,
    #[error("{0}")]
    Syntax(zonefile::Fault),
}

/// Reads the records of anchors that are trusted, without states.
pub fn read(text: &str) -> Result<Vec<Rrset>, AnchorFault> {
    let anchors = read_set(text)?;
    let mut sets: Vec<Rrset> = Vec::new();
    for key in anchors.keys.iter().filter(|key| key.state.is_trusted()) {
        let one = key.to_set(&anchors.zone);
        match sets.iter_mut().find(|set| set.rtype == one.rtype) {
            Some(set) => one.rdatas.iter().for_each(|rdata| {
                set.rdatas.push(rdata);
            }),
            None => sets.push(one),
        }
    }
    if sets.is_empty() { Err(AnchorFault::Empty) } else { Ok(sets) }
}

/// Reads anchors with their states. Keys that are of no use any more (Start, Removed) are left out.
pub fn read_set(text: &str) -> Result<AnchorSet, AnchorFault> {
    let mut found = Found::default();
    let mut reader = Reader::new(&settings());
    let mut entry = Entry::default();
    for line in text.split_inclusive('\n') {
        if entry.is_empty()
            && let Some(hidden) = line.strip_prefix("; ")
        {
            found.take_hidden(hidden);
        }
        if !entry.take(line) {
            continue;
        }
        let done = std::mem::take(&mut entry);
        found.feed(&mut reader, &done)?;
    }
    // A parenthesis that is still open here is a fault, which the end of the text brings out.
    found.feed(&mut reader, &entry)?;
    let _ended = reader.finish(&mut |event| found.take(&event, None));
    found.into_set()
}

/// Writes anchors with their states, a line for each key.
pub fn write(anchors: &AnchorSet) -> String {
    let mut text = String::new();
    for key in &anchors.keys {
        let _never_fails = write_key(&mut text, &anchors.zone, key);
    }
    text
}

fn write_key(text: &mut String, zone: &Name, key: &AnchorKey) -> fmt::Result {
    if !key.state.is_trusted() {
        text.push_str("; ");
    }
    let record = Dump(&key.to_set(zone)).to_string();
    writeln!(text, "{} ; {}", record.trim_end(), key.comment())
}

fn settings() -> zonefile::Settings {
    zonefile::Settings { ttl: Some(TTL_DEFAULT), ..zonefile::Settings::default() }
}

/// Lines up to the end of a record, and what is said behind them.
#[derive(Default)]
struct Entry<'t> {
    text: String,
    comments: Vec<&'t str>,
    /// Parentheses that are open.
    depth: usize,
}

impl<'t> Entry<'t> {
    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Adds a line; true if the entry ends with it.
    fn take(&mut self, line: &'t str) -> bool {
        let (mut quoted, mut escaped) = (false, false);
        for (at, byte) in line.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = !quoted,
                b'(' if !quoted => self.depth += 1,
                b')' if !quoted => self.depth = self.depth.saturating_sub(1),
                b';' if !quoted => {
                    self.comments.extend(line.get(at + 1..));
                    break;
                }
                _ => {}
            }
        }
        self.text.push_str(line);
        if !line.ends_with('\n') {
            self.text.push('\n');
        }
        self.depth == 0
    }

    /// The state and timer that a comment tells.
    fn state(&self) -> Option<(KeyState, Option<u64>)> {
        self.comments.iter().flat_map(|comment| comment.split(';')).find_map(state_of)
    }
}

/// `Valid:` or `AddPend:1791111111`; Unbound's `state=1 [ ADDPEND ]`.
fn state_of(comment: &str) -> Option<(KeyState, Option<u64>)> {
    if let Some(rest) = comment.trim_start().strip_prefix("state=") {
        let number = rest.bytes().next()?.checked_sub(b'0')?;
        return Some((*KeyState::ALL.get(usize::from(number))?, None));
    }
    let (name, rest) = comment.trim_start().split_once(':')?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
    Some((KeyState::from_name(name)?, digits.parse().ok()))
}

/// What a text holds, as far as it was read.
#[derive(Default)]
struct Found {
    zone: Option<Name>,
    keys: Vec<AnchorKey>,
    fault: Option<AnchorFault>,
    records: usize,
}

impl Found {
    fn feed(&mut self, reader: &mut Reader<'_>, entry: &Entry<'_>) -> Result<(), AnchorFault> {
        let state = entry.state();
        let _ended = reader.feed(entry.text.as_bytes(), &mut |event| self.take(&event, state));
        self.fault.clone().map_or(Ok(()), Err)
    }

    fn take(
        &mut self,
        event: &Event<'_>,
        state: Option<(KeyState, Option<u64>)>,
    ) -> ControlFlow<()> {
        let taken = match event {
            Event::Record(record) => {
                let (state, timer) = state.unwrap_or((KeyState::Valid, None));
                self.add(record, state, timer)
            }
            Event::Fault(fault) => Err(AnchorFault::Syntax(fault.clone())),
        };
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(fault) => {
                self.fault.get_or_insert(fault);
                ControlFlow::Break(())
            }
        }
    }

    /// A comment that is a record with a state, or just a comment.
    fn take_hidden(&mut self, line: &str) {
        let mut entry = Entry::default();
        entry.take(line);
        let Some((state, timer)) = entry.state() else { return };
        let Ok(set) = zonefile::record(line.as_bytes(), &settings()) else { return };
        // In a comment nothing is trusted, whatever it says.
        if state.is_trusted() {
            return;
        }
        let rdata = set.rdatas.iter().next().unwrap_or_default();
        let record =
            Record { owner: &set.owner, ttl: set.ttl, class: set.class, rtype: set.rtype, rdata };
        let fault = self.add(&record, state, timer).err();
        self.fault = self.fault.take().or(fault);
    }

    fn add(
        &mut self,
        record: &Record<'_>,
        mut state: KeyState,
        timer: Option<u64>,
    ) -> Result<(), AnchorFault> {
        if record.class != Class::IN {
            return Err(AnchorFault::OtherClass(record.class));
        }
        let voucher = match record.rtype {
            Rtype::DS => Voucher::Ds(record.rdata.to_vec()),
            Rtype::DNSKEY => Voucher::Key(without_revocation(record.rdata)),
            other => return Err(AnchorFault::OtherType(other)),
        };
        if record.rtype == Rtype::DNSKEY
            && state != KeyState::Removed
            && DnskeyView::new(record.rdata).is_some_and(|key| key.is_revoked())
        {
            state = KeyState::Revoked;
        }
        let zone = self.zone.get_or_insert_with(|| record.owner.clone());
        if *zone != *record.owner {
            return Err(AnchorFault::ManyOwners(zone.clone(), record.owner.clone()));
        }
        self.records += 1;
        if self.records > ANCHOR_KEYS_MAX {
            return Err(AnchorFault::TooMany);
        }
        let known = self.keys.iter().any(|key| key.voucher == voucher);
        if !known && !matches!(state, KeyState::Start | KeyState::Removed) {
            self.keys.push(AnchorKey { voucher, ttl: record.ttl, state, timer });
        }
        Ok(())
    }

    fn into_set(self) -> Result<AnchorSet, AnchorFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match self.zone {
            Some(zone) if !self.keys.is_empty() => Ok(AnchorSet { zone, keys: self.keys }),
            _ => Err(AnchorFault::Empty),
        }
    }
}

#[cfg(test)]
mod tests;
