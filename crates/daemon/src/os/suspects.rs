//! What workers leave behind when they end without warning: the question that each of them was working
//! on, in memory that it shares with its parent. The parent counts, and what has ended workers again
//! and again is condemned.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::shared;
use crate::limits::{CONDEMNED_AFTER, SUSPECTS_MAX};

/// The shared memory, and whose place in it is ours.
///
/// One number for each worker: its question, or zero. Then the number of condemned questions, and for
/// each suspect its question and how many workers it has ended.
#[derive(Clone, Copy)]
pub(crate) struct Suspects {
    numbers: &'static [AtomicU64],
    workers: usize,
    own: usize,
    key: (u64, u64),
}

impl Suspects {
    /// Makes the memory, to be shared with the processes that are forked from this one.
    pub(crate) fn share(workers: u32, key: (u64, u64)) -> io::Result<Suspects> {
        let workers = workers as usize;
        let count = workers + 1 + 2 * SUSPECTS_MAX;
        let numbers = shared::numbers(count)?;
        Ok(Suspects { numbers, workers, own: 0, key })
    }

    /// The same memory as the worker of this number sees it.
    pub(crate) fn of_worker(self, number: u32) -> Suspects {
        Suspects { own: number as usize, ..self }
    }

    fn number(&self, at: usize) -> Option<&AtomicU64> {
        self.numbers.get(at)
    }

    /// In the parent: a worker has ended without having been asked to. How often its question has done
    /// so, if it was working on one.
    pub(crate) fn note_end(&self, worker: u32) -> Option<u64> {
        let question = self.number(worker as usize)?.swap(0, Relaxed);
        if question == 0 {
            return None;
        }
        let suspects = || (0..SUSPECTS_MAX).map(|n| self.workers + 1 + 2 * n);
        let of = |at: usize| self.number(at).map_or(0, |number| number.load(Relaxed));
        // The one that is known, or a free place, or that of the one that has done the least harm.
        let at = suspects()
            .find(|at| of(*at) == question)
            .or_else(|| suspects().min_by_key(|at| of(*at + 1)))?;
        let times = if of(at) == question { of(at + 1) + 1 } else { 1 };
        self.number(at)?.store(question, Relaxed);
        self.number(at + 1)?.store(times, Relaxed);
        let condemned = suspects().filter(|at| of(*at + 1) >= CONDEMNED_AFTER).count();
        self.number(self.workers)?.store(condemned as u64, Relaxed);
        Some(times)
    }
}

impl resolve::Suspects for Suspects {
    fn key(&self) -> (u64, u64) {
        self.key
    }

    fn begin(&self, question: u64) {
        if let Some(number) = self.number(self.own) {
            number.store(question, Relaxed);
        }
    }

    fn end(&self) {
        self.begin(0);
    }

    fn is_condemned(&self, question: u64) -> bool {
        // Nearly always there are none.
        if self.number(self.workers).is_none_or(|number| number.load(Relaxed) == 0) {
            return false;
        }
        let suspects = self.numbers.get(self.workers + 1..).unwrap_or_default();
        suspects.chunks_exact(2).any(|suspect| {
            matches!(suspect, [who, times]
                if who.load(Relaxed) == question && times.load(Relaxed) >= CONDEMNED_AFTER)
        })
    }
}

#[cfg(test)]
mod tests {
    use resolve::Suspects as _;

    use super::*;

    #[test]
    fn what_has_ended_workers_thrice_is_condemned() {
        let parent = Suspects::share(3, (1, 2)).unwrap();
        let worker = parent.of_worker(2);
        assert_eq!(parent.note_end(2), None, "it was idle");
        for times in 1..=CONDEMNED_AFTER {
            assert!(!worker.is_condemned(77));
            worker.begin(77);
            assert_eq!(parent.note_end(2), Some(times));
        }
        assert!(worker.is_condemned(77) && !worker.is_condemned(78));
        worker.begin(5);
        worker.end();
        assert_eq!(parent.note_end(2), None);
    }

    #[test]
    fn many_suspects_do_not_displace_one_that_is_condemned() {
        let parent = Suspects::share(1, (1, 2)).unwrap();
        for question in [7; CONDEMNED_AFTER as usize].into_iter().chain(100..1000) {
            parent.begin(question);
            parent.note_end(0);
        }
        assert!(parent.is_condemned(7));
    }
}
