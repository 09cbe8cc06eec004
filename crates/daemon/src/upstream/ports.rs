//! Source ports of questions: drawn from the full range by a cryptographic generator.
//!
//! A port is bound by hand because the kernel's own choice comes from half the range, and each is
//! new because a port that was guessed once must be worth nothing afterwards (RFC 5452 §9.2).

use rand_chacha::ChaCha12Rng;
use rand_core::RngCore;

use crate::limits::PORT_MIN;

/// The generator of ports.
pub(super) struct Ports {
    random: ChaCha12Rng,
}

impl Ports {
    /// A generator; the seed comes from the operating system.
    pub(super) fn new(random: ChaCha12Rng) -> Ports {
        Ports { random }
    }

    /// A port from [`PORT_MIN`] to 65535, each as likely as any other.
    pub(super) fn draw(&mut self) -> u16 {
        // Each draw is refused once in 64 times; the bound is never met.
        for _ in 0..100 {
            let [high, low, ..] = self.random.next_u32().to_ne_bytes();
            let port = u16::from_ne_bytes([high, low]);
            if port >= PORT_MIN {
                return port;
            }
        }
        PORT_MIN
    }
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn ports_cover_the_range_evenly() {
        let mut ports = Ports::new(ChaCha12Rng::from_seed([7; 32]));
        let mut buckets = [0u32; 64];
        const DRAWS: u32 = 63_000 * 4;
        for _ in 0..DRAWS {
            let port = ports.draw();
            assert!(port >= PORT_MIN);
            buckets[usize::from(port >> 10)] += 1;
        }
        assert_eq!(buckets[0], 0);
        let expected = f64::from(DRAWS) / 63.0;
        let chi: f64 =
            buckets[1..].iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        // 62 degrees of freedom: beyond 114 with probability 1/20,000.
        assert!(chi < 114.0, "chi squared {chi}");
    }
}
