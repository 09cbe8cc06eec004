//! Building messages: compression, a size limit, whole RRsets or nothing.
//!
//! Compression work is linear in the number of labels written (CVE-2024-8508 class: no scan over all
//! that was written before). The first few suffixes, all that most messages have, stand in a list with
//! their lengths: a name has one suffix of each length, so it is compared with each of them at most
//! once. Those that follow are hashed, once each and from the right, and stand in a small
//! open-addressing table.

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

/// Suffixes in the list. Looking through it costs less than hashing as long as it is short.
const LISTED_MAX: usize = 16;
/// Slots of the table: twice the targets, so that probes stay short. A power of two.
const SLOTS: usize = COMPRESSION_TARGETS_MAX * 2;
/// Slots looked at for one suffix. Collisions beyond only cost compression.
const PROBES_MAX: usize = 4;
/// Offsets of 14 bits: what lies behind cannot be pointed at (RFC 1035 §4.1.4).
const POINTER_MAX: usize = 0x3fff;

/// The pointer to the name in the question.
const QUESTION_NAME: [u8; 2] = (0xc000 | HEADER_BYTES as u16).to_be_bytes();

/// Where the suffixes of a name start; few names have more than are kept inside.
type Starts = SmallVec<[u8; 24]>;
/// Their hashes.
type Hashes = SmallVec<[u32; 24]>;

/// Writes one message into a buffer.
pub struct Composer<'b> {
    out: &'b mut Vec<u8>,
    header: Header,
    limit: usize,
    /// Bytes kept free for the OPT record.
    reserved: usize,
    section: Section,
    /// The first known suffixes: offsets and lengths, these without compression.
    listed: usize,
    offsets: [u16; LISTED_MAX],
    lengths: [u8; LISTED_MAX],
    /// The last octet of the first label of each, case folded: names of servers often differ there.
    marks: [u8; LISTED_MAX],
    /// Offsets of the others; zero is free (no name starts inside the header).
    slots: Option<Box<[u16; SLOTS]>>,
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
            listed: 0,
            offsets: [0; LISTED_MAX],
            lengths: [0; LISTED_MAX],
            marks: [0; LISTED_MAX],
            slots: None,
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
        let listed = &self.offsets[..self.listed];
        self.listed = listed.iter().take_while(|offset| usize::from(**offset) < end).count();
        self.lengths[self.listed..].fill(0);
        for slot in self.slots.iter_mut().flat_map(|slots| slots.iter_mut()) {
            if usize::from(*slot) >= end {
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
        let (starts, root) = starts(wire);
        let base = self.out.len();
        let places = starts.iter().map(|start| usize::from(*start)).enumerate();
        let listed =
            places.clone().find_map(|(i, at)| Some((i, at, self.find_listed(&wire[at..])?)));
        // Only a longer suffix is better than one of the list.
        let longer = listed.map_or(starts.len(), |(i, ..)| i);
        let mut hashes = Hashes::new();
        if longer > 0 && self.slots.is_some() {
            hashes = self::hashes(wire, &starts, root);
        }
        let mut hashed = places.zip(&hashes).take(longer);
        let hashed =
            hashed.find_map(|((i, at), hash)| Some((i, at, self.find_hashed(*hash, &wire[at..])?)));
        let known = hashed.or(listed);
        let (written, upto, target) =
            known.map_or((starts.len(), root, None), |(i, at, target)| (i, at, Some(target)));
        self.out.extend_from_slice(&wire[..upto]);
        match target {
            Some(target) => self.out.extend_from_slice(&(0xc000 | target).to_be_bytes()),
            None => self.out.push(0),
        }
        self.remember(base, wire, &starts[..written], &hashes);
    }

    /// Puts the suffixes of the name in the question among the known ones.
    fn learn_question(&mut self) {
        self.knows_question = true;
        let question = self.out.get(HEADER_BYTES..HEADER_BYTES + self.question_name);
        let question: SmallVec<[u8; 64]> = SmallVec::from_slice(question.unwrap_or_default());
        let (starts, _) = starts(&question);
        self.remember(HEADER_BYTES, &question, &starts, &[]);
    }

    /// Does a name that is known stand at this offset? Mostly in one piece and as it is.
    fn stands_at(&self, offset: u16, suffix: &[u8]) -> bool {
        let is_same = self.out.get(offset as usize..).is_some_and(|out| out.starts_with(suffix));
        is_same || names_equal_in(self.out, offset as usize, suffix)
    }

    fn find_listed(&self, suffix: &[u8]) -> Option<u16> {
        let mut equal = equal_bytes(self.lengths, suffix.len() as u8);
        if equal != 0 {
            equal &= equal_bytes(self.marks, mark(suffix));
        }
        while equal != 0 {
            let at = equal.trailing_zeros() as usize / 8;
            let offset = self.offsets[at % LISTED_MAX];
            if self.stands_at(offset, suffix) {
                return Some(offset);
            }
            equal &= equal - 1;
        }
        None
    }

    fn find_hashed(&self, hash: u32, suffix: &[u8]) -> Option<u16> {
        let slots = self.slots.as_ref()?;
        (0..PROBES_MAX)
            .map(|probe| slots[(hash as usize).wrapping_add(probe) % SLOTS])
            .find(|slot| *slot != 0 && self.stands_at(*slot, suffix))
    }

    /// Notes down the first suffixes of a name that was written at `base`; their hashes, if there are
    /// any yet.
    fn remember(&mut self, base: usize, wire: &[u8], starts: &[u8], hashes: &[u32]) {
        for (i, start) in starts.iter().enumerate() {
            let offset = base + usize::from(*start);
            if offset > POINTER_MAX {
                return;
            }
            if self.listed < LISTED_MAX {
                self.offsets[self.listed] = offset as u16;
                let suffix = &wire[usize::from(*start)..];
                self.lengths[self.listed] = suffix.len() as u8;
                self.marks[self.listed] = mark(suffix);
                self.listed += 1;
                continue;
            }
            match hashes.get(i) {
                Some(hash) => self.remember_hashed(*hash, offset as u16),
                None => return self.remember_beyond(base, wire, &starts[i..]),
            }
        }
    }

    /// The list is full within a name.
    #[cold]
    fn remember_beyond(&mut self, base: usize, wire: &[u8], starts: &[u8]) {
        let (all, root) = self::starts(wire);
        let hashes = hashes(wire, &all, root);
        let first = all.iter().position(|start| starts.first() == Some(start)).unwrap_or(0);
        for (start, hash) in starts.iter().zip(hashes.iter().skip(first)) {
            let offset = base + usize::from(*start);
            if offset <= POINTER_MAX {
                self.remember_hashed(*hash, offset as u16);
            }
        }
    }

    fn remember_hashed(&mut self, hash: u32, offset: u16) {
        if self.targets >= COMPRESSION_TARGETS_MAX {
            return;
        }
        let slots = self.slots.get_or_insert_with(|| Box::new([0; SLOTS]));
        for probe in 0..PROBES_MAX {
            let slot = &mut slots[(hash as usize).wrapping_add(probe) % SLOTS];
            if *slot == 0 {
                *slot = offset;
                self.targets += 1;
                return;
            }
        }
    }
}

/// The highest bits of those of the bytes that equal one that is not zero, at once for all of them.
/// Another one may be among them if it stands above one that is equal.
#[inline]
fn equal_bytes(bytes: [u8; LISTED_MAX], byte: u8) -> u128 {
    const ONES: u128 = u128::MAX / 0xff;
    let differences = u128::from_le_bytes(bytes) ^ (ONES * u128::from(byte));
    differences.wrapping_sub(ONES) & !differences & (ONES << 7)
}

/// The last octet of the first label of a name; letters in lower case, and others as some other one.
#[inline]
fn mark(name: &[u8]) -> u8 {
    let length = name.first().copied().unwrap_or_default();
    name.get(usize::from(length)).copied().unwrap_or_default() | 0x20
}

/// Where the suffixes of a name start, the root left out, and where the root label is.
#[inline]
fn starts(wire: &[u8]) -> (Starts, usize) {
    let mut starts = Starts::new();
    let mut at = 0;
    while let Some(length) = wire.get(at).copied().filter(|l| *l != 0) {
        starts.push(at as u8);
        at += 1 + length as usize;
    }
    (starts, at)
}

/// Hash of each suffix, from the root leftwards.
fn hashes(wire: &[u8], starts: &[u8], root: usize) -> Hashes {
    let mut hashes: Hashes = SmallVec::from_elem(0, starts.len());
    let (mut hash, mut end) = (0, root);
    for (start, of_suffix) in starts.iter().zip(&mut hashes).rev() {
        hash = hash_label(hash, &wire[*start as usize..end]);
        *of_suffix = (hash >> 32) as u32;
        end = *start as usize;
    }
    hashes
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
