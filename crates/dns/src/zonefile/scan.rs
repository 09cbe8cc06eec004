//! Where entries end: at a newline that is in no parentheses and no string.
//!
//! Sees the same quotes, escapes and comments as [`crate::rdata::text::tokenize`], but a byte at a
//! time, so that text may come in pieces of any size.

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Plain,
    Escape,
    Quoted,
    QuotedEscape,
    Comment,
}

#[derive(Default)]
pub(super) struct Scan {
    state: State,
    in_parentheses: bool,
}

impl Scan {
    /// Takes a byte; does it end the entry?
    #[inline]
    pub(super) fn step(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            // A string does not go over lines: what opened it is a fault, and the entry ends so
            // that the next line is read as it was meant.
            if matches!(self.state, State::Quoted | State::QuotedEscape) {
                self.in_parentheses = false;
            }
            self.state = State::Plain;
            return !self.in_parentheses;
        }
        self.state = match (self.state, byte) {
            (State::Plain, b'\\') => State::Escape,
            (State::Plain, b'"') => State::Quoted,
            (State::Plain, b';') => State::Comment,
            (State::Plain, b'(' | b')') => {
                self.in_parentheses = byte == b'(';
                State::Plain
            }
            (State::Quoted, b'\\') => State::QuotedEscape,
            (State::Quoted, b'"') | (State::Escape, _) => State::Plain,
            (State::QuotedEscape, _) => State::Quoted,
            (state, _) => state,
        };
        false
    }

    pub(super) fn is_in_comment(&self) -> bool {
        self.state == State::Comment
    }

    /// Forgets an opening parenthesis, so that the line's end is the entry's.
    pub(super) fn recover(&mut self) {
        self.in_parentheses = false;
    }
}
