//! `event`: timers and watched descriptors. The callbacks stay in the prelude, here are the ids.

use mlua::Value;

use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure};
use crate::host::FdWatch;
use crate::timers::Over;

pub(super) const BINDINGS: &[Binding] = &[
    Binding {
        name: "after",
        usage: "after(ms, function)",
        doc: "call a function once, later; returns the id of the event",
        call: after,
    },
    Binding {
        name: "recurrent",
        usage: "recurrent(ms, function)",
        doc: "call a function at once and then again and again; returns the id of the event",
        call: recurrent,
    },
    Binding {
        name: "reschedule",
        usage: "reschedule(id, ms)",
        doc: "move an event; returns whether it exists",
        call: reschedule,
    },
    Binding {
        name: "cancel",
        usage: "cancel(id)",
        doc: "end an event; returns whether it existed",
        call: cancel,
    },
    Binding {
        name: "socket",
        usage: "socket(fd, function)",
        doc: "call a function whenever a file descriptor is readable; returns the id of the event",
        call: socket,
    },
    Binding {
        name: "unwatch",
        usage: "cancel(id)",
        doc: "end the watching of a file descriptor",
        call: unwatch,
    },
];

/// Ten thousand years; what is more is a slip, and sums stay far from overflow.
const TIMEOUT_MS_MAX: f64 = 3.2e14;

const TOO_MANY: &str = "too many events";

/// What is over already is due at once, and for ever is as long as can be.
fn timeout(args: &Args, at: usize, usage: &str) -> Result<u64, Failure> {
    let ms = args.number(at).filter(|ms| !ms.is_nan()).ok_or(usage)?;
    Ok(ms.clamp(0.0, TIMEOUT_MS_MAX) as u64)
}

fn after(call: &Call<'_>, args: &Args) -> Answer {
    const USAGE: &str = "expected 'after(number timeout, function)'";
    let delay = timeout(args, 0, USAGE)?;
    if !matches!(args.value(1), Value::Function(_)) {
        return Err(USAGE.into());
    }
    let deadline = call.host.now_ms().saturating_add(delay);
    start(call, deadline, None)
}

/// The id of a new event.
fn start(call: &Call<'_>, deadline: u64, interval: Option<u64>) -> Answer {
    call.ok(call.state.timers.borrow_mut().start(deadline, interval).ok_or(TOO_MANY)?)
}

fn recurrent(call: &Call<'_>, args: &Args) -> Answer {
    const USAGE: &str = "expected 'recurrent(number interval, function)'";
    let interval = timeout(args, 0, USAGE)?;
    // Without a pause it would leave no time for anything else.
    if interval == 0 || !matches!(args.value(1), Value::Function(_)) {
        return Err(USAGE.into());
    }
    start(call, call.host.now_ms(), Some(interval))
}

/// An id as Lua holds it.
fn id(args: &Args, usage: &str) -> Result<u64, Failure> {
    args.number(0).map(|number| number as u64).ok_or_else(|| usage.into())
}

fn reschedule(call: &Call<'_>, args: &Args) -> Answer {
    const USAGE: &str = "expected 'reschedule(number event, number timeout)'";
    let id = id(args, USAGE)?;
    let deadline = call.host.now_ms().saturating_add(timeout(args, 1, USAGE)?);
    call.ok(call.state.timers.borrow_mut().reschedule(id, deadline))
}

/// `cancel(id)`: whether there was such a timer, and whether all that it was held with are over.
fn cancel(call: &Call<'_>, args: &Args) -> Answer {
    let id = id(args, "expected 'cancel(number event)'")?;
    let over = call.state.timers.borrow_mut().cancel(id);
    call.ok((over.is_some(), over == Some(Over::All)))
}

/// `socket(fd, function)`: the id of the event, and that of the watch.
fn socket(call: &Call<'_>, args: &Args) -> Answer {
    const USAGE: &str = "expected 'socket(number fd, function)'";
    let fd = args.integer(0).and_then(|fd| i32::try_from(fd).ok()).ok_or(USAGE)?;
    if !matches!(args.value(1), Value::Function(_)) {
        return Err(USAGE.into());
    }
    let watch =
        call.host.watch_fd(fd).map_err(|error| format!("couldn't start event poller: {error}"))?;
    call.ok((call.state.timers.borrow_mut().reserve_id(), watch.0))
}

fn unwatch(call: &Call<'_>, args: &Args) -> Answer {
    call.host.unwatch_fd(FdWatch(id(args, "expected 'cancel(number event)'")?));
    call.ok(true)
}
