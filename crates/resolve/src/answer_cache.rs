//! Finished answers as wire bytes, in front of layers and store: the whole path of a hit.
//!
//! A query is looked at byte by byte, once: header, question, at most one OPT. If its key is known
//! the stored response is copied, and only what differs is patched: id, the question's letter
//! case, RD, TTLs, the turn of rotated records. Whatever is out of the ordinary (other opcodes,
//! RD=0, options that want an answer of their own, a response too large for the client) is not
//! answered here; the same bytes then go through the layers.
//!
//! An answer enters when it was just composed from the store, so names that are asked once never
//! take room here; when there is no room left, when that has happened twice. Entries are dropped by
//! CLOCK inside their bucket, by expiry, and all at once when the generation changes.

mod scan;
mod survey;
mod table;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::hash::Hasher;
use std::rc::Rc;

use dns::Rcode;
use dns::header::HEADER_BYTES;
use siphasher::sip::SipHasher13;

use crate::client::Client;
use crate::time::Now;
pub use scan::is_plain_query;
use scan::{Folded, Scan};
use survey::Survey;
use table::{Facts, Table};

/// Bounds of an answer cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnswerCacheLimits {
    /// Most answers held. Rounded up to a power of two.
    pub entries_max: usize,
    /// Most bytes of answers held, keys and offsets included.
    pub bytes_max: usize,
}

impl Default for AnswerCacheLimits {
    /// Thirty thousand names are the hot set of a large resolver; the memory of a worker should
    /// stay far below what the shared store takes.
    fn default() -> AnswerCacheLimits {
        AnswerCacheLimits { entries_max: 32_768, bytes_max: 12 << 20 }
    }
}

/// Longest answer that is kept; larger ones are rare and not worth a hundred small ones.
const ANSWER_BYTES_MAX: usize = 4096;
/// Longest time an answer is served from here, in seconds, so that what other processes learnt
/// or removed shows even if a change of generation was missed.
pub const LIFE_SECONDS_MAX: u64 = 60;

/// What a hit was, for statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnswerHit {
    pub rcode: Rcode,
    /// Flags of the response as on the wire (RD as the client's).
    pub flags: u16,
    /// The answer section is empty though the code is NOERROR.
    pub no_data: bool,
    pub edns: bool,
    pub dnssec_ok: bool,
}

/// A count that goes on although nobody is asked: how often a rule applied.
#[derive(Clone, Debug, Default)]
pub struct Tally(Rc<Cell<u64>>);

impl Tally {
    /// One more.
    #[inline]
    pub fn count(&self) {
        self.0.set(self.0.get().wrapping_add(1));
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// How an answer is kept.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Separates clients to whom different rules apply.
    pub tag: u32,
    /// Seconds; bounded by the least TTL. Zero: it must not be kept.
    pub life: u32,
    /// Counted whenever the answer is given.
    pub tallies: Vec<Tally>,
}

/// Finished answers of one worker.
pub struct AnswerCache {
    table: Table,
    hash_keys: (u64, u64),
    /// Bumped when rules or the store changed in a way that old answers must not survive.
    generation: u64,
    /// Turns the records of rotated sets; any sequence will do, it hides nothing.
    turn: u32,
    rotate: bool,
    question: Folded,
}

impl AnswerCache {
    /// An empty cache; `hash_keys` must be unknown to clients.
    pub fn new(hash_keys: (u64, u64), limits: AnswerCacheLimits) -> AnswerCache {
        AnswerCache {
            table: Table::new(limits),
            hash_keys,
            generation: 0,
            turn: 0,
            rotate: false,
            question: Folded::new(),
        }
    }

    /// Rotate address records from answer to answer?
    pub fn set_rotation(&mut self, rotate: bool) {
        self.rotate = rotate;
    }

    /// Makes all answers that were stored under another generation unusable.
    pub fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.table.clear();
    }

    /// Number of answers held.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Is nothing held?
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Bytes of answers held.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Answers `wire` into `out` (which is cleared) if the answer is at hand. `tag` separates
    /// clients to whom different rules apply; `udp_size_max` is our own bound on datagrams.
    pub fn answer(
        &mut self,
        now: Now,
        client: &Client,
        tag: u32,
        udp_size_max: u16,
        wire: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<AnswerHit> {
        let scan = Scan::new(wire, client.protocol, &mut self.question)?;
        let hash = hash(self.hash_keys, &scan, tag);
        let seconds = now.unix.seconds();
        let key = (scan.key_bits, tag, scan.folded_question());
        let entry = self.table.find(hash, key)?;
        let facts = entry.facts();
        // A clock set back makes entries look as if they came from the future: not usable.
        let age = seconds.checked_sub(facts.stored)?;
        if facts.generation != self.generation || seconds >= facts.expires {
            return None;
        }
        let limit = if client.protocol.is_datagram() {
            usize::from(scan.udp_size.min(udp_size_max))
        } else {
            dns::limits::MESSAGE_BYTES_MAX
        };
        let answer = entry.answer();
        if answer.len() > limit {
            return None;
        }
        entry.tallies().iter().for_each(Tally::count);
        out.clear();
        out.extend_from_slice(answer);
        out[..2].copy_from_slice(&wire[..2]);
        out[2] = out[2] & !1 | wire[2] & 1;
        let question = HEADER_BYTES..HEADER_BYTES + scan.name_length;
        out[question.clone()].copy_from_slice(&wire[question]);
        if age > 0 {
            // Ages are bounded by the entry's life, which is no longer than its least TTL.
            let age = age as u32;
            for offset in entry.ttl_offsets() {
                let at = usize::from(offset);
                if let Some(field) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) {
                    *field = u32::from_be_bytes(*field).saturating_sub(age).to_be_bytes();
                }
            }
        }
        if self.rotate
            && let Some(ring) = facts.ring
        {
            self.turn = self.turn.wrapping_add(1);
            ring.rotate(out, self.turn as usize);
        }
        Some(AnswerHit {
            rcode: Rcode(u16::from(out[3] & 0xf)),
            flags: u16::from_be_bytes([out[2], out[3]]),
            no_data: facts.no_data,
            edns: scan.edns,
            dnssec_ok: scan.dnssec_ok(),
        })
    }

    /// Keeps `response` as the answer to `query`, if there is room or it was wanted before. Both are what went over the wire; a query that
    /// [`AnswerCache::answer`] would not look at, a truncated response and one that must not be
    /// kept change nothing.
    pub fn insert(&mut self, now: Now, client: &Client, kept: Kept, query: &[u8], response: &[u8]) {
        let Kept { tag, life, tallies } = kept;
        let Some(scan) = Scan::new(query, client.protocol, &mut self.question) else { return };
        let hash = hash(self.hash_keys, &scan, tag);
        let stored = now.unix.seconds();
        if !self.table.admits(hash, stored) {
            return;
        }
        if response.len() > ANSWER_BYTES_MAX {
            return;
        }
        let Some(survey) = Survey::of(response) else { return };
        let least = life.min(survey.ttl);
        if least == 0 {
            return;
        }
        let facts = Facts {
            hash,
            generation: self.generation,
            stored,
            expires: stored + u64::from(least).min(LIFE_SECONDS_MAX),
            key_bits: scan.key_bits,
            tag,
            no_data: survey.no_data,
            ring: survey.ring,
        };
        self.table.insert(&facts, scan.folded_question(), &survey.offsets, response, tallies);
    }
}

fn hash(keys: (u64, u64), scan: &Scan<'_>, tag: u32) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(keys.0, keys.1);
    hasher.write(scan.folded_question());
    hasher.write_u64(u64::from(scan.key_bits) << 32 | u64::from(tag));
    hasher.finish()
}
