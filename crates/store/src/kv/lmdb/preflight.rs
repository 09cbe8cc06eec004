//! The check before each write transaction: the pages that LMDB is going to look at for this
//! batch, at the time of writing sound or not written to at all.
//!
//! The check of a whole file at the first start finds what went wrong while nobody used it; this
//! one is for files that somebody spoils while they are in use. It costs a fraction of the write. What
//! is spoiled between this look and LMDB's own is answered in `abandon.rs`.

use super::page::{Damage, FIRST_PAGE, Meta, NO_PAGE, Node, Page, Pages, WORD, word_at};
use super::tree::{branch_index, lower_bound};
use crate::kv::overlay::Pending;
use crate::limits::{FREE_LIST_PAGES_CHECKED_MAX, FREE_PAGES_CHECKED_MAX, TREE_DEPTH_MAX};

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

/// Checks both ends of the list of free pages: LMDB takes from the first and adds to the last, and
/// merges what gets small with its neighbour.
fn check_free_list(pages: Pages<'_>, meta: &Meta) -> Result<(), Damage> {
    if meta.free.root == NO_PAGE {
        return Ok(());
    }
    let depth = meta.free.depth as usize;
    FreeList { pages, depth, looked_at: 0, numbers: 0 }.check(meta.free.root, 1)
}

struct FreeList<'m> {
    pages: Pages<'m>,
    depth: usize,
    /// Pages of the list, and numbers of free pages in them.
    looked_at: usize,
    numbers: usize,
}

impl FreeList<'_> {
    /// Checks a page at this level and what is at both ends below it. Recursion ends by depth.
    fn check(&mut self, number: u64, level: usize) -> Result<(), Damage> {
        self.looked_at += 1;
        if self.looked_at > FREE_LIST_PAGES_CHECKED_MAX {
            return Ok(());
        }
        let page = self.pages.page(number)?;
        if page.is_leaf() != (level == self.depth) || page.len() == 0 {
            return Err(DEPTH);
        }
        page.check_nodes()?;
        if page.is_leaf() {
            return (0..page.len()).try_for_each(|index| self.check_list(&page.node(index)?));
        }
        for index in 0..page.len() {
            if index < 2 || index + 2 >= page.len() {
                self.check(page.child(index)?, level + 1)?;
            }
        }
        Ok(())
    }

    /// Checks one list: how many there are, then they, in falling order.
    fn check_list(&mut self, node: &Node<'_>) -> Result<(), Damage> {
        let data =
            if node.is_big() { self.pages.overflow(node)?.0 } else { self.pages.data(node)? };
        let count = usize::try_from(word_at(data, 0)?).map_err(|_| FREE_LIST)?;
        let end = count.checked_add(1).and_then(|count| count.checked_mul(WORD));
        let numbers = end.and_then(|end| data.get(WORD..end)).ok_or(FREE_LIST)?;
        if node.key.len() != WORD {
            return Err(FREE_LIST);
        }
        self.numbers += count;
        if self.numbers > FREE_PAGES_CHECKED_MAX {
            return Ok(());
        }
        let mut above = self.pages.count();
        for at in (0..numbers.len()).step_by(WORD) {
            let number = word_at(numbers, at)?;
            if number >= above || number < FIRST_PAGE {
                return Err(FREE_LIST);
            }
            above = number;
        }
        Ok(())
    }
}

const DEPTH: Damage = Damage("a page is at the wrong depth");
const FREE_LIST: Damage = Damage("a list of free pages is not one");
