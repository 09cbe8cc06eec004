//! Lua patterns, as `policy.pattern` matches them against names in wire format.
//!
//! The whole language of Lua 5.1: classes, sets, repetitions, captures with back references, `%b`
//! and `%f`, anchors (<https://www.lua.org/manual/5.1/manual.html#5.4.1>). Bytes are those of the C
//! locale. A pattern is read once; matching is bounded in steps, because patterns with several
//! repetitions can take time exponential in their number.

/// Captures of one pattern, as in Lua.
const CAPTURES_MAX: usize = 32;
/// Items of one pattern; far beyond what anybody writes.
const ITEMS_MAX: usize = 1_000;
/// Steps of one search. A name has 255 bytes at most, so a pattern with two repetitions stays far
/// below this; one that goes beyond does not match.
const STEPS_MAX: u32 = 100_000;

/// Why a pattern cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    #[error("malformed pattern (ends with '%')")]
    EndsWithPercent,
    #[error("malformed pattern (missing ']')")]
    MissingBracket,
    #[error("malformed pattern (missing arguments to '%b')")]
    MissingBalance,
    #[error("malformed pattern (missing '[' after '%f')")]
    MissingFrontier,
    #[error("invalid capture index")]
    BadCapture,
    #[error("unfinished capture")]
    UnfinishedCapture,
    #[error("invalid pattern capture")]
    UnopenedCapture,
    #[error("too many captures")]
    TooManyCaptures,
    #[error("pattern too long")]
    TooLong,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bytes([u64; 4]);

impl Bytes {
    const NONE: Bytes = Bytes([0; 4]);

    fn of(test: impl Fn(u8) -> bool) -> Bytes {
        let mut set = Bytes::NONE;
        (0..=u8::MAX).filter(|byte| test(*byte)).for_each(|byte| set.add(byte));
        set
    }

    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn with(self, other: Bytes) -> Bytes {
        Bytes(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    fn complement(self) -> Bytes {
        Bytes(self.0.map(|bits| !bits))
    }
}

/// How often a single byte may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    Once,
    /// `?`
    Optional,
    /// `*` and `+`, with the least number.
    Greedy(usize),
    /// `-`
    Lazy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Byte(Bytes, Repeat),
    Open(usize),
    Close(usize),
    /// `()`: a position, which matches nothing.
    Position(usize),
    Back(usize),
    Balance(u8, u8),
    Frontier(Bytes),
    /// `$` at the end.
    End,
}

/// A pattern, ready to be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    items: Vec<Item>,
    anchored: bool,
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &[u8]) -> Result<Pattern, PatternFault> {
        let anchored = text.first() == Some(&b'^');
        let mut reader = Reader { rest: &text[usize::from(anchored)..], captures: 0, open: vec![] };
        let mut items = Vec::new();
        while !reader.rest.is_empty() {
            if items.len() == ITEMS_MAX {
                return Err(PatternFault::TooLong);
            }
            items.push(reader.item()?);
        }
        if reader.open.is_empty() {
            Ok(Pattern { items, anchored })
        } else {
            Err(PatternFault::UnfinishedCapture)
        }
    }

    /// Does the pattern match somewhere in the text?
    pub fn is_in(&self, text: &[u8]) -> bool {
        let mut search = Search { text, steps: STEPS_MAX, captures: [None; CAPTURES_MAX] };
        let last = if self.anchored { 0 } else { text.len() };
        (0..=last).any(|start| search.matches(&self.items, start))
    }
}

/// Reads a pattern item by item.
struct Reader<'t> {
    rest: &'t [u8],
    captures: usize,
    /// Captures that are open, the innermost last.
    open: Vec<usize>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn item(&mut self) -> Result<Item, PatternFault> {
        match self.rest {
            [b'(', b')', ..] => {
                self.rest = &self.rest[2..];
                Ok(Item::Position(self.new_capture()?))
            }
            [b'(', ..] => {
                self.next();
                let number = self.new_capture()?;
                self.open.push(number);
                Ok(Item::Open(number))
            }
            [b')', ..] => {
                self.next();
                self.open.pop().map(Item::Close).ok_or(PatternFault::UnopenedCapture)
            }
            [b'$'] => {
                self.next();
                Ok(Item::End)
            }
            [b'%', b'b', ..] => match *self.rest {
                [_, _, open, close, ..] => {
                    self.rest = &self.rest[4..];
                    Ok(Item::Balance(open, close))
                }
                _ => Err(PatternFault::MissingBalance),
            },
            [b'%', b'f', ..] => {
                self.rest = &self.rest[2..];
                match self.rest.first() {
                    Some(b'[') => Ok(Item::Frontier(self.single()?)),
                    _ => Err(PatternFault::MissingFrontier),
                }
            }
            [b'%', digit @ b'0'..=b'9', ..] => {
                let number = usize::from(*digit - b'0').checked_sub(1);
                self.rest = &self.rest[2..];
                number
                    .filter(|number| *number < self.captures && !self.open.contains(number))
                    .map(Item::Back)
                    .ok_or(PatternFault::BadCapture)
            }
            _ => {
                let set = self.single()?;
                let repeat = match self.rest.first() {
                    Some(b'?') => Repeat::Optional,
                    Some(b'*') => Repeat::Greedy(0),
                    Some(b'+') => Repeat::Greedy(1),
                    Some(b'-') => Repeat::Lazy,
                    _ => return Ok(Item::Byte(set, Repeat::Once)),
                };
                self.next();
                Ok(Item::Byte(set, repeat))
            }
        }
    }

    fn new_capture(&mut self) -> Result<usize, PatternFault> {
        if self.captures == CAPTURES_MAX {
            return Err(PatternFault::TooManyCaptures);
        }
        self.captures += 1;
        Ok(self.captures - 1)
    }

    /// What stands for a single byte.
    fn single(&mut self) -> Result<Bytes, PatternFault> {
        match self.next() {
            Some(b'.') => Ok(Bytes::NONE.complement()),
            Some(b'%') => self.next().map(class).ok_or(PatternFault::EndsWithPercent),
            Some(b'[') => self.set(),
            Some(byte) => Ok(Bytes::of(|other| other == byte)),
            None => Ok(Bytes::NONE),
        }
    }

    /// The rest of a set, behind its bracket.
    fn set(&mut self) -> Result<Bytes, PatternFault> {
        let negated = self.rest.first() == Some(&b'^');
        if negated {
            self.next();
        }
        let mut set = Bytes::NONE;
        let mut first = true;
        loop {
            // A bracket that comes first is an ordinary byte.
            let byte = self.next().ok_or(PatternFault::MissingBracket)?;
            match byte {
                b']' if !first => break,
                b'%' => {
                    let escaped = self.next().ok_or(PatternFault::EndsWithPercent)?;
                    set = set.with(class(escaped));
                }
                _ => match *self.rest {
                    [b'-', end, ..] if end != b']' => {
                        self.rest = &self.rest[2..];
                        set = set.with(Bytes::of(|other| (byte..=end).contains(&other)));
                    }
                    _ => set.add(byte),
                },
            }
            first = false;
        }
        Ok(if negated { set.complement() } else { set })
    }
}

/// The class of a letter behind `%`; other bytes stand for themselves.
fn class(letter: u8) -> Bytes {
    let set = match letter.to_ascii_lowercase() {
        b'a' => Bytes::of(|byte| byte.is_ascii_alphabetic()),
        b'c' => Bytes::of(|byte| byte.is_ascii_control()),
        b'd' => Bytes::of(|byte| byte.is_ascii_digit()),
        b'g' => Bytes::of(|byte| byte.is_ascii_graphic()),
        b'l' => Bytes::of(|byte| byte.is_ascii_lowercase()),
        b'p' => Bytes::of(|byte| byte.is_ascii_punctuation()),
        b's' => Bytes::of(|byte| byte == b' ' || (b'\t'..=b'\r').contains(&byte)),
        b'u' => Bytes::of(|byte| byte.is_ascii_uppercase()),
        b'w' => Bytes::of(|byte| byte.is_ascii_alphanumeric()),
        b'x' => Bytes::of(|byte| byte.is_ascii_hexdigit()),
        b'z' => Bytes::of(|byte| byte == 0),
        _ => return Bytes::of(|byte| byte == letter),
    };
    if letter.is_ascii_uppercase() { set.complement() } else { set }
}

/// One search through a text.
struct Search<'t> {
    text: &'t [u8],
    steps: u32,
    /// Start and, once closed, end of each capture.
    captures: [Option<(usize, Option<usize>)>; CAPTURES_MAX],
}

impl Search<'_> {
    /// Do the items match from this place on?
    fn matches(&mut self, items: &[Item], at: usize) -> bool {
        let mut at = at;
        for (index, item) in items.iter().enumerate() {
            let Some(left) = self.steps.checked_sub(1) else { return false };
            self.steps = left;
            let rest = &items[index + 1..];
            let here = self.text.get(at).copied();
            match *item {
                Item::Byte(set, Repeat::Once) => match here {
                    Some(byte) if set.has(byte) => at += 1,
                    _ => return false,
                },
                Item::Byte(set, Repeat::Optional) => {
                    if here.is_some_and(|byte| set.has(byte)) && self.matches(rest, at + 1) {
                        return true;
                    }
                }
                Item::Byte(set, Repeat::Greedy(least)) => return self.greedy(set, least, rest, at),
                Item::Byte(set, Repeat::Lazy) => return self.lazy(set, rest, at),
                Item::Open(number) => self.captures[number] = Some((at, None)),
                Item::Position(number) => self.captures[number] = Some((at, Some(at))),
                Item::Close(number) => {
                    if let Some((_, end)) = &mut self.captures[number] {
                        *end = Some(at);
                    }
                }
                Item::Back(number) => {
                    let Some((start, Some(end))) = self.captures[number] else { return false };
                    if !self.text[at..].starts_with(&self.text[start..end]) {
                        return false;
                    }
                    at += end - start;
                }
                Item::Balance(open, close) => match self.balance(open, close, at) {
                    Some(end) => at = end,
                    None => return false,
                },
                Item::Frontier(set) => {
                    let before = at.checked_sub(1).map_or(0, |before| self.text[before]);
                    if set.has(before) || !set.has(here.unwrap_or(0)) {
                        return false;
                    }
                }
                Item::End => {
                    if at != self.text.len() {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn greedy(&mut self, set: Bytes, least: usize, rest: &[Item], at: usize) -> bool {
        let most = self.text[at..].iter().take_while(|byte| set.has(**byte)).count();
        (least..=most).rev().any(|count| self.matches(rest, at + count))
    }

    fn lazy(&mut self, set: Bytes, rest: &[Item], mut at: usize) -> bool {
        loop {
            if self.matches(rest, at) {
                return true;
            }
            match self.text.get(at) {
                Some(byte) if set.has(*byte) => at += 1,
                _ => return false,
            }
        }
    }

    /// The end of what begins and ends with these two, properly nested.
    fn balance(&self, open: u8, close: u8, at: usize) -> Option<usize> {
        if self.text.get(at) != Some(&open) {
            return None;
        }
        let mut depth = 1;
        for (offset, byte) in self.text[at + 1..].iter().enumerate() {
            if *byte == close {
                depth -= 1;
                if depth == 0 {
                    return Some(at + offset + 2);
                }
            } else if *byte == open {
                depth += 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern.as_bytes()).expect("a pattern").is_in(text.as_bytes())
    }

    #[test]
    fn patterns_of_the_manual() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("\u{8}example[0-8]\u{2}cz", "\u{3}www\u{8}example3\u{2}cz\0", true),
            ("\u{8}example[0-8]\u{2}cz", "\u{8}example9\u{2}cz\0", false),
            ("a.c", "xabcx", true),
            ("^a.c", "xabc", false),
            ("a.c$", "abc", true),
            ("a.c$", "abcd", false),
            ("a$c", "a$c", true),
            ("ab*c", "ac", true),
            ("ab+c", "ac", false),
            ("ab-c", "abbbc", true),
            ("ab?c", "abc", true),
            ("ab?c", "abbc", false),
            ("%d%d%d", "a12", false),
            ("%D+", "123", false),
            ("[%w_]+$", "--a_1", true),
            ("[^%w]", "abc", false),
            ("[]]", "]", true),
            ("[^]]", "]", false),
            ("[a-]", "-", true),
            ("[a%-z]", "b", false),
            ("(a+)b%1$", "aabaa", true),
            ("^(a+)b%1$", "aabaaa", false),
            ("()a", "ba", true),
            ("%b()", "f(a(b)c", true),
            ("^%b()$", "(a(b)c", false),
            ("%f[%d]1", "a1", true),
            ("%f[%d]1", "21", false),
            ("%z", "\0", true),
            ("%.", ".", true),
            ("%.", "a", false),
        ] {
            assert_eq!(found(pattern, text), expected, "{pattern:?} in {text:?}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for (pattern, fault) in [
            ("a%", PatternFault::EndsWithPercent),
            ("[a", PatternFault::MissingBracket),
            ("[", PatternFault::MissingBracket),
            ("[]", PatternFault::MissingBracket),
            ("[%", PatternFault::EndsWithPercent),
            ("%b(", PatternFault::MissingBalance),
            ("%fa", PatternFault::MissingFrontier),
            ("%1", PatternFault::BadCapture),
            ("(%1)", PatternFault::BadCapture),
            ("(a", PatternFault::UnfinishedCapture),
            ("a)", PatternFault::UnopenedCapture),
        ] {
            assert_eq!(Pattern::new(pattern.as_bytes()), Err(fault), "{pattern}");
        }
        assert_eq!(Pattern::new(&b"()".repeat(33)), Err(PatternFault::TooManyCaptures));
        assert_eq!(Pattern::new(&vec![b'a'; 2000]), Err(PatternFault::TooLong));
    }

    #[test]
    fn a_pattern_cannot_take_for_ever() {
        let text = [b'a'; 255];
        let pattern = Pattern::new(&[b".*".repeat(20), b"b".to_vec()].concat()).expect("a pattern");
        let began = std::hint::black_box(&text);
        assert!(!pattern.is_in(began));
    }
}
