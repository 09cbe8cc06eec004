//! The layout of LMDB's pages, read without trusting them.
//!
//! LMDB's own search believes every offset and length that it finds in a page, so damaged bytes
//! take the process with them. Here each is checked before it is followed, and what does not fit
//! is [`Damage`]. Format: data version 1 of LMDB 0.9, in the byte order and with the word size of
//! the machine. The tests hold this file against trees that LMDB itself has written.

use crate::limits::TREE_DEPTH_MAX;

/// Something in a page is not what its place demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage(pub(super) &'static str);

/// Bytes of a page number, a size or a transaction number.
pub(super) const WORD: usize = size_of::<usize>();

/// Bytes before the content of a page: number, padding, flags, and two bounds of the free space.
pub(super) const PAGE_HEADER: usize = WORD + 8;

/// Bytes before the key in a node: data length or child page, flags, and key length.
const NODE_HEADER: usize = 8;

/// Page number that stands for an empty tree.
pub(super) const NO_PAGE: u64 = usize::MAX as u64;

/// Least number of a page that is not a meta page.
pub(super) const FIRST_PAGE: u64 = 2;

// What a page is. Other flags are marks of a writer at work, which no committed page bears.
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
const META: u16 = 0x08;

/// Flag of a node whose data is on pages of its own.
const BIG_DATA: u16 = 0x01;

/// Flag of a tree whose keys are numbers.
const NUMBER_KEYS: u16 = 0x08;

/// Largest page that LMDB makes.
const PAGE_BYTES_MAX: usize = 32_768;

const MAGIC: u32 = 0xBEEF_C0DE;
const DATA_VERSION: u32 = 1;

/// Bytes of the record that describes a tree.
const TREE_RECORD: usize = 8 + 5 * WORD;

/// Bytes of a meta page that are in use, with the page header.
pub(super) const META_BYTES: usize = PAGE_HEADER + 8 + 2 * WORD + 2 * TREE_RECORD + 2 * WORD;

/// Where the transaction number is in a meta page.
pub(super) const META_TRANSACTION: usize = META_BYTES - WORD;

/// What a meta page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) page_bytes: usize,
    pub(super) free: Tree,
    pub(super) main: Tree,
    /// Number of the last page in use.
    pub(super) last_page: u64,
    pub(super) transaction: u64,
}

/// What a meta page says of one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tree {
    flags: u16,
    pub(super) depth: u16,
    pub(super) branch_pages: u64,
    pub(super) leaf_pages: u64,
    pub(super) overflow_pages: u64,
    pub(super) entries: u64,
    pub(super) root: u64,
}

impl Meta {
    /// Whether the trees are of the kinds that we use: plain, and keyed by numbers.
    pub(super) fn check_kinds(&self) -> Result<(), Damage> {
        if self.main.flags == 0 && self.free.flags == NUMBER_KEYS {
            Ok(())
        } else {
            Err(Damage("a tree is of another kind"))
        }
    }
}

impl Tree {
    /// Pages in all.
    pub(super) fn pages(&self) -> u64 {
        self.branch_pages.saturating_add(self.leaf_pages).saturating_add(self.overflow_pages)
    }
}

/// Reads the first [`META_BYTES`] of a meta page.
pub(super) fn read_meta(bytes: &[u8]) -> Result<Meta, Damage> {
    if u16_at(bytes, WORD + 2)? & META == 0 {
        return Err(Damage("a meta page is not one"));
    }
    let at = PAGE_HEADER;
    if u32_at(bytes, at)? != MAGIC {
        return Err(Damage("a meta page has no magic number"));
    }
    if u32_at(bytes, at + 4)? != DATA_VERSION {
        return Err(Damage("a meta page has another version"));
    }
    let trees = at + 8 + 2 * WORD;
    let page_bytes = u32_at(bytes, trees)? as usize;
    if !page_bytes.is_power_of_two() || !(512..=PAGE_BYTES_MAX).contains(&page_bytes) {
        return Err(Damage("the page size is impossible"));
    }
    let meta = Meta {
        page_bytes,
        free: read_tree(bytes, trees)?,
        main: read_tree(bytes, trees + TREE_RECORD)?,
        last_page: word_at(bytes, trees + 2 * TREE_RECORD)?,
        transaction: word_at(bytes, trees + 2 * TREE_RECORD + WORD)?,
    };
    for tree in [meta.free, meta.main] {
        let empty = tree.root == NO_PAGE;
        if (!empty && !(FIRST_PAGE..=meta.last_page).contains(&tree.root))
            || tree.depth as usize > TREE_DEPTH_MAX
            || empty != (tree.depth == 0)
        {
            return Err(Damage("a tree has no root"));
        }
    }
    Ok(meta)
}

fn read_tree(bytes: &[u8], at: usize) -> Result<Tree, Damage> {
    Ok(Tree {
        flags: u16_at(bytes, at + 4)?,
        depth: u16_at(bytes, at + 6)?,
        branch_pages: word_at(bytes, at + 8)?,
        leaf_pages: word_at(bytes, at + 8 + WORD)?,
        overflow_pages: word_at(bytes, at + 8 + 2 * WORD)?,
        entries: word_at(bytes, at + 8 + 3 * WORD)?,
        root: word_at(bytes, at + 8 + 4 * WORD)?,
    })
}

/// All pages of a snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages<'m> {
    bytes: &'m [u8],
    page_bytes: usize,
}

impl<'m> Pages<'m> {
    /// The pages up to the last one of `meta` in `map`.
    pub(super) fn new(map: &'m [u8], meta: &Meta) -> Result<Self, Damage> {
        let used =
            meta.last_page.checked_add(1).and_then(|n| n.checked_mul(meta.page_bytes as u64));
        match used.and_then(|used| map.get(..usize::try_from(used).ok()?)) {
            Some(bytes) => Ok(Pages { bytes, page_bytes: meta.page_bytes }),
            None => Err(Damage("the file is shorter than its pages")),
        }
    }

    /// All their bytes.
    pub(super) fn bytes(&self) -> &'m [u8] {
        self.bytes
    }

    pub(super) fn count(&self) -> u64 {
        (self.bytes.len() / self.page_bytes) as u64
    }

    /// A page of a tree.
    #[inline]
    pub(super) fn page(&self, number: u64) -> Result<Page<'m>, Damage> {
        let start = usize::try_from(number)
            .ok()
            .and_then(|n| n.checked_mul(self.page_bytes))
            .ok_or(Damage("a page number is too great"))?;
        let bytes = start
            .checked_add(self.page_bytes)
            .and_then(|end| self.bytes.get(start..end))
            .ok_or(Damage("a page number is too great"))?;
        Page::new(bytes, number)
    }

    /// The data of a node, wherever it is.
    #[inline]
    pub(super) fn data(&self, node: &Node<'m>) -> Result<&'m [u8], Damage> {
        if node.flags == 0 { Ok(node.data) } else { self.overflow(node).map(|(data, ..)| data) }
    }

    /// The data of a node that has pages of its own, their first number, and how many they are.
    pub(super) fn overflow(&self, node: &Node<'m>) -> Result<(&'m [u8], u64, u64), Damage> {
        if node.flags != BIG_DATA {
            return Err(Damage("a node has flags that are not in use"));
        }
        let number = word_at(node.data, 0)?;
        let start = usize::try_from(number)
            .ok()
            .filter(|_| number >= FIRST_PAGE)
            .and_then(|n| n.checked_mul(self.page_bytes))
            .ok_or(Damage("an overflow page is out of range"))?;
        let bytes = self.bytes.get(start..).ok_or(Damage("an overflow page is out of range"))?;
        let count = u32_at(bytes, WORD + 4)? as usize;
        let needed = (PAGE_HEADER + node.data_len).div_ceil(self.page_bytes);
        if u16_at(bytes, WORD + 2)? != OVERFLOW
            || word_at(bytes, 0)? != number
            || count < needed
            || count * self.page_bytes > bytes.len()
        {
            return Err(Damage("an overflow page is not one"));
        }
        match bytes.get(PAGE_HEADER..PAGE_HEADER + node.data_len) {
            Some(data) => Ok((data, number, count as u64)),
            None => Err(Damage("an overflow page is too short")),
        }
    }
}

/// A branch or leaf page whose header was checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'m> {
    bytes: &'m [u8],
    /// Where its nodes begin.
    places: &'m [[u8; 2]],
    leaf: bool,
}

impl<'m> Page<'m> {
    /// The page `number`, whose bytes these are.
    #[inline]
    pub(super) fn new(bytes: &'m [u8], number: u64) -> Result<Self, Damage> {
        let kind = u16_at(bytes, WORD + 2)?;
        let lower = u16_at(bytes, WORD + 4)? as usize;
        let upper = u16_at(bytes, WORD + 6)? as usize;
        if word_at(bytes, 0)? != number
            || (kind != LEAF && kind != BRANCH)
            || lower < PAGE_HEADER
            || lower > upper
            || upper > bytes.len()
        {
            return Err(Damage("a page of the tree is not one"));
        }
        let places = bytes.get(PAGE_HEADER..lower).ok_or(CUT_OFF)?.as_chunks().0;
        Ok(Page { bytes, places, leaf: kind == LEAF })
    }

    /// Whether the nodes fill the page from its end up to the free space, each at a place of its
    /// own: LMDB moves them about by sums of their sizes. Every write looks at some pages like this,
    /// so each node is touched once: one walk over the nodes as they lie, which has to come by all
    /// places in the list and by nothing else.
    pub(super) fn check_nodes(&self) -> Result<(), Damage> {
        const UNPACKED: Damage = Damage("nodes overlap or leave gaps");
        // Places are even, so one bit stands for two bytes.
        let mut begins = [0u64; PAGE_BYTES_MAX / 128];
        let mut odd = 0;
        for place in self.places {
            let at = usize::from(u16::from_ne_bytes(*place));
            *begins.get_mut(at / 128).ok_or(UNPACKED)? |= 1 << (at / 2 % 64);
            odd |= at & 1;
        }
        let mut at = u16_at(self.bytes, WORD + 6)? as usize;
        odd |= at & 1;
        let mut seen = 0;
        while at < self.bytes.len() {
            let header = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
            let [d0, d1, d2, d3, f0, f1, k0, k1]: [u8; NODE_HEADER] = *header.ok_or(UNPACKED)?;
            if begins[at / 128 % begins.len()] & 1 << (at / 2 % 64) == 0 {
                return Err(UNPACKED);
            }
            let data = match (self.leaf, u16::from_ne_bytes([f0, f1])) {
                (false, _) => 0,
                (true, 0) => (u32::from_ne_bytes([d0, d1, d2, d3]) as usize).min(self.bytes.len()),
                (true, _) => WORD,
            };
            let key = usize::from(u16::from_ne_bytes([k0, k1]));
            at += (NODE_HEADER + key + data).next_multiple_of(2);
            seen += 1;
        }
        let whole = odd == 0 && at == self.bytes.len() && seen == self.places.len();
        if whole { Ok(()) } else { Err(UNPACKED) }
    }

    pub(super) fn is_leaf(&self) -> bool {
        self.leaf
    }

    /// Number of nodes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Where the node `index` begins.
    #[inline]
    fn offset(&self, index: usize) -> Result<usize, Damage> {
        let place = self.places.get(index).ok_or(Damage("a page has fewer nodes than needed"))?;
        let at = usize::from(u16::from_ne_bytes(*place));
        if at < PAGE_HEADER + 2 * self.places.len() {
            return Err(Damage("a node overlaps the list of nodes"));
        }
        Ok(at)
    }

    /// The key of the node `index`.
    #[inline]
    pub(super) fn key(&self, index: usize) -> Result<&'m [u8], Damage> {
        let node = self.bytes.get(self.offset(index)?..).unwrap_or_default();
        let (header, rest) = node.split_first_chunk::<NODE_HEADER>().ok_or(CUT_OFF)?;
        let [.., low, high] = *header;
        let len = usize::from(u16::from_ne_bytes([low, high]));
        rest.get(..len).ok_or(Damage("a key leaves its page"))
    }

    /// The node `index` of a leaf.
    #[inline]
    pub(super) fn node(&self, index: usize) -> Result<Node<'m>, Damage> {
        let at = self.offset(index)?;
        let key = self.key(index)?;
        let data_len = u32_at(self.bytes, at)? as usize;
        let flags = u16_at(self.bytes, at + 4)?;
        let start = at + NODE_HEADER + key.len();
        let inline = if flags == 0 { data_len } else { WORD };
        match start.checked_add(inline).and_then(|end| self.bytes.get(start..end)) {
            Some(data) => Ok(Node { key, data, data_len, flags }),
            None => Err(Damage("a value leaves its page")),
        }
    }

    /// The page below the node `index` of a branch.
    #[inline]
    pub(super) fn child(&self, index: usize) -> Result<u64, Damage> {
        let at = self.offset(index)?;
        let low = u64::from(u32_at(self.bytes, at)?);
        let high = if WORD == 8 { u64::from(u16_at(self.bytes, at + 4)?) << 32 } else { 0 };
        let child = low | high;
        if child < FIRST_PAGE { Err(Damage("a branch leads to a meta page")) } else { Ok(child) }
    }
}

/// A node of a leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'m> {
    pub(super) key: &'m [u8],
    /// The value, or the number of the page where it is.
    data: &'m [u8],
    data_len: usize,
    flags: u16,
}

impl<'m> Node<'m> {
    /// The data, if it is in the page.
    pub(super) fn inline(&self) -> Option<&'m [u8]> {
        (self.flags == 0).then_some(self.data)
    }

    /// Whether the data is on pages of its own.
    pub(super) fn is_big(&self) -> bool {
        self.flags != 0
    }
}

/// Reads a number of the machine's word size.
#[inline]
pub(super) fn word_at(bytes: &[u8], at: usize) -> Result<u64, Damage> {
    match bytes.get(at..at + WORD).and_then(|word| <[u8; WORD]>::try_from(word).ok()) {
        Some(word) => Ok(usize::from_ne_bytes(word) as u64),
        None => Err(CUT_OFF),
    }
}

#[inline]
fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Damage> {
    match bytes.get(at..at + 4).and_then(|word| <[u8; 4]>::try_from(word).ok()) {
        Some(word) => Ok(u32::from_ne_bytes(word)),
        None => Err(CUT_OFF),
    }
}

#[inline]
fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Damage> {
    match bytes.get(at..at + 2).and_then(|word| <[u8; 2]>::try_from(word).ok()) {
        Some(word) => Ok(u16::from_ne_bytes(word)),
        None => Err(CUT_OFF),
    }
}

const CUT_OFF: Damage = Damage("a page ends early");
