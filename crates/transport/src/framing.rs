//! Messages on a byte stream: each follows its length in two octets (RFC 1035 §4.2.2, RFC 7766 §8).
//!
//! [`Deframer`] cuts arriving octets into messages, however they are split. Messages that arrive
//! whole are handed out in place; only what is incomplete is copied and kept.

use crate::limits::{BUFFER_KEPT_BYTES, PREFIX_BYTES};
use crate::message_id;

/// What no correct sender does on a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FramingFault {
    /// A length of zero: the ends disagree about where messages begin.
    #[error("message of length zero")]
    LengthZero,
}

/// Why a message cannot be put on a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("message longer than 65535 octets")]
pub struct TooLong;

/// Cuts a byte stream into messages. Holds at most one incomplete message, and what
/// [`Deframer::keep`] was given.
#[derive(Default, Debug)]
pub struct Deframer {
    pending: Vec<u8>,
    /// Where in `pending` the octets begin that have not been handed out.
    start: usize,
}

impl Deframer {
    /// Nothing received so far.
    pub fn new() -> Deframer {
        Deframer::default()
    }

    /// The next whole message out of what is kept and then `input`, which is advanced past what
    /// was taken. `None`: all input is taken and no message is complete.
    pub fn next_message<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<&'a [u8]>, FramingFault> {
        let Some(length) = self.peek_length(input)? else { return Ok(None) };
        let end = PREFIX_BYTES + length;
        if self.is_amid_message() {
            let message = self.start + PREFIX_BYTES..self.start + end;
            self.start += end;
            return Ok(self.pending.get(message));
        }
        let message = input.get(PREFIX_BYTES..end);
        *input = input.get(end..).unwrap_or_default();
        Ok(message)
    }

    /// The length of the message that [`Deframer::next_message`] would give. Takes from the input
    /// what completes a begun message, and all of it if none is complete.
    pub fn peek_length(&mut self, input: &mut &[u8]) -> Result<Option<usize>, FramingFault> {
        if !self.is_amid_message() {
            self.clear();
            let length = announced(input)?;
            if length.is_some_and(|length| input.len() >= PREFIX_BYTES + length) {
                return Ok(length);
            }
            self.pending.extend_from_slice(input);
            *input = &[];
            return Ok(None);
        }
        loop {
            let kept = self.pending.get(self.start..).unwrap_or_default();
            let length = announced(kept)?;
            let wanted = PREFIX_BYTES + length.unwrap_or(0);
            let missing = wanted.saturating_sub(kept.len());
            if length.is_some() && missing == 0 {
                return Ok(length);
            }
            if input.is_empty() {
                return Ok(None);
            }
            let (taken, rest) = input.split_at(missing.min(input.len()));
            self.pending.drain(..self.start);
            self.start = 0;
            self.pending.extend_from_slice(taken);
            *input = rest;
        }
    }

    /// The id of the message that [`Deframer::next_message`] would give.
    pub fn peek_id(&self, input: &[u8]) -> Option<u16> {
        let kept = self.pending.get(self.start..).unwrap_or_default();
        let source = if kept.is_empty() { input } else { kept };
        source.get(PREFIX_BYTES..).and_then(message_id)
    }

    /// Keeps octets for later, for a receiver that takes no further message just now. The caller
    /// bounds how much.
    pub fn keep(&mut self, input: &[u8]) {
        self.pending.drain(..self.start);
        self.start = 0;
        self.pending.extend_from_slice(input);
    }

    /// Has a message begun that is not complete? (Or are there kept messages.)
    pub fn is_amid_message(&self) -> bool {
        self.start < self.pending.len()
    }

    /// Octets of memory held.
    pub fn held(&self) -> usize {
        self.pending.capacity()
    }

    fn clear(&mut self) {
        self.start = 0;
        self.pending.clear();
        self.pending.shrink_to(BUFFER_KEPT_BYTES);
    }
}

/// The length that the first two octets announce, if they are there.
fn announced(bytes: &[u8]) -> Result<Option<usize>, FramingFault> {
    match bytes.first_chunk::<PREFIX_BYTES>().map(|prefix| u16::from_be_bytes(*prefix)) {
        Some(0) => Err(FramingFault::LengthZero),
        length => Ok(length.map(usize::from)),
    }
}

/// Appends a message with its length in front.
pub fn frame(message: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
    let length = u16::try_from(message.len()).map_err(|_| TooLong)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    Ok(())
}

#[cfg(test)]
mod tests;
