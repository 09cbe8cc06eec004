//! The timers behind `event.after` and `event.recurrent`, without a clock of their own.

use std::collections::{BTreeMap, BTreeSet};

/// How many timers there may be at once: enough for a million sleeping coroutines, and a bound on
/// what a runaway script can hold.
const TIMERS_MAX: usize = 4_000_000;

/// One timer: when it fires next and, if it repeats, how often.
#[derive(Clone, Copy, Debug)]
struct Timer {
    deadline: u64,
    interval: Option<u64>,
}

/// The prelude holds the callbacks of so many neighbouring ids together, and drops them together.
pub(crate) const IDS_TOGETHER: u64 = 128;

/// What is to be forgotten with a timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    /// Its callback.
    Callback,
    /// Those of all timers that it was held with: it was the last one of them.
    All,
}

/// All timers by deadline. Ids count up and are never used twice, so that a stale one is unknown. Trees,
/// since they grow a little at a time: a hash table of a million is moved as a whole.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    timers: BTreeMap<u64, Timer>,
    order: BTreeSet<(u64, u64)>,
    last_id: u64,
}

impl Timers {
    /// Starts a timer; `None` when there are too many.
    pub(crate) fn start(&mut self, deadline: u64, interval: Option<u64>) -> Option<u64> {
        if self.timers.len() >= TIMERS_MAX {
            return None;
        }
        self.last_id += 1;
        self.put(self.last_id, Timer { deadline, interval });
        Some(self.last_id)
    }

    /// A number for an event that is not a timer, from the same sequence.
    pub(crate) fn reserve_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Moves the next firing of a live timer. Returns whether it is live.
    pub(crate) fn reschedule(&mut self, id: u64, deadline: u64) -> bool {
        let Some(timer) = self.timers.get(&id).copied() else { return false };
        self.order.remove(&(timer.deadline, id));
        self.put(id, Timer { deadline, ..timer });
        true
    }

    /// Ends a timer; nothing if there is no such timer.
    pub(crate) fn cancel(&mut self, id: u64) -> Option<Over> {
        let timer = self.timers.remove(&id)?;
        self.order.remove(&(timer.deadline, id));
        let first = id - id % IDS_TOGETHER;
        let others = first..first + IDS_TOGETHER;
        // Ids that are still to come are held with it, too.
        let next = self.last_id + 1;
        let all = !others.contains(&next) && self.timers.range(others).next().is_none();
        Some(if all { Over::All } else { Over::Callback })
    }

    /// The id that was given last: timers with higher ones are not for a turn that begins now.
    pub(crate) fn newest(&self) -> u64 {
        self.last_id
    }

    /// Takes the earliest timer that is due at `now`, if its id is at most `newest`. A repeating one is started again before its
    /// callback runs; a single one stays known, without deadline, until [`Timers::settle`], so that
    /// its own callback can reschedule it.
    pub(crate) fn take_due(&mut self, now: u64, newest: u64) -> Option<u64> {
        let (deadline, id) = *self.order.first()?;
        if deadline > now || id > newest {
            return None;
        }
        self.order.pop_first();
        let timer = self.timers.get_mut(&id)?;
        match timer.interval {
            Some(interval) => {
                // At least one millisecond ahead: a timer of interval 0 must not keep the loop
                // from everything else.
                timer.deadline = now.saturating_add(interval.max(1));
                self.order.insert((timer.deadline, id));
            }
            None => timer.deadline = u64::MAX,
        }
        Some(id)
    }

    /// Forgets a single timer that has fired and was not rescheduled; nothing if it goes on, or was
    /// forgotten before.
    pub(crate) fn settle(&mut self, id: u64) -> Option<Over> {
        let timer = self.timers.get(&id)?;
        match self.order.contains(&(timer.deadline, id)) {
            true => None,
            false => self.cancel(id),
        }
    }

    /// When the next timer is due.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    fn put(&mut self, id: u64, timer: Timer) {
        self.timers.insert(id, timer);
        self.order.insert((timer.deadline, id));
    }
}

#[cfg(test)]
mod tests;
