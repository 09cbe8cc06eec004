//! The words of an entry: white space, quotes, comments and parentheses (RFC 1035 §5.1).

use std::fmt;

/// Most characters of offending text that a fault repeats.
const FOUND_CHARS_MAX: usize = 40;

/// One word or quoted string. Escapes are still in it: their meaning depends on the field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token<'a> {
    /// Without the quotes that surround all of it.
    pub text: &'a [u8],
    /// Was it in quotes?
    pub quoted: bool,
    /// Where it starts in the text that was cut up, in bytes.
    pub offset: usize,
}

impl Token<'_> {
    /// Offset of what follows it.
    pub(crate) fn end(&self) -> usize {
        self.offset + self.text.len() + 2 * usize::from(self.quoted)
    }
}

/// Text that is not what its place asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextFault {
    /// Where, in bytes from the start of the text that was cut up.
    pub offset: usize,
    /// What would be right.
    pub expected: &'static str,
    /// The word that is there instead, shortened; `None` if the text ends.
    pub found: Option<Box<str>>,
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "expected {}, found '{found}'", self.expected),
            None => write!(f, "expected {}, but the entry ends here", self.expected),
        }
    }
}

impl std::error::Error for TextFault {}

impl TextFault {
    pub(crate) fn new(offset: usize, expected: &'static str, found: Option<&[u8]>) -> TextFault {
        let found = found.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * FOUND_CHARS_MAX)]);
            let mut short: String =
                text.chars().take(FOUND_CHARS_MAX).flat_map(char::escape_debug).collect();
            if text.chars().nth(FOUND_CHARS_MAX).is_some() {
                short.push('…');
            }
            short.into_boxed_str()
        });
        TextFault { offset, expected, found }
    }
}

/// Cuts one entry into tokens, which are appended. A newline is white space only inside
/// parentheses; outside it must be the end.
pub fn tokenize<'a>(text: &'a [u8], tokens: &mut Vec<Token<'a>>) -> Result<(), TextFault> {
    let mut at = 0;
    let mut open: Option<usize> = None;
    while let Some(&byte) = text.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' => at += 1,
            b'\n' if open.is_some() => at += 1,
            b'\n' if text[at + 1..].iter().all(u8::is_ascii_whitespace) => break,
            b'\n' => return Err(TextFault::new(at, "one entry", Some(b"\n"))),
            b';' => at += text[at..].iter().position(|b| *b == b'\n').unwrap_or(text.len() - at),
            b'(' if open.is_none() => {
                open = Some(at);
                at += 1;
            }
            b'(' => return Err(TextFault::new(at, "')' before another '('", Some(b"("))),
            b')' => {
                if open.take().is_none() {
                    return Err(TextFault::new(at, "'(' before ')'", Some(b")")));
                }
                at += 1;
            }
            b'"' => {
                let end = quoted_end(text, at)?;
                tokens.push(Token { text: &text[at + 1..end - 1], quoted: true, offset: at });
                at = end;
            }
            _ => {
                let end = word_end(text, at)?;
                tokens.push(Token { text: &text[at..end], quoted: false, offset: at });
                at = end;
            }
        }
    }
    match open {
        Some(at) => Err(TextFault::new(at, "')' for this '('", None)),
        None => Ok(()),
    }
}

/// The offset behind the quote that closes the one at `start`.
fn quoted_end(text: &[u8], start: usize) -> Result<usize, TextFault> {
    let mut at = start + 1;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') if text.get(at + 1) != Some(&b'\n') => at += 2,
            Some(b'\n') | None => {
                return Err(TextFault::new(start, "a closing '\"' on the same line", None));
            }
            Some(_) => at += 1,
        }
    }
}

/// The end of the word that starts at `start`. A quote directly behind '=' belongs to it, up to
/// the quote that closes it (RFC 9460 appendix A).
fn word_end(text: &[u8], start: usize) -> Result<usize, TextFault> {
    let mut at = start;
    loop {
        match text.get(at) {
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')') => return Ok(at),
            Some(b'"') if text[at - 1] == b'=' => return quoted_end(text, at),
            Some(b'"') => return Ok(at),
            Some(b'\\') => {
                if text.get(at + 1).is_none_or(|b| *b == b'\n') {
                    return Err(TextFault::new(at, "a character after '\\'", None));
                }
                at += 2;
            }
            Some(_) => at += 1,
        }
    }
}

/// A reader of tokens.
pub(crate) struct Cursor<'t> {
    tokens: &'t [Token<'t>],
    next: usize,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(tokens: &'t [Token<'t>]) -> Cursor<'t> {
        Cursor { tokens, next: 0 }
    }

    /// The next token, whatever it is.
    pub(crate) fn any(&mut self, expected: &'static str) -> Result<Token<'t>, TextFault> {
        let token = *self.tokens.get(self.next).ok_or_else(|| self.fault_here(expected))?;
        self.next += 1;
        Ok(token)
    }

    /// The next token, which must not be quoted.
    pub(crate) fn word(&mut self, expected: &'static str) -> Result<&'t [u8], TextFault> {
        let token = self.any(expected)?;
        if token.quoted {
            return Err(self.fault_last(expected));
        }
        Ok(token.text)
    }

    /// The next word if there is one at all.
    pub(crate) fn word_or_end(
        &mut self,
        expected: &'static str,
    ) -> Result<Option<&'t [u8]>, TextFault> {
        if self.is_done() { Ok(None) } else { self.word(expected).map(Some) }
    }

    /// Steps over the next token if it is this word.
    pub(crate) fn take_exactly(&mut self, word: &[u8]) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|t| !t.quoted && t.text == word);
        self.next += usize::from(found);
        found
    }

    /// A decimal number of at most `max`.
    pub(crate) fn number(&mut self, max: u64, expected: &'static str) -> Result<u64, TextFault> {
        let word = self.word(expected)?;
        super::numbers::parse_number(word)
            .filter(|value| *value <= max)
            .ok_or_else(|| self.fault_last(expected))
    }

    pub(crate) fn is_done(&self) -> bool {
        self.next >= self.tokens.len()
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), TextFault> {
        if self.is_done() { Ok(()) } else { Err(self.fault_here("the end of the record")) }
    }

    /// A fault about the token that comes next.
    pub(crate) fn fault_here(&self, expected: &'static str) -> TextFault {
        match self.tokens.get(self.next) {
            Some(token) => TextFault::new(token.offset, expected, Some(token.text)),
            None => TextFault::new(self.end(), expected, None),
        }
    }

    /// A fault about the token that was taken last.
    pub(crate) fn fault_last(&self, expected: &'static str) -> TextFault {
        match self.next.checked_sub(1).and_then(|last| self.tokens.get(last)) {
            Some(token) => TextFault::new(token.offset, expected, Some(token.text)),
            None => self.fault_here(expected),
        }
    }

    fn end(&self) -> usize {
        self.tokens.last().map_or(0, Token::end)
    }
}
