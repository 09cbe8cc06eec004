//! What a query is told, by a server, by the cache or by local data: sets of records by section.
//!
//! The records of a received message are copied out once, grouped into RRsets with the signatures
//! that cover them, and everything later works on these values. Hostile messages cost bounded work:
//! too many sets or too large ones make the reply useless as a whole.

use std::net::SocketAddr;

use dns::message::Section;
use dns::rrset::covered;
use dns::{Message, Name, Rcode, RecordRef, Rrset, Rtype};
use smallvec::SmallVec;
use store::cache::Rank;
use store::cache::entry::SignedSet;

use crate::action::Via;
use crate::limits::{RRSET_RECORDS_MAX, SECTION_SETS_MAX};

/// Where a reply came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A server.
    Upstream { address: SocketAddr, via: Via },
    /// The store.
    Cache,
    /// What proofs in the store say about other names than those that they came with (RFC 8198).
    Proofs,
    /// Data of our own: special-use names, hints, rules.
    Local,
}

/// The sections of a reply as sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub source: Source,
    pub rcode: Rcode,
    /// AA bit of the message.
    pub authoritative: bool,
    /// TC bit of the message: something is missing.
    pub truncated: bool,
    /// RA bit of the message.
    pub recursion_available: bool,
    /// Did the message carry an OPT record?
    pub has_edns: bool,
    pub answer: Vec<SignedSet>,
    pub authority: Vec<SignedSet>,
    pub additional: Vec<SignedSet>,
    /// Is an alias in it another than the DNAME above it implies?
    pub contradictory: bool,
    /// How far the reply as a whole can be trusted, what it denies included; nothing is known at
    /// first.
    pub rank: Rank,
}

/// The message is well-formed, but no honest server sends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Oversized;

impl Reply {
    /// An empty reply.
    pub fn new(source: Source, rcode: Rcode) -> Reply {
        Reply {
            source,
            rcode,
            authoritative: false,
            truncated: false,
            recursion_available: false,
            has_edns: false,
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            contradictory: false,
            rank: Rank::OMIT,
        }
    }

    /// Copies the records out of a message.
    pub fn from_message(message: &Message<'_>, source: Source) -> Result<Reply, Oversized> {
        let wants_signatures = message.question_type() == Some(Rtype::RRSIG);
        Ok(Reply {
            source,
            rcode: message.rcode(),
            authoritative: message.header().aa(),
            truncated: message.header().tc(),
            recursion_available: message.header().ra(),
            has_edns: message.edns().is_some(),
            answer: group(message.section(Section::Answer), wants_signatures)?,
            authority: group(message.section(Section::Authority), false)?,
            additional: group(message.section(Section::Additional), false)?,
            contradictory: false,
            rank: Rank::OMIT,
        })
    }

    /// Did it come over the network just now?
    pub fn is_fresh(&self) -> bool {
        matches!(self.source, Source::Upstream { .. })
    }

    /// The set of the answer section with this owner and type.
    pub fn find_answer(&self, name: &Name, rtype: Rtype) -> Option<&SignedSet> {
        find(&self.answer, name, rtype)
    }

    /// The set of the authority section with this owner and type.
    pub fn find_authority(&self, name: &Name, rtype: Rtype) -> Option<&SignedSet> {
        find(&self.authority, name, rtype)
    }

    /// The sets of all sections.
    pub fn sets(&self) -> impl Iterator<Item = &SignedSet> {
        self.answer.iter().chain(&self.authority).chain(&self.additional)
    }

    /// The sets of all sections, to rank them.
    pub fn sets_mut(&mut self) -> impl Iterator<Item = &mut SignedSet> {
        self.answer.iter_mut().chain(&mut self.authority).chain(&mut self.additional)
    }
}

/// The set with this owner and type.
pub fn find<'a>(sets: &'a [SignedSet], name: &Name, rtype: Rtype) -> Option<&'a SignedSet> {
    sets.iter().find(|signed| signed.set.rtype == rtype && signed.set.owner == *name)
}

/// Groups records into sets. Signatures go to the set they cover; those that cover nothing in the
/// section become sets of their own if they were asked for, and are dropped otherwise.
fn group<'m>(
    records: impl ExactSizeIterator<Item = RecordRef<'m>>,
    wants_signatures: bool,
) -> Result<Vec<SignedSet>, Oversized> {
    let mut sets: Vec<SignedSet> = Vec::with_capacity(records.len().min(8));
    let mut signatures: SmallVec<[RecordRef<'m>; 8]> = SmallVec::new();
    for record in records {
        if record.rtype() == Rtype::RRSIG {
            signatures.push(record);
            continue;
        }
        // Records of one set mostly stand together, so the search begins at the end.
        let place = sets.iter().rposition(|signed| signed.set.admits(&record));
        match place {
            Some(at) if sets[at].set.rdatas.len() < RRSET_RECORDS_MAX => sets[at].set.add(&record),
            None if sets.len() < SECTION_SETS_MAX => {
                sets.push(unsigned(Rrset::from_record(&record)));
            }
            Some(_) | None => return Err(Oversized),
        }
    }
    if signatures.len() > SECTION_SETS_MAX * 4 {
        return Err(Oversized);
    }
    for record in signatures {
        let rtype = covered(record.rdata_wire());
        let covers = |signed: &&mut SignedSet| {
            Some(signed.set.rtype) == rtype
                && signed.set.class == record.class()
                && record.is_owned_by(&signed.set.owner)
        };
        if let Some(signed) = sets.iter_mut().find(covers) {
            signed.signatures.push(&record.rdata());
            signed.set.ttl = signed.set.ttl.min(record.ttl());
        } else if wants_signatures && sets.len() < SECTION_SETS_MAX {
            match sets.iter_mut().find(|signed| signed.set.admits(&record)) {
                Some(signed) => signed.set.add(&record),
                None => sets.push(unsigned(Rrset::from_record(&record))),
            }
        }
    }
    Ok(sets)
}

/// A set nothing is known about yet.
pub fn unsigned(set: Rrset) -> SignedSet {
    SignedSet { set, signatures: dns::Rdatas::new(), rank: Rank::OMIT }
}
