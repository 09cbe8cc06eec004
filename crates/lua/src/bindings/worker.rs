//! `worker`: identity and counters of the process. Coroutines are in the prelude.

use std::time::Duration;

use mlua::MultiValue;

use super::{Binding, Call};
use crate::convert::{Answer, Args};
use crate::host::{Reload, ReloadState};

pub(super) const BINDINGS: &[Binding] = &[
    Binding { name: "stats", usage: "stats()", doc: "counters of this process", call: stats },
    Binding {
        name: "reload",
        usage: "reload()",
        doc: "read the configuration anew and take it over if it is good",
        call: reload,
    },
    Binding {
        name: "reload_state",
        usage: "state, fault, count",
        doc: "how far a new configuration is",
        call: reload_state,
    },
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

/// `reload([step])`.
fn reload(call: &Call<'_>, args: &Args) -> Answer {
    let step = match args.text(0).as_deref() {
        None if args.is_nil(0) => Reload::Now,
        Some("prepare") => Reload::Prepare,
        Some("commit") => Reload::Commit,
        Some("abandon") => Reload::Abandon,
        _ => return Err("worker.reload() takes no arguments".into()),
    };
    call.host.reload(step)?;
    call.ok(true)
}

/// `reload_state()`: how far a new configuration is, why it is no good, how many were taken over.
fn reload_state(call: &Call<'_>, _args: &Args) -> Answer {
    let (state, count) = call.host.reload_state();
    let (word, fault) = match state {
        ReloadState::Idle => ("idle", None),
        ReloadState::Preparing => ("preparing", None),
        ReloadState::Prepared => ("prepared", None),
        ReloadState::Failed(text) => ("failed", Some(text)),
    };
    call.ok((word, fault, count))
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
