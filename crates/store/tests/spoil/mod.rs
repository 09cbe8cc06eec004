//! Ways to spoil the pages of a cache file, for tests; each is told by its seed.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

pub(crate) const PAGE: u64 = 4_096;

/// A small generator; the seed tells everything.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Spoils one of the first `pages` of a file in one of many ways; which.
pub(crate) fn spoil_page(file: &File, pages: u64, rng: &mut Rng) -> &'static str {
    let mut page = vec![0; PAGE as usize];
    // The meta pages are few, and found out at once.
    let first = rng.below(2) * 2;
    let at = |rng: &mut Rng| (first + rng.below(pages - first)) * PAGE;
    match rng.below(8) {
        0 => {
            for _ in 0..=rng.below(16) {
                let offset = at(rng) + rng.below(PAGE);
                file.write_all_at(&[rng.next() as u8], offset).unwrap();
            }
            "bytes"
        }
        1 => {
            let offset = at(rng) + rng.below(PAGE);
            let _behind_the_end = file.read_exact_at(&mut page[..1], offset);
            file.write_all_at(&[page[0] ^ (1 << rng.below(8))], offset).unwrap();
            "one bit"
        }
        2 => {
            page.fill_with(|| rng.next() as u8);
            file.write_all_at(&page, at(rng)).unwrap();
            "a page of noise"
        }
        3 => {
            file.write_all_at(&page, at(rng)).unwrap();
            "a page of zeros"
        }
        4 => {
            let (from, to) = (at(rng), at(rng));
            let _behind_the_end = file.read_exact_at(&mut page, from);
            file.write_all_at(&page, to).unwrap();
            "a page elsewhere"
        }
        5 => {
            let (from, to) = (at(rng), at(rng));
            let _behind_the_end = file.read_exact_at(&mut page, from);
            page[..8].copy_from_slice(&(to / PAGE).to_le_bytes());
            file.write_all_at(&page, to).unwrap();
            "a page elsewhere with the right number"
        }
        6 => {
            let offset = at(rng) + 8 + rng.below(24);
            file.write_all_at(&(rng.next() as u16).to_le_bytes(), offset).unwrap();
            "a page header"
        }
        _ => {
            let offset = rng.below(2) * PAGE + rng.below(152);
            file.write_all_at(&rng.next().to_le_bytes()[..1 + rng.below(8) as usize], offset)
                .unwrap();
            "a meta page"
        }
    }
}
