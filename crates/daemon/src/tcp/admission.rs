//! Who gets a connection when not everybody can have one.
//!
//! As long as there is room, everybody gets what they ask for. When there is none, the client with
//! the most connections gives up the one that has been idle longest, provided it has more than its
//! share or no fewer than the newcomer; only if nobody does, the newcomer is turned away.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use slab::Slab;

use super::ClientStream;
use crate::limits::{CLIENT_BUFFER_SMALL, CLIENT_BUFFERS_MAX, CLIENT_STREAMS_PER_PEER};
use crate::token::Token;

/// The part of an address that counts as one client: an IPv4 address, an IPv6 /56.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Peer(u128);

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer(match address.ip().to_canonical() {
            IpAddr::V4(ip) => u128::from(u32::from(ip)),
            IpAddr::V6(ip) => u128::from(ip) >> 72 << 72,
        })
    }
}

/// All connections of clients.
#[derive(Default)]
pub(crate) struct ClientStreams {
    table: RefCell<Slab<Rc<ClientStream>>>,
    /// Keyed by addresses that strangers choose: the map's own hash is keyed at random.
    counts: RefCell<HashMap<Peer, usize>>,
    /// Distinguishes users of one place in the table.
    round: Cell<u16>,
    /// Buffer memory of all connections.
    held: Cell<usize>,
    dirty: RefCell<Vec<Rc<ClientStream>>>,
}

impl ClientStreams {
    /// Takes a connection into the table if there is room or room can be made.
    pub(crate) fn admit(
        &self,
        peer: SocketAddr,
        max: usize,
        make: impl FnOnce(Token) -> ClientStream,
    ) -> Option<Rc<ClientStream>> {
        let key = Peer::from(peer);
        if self.len() >= max && !self.make_room(key) {
            return None;
        }
        let mut table = self.table.borrow_mut();
        let entry = table.vacant_entry();
        let token = self.next_token(entry.key())?;
        let stream = Rc::new(make(token));
        entry.insert(stream.clone());
        *self.counts.borrow_mut().entry(key).or_default() += 1;
        Some(stream)
    }

    fn next_token(&self, place: usize) -> Option<Token> {
        let round = self.round.get();
        self.round.set(round.wrapping_add(1) & 0x3fff);
        Some(Token::Stream { place: u32::try_from(place).ok()?, round })
    }

    /// Takes a connection over that another worker has admitted and given away.
    pub(crate) fn adopt(&self, stream: &Rc<ClientStream>) {
        let mut table = self.table.borrow_mut();
        let entry = table.vacant_entry();
        // There are fewer connections than numbers.
        let Some(token) = self.next_token(entry.key()) else { return stream.close() };
        stream.token.set(token);
        entry.insert(stream.clone());
        *self.counts.borrow_mut().entry(Peer::from(stream.peer)).or_default() += 1;
        self.held.set(self.held.get() + stream.held());
    }

    /// The tasks of all connections look at them.
    pub(crate) fn wake_all(&self) {
        for (_, stream) in self.table.borrow().iter() {
            stream.wake();
        }
    }

    /// Ends the connection that is the least loss. Returns whether there is one.
    fn make_room(&self, newcomer: Peer) -> bool {
        let victim = self.least_loss(newcomer);
        if let Some(stream) = &victim {
            // Its place is free at once, its descriptor when its task has run.
            self.remove(stream);
            stream.close();
        }
        victim.is_some()
    }

    /// Of the idle connections, one of the client that has the most, and of those the one that was
    /// of use longest ago.
    fn least_loss(&self, newcomer: Peer) -> Option<Rc<ClientStream>> {
        let counts = self.counts.borrow();
        let share_of = |peer: Peer| counts.get(&peer).copied().unwrap_or(0);
        let table = self.table.borrow();
        let idle = table.iter().filter_map(|(_, stream)| {
            let since = stream.idle_since()?;
            Some((share_of(Peer::from(stream.peer)), since, stream))
        });
        let (share, _, stream) = idle.max_by_key(|(share, since, _)| (*share, Reverse(*since)))?;
        let gives_way = share >= share_of(newcomer) || share > CLIENT_STREAMS_PER_PEER;
        gives_way.then(|| stream.clone())
    }

    /// The connection that a token stands for, if it still exists.
    pub(crate) fn get(&self, token: Token) -> Option<Rc<ClientStream>> {
        let Token::Stream { place, .. } = token else { return None };
        let table = self.table.borrow();
        table.get(place as usize).filter(|stream| stream.token.get() == token).cloned()
    }

    /// Takes a connection out of the table.
    pub(crate) fn remove(&self, stream: &ClientStream) {
        let Token::Stream { place, .. } = stream.token.get() else { return };
        let mut table = self.table.borrow_mut();
        if table.get(place as usize).is_none_or(|other| other.token != stream.token) {
            return;
        }
        table.remove(place as usize);
        self.held.set(self.held.get().saturating_sub(stream.held()));
        let key = Peer::from(stream.peer);
        let mut counts = self.counts.borrow_mut();
        if let Some(count) = counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&key);
            }
        }
    }

    /// Connections open.
    pub(crate) fn len(&self) -> usize {
        self.table.borrow().len()
    }

    /// Accounts for the memory of a connection. Returns whether it may keep what it has.
    pub(crate) fn account(&self, stream: &ClientStream) -> bool {
        let before = stream.held();
        let held = stream.account();
        let total = (self.held.get() + held).saturating_sub(before);
        self.held.set(total);
        held <= CLIENT_BUFFER_SMALL || total <= CLIENT_BUFFERS_MAX
    }

    /// The connection has something to send at the end of the turn.
    pub(crate) fn mark(&self, stream: &Rc<ClientStream>) {
        if !stream.queued.replace(true) {
            self.dirty.borrow_mut().push(stream.clone());
        }
    }

    /// The connections with something to send, for once.
    pub(crate) fn take_marked(&self) -> Vec<Rc<ClientStream>> {
        if self.dirty.borrow().is_empty() {
            return Vec::new();
        }
        self.dirty.take()
    }
}
