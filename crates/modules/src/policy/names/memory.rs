//! Memory of a table: that of a large one is in large pages, where the system has them.
//!
//! A look-up in many megabytes of common pages waits for the translation of its address, too, a third of the
//! time that it takes on some machines. Only whole large pages are asked for, so nothing is wasted on what
//! does not fill one, and where there are none the memory is as any other.

use std::ops::{Deref, DerefMut};

use memmap2::{Advice, MmapMut};

/// What most processors translate at once, beside common pages.
const LARGE_PAGE: usize = 2 << 20;
/// Tables begin where a bucket may.
const ALIGNMENT: usize = super::bucket::BUCKET_BYTES;

/// Octets, all zero at first.
#[derive(Debug)]
pub(super) struct Memory {
    octets: Octets,
    start: usize,
    length: usize,
}

#[derive(Debug)]
enum Octets {
    Common(Box<[u8]>),
    Large(MmapMut),
}

impl Memory {
    /// So many.
    pub(super) fn new(length: usize) -> Memory {
        if let Some(memory) = Memory::large(length) {
            return memory;
        }
        let octets = vec![0; if length == 0 { 0 } else { length + ALIGNMENT }].into_boxed_slice();
        let start = octets.as_ptr().align_offset(ALIGNMENT).min(octets.len() - length);
        Memory { octets: Octets::Common(octets), start, length }
    }

    fn large(length: usize) -> Option<Memory> {
        let whole = length - length % LARGE_PAGE;
        if whole == 0 {
            return None;
        }
        // What is never touched takes addresses, not memory.
        let map = MmapMut::map_anon(length + LARGE_PAGE).ok()?;
        let start = map.as_ptr().align_offset(LARGE_PAGE).min(LARGE_PAGE);
        // A system without large pages refuses.
        let _refused = map.advise_range(Advice::HugePage, start, whole);
        Some(Memory { octets: Octets::Large(map), start, length })
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new(0)
    }
}

impl Deref for Memory {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let octets = match &self.octets {
            Octets::Common(octets) => octets,
            Octets::Large(octets) => &octets[..],
        };
        &octets[self.start..self.start + self.length]
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        let octets = match &mut self.octets {
            Octets::Common(octets) => octets,
            Octets::Large(octets) => &mut octets[..],
        };
        &mut octets[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_all_sizes_is_zero_and_in_place() {
        for length in [0, 1, 128, 4096, LARGE_PAGE - 1, LARGE_PAGE, 3 * LARGE_PAGE + 5] {
            let mut memory = Memory::new(length);
            assert_eq!(memory.len(), length);
            assert!(memory.iter().all(|octet| *octet == 0));
            assert!(length == 0 || memory.as_ptr().align_offset(ALIGNMENT) == 0);
            memory.fill(1);
            assert_eq!(matches!(memory.octets, Octets::Large(_)), length >= LARGE_PAGE);
        }
    }
}
