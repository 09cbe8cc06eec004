//! Committing a batch, and making room for it when there is none.
//!
//! LMDB never overwrites a page that a snapshot may still read, so it can run out of pages for
//! two reasons. Either the store is full of entries, although a collector or the worker should have
//! made room before: then entries that are little used are removed, and if that does not help, all
//! of them are dropped as the last resort. Or a reader is asleep in the
//! middle of a turn and pins pages that were freed since: then dropping entries would not help.
//! The batch waits, and if that goes on for long, the files are left to the sleeper and made
//! anew.

use std::ops::ControlFlow;

use super::environment::Trouble;
use super::writing::{Tally, WriteFailure};
use super::*;
use crate::kv::overlay::Pending;
use crate::limits::{
    COMMIT_PIECE_ENTRIES, COMMIT_TRIES_MAX, FULL_PERCENT, PINNED_MAINTENANCES_MAX, PINNED_SKIP_MAX,
    ROOM_LOOKS_MAX, ROOM_REMOVALS_MAX, ROOM_TRIES_MAX,
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
    /// The same, after little used entries were removed.
    Roomed,
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
                    self.note_written(batch);
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
                        Effort::Pieces | Effort::Roomed | Effort::Emptied if !full => {
                            bump(&self.counters.pinned);
                            self.pinned.failed();
                            return Ok(Committed::Later);
                        }
                        Effort::Pieces if self.make_room() => Effort::Roomed,
                        Effort::Pieces | Effort::Roomed => {
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

    /// What is written again was wanted again; and what is new shall not be the first to go.
    fn note_written(&self, batch: &Overlay) {
        for (key, write) in batch.iter() {
            if let Pending::Put(_) = write
                && let Some((shared, place)) = self.place(key)
            {
                shared.note_use(place);
            }
        }
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

    /// Removes entries that are little used; whether there were any. Neighbours go together, as that
    /// takes the fewest pages.
    fn make_room(&mut self) -> bool {
        let mut removed = 0;
        for _ in 0..ROOM_TRIES_MAX {
            if removed >= ROOM_REMOVALS_MAX {
                break;
            }
            let after = std::mem::take(&mut self.hand);
            let mut hand = Vec::new();
            let mut batch = Overlay::default();
            let mut looks = 0;
            self.scan(Bound::Excluded(&after), &mut |key, _| {
                looks += 1;
                hand = key.to_vec();
                // One use is that of its writing.
                if self.uses(key) > 1 {
                    self.age(key);
                } else {
                    batch.set(key, None);
                }
                let enough = looks == ROOM_LOOKS_MAX;
                if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            // At the end of the keys the hand is empty, and begins a new round.
            self.hand = hand;
            let Some(environment) = &mut self.environment else { break };
            environment.end_snapshot();
            if batch.is_empty() {
                continue;
            }
            let Ok(Some(_lock)) = environment.lock_for_writing(true) else { break };
            match environment.write(&batch, 0..batch.len()) {
                Ok(tally) => removed += tally.removed,
                Err(_) => break,
            }
            // What is freed now can be used by the second transaction after this one.
            if environment.write_header().and_then(|()| environment.write_header()).is_err() {
                break;
            }
        }
        add(&self.counters.remove, removed);
        removed > 0
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
