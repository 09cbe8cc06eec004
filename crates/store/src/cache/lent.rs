//! Reading without copying: what the store lends, found by keys that are made once for a name.
//!
//! Whoever looks at a dozen records to answer one question copies only those that go into the
//! answer. Everything lent lives as long as the borrow of the cache, which keeps writes away.

use dns::rrset::RdataIter;
use dns::{Class, Name, NameKey, Rdatas, Rrset, Rtype};

use super::denial::Chains;
use super::entry::{Entry, Head, KIND_CHAIN, KIND_NO_DATA, KIND_RECORDS, SignedSet, take_part};
use super::key::{self, Slot};
use super::rank::Rank;
use super::{ApexHit, Cache, Hit, NX, apex_parts, find_in_apex};
use crate::kv::Kv;

/// An entry that is alive, lent.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'a> {
    bytes: &'a [u8],
    head: Head,
    ttl_left: i64,
}

impl<'a> Lent<'a> {
    /// An entry that expired no longer than `stale` seconds ago. The last second counts: a TTL of
    /// zero is good for the moment.
    pub(super) fn read(bytes: &'a [u8], now: u64, stale: u32) -> Option<Lent<'a>> {
        let head = Head::read(bytes).filter(|head| head.kind != KIND_CHAIN)?;
        let ttl_left = head.left(now);
        (ttl_left >= -i64::from(stale)).then_some(Lent { bytes, head, ttl_left })
    }

    /// How far it may be trusted.
    pub fn rank(&self) -> Rank {
        self.head.rank
    }

    /// Seconds of life left.
    pub fn ttl_left(&self) -> i64 {
        self.ttl_left
    }

    /// A copy; `None` if it is damaged.
    pub fn to_hit(&self) -> Option<Hit> {
        let Entry { rank, ttl, body, .. } = Entry::decode(self.bytes)?;
        Some(Hit { body, rank, ttl_left: self.ttl_left, life: ttl })
    }

    /// Is it the absence of a type without any proof?
    pub fn is_bare_no_data(&self) -> bool {
        self.head.kind == KIND_NO_DATA
            && Head::split(self.bytes).is_some_and(|(_, proofs)| proofs.is_empty())
    }

    /// The records, if it is not an absence.
    pub fn records(&self) -> Option<Records<'a>> {
        if self.head.kind != KIND_RECORDS {
            return None;
        }
        let (head, mut rest) = Head::split(self.bytes)?;
        let (lone, rdatas, signatures) = if head.lone {
            (Some(rest), &[][..], &[][..])
        } else {
            (None, take_part(&mut rest)?, take_part(&mut rest)?)
        };
        Some(Records { rank: head.rank, ttl_left: self.ttl_left, lone, rdatas, signatures })
    }
}

/// Records of an entry, lent.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    pub rank: Rank,
    /// Seconds of life left.
    pub ttl_left: i64,
    lone: Option<&'a [u8]>,
    rdatas: &'a [u8],
    signatures: &'a [u8],
}

impl<'a> Records<'a> {
    /// Seconds of life left, as a TTL.
    pub fn ttl(&self) -> u32 {
        u32::try_from(self.ttl_left.max(0)).unwrap_or(u32::MAX)
    }

    /// The first record's data.
    pub fn first(&self) -> Option<&'a [u8]> {
        self.iter().next()
    }

    /// The records' data.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.lone.into_iter().chain(RdataIter::new(self.rdatas))
    }

    /// A copy of the records' data.
    pub fn rdatas(&self) -> Option<Rdatas> {
        match self.lone {
            Some(rdata) => Rdatas::lone(rdata),
            None => Rdatas::from_packed(self.rdatas),
        }
    }

    /// The RRSIGs that cover them.
    pub fn signatures(&self) -> RdataIter<'a> {
        RdataIter::new(self.signatures)
    }

    /// A copy, with the signatures or without.
    pub fn to_signed(
        &self,
        owner: Name,
        rtype: Rtype,
        ttl: u32,
        with_signatures: bool,
    ) -> Option<SignedSet> {
        let set = Rrset { rdatas: self.rdatas()?, ..Rrset::new(owner, rtype, Class::IN, ttl) };
        let signatures =
            if with_signatures { Rdatas::from_packed(self.signatures)? } else { Rdatas::new() };
        Some(SignedSet { set, signatures, rank: self.rank })
    }
}

/// What is kept in one place about a name, lent: delegation, aliases, absence, chains.
#[derive(Clone, Copy, Debug)]
pub struct Apex<'a> {
    value: &'a [u8],
    now: u64,
    stale: u32,
}

impl<'a> Apex<'a> {
    pub(super) fn new(value: &'a [u8], now: u64, stale: u32) -> Apex<'a> {
        Apex { value, now, stale }
    }

    /// NS, CNAME, DNAME, or another type that lives there.
    pub fn find(&self, rtype: Rtype) -> Option<Lent<'a>> {
        Lent::read(find_in_apex(self.value, rtype)?, self.now, self.stale)
    }

    /// The name, and so everything below it, does not exist (RFC 8020).
    pub fn nxdomain(&self) -> Option<Lent<'a>> {
        self.find(NX)
    }

    /// The chains of the zone whose apex it is, as far as records of them are kept.
    pub fn chains(&self) -> Chains<'a> {
        let mut chains = Chains::default();
        for (rtype, part) in apex_parts(self.value) {
            if matches!(rtype, Rtype::NSEC | Rtype::NSEC3) {
                chains.read_part(rtype, part, self.now);
            }
        }
        chains
    }
}

/// Looks things up at one time; see [`Cache::reader`].
pub struct Reader<'a> {
    pub(super) kv: &'a dyn Kv,
    pub(super) key: &'a mut Vec<u8>,
    /// Seconds since 1970.
    pub(super) now: u64,
}

impl Cache {
    /// For several looks at what is kept at `now` (seconds since 1970).
    pub fn reader(&mut self, now: u64) -> Reader<'_> {
        Reader { kv: &*self.kv, key: &mut self.key, now }
    }
}

impl<'a> Reader<'a> {
    /// What is known about a type at a name, if it is alive. "No such name" is not looked for.
    pub fn find(&mut self, name: &NameKey, rtype: Rtype) -> Option<Lent<'a>> {
        self.find_at(name.as_bytes(), rtype)
    }

    /// The same for the name with the key `at`.
    pub fn find_at(&mut self, at: &[u8], rtype: Rtype) -> Option<Lent<'a>> {
        let slot = key::slot_of(rtype);
        if !key::write_at(at, slot, self.key) {
            return None;
        }
        let value = self.kv.get(self.key)?;
        let part = if slot == Slot::Apex { find_in_apex(value, rtype)? } else { value };
        Lent::read(part, self.now, 0)
    }

    /// Was everything there that has been lent so far? What was copied is good only if so.
    pub fn is_intact(&self) -> bool {
        self.kv.is_intact()
    }

    /// See [`Kv::view`].
    pub fn view(&self) -> u64 {
        self.kv.view()
    }

    /// Seconds since 1970 at which things are looked up.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The same as [`Reader::find`], and if there is nothing, whether there may be something else
    /// about the name at its apex slot: who looks for both needs to look once if there is nothing.
    pub fn find_or_more(&mut self, name: &NameKey, rtype: Rtype) -> (Option<Lent<'a>>, bool) {
        let slot = key::slot_of(rtype);
        if slot == Slot::Apex {
            return (self.find(name, rtype), true);
        }
        if !key::write_at(name.as_bytes(), slot, self.key) {
            return (None, true);
        }
        // A zero byte ends the name.
        match self.kv.get_or_neighbour(self.key, name.as_bytes().len() + 1) {
            Ok(value) => (Lent::read(value, self.now, 0), true),
            Err(may_be) => (None, may_be),
        }
    }

    /// What is kept in one place about the name with the key `at`.
    pub fn apex(&mut self, at: &[u8]) -> Option<Apex<'a>> {
        self.apex_stale(at, 0)
    }

    /// The same with data that expired at most `stale` seconds ago.
    pub fn apex_stale(&mut self, at: &[u8], stale: u32) -> Option<Apex<'a>> {
        if !key::write_at(at, Slot::Apex, self.key) {
            return None;
        }
        Some(Apex::new(self.kv.get(self.key)?, self.now, stale))
    }
}

impl Apex<'_> {
    /// A copy of what has something to say to those who walk.
    pub(super) fn to_hit(self) -> ApexHit {
        let hit = |rtype| self.find(rtype).and_then(|lent| lent.to_hit());
        ApexHit {
            ns: hit(Rtype::NS),
            cname: hit(Rtype::CNAME),
            dname: hit(Rtype::DNAME),
            nxdomain: hit(NX),
        }
    }
}

/// The copy of an entry.
pub(super) fn hit(value: &[u8], now: u64, stale: u32) -> Option<Hit> {
    Lent::read(value, now, stale)?.to_hit()
}
