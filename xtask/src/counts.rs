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

/// Repetitions for a figure in time, and those whose time is taken off with that of preparing.
const TIMED_REPETITIONS: usize = 20_000;
const PREPARED_REPETITIONS: usize = 100;

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

/// Rounds whose fastest is the figure: what else the machine does only ever adds to one.
const TIMED_ROUNDS: usize = 10;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time(scenario: &Scenario) {
    let mut least = f64::MAX;
    for _ in 0..TIMED_ROUNDS {
        let begun = Instant::now();
        (scenario.repeat)(PREPARED_REPETITIONS);
        let prepared = begun.elapsed();
        let begun = Instant::now();
        (scenario.repeat)(PREPARED_REPETITIONS + TIMED_REPETITIONS);
        let took = begun.elapsed().saturating_sub(prepared);
        least = least.min(took.as_nanos() as f64 / TIMED_REPETITIONS as f64);
    }
    println!("{:40} {least:10.1} ns", scenario.name);
}
