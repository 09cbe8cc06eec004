//! The check of a whole file before LMDB's own code follows any pointer in it: every page of
//! both trees is what it should be, is reached once, and is not on the list of free pages.
//!
//! Run by the first process that opens a directory, under its lock. Later ones share what that
//! one and its peers have written. About one microsecond a page.

use super::page::{Damage, FIRST_PAGE, Meta, NO_PAGE, Node, Pages, Tree, WORD, word_at};
use crate::limits::TREE_DEPTH_MAX;

/// Whether everything that `meta` leads to is sound.
pub(super) fn check(map: &[u8], meta: &Meta) -> Result<(), Damage> {
    meta.check_kinds()?;
    let pages = Pages::new(map, meta)?;
    let words =
        usize::try_from(pages.count().div_ceil(64)).map_err(|_| Damage("too many pages"))?;
    let mut walk = Walk { pages, reached: vec![0; words], entries: 0, free_list: false };
    walk.tree(&meta.main)?;
    walk.free_list = true;
    walk.tree(&meta.free)
}

struct Walk<'m> {
    pages: Pages<'m>,
    /// One bit for each page.
    reached: Vec<u64>,
    entries: u64,
    /// Whether this is the tree of free pages.
    free_list: bool,
}

impl<'m> Walk<'m> {
    fn tree(&mut self, tree: &Tree) -> Result<(), Damage> {
        self.entries = 0;
        if tree.root != NO_PAGE {
            self.page(tree.root, tree.depth as usize, None)?;
        }
        if self.entries == tree.entries { Ok(()) } else { Err(Damage("entries are missing")) }
    }

    /// A page with `levels` levels from itself to the leaves. Recursion ends by depth, which
    /// the meta page's reader bounds.
    fn page(&mut self, number: u64, levels: usize, least: Option<&[u8]>) -> Result<(), Damage> {
        debug_assert!(levels <= TREE_DEPTH_MAX, "checked when the meta page was read");
        self.reach(number, 1)?;
        let page = self.pages.page(number)?;
        if page.is_leaf() != (levels == 1) || page.len() == 0 {
            return Err(Damage("a page is at the wrong depth"));
        }
        page.check_nodes()?;
        if !page.is_leaf() {
            for index in 0..page.len() {
                let key = page.key(index)?;
                self.page(
                    page.child(index)?,
                    levels - 1,
                    if index == 0 { least } else { Some(key) },
                )?;
            }
            return Ok(());
        }
        // Numbers in the tree of free pages are not ordered as bytes.
        let mut previous = if self.free_list { None } else { least };
        for index in 0..page.len() {
            let node = page.node(index)?;
            if previous
                .is_some_and(|previous| previous > node.key || (index > 0 && previous == node.key))
            {
                return Err(Damage("keys are out of order"));
            }
            let data = if node.is_big() {
                let (data, first, count) = self.pages.overflow(&node)?;
                self.reach(first, count)?;
                data
            } else {
                self.pages.data(&node)?
            };
            if self.free_list {
                self.free(&node, data)?;
            } else {
                previous = Some(node.key);
            }
            self.entries += 1;
        }
        Ok(())
    }

    /// A list of free pages: their number, then they, in falling order.
    fn free(&mut self, node: &Node<'_>, data: &[u8]) -> Result<(), Damage> {
        let count = word_at(data, 0)?;
        let fits = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_add(1)?.checked_mul(WORD))
            .is_some_and(|needed| needed <= data.len());
        if !fits || node.key.len() != WORD {
            return Err(Damage("a list of free pages is too short"));
        }
        let mut above = self.pages.count();
        for at in 1..=count as usize {
            let number = word_at(data, at * WORD)?;
            if number >= above {
                return Err(Damage("a list of free pages is out of order"));
            }
            self.reach(number, 1)?;
            above = number;
        }
        Ok(())
    }

    fn reach(&mut self, first: u64, count: u64) -> Result<(), Damage> {
        if first < FIRST_PAGE || first.checked_add(count).is_none_or(|end| end > self.pages.count())
        {
            return Err(Damage("a page number is out of range"));
        }
        for number in first..first + count {
            let (word, bit) = ((number / 64) as usize, 1u64 << (number % 64));
            let Some(word) = self.reached.get_mut(word) else {
                return Err(Damage("a page number is out of range"));
            };
            if *word & bit != 0 {
                return Err(Damage("a page is used twice"));
            }
            *word |= bit;
        }
        Ok(())
    }
}
