//! Response policy zones from zone files: what to do with which names.
//!
//! Triggers are names and wildcards; actions are `CNAME .` (the action that the rule was given),
//! `CNAME *.` (no data), `rpz-passthru.`, `rpz-drop.`, `rpz-tcp-only.`, aliases to other names, and
//! records of other types, which are answered as they stand. What else a zone may contain is ignored and noted. A zone is
//! read as a whole or not at all.

use std::ops::ControlFlow;

use dns::zonefile::{Event, Reader, Record, Settings};
use dns::{Name, Rdatas, Rtype};
use hashbrown::HashMap;
use resolve::keyed::Keyed;

use super::names::{Key, NameTable, NameTableBuilder, Seed, TooManyNames};
use super::rule::{Action, AnswerRecords};

/// Seconds, for records of a file that says nothing.
const TTL_DEFAULT: u32 = 3_600;
/// Notes that are kept of one file; all are counted.
const NOTES_MAX: usize = 20;
/// Bytes between two reports of progress.
const PROGRESS_BYTES: usize = 4 << 20;
/// The code of names to which the given action applies; others count from one.
const CODE_GIVEN: u32 = 0;

/// Something in a file that has no effect, or another than its author may think.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Counted from 1; the last line of the entry.
    pub line: u32,
    pub text: String,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {text}")]
pub struct RpzFault {
    /// Counted from 1.
    pub line: u32,
    pub text: String,
}

/// What a zone says about a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict<'z> {
    /// The action that the rule was given.
    Given,
    /// An action of the zone's own.
    Action(&'z Action),
}

/// A response policy zone.
#[derive(Debug, Default)]
pub struct Zone {
    exact: NameTable<4>,
    /// By the name above the asterisk.
    wildcards: NameTable<4>,
    /// Actions by code, from one.
    actions: Vec<Action>,
    /// The first notes.
    pub notes: Vec<Note>,
    /// Notes altogether.
    pub notes_count: usize,
}

impl Zone {
    /// Reads the text of a zone file. `progress` is told now and then how many bytes are done.
    pub fn read(
        text: &[u8],
        seed: Seed,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Zone, RpzFault> {
        let mut loader = ZoneReader::new(seed);
        let settings = Settings { ttl: Some(TTL_DEFAULT), ..Settings::default() };
        let mut reader = Reader::new(&settings);
        let (mut line, mut done, mut reported) = (0, 0, 0);
        let mut fault = None;
        for piece in text.split_inclusive(|byte| *byte == b'\n') {
            line += 1;
            let mut sink = |event: Event<'_>| loader.take(event, line, &mut fault);
            if reader.feed(piece, &mut sink).is_break() {
                break;
            }
            done += piece.len();
            if done - reported >= PROGRESS_BYTES {
                reported = done;
                progress(done);
            }
        }
        if fault.is_none() {
            let _ended = reader.finish(&mut |event| loader.take(event, line, &mut fault));
        }
        match fault {
            Some(fault) => Err(fault),
            None => loader.finish(line),
        }
    }

    /// What the zone says about a name: of the name itself, or else the closest wildcard.
    pub fn find(&self, key: &Key) -> Option<Verdict<'_>> {
        let code = self.exact.get(key).or_else(|| self.wildcards.get_strictly_above(key))?;
        match u32::from_be_bytes(code) {
            CODE_GIVEN => Some(Verdict::Given),
            code => self.actions.get(code as usize - 1).map(Verdict::Action),
        }
    }

    /// Number of names and wildcards.
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcards.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the names take.
    pub fn bytes(&self) -> usize {
        self.exact.bytes() + self.wildcards.bytes()
    }
}

/// A trigger: a name, or everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Trigger {
    name: Name,
    wildcard: bool,
}

/// Makes a zone from records.
struct ZoneReader {
    /// The apex, once there was a SOA record in the first place.
    apex: Option<Name>,
    records: usize,
    exact: NameTableBuilder<4>,
    wildcards: NameTableBuilder<4>,
    actions: Vec<Action>,
    /// Codes of actions that many names have in common.
    codes: HashMap<Vec<u8>, u32, Keyed>,
    local: HashMap<Trigger, Vec<AnswerRecords>, Keyed>,
    notes: Vec<Note>,
    notes_count: usize,
}

impl ZoneReader {
    fn new(seed: Seed) -> ZoneReader {
        let hasher = Keyed(seed.0, seed.1);
        ZoneReader {
            apex: None,
            records: 0,
            exact: NameTableBuilder::new(seed),
            wildcards: NameTableBuilder::new(seed),
            actions: Vec::new(),
            codes: HashMap::with_hasher(hasher),
            local: HashMap::with_hasher(hasher),
            notes: Vec::new(),
            notes_count: 0,
        }
    }

    fn take(
        &mut self,
        event: Event<'_>,
        line: u32,
        fault: &mut Option<RpzFault>,
    ) -> ControlFlow<()> {
        let taken = match event {
            Event::Record(record) => self.record(&record, line),
            Event::Fault(fault) => Err(RpzFault { line: fault.line, text: fault.kind.to_string() }),
        };
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(found) => {
                *fault = Some(found);
                ControlFlow::Break(())
            }
        }
    }

    fn note(&mut self, line: u32, text: String) {
        self.notes_count += 1;
        if self.notes.len() < NOTES_MAX {
            self.notes.push(Note { line, text });
        }
    }

    fn record(&mut self, record: &Record<'_>, line: u32) -> Result<(), RpzFault> {
        self.records += 1;
        if self.records == 1 {
            if record.rtype == Rtype::SOA {
                self.apex = Some(record.owner.clone());
                return Ok(());
            }
            self.note(line, "warning: SOA missing as the first record".into());
        }
        let Some(owner) = self.relative(record.owner) else {
            self.note(
                line,
                format!("warning: '{}' is outside of the zone (ignored)", record.owner),
            );
            return Ok(());
        };
        if owner.is_root() && matches!(record.rtype, Rtype::NS | Rtype::SOA) {
            return Ok(());
        }
        if let Some(kind) = other_trigger(&owner) {
            self.note(line, format!("warning: triggers '{kind}' are not supported (ignored)"));
            return Ok(());
        }
        let is_forbidden = matches!(record.rtype, Rtype::SOA | Rtype::NS | Rtype::DNAME)
            || matches!(record.rtype, Rtype::DNSKEY | Rtype::DS)
            || matches!(record.rtype, Rtype::RRSIG | Rtype::NSEC | Rtype::NSEC3)
            || record.rtype == Rtype::NSEC3PARAM;
        if is_forbidden {
            let rtype = record.rtype;
            self.note(line, format!("warning: RR type {rtype} is not allowed in RPZ (ignored)"));
            return Ok(());
        }
        let trigger = match owner.parent() {
            Some(parent) if owner.is_wildcard() => Trigger { name: parent, wildcard: true },
            _ => Trigger { name: owner, wildcard: false },
        };
        if record.rtype == Rtype::CNAME {
            let Some(code) = self.code_of_alias(record) else {
                let text = "CNAME to a wildcard is not supported (ignored)";
                self.note(line, text.into());
                return Ok(());
            };
            return self.push(&trigger, code, line);
        }
        self.local_record(trigger, record, line);
        Ok(())
    }

    /// The name without the zone's; `None` if it is not in the zone.
    fn relative(&self, owner: &Name) -> Option<Name> {
        match &self.apex {
            None => Some(owner.clone()),
            Some(apex) if owner == apex => Some(Name::root()),
            Some(apex) => owner.substitute(apex, &Name::root()).ok().flatten(),
        }
    }

    fn push(&mut self, trigger: &Trigger, code: u32, line: u32) -> Result<(), RpzFault> {
        let table = if trigger.wildcard { &mut self.wildcards } else { &mut self.exact };
        table
            .push(&trigger.name, code.to_be_bytes())
            .map_err(|fault| RpzFault { line, text: fault.to_string() })
    }

    fn code_of_alias(&mut self, record: &Record<'_>) -> Option<u32> {
        let target = record.rdata.to_ascii_lowercase();
        let action = match target.as_slice() {
            b"\x00" => return Some(CODE_GIVEN),
            b"\x01*\x00" => Action::Answer { records: Vec::new(), nodata: true },
            b"\x0crpz-passthru\x00" => Action::Pass,
            b"\x08rpz-drop\x00" => Action::Drop,
            b"\x0crpz-tcp-only\x00" => Action::Truncate,
            _ => {
                let name = Name::from_wire(record.rdata).ok().filter(|name| !name.is_wildcard())?;
                Action::Redirect { target: name, ttl: record.ttl }
            }
        };
        let key = [b"CNAME", &record.ttl.to_be_bytes()[..], &target].concat();
        Some(code_of(&mut self.actions, &mut self.codes, key, action))
    }

    fn local_record(&mut self, trigger: Trigger, record: &Record<'_>, line: u32) {
        let sets = self.local.entry(trigger).or_default();
        match sets.iter_mut().find(|set| set.rtype == record.rtype) {
            Some(set) => {
                set.rdatas.push(record.rdata);
                let differs = set.ttl != record.ttl;
                set.ttl = set.ttl.min(record.ttl);
                if differs {
                    let text = "warning: different TTLs in a set (minimum taken)";
                    self.note(line, text.into());
                }
            }
            None => {
                let mut rdatas = Rdatas::new();
                rdatas.push(record.rdata);
                sets.push(AnswerRecords { rtype: record.rtype, ttl: record.ttl, rdatas });
            }
        }
    }

    fn finish(mut self, line: u32) -> Result<Zone, RpzFault> {
        let local: Vec<_> = self.local.drain().collect();
        for (trigger, records) in local {
            let key = packed(&records);
            let action = Action::Answer { records, nodata: true };
            let code = code_of(&mut self.actions, &mut self.codes, key, action);
            self.push(&trigger, code, line)?;
        }
        let fault = |fault: TooManyNames| RpzFault { line, text: fault.to_string() };
        Ok(Zone {
            exact: self.exact.finish().map_err(fault)?,
            wildcards: self.wildcards.finish().map_err(fault)?,
            actions: self.actions,
            notes: self.notes,
            notes_count: self.notes_count,
        })
    }
}

/// The code of an action; one with the same key is kept once.
fn code_of(
    actions: &mut Vec<Action>,
    codes: &mut HashMap<Vec<u8>, u32, Keyed>,
    key: Vec<u8>,
    action: Action,
) -> u32 {
    *codes.entry(key).or_insert_with(|| {
        actions.push(action);
        actions.len() as u32
    })
}

/// The same bytes for the same records.
fn packed(records: &[AnswerRecords]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for set in records {
        bytes.extend_from_slice(&set.rtype.0.to_be_bytes());
        bytes.extend_from_slice(&set.ttl.to_be_bytes());
        let rdatas = set.rdatas.as_packed();
        bytes.extend_from_slice(&(rdatas.len() as u32).to_be_bytes());
        bytes.extend_from_slice(rdatas);
    }
    bytes
}

/// The label of a trigger that is not a question's name.
fn other_trigger(owner: &Name) -> Option<&'static str> {
    let last = owner.labels().last()?;
    ["rpz-ip", "rpz-nsip", "rpz-nsdname", "rpz-client-ip"]
        .into_iter()
        .find(|kind| last.eq_ignore_ascii_case(kind.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = (3, 4);

    fn read(text: &str) -> Result<Zone, RpzFault> {
        Zone::read(text.as_bytes(), SEED, &mut |_| {})
    }

    fn found<'z>(zone: &'z Zone, name: &str) -> Option<Verdict<'z>> {
        zone.find(&Key::new(SEED, &name.parse().expect("a name")))
    }

    fn answers(zone: &Zone, name: &str) -> Vec<(Rtype, u32, usize)> {
        let Some(Verdict::Action(Action::Answer { records, nodata: true })) = found(zone, name)
        else {
            panic!("no local data for {name}");
        };
        records.iter().map(|set| (set.rtype, set.ttl, set.rdatas.len())).collect()
    }

    const ZONE: &str = "\
$ORIGIN rpz.example.
$TTL 30
@ SOA ns hostmaster 1 1 1 1 1
@ NS ns.elsewhere.
blocked CNAME .
*.blocked CNAME *.
good.blocked CNAME rpz-passthru.
drop CNAME RPZ-Drop.
tcp CNAME rpz-tcp-only.
data 60 A 192.0.2.1
Data 20 A 192.0.2.2
data AAAA 2001:db8::1
same A 192.0.2.9
same2 A 192.0.2.9
alias CNAME landing.example.
alias2 CNAME landing.example.
";

    #[test]
    fn triggers_and_actions() {
        let zone = read(ZONE).expect("a zone");
        assert_eq!(found(&zone, "blocked"), Some(Verdict::Given));
        assert_eq!(found(&zone, "BLOCKED"), Some(Verdict::Given));
        assert_eq!(answers(&zone, "a.b.blocked"), []);
        assert_eq!(found(&zone, "good.blocked"), Some(Verdict::Action(&Action::Pass)));
        assert_eq!(answers(&zone, "x.good.blocked"), [], "the closest wildcard");
        assert_eq!(found(&zone, "drop"), Some(Verdict::Action(&Action::Drop)));
        assert_eq!(found(&zone, "tcp"), Some(Verdict::Action(&Action::Truncate)));
        assert_eq!(answers(&zone, "data"), [(Rtype::A, 20, 2), (Rtype::AAAA, 30, 1)]);
        let landing = Action::Redirect { target: "landing.example".parse().unwrap(), ttl: 30 };
        assert_eq!(found(&zone, "alias"), Some(Verdict::Action(&landing)));
        assert_eq!(found(&zone, "x.data"), None);
        assert_eq!(found(&zone, "rpz.example"), None);
        assert_eq!(found(&zone, "."), None);
        assert_eq!(zone.len(), 10);
        let notes: Vec<u32> = zone.notes.iter().map(|note| note.line).collect();
        assert_eq!(notes, [11], "{:?}", zone.notes);
        assert_eq!(found(&zone, "same"), found(&zone, "same2"));
        assert_eq!(zone.actions.len(), 7, "equal data is kept once");
    }

    #[test]
    fn what_is_ignored_is_noted() {
        let zone = read(
            "a CNAME *.example.\n\
             b DNAME c.\n\
             32.1.2.0.192.rpz-ip CNAME .\n\
             d NS e.\n\
             f CNAME .\n",
        )
        .expect("a zone");
        let notes: Vec<String> =
            zone.notes.iter().map(|note| format!("{}: {}", note.line, note.text)).collect();
        assert_eq!(
            notes,
            [
                "1: warning: SOA missing as the first record",
                "1: CNAME to a wildcard is not supported (ignored)",
                "2: warning: RR type DNAME is not allowed in RPZ (ignored)",
                "3: warning: triggers 'rpz-ip' are not supported (ignored)",
                "4: warning: RR type NS is not allowed in RPZ (ignored)",
            ]
        );
        assert_eq!(zone.len(), 1);
        let outside = read("z. SOA a. b. 1 1 1 1 1\nx.y. CNAME .\n").expect("a zone");
        assert_eq!((outside.len(), outside.notes_count), (0, 1));
    }

    #[test]
    fn a_faulty_file_is_no_zone() {
        let fault = read("a CNAME .\nb A 192.0.2.300\nc CNAME .\n").expect_err("a fault");
        assert_eq!(fault.line, 2, "{fault}");
        let fault = read("a CNAME .\nb A (192.0.2.1\n").expect_err("a fault");
        assert_eq!(fault.line, 2, "{fault}");
    }

    #[test]
    fn an_empty_file_is_an_empty_zone() {
        assert!(read("").expect("a zone").is_empty());
        assert!(read("; nothing\n\n").expect("a zone").is_empty());
    }
}
