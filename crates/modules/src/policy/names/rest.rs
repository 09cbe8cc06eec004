//! What did not fit into its bucket: one arena of entries in the order of their hashes, and a table that
//! says for each range of hashes where its entries are.
//!
//! The table is cut into cache lines: one has a filter for some 64 names and the places of their ranges.
//! The arena is touched only where the filter lets a look-up pass.

use std::hint::black_box;

use super::{TooManyNames, entry};

/// Names of a line of the table, on average: some 5 bits of the filter for each.
const NAMES_PER_LINE: usize = 64;
/// Ranges of a line: with 6 or 7 names each lies in two or three cache lines of the arena.
const RANGES_PER_LINE: usize = 10;
/// What places and base leave of a cache line.
const FILTER_WORDS: usize = 10;
const FILTER_BITS: u64 = 32 * FILTER_WORDS as u64;
/// Bytes that come from memory together, on all common processors.
const CACHE_LINE: usize = 64;

/// Entries by their hashes.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest<const V: usize> {
    /// Entries one behind the other.
    arena: Box<[u8]>,
    /// By the upper bits of the hash. Empty if there are no names.
    lines: Box<[Line]>,
}

/// The names whose hashes lie in some neighbouring ranges: a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line {
    /// Where the entries of the first range begin.
    base: u32,
    /// Where those of each range end, and those of the next one begin, counted from there.
    ends: [u16; RANGES_PER_LINE],
    /// Three bits for each name, by the lower bits of its hash. With 64 names in it the filter lets one
    /// absent name in ten pass.
    filter: [u32; FILTER_WORDS],
}

impl Line {
    /// May a name with this hash be there?
    #[inline]
    fn may_have(&self, hash: u64) -> bool {
        let places = filter_places(hash);
        places.iter().fold(1, |all, (word, bit)| all & self.filter[*word] >> bit) & 1 != 0
    }
}

/// Word and bit of the filter for each of the three bits that stand for a name.
#[inline]
fn filter_places(hash: u64) -> [(usize, u32); 3] {
    [0, 12, 24].map(|shift| {
        let place = ((hash >> shift & 0xfff) * FILTER_BITS) >> 12;
        ((place / 32) as usize, place as u32 % 32)
    })
}

impl<const V: usize> Rest<V> {
    /// From entries in the order of their hashes, with these.
    pub(super) fn new<'e>(
        count: usize,
        entries: impl Iterator<Item = (u64, &'e [u8])>,
    ) -> Result<Rest<V>, TooManyNames> {
        let lines = vec![Line::default(); count.div_ceil(NAMES_PER_LINE)];
        let mut rest = Rest { arena: Box::default(), lines: lines.into() };
        let mut arena = Vec::new();
        // Hashes rise, and so do ranges.
        let mut entries = entries.peekable();
        for at in 0..rest.lines.len() {
            let base = u32::try_from(arena.len()).map_err(|_| TooManyNames)?;
            let mut line = Line { base, ..Line::default() };
            for range in 0..RANGES_PER_LINE {
                while let Some((hash, entry)) =
                    entries.next_if(|(hash, _)| rest.range(*hash) == (at, range))
                {
                    for (word, bit) in filter_places(hash) {
                        line.filter[word] |= 1 << bit;
                    }
                    arena.extend_from_slice(entry);
                }
                let end = u16::try_from(arena.len() - line.base as usize);
                line.ends[range] = end.map_err(|_| TooManyNames)?;
            }
            rest.lines[at] = line;
        }
        rest.arena = arena.into_boxed_slice();
        Ok(rest)
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.arena.len() + self.lines.len() * size_of::<Line>()
    }

    /// The range that a hash belongs to, its upper half scaled to their number: line, and range in it.
    fn range(&self, hash: u64) -> (usize, usize) {
        let count = self.lines.len() * RANGES_PER_LINE;
        let range = ((u128::from(hash) * count as u128) >> 64) as usize;
        (range / RANGES_PER_LINE, range % RANGES_PER_LINE)
    }

    /// The value of a name. Seldom called.
    #[cold]
    pub(super) fn find(&self, wire: &[u8], hash: u64) -> Option<[u8; V]> {
        let (line, range) = self.range(hash);
        let line = self.lines.get(line)?;
        if !line.may_have(hash) {
            return None;
        }
        let base = line.base as usize;
        let start = range.checked_sub(1).map_or(0, |before| usize::from(line.ends[before]));
        let end = usize::from(line.ends[range]);
        let mut entries = self.arena.get(base + start..base + end)?;
        // All of its cache lines are asked for at once, not each when the search comes to it.
        black_box(entries.iter().step_by(CACHE_LINE).fold(0, |all, octet| all | octet));
        while let Some((value, name, others)) = entry::<V>(entries) {
            if name == wire {
                return Some(value);
            }
            entries = others;
        }
        None
    }
}
