//! Committing a batch, and making room for it when there is none.
//!
//! LMDB never overwrites a page that a snapshot may still read, so it can run out of pages for
//! two reasons. Either the store is full of entries: then all of them are dropped, as a last
//! resort of its own; a collector should have made room before. Or a reader is asleep in the
//! middle of a turn and pins pages that were freed since: then dropping entries would not help.
//! The batch waits, and if that goes on for long, the files are left to the sleeper and made
//! anew.

use super::environment::{Tally, Trouble, WriteFailure};
use super::*;
use crate::limits::{
    COMMIT_PIECE_ENTRIES, COMMIT_TRIES_MAX, FULL_PERCENT, PINNED_MAINTENANCES_MAX, PINNED_SKIP_MAX,
};

/// Whether commits wait for a reader, and for how long already.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    waiting: bool,
    maintenances: u32,
    /// Commits to put off without a try, since a try in vain is expensive.
    skip: u32,
    skipped: u32,
}

impl Pinned {
    /// Whether the next commit is to be put off as well.
    fn put_off(&mut self) -> bool {
        if self.skipped < self.skip {
            self.skipped += 1;
            return true;
        }
        false
    }

    /// A try was in vain: the next one comes after twice as many.
    fn failed(&mut self) {
        self.waiting = true;
        self.skip = (2 * self.skip + 1).min(PINNED_SKIP_MAX);
        self.skipped = 0;
    }
}

/// How hard one try goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// All in one transaction.
    Whole,
    /// In small ones, each of which needs fewer pages and lets earlier ones grow old enough to
    /// be used again.
    Pieces,
    /// The same, after everything else was dropped.
    Emptied,
}

impl Lmdb {
    /// Commits a batch that is not empty, to an environment that was usable just now.
    pub(super) fn commit(&mut self, batch: &Overlay, wait: bool) -> Result<Committed, StoreError> {
        if !wait && self.pinned.put_off() {
            bump(&self.counters.pinned);
            return Ok(Committed::Later);
        }
        let mut effort = Effort::Whole;
        for _ in 0..COMMIT_TRIES_MAX {
            match self.try_commit(batch, wait, effort) {
                Ok(Some(tally)) => {
                    add(&self.counters.write, tally.written);
                    add(&self.counters.remove, tally.removed);
                    add(&self.counters.remove_miss, tally.not_found);
                    self.pinned = Pinned::default();
                    return Ok(Committed::Done);
                }
                Ok(None) => return Ok(Committed::Later),
                Err(WriteFailure::Error(error)) => return Err(error),
                Err(WriteFailure::Trouble(trouble)) => match self.mend(trouble) {
                    Err(StoreError::Busy) => return Ok(Committed::Later),
                    other => other?,
                },
                Err(WriteFailure::Full) => {
                    bump(&self.counters.full);
                    let full = self.is_full();
                    effort = match effort {
                        Effort::Whole => {
                            self.clear_stale_readers();
                            Effort::Pieces
                        }
                        Effort::Pieces | Effort::Emptied if !full => {
                            bump(&self.counters.pinned);
                            self.pinned.failed();
                            return Ok(Committed::Later);
                        }
                        Effort::Pieces => {
                            self.drop_all()?;
                            Effort::Emptied
                        }
                        Effort::Emptied => return Err(StoreError::Full),
                    };
                }
            }
        }
        Err(StoreError::Full)
    }

    /// Gives up on readers that have pinned pages for too long.
    pub(super) fn wait_for_pinned_pages(&mut self) {
        if self.pinned.waiting {
            self.pinned.maintenances += 1;
            self.pinned.skip = 0;
            if self.pinned.maintenances > PINNED_MAINTENANCES_MAX {
                self.pinned = Pinned::default();
                self.trouble.set(Some(Trouble::Distrusted(Distrust::Stuck)));
            }
        }
    }

    /// One try. Nothing if another process is writing.
    fn try_commit(
        &self,
        batch: &Overlay,
        wait: bool,
        effort: Effort,
    ) -> Result<Option<Tally>, WriteFailure> {
        let environment =
            self.environment.as_ref().ok_or(WriteFailure::Error(StoreError::Closed))?;
        environment.inspect()?;
        let Some(_lock) = environment.lock_for_writing(wait).map_err(WriteFailure::Error)? else {
            return Ok(None);
        };
        if effort == Effort::Whole {
            return environment.write(batch, 0..batch.len()).map(Some);
        }
        // Pages that a transaction frees can be used by the second one after it.
        environment.write_header()?;
        environment.write_header()?;
        let mut sum = Tally::default();
        for start in (0..batch.len()).step_by(COMMIT_PIECE_ENTRIES) {
            let end = batch.len().min(start + COMMIT_PIECE_ENTRIES);
            let tally = environment.write(batch, start..end)?;
            sum.written += tally.written;
            sum.removed += tally.removed;
            sum.not_found += tally.not_found;
        }
        Ok(Some(sum))
    }

    /// Whether entries fill the store, rather than pages that a reader pins.
    fn is_full(&mut self) -> bool {
        let percent = self.usage().percent();
        if let Some(environment) = &mut self.environment {
            environment.end_snapshot();
        }
        percent >= FULL_PERCENT
    }
}
