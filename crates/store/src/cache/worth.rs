//! What an entry is worth keeping, told from its key, its value and how much it is used.
//!
//! The categories are those of Knot Resolver's collector: few for what leads to many names, more for
//! leaves, for large entries and for expired ones; what has the highest goes first. On top of that
//! each doubling of an entry's uses takes an eighth of its category away, so that of two alike the
//! busy one stays, and a busy leaf outlives an idle zone.

use dns::Rtype;

use super::apex_parts;
use super::entry::Head;
use super::key::{self, Slot};
use super::server::{ServerEntry, is_server_key};

/// Number of categories; they are 0 (keep) to 99 (remove first).
pub const CATEGORIES: usize = 100;

/// The category of what cannot be read.
const UNREADABLE: u32 = 99;
const AT_ROOT: u32 = 5;
const AT_TOP_LEVEL: u32 = 10;
const INFRASTRUCTURE: u32 = 15;
const LEAF: u32 = 20;
/// Added for entries above [`LARGE_BYTES`].
const LARGE: u32 = 30;
/// Added when the TTL is over.
const EXPIRED: u32 = 40;
/// What spreads entries that are alike over neighbouring categories, so that a boundary between two
/// falls anywhere.
const SPREAD: u32 = 5;

/// Bytes of key and value from which on an entry is a large one.
const LARGE_BYTES: usize = 300;

/// Doublings of a counter of eight bits.
const DOUBLINGS: u32 = 8;

/// In what state an entry was when it was judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Damaged, or of no known kind.
    Unreadable,
    Expired,
    /// Alive; written once and not read since it can be told.
    Unused,
    /// Alive and used.
    Used,
}

/// How far below the root the owner of an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    Root,
    TopLevel,
    Below,
    /// Not of a name: what is known of a server.
    Server,
}

/// The judgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Worth {
    /// Below [`CATEGORIES`].
    pub category: u8,
    pub state: State,
    pub depth: Depth,
    /// The type, as far as the key tells it.
    pub rtype: Option<Rtype>,
}

impl Worth {
    /// Judges an entry at `now` (seconds since 1970) that was used `uses` times.
    pub fn of(key: &[u8], value: &[u8], uses: u8, now: u64) -> Worth {
        let (depth, rtype, base, left) = match key::read(key) {
            Some((owner, slot)) => {
                let (rtype, left) = match slot {
                    Slot::Exact(rtype) => (rtype, left(value, now)),
                    Slot::Apex => (Rtype::NS, left_at_apex(value, now)),
                    Slot::Nsec => (Rtype::NSEC, left(value, now)),
                    Slot::Nsec3 => (Rtype::NSEC3, left(value, now)),
                };
                let (depth, base) = match owner.label_count() {
                    0 => (Depth::Root, AT_ROOT),
                    1 => (Depth::TopLevel, AT_TOP_LEVEL),
                    _ if is_infrastructure(rtype) => (Depth::Below, INFRASTRUCTURE),
                    _ => (Depth::Below, LEAF),
                };
                (depth, Some(rtype), base, left)
            }
            None if is_server_key(key) => {
                let entry = ServerEntry::decode(value);
                let left = entry.map(|entry| i64::from(entry.is_alive(now.saturating_mul(1000))));
                (Depth::Server, None, INFRASTRUCTURE, left)
            }
            None => (Depth::Below, None, LEAF, None),
        };
        let Some(left) = left else {
            let (category, state) = (UNREADABLE as u8, State::Unreadable);
            return Worth { category, state, depth, rtype };
        };
        let bytes = key.len() + value.len();
        let large = if bytes > LARGE_BYTES && base >= INFRASTRUCTURE { LARGE } else { 0 };
        let expired = if left <= 0 { EXPIRED } else { 0 };
        let doublings = (u32::from(uses) + 1).ilog2().min(DOUBLINGS);
        let kept = (base + large + expired) * (DOUBLINGS - doublings) / DOUBLINGS;
        let spread = key.iter().map(|byte| u32::from(*byte)).sum::<u32>() % SPREAD;
        let state = match uses {
            _ if left <= 0 => State::Expired,
            0 | 1 => State::Unused,
            _ => State::Used,
        };
        let category = (kept + spread).min(CATEGORIES as u32 - 1) as u8;
        Worth { category, state, depth, rtype }
    }
}

/// Types that are needed to find and to believe other names.
fn is_infrastructure(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::NS | Rtype::DS | Rtype::DNSKEY | Rtype::A | Rtype::AAAA)
}

/// Seconds left of a single entry.
fn left(value: &[u8], now: u64) -> Option<i64> {
    Head::read(value).map(|head| head.left(now))
}

/// Seconds left of the part that lives longest.
fn left_at_apex(value: &[u8], now: u64) -> Option<i64> {
    apex_parts(value).filter_map(|(_, part)| left(part, now)).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dns::Name;

    const NOW: u64 = 1_700_000_000;

    fn judged(owner: &str, slot: Slot, bytes: usize, left: i64, uses: u8) -> Worth {
        let mut key = Vec::new();
        let owner: Name = owner.parse().unwrap();
        assert!(key::write(&owner, slot, &mut key));
        let stored = (NOW as i64 + left - 100) as u32;
        let mut value = vec![0];
        value.extend_from_slice(&stored.to_be_bytes());
        super::super::entry::put_varint(&mut value, 100 << 1);
        value.resize(bytes.saturating_sub(key.len()).max(value.len()), 0);
        if slot == Slot::Apex {
            let mut apex = Vec::new();
            super::super::put_apex_part(&mut apex, Rtype::NS, &value);
            value = apex;
        }
        Worth::of(&key, &value, uses, NOW)
    }

    /// The category without its spread.
    #[track_caller]
    fn check(worth: Worth, expected: u32) {
        let category = u32::from(worth.category);
        assert!((expected..expected + SPREAD).contains(&category), "{worth:?}, not {expected}");
    }

    #[test]
    fn categories_of_entries_nobody_uses() {
        let a = Slot::Exact(Rtype::A);
        let txt = Slot::Exact(Rtype::TXT);
        check(judged(".", Slot::Apex, 100, 60, 0), 5);
        check(judged("org", Slot::Apex, 900, 60, 0), 10);
        check(judged("example.org", Slot::Apex, 100, 60, 0), 15);
        check(judged("example.org", a, 100, 60, 0), 15);
        check(judged("example.org", txt, 100, 60, 0), 20);
        check(judged("example.org", txt, 400, 60, 0), 50);
        check(judged("example.org", a, 400, 60, 0), 45);
        check(judged("example.org", txt, 100, 0, 0), 60);
        check(judged("example.org", txt, 400, -1, 0), 90);
        check(judged(".", Slot::Apex, 100, -60, 0), 45);
    }

    #[test]
    fn use_is_worth_more_than_size_and_age() {
        let txt = Slot::Exact(Rtype::TXT);
        check(judged("example.org", txt, 400, 60, 15), 25);
        check(judged("example.org", txt, 400, -1, 15), 45);
        check(judged("example.org", txt, 400, -1, 255), 0);
        let idle = judged("org", Slot::Apex, 100, 60, 0);
        let busy = judged("www.example.org", Slot::Exact(Rtype::A), 100, 60, 100);
        assert!(busy.category < idle.category + SPREAD as u8);
        assert_eq!((idle.state, busy.state), (State::Unused, State::Used));
    }

    #[test]
    fn what_cannot_be_read_goes_first() {
        let mut key = Vec::new();
        key::write(&Name::root(), Slot::Exact(Rtype::A), &mut key);
        assert_eq!(Worth::of(&key, b"", 255, NOW).category, 99);
        let unknown = Worth::of(b"\x01whatever", &[0; 40], 255, NOW);
        assert_eq!((unknown.category, unknown.state), (99, State::Unreadable));
    }

    #[test]
    fn servers_are_infrastructure_until_they_are_forgotten() {
        let key = [0, b'A', 192, 0, 2, 1, 0, 53];
        let entry = ServerEntry { at: NOW * 1000, ..ServerEntry::default() };
        check(Worth::of(&key, &entry.encode(), 0, NOW), 15);
        check(Worth::of(&key, &entry.encode(), 0, NOW + 7200), 55);
    }
}
