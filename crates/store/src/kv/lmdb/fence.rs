//! Fences on both sides of LMDB's map: memory that nobody may touch. When LMDB works on a page that is
//! being spoiled, it may move bytes across the end of the page, and on through whatever memory comes
//! next. At a fence that ends, and the transaction is given up (`abandon.rs`) before anything else of
//! the process is hurt.
//!
//! The kernel chooses where the map is: mostly at the upper end of the first hole that is large enough, and
//! so right below something else, which may be the memory of the C library or of this program. So a fence
//! is put up there before the map is made, and holes that are too small for both are filled meanwhile.
//!
//! A fence takes addresses, and no memory.

use std::ptr;

use super::fault::page_bytes;

/// Bytes of the fence above: as far as the lengths of 32 bits in a page lead, twice. A narrow one is better
/// than none, where addresses are limited.
const ABOVE_BYTES: [usize; 4] = [8 << 30, 128 * 1024, 16 * 1024, 4 * 1024];

/// Of the one below: numbers of 16 bits in a page lead 128 KiB down; and LMDB keeps the address of the next page
/// that it can use again in the page before, whose lower half somebody may spoil.
const BELOW_BYTES: [usize; 4] = [8 << 30, 128 * 1024, 16 * 1024, 4 * 1024];

/// Holes that are filled until the kernel chooses the one below the fence. A process has few that large.
const FILLED_MAX: usize = 32;

/// Addresses that nobody may touch; they are free again when this value goes.
#[derive(Debug)]
struct Taken {
    start: usize,
    len: usize,
}

/// Fences around a map.
#[derive(Debug)]
pub(super) struct Fences {
    fences: Vec<Taken>,
    /// What fills holes until the map is made.
    filled: Vec<Taken>,
}

impl Fences {
    /// No fences.
    pub(super) fn none() -> Fences {
        Fences { fences: Vec::new(), filled: Vec::new() }
    }

    /// A fence right above where the kernel is about to put a map of `len` bytes.
    pub(super) fn before_mapping(len: usize) -> Fences {
        let len = len.next_multiple_of(page_bytes());
        ABOVE_BYTES
            .iter()
            .find_map(|bytes| Fences::above_hole(len, *bytes))
            .unwrap_or(Fences::none())
    }

    /// A hole of `len` bytes with a fence of so many above it, and no other one where such a map could be.
    fn above_hole(len: usize, bytes: usize) -> Option<Fences> {
        let both = Taken::anywhere(len.checked_add(bytes)?)?;
        let hole = both.start;
        drop(both);
        let fences = vec![Taken::at(hole + len, bytes)?];
        let mut filled = Vec::new();
        while filled.len() < FILLED_MAX {
            let chosen = Taken::anywhere(len)?;
            // Within the hole, or what was free below it.
            if chosen.start <= hole {
                break;
            }
            filled.push(chosen);
        }
        Some(Fences { fences, filled })
    }

    /// These, and those around the map that was made meanwhile.
    pub(super) fn and_around(mut self, start: usize, len: usize) -> Fences {
        self.filled.clear();
        self.fences.append(&mut Fences::around(start, len).fences);
        self
    }

    /// Fences in the `len` bytes from `start`, whole pages, as far as there is room beside them.
    pub(super) fn around(start: usize, len: usize) -> Fences {
        let end = start.saturating_add(len).next_multiple_of(page_bytes());
        let above = ABOVE_BYTES.iter().find_map(|bytes| Taken::at(end, *bytes));
        let below =
            BELOW_BYTES.iter().find_map(|bytes| Taken::at(start.saturating_sub(*bytes), *bytes));
        Fences { fences: above.into_iter().chain(below).collect(), filled: Vec::new() }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.fences.len()
    }
}

impl Taken {
    /// So many, where the kernel likes.
    fn anywhere(len: usize) -> Option<Taken> {
        map_nothing(0, len, 0).map(|start| Taken { start, len })
    }

    /// These, if nothing is there.
    fn at(start: usize, len: usize) -> Option<Taken> {
        let taken = Taken { start: map_nothing(start, len, libc::MAP_FIXED_NOREPLACE)?, len };
        // An old kernel takes the address for a wish.
        (taken.start == start).then_some(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map_nothing`, and nothing is in it. One that stays is in
        // nobody's way.
        unsafe { libc::munmap(ptr::with_exposed_provenance_mut(self.start), self.len) };
    }
}

/// Maps what nobody may touch, and replaces nothing; where.
fn map_nothing(start: usize, len: usize, flags: libc::c_int) -> Option<usize> {
    // SAFETY: a new mapping that replaces none.
    let made = unsafe {
        libc::mmap(
            ptr::with_exposed_provenance_mut(start),
            len,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | flags,
            -1,
            0,
        )
    };
    (made != libc::MAP_FAILED).then(|| made.expose_provenance())
}
