//! Spoils the very numbers that LMDB trusts while it writes: those of the newest trees, for some
//! microseconds each, so that whoever looks before mostly finds them sound. Each is told by its seed.
//!
//! Offsets are those of `docs/formats/cache.md` and of LMDB's pages.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::spoil::{PAGE, Rng};

/// In a meta page: its number, and the roots of both trees.
const NUMBER_AT: u64 = 144;
const ROOTS_AT: [u64; 2] = [80, 128];
/// In both trees' parts of it: flags, depth, numbers of pages and entries, the root.
const TREES_AT: [u64; 2] = [40, 88];
const LAST_PAGE_AT: u64 = 136;

/// In a page: its kind, where its free space begins and ends, where its nodes are.
const KIND_AT: u64 = 10;
const LOWER_AT: u64 = 12;
const UPPER_AT: u64 = 14;
const NODES_AT: u64 = 16;
const BRANCH: u16 = 1;
const OVERFLOW: u16 = 4;
const IS_BIG: u16 = 1;

/// Most of the time what was there comes back, and is not waited with for long.
const LOOPS_MAX: u64 = 3_000;

/// One number: where it is, and how many bytes it has.
struct Place {
    at: u64,
    bytes: usize,
}

/// Spoils some number that a writer is about to trust, mostly for a moment.
pub(crate) fn strike(file: &File, rng: &mut Rng) {
    let Some(Place { at, bytes }) = choose(file, rng) else { return };
    let mut before = [0; 8];
    if file.read_exact_at(&mut before[..bytes], at).is_err() {
        return;
    }
    let number = u64::from_le_bytes(before);
    let struck = value(number, rng).to_le_bytes();
    let _cut_off = file.write_all_at(&struck[..bytes], at);
    if rng.below(50) == 0 {
        return;
    }
    for _ in 0..rng.below(LOOPS_MAX) {
        std::hint::spin_loop();
    }
    let mut now = [0; 8];
    if file.read_exact_at(&mut now[..bytes], at).is_ok() && now[..bytes] == struck[..bytes] {
        let _cut_off = file.write_all_at(&before[..bytes], at);
    }
}

/// Something else than this number: a little more or less, a bit, the high half, noise.
fn value(number: u64, rng: &mut Rng) -> u64 {
    match rng.below(8) {
        0 => number.wrapping_add(1 + rng.below(600)),
        1 => number.wrapping_sub(1 + rng.below(600)),
        2 => number ^ (1 << rng.below(64)),
        3 => number ^ (1 << rng.below(16)),
        4 => number ^ (rng.next() << 32),
        5 => number.wrapping_add(rng.next() & 0xFFFF),
        6 => [0, u64::MAX, u64::MAX - 8, 1 << 61, 1 << 31, 0xFFFF_FFF0][rng.below(6) as usize],
        _ => rng.next(),
    }
}

fn choose(file: &File, rng: &mut Rng) -> Option<Place> {
    let newest = (0..2).max_by_key(|page| word(file, page * PAGE + NUMBER_AT)).unwrap_or(0) * PAGE;
    if rng.below(16) == 0 {
        return Some(meta_place(newest, rng));
    }
    let tree = rng.below(2) as usize;
    let mut page = start_of(word(file, newest + ROOTS_AT[tree])?);
    // Down to some level.
    while rng.below(4) > 0 && half(file, page + KIND_AT)? & BRANCH != 0 {
        page = start_of(word(file, node_of(file, page, rng)?)?);
    }
    page_place(file, page, tree == 0, rng)
}

fn meta_place(meta: u64, rng: &mut Rng) -> Place {
    let tree = meta + TREES_AT[rng.below(2) as usize];
    match rng.below(5) {
        0 => Place { at: tree + 4, bytes: 2 },
        1 => Place { at: tree + 6, bytes: 2 },
        2 => Place { at: tree + 40, bytes: 8 },
        3 => Place { at: tree + 8 + 8 * rng.below(4), bytes: 8 },
        _ => Place { at: meta + LAST_PAGE_AT, bytes: 8 },
    }
}

/// Where a page is. In files as small as these its number has no more than 32 bits.
fn start_of(page: u64) -> u64 {
    (page & u64::from(u32::MAX)) * PAGE
}

fn page_place(file: &File, start: u64, is_free_list: bool, rng: &mut Rng) -> Option<Place> {
    match rng.below(if is_free_list { 12 } else { 8 }) {
        0 => return Some(Place { at: start + LOWER_AT, bytes: 2 }),
        1 => return Some(Place { at: start + UPPER_AT, bytes: 2 }),
        2 => return Some(Place { at: start + KIND_AT, bytes: 2 }),
        3 => return Some(Place { at: start + NODES_AT + 2 * rng.below(40), bytes: 2 }),
        _ => {}
    }
    let node = node_of(file, start, rng)?;
    match rng.below(8) {
        0 => Some(Place { at: node, bytes: 2 }),
        1 => Some(Place { at: node + 2, bytes: 2 }),
        2 => Some(Place { at: node + 4, bytes: 2 }),
        3 => Some(Place { at: node + 6, bytes: 2 }),
        _ => {
            let data = node + 8 + u64::from(half(file, node + 6)?);
            if half(file, node + 4)? & IS_BIG == 0 {
                // In the list of free pages how many there are, or one of them.
                let word = if rng.below(2) == 0 { 0 } else { rng.below(20) };
                return Some(Place { at: data + 8 * word, bytes: 8 });
            }
            let overflow = start_of(word(file, data)?);
            let is_one = half(file, overflow + KIND_AT)? & OVERFLOW != 0;
            let at = if rng.below(2) == 0 { LOWER_AT } else { NODES_AT };
            is_one.then_some(Place { at: overflow + at, bytes: if at == LOWER_AT { 4 } else { 8 } })
        }
    }
}

/// Where one of a page's nodes is.
fn node_of(file: &File, start: u64, rng: &mut Rng) -> Option<u64> {
    let nodes = u64::from(half(file, start + LOWER_AT)?.checked_sub(16)?) / 2;
    // Both ends of the list of free pages are what is used.
    let index = if rng.below(2) == 0 { 0 } else { rng.below(nodes.max(1)) };
    Some(start + u64::from(half(file, start + NODES_AT + 2 * index)?))
}

fn word(file: &File, at: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(u64::from_le_bytes(bytes))
}

fn half(file: &File, at: u64) -> Option<u16> {
    let mut bytes = [0; 2];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(u16::from_le_bytes(bytes))
}
