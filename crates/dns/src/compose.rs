//! Building messages: compression by hashed suffixes, a size limit, whole RRsets or nothing.
//!
//! Compression work is linear in the number of labels written: each suffix is hashed once from the
//! right and looked up in a small open-addressing table (CVE-2024-8508 class: no scan over what was
//! written before).

use smallvec::SmallVec;

use crate::edns::OptRecord;
use crate::header::{HEADER_BYTES, Header};
use crate::limits::{COMPRESSION_TARGETS_MAX, MESSAGE_BYTES_MAX};
use crate::message::Section;
use crate::name::{Name, names_equal_in, uncompressed_end};
use crate::rdata::{self, prefix_length};
use crate::rrset::Rrset;
use crate::rtype::{Class, Rtype};

/// The message has no room for this RRset; nothing of it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the RRset does not fit into the message")]
pub struct Truncated;

/// Slots of the table: twice the targets, so that probes stay short. A power of two.
const SLOTS: usize = COMPRESSION_TARGETS_MAX * 2;
/// Slots looked at for one suffix. Collisions beyond only cost compression.
const PROBES_MAX: usize = 4;
/// Offsets of 14 bits: what lies behind cannot be pointed at (RFC 1035 §4.1.4).
const POINTER_MAX: usize = 0x3fff;

/// The pointer to the name in the question.
const QUESTION_NAME: [u8; 2] = (0xc000 | HEADER_BYTES as u16).to_be_bytes();

/// Where the suffixes of a name start, and their hashes; few names have more than are kept inside.
type Suffixes = SmallVec<[(u8, u32); 12]>;

/// Writes one message into a buffer.
pub struct Composer<'b> {
    out: &'b mut Vec<u8>,
    header: Header,
    limit: usize,
    /// Bytes kept free for the OPT record.
    reserved: usize,
    section: Section,
    /// Offsets of known suffixes; zero is free (no name starts inside the header).
    slots: [u16; SLOTS],
    targets: usize,
    /// Length of the name in the question, if that can be pointed at.
    question_name: usize,
    /// Are its suffixes among the known ones? They are put there for the first other name.
    knows_question: bool,
}

impl<'b> Composer<'b> {
    /// Starts a message in `out`, which is cleared. No more than `limit` bytes will be written
    /// (but always the header).
    pub fn new(out: &'b mut Vec<u8>, header: Header, limit: usize) -> Composer<'b> {
        out.clear();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        let header = Header { qdcount: 0, ancount: 0, nscount: 0, arcount: 0, ..header };
        Composer {
            out,
            header,
            limit: limit.min(MESSAGE_BYTES_MAX),
            reserved: 0,
            section: Section::Answer,
            slots: [0; SLOTS],
            targets: 0,
            question_name: 0,
            knows_question: true,
        }
    }

    /// Keeps room for an OPT record that will be passed to [`Composer::finish`].
    pub fn reserve(&mut self, bytes: usize) {
        self.reserved = bytes;
    }

    /// The header, to change flags before [`Composer::finish`].
    pub fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Is there nothing but the header?
    pub fn is_empty(&self) -> bool {
        self.out.len() == HEADER_BYTES
    }

    /// Writes the question. It comes first and only once.
    pub fn question(&mut self, name: &Name, rtype: Rtype, class: Class) -> Result<(), Truncated> {
        let mark = self.mark();
        self.out.extend_from_slice(name.as_wire());
        self.out.extend_from_slice(&rtype.0.to_be_bytes());
        self.out.extend_from_slice(&class.0.to_be_bytes());
        self.header.qdcount = 1;
        self.settle(mark)?;
        if !name.is_root() {
            (self.question_name, self.knows_question) = (name.len(), false);
        }
        Ok(())
    }

    /// Writes the records of a set into a section, all or none. Sections must come in order; a set
    /// for an earlier section goes into the current one.
    pub fn rrset(&mut self, section: Section, set: &Rrset) -> Result<(), Truncated> {
        self.records(section, &set.owner, set.rtype, set.class, set.ttl, set.rdatas.iter())
    }

    /// The same from parts, for data that lies elsewhere.
    pub fn records<'r>(
        &mut self,
        section: Section,
        owner: &Name,
        rtype: Rtype,
        class: Class,
        ttl: u32,
        rdatas: impl Iterator<Item = &'r [u8]>,
    ) -> Result<(), Truncated> {
        let mark = self.mark();
        self.section = self.section.max(section);
        // Where the first record's owner can be pointed at: the others need not search for it.
        let mut first: Option<[u8; 2]> = None;
        for rdata in rdatas {
            let count = match self.section {
                Section::Answer => &mut self.header.ancount,
                Section::Authority => &mut self.header.nscount,
                Section::Additional => &mut self.header.arcount,
            };
            *count = count.saturating_add(1);
            match first {
                Some(pointer) => self.out.extend_from_slice(&pointer),
                None => first = self.owner(owner),
            }
            self.out.extend_from_slice(&rtype.0.to_be_bytes());
            self.out.extend_from_slice(&class.0.to_be_bytes());
            self.out.extend_from_slice(&ttl.to_be_bytes());
            self.rdata(rtype, rdata);
            if self.out.len() + self.reserved > self.limit {
                return self.settle(mark);
            }
        }
        self.settle(mark)
    }

    /// Writes the OPT record and the header, and ends the message.
    pub fn finish(mut self, opt: Option<&OptRecord>) {
        let room = self.limit.max(HEADER_BYTES).saturating_sub(self.out.len());
        if let Some(opt) = opt.filter(|opt| opt.wire_length() <= room) {
            opt.compose(self.out);
            self.header.arcount = self.header.arcount.saturating_add(1);
        }
        self.out[..HEADER_BYTES].copy_from_slice(&self.header.to_bytes());
    }

    fn mark(&self) -> (usize, Header, Section) {
        (self.out.len(), self.header, self.section)
    }

    /// Keeps what was written since `mark`, or takes it back if it is too much.
    fn settle(&mut self, mark: (usize, Header, Section)) -> Result<(), Truncated> {
        if self.out.len() + self.reserved <= self.limit {
            return Ok(());
        }
        let end = mark.0;
        self.out.truncate(end);
        (self.header, self.section) = (mark.1, mark.2);
        for slot in &mut self.slots {
            if *slot as usize >= end {
                *slot = 0;
                self.targets -= 1;
            }
        }
        Err(Truncated)
    }

    fn rdata(&mut self, rtype: Rtype, rdata: &[u8]) {
        let length_at = self.out.len();
        self.out.extend_from_slice(&[0, 0]);
        let compressed = rdata::layout(rtype).filter(|layout| layout.compress).and_then(|layout| {
            let mut at = prefix_length(layout.prefix, rdata)?;
            self.out.extend_from_slice(&rdata[..at]);
            for _ in 0..layout.names {
                let end = uncompressed_end(rdata, at)?;
                self.name(&rdata[at..end]);
                at = end;
            }
            self.out.extend_from_slice(&rdata[at..]);
            Some(())
        });
        if compressed.is_none() {
            self.out.truncate(length_at + 2);
            self.out.extend_from_slice(rdata);
        }
        let length = (self.out.len() - length_at - 2).min(u16::MAX as usize) as u16;
        self.out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    /// Writes an owner; returns the pointer to it that is right for further records.
    fn owner(&mut self, owner: &Name) -> Option<[u8; 2]> {
        let start = self.out.len();
        let wire = owner.as_wire();
        // Most answers are about the name in the question.
        let is_same = |question: &[u8]| question.eq_ignore_ascii_case(wire);
        if wire.len() == self.question_name
            && self.out.get(HEADER_BYTES..HEADER_BYTES + wire.len()).is_some_and(is_same)
        {
            self.out.extend_from_slice(&QUESTION_NAME);
            return Some(QUESTION_NAME);
        }
        self.name(wire);
        match self.out[start..] {
            // It is the root, or a pointer already.
            [_] => None,
            [high @ 0xc0..=0xff, low] => Some([high, low]),
            _ if start > POINTER_MAX => None,
            _ => Some((0xc000 | start as u16).to_be_bytes()),
        }
    }

    /// Writes a name (uncompressed wire form), replacing its longest known suffix by a pointer.
    fn name(&mut self, wire: &[u8]) {
        if !self.knows_question {
            self.learn_question();
        }
        let (suffixes, root) = suffixes(wire);
        let base = self.out.len();
        let mut written = suffixes.len();
        let mut pointer = None;
        for (i, (start, hash)) in suffixes.iter().enumerate() {
            pointer = self.find(*hash, &wire[*start as usize..]);
            if pointer.is_some() {
                written = i;
                break;
            }
        }
        let upto = suffixes.get(written).map_or(root, |(start, _)| *start as usize);
        self.out.extend_from_slice(&wire[..upto]);
        match pointer {
            Some(target) => self.out.extend_from_slice(&(0xc000 | target).to_be_bytes()),
            None => self.out.push(0),
        }
        for (start, hash) in &suffixes[..written] {
            self.remember(*hash, base + *start as usize);
        }
    }

    /// Puts the suffixes of the name in the question among the known ones.
    fn learn_question(&mut self) {
        self.knows_question = true;
        let wire = self.out.get(HEADER_BYTES..HEADER_BYTES + self.question_name);
        let (suffixes, _) = suffixes(wire.unwrap_or_default());
        for (start, hash) in &suffixes {
            self.remember(*hash, HEADER_BYTES + *start as usize);
        }
    }

    fn find(&self, hash: u32, suffix: &[u8]) -> Option<u16> {
        for probe in 0..PROBES_MAX {
            let slot = self.slots[(hash as usize).wrapping_add(probe) % SLOTS];
            if slot == 0 {
                continue;
            }
            // Mostly it stands there in one piece, as it is.
            let is_same = self.out.get(slot as usize..).is_some_and(|out| out.starts_with(suffix));
            if is_same || names_equal_in(self.out, slot as usize, suffix) {
                return Some(slot);
            }
        }
        None
    }

    fn remember(&mut self, hash: u32, offset: usize) {
        if offset > POINTER_MAX || self.targets >= COMPRESSION_TARGETS_MAX {
            return;
        }
        for probe in 0..PROBES_MAX {
            let slot = &mut self.slots[(hash as usize).wrapping_add(probe) % SLOTS];
            if *slot == 0 {
                *slot = offset as u16;
                self.targets += 1;
                return;
            }
        }
    }
}

/// The suffixes of a name, the root left out, and where the root label is.
#[inline]
fn suffixes(wire: &[u8]) -> (Suffixes, usize) {
    let mut suffixes = Suffixes::new();
    let mut at = 0;
    while let Some(length) = wire.get(at).copied().filter(|l| *l != 0) {
        suffixes.push((at as u8, 0));
        at += 1 + length as usize;
    }
    // Hash of each suffix, from the root leftwards.
    let mut hash = 0;
    let mut end = at;
    for (start, of_suffix) in suffixes.iter_mut().rev() {
        hash = hash_label(hash, &wire[*start as usize..end]);
        *of_suffix = (hash >> 32) as u32;
        end = *start as usize;
    }
    (suffixes, at)
}

/// Continues the hash of a suffix with the label in front of it. Takes eight bytes at a time and
/// folds case by setting a bit, which also makes some unequal labels alike: what the table finds
/// is compared anyway.
#[inline]
fn hash_label(hash: u64, label: &[u8]) -> u64 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    // 2^64 divided by the golden ratio: its multiples are spread evenly.
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ (word | FOLD)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        product ^ product >> 29
    };
    let (words, rest) = label.as_chunks::<8>();
    let hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let rest = match (label.last_chunk(), rest.first_chunk(), rest.last_chunk()) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    mix(hash, rest)
}

#[cfg(test)]
mod tests;
