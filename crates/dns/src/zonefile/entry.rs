//! One entry: a record or a directive, and what is remembered from one to the next.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::generate::Template;
use super::{Event, Fault, FaultKind, Loader, Record, Scan, Settings, Sink};
use crate::limits::{GENERATED_RECORDS_MAX, ZONE_INCLUDE_DEPTH_MAX, ZONE_INCLUDES_MAX};
use crate::name::Name;
use crate::rdata::text::{TextFault, Token, parse_period, parse_rdata_into, tokenize};
use crate::rdata::view::SoaView;
use crate::rtype::{Class, Rtype};

/// Largest TTL (RFC 2181 §8).
const TTL_MAX: u32 = i32::MAX as u32;

/// State of the text that is being read: an included file starts with a copy and gives nothing
/// back (RFC 1035 §5.1).
#[derive(Clone)]
struct Scope {
    origin: Name,
    /// The last owner.
    owner: Option<Name>,
    /// Of the entry at hand, counted from 1.
    line: u32,
    file: Option<Rc<str>>,
    depth: usize,
}

pub(super) struct Entries<'l> {
    scope: Scope,
    class: Class,
    /// By `$TTL`.
    ttl_default: Option<u32>,
    /// The last that a record had, or the settings' (RFC 1035 §5.1).
    ttl_last: Option<u32>,
    loader: Option<&'l mut Loader<'l>>,
    includes: usize,
    generated: usize,
    rdata: Vec<u8>,
}

/// What stands before the rdata.
struct Head {
    owner: Name,
    ttl: Option<u32>,
    class: Class,
    rtype: Rtype,
    /// Index of the first token of the rdata.
    rdata: usize,
}

impl<'l> Entries<'l> {
    pub(super) fn new(settings: &Settings, loader: Option<&'l mut Loader<'l>>) -> Entries<'l> {
        let origin = settings.origin.clone();
        Entries {
            scope: Scope { origin, owner: None, line: 1, file: None, depth: 0 },
            class: settings.class,
            ttl_default: None,
            ttl_last: settings.ttl,
            loader,
            includes: 0,
            generated: 0,
            rdata: Vec::new(),
        }
    }

    /// Counts the lines of text that is passed over.
    pub(super) fn skip(&mut self, text: &[u8]) {
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        self.scope.line = self.scope.line.saturating_add(lines as u32);
    }

    /// The fault with its place, whose offset counts from the start of the entry.
    pub(super) fn fault_at<'e>(&self, entry: &[u8], fault: TextFault) -> Event<'e> {
        let offset = fault.offset;
        Event::Fault(self.place(entry, offset, FaultKind::Text(fault)))
    }

    fn place(&self, entry: &[u8], offset: usize, kind: FaultKind) -> Fault {
        let before = &entry[..offset.min(entry.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        // Continuation bytes of UTF-8 are no characters of their own.
        let is_start = |byte: &&u8| **byte & 0xc0 != 0x80;
        Fault {
            file: self.scope.file.as_deref().map(Into::into),
            line: self.scope.line.saturating_add(lines as u32),
            column: before[line_start..].iter().filter(is_start).count() as u32 + 1,
            kind,
        }
    }

    /// Reads one entry, whose final newline is part of it.
    pub(super) fn entry(&mut self, text: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        let mut tokens = Vec::new();
        let outcome = match tokenize(text, &mut tokens) {
            Err(fault) => Err(fault),
            Ok(()) => self.tokens(text, &tokens, sink),
        };
        let flow = outcome.unwrap_or_else(|fault| sink(self.fault_at(text, fault)));
        self.skip(text);
        flow
    }

    fn tokens(
        &mut self,
        text: &[u8],
        tokens: &[Token<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, TextFault> {
        let Some(first) = tokens.first() else { return Ok(ControlFlow::Continue(())) };
        if first.text.starts_with(b"$") && !first.quoted {
            return self.directive(text, tokens, sink);
        }
        let owner_is_missing = text.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        let head = self.head(tokens, owner_is_missing)?;
        self.record(head, tokens, sink)
    }

    /// Reads owner, TTL, class and type.
    fn head(&self, tokens: &[Token<'_>], owner_is_missing: bool) -> Result<Head, TextFault> {
        const OWNER: &str = "an owner name at the start of the line";
        let (owner, mut next) = match (&self.scope.owner, owner_is_missing) {
            (Some(owner), true) => (owner.clone(), 0),
            (None, true) => return Err(fault_about(tokens, 0, OWNER)),
            _ => (self.name(tokens, 0, OWNER)?, 1),
        };
        let (mut ttl, mut class) = (None, None);
        loop {
            const EXPECTED: &str = "a TTL, a class or a record type";
            let word = word(tokens, next, EXPECTED)?;
            if ttl.is_none() && word.first().is_some_and(u8::is_ascii_digit) {
                ttl = Some(self.period(tokens, next)?);
            } else if let Some(found) = class_word(word).filter(|_| class.is_none()) {
                class = Some(found);
            } else {
                let rtype = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
                let rtype = rtype.ok_or_else(|| fault_about(tokens, next, EXPECTED))?;
                let class = class.unwrap_or(self.class);
                return Ok(Head { owner, ttl, class, rtype, rdata: next + 1 });
            }
            next += 1;
        }
    }

    /// Reads the rdata, settles the TTL and hands the record out.
    fn record(
        &mut self,
        head: Head,
        tokens: &[Token<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, TextFault> {
        self.rdata.clear();
        let Head { owner, ttl, class, rtype, rdata } = head;
        let of_rdata = tokens.get(rdata..).unwrap_or_default();
        parse_rdata_into(rtype, class, of_rdata, &self.scope.origin, &mut self.rdata).map_err(
            // Without a token of its own, the fault is where the tokens end.
            |fault| {
                if of_rdata.is_empty() { fault_about(tokens, rdata, fault.expected) } else { fault }
            },
        )?;
        // RFC 2308 §4 for $TTL; without it the last TTL holds (RFC 1035 §5.1), and an SOA that
        // comes first has at least its own MINIMUM to go by.
        let ttl = ttl.or(self.ttl_default).or(self.ttl_last).or_else(|| {
            let soa = SoaView::new(&self.rdata).filter(|_| rtype == Rtype::SOA);
            soa.map(|soa| soa.minimum().min(TTL_MAX))
        });
        let Some(ttl) = ttl else {
            return Err(fault_about(tokens, rdata - 1, "a TTL before the type, or $TTL earlier"));
        };
        self.ttl_last = Some(ttl);
        self.class = class;
        let flow =
            sink(Event::Record(Record { owner: &owner, ttl, class, rtype, rdata: &self.rdata }));
        self.scope.owner = Some(owner);
        Ok(flow)
    }

    fn directive(
        &mut self,
        text: &[u8],
        tokens: &[Token<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, TextFault> {
        match tokens[0].text.to_ascii_uppercase().as_slice() {
            b"$ORIGIN" => {
                let origin = self.name(tokens, 1, "a name after $ORIGIN")?;
                end(tokens, 2)?;
                self.scope.origin = origin;
            }
            b"$TTL" => {
                let ttl = self.period(tokens, 1)?;
                end(tokens, 2)?;
                self.ttl_default = Some(ttl);
            }
            b"$INCLUDE" => return self.include(text, tokens, sink),
            b"$GENERATE" => return self.generate(tokens, sink),
            _ => {
                const EXPECTED: &str = "$ORIGIN, $TTL, $INCLUDE or $GENERATE";
                return Err(fault_about(tokens, 0, EXPECTED));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn include(
        &mut self,
        text: &[u8],
        tokens: &[Token<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, TextFault> {
        const FILE: &str = "a file name after $INCLUDE";
        let file = tokens.get(1).ok_or_else(|| fault_about(tokens, 1, FILE))?;
        let file = std::str::from_utf8(file.text).map_err(|_| fault_about(tokens, 1, FILE))?;
        let origin = match tokens.get(2) {
            Some(_) => self.name(tokens, 2, "an origin for the included file")?,
            None => self.scope.origin.clone(),
        };
        end(tokens, 3)?;
        let loaded = if self.scope.depth >= ZONE_INCLUDE_DEPTH_MAX {
            Err(format!("files include each other more than {ZONE_INCLUDE_DEPTH_MAX} deep"))
        } else if self.includes >= ZONE_INCLUDES_MAX {
            Err(format!("more than {ZONE_INCLUDES_MAX} files are included"))
        } else {
            match &mut self.loader {
                Some(loader) => loader(file),
                None => Err("files are not included here".to_owned()),
            }
        };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(reason) => {
                let kind = FaultKind::Include { file: file.into(), reason };
                return Ok(sink(Event::Fault(self.place(text, tokens[1].offset, kind))));
            }
        };
        self.includes += 1;
        let inner = Scope {
            origin,
            owner: self.scope.owner.clone(),
            line: 1,
            file: Some(file.into()),
            depth: self.scope.depth + 1,
        };
        let outer = std::mem::replace(&mut self.scope, inner);
        let flow = self.whole(&loaded, sink);
        self.scope = outer;
        Ok(flow)
    }

    /// Reads text that is all there.
    fn whole(&mut self, text: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        let mut scan = Scan::default();
        let mut start = 0;
        for (at, &byte) in text.iter().enumerate() {
            if scan.step(byte) {
                self.entry(&text[start..=at], sink)?;
                start = at + 1;
            }
        }
        if start < text.len() {
            self.entry(&text[start..], sink)
        } else {
            ControlFlow::Continue(())
        }
    }

    /// `$GENERATE start-stop[/step] owner [ttl] [class] type rdata`, as BIND has it.
    fn generate(
        &mut self,
        tokens: &[Token<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, TextFault> {
        const RANGE: &str = "a range such as 1-127 or 0-254/2";
        let range = super::generate::range(word(tokens, 1, RANGE)?);
        let range = range.ok_or_else(|| fault_about(tokens, 1, RANGE))?;
        let template = Template::new(tokens.get(2..).unwrap_or_default());
        for value in range {
            self.generated += 1;
            if self.generated > GENERATED_RECORDS_MAX {
                return Err(fault_about(tokens, 1, "fewer records from $GENERATE in one zone"));
            }
            let line = template.fill(value)?;
            let mut made = Vec::new();
            let again = |fault: TextFault| TextFault { offset: tokens[0].offset, ..fault };
            tokenize(&line, &mut made).map_err(again)?;
            let head = self.head(&made, false).map_err(again)?;
            if self.record(head, &made, sink).map_err(again)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn name(
        &self,
        tokens: &[Token<'_>],
        index: usize,
        expected: &'static str,
    ) -> Result<Name, TextFault> {
        Name::from_text(word(tokens, index, expected)?, &self.scope.origin)
            .map_err(|_| fault_about(tokens, index, expected))
    }

    fn period(&self, tokens: &[Token<'_>], index: usize) -> Result<u32, TextFault> {
        const EXPECTED: &str = "a TTL of at most 2147483647 seconds, such as 3600 or 1h30m";
        parse_period(word(tokens, index, EXPECTED)?)
            .filter(|seconds| *seconds <= TTL_MAX)
            .ok_or_else(|| fault_about(tokens, index, EXPECTED))
    }
}

/// A class that a record may have. `ANY` and `NONE` belong to questions and updates, and the
/// former is also a type.
fn class_word(word: &[u8]) -> Option<Class> {
    let class: Class = std::str::from_utf8(word).ok()?.parse().ok()?;
    (class != Class::ANY && class != Class::NONE).then_some(class)
}

fn word<'t>(
    tokens: &[Token<'t>],
    index: usize,
    expected: &'static str,
) -> Result<&'t [u8], TextFault> {
    let token = tokens.get(index).filter(|token| !token.quoted);
    token.map(|token| token.text).ok_or_else(|| fault_about(tokens, index, expected))
}

fn end(tokens: &[Token<'_>], index: usize) -> Result<(), TextFault> {
    match tokens.get(index) {
        None => Ok(()),
        Some(_) => Err(fault_about(tokens, index, "the end of the line")),
    }
}

/// A fault about a token, or about what should follow the last.
fn fault_about(tokens: &[Token<'_>], index: usize, expected: &'static str) -> TextFault {
    match tokens.get(index) {
        Some(token) => TextFault::new(token.offset, expected, Some(token.text)),
        None => TextFault::new(tokens.last().map_or(0, Token::end), expected, None),
    }
}
