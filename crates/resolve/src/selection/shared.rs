//! What workers tell each other about servers, through the store: a small entry for each, written a
//! second after the first news of it, read when a server is thought of. Of what is known here and
//! what is stored the later holds.

use std::net::SocketAddr;
use std::time::Duration;

use store::cache::Cache;
use store::cache::server::ServerEntry;

use super::rtt::Rtt;
use super::table::{ServerState, Servers, Slot};
use crate::limits::{SERVER_NEWS_AGE, SERVER_NEWS_PER_TURN_MAX, SERVER_STATES_MAX};
use crate::time::{Mono, Now};

/// How long what was read from the store is good enough.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How long it is good enough that there was no entry: nobody tells more often.
const LOOK_AGAIN_AFTER: Duration = SERVER_NEWS_AGE;
/// An entry that says the same as what is stored is written anew after this, so that it does not
/// grow too old to be believed.
const WRITE_AGAIN_AFTER: u64 = 10 * 60 * 1000;
/// A hundredth of a second in milliseconds: the unit of rest in the store.
const REST_UNIT: u64 = 10;

/// One server's share in that.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shared {
    /// Wall clock of the last reply or silence that is known, in milliseconds since 1970.
    pub(super) at: u64,
    /// Does it wait in [`Servers::news`]?
    is_news: bool,
    /// When the store was read for it last.
    read: Option<Mono>,
    /// What the store said, or was told, last.
    stored: Option<ServerEntry>,
}

impl Servers {
    /// Something happened with a server: the state to change. Others will be told.
    pub(super) fn note_event(&mut self, address: SocketAddr, now: Now) -> &mut ServerState {
        let room = self.news.len() < SERVER_STATES_MAX;
        let at = self.place(address);
        let slot = &mut self.slots[at];
        slot.shared.at = now.unix.0;
        if room && !std::mem::replace(&mut slot.shared.is_news, true) {
            self.news.push_back((now.mono + SERVER_NEWS_AGE, address));
        }
        &mut self.slots[at].state
    }

    /// Learns what others know about a server that may be chosen.
    pub fn learn(&mut self, cache: &mut Cache, now: Now, address: SocketAddr) {
        let is_fresh = |shared: &Shared| {
            let age = if shared.stored.is_some() { READ_AGAIN_AFTER } else { LOOK_AGAIN_AFTER };
            shared.read.is_some_and(|at| now.mono.since(at) < age)
        };
        if self.known_slot_mut(address).is_some_and(|slot| is_fresh(&slot.shared)) {
            return;
        }
        // Whoever is only mentioned takes up no room.
        let Some(entry) = cache.peek_server(now.unix.0, address) else {
            return self.note_absence(now, address);
        };
        let slot = self.slot_mut(address);
        slot.shared.read = Some(now.mono);
        slot.shared.stored = Some(entry);
        if entry.at > slot.shared.at {
            adopt(slot, &entry, now);
        }
    }

    /// There is no entry for it in the store. If there was one, somebody has cleared the store, and
    /// with it what was known about servers.
    fn note_absence(&mut self, now: Now, address: SocketAddr) {
        let Some(slot) = self.known_slot_mut(address) else { return };
        if slot.shared.stored.is_some() {
            slot.state = ServerState::default();
            slot.shared = Shared { is_news: slot.shared.is_news, ..Shared::default() };
        }
        slot.shared.read = Some(now.mono);
    }

    /// Is it time to tell others something?
    pub fn has_news(&self, now: Now) -> bool {
        self.news.front().is_some_and(|(due, _)| *due <= now.mono)
    }

    /// Tells others what is new, a turn's worth at most. The store decides when it is committed.
    pub fn tell(&mut self, cache: &mut Cache, now: Now) -> Result<(), store::kv::StoreError> {
        for _ in 0..SERVER_NEWS_PER_TURN_MAX {
            let Some((_, address)) = self.news.pop_front_if(|(due, _)| *due <= now.mono) else {
                break;
            };
            // It may have made room for another one.
            let Some(slot) = self.known_slot_mut(address) else { continue };
            slot.shared.is_news = false;
            if let Some(entry) = cache.peek_server(now.unix.0, address)
                && entry.at > slot.shared.at
            {
                slot.shared.stored = Some(entry);
                adopt(slot, &entry, now);
                continue;
            }
            let entry = describe(slot, now);
            if slot.shared.stored.is_some_and(|stored| is_much_the_same(&stored, &entry)) {
                continue;
            }
            slot.shared.stored = Some(entry);
            cache.stash_server(address, &entry)?;
        }
        Ok(())
    }
}

/// Takes over what another worker knows.
fn adopt(slot: &mut Slot, entry: &ServerEntry, now: Now) {
    slot.shared.at = entry.at;
    let rest_ends = entry.at + u64::from(entry.rest) * REST_UNIT;
    let rest = Duration::from_millis(rest_ends.saturating_sub(now.unix.0));
    let state = &mut slot.state;
    state.rtt = entry.rtt.map(|(smoothed, variation)| Rtt::from_parts(smoothed, variation));
    state.silences = entry.silences;
    state.silent_over_stream = entry.silent_over_stream;
    state.silent_at = now.mono;
    state.rests_until = if rest.is_zero() { Mono::default() } else { now.mono + rest };
}

/// What is to be told about a server.
fn describe(slot: &Slot, now: Now) -> ServerEntry {
    let state = &slot.state;
    let rest_ends = now.unix.0 + state.rests_until.since(now.mono).as_millis() as u64;
    let rest = rest_ends.saturating_sub(slot.shared.at) / REST_UNIT;
    ServerEntry {
        at: slot.shared.at,
        rtt: state.rtt.map(|rtt| rtt.parts()),
        silences: state.silences,
        silent_over_stream: state.silent_over_stream,
        rest: if state.is_resting(now.mono) { rest.try_into().unwrap_or(u16::MAX) } else { 0 },
    }
}

/// Would telling the new one change nobody's mind? Round-trip times vary by an eighth all the time.
fn is_much_the_same(old: &ServerEntry, new: &ServerEntry) -> bool {
    let near = |(old, _): (u32, u32), (new, _): (u32, u32)| old.abs_diff(new) <= old / 8;
    let same_rtt = match (old.rtt, new.rtt) {
        (Some(old), Some(new)) => near(old, new),
        (None, None) => true,
        _ => false,
    };
    same_rtt
        && (old.silences, old.silent_over_stream) == (new.silences, new.silent_over_stream)
        && (old.rest == 0) == (new.rest == 0)
        && new.at.saturating_sub(old.at) < WRITE_AGAIN_AFTER
}
