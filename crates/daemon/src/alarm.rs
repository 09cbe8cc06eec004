//! The one timer of the resolver's deadlines.
//!
//! Deadlines move with each exchange, mostly to later. So the timer is only set anew for an
//! earlier one; when it goes off too early, the resolver says what it waits for now.

use std::cell::Cell;
use std::rc::Rc;

use resolve::Mono;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::worker::Worker;

/// When the resolver wants to be woken, and whether the timer knows.
#[derive(Default)]
pub(crate) struct Alarm {
    wanted: Cell<Option<Mono>>,
    armed: Cell<Option<Mono>>,
    earlier: Notify,
}

impl Alarm {
    /// The resolver's next deadline.
    pub(crate) fn set(&self, wanted: Option<Mono>) {
        self.wanted.set(wanted);
        if let Some(wanted) = wanted
            && self.armed.get().is_none_or(|armed| wanted < armed)
        {
            self.armed.set(Some(wanted));
            self.earlier.notify_one();
        }
    }
}

/// Tells the resolver when a deadline has come.
pub(crate) async fn ring(worker: Rc<Worker>) {
    let alarm = &worker.alarm;
    loop {
        let Some(wanted) = alarm.wanted.get() else {
            alarm.armed.set(None);
            alarm.earlier.notified().await;
            continue;
        };
        alarm.armed.set(Some(wanted));
        tokio::select! {
            () = alarm.earlier.notified() => {}
            () = sleep_until(worker.clock.instant(wanted)) => {
                // Only what is still wanted is due: it may have moved while the timer ran.
                if alarm.wanted.get().is_some_and(|wanted| wanted <= worker.now().mono) {
                    alarm.armed.set(None);
                    worker.turn("deadline", |core, now| core.handle_deadline(now));
                }
            }
        }
    }
}
