//! The cache of DNS data on top of a [`Kv`]: sets with rank and signatures, what does not exist,
//! and the walk from a name towards the root.
//!
//! *Peek* reads, *stash* writes. Nothing here decides what may be believed: callers say the rank,
//! and the cache only keeps that worse data does not replace better data while that lives
//! (RFC 2181 §5.4.1). TTL bounds are applied when data is stored, so all processes that share a
//! store see the same times.

pub mod denial;
pub mod entry;
pub mod export;
pub mod fleet;
pub mod key;
pub mod lent;
pub mod rank;
pub mod server;
#[cfg(test)]
mod tests;
mod trim;
pub mod worth;

use std::ops::ControlFlow;

use dns::{Class, Name, NameKey, Rdatas, Rrset, Rtype};

use crate::kv::{Kv, StoreError};
use crate::limits::{ENTRY_BYTES_MAX, LISTED_MAX, NEGATIVE_TTL_MAX, PROOFS_MAX};
use entry::{Body, Draft, Head, Said, SignedSet, put_varint, take_part, take_varint};
use key::Slot;
use lent::Apex;
pub use rank::Rank;

/// Stands for "no such name" among the types of an apex slot.
const NX: Rtype = Rtype(0);

/// Bounds on the TTL of what is stored, in seconds (`cache.min_ttl`, `cache.max_ttl`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TtlBounds {
    pub min: u32,
    pub max: u32,
}

impl Default for TtlBounds {
    /// As upstream: at least 5 seconds, at most a day.
    fn default() -> TtlBounds {
        TtlBounds { min: 5, max: 24 * 3600 }
    }
}

impl TtlBounds {
    fn apply(self, ttl: u32) -> u32 {
        ttl.max(self.min).min(self.max)
    }
}

/// What the cache says about a name and a type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    pub body: Body,
    pub rank: Rank,
    /// Seconds of life left; zero or less for stale data, which is returned only on request.
    pub ttl_left: i64,
    /// Seconds from being stored to the end.
    pub life: u32,
}

/// What one step of a walk towards the root found at a name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ApexHit {
    pub ns: Option<Hit>,
    pub cname: Option<Hit>,
    pub dname: Option<Hit>,
    /// The name, and so everything below it, does not exist (RFC 8020).
    pub nxdomain: Option<Hit>,
}

/// The cache of one worker. Other workers may share the store below it.
pub struct Cache {
    kv: Box<dyn Kv>,
    bounds: TtlBounds,
    key: Vec<u8>,
    value: Vec<u8>,
    hand: trim::Hand,
    /// What is to be told to other machines, if there are any.
    outgoing: Option<fleet::Outgoing>,
}

impl Cache {
    /// A cache in the given store.
    pub fn new(kv: Box<dyn Kv>, bounds: TtlBounds) -> Cache {
        let (key, value) = (Vec::with_capacity(64), Vec::with_capacity(512));
        Cache { kv, bounds, key, value, hand: trim::Hand::default(), outgoing: None }
    }

    /// The store below.
    pub fn kv(&self) -> &dyn Kv {
        &*self.kv
    }

    /// The store below, to clear, grow or maintain it.
    pub fn kv_mut(&mut self) -> &mut dyn Kv {
        &mut *self.kv
    }

    /// The bounds on TTLs in force.
    pub fn bounds(&self) -> TtlBounds {
        self.bounds
    }

    /// Sets the bounds on TTLs of what is stored from now on.
    pub fn set_bounds(&mut self, bounds: TtlBounds) {
        self.bounds = bounds;
    }

    /// How many entries wait to be committed.
    pub fn pending(&self) -> usize {
        self.kv.pending()
    }

    /// Ends a turn and commits nothing yet: there is more to come.
    pub fn rest(&mut self) -> Result<(), StoreError> {
        self.kv.rest()
    }

    /// Ends a turn: what was stashed in it is committed at once. In a store that is nearly full,
    /// some older entries are removed with it.
    pub fn end_turn(&mut self) -> Result<(), StoreError> {
        self.trim();
        self.kv.end_turn()
    }

    /// What is known about a type at a name, if it is alive at `now` (seconds since 1970). "No such
    /// name" is not looked for here but by [`Cache::peek_apex`].
    pub fn peek(&mut self, now: u64, name: &Name, rtype: Rtype) -> Option<Hit> {
        self.peek_stale(now, name, rtype, 0)
    }

    /// The same, but also data that expired at most `stale` seconds ago (RFC 8767).
    pub fn peek_stale(&mut self, now: u64, name: &Name, rtype: Rtype, stale: u32) -> Option<Hit> {
        let slot = key::slot_of(rtype);
        if !key::write(name, slot, &mut self.key) {
            return None;
        }
        let value = self.kv.get(&self.key)?;
        let part = if slot == Slot::Apex { find_in_apex(value, rtype)? } else { value };
        // What was cut off while it was copied is not what was vouched for.
        lent::hit(part, now, stale).filter(|_| self.kv.is_intact())
    }

    /// Delegation, aliases and absence at exactly this name, in one read.
    pub fn peek_apex(&mut self, now: u64, name: &Name, stale: u32) -> ApexHit {
        let mut reader = self.reader(now);
        let apex = reader.apex_stale(NameKey::of(name).as_bytes(), stale);
        apex.map(Apex::to_hit).filter(|_| reader.is_intact()).unwrap_or_default()
    }

    /// Walks from `name` to the root and hands what is known at each name to `visit` until that
    /// returns false. One read a label.
    pub fn walk(
        &mut self,
        now: u64,
        name: &Name,
        stale: u32,
        mut visit: impl FnMut(&Name, ApexHit) -> bool,
    ) {
        let key = NameKey::of(name);
        let mut reader = self.reader(now);
        let mut at = Some(name.clone());
        for place in key.ancestors() {
            let Some(name) = &at else { return };
            let hit = reader.apex_stale(place, stale).map(Apex::to_hit);
            if !visit(name, hit.filter(|_| reader.is_intact()).unwrap_or_default()) {
                return;
            }
            at = name.parent();
        }
    }

    /// Stores a set with the signatures that cover it. `proofs` are the NSEC or NSEC3 sets that
    /// belong to an expansion of a wildcard. Returns false if better data was there and was kept.
    pub fn stash(
        &mut self,
        now: u64,
        set: &Rrset,
        signatures: &Rdatas,
        rank: Rank,
        proofs: &[SignedSet],
    ) -> Result<bool, StoreError> {
        if set.class != Class::IN || set.rdatas.is_empty() || set.rtype.is_meta() {
            return Ok(false);
        }
        let said = Said::Records { rdatas: &set.rdatas, signatures, proofs: bounded(proofs) };
        let ttl = self.bounds.apply(set.ttl);
        self.put(now, &set.owner, set.rtype, &Draft { rank, stored: now as u32, ttl, said })
    }

    /// Stores that a type does not exist at a name. The TTL is the caller's (RFC 2308 §5), bounded
    /// like others and by three hours.
    pub fn stash_no_data(
        &mut self,
        now: u64,
        name: &Name,
        rtype: Rtype,
        ttl: u32,
        rank: Rank,
        proofs: &[SignedSet],
    ) -> Result<bool, StoreError> {
        let said = Said::NoData { proofs: bounded(proofs) };
        let ttl = self.bounds.apply(ttl).min(NEGATIVE_TTL_MAX.max(self.bounds.min));
        self.put(now, name, rtype, &Draft { rank, stored: now as u32, ttl, said })
    }

    /// Stores that a name does not exist.
    pub fn stash_nxdomain(
        &mut self,
        now: u64,
        name: &Name,
        ttl: u32,
        rank: Rank,
        proofs: &[SignedSet],
    ) -> Result<bool, StoreError> {
        let said = Said::NxDomain { proofs: bounded(proofs) };
        let ttl = self.bounds.apply(ttl).min(NEGATIVE_TTL_MAX.max(self.bounds.min));
        self.put(now, name, NX, &Draft { rank, stored: now as u32, ttl, said })
    }

    fn put(
        &mut self,
        now: u64,
        name: &Name,
        rtype: Rtype,
        entry: &Draft<'_>,
    ) -> Result<bool, StoreError> {
        let is_new = self.put_quietly(now, name, rtype, entry)?;
        if is_new {
            let slot = if rtype == NX { Slot::Apex } else { key::slot_of(rtype) };
            self.note_for_fleet(slot, entry.ttl);
        }
        Ok(is_new)
    }

    /// The same without telling other machines.
    fn put_quietly(
        &mut self,
        now: u64,
        name: &Name,
        rtype: Rtype,
        entry: &Draft<'_>,
    ) -> Result<bool, StoreError> {
        let slot = if rtype == NX { Slot::Apex } else { key::slot_of(rtype) };
        if !key::write(name, slot, &mut self.key) {
            return Ok(false);
        }
        self.value.clear();
        entry.encode(&mut self.value);
        let old = self.kv.get(&self.key);
        if slot == Slot::Apex {
            let old = old.unwrap_or(&[]);
            if find_in_apex(old, rtype).is_some_and(|old| keeps(old, entry, now)) {
                return Ok(false);
            }
            let new = std::mem::take(&mut self.value);
            self.value = replace_in_apex(old, rtype, &new, now);
        } else if old.is_some_and(|old| keeps(old, entry, now)) {
            return Ok(false);
        }
        if self.value.len() > ENTRY_BYTES_MAX {
            return Ok(false);
        }
        self.kv.put(&self.key, &self.value)?;
        self.hand.note_write(now);
        Ok(true)
    }

    /// Forgets one type at a name; whether there was something to forget.
    pub fn remove(&mut self, name: &Name, rtype: Rtype) -> Result<bool, StoreError> {
        let slot = key::slot_of(rtype);
        if !key::write(name, slot, &mut self.key) {
            return Ok(false);
        }
        let Some(old) = self.kv.get(&self.key) else { return Ok(false) };
        if slot == Slot::Apex {
            if find_in_apex(old, rtype).is_none() {
                return Ok(false);
            }
            let kept = without_part(old, rtype);
            if !kept.is_empty() {
                return self.kv.put(&self.key, &kept).map(|()| true);
            }
        }
        self.kv.remove(&self.key).map(|()| true)
    }

    /// What is kept at exactly this name, types in no particular order: type, rank and seconds left,
    /// which are negative when it is over. Type 0 stands for the absence of the name. Proofs of
    /// absence of other names are not listed.
    pub fn list(&mut self, now: u64, name: &Name) -> Vec<Listed> {
        let mut prefix = Vec::new();
        name.lookup_format(&mut prefix);
        prefix.push(0);
        let mut listed = Vec::new();
        self.kv.scan_prefix(&prefix, None, LISTED_MAX, &mut |key, value| {
            match key::read(key) {
                Some((_, Slot::Exact(rtype))) => listed.extend(listed_entry(rtype, value, now)),
                Some((_, Slot::Apex)) => {
                    let parts = apex_parts(value);
                    listed.extend(parts.filter_map(|(rtype, part)| listed_entry(rtype, part, now)));
                }
                _ => {}
            }
            ControlFlow::Continue(())
        });
        listed
    }
}

/// One type of those that are kept at a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed {
    pub rtype: Rtype,
    pub kind: ListedKind,
    pub rank: Rank,
    pub ttl_left: i64,
}

/// What is kept of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListedKind {
    Records,
    /// That there are none.
    Absence,
}

fn listed_entry(rtype: Rtype, value: &[u8], now: u64) -> Option<Listed> {
    let head = Head::read(value)?;
    let kind = match head.kind {
        entry::KIND_CHAIN => return None,
        entry::KIND_RECORDS => ListedKind::Records,
        _ => ListedKind::Absence,
    };
    Some(Listed { rtype, kind, rank: head.rank, ttl_left: head.left(now) })
}

/// An apex value without one of its parts.
fn without_part(value: &[u8], rtype: Rtype) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for (found, part) in apex_parts(value).filter(|(found, _)| *found != rtype) {
        put_apex_part(&mut out, found, part);
    }
    out
}

/// As many proofs as are kept.
fn bounded(proofs: &[SignedSet]) -> &[SignedSet] {
    proofs.get(..PROOFS_MAX).unwrap_or(proofs)
}

/// Must the old entry stay? Yes while it is alive and more trusted.
fn keeps(old: &[u8], new: &Draft<'_>, now: u64) -> bool {
    Head::read(old).is_some_and(|old| old.left(now) > 0 && old.rank.trust() > new.rank.trust())
}

/// The parts of an apex value.
fn apex_parts(mut value: &[u8]) -> impl Iterator<Item = (Rtype, &[u8])> {
    std::iter::from_fn(move || {
        let rtype = u16::try_from(take_varint(&mut value)?).ok()?;
        let part = take_part(&mut value)?;
        Some((Rtype(rtype), part))
    })
}

/// Appends a part to an apex value.
fn put_apex_part(out: &mut Vec<u8>, rtype: Rtype, part: &[u8]) {
    put_varint(out, usize::from(rtype.0));
    put_varint(out, part.len());
    out.extend_from_slice(part);
}

fn find_in_apex(value: &[u8], rtype: Rtype) -> Option<&[u8]> {
    apex_parts(value).find(|(found, _)| *found == rtype).map(|(_, part)| part)
}

/// The apex value with one part put in place of its old one. What expired long ago goes, and so
/// does what the new part contradicts: a name that exists is not "no such name".
fn replace_in_apex(value: &[u8], rtype: Rtype, new: &[u8], now: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + new.len() + 4);
    let parts = apex_parts(value)
        .filter(|(found, part)| {
            *found != rtype
                && (*found != NX || rtype == Rtype::NS)
                && Head::read(part).is_some_and(|head| head.left(now) > -STALE_KEPT)
        })
        .chain([(rtype, new)]);
    for (rtype, part) in parts {
        put_apex_part(&mut out, rtype, part);
    }
    out
}

/// Seconds that expired parts of an apex are kept for serving stale (RFC 8767 §5: one to three
/// days).
const STALE_KEPT: i64 = 3 * 24 * 3600;
