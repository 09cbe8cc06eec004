//! Searching LMDB's trees without trusting their pages: the reads of the cache.

use std::cell::Cell;
use std::cmp::Ordering;

use super::page::{Damage, NO_PAGE, Node, Page, Pages};
use crate::limits::TREE_DEPTH_MAX;

/// The leaf of a snapshot that was looked at last. What is looked for next is often beside it: names and
/// the zone and the servers of the zone that they are in.
#[derive(Debug)]
pub(super) struct Near(Cell<u64>);

impl Default for Near {
    fn default() -> Near {
        Near(Cell::new(NO_PAGE))
    }
}

impl Near {
    /// The snapshot ends, and its pages become others.
    pub(super) fn forget(&self) {
        self.0.set(NO_PAGE);
    }
}

/// The node with exactly this key.
pub(super) fn find<'m>(
    pages: Pages<'m>,
    root: u64,
    key: &[u8],
    near: &Near,
) -> Result<Option<Node<'m>>, Damage> {
    let Some(page) = leaf(pages, root, key, near)? else { return Ok(None) };
    let (at, exact) = lower_bound(&page, 0, key)?;
    if exact { page.node(at).map(Some) } else { Ok(None) }
}

/// The node with the greatest key that is `key` or, unless `inclusive`, below it.
pub(super) fn last_up_to<'m>(
    pages: Pages<'m>,
    root: u64,
    key: &[u8],
    inclusive: bool,
    near: &Near,
) -> Result<Option<Node<'m>>, Damage> {
    let Some(page) = leaf(pages, root, key, near)? else { return Ok(None) };
    match lower_bound(&page, 0, key)? {
        (at, true) if inclusive => page.node(at).map(Some),
        (0, _) => Cursor::seek(pages, root, key)?.previous(),
        (at, _) => page.node(at - 1).map(Some),
    }
}

/// The leaf where a key is, if it is in the tree.
fn leaf<'m>(
    pages: Pages<'m>,
    root: u64,
    key: &[u8],
    near: &Near,
) -> Result<Option<Page<'m>>, Damage> {
    if root == NO_PAGE {
        return Ok(None);
    }
    if near.0.get() != NO_PAGE {
        let page = pages.page(near.0.get())?;
        if spans(&page, key)? {
            return Ok(Some(page));
        }
    }
    let mut number = root;
    for _ in 0..TREE_DEPTH_MAX {
        let page = pages.page(number)?;
        if page.is_leaf() {
            near.0.set(number);
            return Ok(Some(page));
        }
        number = page.child(branch_index(&page, key)?)?;
    }
    Err(TOO_DEEP)
}

/// Is a key between the first and the last of a leaf, so that it is there or nowhere?
fn spans(page: &Page<'_>, key: &[u8]) -> Result<bool, Damage> {
    let Some(last) = page.len().checked_sub(1) else { return Ok(false) };
    Ok(compare(page.key(0)?, key).is_le() && compare(key, page.key(last)?).is_le())
}

/// The node with exactly this key; without one, whether there may be another node whose key begins
/// with the same `shared` bytes. Keys that begin alike are neighbours, so that is seen in passing,
/// except at the ends of a page.
pub(super) fn find_or_neighbour<'m>(
    pages: Pages<'m>,
    root: u64,
    key: &[u8],
    shared: usize,
    near: &Near,
) -> Result<Result<Node<'m>, bool>, Damage> {
    let Some(page) = leaf(pages, root, key, near)? else { return Ok(Err(false)) };
    let (at, exact) = lower_bound(&page, 0, key)?;
    if exact {
        return page.node(at).map(Ok);
    }
    let prefix = key.get(..shared).unwrap_or(key);
    let is_inside = at > 0 && at < page.len();
    let may_be =
        !is_inside || page.key(at - 1)?.starts_with(prefix) || page.key(at)?.starts_with(prefix);
    Ok(Err(may_be))
}

/// The data under exactly this key, in a file that is not mapped and not trusted: every node of
/// every page on the way is checked, since LMDB will look at any of them. `read` gets a page.
pub(super) fn find_unmapped<E>(
    root: u64,
    key: &[u8],
    mut read: impl FnMut(u64) -> Result<Vec<u8>, E>,
) -> Result<Result<Option<Vec<u8>>, Damage>, E> {
    let mut number = root;
    for _ in 0..TREE_DEPTH_MAX {
        if number == NO_PAGE {
            return Ok(Ok(None));
        }
        let bytes = read(number)?;
        match step_unmapped(&bytes, number, key) {
            Ok(Step::Down(child)) => number = child,
            Ok(Step::Found(data)) => return Ok(Ok(Some(data))),
            Ok(Step::Missing) => return Ok(Ok(None)),
            Err(damage) => return Ok(Err(damage)),
        }
    }
    Ok(Err(TOO_DEEP))
}

enum Step {
    Down(u64),
    Found(Vec<u8>),
    Missing,
}

fn step_unmapped(bytes: &[u8], number: u64, key: &[u8]) -> Result<Step, Damage> {
    let page = Page::new(bytes, number)?;
    for index in 0..page.len() {
        if page.is_leaf() {
            page.node(index)?;
        } else {
            page.key(index)?;
        }
    }
    if !page.is_leaf() {
        return Ok(Step::Down(page.child(branch_index(&page, key)?)?));
    }
    match lower_bound(&page, 0, key)? {
        (at, true) => match page.node(at)?.inline() {
            Some(data) => Ok(Step::Found(data.to_vec())),
            None => Err(Damage("a small value is not in its page")),
        },
        (_, false) => Ok(Step::Missing),
    }
}

/// A place in a tree, between or at its nodes.
#[derive(Debug)]
pub(super) struct Cursor<'m> {
    pages: Pages<'m>,
    /// Pages from the root down, each with the index that was followed.
    stack: [Option<(Page<'m>, usize)>; TREE_DEPTH_MAX],
    depth: usize,
}

impl<'m> Cursor<'m> {
    /// Goes to the first node whose key is not less than `key`, or past the last one.
    pub(super) fn seek(pages: Pages<'m>, root: u64, key: &[u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor { pages, stack: [None; TREE_DEPTH_MAX], depth: 0 };
        if root == NO_PAGE {
            return Ok(cursor);
        }
        let mut number = root;
        loop {
            let page = pages.page(number)?;
            if page.is_leaf() {
                let (at, _) = lower_bound(&page, 0, key)?;
                cursor.push(page, at)?;
                return Ok(cursor);
            }
            let at = branch_index(&page, key)?;
            cursor.push(page, at)?;
            number = page.child(at)?;
        }
    }

    /// The node here; the one after it when the place is past the end of a page.
    pub(super) fn node(&mut self) -> Result<Option<Node<'m>>, Damage> {
        let Some((page, at)) = self.top() else { return Ok(None) };
        if at < page.len() {
            return page.node(at).map(Some);
        }
        if !self.turn(1)? {
            return Ok(None);
        }
        match self.top() {
            Some((page, at)) => page.node(at).map(Some),
            None => Ok(None),
        }
    }

    /// Steps over the node here.
    pub(super) fn advance(&mut self) {
        if let Some(Some((_, at))) = self.depth.checked_sub(1).and_then(|i| self.stack.get_mut(i)) {
            *at += 1;
        }
    }

    /// The node before this place; goes there.
    pub(super) fn previous(&mut self) -> Result<Option<Node<'m>>, Damage> {
        let Some((page, at)) = self.top() else { return Ok(None) };
        if at > 0 {
            self.stack[self.depth - 1] = Some((page, at - 1));
            return page.node(at - 1).map(Some);
        }
        if !self.turn(-1)? {
            return Ok(None);
        }
        match self.top() {
            Some((page, at)) => page.node(at).map(Some),
            None => Ok(None),
        }
    }

    fn top(&self) -> Option<(Page<'m>, usize)> {
        self.stack.get(self.depth.checked_sub(1)?).copied().flatten()
    }

    fn push(&mut self, page: Page<'m>, at: usize) -> Result<(), Damage> {
        let slot = self.stack.get_mut(self.depth).ok_or(TOO_DEEP)?;
        *slot = Some((page, at));
        self.depth += 1;
        Ok(())
    }

    /// Leaves this leaf for the next or the previous one; false, and nowhere, at the end.
    fn turn(&mut self, step: isize) -> Result<bool, Damage> {
        self.depth -= 1;
        while let Some((page, at)) = self.top() {
            let next = at.wrapping_add_signed(step);
            if next >= page.len() {
                self.depth -= 1;
                continue;
            }
            self.stack[self.depth - 1] = Some((page, next));
            let mut number = page.child(next)?;
            loop {
                let page = self.pages.page(number)?;
                let last =
                    page.len().checked_sub(1).ok_or(Damage("a page of the tree is empty"))?;
                let at = if step > 0 { 0 } else { last };
                self.push(page, at)?;
                if page.is_leaf() {
                    return Ok(true);
                }
                number = page.child(at)?;
            }
        }
        Ok(false)
    }
}

/// The child of a branch that `key` belongs to. The first one has no lower bound.
#[inline]
pub(super) fn branch_index(page: &Page<'_>, key: &[u8]) -> Result<usize, Damage> {
    let (at, exact) = lower_bound(page, 1, key)?;
    Ok(if exact { at } else { at - 1 })
}

/// The first index from `low` on whose key is not less than `key`, and whether it is equal.
#[inline]
pub(super) fn lower_bound(
    page: &Page<'_>,
    low: usize,
    key: &[u8],
) -> Result<(usize, bool), Damage> {
    let (mut low, mut high) = (low, page.len().max(low));
    while low < high {
        let middle = low + (high - low) / 2;
        match compare(page.key(middle)?, key) {
            Ordering::Less => low = middle + 1,
            Ordering::Equal => return Ok((middle, true)),
            Ordering::Greater => high = middle,
        }
    }
    Ok((low, false))
}

/// The order of two keys. Most are some twenty bytes long and differ in the first half of them, so that
/// a call for each pair would cost more than comparing eight bytes at a time.
#[inline]
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let mut at = 0;
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        if a != b {
            return u64::from_be_bytes(*a).cmp(&u64::from_be_bytes(*b));
        }
        at += a.len();
    }
    a.get(at..).cmp(&b.get(at..))
}

const TOO_DEEP: Damage = Damage("the tree is too deep");

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn keys_are_ordered_as_bytes_are(
            shared in proptest::collection::vec(0u8..3, 0..20),
            a in proptest::collection::vec(0u8..3, 0..20),
            b in proptest::collection::vec(0u8..3, 0..20),
        ) {
            let (a, b) = ([&shared[..], &a].concat(), [&shared[..], &b].concat());
            proptest::prop_assert_eq!(compare(&a, &b), a.cmp(&b));
        }
    }
}
