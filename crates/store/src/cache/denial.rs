//! Chains of NSEC and NSEC3 records, kept so that what they deny need not be asked for again
//! (RFC 8198).
//!
//! A zone's records lie side by side in its order, so the one that covers a name is the entry at or
//! before it. That a zone has such a chain at all is noted in its apex slot, which every walk from a
//! name to the root reads anyway. What a record proves is decided by those who ask.

#[cfg(test)]
mod tests;

use dns::dnssec::nsec3::{HASH_LEN, hash_from_label};
use dns::limits::NSEC3_ITERATIONS_MAX;
use dns::rdata::view::{Nsec3View, NsecView, RrsigView};
use dns::{Name, NameKey, Rrset, Rtype};
use smallvec::SmallVec;

use super::entry::{Draft, Head, KIND_CHAIN, Said, SignedSet, put_varint, take_part};
use super::key::{self, Slot};
use super::lent::{Lent, Reader, Records};
use super::rank::Rank;
use super::{Cache, find_in_apex, replace_in_apex};
use crate::kv::StoreError;
use crate::limits::{CHAIN_TTL, NEGATIVE_TTL_MAX, NSEC3_CHAINS_MAX, NSEC3_SALT_MAX};

/// The only hash algorithm there is: SHA-1 (RFC 5155 §11).
const SHA1: u8 = 1;

/// What an NSEC3 chain is hashed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nsec3Parameters<'a> {
    /// Additional iterations.
    pub iterations: u16,
    pub salt: &'a [u8],
}

/// The chains of a zone of which records are kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chains<'a> {
    pub nsec: bool,
    nsec3: &'a [u8],
}

impl<'a> Chains<'a> {
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        !self.nsec && self.nsec3.is_empty()
    }

    /// The chains of NSEC3. The one that was seen last comes first.
    pub fn nsec3(&self) -> impl Iterator<Item = Nsec3Parameters<'a>> + use<'a> {
        read_parameters(self.nsec3)
    }

    /// Takes in the part of an apex slot that is about one kind of chain.
    pub(super) fn read_part(&mut self, rtype: Rtype, part: &'a [u8], now: u64) {
        let Some((head, body)) = chain(part) else { return };
        if head.left(now) < 0 {
            return;
        }
        match rtype {
            Rtype::NSEC => self.nsec = true,
            _ => self.nsec3 = body,
        }
    }
}

/// A record of a chain, lent.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// What the key of its owner has more than the zone's ([`NameKey`]), or the hash that it stands
    /// for.
    pub place: &'a [u8],
    /// Does it stand at the name or hash that was looked for? Otherwise before it.
    pub is_match: bool,
    /// The record; it was validated and is alive.
    pub records: Records<'a>,
}

/// What an NSEC3 says beside its types.
struct Hashed<'a> {
    parameters: Nsec3Parameters<'a>,
    hash: [u8; HASH_LEN],
}

impl Cache {
    /// Keeps a record of the chain of `zone`, for no more than `ttl_max` seconds (RFC 9077 §3).
    /// Returns whether it is kept: only validated records are, those whose range denies more than
    /// one name (RFC 4470, RFC 7129 appendix B: others save nothing), and no NSEC3 with opt-out,
    /// which says nothing about unsigned delegations.
    pub fn stash_link(
        &mut self,
        now: u64,
        zone: &Name,
        signed: &SignedSet,
        ttl_max: u32,
    ) -> Result<bool, StoreError> {
        if !is_signed_by(zone, signed) || signed.set.rdatas.len() != 1 {
            return Ok(false);
        }
        let zone_key = NameKey::of(zone);
        let apex = zone_key.as_bytes();
        let hashed = match signed.set.rtype {
            Rtype::NSEC => {
                let owner = NameKey::of(&signed.set.owner);
                let is_useful = is_useful_nsec(&zone_key, &owner, &signed.set);
                if !is_useful
                    || key::write_nsec(apex.len(), owner.as_bytes(), &mut self.key).is_none()
                {
                    return Ok(false);
                }
                None
            }
            Rtype::NSEC3 => {
                let Some(hashed) = useful_nsec3(zone, &signed.set) else { return Ok(false) };
                if key::write_nsec3(apex, &hashed.parameters, &mut self.key).is_none() {
                    return Ok(false);
                }
                self.key.extend_from_slice(&hashed.hash);
                Some(hashed)
            }
            _ => return Ok(false),
        };
        let ttl = self.bounds.apply(signed.set.ttl.min(ttl_max));
        let ttl = ttl.min(NEGATIVE_TTL_MAX.max(self.bounds.min));
        let (rdatas, signatures) = (&signed.set.rdatas, &signed.signatures);
        let said = Said::Records { rdatas, signatures, proofs: &[] };
        let entry = Draft { rank: Rank::SECURE, stored: now as u32, ttl, said };
        self.value.clear();
        entry.encode(&mut self.value);
        if !self.kv.get(&self.key).is_some_and(|old| saves_writing(old, &self.value, now)) {
            self.kv.put(&self.key, &self.value)?;
        }
        self.note_chain(now, apex, hashed.map(|hashed| hashed.parameters))?;
        Ok(true)
    }

    /// Notes in the apex slot of a zone which chain it has.
    fn note_chain(
        &mut self,
        now: u64,
        zone: &[u8],
        parameters: Option<Nsec3Parameters<'_>>,
    ) -> Result<(), StoreError> {
        if !key::write_at(zone, Slot::Apex, &mut self.key) {
            return Ok(());
        }
        let rtype = if parameters.is_some() { Rtype::NSEC3 } else { Rtype::NSEC };
        let old = self.kv.get(&self.key).unwrap_or(&[]);
        let mut known: SmallVec<[Nsec3Parameters<'_>; NSEC3_CHAINS_MAX + 1]> = SmallVec::new();
        if let Some(part) = find_in_apex(old, rtype)
            && let Some((head, body)) = chain(part)
        {
            known.extend(read_parameters(body));
            if head.left(now) > i64::from(CHAIN_TTL / 2) && known.first() == parameters.as_ref() {
                return Ok(());
            }
        }
        self.value.clear();
        Head::write_chain(now, CHAIN_TTL, &mut self.value);
        if let Some(first) = parameters {
            known.retain(|other| *other != first);
            known.insert(0, first);
            for parameters in known.drain(..).take(NSEC3_CHAINS_MAX) {
                self.value.extend_from_slice(&parameters.iterations.to_be_bytes());
                put_varint(&mut self.value, parameters.salt.len());
                self.value.extend_from_slice(parameters.salt);
            }
        }
        drop(known);
        let apex = replace_in_apex(old, rtype, &self.value, now);
        self.kv.put(&self.key, &apex)
    }
}

impl<'a> Reader<'a> {
    /// The NSEC at `name`, or else the last one before it, if it is alive. `zone` is the key of the
    /// zone's apex.
    pub fn nsec(&mut self, zone: &[u8], name: &NameKey) -> Option<Link<'a>> {
        if !name.as_bytes().starts_with(zone) {
            return None;
        }
        let prefix = key::write_nsec(zone.len(), name.as_bytes(), self.key)?;
        let (found, value) = self.kv.get_less_or_equal(self.key)?;
        let place = found.strip_prefix(&self.key[..prefix])?;
        let is_match = found.len() == self.key.len() && found == self.key;
        Some(Link { place, is_match, records: read_link(value, self.now)? })
    }

    /// The NSEC3 of a zone at a hash, or else the last one before it, around the end of the
    /// circle, if it is alive. `zone` is the key of the zone's apex.
    pub fn nsec3(
        &mut self,
        zone: &[u8],
        parameters: &Nsec3Parameters<'_>,
        hash: &[u8; HASH_LEN],
    ) -> Option<Link<'a>> {
        let prefix = key::write_nsec3(zone, parameters, self.key)?;
        self.key.extend_from_slice(hash);
        let found = match self.last_hash(prefix) {
            Some(found) => Some(found),
            None => {
                self.key.truncate(prefix);
                self.key.extend_from_slice(&[0xff; HASH_LEN]);
                self.last_hash(prefix)
            }
        };
        let (place, value) = found?;
        Some(Link { place, is_match: place == hash, records: read_link(value, self.now)? })
    }

    /// The last NSEC3 up to the key at hand that shares the first `prefix` bytes with it.
    fn last_hash(&self, prefix: usize) -> Option<(&'a [u8], &'a [u8])> {
        let (found, value) = self.kv.get_less_or_equal(self.key)?;
        let hash = found.strip_prefix(&self.key[..prefix])?;
        (hash.len() == HASH_LEN).then_some((hash, value))
    }
}

/// The head and the body of an entry about chains.
fn chain(part: &[u8]) -> Option<(Head, &[u8])> {
    Head::split(part).filter(|(head, _)| head.kind == KIND_CHAIN)
}

fn read_parameters<'a>(mut bytes: &'a [u8]) -> impl Iterator<Item = Nsec3Parameters<'a>> + use<'a> {
    let next = move || {
        let (iterations, mut rest) = bytes.split_first_chunk::<2>()?;
        let salt = take_part(&mut rest)?;
        bytes = rest;
        Some(Nsec3Parameters { iterations: u16::from_be_bytes(*iterations), salt })
    };
    std::iter::from_fn(next).take(NSEC3_CHAINS_MAX)
}

/// The record of a chain, if it is alive.
fn read_link(value: &[u8], now: u64) -> Option<Records<'_>> {
    Lent::read(value, now, 0)?.records().filter(|records| records.rank.is_secure())
}

/// The same record again, while most of its life is still to come, is not worth a write.
fn saves_writing(old: &[u8], new: &[u8], now: u64) -> bool {
    let (Some((head, body)), Some((other, new))) = (Head::split(old), Head::split(new)) else {
        return false;
    };
    head.left(now) * 2 > i64::from(other.ttl) && body == new
}

/// Was it validated as the zone's own word, and not made from a wildcard (CVE-2017-15105)? Where
/// signatures of other zones are mixed in nobody can tell whose word it is.
fn is_signed_by(zone: &Name, signed: &SignedSet) -> bool {
    let labels = signed.set.owner.label_count() - usize::from(signed.set.owner.is_wildcard());
    signed.rank.is_secure()
        && !signed.signatures.is_empty()
        && signed.signatures.iter().all(|rdata| {
            RrsigView::new(rdata).is_some_and(|rrsig| {
                rrsig.signer() == *zone && usize::from(rrsig.labels()) == labels
            })
        })
}

/// Does an NSEC deny more than a made-up range would? A zero byte in a label of the next name is
/// how servers that sign on the fly write "right behind" (RFC 4470 §3.1.2).
fn is_useful_nsec(zone: &NameKey, owner: &NameKey, set: &Rrset) -> bool {
    let Some(view) = set.rdatas.iter().next().and_then(NsecView::new) else { return false };
    let next = view.next_key();
    owner.is_at_or_below(zone)
        && (next == *zone || (next.is_below(zone) && *owner < next))
        && !next.has_zero_byte()
}

fn useful_nsec3<'a>(zone: &Name, set: &'a Rrset) -> Option<Hashed<'a>> {
    let view = Nsec3View::new(set.rdatas.iter().next()?)?;
    let next: [u8; HASH_LEN] = view.next_hash().try_into().ok()?;
    let hash = hash_from_label(set.owner.labels().next()?)?;
    let is_useful = set.owner.parent().as_ref() == Some(zone)
        && view.hash_algorithm() == SHA1
        && view.flags() == 0
        && view.iterations() <= NSEC3_ITERATIONS_MAX
        && view.salt().len() <= NSEC3_SALT_MAX
        && !is_minimal(&hash, &next);
    let parameters = Nsec3Parameters { iterations: view.iterations(), salt: view.salt() };
    is_useful.then_some(Hashed { parameters, hash })
}

/// Does a range hold one hash at most? Servers that sign on the fly make those (RFC 7129
/// appendix B).
fn is_minimal(hash: &[u8; HASH_LEN], next: &[u8; HASH_LEN]) -> bool {
    let successor = |mut hash: [u8; HASH_LEN]| {
        for byte in hash.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        hash
    };
    let one = successor(*hash);
    one == *next || successor(one) == *next
}
