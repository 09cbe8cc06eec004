//! Many events and coroutines: `cargo bench -p lua --bench scale [events coroutines]`.
//!
//! Prints how long they took, the longest turn of the loop in processor time of the thread, so that what else
//! the machine does is not counted, and in all (what a client would have waited), how many turns took more
//! than 10 ms of processor time, and what Lua holds before and after: the same, or something leaks. A
//! hypervisor that takes the processor away is counted in both.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::rc::Rc;
use std::time::{Duration, Instant};

use lua::Interpreter;
use xtask::lab::thread_time;

#[path = "../tests/it/recording.rs"]
#[expect(dead_code, reason = "the tests look at more of it")]
mod recording;

use recording::RecordingHost;

/// That of the programs: the one of the system cleans up in one go at times.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A turn that is longer keeps clients waiting.
const STALL: Duration = Duration::from_millis(10);

struct Bench {
    host: Rc<RecordingHost>,
    lua: Interpreter,
}

impl Bench {
    fn new() -> Bench {
        let host = Rc::new(RecordingHost::new(&std::env::temp_dir()));
        let lua = Interpreter::new(host.clone()).unwrap();
        lua.start_counting().unwrap();
        Bench { host, lua }
    }

    fn eval(&self, line: &str) -> String {
        let answer = self.lua.eval_line(line.as_bytes());
        String::from_utf8(answer.unwrap_or_else(|error| error)).unwrap()
    }

    /// Kilobytes that Lua holds after a full collection.
    fn kilobytes(&self) -> f64 {
        self.eval("collectgarbage()");
        self.eval("collectgarbage()");
        self.eval("collectgarbage('count')").parse().unwrap()
    }

    /// Runs the loop until nothing is due any more; the longest turn in processor time and in all, and
    /// how many were too long.
    fn run(&self) -> (Duration, Duration, usize) {
        let (mut longest, mut waited, mut stalls) = (Duration::ZERO, Duration::ZERO, 0);
        while let Some(deadline) = self.lua.next_deadline() {
            self.host.now.set(deadline.max(self.host.now.get()));
            let (turn, begun) = (Instant::now(), thread_time());
            self.lua.handle_deadline();
            let took = thread_time().saturating_sub(begun);
            waited = waited.max(turn.elapsed());
            longest = longest.max(took);
            stalls += usize::from(took > STALL);
        }
        (longest, waited, stalls)
    }

    fn measure(&self, label: &str, start: &str, done: &str) {
        let before = self.kilobytes();
        let begun = Instant::now();
        let answer = self.eval(start);
        assert_eq!(answer, "", "{answer}");
        let started = begun.elapsed();
        let (longest, waited, stalls) = self.run();
        let took = begun.elapsed();
        println!(
            "{label}: started in {started:?}, all in {took:?}, longest turn {longest:?} \
             ({waited:?} in all), {stalls} stalls, done {}, {before:.0} kB before, {:.0} kB after",
            self.eval(done),
            self.kilobytes(),
        );
    }
}

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u32>().ok());
    let events = numbers.next().unwrap_or(1_000_000);
    let coroutines = numbers.next().unwrap_or(100_000);
    let bench = Bench::new();
    bench.eval("fired, woken = 0, 0");
    // The first round grows tables that stay.
    for round in 1..=3 {
        // A command may run for two seconds: events are started by events.
        let start = format!(
            "local left = {events} \
             local function some() for i = 1, math.min(left, 250) do \
             event.after(i % 997 * 10, function () fired = fired + 1 end) end \
             left = left - 250 if left > 0 then event.after(0, some) end end some()"
        );
        bench.measure(&format!("{events} events, round {round}"), &start, "fired");
        let start = format!(
            "local left = {coroutines} \
             local function some() for i = 1, math.min(left, 250) do \
             worker.coroutine(function () worker.sleep(i % 97 / 10) worker.sleep(i % 7 / 10) \
             woken = woken + 1 end) end \
             left = left - 250 if left > 0 then event.after(0, some) end end some()"
        );
        bench.measure(&format!("{coroutines} coroutines, round {round}"), &start, "woken");
    }
}
