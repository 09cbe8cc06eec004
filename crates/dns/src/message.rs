//! A parsed view of a received message: checked once, borrowed ever after.
//!
//! [`Message::parse`] walks all sections, checks each name, each length and the rdata of every type
//! that contains names, and refuses what is left over behind the last record. Later reads cannot
//! fail. Nothing is copied but an index of sixteen bytes a record.

use std::fmt;

use smallvec::SmallVec;

use crate::edns::Edns;
use crate::header::{HEADER_BYTES, Header, Rcode};
use crate::limits::RECORDS_MAX;
use crate::name::{Checked, Name, NameFault, names_equal_in, skip_name};
use crate::rdata;
use crate::rtype::{Class, Rtype};

/// Records that the index holds without allocation: a signed referral has some sixteen.
const INLINE_RECORDS: usize = 24;

/// Why bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MessageFault {
    #[error("rdata of type {0} is malformed")]
    BadRdata(Rtype),
    #[error("more than one OPT record, or one outside the additional section")]
    BadOpt,
    #[error("more than one question")]
    ManyQuestions,
    /// Of an owner, of the question, or inside rdata.
    #[error("bad name: {0}")]
    Name(#[from] NameFault),
    #[error("the message ends too early")]
    Short,
    #[error("too many records")]
    TooManyRecords,
    #[error("bytes after the last record")]
    Trailing,
}

/// The three sections that hold records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Section {
    Answer,
    Authority,
    Additional,
}

/// A question by value (RFC 1035 §4.1.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    pub name: Name,
    pub rtype: Rtype,
    pub class: Class,
}

#[derive(Clone, Copy)]
struct Index {
    owner: u16,
    rtype: Rtype,
    class: Class,
    rdata: u16,
    length: u16,
    ttl: u32,
}

/// A message whose structure has been checked.
pub struct Message<'a> {
    wire: &'a [u8],
    header: Header,
    question_end: usize,
    records: SmallVec<[Index; INLINE_RECORDS]>,
    answer_end: usize,
    authority_end: usize,
    edns: Option<Edns<'a>>,
}

impl<'a> Message<'a> {
    /// Checks `wire` from end to end. At most one question, at most one OPT.
    pub fn parse(wire: &'a [u8]) -> Result<Message<'a>, MessageFault> {
        let header = Header::parse(wire).ok_or(MessageFault::Short)?;
        if header.qdcount > 1 {
            return Err(MessageFault::ManyQuestions);
        }
        let mut at = HEADER_BYTES;
        if header.qdcount == 1 {
            at = skip_name(wire, at)? + 4;
            if at > wire.len() {
                return Err(MessageFault::Short);
            }
        }
        let mut message = Message {
            wire,
            header,
            question_end: at,
            records: SmallVec::new(),
            answer_end: 0,
            authority_end: 0,
            edns: None,
        };
        let total = [header.ancount, header.nscount, header.arcount].map(usize::from);
        if total.iter().sum::<usize>() > RECORDS_MAX {
            return Err(MessageFault::TooManyRecords);
        }
        let mut checked = Checked::default();
        at = message.index(at, total[0], false, &mut checked)?;
        message.answer_end = message.records.len();
        at = message.index(at, total[1], false, &mut checked)?;
        message.authority_end = message.records.len();
        at = message.index(at, total[2], true, &mut checked)?;
        if at != wire.len() {
            return Err(MessageFault::Trailing);
        }
        Ok(message)
    }

    fn index(
        &mut self,
        mut at: usize,
        count: usize,
        additional: bool,
        checked: &mut Checked,
    ) -> Result<usize, MessageFault> {
        for _ in 0..count {
            let owner = at;
            at = checked.skip_name(self.wire, at)?;
            let fixed: &[u8; 10] =
                self.wire.get(at..).and_then(<[u8]>::first_chunk).ok_or(MessageFault::Short)?;
            let rtype = Rtype(u16::from_be_bytes([fixed[0], fixed[1]]));
            let class = Class(u16::from_be_bytes([fixed[2], fixed[3]]));
            let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
            let length = u16::from_be_bytes([fixed[8], fixed[9]]);
            let start = at + 10;
            let end = start + length as usize;
            if end > self.wire.len() {
                return Err(MessageFault::Short);
            }
            at = end;
            if rtype == Rtype::OPT {
                // RFC 6891 §6.1.1: one OPT, owned by the root, in the additional section.
                if !additional || self.edns.is_some() || self.wire[owner] != 0 {
                    return Err(MessageFault::BadOpt);
                }
                self.edns = Some(Edns::from_record(class, ttl, &self.wire[start..end]));
                continue;
            }
            rdata::check(self.wire, rtype, start, end, checked)?;
            self.records.push(Index {
                owner: owner as u16,
                rtype,
                class,
                rdata: start as u16,
                length,
                ttl,
            });
        }
        Ok(at)
    }

    /// The bytes.
    pub fn wire(&self) -> &'a [u8] {
        self.wire
    }

    /// The header, counts as received (they include OPT).
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The full response code, EDNS bits included (RFC 6891 §6.1.3).
    pub fn rcode(&self) -> Rcode {
        let high = self.edns.as_ref().map_or(0, |e| u16::from(e.rcode_high));
        Rcode(self.header.rcode_low().0 | high << 4)
    }

    /// The question, if there is one.
    pub fn question(&self) -> Option<Question> {
        if self.header.qdcount == 0 {
            return None;
        }
        let (name, at) = Name::parse(self.wire, HEADER_BYTES).ok()?;
        let fixed: &[u8; 4] = self.wire.get(at..)?.first_chunk()?;
        Some(Question {
            name,
            rtype: Rtype(u16::from_be_bytes([fixed[0], fixed[1]])),
            class: Class(u16::from_be_bytes([fixed[2], fixed[3]])),
        })
    }

    /// The type that the question is for, if there is one.
    pub fn question_type(&self) -> Option<Rtype> {
        let wire = self.wire.get(HEADER_BYTES..self.question_end)?;
        let [.., high, low, _, _] = *wire else { return None };
        Some(Rtype(u16::from_be_bytes([high, low])))
    }

    /// The bytes of the question section.
    pub fn question_wire(&self) -> &'a [u8] {
        &self.wire[HEADER_BYTES..self.question_end]
    }

    /// What the OPT record says, if there is one.
    pub fn edns(&self) -> Option<&Edns<'a>> {
        self.edns.as_ref()
    }

    /// The records of a section in the order of the wire, OPT left out.
    pub fn section(&self, section: Section) -> impl ExactSizeIterator<Item = RecordRef<'_>> {
        let range = match section {
            Section::Answer => 0..self.answer_end,
            Section::Authority => self.answer_end..self.authority_end,
            Section::Additional => self.authority_end..self.records.len(),
        };
        self.records[range].iter().map(|index| RecordRef { wire: self.wire, index: *index })
    }

    /// The records of the answer section.
    pub fn answer(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> {
        self.section(Section::Answer)
    }

    /// The records of the authority section.
    pub fn authority(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> {
        self.section(Section::Authority)
    }

    /// The records of the additional section without OPT.
    pub fn additional(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> {
        self.section(Section::Additional)
    }
}

/// Owner, TTL, class, type and rdata with single blanks.
impl fmt::Display for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} ", self.owner(), self.ttl(), self.class(), self.rtype())?;
        rdata::text::fmt_rdata_of(self.class(), self.rtype(), &self.rdata(), f)
    }
}

/// One record of a message.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    wire: &'a [u8],
    index: Index,
}

impl<'a> RecordRef<'a> {
    /// The type.
    pub fn rtype(&self) -> Rtype {
        self.index.rtype
    }

    /// The class.
    pub fn class(&self) -> Class {
        self.index.class
    }

    /// The TTL as on the wire; values with the top bit set are for the reader to treat as zero
    /// (RFC 2181 §8).
    pub fn ttl(&self) -> u32 {
        if self.index.ttl > i32::MAX as u32 { 0 } else { self.index.ttl }
    }

    /// Where the TTL field is in the message.
    pub fn ttl_offset(&self) -> usize {
        // The fixed part ends where the rdata begins: TTL and length are its last six bytes.
        (self.index.rdata as usize).saturating_sub(6)
    }

    /// A copy of the owner.
    pub fn owner(&self) -> Name {
        // The name was checked by `Message::parse`.
        Name::parse(self.wire, self.index.owner as usize).map_or_else(|_| Name::root(), |n| n.0)
    }

    /// Is this the owner? Does not copy.
    pub fn is_owned_by(&self, name: &Name) -> bool {
        names_equal_in(self.wire, self.index.owner as usize, name.as_wire())
    }

    /// Where the owner's bytes begin in the message: two records of the same owner often have the
    /// same offset after following one pointer.
    pub fn owner_offset(&self) -> usize {
        self.index.owner as usize
    }

    /// Rdata as on the wire; names in it may be compressed.
    pub fn rdata_wire(&self) -> &'a [u8] {
        let start = self.index.rdata as usize;
        &self.wire[start..start + self.index.length as usize]
    }

    /// Appends the rdata with its names decompressed.
    pub fn rdata_into(&self, out: &mut Vec<u8>) {
        let start = self.index.rdata as usize;
        // It was checked by `Message::parse`, so this does not fail; if it did, nothing is added.
        let _checked = rdata::decompress(
            self.wire,
            self.index.rtype,
            start,
            start + self.index.length as usize,
            out,
        );
    }

    /// The uncompressed rdata.
    pub fn rdata(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.index.length as usize + 16);
        self.rdata_into(&mut out);
        out
    }

    /// The first name of the rdata (target of NS, CNAME, DNAME, PTR, MNAME of SOA, exchange of MX,
    /// signer of RRSIG, next name of NSEC).
    pub fn rdata_name(&self) -> Option<Name> {
        let layout = rdata::layout(self.index.rtype)?;
        let prefix = rdata::prefix_length(layout.prefix, self.rdata_wire())?;
        Name::parse(self.wire, self.index.rdata as usize + prefix).ok().map(|(name, _)| name)
    }
}
