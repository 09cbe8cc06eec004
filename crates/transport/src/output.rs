//! Octets that wait to be taken by the peer, with the times by which it has to take them.
//!
//! What was queued when the clock started has to be gone when it ends; then it starts again with
//! what has come in between. So a peer that takes single octets now and then is found out, and a
//! busy one that never lets the queue run empty is not.

use std::time::Duration;

use crate::framing::{TooLong, frame};
use crate::limits::{BUFFER_KEPT_BYTES, OUTPUT_DRAIN_MAX, OUTPUT_FULL_MAX, OUTPUT_HIGH_BYTES};

/// A queue of framed messages.
#[derive(Default, Debug)]
pub struct Output {
    bytes: Vec<u8>,
    /// How many octets of `bytes` the peer has taken.
    written: usize,
    /// How many more it has to take before `drain_by`.
    owed: usize,
    drain_by: Option<Duration>,
    full_since: Option<Duration>,
}

impl Output {
    /// Appends a message with its length.
    pub fn queue(&mut self, now: Duration, message: &[u8]) -> Result<(), TooLong> {
        if self.written > 0 && self.written >= self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        frame(message, &mut self.bytes)?;
        if self.drain_by.is_none() {
            self.restart(now);
        }
        if self.is_full() && self.full_since.is_none() {
            self.full_since = Some(now);
        }
        Ok(())
    }

    /// What is to be sent next.
    pub fn unsent(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// The peer's pipe has taken this many octets.
    pub fn advance(&mut self, now: Duration, octets: usize) {
        self.written = (self.written + octets).min(self.bytes.len());
        self.owed = self.owed.saturating_sub(octets);
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(BUFFER_KEPT_BYTES);
            self.written = 0;
            self.drain_by = None;
        } else if self.owed == 0 {
            self.restart(now);
        }
        if !self.is_full() {
            self.full_since = None;
        }
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.unsent().is_empty()
    }

    /// So much waits that no more should be made.
    pub fn is_full(&self) -> bool {
        self.unsent().len() >= OUTPUT_HIGH_BYTES
    }

    /// When a peer that takes nothing more is given up.
    pub fn deadline(&self) -> Option<Duration> {
        let full = self.full_since.map(|since| since + OUTPUT_FULL_MAX);
        match (self.drain_by, full) {
            (Some(drain), Some(full)) => Some(drain.min(full)),
            (drain, full) => drain.or(full),
        }
    }

    /// Octets of memory held.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    fn restart(&mut self, now: Duration) {
        self.owed = self.unsent().len();
        self.drain_by = Some(now + OUTPUT_DRAIN_MAX);
    }
}

#[cfg(test)]
mod tests;
