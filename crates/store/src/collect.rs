//! Removing what is worth least from a store that others use at the same time: what the program
//! `kres-cache-gc` does.
//!
//! ```text
//!   Analysis::of     how many bytes there are in each category
//!   Analysis::limit  which categories go, so that enough becomes free
//!   Choice::of       the keys in them, as many as memory allows
//!   remove           some of the keys, in one transaction
//! ```
//!
//! Each reads or writes for a moment at a time and lets go of the store in between: no snapshot
//! lasts longer than the entries that the caller allows for one. Time is the caller's.

use std::ops::ControlFlow;

use dns::Rtype;

use crate::cache::worth::{CATEGORIES, Depth, State, Worth};
use crate::kv::{Kv, ScanEnd, StoreError};

/// Bytes that LMDB takes for an entry beside key and value: node, place in the page, tag.
const ENTRY_BYTES: usize = 8 + 2 + 4;

/// How the bytes of a store are spread over the categories.
#[derive(Clone, Debug)]
pub struct Analysis {
    pub sizes: [u64; CATEGORIES],
    pub records: u64,
}

impl Analysis {
    /// Looks at all entries at `now` (seconds since 1970), `per_snapshot` of them at a time (0: all
    /// at once). Nothing is counted as a use.
    pub fn of(kv: &mut dyn Kv, now: u64, per_snapshot: usize) -> Result<Analysis, StoreError> {
        let mut analysis = Analysis { sizes: [0; CATEGORIES], records: 0 };
        for_each(kv, now, per_snapshot, &mut |key, value_bytes, worth| {
            analysis.records += 1;
            let bytes = key.len() + value_bytes + ENTRY_BYTES;
            analysis.sizes[usize::from(worth.category) % CATEGORIES] += bytes as u64;
        })?;
        Ok(analysis)
    }

    /// The lowest category that has to go, so that at least `percent` of all bytes become free
    /// without that whole category being needed.
    pub fn limit(&self, percent: u64) -> u8 {
        let sum: u64 = self.sizes.iter().sum();
        let mut wanted = sum.saturating_mul(percent.min(100)) / 100;
        let mut limit = CATEGORIES;
        while limit > 0 {
            limit -= 1;
            match wanted.checked_sub(self.sizes[limit]) {
                Some(rest) => wanted = rest,
                None => break,
            }
        }
        limit as u8
    }

    /// Which share of the lowest category has to go, in parts of [`WHOLE`].
    fn share_at_limit(&self, percent: u64) -> u64 {
        let sum: u64 = self.sizes.iter().sum();
        let limit = usize::from(self.limit(percent));
        let above: u64 = self.sizes[limit + 1..].iter().sum();
        let wanted = (sum.saturating_mul(percent.min(100)) / 100).saturating_sub(above);
        (wanted.saturating_mul(WHOLE) / self.sizes[limit].max(1)).min(WHOLE)
    }
}

/// In how many parts a category is divided.
const WHOLE: u64 = 1 << 16;

/// Spreads keys evenly over the parts of a category, and otherwise at each time (FNV-1a).
fn part_of(key: &[u8], now: u64) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = now.to_le_bytes().iter().chain(key).fold(0xcbf2_9ce4_8422_2325, step);
    (hash >> 32) % WHOLE
}

/// From where entries were chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    pub unreadable: u64,
    pub expired: u64,
    pub unused: u64,
    pub used: u64,
    pub root: u64,
    pub top_level: u64,
    pub below: u64,
    pub servers: u64,
}

impl Origins {
    fn add(&mut self, worth: &Worth) {
        *match worth.state {
            State::Unreadable => &mut self.unreadable,
            State::Expired => &mut self.expired,
            State::Unused => &mut self.unused,
            State::Used => &mut self.used,
        } += 1;
        *match worth.depth {
            Depth::Root => &mut self.root,
            Depth::TopLevel => &mut self.top_level,
            Depth::Below => &mut self.below,
            Depth::Server => &mut self.servers,
        } += 1;
    }
}

/// The keys that are to be removed.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub keys: Vec<(Box<[u8]>, Option<Rtype>)>,
    /// Memory that the keys take.
    pub bytes: usize,
    /// Keys for which there was no memory.
    pub skipped: u64,
    pub origins: Origins,
}

impl Choice {
    /// Collects the keys with which `percent` of the bytes become free, in at most `bytes_max` of
    /// memory (0: as much as it takes). All uses counted so far are halved.
    pub fn of(
        kv: &mut dyn Kv,
        now: u64,
        per_snapshot: usize,
        analysis: &Analysis,
        percent: u64,
        bytes_max: usize,
    ) -> Result<Choice, StoreError> {
        let limit = analysis.limit(percent);
        let share = analysis.share_at_limit(percent);
        let mut choice = Choice::default();
        for_each(kv, now, per_snapshot, &mut |key, _, worth| {
            // Of the lowest category only a part goes.
            let at_limit = worth.category == limit && part_of(key, now) < share;
            if !at_limit && worth.category <= limit {
                return;
            }
            let memory = choice.bytes + key.len() + size_of::<(Box<[u8]>, Option<Rtype>)>();
            if bytes_max > 0 && memory > bytes_max {
                choice.skipped += 1;
            } else {
                choice.bytes = memory;
                choice.origins.add(&worth);
                choice.keys.push((key.into(), worth.rtype));
            }
        })?;
        // Not one by one on the way: entries that share a counter would be judged anew.
        kv.age_all();
        Ok(choice)
    }
}

/// What became of keys that were to be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub deleted: u64,
    pub already_gone: u64,
}

/// Removes these keys in one transaction, which waits for those of others.
pub fn remove<'a>(
    kv: &mut dyn Kv,
    keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Removed, StoreError> {
    let before = (kv.counters().remove.get(), kv.counters().remove_miss.get());
    for key in keys {
        kv.remove(key)?;
    }
    kv.flush()?;
    let removed = kv.counters().remove.get().wrapping_sub(before.0);
    let already_gone = kv.counters().remove_miss.get().wrapping_sub(before.1);
    Ok(Removed { deleted: removed.saturating_sub(already_gone), already_gone })
}

/// Visits all entries with their worth and the length of their value.
fn for_each(
    kv: &mut dyn Kv,
    now: u64,
    per_snapshot: usize,
    visit: &mut dyn FnMut(&[u8], usize, Worth),
) -> Result<(), StoreError> {
    let per_snapshot = if per_snapshot == 0 { usize::MAX } else { per_snapshot };
    let mut last: Option<Vec<u8>> = None;
    // Keys rise from one snapshot to the next, so this ends.
    loop {
        let after = last.take();
        let lent = &*kv;
        let end = lent.scan_prefix(b"", after.as_deref(), per_snapshot, &mut |key, value| {
            visit(key, value.len(), Worth::of(key, value, lent.uses(key), now));
            match &mut last {
                Some(last) => {
                    last.clear();
                    last.extend_from_slice(key);
                }
                None => last = Some(key.to_vec()),
            }
            ControlFlow::Continue(())
        });
        kv.end_turn()?;
        if end == ScanEnd::Exhausted || last.is_none() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use dns::{Class, Name, Rdatas, Rrset};

    use super::*;
    use crate::cache::{Cache, Rank, TtlBounds};
    use crate::kv::{OpenOptions, parse_uri};

    const NOW: u64 = 1_700_000_000;
    const PERCENT: u64 = 20;

    fn cache(directory: &std::path::Path) -> Cache {
        let options = OpenOptions { path: directory.into(), bytes: 4 << 20, seed: [7; 16] };
        let (backend, _) = parse_uri("lmdb://").unwrap();
        Cache::new((backend.open)(&options).unwrap(), TtlBounds { min: 0, max: 86_400 })
    }

    fn name(kind: &str, number: u32) -> Name {
        format!("{kind}-{number}.example.net").parse().unwrap()
    }

    fn fill(cache: &mut Cache, kind: &str, count: u32, now: u64) {
        for number in 0..count {
            let mut set = Rrset::new(name(kind, number), Rtype::TXT, Class::IN, 300);
            set.rdatas.push(&[9; 40]);
            let rank = Rank::INSECURE.with_auth();
            cache.stash(now, &set, &Rdatas::new(), rank, &[]).unwrap();
        }
        cache.end_turn().unwrap();
    }

    fn present(cache: &mut Cache, kind: &str, count: u32) -> usize {
        let found = |number: &u32| cache.peek(NOW, &name(kind, *number), Rtype::TXT).is_some();
        (0..count).filter(found).count()
    }

    #[test]
    fn the_expired_go_first_and_the_used_stay() {
        let directory = tempfile::tempdir().unwrap();
        let mut cache = cache(directory.path());
        fill(&mut cache, "old", 100, NOW - 1000);
        fill(&mut cache, "idle", 500, NOW);
        fill(&mut cache, "busy", 400, NOW);
        for _ in 0..5 {
            present(&mut cache, "busy", 400);
        }
        cache.end_turn().unwrap();
        let kv = cache.kv_mut();
        let analysis = Analysis::of(kv, NOW, 77).unwrap();
        assert_eq!(analysis.records, 1000);
        let choice = Choice::of(kv, NOW, 77, &analysis, PERCENT, 0).unwrap();
        assert!((150..250).contains(&choice.keys.len()), "{}", choice.keys.len());
        assert_eq!(choice.origins.expired, 100);
        // Some share their counter with a busy one.
        assert!(choice.origins.used < 10, "{:?}", choice.origins);
        assert_eq!(choice.skipped, 0);
        assert!(choice.keys.iter().all(|(_, rtype)| *rtype == Some(Rtype::TXT)));
        let keys: Vec<&[u8]> = choice.keys.iter().map(|(key, _)| &**key).collect();
        let mut sum = 0;
        for some in keys.chunks(30) {
            let removed = remove(kv, some.iter().copied()).unwrap();
            assert_eq!(removed.already_gone, 0);
            sum += removed.deleted;
        }
        assert_eq!(sum as usize, keys.len());
        let gone = remove(kv, keys[..3].iter().copied()).unwrap();
        assert_eq!(gone, Removed { deleted: 0, already_gone: 3 });
        assert_eq!(kv.usage().entries, 1000 - sum);
        assert_eq!(present(&mut cache, "busy", 400), 400);
        assert_eq!(present(&mut cache, "idle", 500), 600 - sum as usize);
    }

    #[test]
    fn as_much_goes_as_was_asked_for_where_entries_share_counters() {
        let directory = tempfile::tempdir().unwrap();
        let options = OpenOptions { path: directory.path().into(), bytes: 1 << 20, seed: [7; 16] };
        let (backend, _) = parse_uri("lmdb://").unwrap();
        let kv = (backend.open)(&options).unwrap();
        let mut cache = Cache::new(kv, TtlBounds { min: 0, max: 86_400 });
        fill(&mut cache, "idle", 4_500, NOW);
        let kv = cache.kv_mut();
        let analysis = Analysis::of(kv, NOW, 200).unwrap();
        let choice = Choice::of(kv, NOW, 200, &analysis, PERCENT, 0).unwrap();
        let share = 100 * choice.keys.len() as u64 / analysis.records;
        assert!((17..=23).contains(&share), "{share} %");
    }

    #[test]
    fn memory_is_bounded_and_says_how_much_was_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let mut cache = cache(directory.path());
        fill(&mut cache, "old", 1000, NOW - 1000);
        let kv = cache.kv_mut();
        let analysis = Analysis::of(kv, NOW, 0).unwrap();
        let choice = Choice::of(kv, NOW, 0, &analysis, 100, 2_000).unwrap();
        assert!(choice.bytes <= 2_000 && !choice.keys.is_empty());
        assert_eq!(choice.skipped, 1000 - choice.keys.len() as u64);
    }

    #[test]
    fn an_empty_store_has_nothing_to_remove() {
        let directory = tempfile::tempdir().unwrap();
        let mut cache = cache(directory.path());
        let analysis = Analysis::of(cache.kv_mut(), NOW, 10).unwrap();
        assert_eq!(analysis.records, 0);
        let choice = Choice::of(cache.kv_mut(), NOW, 10, &analysis, 10, 0).unwrap();
        assert!(choice.keys.is_empty());
    }
}
