//! The table behind the answer cache: buckets of eight, CLOCK inside a bucket, a bound on bytes.

use super::{AnswerCacheLimits, Ring, Tally};

/// Entries that share a bucket. Their tags lie in one cache line.
const WAYS: usize = 8;

/// What is known of an entry besides its bytes.
pub(super) struct Facts {
    pub(super) generation: u64,
    /// Seconds since 1970.
    pub(super) stored: u64,
    pub(super) expires: u64,
    pub(super) key_bits: u32,
    pub(super) tag: u32,
    pub(super) no_data: bool,
    pub(super) ring: Option<Ring>,
    #[allow(clippy::box_collection, reason = "one word in an entry, for the few that have any")]
    pub(super) tallies: Option<Box<Vec<Tally>>>,
}

/// One finished answer: question, answer and TTL offsets in one allocation.
pub(super) struct Entry {
    hash: u64,
    pub(super) generation: u64,
    pub(super) stored: u64,
    pub(super) expires: u64,
    pub(super) key_bits: u32,
    pub(super) tag: u32,
    pub(super) no_data: bool,
    pub(super) ring: Option<Ring>,
    #[allow(clippy::box_collection, reason = "one word in an entry, for the few that have any")]
    pub(super) tallies: Option<Box<Vec<Tally>>>,
    offsets: Box<[u16]>,
    /// The question in lower case, then the answer.
    bytes: Box<[u8]>,
    question_length: u16,
}

impl Entry {
    pub(super) fn new(
        hash: u64,
        question: &[u8],
        answer: &[u8],
        offsets: &[u16],
        facts: Facts,
    ) -> Entry {
        Entry {
            hash,
            generation: facts.generation,
            stored: facts.stored,
            expires: facts.expires,
            key_bits: facts.key_bits,
            tag: facts.tag,
            no_data: facts.no_data,
            ring: facts.ring,
            tallies: facts.tallies,
            offsets: offsets.into(),
            bytes: [question, answer].concat().into(),
            question_length: question.len() as u16,
        }
    }

    pub(super) fn question(&self) -> &[u8] {
        &self.bytes[..self.question_length as usize]
    }

    pub(super) fn answer(&self) -> &[u8] {
        &self.bytes[self.question_length as usize..]
    }

    pub(super) fn ttl_offsets(&self) -> &[u16] {
        &self.offsets
    }

    fn cost(&self) -> usize {
        size_of::<Entry>() + self.bytes.len() + self.offsets.len() * 2
    }
}

/// Eight places: a word of each hash to compare first, and whether it was used lately.
struct Bucket {
    marks: [u32; WAYS],
    used: u8,
    hand: u8,
    entries: [Option<Box<Entry>>; WAYS],
}

impl Bucket {
    const fn new() -> Bucket {
        Bucket { marks: [0; WAYS], used: 0, hand: 0, entries: [const { None }; WAYS] }
    }

    /// The place for a new entry: free, expired, or the first that CLOCK passes a second time.
    fn victim(&mut self, now: u64) -> usize {
        let spent = |entry: &Option<Box<Entry>>| entry.as_ref().is_none_or(|e| e.expires <= now);
        if let Some(place) = self.entries.iter().position(spent) {
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
    }

    #[inline]
    pub(super) fn find(&mut self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        let index = hash as usize & (self.bucket_count - 1);
        let bucket = self.buckets.get_mut(index)?;
        let mark = mark(hash);
        for place in 0..WAYS {
            if bucket.marks[place] == mark
                && bucket.entries[place].as_ref().is_some_and(|e| e.hash == hash && is_it(e))
            {
                bucket.used |= 1 << place;
                return bucket.entries[place].as_deref();
            }
        }
        None
    }

    pub(super) fn insert(&mut self, now: u64, entry: Entry) {
        let cost = entry.cost();
        if cost > self.bytes_max {
            return;
        }
        if self.buckets.is_empty() {
            self.buckets.resize_with(self.bucket_count, Bucket::new);
        }
        let index = entry.hash as usize & (self.bucket_count - 1);
        let bucket = &mut self.buckets[index];
        let same = bucket.entries.iter().position(|old| {
            old.as_ref().is_some_and(|old| {
                old.hash == entry.hash
                    && old.key_bits == entry.key_bits
                    && old.tag == entry.tag
                    && old.question() == entry.question()
            })
        });
        let place = same.unwrap_or_else(|| bucket.victim(now));
        bucket.marks[place] = mark(entry.hash);
        bucket.used &= !(1 << place);
        if let Some(old) = bucket.entries[place].replace(Box::new(entry)) {
            self.bytes -= old.cost();
            self.len -= 1;
        }
        self.bytes += cost;
        self.len += 1;
        self.make_room(index);
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
            for old in swept.entries.into_iter().flatten() {
                self.bytes -= old.cost();
                self.len -= 1;
            }
        }
    }
}

/// The part of a hash that the bucket's index does not use.
fn mark(hash: u64) -> u32 {
    (hash >> 32) as u32
}
