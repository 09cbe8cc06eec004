//! The one clock of the program.
//!
//! Both readings come from libc through the standard library, so that tests which fake the time
//! fake all of it. Everything else is told the time as [`Now`].

use std::time::{Duration, Instant, SystemTime};

use resolve::{Mono, Now, UnixTime};

/// A clock with its fixed point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts counting.
    #[expect(clippy::disallowed_methods, reason = "the one clock")]
    pub(crate) fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Both clocks, read one after the other.
    #[expect(clippy::disallowed_methods, reason = "the one clock")]
    pub(crate) fn read(&self) -> Now {
        let mono = Instant::now().saturating_duration_since(self.origin);
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { mono: Mono::default() + mono, unix: UnixTime(milliseconds(unix)) }
    }

    /// The monotonic reading as `transport` wants it: time since the fixed point.
    pub(crate) fn elapsed(now: Now) -> Duration {
        now.mono.since(Mono::default())
    }

    /// A time since the fixed point in the terms of the runtime's timers.
    pub(crate) fn instant_at(&self, at: Duration) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + at)
    }

    /// A monotonic reading in the terms of the runtime's timers.
    pub(crate) fn instant(&self, at: Mono) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + at.since(Mono::default()))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
