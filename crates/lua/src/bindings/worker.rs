//! `worker`: identity and counters of the process. Coroutines are in the prelude.

use std::time::Duration;

use mlua::MultiValue;

use super::{Binding, Call};
use crate::convert::{Answer, Args};

pub(super) const BINDINGS: &[Binding] = &[
    Binding { name: "stats", usage: "stats()", doc: "counters of this process", call: stats },
    Binding {
        name: "identity",
        usage: "id, pid, count, cwd, control_path",
        doc: "who this process is and where it runs",
        call: identity,
    },
    Binding {
        name: "block",
        usage: "sleep(seconds)",
        doc: "pause; in a coroutine without stopping anything else",
        call: block,
    },
];

/// Outside of a coroutine a pause stops the whole process; longer than this is a slip.
const BLOCKING_SLEEP_MAX_S: f64 = 60.0;

fn stats(call: &Call<'_>, _args: &Args) -> Answer {
    call.ok(call.numbers(&call.host.worker_stats())?)
}

/// `identity()`: instance, process id, number of processes, run directory, control directory.
fn identity(call: &Call<'_>, _args: &Args) -> Answer {
    let mut control = call.host.control_directory().to_string_lossy().into_owned();
    if !control.ends_with('/') {
        control.push('/');
    }
    call.ok((
        call.host.instance(),
        call.host.pid(),
        call.host.worker_count(),
        call.host.run_directory().to_string_lossy().into_owned(),
        control,
    ))
}

/// `block(seconds)`: stops this thread.
fn block(_call: &Call<'_>, args: &Args) -> Answer {
    let seconds = args.number(0).ok_or("expected 'sleep(number seconds)'")?;
    if !(0.0..=BLOCKING_SLEEP_MAX_S).contains(&seconds) {
        return Err("outside of a coroutine sleep() takes 0 to 60 seconds; \
                    use worker.coroutine() for longer pauses"
            .into());
    }
    std::thread::sleep(Duration::from_secs_f64(seconds));
    Ok(MultiValue::new())
}
