//! Fences on both sides of LMDB's map: memory that nobody may touch. When LMDB works on a page that is
//! being spoiled, it may move bytes across the end of the page, and on through whatever memory comes
//! next. At a fence that ends, and the transaction is given up (`abandon.rs`) before anything else of
//! the process is hurt.
//!
//! The kernel chooses where the map is. Where something else lies right beside it already, there is no
//! fence; mostly it leaves room.

use std::ptr;

use super::fault::page_bytes;

/// Bytes of a fence: as far as the numbers of 16 bits in a page lead, twice. A narrow one is better than
/// none.
const FENCE_BYTES: [usize; 3] = [128 * 1024, 16 * 1024, 4 * 1024];

/// Fences around a map.
#[derive(Debug)]
pub(super) struct Fences {
    /// Start and length of each.
    ranges: Vec<(usize, usize)>,
}

impl Fences {
    /// No fences.
    pub(super) fn none() -> Fences {
        Fences { ranges: Vec::new() }
    }

    /// Fences in the `len` bytes from `start`, whole pages, as far as there is room beside them.
    pub(super) fn around(start: usize, len: usize) -> Fences {
        let end = start.saturating_add(len).next_multiple_of(page_bytes());
        let above = FENCE_BYTES.iter().find_map(|bytes| put_up(end, *bytes));
        let below =
            FENCE_BYTES.iter().find_map(|bytes| put_up(start.saturating_sub(*bytes), *bytes));
        Fences { ranges: above.into_iter().chain(below).collect() }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.ranges.len()
    }
}

impl Drop for Fences {
    fn drop(&mut self) {
        for (start, len) in &self.ranges {
            // SAFETY: the range was mapped by `put_up`, and nothing is in it. One that stays is in
            // nobody's way.
            unsafe { libc::munmap(ptr::with_exposed_provenance_mut(*start), *len) };
        }
    }
}

/// Puts up a fence where nothing is.
fn put_up(start: usize, len: usize) -> Option<(usize, usize)> {
    // SAFETY: a new mapping that replaces none.
    let made = unsafe {
        libc::mmap(
            ptr::with_exposed_provenance_mut(start),
            len,
            libc::PROT_NONE,
            libc::MAP_PRIVATE
                | libc::MAP_ANONYMOUS
                | libc::MAP_NORESERVE
                | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        )
    };
    if made == libc::MAP_FAILED {
        return None;
    }
    let made = made.expose_provenance();
    // An old kernel takes the address for a wish.
    if made != start {
        // SAFETY: the mapping was just made, and nothing is in it.
        unsafe { libc::munmap(ptr::with_exposed_provenance_mut(made), len) };
        return None;
    }
    Some((start, len))
}
