//! The bytes of an entry. `docs/formats/entries.md` is normative.
//!
//! ```text
//! entry    = what:u8 stored:u32 life:varint body            (big-endian)
//! what     = kind << 6 | rank
//! kind     = 0 records | 1 no data | 2 no such name | 3 chains (in an apex slot)
//! life     = ttl << 1 | lone
//! records  = rdata                                          (lone = 1: one record, nothing else)
//!          | part(rdatas) part(signatures) proof*           (lone = 0)
//! negative = proof*                                   (SOA first, then NSEC or NSEC3)
//! proof    = owner(wire) type:u16 rank:u8 ttl:u32 part(rdatas) part(signatures)
//! part     = varint(length) bytes                     (bytes as in `dns::Rdatas`)
//! apex     = (type:u16 varint(length) entry)*         (type 0: no such name)
//! ```
//!
//! Most entries are one address without signatures, so these are kept as short as can be.

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

/// Longest time that an entry can say, in seconds: four years.
pub(crate) const TTL_MAX: u32 = (1 << 27) - 1;

/// Kinds of entries.
pub(crate) const KIND_RECORDS: u8 = 0;
pub(crate) const KIND_NO_DATA: u8 = 1;
const KIND_NX_DOMAIN: u8 = 2;
/// Says in an apex slot that records of a chain of NSEC or NSEC3 are kept.
pub(crate) const KIND_CHAIN: u8 = 3;

/// Bits of the rank in the first byte; the kind has the others.
const RANK_BITS: u32 = 6;

/// What stands before the body of an entry, enough to decide whether it is of use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) kind: u8,
    pub(crate) rank: Rank,
    pub(crate) stored: u32,
    pub(crate) ttl: u32,
    /// The body is the data of a single record and nothing else.
    pub(crate) lone: bool,
}

impl Head {
    /// The head of an entry.
    pub(crate) fn read(bytes: &[u8]) -> Option<Head> {
        Head::split(bytes).map(|(head, _)| head)
    }

    /// The head of an entry and its body.
    pub(crate) fn split(bytes: &[u8]) -> Option<(Head, &[u8])> {
        let (&what, rest) = bytes.split_first()?;
        let (stored, mut rest) = rest.split_first_chunk()?;
        let life = take_varint(&mut rest)?;
        let head = Head {
            kind: what >> RANK_BITS,
            rank: Rank::from_byte(what & ((1 << RANK_BITS) - 1))?,
            stored: u32::from_be_bytes(*stored),
            ttl: (life >> 1) as u32,
            lone: life & 1 != 0,
        };
        (!head.lone || head.kind == KIND_RECORDS).then_some((head, rest))
    }

    /// Appends the bytes.
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.kind << RANK_BITS | self.rank.to_byte());
        out.extend_from_slice(&self.stored.to_be_bytes());
        put_varint(out, (self.ttl.min(TTL_MAX) as usize) << 1 | usize::from(self.lone));
    }

    /// Appends the head of an entry that says which chains a zone has.
    pub(crate) fn write_chain(now: u64, ttl: u32, out: &mut Vec<u8>) {
        let (kind, rank, stored) = (KIND_CHAIN, Rank::SECURE, now as u32);
        Head { kind, rank, stored, ttl, lone: false }.write(out);
    }

    /// Seconds of life left at `now`; negative when expired. Time that ran backwards counts as
    /// "just stored", so a clock set back does not make entries immortal or dead.
    pub(crate) fn left(&self, now: u64) -> i64 {
        let age = (now as u32).wrapping_sub(self.stored) as i32;
        i64::from(self.ttl) - i64::from(age.max(0))
    }
}

/// The body of an entry that is to be written, lent.
#[derive(Clone, Copy)]
pub(crate) enum Said<'a> {
    /// See [`Body::Records`].
    Records { rdatas: &'a Rdatas, signatures: &'a Rdatas, proofs: &'a [SignedSet] },
    /// See [`Body::NoData`].
    NoData { proofs: &'a [SignedSet] },
    /// See [`Body::NxDomain`].
    NxDomain { proofs: &'a [SignedSet] },
}

/// An entry that is to be written: what [`Entry`] has, lent.
#[derive(Clone, Copy)]
pub(crate) struct Draft<'a> {
    pub(crate) rank: Rank,
    pub(crate) stored: u32,
    pub(crate) ttl: u32,
    pub(crate) said: Said<'a>,
}

impl Draft<'_> {
    /// Appends the bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (kind, lone) = match self.said {
            Said::Records { rdatas, signatures, proofs } => {
                let is_bare = signatures.is_empty() && proofs.is_empty();
                (KIND_RECORDS, (is_bare && rdatas.len() == 1).then(|| rdatas.iter().next()))
            }
            Said::NoData { .. } => (KIND_NO_DATA, None),
            Said::NxDomain { .. } => (KIND_NX_DOMAIN, None),
        };
        let lone = lone.flatten();
        let (rank, stored, ttl) = (self.rank, self.stored, self.ttl);
        Head { kind, rank, stored, ttl, lone: lone.is_some() }.write(out);
        if let Some(rdata) = lone {
            out.extend_from_slice(rdata);
            return;
        }
        let proofs = match self.said {
            Said::Records { rdatas, signatures, proofs } => {
                put_part(out, rdatas.as_packed());
                put_part(out, signatures.as_packed());
                proofs
            }
            Said::NoData { proofs } | Said::NxDomain { proofs } => proofs,
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
}

impl Entry {
    /// The same, lent.
    pub(crate) fn draft(&self) -> Draft<'_> {
        let said = match &self.body {
            Body::Records { rdatas, signatures, proofs } => {
                Said::Records { rdatas, signatures, proofs }
            }
            Body::NoData { proofs } => Said::NoData { proofs },
            Body::NxDomain { proofs } => Said::NxDomain { proofs },
        };
        Draft { rank: self.rank, stored: self.stored, ttl: self.ttl, said }
    }

    /// Appends the bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.draft().encode(out);
    }

    /// Reads the bytes; `None` for anything that is not exactly an entry.
    pub fn decode(bytes: &[u8]) -> Option<Entry> {
        let (head, mut rest) = Head::split(bytes)?;
        let body = match head.kind {
            KIND_RECORDS if head.lone => {
                let rdatas = Rdatas::lone(rest)?;
                Body::Records { rdatas, signatures: Rdatas::new(), proofs: Vec::new() }
            }
            KIND_RECORDS => {
                let rdatas = Rdatas::from_packed(take_part(&mut rest)?)?;
                let signatures = Rdatas::from_packed(take_part(&mut rest)?)?;
                Body::Records { rdatas, signatures, proofs: take_proofs(rest)? }
            }
            KIND_NO_DATA => Body::NoData { proofs: take_proofs(rest)? },
            KIND_NX_DOMAIN => Body::NxDomain { proofs: take_proofs(rest)? },
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
