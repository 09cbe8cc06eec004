//! Making room in small steps, for when no collector does.
//!
//! A hand goes around the keys, as in the CLOCK algorithm: at each entry it halves the uses that
//! were counted, and takes away those that have none left or are over. It moves only as fast as new
//! entries come, and faster the less room there is, so a turn of the loop stays short.

use std::ops::ControlFlow;

use super::Cache;
use super::worth::{State, Worth};
use crate::kv::Usage;
use crate::limits::{
    TRIM_CHECK_WRITES, TRIM_FREE_BYTES, TRIM_FREE_PART, TRIM_FROM_PERCENT, TRIM_LOOKS_MAX,
    TRIM_REMOVALS_MAX,
};

/// Where the hand is, and what was written since it moved.
#[derive(Default)]
pub(super) struct Hand {
    /// The key that was looked at last; empty at the beginning of a round.
    key: Vec<u8>,
    writes: u32,
    /// Seconds since 1970 of the last write.
    now: u64,
    pressed: bool,
    removed: u64,
}

impl Hand {
    /// An entry was written.
    pub(super) fn note_write(&mut self, now: u64) {
        self.writes = self.writes.saturating_add(1);
        self.now = now;
    }
}

/// Entries to remove for each one written, when so much of the store is in use.
fn removals_per_write(usage: Usage) -> usize {
    let percent = usage.percent();
    let free = usage.bytes_max.saturating_sub(usage.bytes);
    // A turn replaces dozens of pages, and gets them back after two more.
    let is_small = free < TRIM_FREE_BYTES.min(usage.bytes_max / TRIM_FREE_PART);
    match percent {
        _ if percent >= 96.0 => 8,
        _ if percent >= 92.0 => 2,
        _ if percent >= TRIM_FROM_PERCENT || is_small => 1,
        _ => 0,
    }
}

impl Cache {
    /// Entries that were removed to make room, so far.
    pub fn trimmed(&self) -> u64 {
        self.hand.removed
    }

    /// Removes entries in the measure in which this turn has written some, if the store is nearly
    /// full. They leave with the turn's own transaction.
    pub(super) fn trim(&mut self) {
        let due = if self.hand.pressed { 1 } else { TRIM_CHECK_WRITES };
        if self.hand.writes < due {
            return;
        }
        let rate = removals_per_write(self.kv.fill());
        let writes = std::mem::take(&mut self.hand.writes);
        self.hand.pressed = rate > 0;
        let wanted = rate.saturating_mul(writes as usize).min(TRIM_REMOVALS_MAX);
        if wanted > 0 {
            self.move_hand(wanted);
        }
    }

    /// Moves the hand until it has found so many entries to remove, or has looked at enough.
    fn move_hand(&mut self, wanted: usize) {
        let (kv, hand) = (&*self.kv, &mut self.hand);
        let now = hand.now;
        let mut found: Vec<Vec<u8>> = Vec::new();
        let after = std::mem::take(&mut hand.key);
        let mut looks = 0;
        kv.scan_prefix(b"", Some(after.as_slice()), TRIM_LOOKS_MAX, &mut |key, value| {
            looks += 1;
            hand.key.clear();
            hand.key.extend_from_slice(key);
            let uses = kv.uses(key);
            let worth = Worth::of(key, value, uses, now);
            // One use is that of its writing: it stays for one round of the hand.
            if uses == 0 || worth.state == State::Unreadable || worth.state == State::Expired {
                found.push(key.to_vec());
            }
            kv.age(key);
            if found.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if looks < TRIM_LOOKS_MAX && found.len() < wanted {
            // The end of the keys: the next step begins a new round.
            hand.key.clear();
        }
        for key in &found {
            if self.kv.remove(key).is_ok() {
                self.hand.removed += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dns::{Class, Name, Rdatas, Rrset, Rtype};

    use super::super::{Rank, TtlBounds};
    use super::*;
    use crate::kv::{BACKENDS, OpenOptions};

    const NOW: u64 = 1_700_000_000;
    const MIB: u64 = 1 << 20;

    fn name(number: u32) -> Name {
        format!("host-{number}.example.net").parse().unwrap()
    }

    fn stash(cache: &mut Cache, number: u32, now: u64) {
        let mut set = Rrset::new(name(number), Rtype::A, Class::IN, 3600);
        set.rdatas.push(&number.to_be_bytes());
        cache.stash(now, &set, &Rdatas::new(), Rank::INSECURE.with_auth(), &[]).unwrap();
    }

    fn cache(backend: &crate::kv::Backend, directory: &std::path::Path) -> Cache {
        let options = OpenOptions { path: directory.into(), bytes: MIB, seed: [7; 16] };
        Cache::new((backend.open)(&options).unwrap(), TtlBounds { min: 0, max: 86_400 })
    }

    #[test]
    fn a_full_store_loses_entries_one_by_one_and_never_all() {
        for backend in BACKENDS {
            let directory = tempfile::tempdir().unwrap();
            let mut cache = cache(backend, directory.path());
            for number in 0..60_000 {
                stash(&mut cache, number, NOW);
                if number % 8 == 0 {
                    cache.end_turn().unwrap();
                }
            }
            let counters = cache.kv().counters();
            assert_eq!(counters.dropped_all.get(), 0, "{}", backend.scheme);
            assert!(cache.trimmed() > 10_000, "{}: {}", backend.scheme, cache.trimmed());
            let usage = cache.kv().usage();
            assert!(usage.percent() > 60.0 && usage.percent() <= 100.0, "{usage:?}");
            assert!(cache.peek(NOW, &name(59_999), Rtype::A).is_some(), "{}", backend.scheme);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_used_stays_while_others_come_and_go() {
        let directory = tempfile::tempdir().unwrap();
        let mut cache = cache(crate::kv::parse_uri("lmdb://").unwrap().0, directory.path());
        let mut lost = 0;
        for number in 0..40_000 {
            stash(&mut cache, number, NOW);
            if number % 8 == 0 {
                // Forty names that are asked for again and again.
                let busy = number / 8 % 40;
                if number > 320 && cache.peek(NOW, &name(busy), Rtype::A).is_none() {
                    lost += 1;
                    stash(&mut cache, busy, NOW);
                }
                cache.end_turn().unwrap();
            }
        }
        assert!(cache.trimmed() > 10_000);
        // Of five thousand looks; names that are not asked for are lost after some thousand writes.
        assert!(lost < 50, "{lost} times");
    }

    #[test]
    fn a_store_with_room_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut cache = cache(&BACKENDS[0], directory.path());
        for number in 0..2_000 {
            stash(&mut cache, number, NOW - 100_000);
            cache.end_turn().unwrap();
        }
        assert_eq!(cache.trimmed(), 0);
        assert_eq!(cache.kv().usage().entries, 2_000);
    }
}
