//! The table behind the answer cache: buckets of eight, CLOCK inside a bucket, a bound on bytes.
//! Where room is scarce an answer has to be wanted twice to come in, so that those who ask for ever
//! more names do not drive out what others ask for again and again.
//!
//! An answer is one piece of memory, facts first, so that a hit touches the bucket and then a few
//! neighbouring cache lines: at low rates everything has to come from main memory again.

use std::collections::BTreeMap;

use super::survey::Ring;
use super::{AnswerCacheLimits, Tally};

/// Entries that share a bucket. Their marks lie in one cache line.
const WAYS: usize = 8;

/// Room is scarce when less than this part of the bytes is left.
const SCARCE: usize = 64;

/// Bytes of the facts at the beginning of an entry.
const FACTS_BYTES: usize = 48;
/// The answer is NOERROR without records.
const NO_DATA: u8 = 1;
/// There is a ring.
const RING: u8 = 2;
/// There are tallies, in the table.
const TALLIES: u8 = 4;

/// What is known of an entry besides its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    pub(super) hash: u64,
    pub(super) generation: u64,
    /// Seconds since 1970.
    pub(super) stored: u64,
    /// Seconds since 1970, less than 256 after `stored`.
    pub(super) expires: u64,
    pub(super) key_bits: u32,
    pub(super) tag: u32,
    pub(super) no_data: bool,
    pub(super) ring: Option<Ring>,
}

/// One finished answer: facts, TTL offsets, the question in lower case, the answer.
struct Entry(Box<[u8]>);

impl Entry {
    fn new(facts: &Facts, question: &[u8], offsets: &[u16], answer: &[u8], tallied: bool) -> Entry {
        let ring = facts.ring.unwrap_or(Ring { first: 0, stride: 0, length: 0, count: 0 });
        let marks = if facts.no_data { NO_DATA } else { 0 }
            | if facts.ring.is_some() { RING } else { 0 }
            | if tallied { TALLIES } else { 0 };
        let mut bytes =
            Vec::with_capacity(FACTS_BYTES + 2 * offsets.len() + question.len() + answer.len());
        let mut head = [0; FACTS_BYTES];
        let life = facts.expires.saturating_sub(facts.stored).min(u64::from(u8::MAX)) as u8;
        head[..8].copy_from_slice(&facts.hash.to_le_bytes());
        head[8..16].copy_from_slice(&facts.generation.to_le_bytes());
        head[16..24].copy_from_slice(&facts.stored.to_le_bytes());
        head[24..28].copy_from_slice(&facts.key_bits.to_le_bytes());
        head[28..32].copy_from_slice(&facts.tag.to_le_bytes());
        head[32..34].copy_from_slice(&(question.len() as u16).to_le_bytes());
        head[34..36].copy_from_slice(&ring.first.to_le_bytes());
        head[36..38].copy_from_slice(&ring.stride.to_le_bytes());
        head[38..43].copy_from_slice(&[ring.length, ring.count, marks, life, offsets.len() as u8]);
        bytes.extend_from_slice(&head);
        for offset in offsets {
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        bytes.extend_from_slice(question);
        bytes.extend_from_slice(answer);
        Entry(bytes.into_boxed_slice())
    }

    /// The eight octets at an offset within the facts, the lowest first.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        self.0.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
    }

    #[inline]
    fn octet(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    #[inline]
    fn hash(&self) -> u64 {
        self.word(0)
    }

    #[inline]
    fn key_bits_and_tag(&self) -> (u32, u32) {
        let word = self.word(24);
        (word as u32, (word >> 32) as u32)
    }

    fn expires(&self) -> u64 {
        self.word(16) + u64::from(self.octet(41))
    }

    #[inline]
    fn has_tallies(&self) -> bool {
        self.octet(40) & TALLIES != 0
    }

    #[inline]
    fn facts(&self) -> Facts {
        let (key_bits, tag) = self.key_bits_and_tag();
        let (sizes, marks) = (self.word(32), self.octet(40));
        let ring = Ring {
            first: (sizes >> 16) as u16,
            stride: (sizes >> 32) as u16,
            length: (sizes >> 48) as u8,
            count: (sizes >> 56) as u8,
        };
        Facts {
            hash: self.hash(),
            generation: self.word(8),
            stored: self.word(16),
            expires: self.expires(),
            key_bits,
            tag,
            no_data: marks & NO_DATA != 0,
            ring: (marks & RING != 0).then_some(ring),
        }
    }

    /// TTL offsets, question and answer.
    #[inline]
    fn parts(&self) -> (&[[u8; 2]], &[u8], &[u8]) {
        let rest = self.0.get(FACTS_BYTES..).unwrap_or_default();
        let offsets = 2 * usize::from(self.octet(42));
        let (offsets, rest) = rest.split_at_checked(offsets).unwrap_or_default();
        let question = usize::from(self.word(32) as u16);
        let (question, answer) = rest.split_at_checked(question).unwrap_or_default();
        (offsets.as_chunks().0, question, answer)
    }

    #[inline]
    fn is(&self, hash: u64, (key_bits, tag, question): Key<'_>) -> bool {
        self.hash() == hash
            && self.key_bits_and_tag() == (key_bits, tag)
            && self.parts().1 == question
    }

    fn cost(&self) -> usize {
        size_of::<Entry>() + self.0.len()
    }
}

/// What an answer is found by: bits of the query, the kind of client, the question in lower case.
pub(super) type Key<'a> = (u32, u32, &'a [u8]);

/// An answer that was found.
pub(super) struct Found<'a> {
    entry: &'a Entry,
    tallies: &'a [Tally],
}

impl<'a> Found<'a> {
    #[inline]
    pub(super) fn facts(&self) -> Facts {
        self.entry.facts()
    }

    #[inline]
    pub(super) fn answer(&self) -> &'a [u8] {
        self.entry.parts().2
    }

    /// Where the TTLs are in the answer.
    #[inline]
    pub(super) fn ttl_offsets(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.entry.parts().0.iter().map(|offset| u16::from_le_bytes(*offset))
    }

    /// To be counted when it is given.
    #[inline]
    pub(super) fn tallies(&self) -> &'a [Tally] {
        self.tallies
    }
}

/// Eight places: a word of each hash to compare first, the low bits of the second in which each
/// expires, and whether it was used lately.
#[repr(align(64))]
struct Bucket {
    marks: [u32; WAYS],
    expires: [u16; WAYS],
    used: u8,
    hand: u8,
    entries: [Option<Entry>; WAYS],
}

impl Bucket {
    const fn new() -> Bucket {
        let entries = [const { None }; WAYS];
        Bucket { marks: [0; WAYS], expires: [0; WAYS], used: 0, hand: 0, entries }
    }

    /// A place that is free or expired. What expired hours ago may look as if it had not, and waits for
    /// its turn.
    fn vacancy(&self, now: u64) -> Option<usize> {
        (0..WAYS).find(|&place| {
            let left = self.expires[place].wrapping_sub(now as u16);
            self.entries[place].is_none() || left == 0 || left > u16::MAX / 2
        })
    }

    /// The place for a new entry: free, expired, or the first that CLOCK passes a second time.
    fn victim(&mut self, now: u64) -> usize {
        if let Some(place) = self.vacancy(now) {
            return place;
        }
        for _ in 0..2 * WAYS {
            let place = self.hand as usize;
            self.hand = (self.hand + 1) % WAYS as u8;
            if self.used & 1 << place == 0 {
                return place;
            }
            self.used &= !(1 << place);
        }
        self.hand as usize
    }
}

/// The buckets, made when the first answer enters: a worker that answers nothing takes no room.
pub(super) struct Table {
    buckets: Vec<Bucket>,
    bucket_count: usize,
    bytes_max: usize,
    bytes: usize,
    len: usize,
    /// Where eviction for want of bytes goes on.
    sweep: usize,
    /// By some bits of their hashes, a word of the answers that were turned away; made when the first
    /// one is.
    turned_away: Vec<u16>,
    /// Of the few entries that have any, by bucket and place.
    tallies: BTreeMap<(usize, usize), Vec<Tally>>,
}

impl Table {
    pub(super) fn new(limits: AnswerCacheLimits) -> Table {
        Table {
            buckets: Vec::new(),
            bucket_count: limits.entries_max.div_ceil(WAYS).next_power_of_two(),
            bytes_max: limits.bytes_max,
            bytes: 0,
            len: 0,
            sweep: 0,
            turned_away: Vec::new(),
            tallies: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        (self.buckets, self.bytes, self.len) = (Vec::new(), 0, 0);
        self.turned_away = Vec::new();
        self.tallies.clear();
    }

    #[inline]
    pub(super) fn find(&mut self, hash: u64, key: Key<'_>) -> Option<Found<'_>> {
        let index = hash as usize & (self.bucket_count - 1);
        let bucket = self.buckets.get_mut(index)?;
        let mark = mark(hash);
        let place = (0..WAYS).find(|&place| {
            bucket.marks[place] == mark
                && bucket.entries[place].as_ref().is_some_and(|entry| entry.is(hash, key))
        })?;
        bucket.used |= 1 << place;
        let entry = bucket.entries[place].as_ref()?;
        let tallies = if entry.has_tallies() { self.tallies.get(&(index, place)) } else { None };
        Some(Found { entry, tallies: tallies.map_or(&[], Vec::as_slice) })
    }

    /// May an answer come in at `now`, in seconds? Yes if nothing that is good has to make room for it,
    /// or if it was turned away not long ago.
    pub(super) fn admits(&mut self, hash: u64, now: u64) -> bool {
        let index = hash as usize & (self.bucket_count - 1);
        let Some(bucket) = self.buckets.get(index) else { return true };
        let is_there = bucket.marks.contains(&mark(hash));
        let has_bytes = self.bytes < self.bytes_max - self.bytes_max / SCARCE;
        if is_there || (has_bytes && bucket.vacancy(now).is_some()) {
            return true;
        }
        // As many as there are answers: in a stream of names that are asked once nobody finds the own
        // word again.
        self.turned_away.resize(self.bucket_count * WAYS, 0);
        let at = (hash >> 16) as usize % self.turned_away.len();
        // Zero is the word of nobody.
        let word = (hash >> 48) as u16 | 1;
        self.turned_away.get_mut(at).is_none_or(|place| std::mem::replace(place, word) == word)
    }

    pub(super) fn insert(
        &mut self,
        facts: &Facts,
        question: &[u8],
        offsets: &[u16],
        answer: &[u8],
        tallies: Vec<Tally>,
    ) {
        let entry = Entry::new(facts, question, offsets, answer, !tallies.is_empty());
        let cost = entry.cost();
        if cost > self.bytes_max {
            return;
        }
        if self.buckets.is_empty() {
            self.buckets.resize_with(self.bucket_count, Bucket::new);
        }
        let index = facts.hash as usize & (self.bucket_count - 1);
        let bucket = &mut self.buckets[index];
        let key = (facts.key_bits, facts.tag, question);
        let (hash, mark) = (facts.hash, mark(facts.hash));
        let place = (0..WAYS).find(|&place| {
            bucket.marks[place] == mark
                && bucket.entries[place].as_ref().is_some_and(|entry| entry.is(hash, key))
        });
        let place = place.unwrap_or_else(|| bucket.victim(facts.stored));
        bucket.marks[place] = mark;
        bucket.expires[place] = facts.expires as u16;
        bucket.used &= !(1 << place);
        let old = bucket.entries[place].replace(entry);
        self.bytes += cost;
        self.len += 1;
        if let Some(old) = old {
            self.forget(&old, (index, place));
        }
        if !tallies.is_empty() {
            self.tallies.insert((index, place), tallies);
        }
        self.make_room(index);
    }

    /// Takes an entry that has left its place out of the account.
    fn forget(&mut self, old: &Entry, place: (usize, usize)) {
        self.bytes -= old.cost();
        self.len -= 1;
        if old.has_tallies() {
            self.tallies.remove(&place);
        }
    }

    /// Frees whole buckets in turn until the bytes fit, sparing the one just written.
    fn make_room(&mut self, spared: usize) {
        for _ in 0..self.buckets.len() {
            if self.bytes <= self.bytes_max {
                return;
            }
            self.sweep = (self.sweep + 1) % self.buckets.len();
            if self.sweep == spared {
                continue;
            }
            let swept = std::mem::replace(&mut self.buckets[self.sweep], Bucket::new());
            for (place, old) in swept.entries.into_iter().enumerate() {
                if let Some(old) = old {
                    self.forget(&old, (self.sweep, place));
                }
            }
        }
    }
}

/// The part of a hash that the bucket's index does not use.
fn mark(hash: u64) -> u32 {
    (hash >> 32) as u32
}
