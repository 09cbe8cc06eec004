//! A second store that several machines share, in Redis or Valkey, behind the one of this machine:
//! what they learn is told there, and what is not known here is looked for there before it is asked of
//! the world.
//!
//! It helps or it does nothing: a question waits for it for milliseconds at most, and not at all while
//! it is out of use; entries to be told are dropped when it does not take them. What is believed of what
//! it says is the business of `store::cache::fleet`.
//!
//! Here is what waits; `client.rs` talks to the server, `resp.rs` has its language, `address.rs` what
//! `cache.storage` says of it.

mod address;
mod client;
mod resp;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use resolve::{Client, Mono, Resolver};
use store::cache::fleet::FleetWrite;
use tokio::sync::Notify;

use crate::limits::{FLEET_QUESTIONS_MAX, FLEET_WRITES_HELD_MAX};

pub(crate) use address::FleetAddress;
pub(crate) use client::run;

/// A client's question that waits for an answer of the second store.
pub(crate) struct Waiting {
    client: Client,
    wire: Vec<u8>,
    keys: Vec<Vec<u8>>,
    since: Mono,
}

/// What was done, in the words of `cache.stats()`.
#[derive(Default)]
pub(crate) struct FleetCounters {
    /// Questions that waited.
    asked: Cell<u64>,
    /// Entries that were found and taken over or passed.
    found: Cell<u64>,
    /// Entries that were found and not to be believed.
    refused: Cell<u64>,
    /// Questions that had waited for too long.
    late: Cell<u64>,
    /// Entries told.
    written: Cell<u64>,
    /// Entries not told since too many waited.
    dropped: Cell<u64>,
    /// Connections that could not be made or that broke, and commands that were refused.
    failed: Cell<u64>,
}

fn add(counter: &Cell<u64>, count: usize) {
    counter.set(counter.get() + count as u64);
}

/// The second store of a worker.
pub(crate) struct Fleet {
    address: FleetAddress,
    questions: RefCell<VecDeque<Waiting>>,
    /// Questions that wait, sent or not.
    waiting: Cell<usize>,
    writes: RefCell<VecDeque<FleetWrite>>,
    is_up: Cell<bool>,
    is_closed: Cell<bool>,
    /// There is something to send, or it is to be closed.
    work: Notify,
    counters: FleetCounters,
}

impl Fleet {
    /// A second store that is not connected yet.
    pub(crate) fn new(address: FleetAddress) -> Rc<Fleet> {
        Rc::new(Fleet {
            address,
            questions: RefCell::default(),
            waiting: Cell::new(0),
            writes: RefCell::default(),
            is_up: Cell::new(false),
            is_closed: Cell::new(false),
            work: Notify::new(),
            counters: FleetCounters::default(),
        })
    }

    pub(crate) fn address(&self) -> &FleetAddress {
        &self.address
    }

    /// Ends its use.
    pub(crate) fn close(&self) {
        self.is_closed.set(true);
        self.work.notify_one();
    }

    /// Lets a question wait, if there is anything to wait for; false if it is to be answered now.
    pub(crate) fn ask(
        &self,
        core: &mut Resolver,
        now: resolve::Now,
        client: Client,
        wire: &[u8],
    ) -> bool {
        if !self.is_up.get() || self.waiting.get() >= FLEET_QUESTIONS_MAX {
            return false;
        }
        let keys = core.wanted_from_fleet(now, wire);
        if keys.is_empty() {
            return false;
        }
        add(&self.counters.asked, 1);
        self.waiting.set(self.waiting.get() + 1);
        let waiting = Waiting { client, wire: wire.to_vec(), keys, since: now.mono };
        self.questions.borrow_mut().push_back(waiting);
        self.work.notify_one();
        true
    }

    /// Takes what the turn has learnt, for others.
    pub(crate) fn tell(&self, core: &mut Resolver) {
        let cache = &mut core.core_mut().cache;
        let mut writes = self.writes.borrow_mut();
        let before = writes.len();
        while let Some(write) = cache.next_fleet_write() {
            if self.is_up.get() && writes.len() < FLEET_WRITES_HELD_MAX {
                writes.push_back(write);
            } else {
                add(&self.counters.dropped, 1);
            }
        }
        add(&self.counters.dropped, cache.fleet_writes_dropped() as usize);
        if writes.len() > before {
            self.work.notify_one();
        }
    }

    /// The counters with their names.
    pub(crate) fn rows(&self) -> [(&'static str, f64); 8] {
        let counters = &self.counters;
        let of = |counter: &Cell<u64>| counter.get() as f64;
        [
            ("fleet_up", f64::from(u8::from(self.is_up.get()))),
            ("fleet_asked", of(&counters.asked)),
            ("fleet_found", of(&counters.found)),
            ("fleet_refused", of(&counters.refused)),
            ("fleet_late", of(&counters.late)),
            ("fleet_written", of(&counters.written)),
            ("fleet_dropped", of(&counters.dropped)),
            ("fleet_failed", of(&counters.failed)),
        ]
    }
}
