//! Chains of NSEC and NSEC3 records, kept so that what they deny need not be asked for again
//! (RFC 8198).
//!
//! A zone's records lie side by side in its order, so the one that covers a name is the entry at or
//! before it. That a zone has such a chain at all is noted in its apex slot, which every walk from a
//! name to the root reads anyway. What a record proves is decided by those who ask.

#[cfg(test)]
mod tests;

use dns::dnssec::nsec3::{HASH_LEN, hash_from_label, hash_to_label};
use dns::limits::NSEC3_ITERATIONS_MAX;
use dns::rdata::view::{Nsec3View, NsecView, RrsigView};
use dns::{Class, Name, Rrset, Rtype};

use super::entry::{Body, Entry, Head, KIND_CHAIN, SignedSet, put_varint, take_part};
use super::key::{self, Slot};
use super::rank::Rank;
use super::{Cache, find_in_apex, live, replace_in_apex};
use crate::kv::StoreError;
use crate::limits::{CHAIN_TTL, NEGATIVE_TTL_MAX, NSEC3_CHAINS_MAX, NSEC3_SALT_MAX};

/// The only hash algorithm there is: SHA-1 (RFC 5155 §11).
const SHA1: u8 = 1;

/// What an NSEC3 chain is hashed with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nsec3Parameters {
    /// Additional iterations.
    pub iterations: u16,
    pub salt: Vec<u8>,
}

/// The chains of a zone of which records are kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chains {
    pub nsec: bool,
    /// The one that was seen last comes first.
    pub nsec3: Vec<Nsec3Parameters>,
}

impl Chains {
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        !self.nsec && self.nsec3.is_empty()
    }

    /// Takes in the part of an apex slot that is about one kind of chain.
    pub(super) fn read_part(&mut self, rtype: Rtype, part: &[u8], now: u64) {
        let Some((head, body)) = chain(part) else { return };
        if head.left(now) < 0 {
            return;
        }
        match rtype {
            Rtype::NSEC => self.nsec = true,
            _ => self.nsec3 = read_parameters(body),
        }
    }
}

/// A record of a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The record; its TTL is what is left.
    pub signed: SignedSet,
    /// Does it stand at the name or hash that was looked for? Otherwise before it.
    pub is_match: bool,
}

/// What an NSEC3 says beside its types.
struct Hashed {
    parameters: Nsec3Parameters,
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
        let hashed = match signed.set.rtype {
            Rtype::NSEC if is_useful_nsec(zone, &signed.set) => {
                if key::write_nsec(zone, &signed.set.owner, &mut self.key).is_none() {
                    return Ok(false);
                }
                None
            }
            Rtype::NSEC3 => {
                let Some(hashed) = useful_nsec3(zone, &signed.set) else { return Ok(false) };
                if key::write_nsec3(zone, &hashed.parameters, &mut self.key).is_none() {
                    return Ok(false);
                }
                self.key.extend_from_slice(&hashed.hash);
                Some(hashed)
            }
            _ => return Ok(false),
        };
        let ttl = self.bounds.apply(signed.set.ttl.min(ttl_max));
        let ttl = ttl.min(NEGATIVE_TTL_MAX.max(self.bounds.min));
        let body = Body::Records {
            rdatas: signed.set.rdatas.clone(),
            signatures: signed.signatures.clone(),
            proofs: Vec::new(),
        };
        let entry = Entry { rank: Rank::SECURE, stored: now as u32, ttl, body };
        self.value.clear();
        entry.encode(&mut self.value);
        if !self.kv.get(&self.key).is_some_and(|old| saves_writing(old, &self.value, now)) {
            self.kv.put(&self.key, &self.value)?;
        }
        self.note_chain(now, zone, hashed.map(|hashed| hashed.parameters))?;
        Ok(true)
    }

    /// The NSEC of the zone at `name`, or else the last one before it, if it is alive.
    pub fn peek_nsec(&mut self, now: u64, zone: &Name, name: &Name) -> Option<Link> {
        if !name.is_at_or_below(zone) {
            return None;
        }
        let prefix = key::write_nsec(zone, name, &mut self.key)?;
        let (found, value) = self.kv.get_less_or_equal(&self.key)?;
        let below = found.strip_prefix(&self.key[..prefix])?;
        let is_match = below.len() == self.key.len() - prefix && found == self.key;
        let owner = if is_match {
            name.clone()
        } else {
            self.value.clear();
            self.value.extend_from_slice(&self.key[..prefix - 2]);
            self.value.extend_from_slice(below);
            Name::from_lookup_format(&self.value)?
        };
        let signed = read_link(value, owner, Rtype::NSEC, now)?;
        Some(Link { signed, is_match })
    }

    /// The NSEC3 of the zone at a hash, or else the last one before it, around the end of the
    /// circle, if it is alive.
    pub fn peek_nsec3(
        &mut self,
        now: u64,
        zone: &Name,
        parameters: &Nsec3Parameters,
        hash: &[u8; HASH_LEN],
    ) -> Option<Link> {
        let prefix = key::write_nsec3(zone, parameters, &mut self.key)?;
        self.key.extend_from_slice(hash);
        let is_here = self.last_hash(prefix).is_some();
        if !is_here {
            self.key.truncate(prefix);
            self.key.extend_from_slice(&[0xff; HASH_LEN]);
        }
        let (found, value) = self.last_hash(prefix)?;
        let owner = zone.prepend(&hash_to_label(&found)).ok()?;
        let signed = read_link(value, owner, Rtype::NSEC3, now)?;
        Some(Link { signed, is_match: found == *hash })
    }

    /// The last NSEC3 up to the key at hand that shares the first `prefix` bytes with it.
    fn last_hash(&self, prefix: usize) -> Option<([u8; HASH_LEN], &[u8])> {
        let (found, value) = self.kv.get_less_or_equal(&self.key)?;
        let hash = found.strip_prefix(&self.key[..prefix])?.try_into().ok()?;
        Some((hash, value))
    }

    /// Notes in the apex slot of a zone which chain it has.
    fn note_chain(
        &mut self,
        now: u64,
        zone: &Name,
        parameters: Option<Nsec3Parameters>,
    ) -> Result<(), StoreError> {
        if !key::write(zone, Slot::Apex, &mut self.key) {
            return Ok(());
        }
        let rtype = if parameters.is_some() { Rtype::NSEC3 } else { Rtype::NSEC };
        let old = self.kv.get(&self.key).unwrap_or(&[]);
        let mut known = Vec::new();
        if let Some(part) = find_in_apex(old, rtype)
            && let Some((head, body)) = chain(part)
        {
            known = read_parameters(body);
            if head.left(now) > i64::from(CHAIN_TTL / 2) && known.first() == parameters.as_ref() {
                return Ok(());
            }
        }
        self.value.clear();
        Head::write_chain(now, CHAIN_TTL, &mut self.value);
        if let Some(first) = parameters {
            known.retain(|other| *other != first);
            known.insert(0, first);
            for parameters in known.iter().take(NSEC3_CHAINS_MAX) {
                self.value.extend_from_slice(&parameters.iterations.to_be_bytes());
                put_varint(&mut self.value, parameters.salt.len());
                self.value.extend_from_slice(&parameters.salt);
            }
        }
        let apex = replace_in_apex(old, rtype, &self.value, now);
        self.kv.put(&self.key, &apex)
    }
}

/// The head and the body of an entry about chains.
fn chain(part: &[u8]) -> Option<(Head, &[u8])> {
    Head::split(part).filter(|(head, _)| head.kind == KIND_CHAIN)
}

fn read_parameters(mut bytes: &[u8]) -> Vec<Nsec3Parameters> {
    let mut list = Vec::new();
    while list.len() < NSEC3_CHAINS_MAX
        && let Some((iterations, mut rest)) = bytes.split_first_chunk::<2>()
        && let Some(salt) = take_part(&mut rest)
    {
        list.push(Nsec3Parameters {
            iterations: u16::from_be_bytes(*iterations),
            salt: salt.to_vec(),
        });
        bytes = rest;
    }
    list
}

fn read_link(value: &[u8], owner: Name, rtype: Rtype, now: u64) -> Option<SignedSet> {
    let hit = live(value, now, 0)?;
    let Body::Records { rdatas, signatures, .. } = hit.body else { return None };
    if !hit.rank.is_secure() {
        return None;
    }
    let ttl = u32::try_from(hit.ttl_left).ok()?;
    let set = Rrset { rdatas, ..Rrset::new(owner, rtype, Class::IN, ttl) };
    Some(SignedSet { set, signatures, rank: hit.rank })
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
fn is_useful_nsec(zone: &Name, set: &Rrset) -> bool {
    let Some(view) = set.rdatas.iter().next().and_then(NsecView::new) else { return false };
    let next = view.next();
    set.owner.is_at_or_below(zone)
        && (next == *zone || (next.is_below(zone) && set.owner < next))
        && !next.labels().any(|label| label.contains(&0))
}

fn useful_nsec3(zone: &Name, set: &Rrset) -> Option<Hashed> {
    let view = Nsec3View::new(set.rdatas.iter().next()?)?;
    let next: [u8; HASH_LEN] = view.next_hash().try_into().ok()?;
    let hash = hash_from_label(set.owner.labels().next()?)?;
    let is_useful = set.owner.parent().as_ref() == Some(zone)
        && view.hash_algorithm() == SHA1
        && view.flags() == 0
        && view.iterations() <= NSEC3_ITERATIONS_MAX
        && view.salt().len() <= NSEC3_SALT_MAX
        && !is_minimal(&hash, &next);
    let parameters = Nsec3Parameters { iterations: view.iterations(), salt: view.salt().to_vec() };
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
