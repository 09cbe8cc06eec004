//! When to look at which request again: one entry per request, kept loosely.
//!
//! Most entries are overtaken by a reply long before they are due. They are not searched for then
//! but thrown away when they reach the top, at the latest at the end of the turn, so that the
//! process does not wake up for nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::request::RequestId;
use crate::time::Mono;

/// Requests by the time when they are due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Mono, RequestId)>>,
}

impl Timers {
    /// Looks at the request at that time.
    pub(crate) fn arm(&mut self, at: Mono, request: RequestId) {
        self.heap.push(Reverse((at, request)));
    }

    /// The entry that is due first.
    pub(crate) fn first(&self) -> Option<(Mono, RequestId)> {
        self.heap.peek().map(|Reverse(entry)| *entry)
    }

    /// Takes the entry that is due first.
    pub(crate) fn pop(&mut self) -> Option<(Mono, RequestId)> {
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
