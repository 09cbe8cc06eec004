//! `$GENERATE`: records from a range of numbers and a template, as in BIND (the BIND 9 reference
//! manual defines it; no RFC does).

use std::fmt::Write;

use crate::limits::GENERATE_WIDTH_MAX;
use crate::rdata::text::{TextFault, Token};

/// Parses `start-stop` or `start-stop/step`, inclusive.
pub(super) fn range(text: &[u8]) -> Option<impl Iterator<Item = u32> + use<>> {
    let text = std::str::from_utf8(text).ok()?;
    let (bounds, step) = match text.split_once('/') {
        Some((bounds, step)) => (bounds, step.parse().ok().filter(|step| *step > 0)?),
        None => (text, 1usize),
    };
    let (start, stop) = bounds.split_once('-')?;
    let (start, stop) = (start.parse::<u32>().ok()?, stop.parse::<u32>().ok()?);
    (start <= stop && stop <= i32::MAX as u32).then(|| (start..=stop).step_by(step))
}

/// A piece of the template.
enum Part {
    Text(Vec<u8>),
    Number { offset: i64, width: usize, base: Base },
}

#[derive(Clone, Copy)]
enum Base {
    Decimal,
    Octal,
    Hex,
    HexUpper,
    /// Hexadecimal digits from the least, with dots between (for ip6.arpa).
    Nibbles,
    NibblesUpper,
}

/// A record in which `$` stands for the number.
pub(super) struct Template {
    parts: Vec<Part>,
    /// A `${…}` that makes no sense, to be reported by the first use.
    fault: Option<TextFault>,
}

impl Template {
    /// Takes the tokens from the owner on. A quoted string that is all of the rdata and not that
    /// of a text record is taken out of its quotes, as BIND does, so that it may have blanks.
    pub(super) fn new(tokens: &[Token<'_>]) -> Template {
        let mut template = Template { parts: Vec::new(), fault: None };
        let is_text = |token: &Token<'_>| {
            [&b"TXT"[..], b"SPF", b"HINFO"].iter().any(|t| token.text.eq_ignore_ascii_case(t))
        };
        let keep_quotes = tokens.len() < 2
            || tokens[..tokens.len() - 1].iter().any(|token| token.quoted || is_text(token));
        for (i, token) in tokens.iter().enumerate() {
            let quotes = token.quoted && (keep_quotes || i + 1 < tokens.len());
            if i > 0 {
                template.text(b" ");
            }
            if quotes {
                template.text(b"\"");
            }
            if let Err(fault) = template.token(token) {
                template.fault.get_or_insert(fault);
            }
            if quotes {
                template.text(b"\"");
            }
        }
        template
    }

    fn text(&mut self, text: &[u8]) {
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.extend_from_slice(text),
            _ => self.parts.push(Part::Text(text.to_vec())),
        }
    }

    fn token(&mut self, token: &Token<'_>) -> Result<(), TextFault> {
        let mut rest = token.text;
        while let Some(&byte) = rest.first() {
            let used = match (byte, rest.get(1)) {
                (b'\\', Some(_)) => {
                    self.text(&rest[..2]);
                    2
                }
                (b'$', Some(b'$')) => {
                    self.text(b"\\$");
                    2
                }
                (b'$', Some(b'{')) => {
                    const EXPECTED: &str = "${offset,width,base} with a base of d, o, x, X, n or N";
                    let fault = || TextFault::new(token.offset, EXPECTED, Some(token.text));
                    let close = rest.iter().position(|b| *b == b'}').ok_or_else(fault)?;
                    self.parts.push(modifier(&rest[2..close]).ok_or_else(fault)?);
                    close + 1
                }
                (b'$', _) => {
                    self.parts.push(Part::Number { offset: 0, width: 0, base: Base::Decimal });
                    1
                }
                _ => {
                    self.text(&rest[..1]);
                    1
                }
            };
            rest = &rest[used..];
        }
        Ok(())
    }

    /// The record's text for one number.
    pub(super) fn fill(&self, value: u32) -> Result<Vec<u8>, TextFault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let mut out = String::new();
        let mut line = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => line.extend_from_slice(text),
                Part::Number { offset, width, base } => {
                    out.clear();
                    let number = u64::try_from(i64::from(value) + offset).map_err(|_| {
                        TextFault::new(0, "an offset that leaves no number negative", None)
                    })?;
                    write_number(number, *width, *base, &mut out);
                    line.extend_from_slice(out.as_bytes());
                }
            }
        }
        Ok(line)
    }
}

/// Parses `offset[,width[,base]]`.
fn modifier(text: &[u8]) -> Option<Part> {
    let mut fields = std::str::from_utf8(text).ok()?.split(',');
    let offset = i64::from(fields.next()?.parse::<i32>().ok()?);
    let width = fields.next().map_or(Some(0), |width| width.parse().ok())?;
    let base = match fields.next() {
        None | Some("d") => Base::Decimal,
        Some("o") => Base::Octal,
        Some("x") => Base::Hex,
        Some("X") => Base::HexUpper,
        Some("n") => Base::Nibbles,
        Some("N") => Base::NibblesUpper,
        Some(_) => return None,
    };
    let is_all = fields.next().is_none() && width <= GENERATE_WIDTH_MAX;
    is_all.then_some(Part::Number { offset, width, base })
}

fn write_number(number: u64, width: usize, base: Base, out: &mut String) {
    let _infallible = match base {
        Base::Decimal => write!(out, "{number:0width$}"),
        Base::Octal => write!(out, "{number:0width$o}"),
        Base::Hex => write!(out, "{number:0width$x}"),
        Base::HexUpper => write!(out, "{number:0width$X}"),
        Base::Nibbles | Base::NibblesUpper => {
            // The width counts digits and dots alike; an even one ends in a dot, as in BIND.
            let mut rest = number;
            let mut left = width;
            loop {
                let digit = char::from_digit((rest & 0xf) as u32, 16).unwrap_or('0');
                out.push(match base {
                    Base::NibblesUpper => digit.to_ascii_uppercase(),
                    _ => digit,
                });
                rest >>= 4;
                left = left.saturating_sub(1);
                if rest != 0 || left > 0 {
                    out.push('.');
                    left = left.saturating_sub(1);
                }
                if rest == 0 && left == 0 {
                    return;
                }
            }
        }
    };
}
