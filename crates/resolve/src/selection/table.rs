//! What is remembered about servers, in bounded memory.
//!
//! A clock hand walks over the slots: what was used since its last visit stays, the first that was
//! not makes room. Strangers choose which addresses get in, so the hash is keyed.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use hashbrown::HashMap;

use super::families::Families;
use super::rtt::Rtt;
use super::shared::Shared;
use crate::action::{Target, Via};
use crate::keyed::Keyed;
use crate::limits::SERVER_STATES_MAX;
use crate::time::{Mono, Now};

/// Time-outs in a row, across requests, that make a server count as dead.
const SILENCES_DEAD: u8 = 3;
/// Time between messages that see whether a dead server is back, all requests together.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// A dead server is left alone at most so long.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// What is remembered about one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServerState {
    /// `None`: it has never answered.
    pub rtt: Option<Rtt>,
    /// Time-outs since it last answered.
    pub silences: u8,
    /// When the last of them was noted. What was sent before is lost together with it and says
    /// nothing more: a hundred questions that are under way when a server falls silent are one
    /// silence.
    pub silent_at: Mono,
    /// Was one of them over a stream? Loss on the path does not look like that.
    pub silent_over_stream: bool,
    /// Leave it alone until then if there are others.
    pub rests_until: Mono,
    /// A message to a resting server, to see whether it is back, is not due before this.
    pub probe_at: Mono,
}

impl ServerState {
    /// Is it being left alone?
    pub fn is_resting(&self, now: Mono) -> bool {
        now < self.rests_until
    }

    /// If it rests, was somebody else looking at it a moment ago?
    pub fn is_being_probed(&self, now: Mono) -> bool {
        self.is_resting(now) && now < self.probe_at
    }
}

/// An address as a key, hashed in one or two pieces.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Address(SocketAddr);

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            SocketAddr::V4(v4) => {
                state.write_u64(u64::from(v4.ip().to_bits()) << 16 | u64::from(v4.port()));
            }
            SocketAddr::V6(v6) => {
                state.write_u128(v6.ip().to_bits());
                state.write_u64(u64::from(v6.scope_id()) << 16 | u64::from(v6.port()));
            }
        }
    }
}

pub(super) struct Slot {
    address: SocketAddr,
    pub(super) state: ServerState,
    /// What the workers have told each other about it.
    pub(super) shared: Shared,
    used: bool,
}

/// What is remembered about all servers.
pub struct Servers {
    index: HashMap<Address, u32, Keyed>,
    pub(super) slots: Vec<Slot>,
    hand: usize,
    pub families: Families,
    /// Servers that something new is known of, oldest news first.
    pub(super) news: VecDeque<(Mono, SocketAddr)>,
}

impl Servers {
    /// An empty table; the key comes from the resolver's seed.
    pub fn new(key: Keyed) -> Servers {
        Servers {
            index: HashMap::with_hasher(key),
            slots: Vec::new(),
            hand: 0,
            families: Families::default(),
            news: VecDeque::new(),
        }
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.index.clear();
        self.slots.clear();
        self.hand = 0;
        self.families = Families::default();
        self.news.clear();
    }

    /// What is known about a server.
    pub fn state(&self, address: SocketAddr) -> ServerState {
        self.index
            .get(&Address(address))
            .and_then(|slot| self.slots.get(*slot as usize))
            .map_or_else(ServerState::default, |slot| slot.state)
    }

    /// It answered after so long.
    pub fn on_reply(&mut self, address: SocketAddr, now: Now, after: Duration) {
        let state = self.note_event(address, now);
        match &mut state.rtt {
            Some(rtt) => rtt.add(after),
            none => *none = Some(Rtt::new(after)),
        }
        state.silences = 0;
        state.silent_over_stream = false;
        state.rests_until = Mono::default();
        self.families.on_reply(address.ip());
    }

    /// It did not answer what was sent at `sent`, or could not be reached. `rest` is how long a dead
    /// server is left alone at first; it doubles with each further silence.
    pub fn on_silence(&mut self, target: &Target, sent: Mono, now: Now, rest: Duration) {
        let address = target.address;
        let state = self.state(address);
        if state.silences > 0 && sent < state.silent_at {
            return;
        }
        let state = self.note_event(address, now);
        let now = now.mono;
        state.silent_at = now;
        state.silences = state.silences.saturating_add(1);
        state.silent_over_stream |= target.via != Via::Udp;
        let needed = if state.silent_over_stream { SILENCES_DEAD } else { SILENCES_DEAD * 2 };
        if state.silences >= needed {
            let doublings = u32::from(state.silences - needed).min(8);
            state.rests_until = now + (rest * 2u32.pow(doublings)).min(BACK_OFF_MAX);
        }
        if state.rtt.is_none() || state.silences >= SILENCES_DEAD {
            self.families.on_silence(address.ip(), now);
        }
    }

    /// A message is on its way to it. While it rests, no other one follows for a second.
    pub fn on_send(&mut self, address: SocketAddr, now: Mono) {
        if self.state(address).is_resting(now) {
            self.state_mut(address).probe_at = now + PROBE_INTERVAL;
        }
    }

    /// Servers remembered.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Is none remembered?
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn state_mut(&mut self, address: SocketAddr) -> &mut ServerState {
        &mut self.slot_mut(address).state
    }

    /// The slot of a server, a fresh one if it has none.
    pub(super) fn slot_mut(&mut self, address: SocketAddr) -> &mut Slot {
        let at = self.place(address);
        &mut self.slots[at]
    }

    /// The place of that slot.
    pub(super) fn place(&mut self, address: SocketAddr) -> usize {
        let at = match self.index.get(&Address(address)) {
            Some(at) => *at as usize,
            None => self.admit(address),
        };
        self.slots[at].used = true;
        at
    }

    /// The slot of a server if it has one.
    pub(super) fn known_slot_mut(&mut self, address: SocketAddr) -> Option<&mut Slot> {
        self.index.get(&Address(address)).and_then(|at| self.slots.get_mut(*at as usize))
    }

    fn admit(&mut self, address: SocketAddr) -> usize {
        let fresh =
            Slot { address, state: ServerState::default(), shared: Shared::default(), used: true };
        let at = if self.slots.len() < SERVER_STATES_MAX {
            self.slots.push(fresh);
            self.slots.len() - 1
        } else {
            // Two turns of the hand at most: the first clears every mark.
            while std::mem::take(&mut self.slots[self.hand].used) {
                self.hand = (self.hand + 1) % SERVER_STATES_MAX;
            }
            let at = self.hand;
            self.hand = (self.hand + 1) % SERVER_STATES_MAX;
            let old = std::mem::replace(&mut self.slots[at], fresh);
            self.index.remove(&Address(old.address));
            at
        };
        self.index.insert(Address(address), at as u32);
        at
    }
}
