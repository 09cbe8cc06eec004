//! What was found out about the trust of zones, kept in memory across requests: the keys of the root
//! and of busy zones are needed for every cold name, and reading them from the store each time means
//! parsing them each time.
//!
//! Only what the store has is noted here, for a short while, so the store stays the truth that
//! processes share. Everything is forgotten when settings change or the cache is cleared, by
//! whichever process: the store's generation tells.

use std::rc::Rc;

use dns::Name;
use dns::dnssec::KeySet;
use hashbrown::HashMap;

use crate::keyed::Keyed;
use crate::layer::validate::Delegation;
use crate::limits::{KNOWN_KEYS_MAX, KNOWN_SECONDS_MAX, KNOWN_ZONES_MAX};

/// What is known about one zone, and until when (seconds since 1970, first and last).
#[derive(Debug, Default)]
struct Known {
    delegation: Option<(Delegation, Span)>,
    keys: Option<(Rc<KeySet>, Span)>,
}

/// A span of wall time, in seconds since 1970. What seems to come from the future is over, too: then
/// the clock was set back.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u64,
    until: u64,
}

impl Span {
    fn new(now: u64, ttl: i64) -> Span {
        let life = u64::try_from(ttl).unwrap_or(0).min(KNOWN_SECONDS_MAX);
        Span { from: now, until: now.saturating_add(life) }
    }

    fn contains(self, now: u64) -> bool {
        self.from <= now && now < self.until
    }
}

/// The zones of one worker, in two halves: when the young half is full it becomes the old one and
/// what nobody asked for since then is gone.
pub struct KnownZones {
    young: HashMap<Name, Known, Keyed>,
    old: HashMap<Name, Known, Keyed>,
    generation: u64,
}

impl KnownZones {
    /// None. The key of the hash must be unknown to those who choose names.
    pub fn new(key: Keyed) -> KnownZones {
        let new = || HashMap::with_hasher(key);
        KnownZones { young: new(), old: new(), generation: 0 }
    }

    /// Forgets everything if the store is of another generation than the last time.
    pub fn set_generation(&mut self, generation: u64) {
        if generation != self.generation {
            self.generation = generation;
            self.clear();
        }
    }

    /// What is known about the delegation of a zone. `now` is in seconds since 1970.
    pub fn delegation(&mut self, now: u64, zone: &Name) -> Option<Delegation> {
        let (delegation, span) = self.find(zone)?.delegation.as_ref()?;
        span.contains(now).then(|| delegation.clone())
    }

    /// The keys of a zone.
    pub fn keys(&mut self, now: u64, zone: &Name) -> Option<Rc<KeySet>> {
        let (keys, span) = self.find(zone)?.keys.as_ref()?;
        span.contains(now).then(|| keys.clone())
    }

    /// Notes what the store says about the delegation of a zone for another `ttl` seconds.
    pub fn note_delegation(&mut self, now: u64, zone: &Name, delegation: Delegation, ttl: i64) {
        self.entry(zone).delegation = Some((delegation, Span::new(now, ttl)));
    }

    /// Notes the keys of a zone that the store has for another `ttl` seconds. Sets that are too
    /// large to be honest are not worth the memory.
    pub fn note_keys(&mut self, now: u64, zone: &Name, keys: Rc<KeySet>, ttl: i64) {
        if keys.keys.len() <= KNOWN_KEYS_MAX {
            self.entry(zone).keys = Some((keys, Span::new(now, ttl)));
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// Number of zones.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Is nothing known?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&mut self, zone: &Name) -> Option<&Known> {
        // It is in one of the halves at most, and in most processes all of them fit into one.
        if !self.old.is_empty()
            && let Some((zone, known)) = self.old.remove_entry(zone)
        {
            self.make_room();
            return Some(self.young.entry(zone).or_insert(known));
        }
        self.young.get(zone)
    }

    fn entry(&mut self, zone: &Name) -> &mut Known {
        if self.find(zone).is_none() {
            self.make_room();
        }
        self.young.entry(zone.clone()).or_default()
    }

    fn make_room(&mut self) {
        if self.young.len() >= KNOWN_ZONES_MAX / 2 {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(n: usize) -> Name {
        format!("z{n}.test").parse().unwrap()
    }

    fn keys(n: usize) -> Rc<KeySet> {
        Rc::new(KeySet { zone: zone(n), keys: Vec::new() })
    }

    #[test]
    fn is_bounded_and_keeps_what_is_used() {
        let mut known = KnownZones::new(Keyed(1, 2));
        for n in 0..10 * KNOWN_ZONES_MAX {
            known.note_keys(100, &zone(n), keys(n), 3600);
            assert!(known.keys(100, &zone(0)).is_some(), "{n}");
            assert!(known.len() <= KNOWN_ZONES_MAX);
        }
        assert!(known.keys(100, &zone(1)).is_none());
    }

    #[test]
    fn lives_no_longer_than_the_store_says_and_never_long() {
        let mut known = KnownZones::new(Keyed(1, 2));
        known.note_keys(100, &zone(1), keys(1), 10);
        known.note_delegation(100, &zone(1), Delegation::Insecure, i64::MAX);
        assert!(known.keys(109, &zone(1)).is_some());
        assert!(known.keys(110, &zone(1)).is_none());
        assert!(known.keys(99, &zone(1)).is_none(), "the clock was set back");
        let end = 100 + KNOWN_SECONDS_MAX;
        assert_eq!(known.delegation(end - 1, &zone(1)), Some(Delegation::Insecure));
        assert_eq!(known.delegation(end, &zone(1)), None);
        known.set_generation(1);
        assert!(known.is_empty());
        known.note_keys(100, &zone(1), keys(1), 10);
        known.set_generation(1);
        assert!(known.keys(109, &zone(1)).is_some());
        known.clear();
        assert!(known.is_empty());
    }
}
