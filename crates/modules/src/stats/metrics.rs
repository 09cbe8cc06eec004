//! The built-in numbers of `stats`, under their names in the configuration language.

use std::cell::Cell;
use std::time::Duration;

/// One of the built-in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Metric(usize);

macro_rules! metrics {
    ($($constant:ident = $name:literal,)*) => {
        /// The names, in the order of the alphabet.
        const NAMES: &[&str] = &[$($name),*];
        metrics!(@number 0, $($constant,)*);
    };
    (@number $at:expr, $constant:ident, $($rest:ident,)*) => {
        impl Metric {
            #[allow(dead_code, reason = "some are there for their names only")]
            pub(super) const $constant: Metric = Metric($at);
        }
        metrics!(@number $at + 1, $($rest,)*);
    };
    (@number $at:expr,) => {
        const COUNT: usize = $at;
    };
}

metrics! {
    ANSWER_1000MS = "answer.1000ms",
    ANSWER_100MS = "answer.100ms",
    ANSWER_10MS = "answer.10ms",
    ANSWER_1500MS = "answer.1500ms",
    ANSWER_1MS = "answer.1ms",
    ANSWER_250MS = "answer.250ms",
    ANSWER_500MS = "answer.500ms",
    ANSWER_50MS = "answer.50ms",
    ANSWER_AA = "answer.aa",
    ANSWER_AD = "answer.ad",
    ANSWER_CACHED = "answer.cached",
    ANSWER_CD = "answer.cd",
    ANSWER_DO = "answer.do",
    ANSWER_EDNS0 = "answer.edns0",
    ANSWER_NODATA = "answer.nodata",
    ANSWER_NOERROR = "answer.noerror",
    ANSWER_NXDOMAIN = "answer.nxdomain",
    ANSWER_RA = "answer.ra",
    ANSWER_RD = "answer.rd",
    ANSWER_SERVFAIL = "answer.servfail",
    ANSWER_SLOW = "answer.slow",
    ANSWER_TC = "answer.tc",
    ANSWER_TOTAL = "answer.total",
    QUERY_DNSSEC = "query.dnssec",
    QUERY_EDNS = "query.edns",
    REQUEST_DOH = "request.doh",
    REQUEST_DOT = "request.dot",
    REQUEST_INTERNAL = "request.internal",
    REQUEST_TCP = "request.tcp",
    REQUEST_TOTAL = "request.total",
    REQUEST_UDP = "request.udp",
    REQUEST_XDP = "request.xdp",
}

/// Upper bounds of the latencies told apart, in milliseconds; what takes longer is slow.
const LATENCIES: [(u64, Metric); 8] = [
    (1, Metric::ANSWER_1MS),
    (10, Metric::ANSWER_10MS),
    (50, Metric::ANSWER_50MS),
    (100, Metric::ANSWER_100MS),
    (250, Metric::ANSWER_250MS),
    (500, Metric::ANSWER_500MS),
    (1000, Metric::ANSWER_1000MS),
    (1500, Metric::ANSWER_1500MS),
];

impl Metric {
    /// The one of that name.
    pub(super) fn find(name: &str) -> Option<Metric> {
        NAMES.iter().position(|known| *known == name).map(Metric)
    }

    /// All of them, by name.
    pub(super) fn all() -> impl Iterator<Item = Metric> {
        (0..COUNT).map(Metric)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES[self.0]
    }

    /// The one for answers that took so long.
    pub(super) fn of_latency(time: Duration) -> Metric {
        let ms = time.as_micros().div_ceil(1000) as u64;
        let found = LATENCIES.iter().find(|(bound, _)| ms <= *bound);
        found.map_or(Metric::ANSWER_SLOW, |(_, metric)| *metric)
    }
}

/// Their values.
#[derive(Debug)]
pub(super) struct Metrics {
    values: [Cell<u64>; COUNT],
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics { values: [const { Cell::new(0) }; COUNT] }
    }
}

impl Metrics {
    #[inline]
    pub(super) fn add(&self, metric: Metric) {
        self.add_if(metric, true);
    }

    /// Adds one or nothing, without a branch.
    #[inline]
    pub(super) fn add_if(&self, metric: Metric, one: bool) {
        let value = &self.values[metric.0];
        value.set(value.get().wrapping_add(u64::from(one)));
    }

    pub(super) fn get(&self, metric: Metric) -> u64 {
        self.values[metric.0].get()
    }

    pub(super) fn set(&self, metric: Metric, value: u64) {
        self.values[metric.0].set(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_metric() {
        assert_eq!(NAMES.len(), COUNT);
        assert!(NAMES.is_sorted());
        assert_eq!(Metric::find("answer.cached"), Some(Metric::ANSWER_CACHED));
        assert_eq!(Metric::find("request.xdp"), Some(Metric::REQUEST_XDP));
        assert_eq!(Metric::find("answer.nothing"), None);
        assert_eq!(Metric::ANSWER_TOTAL.name(), "answer.total");
    }

    #[test]
    fn latencies_fall_between_their_bounds() {
        let of = |micros| Metric::of_latency(Duration::from_micros(micros)).name();
        assert_eq!(of(0), "answer.1ms");
        assert_eq!(of(1000), "answer.1ms");
        assert_eq!(of(1001), "answer.10ms");
        assert_eq!(of(250_000), "answer.250ms");
        assert_eq!(of(1_500_000), "answer.1500ms");
        assert_eq!(of(1_500_001), "answer.slow");
    }
}
