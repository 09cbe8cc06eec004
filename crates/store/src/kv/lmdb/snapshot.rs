//! The snapshot of a turn: a claim on pages, held by LMDB, and the meta page that says where the
//! trees begin.

use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};

use heed::{RoTxn, WithoutTls};

use super::check::check;
use super::environment::{Environment, Trouble, distrust};
use super::page::{Damage, META_BYTES, META_TRANSACTION, Meta, Pages, WORD, read_meta};

/// Transactions of others that may be committed between the claim on a snapshot and the look at
/// its meta page: some microseconds, unless the process is stopped in between.
const TRANSACTIONS_AHEAD_MAX: u64 = 1 << 20;

/// What is in use of a meta page, in the pieces in which it is copied: single bytes would be eight times
/// as many.
type MetaWords = [usize; META_BYTES / WORD];

/// Retries of the copy of a meta page that another process was just replacing.
const META_TRIES_MAX: usize = 64;

/// A snapshot: LMDB's claim on its pages, and where its trees are.
pub(super) struct Snapshot {
    _claim: RoTxn<'static, WithoutTls>,
    meta: Meta,
}

/// Where the file is mapped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Map {
    pub(super) start: NonNull<u8>,
    pub(super) len: usize,
}

impl Environment {
    /// The snapshot of this turn: the pages, and where the trees begin. Begins it if needed.
    #[inline]
    pub(super) fn snapshot(&self) -> Result<(Pages<'_>, &Meta), Trouble> {
        let snapshot = match self.snapshot.get() {
            Some(snapshot) => snapshot,
            None => {
                let snapshot = self.begin()?;
                self.snapshot.get_or_init(|| snapshot)
            }
        };
        let pages = Pages::new(self.bytes(), &snapshot.meta).map_err(distrust)?;
        Ok((pages, &snapshot.meta))
    }

    /// Pages of all entries, in the snapshot.
    pub(super) fn pages(&self) -> Result<u64, Trouble> {
        self.snapshot().map(|(_, meta)| meta.main.pages())
    }

    /// Ends the snapshot.
    pub(super) fn end_snapshot(&mut self) {
        self.snapshot.take();
        self.memo.get_mut().forget();
        self.near.forget();
    }

    fn begin(&self) -> Result<Snapshot, Trouble> {
        match self.inspect() {
            // A larger file is no harm to a reader, unless it needs what is beyond our map.
            Ok(()) | Err(Trouble::Grown(_)) => {}
            Err(trouble) => return Err(trouble),
        }
        self.check_lock_table()?;
        let claim = self.env.clone().static_read_txn().map_err(|error| self.trouble(&error))?;
        let meta = self.meta_of(claim.id() as u64).map_err(distrust)?;
        if let Err(damage) = Pages::new(self.bytes(), &meta) {
            // The file may have grown just now.
            return Err(self.inspect().err().unwrap_or(distrust(damage)));
        }
        Ok(Snapshot { _claim: claim, meta })
    }

    /// The meta page of a transaction that is pinned, or of a later one: what those use is not
    /// given away while the earlier one is pinned, either.
    pub(super) fn meta_of(&self, transaction: u64) -> Result<Meta, Damage> {
        // All pages are of one size; the first meta page tells it.
        let first = read_meta(&self.copy_meta(0)?)?;
        let at = if transaction.is_multiple_of(2) { 0 } else { first.page_bytes };
        let meta = read_meta(&self.copy_meta(at)?)?;
        let ahead = meta.transaction.wrapping_sub(transaction);
        if ahead.is_multiple_of(2) && ahead <= TRANSACTIONS_AHEAD_MAX {
            Ok(meta)
        } else {
            Err(Damage("a meta page has a wrong number"))
        }
    }

    /// Copies a meta page while another process may be replacing it: the transaction number is
    /// written last, so a copy between two equal ones is whole.
    fn copy_meta(&self, at: usize) -> Result<[u8; META_BYTES], Damage> {
        if !at.is_multiple_of(WORD)
            || at.checked_add(META_BYTES).is_none_or(|end| end > self.map.len)
        {
            return Err(Damage("the file is too short"));
        }
        // SAFETY: the page lies in the map, as was just checked, and `at` is aligned.
        let (page, number) = unsafe {
            let page = self.map.start.as_ptr().add(at);
            (page.cast::<MetaWords>(), page.add(META_TRANSACTION).cast::<usize>())
        };
        for _ in 0..META_TRIES_MAX {
            // SAFETY: both pointers are valid for reads and the second is aligned. Another
            // process may write there, so the reads are volatile and the result is checked.
            let (before, copy, after) = unsafe {
                let before = number.read_volatile();
                fence(Ordering::Acquire);
                let copy = page.read_volatile();
                fence(Ordering::Acquire);
                (before, copy, number.read_volatile())
            };
            if before == after {
                let mut bytes = [0; META_BYTES];
                for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(copy) {
                    *bytes = word.to_ne_bytes();
                }
                return Ok(bytes);
            }
        }
        Err(Damage("a meta page does not come to rest"))
    }

    /// All bytes of the map.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the map lives as long as `self.env`, is replaced through `&mut self` only, and
        // its missing pages are filled by `fault.rs`. Pages that a snapshot can reach are not
        // changed while it lives; others are never read through this slice.
        unsafe { std::slice::from_raw_parts(self.map.start.as_ptr(), self.map.len) }
    }

    /// Checks everything. For use while nobody writes.
    pub(super) fn check(&self) -> Result<(), Damage> {
        let first = read_meta(&self.copy_meta(0)?)?;
        let second = read_meta(&self.copy_meta(first.page_bytes)?)?;
        check(self.bytes(), if second.transaction > first.transaction { &second } else { &first })
    }
}
