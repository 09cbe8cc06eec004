//! One client's connection: queries out of its bytes, responses into bytes, and when to end it.
//!
//! Queries may be answered in any order (RFC 7766 §6.2.1.1). A connection lives as long as
//! something is under way; otherwise it ends when `idle` has passed since the last *answered*
//! query, so neither single octets nor octets that are no queries keep it open. A begun message
//! has to be complete within the same time.

use std::time::Duration;

use crate::framing::{Deframer, FramingFault, TooLong};
use crate::limits::{CLIENT_IDLE_DEFAULT, MESSAGE_BYTES_MIN, PIPELINE_DEFAULT};
use crate::output::Output;

/// What one connection may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerLimits {
    /// Queries under way at the same time; at least one.
    pub pipeline: usize,
    /// Longest idle time, and longest time for one message.
    pub idle: Duration,
}

impl Default for ServerLimits {
    fn default() -> ServerLimits {
        ServerLimits { pipeline: PIPELINE_DEFAULT, idle: CLIENT_IDLE_DEFAULT }
    }
}

/// A client's connection as a state machine.
#[derive(Debug)]
pub struct ServerStream {
    limits: ServerLimits,
    deframer: Deframer,
    output: Output,
    /// Queries handed out and not answered.
    in_flight: usize,
    /// When the connection was opened or a query was answered last.
    progress: Duration,
    /// When the incomplete message began.
    message_since: Option<Duration>,
}

impl ServerStream {
    /// A connection opened now.
    pub fn new(now: Duration, limits: ServerLimits) -> ServerStream {
        ServerStream {
            limits,
            deframer: Deframer::new(),
            output: Output::default(),
            in_flight: 0,
            progress: now,
            message_since: None,
        }
    }

    /// The next query out of what was kept and then `input`, which is advanced. The caller owes
    /// one [`ServerStream::queue_response`] or [`ServerStream::forget_query`] for each. `None`:
    /// there is none, or none is wanted just now; the rest of the input has been taken in any
    /// case.
    pub fn next_message<'a, 'i: 'a>(
        &'a mut self,
        now: Duration,
        input: &mut &'i [u8],
    ) -> Result<Option<&'a [u8]>, FramingFault> {
        if !self.wants_messages() {
            self.deframer.keep(input);
            *input = &[];
            return Ok(None);
        }
        // What was begun before is over with the next complete message; what follows begins now.
        let mut begun = self.message_since.take();
        while let Some(length) = self.deframer.peek_length(input)? {
            if length >= MESSAGE_BYTES_MIN {
                self.in_flight += 1;
                return self.deframer.next_message(input);
            }
            self.deframer.next_message(input)?;
            begun = None;
        }
        if self.deframer.is_amid_message() {
            self.message_since = begun.or(Some(now));
        }
        Ok(None)
    }

    /// Answers a query. Too long a response is forgotten: there is no way to say it.
    pub fn queue_response(&mut self, now: Duration, response: &[u8]) -> Result<(), TooLong> {
        self.forget_query();
        self.output.queue(now, response)?;
        self.progress = now;
        Ok(())
    }

    /// A query that gets no answer.
    pub fn forget_query(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// What is to be sent next.
    pub fn output(&self) -> &[u8] {
        self.output.unsent()
    }

    /// The pipe has taken this many octets of the output.
    pub fn advance_output(&mut self, now: Duration, octets: usize) {
        self.output.advance(now, octets);
        if self.output.is_empty() && octets > 0 {
            self.progress = now;
        }
    }

    /// Is there room for further queries?
    pub fn wants_messages(&self) -> bool {
        self.in_flight < self.limits.pipeline.max(1) && !self.output.is_full()
    }

    /// Have whole or partial messages been received that were not handed out?
    pub fn has_kept(&self) -> bool {
        self.deframer.is_amid_message()
    }

    /// Nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.output.is_empty()
    }

    /// When the connection was opened or last of use.
    pub fn last_progress(&self) -> Duration {
        self.progress
    }

    /// When to close the connection if nothing happens until then; `None` while queries are under
    /// way (the resolver bounds those).
    pub fn deadline(&self) -> Option<Duration> {
        let message = self.message_since.map(|since| since + self.limits.idle);
        let idle = self.is_idle().then(|| self.progress + self.limits.idle);
        [message, idle, self.output.deadline()].into_iter().flatten().min()
    }

    /// Octets of memory held in buffers.
    pub fn held(&self) -> usize {
        self.deframer.held() + self.output.held()
    }
}

#[cfg(test)]
mod tests;
