//! The bytes of an entry. `docs/formats/entries.md` is normative.
//!
//! ```text
//! entry    = kind:u8 rank:u8 stored:u32 ttl:u32 body        (big-endian)
//! kind     = 0 records | 1 no data | 2 no such name
//! records  = part(rdatas) part(signatures) proof*
//! negative = proof*                                   (SOA first, then NSEC or NSEC3)
//! proof    = owner(wire) type:u16 rank:u8 ttl:u32 part(rdatas) part(signatures)
//! part     = varint(length) bytes                     (bytes as in `dns::Rdatas`)
//! apex     = (type:u16 varint(length) entry)*         (type 0: no such name)
//! ```

use dns::{Class, Name, Rdatas, Rrset, Rtype};

use super::rank::Rank;

/// A set with its signatures, as it came or as it goes into a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedSet {
    pub set: Rrset,
    /// The RRSIGs that cover it.
    pub signatures: Rdatas,
    pub rank: Rank,
}

/// What an entry says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Records, and for expansions of a wildcard the proofs that must go with them
    /// (RFC 4035 §3.1.3.3).
    Records { rdatas: Rdatas, signatures: Rdatas, proofs: Vec<SignedSet> },
    /// The name exists, the type does not (RFC 2308 §2.2). SOA first if there is one.
    NoData { proofs: Vec<SignedSet> },
    /// The name does not exist (RFC 2308 §2.1).
    NxDomain { proofs: Vec<SignedSet> },
}

/// A decoded entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub rank: Rank,
    /// Wall clock, seconds since 1970, modulo 2^32.
    pub stored: u32,
    /// Seconds it may be used from then.
    pub ttl: u32,
    pub body: Body,
}

/// Length of kind, rank, time and TTL.
pub(crate) const HEAD_BYTES: usize = 10;

/// The first bytes of an entry, enough to decide whether it is of use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) kind: u8,
    pub(crate) rank: Rank,
    pub(crate) stored: u32,
    pub(crate) ttl: u32,
}

impl Head {
    pub(crate) fn read(bytes: &[u8]) -> Option<Head> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Some(Head { kind: head[0], rank: Rank::from_byte(head[1])?, stored: word(2), ttl: word(6) })
    }

    /// Seconds of life left at `now`; negative when expired. Time that ran backwards counts as
    /// "just stored", so a clock set back does not make entries immortal or dead.
    pub(crate) fn left(&self, now: u64) -> i64 {
        let age = (now as u32).wrapping_sub(self.stored) as i32;
        i64::from(self.ttl) - i64::from(age.max(0))
    }
}

impl Entry {
    /// Appends the bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match self.body {
            Body::Records { .. } => 0,
            Body::NoData { .. } => 1,
            Body::NxDomain { .. } => 2,
        };
        out.extend_from_slice(&[kind, self.rank.to_byte()]);
        out.extend_from_slice(&self.stored.to_be_bytes());
        out.extend_from_slice(&self.ttl.to_be_bytes());
        let proofs = match &self.body {
            Body::Records { rdatas, signatures, proofs } => {
                put_part(out, rdatas.as_packed());
                put_part(out, signatures.as_packed());
                proofs
            }
            Body::NoData { proofs } | Body::NxDomain { proofs } => proofs,
        };
        for proof in proofs {
            out.extend_from_slice(proof.set.owner.as_wire());
            out.extend_from_slice(&proof.set.rtype.0.to_be_bytes());
            out.push(proof.rank.to_byte());
            out.extend_from_slice(&proof.set.ttl.to_be_bytes());
            put_part(out, proof.set.rdatas.as_packed());
            put_part(out, proof.signatures.as_packed());
        }
    }

    /// Reads the bytes; `None` for anything that is not exactly an entry.
    pub fn decode(bytes: &[u8]) -> Option<Entry> {
        let head = Head::read(bytes)?;
        let mut rest = &bytes[HEAD_BYTES..];
        let body = match head.kind {
            0 => {
                let rdatas = Rdatas::from_packed(take_part(&mut rest)?)?;
                let signatures = Rdatas::from_packed(take_part(&mut rest)?)?;
                Body::Records { rdatas, signatures, proofs: take_proofs(rest)? }
            }
            1 => Body::NoData { proofs: take_proofs(rest)? },
            2 => Body::NxDomain { proofs: take_proofs(rest)? },
            _ => return None,
        };
        Some(Entry { rank: head.rank, stored: head.stored, ttl: head.ttl, body })
    }
}

fn take_proofs(mut rest: &[u8]) -> Option<Vec<SignedSet>> {
    let mut proofs = Vec::new();
    while !rest.is_empty() {
        let end = dns::name::skip_name(rest, 0).ok()?;
        let owner = Name::from_wire(&rest[..end]).ok()?;
        let (fixed, tail) = rest[end..].split_first_chunk::<7>()?;
        rest = tail;
        let mut set = Rrset::new(
            owner,
            Rtype(u16::from_be_bytes([fixed[0], fixed[1]])),
            Class::IN,
            u32::from_be_bytes([fixed[3], fixed[4], fixed[5], fixed[6]]),
        );
        set.rdatas = Rdatas::from_packed(take_part(&mut rest)?)?;
        let signatures = Rdatas::from_packed(take_part(&mut rest)?)?;
        proofs.push(SignedSet { set, signatures, rank: Rank::from_byte(fixed[2])? });
    }
    Some(proofs)
}

/// Writes a number in groups of seven bits, least first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads such a number; at most 28 bits.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in [0, 7, 14, 21] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= ((byte & 0x7f) as usize) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    put_varint(out, part.len());
    out.extend_from_slice(part);
}

pub(crate) fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_varint(bytes)?;
    let (part, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}
