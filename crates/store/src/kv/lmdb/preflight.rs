//! The check before each write transaction: the pages that LMDB is going to look at for this
//! batch, at the time of writing sound or not written to at all.
//!
//! The check of a whole file at the first start finds what went wrong while nobody used it; this
//! one is for files that somebody spoils while they are in use. It costs a fraction of the write.

use super::page::{Damage, FIRST_PAGE, Meta, NO_PAGE, Page, Pages, WORD, word_at};
use super::tree::{branch_index, lower_bound};
use crate::kv::overlay::Pending;
use crate::limits::{FREE_PAGES_CHECKED_MAX, TREE_DEPTH_MAX};

/// Checks what LMDB needs to write `batch`, which is in order, on top of `meta`.
pub(super) fn check_batch<'a>(
    pages: Pages<'_>,
    meta: &Meta,
    batch: impl Iterator<Item = (&'a [u8], Pending<'a>)>,
) -> Result<(), Damage> {
    meta.check_kinds()?;
    check_free_list(pages, meta)?;
    if meta.main.root == NO_PAGE {
        return Ok(());
    }
    let depth = meta.main.depth as usize;
    let mut path = Path { pages, depth, sound: [0; TREE_DEPTH_MAX] };
    for (key, write) in batch {
        path.check(meta.main.root, key, write == Pending::Removed)?;
    }
    Ok(())
}

struct Path<'m> {
    pages: Pages<'m>,
    depth: usize,
    /// The page that was last found sound at each level. A batch is in order, so most keys share
    /// all but the last with the key before.
    sound: [u64; TREE_DEPTH_MAX],
}

impl<'m> Path<'m> {
    /// Checks the pages from the root to where `key` is or would be; for a removal, which may
    /// merge pages, their neighbours too.
    fn check(&mut self, root: u64, key: &[u8], removal: bool) -> Result<(), Damage> {
        let mut number = root;
        for level in 0..self.depth {
            let page = self.page(number, level)?;
            if page.is_leaf() {
                if let (at, true) = lower_bound(&page, 0, key)?
                    && page.node(at)?.is_big()
                {
                    self.pages.overflow(&page.node(at)?)?;
                }
                return Ok(());
            }
            let at = branch_index(&page, key)?;
            if removal {
                let (left, right) = (at.checked_sub(1), at + 1);
                for beside in left.into_iter().chain((right < page.len()).then_some(right)) {
                    self.leftmost(page.child(beside)?, level + 1)?;
                }
            }
            number = page.child(at)?;
        }
        Err(DEPTH)
    }

    fn page(&mut self, number: u64, level: usize) -> Result<Page<'m>, Damage> {
        let page = self.pages.page(number)?;
        let known = self.sound.get_mut(level).ok_or(DEPTH)?;
        if *known != number {
            check_page(&page, level + 1 == self.depth)?;
            *known = number;
        }
        Ok(page)
    }

    /// Checks a page and the first one at each level below: where LMDB gets its lowest key.
    fn leftmost(&self, number: u64, level: usize) -> Result<(), Damage> {
        let mut number = number;
        for level in level..self.depth {
            let page = self.pages.page(number)?;
            check_page(&page, level + 1 == self.depth)?;
            if page.is_leaf() {
                return Ok(());
            }
            number = page.child(0)?;
        }
        Err(DEPTH)
    }
}

fn check_page(page: &Page<'_>, leaf: bool) -> Result<(), Damage> {
    if page.is_leaf() != leaf || page.len() < if leaf { 1 } else { 2 } {
        return Err(DEPTH);
    }
    page.check_nodes()
}

/// Checks both ends of the list of free pages: LMDB takes from the first and adds to the last.
fn check_free_list(pages: Pages<'_>, meta: &Meta) -> Result<(), Damage> {
    if meta.free.root == NO_PAGE {
        return Ok(());
    }
    for last in [false, true] {
        let mut number = meta.free.root;
        let mut seen = 0;
        for level in 1..=meta.free.depth {
            let page = pages.page(number)?;
            if page.is_leaf() != (level == meta.free.depth) || page.len() == 0 {
                return Err(DEPTH);
            }
            page.check_nodes()?;
            if !page.is_leaf() {
                number = page.child(if last { page.len() - 1 } else { 0 })?;
                continue;
            }
            for index in 0..page.len() {
                let node = page.node(index)?;
                let data =
                    if node.is_big() { pages.overflow(&node)?.0 } else { pages.data(&node)? };
                if node.key.len() != WORD {
                    return Err(FREE_LIST);
                }
                seen += check_free_pages(data, pages.count(), FREE_PAGES_CHECKED_MAX - seen)?;
            }
        }
    }
    Ok(())
}

/// Checks a list of free pages, and the first of the numbers in it; how many.
fn check_free_pages(data: &[u8], pages: u64, numbers_max: usize) -> Result<usize, Damage> {
    let count = usize::try_from(word_at(data, 0)?).map_err(|_| FREE_LIST)?;
    if count
        .checked_add(1)
        .and_then(|n| n.checked_mul(WORD))
        .is_none_or(|needed| needed > data.len())
    {
        return Err(FREE_LIST);
    }
    let checked = count.min(numbers_max);
    let mut above = pages;
    for at in 1..=checked {
        let number = word_at(data, at * WORD)?;
        if number >= above || number < FIRST_PAGE {
            return Err(FREE_LIST);
        }
        above = number;
    }
    Ok(checked)
}

const DEPTH: Damage = Damage("a page is at the wrong depth");
const FREE_LIST: Damage = Damage("a list of free pages is not one");
