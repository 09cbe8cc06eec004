//! The clock of a simulated world: it stands still until the test moves it.
//!
//! Both readings move together, so TTLs and deadlines see the same time pass.

use std::time::Duration;

use resolve::{Mono, Now, UnixTime};

/// Monotonic time at the start of every world. Not zero, so that "a second before the start" is a
/// point in time as well.
const START: Mono = Mono(1_000_000_000_000);

/// A clock that only the test advances.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Now,
    elapsed: Duration,
}

impl Clock {
    /// A clock whose wall time begins at `unix`.
    pub fn starting_at(unix: UnixTime) -> Clock {
        Clock { start: Now { mono: START, unix }, elapsed: Duration::ZERO }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        Now {
            mono: self.start.mono + self.elapsed,
            unix: UnixTime(self.start.unix.0.saturating_add(millis)),
        }
    }

    /// Time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Moves on to a moment; one in the past changes nothing.
    pub fn advance_to(&mut self, mono: Mono) {
        self.elapsed = self.elapsed.max(mono.since(self.start.mono));
    }

    /// Moves on by a span.
    pub fn advance(&mut self, span: Duration) {
        self.elapsed = self.elapsed.saturating_add(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_readings_move_together_and_never_back() {
        let mut clock = Clock::starting_at(UnixTime::from_seconds(1_000));
        let start = clock.now();
        clock.advance(Duration::from_millis(2_500));
        let later = clock.now();
        assert_eq!(later.mono.since(start.mono), Duration::from_millis(2_500));
        assert_eq!(later.unix.0 - start.unix.0, 2_500);
        clock.advance_to(start.mono);
        assert_eq!(clock.now(), later);
    }
}
