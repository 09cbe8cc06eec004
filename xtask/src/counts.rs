//! The main function of bench programs whose instructions are counted.
//!
//! A bench program is `crates/ROOM/benches/counts.rs`: a list of scenarios, each a function that
//! prepares what it needs and then repeats one operation as often as it is told. Counting runs it
//! with two numbers of repetitions under callgrind; the difference is what the repetitions cost,
//! and the preparation cancels out. See `bench` for the other side.

use std::time::Instant;

/// One operation to be measured.
pub struct Scenario {
    /// How reports and the baseline call it: `room.what.of`.
    pub name: &'static str,
    /// Prepares, then repeats the operation this often.
    pub repeat: fn(usize),
}

/// Repetitions for a figure in time.
const TIMED_REPETITIONS: usize = 100_000;

/// Does what the command line says: `--list`, `--repeat NAME N`, or, as under `cargo bench`, times
/// every scenario.
pub fn main(scenarios: &[Scenario]) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--list", ..] => scenarios.iter().for_each(|scenario| println!("{}", scenario.name)),
        ["--repeat", name, repetitions, ..] => {
            let scenario = scenarios.iter().find(|scenario| scenario.name == *name);
            match (scenario, repetitions.parse()) {
                (Some(scenario), Ok(repetitions)) => (scenario.repeat)(repetitions),
                _ => std::process::exit(2),
            }
        }
        // `cargo test` runs bench programs too, only to see that they work.
        ["--test", ..] => scenarios.iter().for_each(|scenario| (scenario.repeat)(1)),
        _ => scenarios.iter().for_each(time),
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time(scenario: &Scenario) {
    (scenario.repeat)(TIMED_REPETITIONS / 10);
    let begun = Instant::now();
    (scenario.repeat)(TIMED_REPETITIONS);
    let nanoseconds = begun.elapsed().as_nanos() as f64 / TIMED_REPETITIONS as f64;
    println!("{:40} {nanoseconds:10.1} ns", scenario.name);
}
