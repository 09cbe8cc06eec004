//! `detect_time_jump`: clears the cache when the clock was set back.
//!
//! Entries hold the time of day at which they were learnt; to a clock that was set back they seem
//! younger than they are. The monotonic clock tells such a jump from time that passed.

use std::time::Duration;

use resolve::{Layer, Mono, Now};

use crate::{Environment, Level, Module, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "detect_time_jump";

/// Log group.
const GROUP: &str = "timejm";
/// Time between two looks at the clocks.
const INTERVAL: Duration = Duration::from_secs(60);
/// The least jump that counts, in milliseconds, if nothing else is set.
const THRESHOLD: u64 = 10 * 60 * 1000;
/// The property that sets it.
const PROPERTY: &str = "threshold";

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(DetectTimeJump { shift: 0, next: None, threshold: THRESHOLD })
}

struct DetectTimeJump {
    /// The clock's lead over the monotonic one when they were compared last, in milliseconds.
    shift: i64,
    next: Option<Mono>,
    threshold: u64,
}

fn shift(now: Now) -> i64 {
    let milliseconds = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    milliseconds(now.unix.0).saturating_sub(milliseconds(now.mono.0 / 1_000_000))
}

impl Module for DetectTimeJump {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        None
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        let now = env.now();
        self.shift = shift(now);
        self.next = Some(now.mono + INTERVAL);
        Ok(())
    }

    fn get(&mut self, _env: &dyn Environment, property: &str) -> Option<Value> {
        (property == PROPERTY).then_some(Value::Number(self.threshold as f64))
    }

    fn set(
        &mut self,
        _env: &dyn Environment,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        let number = value.as_number().filter(|number| *number >= 0.0);
        Some(match number {
            _ if property != PROPERTY => {
                Err(Refusal::new(format!("there is no '{property}', only '{PROPERTY}'")))
            }
            None => Err(Refusal::new("threshold must be a number of milliseconds, 0 or larger")),
            Some(number) => {
                self.threshold = number as u64;
                Ok(())
            }
        })
    }

    fn deadline(&self) -> Option<Mono> {
        self.next
    }

    fn handle_deadline(&mut self, env: &dyn Environment) {
        let now = env.now();
        self.next = Some(now.mono + INTERVAL);
        let jump = shift(now).saturating_sub(self.shift);
        if jump.unsigned_abs() <= self.threshold {
            return;
        }
        self.shift = shift(now);
        let seconds = jump.unsigned_abs() / 1000;
        if jump < 0 {
            let text =
                format!("Detected backwards time jump of {seconds} seconds, clearing cache.");
            env.log(GROUP, Level::Notice, &text);
            env.clear_cache();
        } else {
            let text = format!(
                "Detected forward time jump of {seconds} seconds. (Suspend-resume, possibly.)"
            );
            env.log(GROUP, Level::Info, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use resolve::UnixTime;

    use super::*;
    use crate::testing::World;

    /// Sets the clock by some seconds and looks at what a minute later has happened.
    fn after_jump(world: &mut World, seconds: i64) -> (bool, Vec<String>) {
        let now = world.process.now.get();
        let unix = UnixTime(now.unix.0.saturating_add_signed(seconds * 1000));
        world.process.now.set(Now { unix, ..now });
        world.pass(INTERVAL);
        (world.process.cleared.take(), world.process.log.take())
    }

    #[test]
    fn a_clock_that_is_set_back_clears_the_cache() {
        let mut world = World::silent();
        world.load(NAME);
        let quiet = (false, Vec::new());
        assert_eq!(after_jump(&mut world, 0), quiet);
        assert_eq!(after_jump(&mut world, -599), quiet);
        // Small steps add up to a jump.
        assert_eq!(
            after_jump(&mut world, -2),
            (
                true,
                vec![
                    "timejm Notice Detected backwards time jump of 601 seconds, clearing cache."
                        .to_owned()
                ]
            )
        );
        assert_eq!(after_jump(&mut world, 0), quiet);
        let (cleared, log) = after_jump(&mut world, 86_400);
        assert!(!cleared);
        assert_eq!(
            log,
            [
                "timejm Info Detected forward time jump of 86400 seconds. (Suspend-resume, possibly.)"
            ]
        );
    }

    #[test]
    fn the_threshold_can_be_set() {
        let mut world = World::silent();
        world.load(NAME);
        assert_eq!(world.get(NAME, PROPERTY), Some(Value::Number(600_000.0)));
        assert_eq!(world.get(NAME, "other"), None);
        world.set(NAME, PROPERTY, Value::Number(5000.0));
        assert!(after_jump(&mut world, -6).0);
        let (_, module) = &mut world.modules[0];
        for (property, value) in [("x", Value::Number(1.0)), (PROPERTY, Value::text("y"))] {
            assert!(module.set(&world.process, property, &value).unwrap().is_err());
        }
    }
}
