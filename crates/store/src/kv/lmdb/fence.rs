//! Fences on both sides of LMDB's map: memory that nobody may touch. When LMDB works on a page that is
//! being spoiled, it may move bytes across the end of the page, and on through whatever memory comes
//! next. At a fence that ends, and the transaction is given up (`abandon.rs`) before anything else of
//! the process is hurt.
//!
//! The kernel chooses where the map is: mostly at the upper end of the first hole that is large enough, and
//! so right below something else, which may be the memory of the C library. So a fence is put up there
//! before the map is made.

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

    /// A fence at the upper end of where the kernel is about to put a map of `len` bytes.
    pub(super) fn before_mapping(len: usize) -> Fences {
        let len = len.next_multiple_of(page_bytes());
        let Some(start) = map_nothing(0, len, 0) else { return Fences::none() };
        // SAFETY: the mapping was just made, and nothing is in it.
        unsafe { libc::munmap(ptr::with_exposed_provenance_mut(start), len) };
        let above = FENCE_BYTES.iter().find_map(|bytes| put_up(start + len - *bytes, *bytes));
        Fences { ranges: above.into_iter().collect() }
    }

    /// These, and those around the map that was made meanwhile.
    pub(super) fn and_around(mut self, start: usize, len: usize) -> Fences {
        self.ranges.append(&mut Fences::around(start, len).ranges);
        self
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
    let made = map_nothing(start, len, libc::MAP_FIXED_NOREPLACE)?;
    // An old kernel takes the address for a wish.
    if made != start {
        // SAFETY: the mapping was just made, and nothing is in it.
        unsafe { libc::munmap(ptr::with_exposed_provenance_mut(made), len) };
        return None;
    }
    Some((start, len))
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
