//! What the workers of a group tell their parent about themselves, in memory that they share: whether
//! they serve, how far they are with a new configuration, and that they are alive.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use crate::os::shared;

/// The signal by which a worker asks its parent to look.
pub(crate) const LOOK: Signal = Signal::SIGUSR1;

/// What is known of each worker, a number each.
#[derive(Clone, Copy)]
enum Field {
    /// It serves (1).
    Serving,
    /// New configurations that it has begun to read, and those that it has come to an end with.
    Begun,
    Ended,
    /// The last of them was no good (1).
    Kept,
    /// Signs of life.
    Beats,
    /// Queries so far.
    Queries,
}

const FIELDS: usize = 6;

/// The shared memory, and whose place in it is ours.
#[derive(Clone, Copy)]
pub(crate) struct Roster {
    numbers: &'static [AtomicU64],
    parent: Pid,
    own: u32,
    /// How long the service manager waits for a sign of life.
    timeout: Option<Duration>,
}

impl Roster {
    /// To be made in the parent, before its workers.
    pub(crate) fn share(workers: u32, timeout: Option<Duration>) -> io::Result<Roster> {
        let numbers = shared::numbers(workers as usize * FIELDS)?;
        Ok(Roster { numbers, parent: Pid::this(), own: 0, timeout })
    }

    /// The same memory as the worker of this number sees it.
    pub(crate) fn of_worker(self, number: u32) -> Roster {
        Roster { own: number, ..self }
    }

    /// How long the service manager waits for a sign of life, if it does.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn number(&self, worker: u32, field: Field) -> Option<&AtomicU64> {
        self.numbers.get(worker as usize * FIELDS + field as usize)
    }

    fn set(&self, field: Field, value: u64) {
        if let Some(number) = self.number(self.own, field) {
            number.store(value, Relaxed);
        }
    }

    fn add(&self, field: Field) {
        if let Some(number) = self.number(self.own, field) {
            number.fetch_add(1, Relaxed);
        }
    }

    fn get(&self, worker: u32, field: Field) -> u64 {
        self.number(worker, field).map_or(0, |number| number.load(Relaxed))
    }

    /// Has the parent look. It is not there any more if the group is being ended by force.
    fn call_parent(&self) {
        if getppid() == self.parent {
            let _ended = kill(self.parent, LOOK);
        }
    }

    /// A worker: it serves.
    pub(crate) fn serves(&self) {
        self.set(Field::Serving, 1);
        self.call_parent();
    }

    /// A worker: it reads a new configuration.
    pub(crate) fn reloads(&self) {
        self.add(Field::Begun);
        self.call_parent();
    }

    /// A worker: that is over, and whether it came to nothing.
    pub(crate) fn has_reloaded(&self, kept: bool) {
        self.set(Field::Kept, kept.into());
        self.add(Field::Ended);
        self.call_parent();
    }

    /// A worker: it is alive, after so many queries.
    pub(crate) fn beat(&self, queries: u64) {
        self.set(Field::Queries, queries);
        self.add(Field::Beats);
    }

    /// The parent: the worker has ended; another may take its place.
    pub(super) fn forget(&self, worker: u32) {
        let from = worker as usize * FIELDS;
        self.numbers.iter().skip(from).take(FIELDS).for_each(|number| number.store(0, Relaxed));
    }

    /// The parent: does it serve?
    pub(super) fn is_serving(&self, worker: u32) -> bool {
        self.get(worker, Field::Serving) != 0
    }

    /// The parent: new configurations that it has come to an end with.
    pub(super) fn reloads_ended(&self, worker: u32) -> u64 {
        self.get(worker, Field::Ended)
    }

    /// The parent: is it reading one?
    pub(super) fn is_reloading(&self, worker: u32) -> bool {
        self.get(worker, Field::Begun) > self.get(worker, Field::Ended)
    }

    /// The parent: was the last one no good?
    pub(super) fn has_kept(&self, worker: u32) -> bool {
        self.get(worker, Field::Kept) != 0
    }

    /// The parent: signs of life so far.
    pub(super) fn beats(&self, worker: u32) -> u64 {
        self.get(worker, Field::Beats)
    }

    /// The parent: queries that were told.
    pub(super) fn queries(&self, worker: u32) -> u64 {
        self.get(worker, Field::Queries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_told_apart_and_forgotten() {
        let parent = Roster::share(2, None).unwrap();
        let worker = parent.of_worker(1);
        worker.set(Field::Serving, 1);
        worker.add(Field::Begun);
        worker.beat(7);
        assert!(parent.is_serving(1) && parent.is_reloading(1) && !parent.is_serving(0));
        assert_eq!((parent.beats(1), parent.queries(1), parent.queries(0)), (1, 7, 0));
        worker.add(Field::Ended);
        worker.set(Field::Kept, 1);
        assert!(!parent.is_reloading(1) && parent.has_kept(1) && parent.reloads_ended(1) == 1);
        parent.forget(1);
        assert!(!parent.is_serving(1) && !parent.has_kept(1) && parent.beats(1) == 0);
    }
}
