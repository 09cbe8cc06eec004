//! The worker and the interpreter together: commands, timers and events of the configuration.

use std::rc::Rc;

use lua::Interpreter;
use lua::console::{Session, SessionState};
use lua::host::QueryId;
use resolve::Mono;
use tokio::sync::Notify;
use tokio::time::{Duration, MissedTickBehavior, interval, sleep_until};

use crate::host::DaemonHost;
use crate::token::as_module_question;

/// A configured process.
pub(crate) struct Program {
    pub(crate) host: Rc<DaemonHost>,
    pub(crate) interpreter: Interpreter,
    quiet: bool,
    /// Lua was entered: its next deadline may be another one.
    entered: Notify,
}

impl Program {
    /// A program whose configuration has been loaded.
    pub(crate) fn new(host: Rc<DaemonHost>, interpreter: Interpreter, quiet: bool) -> Program {
        Program { host, interpreter, quiet, entered: Notify::new() }
    }

    /// No prompts?
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Has the end been asked for?
    pub(crate) fn is_quitting(&self) -> bool {
        self.host.quitting.get()
    }

    /// Tells the configuration that anchors which it reads and does not keep up to date are not what
    /// their zone publishes.
    pub(crate) fn anchors_are_outdated(&self, file: &str) {
        self.interpreter.handle_anchors_outdated(file);
        self.entered.notify_one();
    }

    /// Takes input of a console; what its commands have set holds when this returns.
    pub(crate) fn handle_console(
        &self,
        session: &mut Session,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> SessionState {
        let state = self.interpreter.handle_console(session, input, out);
        self.host.worker.apply();
        self.entered.notify_one();
        state
    }
}

/// How often the store is looked after.
const UPKEEP: Duration = Duration::from_secs(1);

/// Looks after the store.
pub(crate) async fn maintain(program: Rc<Program>) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        program.host.maintain_cache();
        program.host.maintain_rules();
    }
}

/// Runs Lua's timers and callbacks.
pub(crate) async fn run(program: Rc<Program>) {
    let worker = &program.host.worker;
    loop {
        let deadline = program.interpreter.next_deadline();
        let due = async {
            match deadline {
                Some(ms) => {
                    let at = Mono::default() + Duration::from_millis(ms);
                    sleep_until(worker.clock.instant(at)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = program.entered.notified() => {}
            () = due => program.interpreter.handle_deadline(),
            () = worker.answers.arrived() => {
                while let Some((number, wire)) = worker.answers.take() {
                    if let Some((module, question)) = as_module_question(number) {
                        program.host.answer_module(module, question, wire.as_deref());
                        continue;
                    }
                    program.interpreter.handle_resolved(QueryId(number.into()), wire.as_deref());
                }
            }
            ready = program.host.watches.ready() => {
                for (watch, status) in ready {
                    program.interpreter.handle_readable(watch, status);
                }
                tokio::task::yield_now().await;
            }
        }
        worker.apply();
    }
}
