//! One connection to an upstream: questions into bytes, replies out of its bytes, and which of the
//! questions under way a reply may belong to.
//!
//! Whether a reply is believed is not decided here: a message is offered to each question that
//! went out with its id, and the caller says whether it ended that question. Two questions with
//! one id never share a connection.

use std::time::Duration;

use crate::framing::{Deframer, FramingFault, TooLong};
use crate::limits::{UPSTREAM_IDLE_MAX, UPSTREAM_PIPELINE_MAX};
use crate::message_id;
use crate::output::Output;

/// A connection to an upstream as a state machine; `T` is the caller's word for a question.
#[derive(Debug)]
pub struct ClientStream<T> {
    deframer: Deframer,
    output: Output,
    in_flight: Vec<(u16, T)>,
    /// When the last question ended.
    idle_since: Duration,
    /// Has anything been received on this connection?
    answered: bool,
}

impl<T: Copy + PartialEq> ClientStream<T> {
    /// A connection made now.
    pub fn new(now: Duration) -> ClientStream<T> {
        ClientStream {
            deframer: Deframer::new(),
            output: Output::default(),
            in_flight: Vec::new(),
            idle_since: now,
            answered: false,
        }
    }

    /// May this question go out on this connection?
    pub fn has_room_for(&self, message: &[u8]) -> bool {
        let id = message_id(message);
        self.in_flight.len() < UPSTREAM_PIPELINE_MAX
            && !self.output.is_full()
            && self.in_flight.iter().all(|(taken, _)| Some(*taken) != id)
    }

    /// Sends a question.
    pub fn queue_query(&mut self, now: Duration, query: T, message: &[u8]) -> Result<(), TooLong> {
        self.output.queue(now, message)?;
        self.in_flight.push((message_id(message).unwrap_or_default(), query));
        Ok(())
    }

    /// Nobody waits for this question any more. Returns whether it was under way here.
    pub fn forget_query(&mut self, now: Duration, query: T) -> bool {
        let before = self.in_flight.len();
        self.in_flight.retain(|(_, other)| *other != query);
        if self.in_flight.is_empty() {
            self.idle_since = now;
        }
        before != self.in_flight.len()
    }

    /// The next reply and the question that went out with its id, out of what was kept and then
    /// `input`, which is advanced. Replies that nobody asked for are left out.
    pub fn next_reply<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<(T, &'a [u8])>, FramingFault> {
        // A message is looked at before it is lent, so that the search can go on.
        while self.deframer.peek_length(input)?.is_some() {
            self.answered = true;
            let id = self.deframer.peek_id(input);
            let asked = self.in_flight.iter().find(|(taken, _)| Some(*taken) == id);
            match asked.map(|(_, query)| *query) {
                Some(query) => {
                    return Ok(self.deframer.next_message(input)?.map(|reply| (query, reply)));
                }
                None => {
                    self.deframer.next_message(input)?;
                }
            }
        }
        Ok(None)
    }

    /// The questions under way.
    pub fn in_flight(&self) -> impl Iterator<Item = T> + '_ {
        self.in_flight.iter().map(|(_, query)| *query)
    }

    /// Has this connection brought any message? If not, and it is a reused one, the peer may have
    /// closed it before it saw the question (RFC 7766 §6.2.4).
    pub fn has_answered(&self) -> bool {
        self.answered
    }

    /// Nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// What is to be sent next.
    pub fn output(&self) -> &[u8] {
        self.output.unsent()
    }

    /// The pipe has taken this many octets of the output.
    pub fn advance_output(&mut self, now: Duration, octets: usize) {
        self.output.advance(now, octets);
    }

    /// When to close the connection if nothing happens until then.
    pub fn deadline(&self) -> Option<Duration> {
        let idle = self.is_idle().then(|| self.idle_since + UPSTREAM_IDLE_MAX);
        match (idle, self.output.deadline()) {
            (Some(idle), Some(output)) => Some(idle.min(output)),
            (idle, output) => idle.or(output),
        }
    }
}

#[cfg(test)]
mod tests;
