//! Estimate of a round-trip time from samples (RFC 6298 §2).

use std::time::Duration;

use crate::limits::{TIMEOUT_MAX, TIMEOUT_MIN};

/// Smoothed round-trip time and its variation, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rtt {
    smoothed_us: u32,
    variation_us: u32,
}

impl Rtt {
    /// From the first sample.
    pub fn new(sample: Duration) -> Rtt {
        let sample = micros(sample);
        Rtt { smoothed_us: sample, variation_us: sample / 2 }
    }

    /// Takes another sample in (RFC 6298 §2.3: alpha 1/8, beta 1/4).
    pub fn add(&mut self, sample: Duration) {
        let sample = micros(sample);
        let error = self.smoothed_us.abs_diff(sample);
        self.variation_us = self.variation_us - self.variation_us / 4 + error / 4;
        self.smoothed_us = self.smoothed_us - self.smoothed_us / 8 + sample / 8;
    }

    /// From what another worker found out: the estimate and its variation, in microseconds.
    pub fn from_parts(smoothed_us: u32, variation_us: u32) -> Rtt {
        Rtt {
            smoothed_us: smoothed_us.min(SAMPLE_US_MAX),
            variation_us: variation_us.min(SAMPLE_US_MAX),
        }
    }

    /// The estimate and its variation, in microseconds.
    pub fn parts(&self) -> (u32, u32) {
        (self.smoothed_us, self.variation_us)
    }

    /// The estimate.
    pub fn smoothed(&self) -> Duration {
        Duration::from_micros(u64::from(self.smoothed_us))
    }

    /// When to expect no reply any more.
    pub fn timeout(&self) -> Duration {
        let us = u64::from(self.smoothed_us) + 4 * u64::from(self.variation_us);
        Duration::from_micros(us).clamp(TIMEOUT_MIN, TIMEOUT_MAX)
    }
}

/// A minute in microseconds: longer samples say nothing more.
const SAMPLE_US_MAX: u32 = 60_000_000;

fn micros(sample: Duration) -> u32 {
    u32::try_from(sample.as_micros()).unwrap_or(u32::MAX).min(SAMPLE_US_MAX)
}
