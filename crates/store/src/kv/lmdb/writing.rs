//! Writing to an open environment: always with a look at the pages that LMDB is going to use, and
//! with what its errors mean.

use std::ops::Range;

use heed::types::Bytes;
use heed::{Database, MdbError};

use super::abandon::abandonable;
use super::arena::Lost;
use super::check::check;
use super::environment::{Abandoned, Environment, Trouble, distrust};
use super::files::{self, WriteLock};
use super::header::{self, HEADER_KEY};
use super::locks::LockTable;
use super::page::{Damage, Meta, Pages};
use super::preflight::check_batch;
use crate::kv::overlay::{Overlay, Pending};
use crate::kv::{Distrust, StoreError};

/// Why a write did not happen.
#[derive(Debug)]
pub(super) enum WriteFailure {
    /// There was no free page.
    Full,
    /// The environment has to be mended first.
    Trouble(Trouble),
    /// Anything else.
    Error(StoreError),
}

impl From<Trouble> for WriteFailure {
    fn from(trouble: Trouble) -> Self {
        WriteFailure::Trouble(trouble)
    }
}

/// How many of a batch's writes did what.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) written: u64,
    pub(super) removed: u64,
    pub(super) not_found: u64,
}

impl Environment {
    /// The right to write, or nothing if another process has it.
    pub(super) fn lock_for_writing(&self, wait: bool) -> Result<Option<WriteLock<'_>>, StoreError> {
        self.data.lock_for_writing(wait)
    }

    /// Writes a part of a batch in one transaction.
    pub(super) fn write(
        &self,
        batch: &Overlay,
        range: Range<usize>,
    ) -> Result<Tally, WriteFailure> {
        let entries = batch.range(range);
        self.preflight(|pages, meta| check_batch(pages, meta, entries.clone()))?;
        let mut tally = Tally::default();
        self.transact(|database, transaction| {
            tally = Tally::default();
            let mut tagged = Vec::new();
            for (key, write) in entries {
                match write {
                    Pending::Put(value) => {
                        // LMDB would also lend the place in its page to write to; but where that is may
                        // be nowhere, if somebody spoils the page.
                        tagged.clear();
                        tagged.extend_from_slice(value);
                        tagged.extend_from_slice(&self.secret.tag(key, value));
                        database.put(transaction, key, &tagged)?;
                        tally.written += 1;
                    }
                    Pending::Removed => {
                        tally.removed += 1;
                        if !database.delete(transaction, key)? {
                            tally.not_found += 1;
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(tally)
    }

    /// Checks the committed state that a write starts from. The right to write is held.
    fn preflight(
        &self,
        check: impl FnOnce(Pages<'_>, &Meta) -> Result<(), Damage>,
    ) -> Result<(), Trouble> {
        self.check_mapped()?;
        // The right to write is ours, so nobody who is alive holds LMDB's own.
        self.check_lock_table()?;
        self.locks.as_ref().map_or(Ok(()), LockTable::check_writer).map_err(distrust)?;
        let claim = self.env.read_txn().map_err(|error| self.trouble(&error))?;
        let sound = self.meta_of(claim.id() as u64).and_then(|meta| {
            if meta.transaction != claim.id() as u64 {
                return Err(Damage("a meta page has a wrong number"));
            }
            check(Pages::new(self.bytes(), &meta)?, &meta)
        });
        sound.map_err(distrust)
    }

    /// Removes all entries but the header.
    pub(super) fn clear(&self) -> Result<(), WriteFailure> {
        self.preflight(|_, meta| check(self.bytes(), meta))?;
        let header = header::compose(&self.secret);
        self.transact(|database, transaction| {
            database.clear(transaction)?;
            database.put(transaction, HEADER_KEY, &header)
        })
    }

    /// Writes the header: in new files, or as a small commit that lets freed pages grow old
    /// enough to be used again.
    pub(super) fn write_header(&self) -> Result<(), WriteFailure> {
        let path = [(HEADER_KEY, Pending::Put(&[]))];
        self.preflight(|pages, meta| check_batch(pages, meta, path.into_iter()))?;
        let header = header::compose(&self.secret);
        self.transact(|database, transaction| database.put(transaction, HEADER_KEY, &header))
    }

    fn transact(
        &self,
        work: impl FnOnce(&Database<'static, Bytes, Bytes>, &mut heed::RwTxn<'_>) -> heed::Result<()>,
    ) -> Result<(), WriteFailure> {
        // Whatever was missing before would be met by LMDB now.
        if self.has_faulted() {
            return Err(Trouble::Distrusted(Distrust::Truncated).into());
        }
        let done = abandonable(|| {
            let mut transaction = self.env.write_txn()?;
            work(&self.database, &mut transaction)?;
            transaction.commit()
        });
        match done {
            Ok(done) => done.map_err(|error| self.write_failure(error)),
            Err(lost) => {
                self.leave_transaction(lost);
                let why = match self.has_faulted() {
                    true => Distrust::Truncated,
                    false => Distrust::Damaged("a page was spoiled while it was written to"),
                };
                Err(Trouble::Distrusted(why).into())
            }
        }
    }

    /// After a transaction was given up: this thread still holds LMDB's mutex, and the C library keeps
    /// a list of what it holds.
    fn leave_transaction(&self, lost: Lost) {
        let is_released = self.locks.as_ref().is_some_and(LockTable::release_writer);
        self.abandoned.set(Some(Abandoned { is_released, lost }));
    }

    fn write_failure(&self, error: heed::Error) -> WriteFailure {
        match error {
            heed::Error::Mdb(MdbError::MapFull | MdbError::TxnFull) => WriteFailure::Full,
            heed::Error::Io(source) => {
                WriteFailure::Error(files::failed("write", &self.directory, source))
            }
            error => WriteFailure::Trouble(self.trouble(&error)),
        }
    }
}
