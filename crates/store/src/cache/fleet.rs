//! What machines tell each other through a store that they share beside their own: entries of names,
//! each tagged under the secret of the fleet. `docs/formats/entries.md` is normative.
//!
//! ```text
//! key   = "kres:2:" key of the entry
//! value = tag:16 entry                  (or the whole of an apex slot, without its chains)
//! tag   = SipHash-2-4-128(secret, length of key:u64 | key | entry)          (little-endian)
//! ```
//!
//! The store out there is not ours: it may be full, slow or empty, and whoever can write to it can
//! write anything. So nothing in it counts without its tag, and without a secret nothing that was
//! validated is told or believed: all machines of the world have the same tag then.

use std::collections::VecDeque;
use std::hash::Hasher as _;

use dns::{Name, Rtype};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::entry::{Body, Entry};
use super::key::{self, Slot};
use super::{Cache, apex_parts, lent, put_apex_part};
use crate::kv::StoreError;
use crate::limits::{FLEET_ANCESTORS_MAX, FLEET_WRITES_MAX};

/// What all keys begin with; the number is the version of the format of the store.
const PREFIX: &[u8] = b"kres:2:";
/// Bytes of a tag.
const TAG_BYTES: usize = 16;
/// Keys with which the secret is made from the content of a file.
const DERIVATION: (u64, u64) = (0x6b72_6573_2066_6c65, 0x6574_2073_6563_7265);

/// What shows that a value was written by a machine of the fleet.
#[derive(Clone)]
pub struct FleetSecret {
    keys: (u64, u64),
    /// It is a secret, and not what everybody has.
    is_one: bool,
}

impl std::fmt::Debug for FleetSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FleetSecret").field("is_one", &self.is_one).finish_non_exhaustive()
    }
}

impl FleetSecret {
    /// From the content of a file that all machines of the fleet have.
    pub fn from_content(content: &[u8]) -> FleetSecret {
        let mut hasher = SipHasher24::new_with_keys(DERIVATION.0, DERIVATION.1);
        hasher.write(content);
        let hash = hasher.finish128();
        FleetSecret { keys: (hash.h1, hash.h2), is_one: true }
    }

    /// None: tags are against accidents only.
    pub fn none() -> FleetSecret {
        FleetSecret { keys: (0, 0), is_one: false }
    }

    fn tag(&self, key: &[u8], entry: &[u8]) -> [u8; TAG_BYTES] {
        let mut hasher = SipHasher24::new_with_keys(self.keys.0, self.keys.1);
        hasher.write(&(key.len() as u64).to_le_bytes());
        hasher.write(key);
        hasher.write(entry);
        hasher.finish128().as_bytes()
    }

    /// Is data of this kind to be told and believed?
    fn covers(&self, entry: &Entry) -> bool {
        let proofs = match &entry.body {
            Body::Records { proofs, .. } | Body::NoData { proofs } | Body::NxDomain { proofs } => {
                proofs
            }
        };
        self.is_one
            || !(entry.rank.is_secure() || proofs.iter().any(|proof| proof.rank.is_secure()))
    }
}

/// An entry that others are to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FleetWrite {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// For how long it is of use.
    pub seconds: u32,
}

/// What waits to be told.
#[derive(Debug)]
pub(super) struct Outgoing {
    secret: FleetSecret,
    queue: VecDeque<FleetWrite>,
    dropped: u64,
}

/// What became of an entry that somebody else told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Imported {
    /// It is in our store now.
    Taken,
    /// Ours is better, or its time is over.
    Passed,
    /// Its tag or its bytes are wrong, or it says what may not be believed without a secret.
    Refused,
}

impl Cache {
    /// Begins to collect what is learnt, for others; with nothing, ends that.
    pub fn share_with_fleet(&mut self, secret: Option<FleetSecret>) {
        self.outgoing =
            secret.map(|secret| Outgoing { secret, queue: VecDeque::new(), dropped: 0 });
    }

    /// The next entry to be told.
    pub fn next_fleet_write(&mut self) -> Option<FleetWrite> {
        self.outgoing.as_mut()?.queue.pop_front()
    }

    /// How many were not collected since too many waited, since the last call.
    pub fn fleet_writes_dropped(&mut self) -> u64 {
        self.outgoing.as_mut().map_or(0, |outgoing| std::mem::take(&mut outgoing.dropped))
    }

    /// The keys under which others may have told what answers a question; none if we know it.
    pub fn wanted_from_fleet(&mut self, now: u64, name: &Name, rtype: Rtype) -> Vec<Vec<u8>> {
        if self.outgoing.is_none() || self.peek(now, name, rtype).is_some() {
            return Vec::new();
        }
        let mut keys = Vec::new();
        let mut want = |name: &Name, slot| {
            let mut key = PREFIX.to_vec();
            let mut own = Vec::new();
            if key::write(name, slot, &mut own) {
                key.extend_from_slice(&own);
                keys.push(key);
            }
        };
        if let slot @ Slot::Exact(_) = key::slot_of(rtype) {
            want(name, slot);
        }
        let mut at = name.clone();
        for distance in 0..=FLEET_ANCESTORS_MAX {
            let known = self.peek_apex(now, &at, 0);
            if known.nxdomain.is_some() || (distance == 0 && known.cname.is_some()) {
                return Vec::new();
            }
            if known.ns.is_some() && distance > 0 {
                break;
            }
            want(&at, Slot::Apex);
            match at.parent() {
                Some(parent) if parent.label_count() > 0 => at = parent,
                _ => break,
            }
        }
        keys
    }

    /// Takes over an entry that somebody else has told, as far as it is better than ours.
    pub fn import_from_fleet(
        &mut self,
        now: u64,
        key: &[u8],
        value: &[u8],
    ) -> Result<Imported, StoreError> {
        let Some(outgoing) = &self.outgoing else { return Ok(Imported::Passed) };
        let secret = outgoing.secret.clone();
        let sound = value
            .split_first_chunk::<TAG_BYTES>()
            .filter(|(tag, entry)| secret.tag(key, entry) == **tag)
            .and_then(|(_, entry)| Some((key::read(key.strip_prefix(PREFIX)?)?, entry)));
        let Some(((name, slot), bytes)) = sound else { return Ok(Imported::Refused) };
        let told: Vec<(Rtype, &[u8])> = match slot {
            Slot::Exact(rtype) => vec![(rtype, bytes)],
            Slot::Apex => apex_parts(bytes).collect(),
            Slot::Nsec | Slot::Nsec3 => return Ok(Imported::Refused),
        };
        let mut result = Imported::Passed;
        for (rtype, bytes) in told {
            // Chains are no entries, and refer to what is in the other machine's store.
            let Some(mut entry) = Entry::decode(bytes) else { return Ok(Imported::Refused) };
            if !secret.covers(&entry) {
                return Ok(Imported::Refused);
            }
            // A clock that is ahead of ours does not make it live longer.
            if (now as u32).wrapping_sub(entry.stored).cast_signed() < 0 {
                entry.stored = now as u32;
            }
            entry.ttl = entry.ttl.min(self.bounds.max);
            let is_alive = lent::hit(bytes, now, 0).is_some();
            if is_alive && self.put_quietly(now, &name, rtype, &entry.draft())? {
                result = Imported::Taken;
            }
        }
        Ok(result)
    }

    /// Notes for the others what was just put under `self.key`: `self.value`.
    pub(super) fn note_for_fleet(&mut self, slot: Slot, seconds: u32) {
        let Some(outgoing) = &mut self.outgoing else { return };
        if outgoing.queue.len() >= FLEET_WRITES_MAX {
            outgoing.dropped += 1;
            return;
        }
        let secret = &outgoing.secret;
        let told = |bytes: &[u8]| Entry::decode(bytes).is_some_and(|entry| secret.covers(&entry));
        let mut entry = Vec::with_capacity(self.value.len());
        if slot == Slot::Apex {
            for (rtype, part) in apex_parts(&self.value).filter(|(_, part)| told(part)) {
                put_apex_part(&mut entry, rtype, part);
            }
        } else if told(&self.value) {
            entry.extend_from_slice(&self.value);
        }
        if entry.is_empty() || seconds == 0 {
            return;
        }
        let key = [PREFIX, &self.key].concat();
        let value = [&secret.tag(&key, &entry)[..], &entry].concat();
        outgoing.queue.push_back(FleetWrite { key, value, seconds });
    }
}

#[cfg(test)]
mod tests {
    use dns::{Class, Rdatas, Rrset};

    use super::super::{Rank, TtlBounds};
    use super::*;
    use crate::kv::memory;

    const NOW: u64 = 1_700_000_000;

    fn cache(secret: FleetSecret) -> Cache {
        let mut cache = Cache::new(Box::new(memory::new(1 << 20).unwrap()), TtlBounds::default());
        cache.share_with_fleet(Some(secret));
        cache
    }

    fn learn(cache: &mut Cache, name: &str, rtype: Rtype, rank: Rank) -> Option<FleetWrite> {
        let mut set = Rrset::new(name.parse().unwrap(), rtype, Class::IN, 300);
        let rdata: &[u8] = if rtype == Rtype::A { &[192, 0, 2, 1] } else { b"\x02ns\x04test\0" };
        set.rdatas.push(rdata);
        assert!(cache.stash(NOW, &set, &Rdatas::new(), rank, &[]).unwrap());
        cache.next_fleet_write()
    }

    fn secret() -> FleetSecret {
        FleetSecret::from_content(b"between us")
    }

    #[test]
    fn what_one_learns_another_takes_over_with_its_rank_and_its_age() {
        let (mut one, mut other) = (cache(secret()), cache(secret()));
        let name: Name = "www.example.test".parse().unwrap();
        let told = learn(&mut one, "www.example.test", Rtype::A, Rank::SECURE).unwrap();
        assert_eq!(told.seconds, 300);
        let wanted = other.wanted_from_fleet(NOW, &name, Rtype::A);
        assert!(wanted.contains(&told.key), "{wanted:?}");
        let later = NOW + 100;
        let taken = other.import_from_fleet(later, &told.key, &told.value).unwrap();
        assert_eq!(taken, Imported::Taken);
        let hit = other.peek(later, &name, Rtype::A).unwrap();
        assert_eq!((hit.rank, hit.ttl_left), (Rank::SECURE, 200));
        // It is not told again, and not wanted any more.
        assert_eq!(other.next_fleet_write(), None);
        assert!(other.wanted_from_fleet(later, &name, Rtype::A).is_empty());
        assert_eq!(
            other.import_from_fleet(NOW + 301, &told.key, &told.value).unwrap(),
            Imported::Passed
        );
    }

    #[test]
    fn delegations_are_told_too() {
        let (mut one, mut other) = (cache(secret()), cache(secret()));
        let told = learn(&mut one, "example.test", Rtype::NS, Rank::INSECURE.with_auth()).unwrap();
        let name: Name = "www.example.test".parse().unwrap();
        assert!(other.wanted_from_fleet(NOW, &name, Rtype::A).contains(&told.key));
        other.import_from_fleet(NOW, &told.key, &told.value).unwrap();
        assert!(other.peek_apex(NOW, &name.parent().unwrap(), 0).ns.is_some());
    }

    #[test]
    fn nothing_counts_without_its_tag() {
        let (mut one, mut other) = (cache(secret()), cache(secret()));
        let told = learn(&mut one, "www.example.test", Rtype::A, Rank::INSECURE).unwrap();
        for at in 0..told.value.len() {
            let mut value = told.value.clone();
            value[at] ^= 0x20;
            let taken = other.import_from_fleet(NOW, &told.key, &value).unwrap();
            assert_eq!(taken, Imported::Refused, "byte {at}");
        }
        let elsewhere = learn(&mut one, "other.example.test", Rtype::A, Rank::INSECURE).unwrap();
        let taken = other.import_from_fleet(NOW, &elsewhere.key, &told.value).unwrap();
        assert_eq!(taken, Imported::Refused);
        let mut stranger = cache(FleetSecret::from_content(b"between others"));
        let taken = stranger.import_from_fleet(NOW, &told.key, &told.value).unwrap();
        assert_eq!(taken, Imported::Refused);
        assert_eq!(other.import_from_fleet(NOW, b"", b"").unwrap(), Imported::Refused);
    }

    #[test]
    fn without_a_secret_nothing_that_was_validated_is_told_or_believed() {
        let mut one = cache(FleetSecret::none());
        assert_eq!(learn(&mut one, "www.example.test", Rtype::A, Rank::SECURE), None);
        let told = learn(&mut one, "www.plain.test", Rtype::A, Rank::INSECURE).unwrap();
        let mut other = cache(FleetSecret::none());
        let taken = other.import_from_fleet(NOW, &told.key, &told.value).unwrap();
        assert_eq!(taken, Imported::Taken);
        // Somebody writes a sound value with a rank of his choice.
        let mut entry = told.value[TAG_BYTES..].to_vec();
        entry[0] = entry[0] & 0xC0 | Rank::SECURE.to_byte();
        let value = [&FleetSecret::none().tag(&told.key, &entry)[..], &entry].concat();
        let mut third = cache(FleetSecret::none());
        let taken = third.import_from_fleet(NOW, &told.key, &value).unwrap();
        assert_eq!(taken, Imported::Refused);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut one = cache(secret());
        for n in 0..FLEET_WRITES_MAX + 10 {
            let mut set =
                Rrset::new(format!("n{n}.test").parse().unwrap(), Rtype::A, Class::IN, 300);
            set.rdatas.push(&[192, 0, 2, 1]);
            one.stash(NOW, &set, &Rdatas::new(), Rank::INSECURE, &[]).unwrap();
        }
        assert_eq!(one.fleet_writes_dropped(), 10);
        assert_eq!(std::iter::from_fn(|| one.next_fleet_write()).count(), FLEET_WRITES_MAX);
    }
}
