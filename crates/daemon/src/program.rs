//! The worker and the interpreter together: commands, timers and events of the configuration.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use lua::console::{Session, SessionState};
use lua::host::QueryId;
use lua::{Interpreter, QueryCallbacks};
use resolve::Mono;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Duration, MissedTickBehavior, interval, sleep_until};

use crate::host::{DaemonHost, follow_anchors, run_modules};
use crate::logging::Saved;
use crate::token::as_module_question;
use crate::worker::Worker;
use crate::{alarm, upstream};

/// A configuration with everything that serves by it.
pub(crate) struct Program {
    pub(crate) host: Rc<DaemonHost>,
    pub(crate) interpreter: Interpreter,
    /// Lua was entered: its next deadline may be another one.
    entered: Notify,
    /// What asks upstreams and keeps deadlines.
    engine: Tasks,
    /// What acts on behalf of the configuration.
    duties: Tasks,
    /// What the configuration has said about the log, if it is not in force yet.
    log: Cell<Option<Saved>>,
}

/// Tasks that end together.
#[derive(Default)]
struct Tasks(RefCell<Vec<AbortHandle>>);

impl Tasks {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push(spawn_local(task).abort_handle());
    }

    fn end(&self) {
        for task in self.0.take() {
            task.abort();
        }
    }
}

impl Program {
    /// A program whose configuration has been loaded. It can resolve, and serves nobody yet.
    pub(crate) fn new(host: Rc<DaemonHost>, interpreter: Interpreter) -> Program {
        let engine = Tasks::default();
        engine.spawn(alarm::ring(host.worker.clone()));
        engine.spawn(upstream::udp::receive(host.worker.clone()));
        engine.spawn(upstream::udp::look(host.worker.clone()));
        Program {
            host,
            interpreter,
            entered: Notify::new(),
            engine,
            duties: Tasks::default(),
            log: Cell::new(None),
        }
    }

    /// The worker.
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.host.worker
    }

    /// Begins to serve clients and to do what the configuration says.
    pub(crate) fn begin(self: &Rc<Self>) {
        self.worker().listeners.begin(self.worker());
        self.duties.spawn(run(self.clone()));
        self.duties.spawn(maintain(self.clone()));
        self.duties.spawn(run_modules(self.host.clone()));
        self.duties.spawn(follow_anchors(self.clone()));
    }

    /// Takes nothing new from now on; what is under way goes on.
    pub(crate) fn stop_serving(&self) {
        self.duties.end();
        self.worker().listeners.pause();
    }

    /// Ends everything. What holds itself together is taken apart.
    pub(crate) fn end(&self) {
        self.duties.end();
        self.engine.end();
        self.interpreter.shutdown();
        self.worker().listeners.close_all();
        self.worker().set_fleet(None);
        self.worker().change_resolver(|core| {
            core.layers_mut().remove(QueryCallbacks::NAME);
            core.save();
        });
    }

    /// Keeps what the configuration has said about the log until it takes over.
    pub(crate) fn set_log(&self, log: Saved) {
        self.log.set(Some(log));
    }

    /// What was kept.
    pub(crate) fn take_log(&self) -> Option<Saved> {
        self.log.take()
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

    /// Tells the configuration how the import of a zone has ended.
    pub(crate) fn zone_is_imported(&self, number: u64, result: &Result<u64, String>) {
        self.interpreter.handle_imported(number, result);
        self.worker().apply();
        self.entered.notify_one();
    }

    /// Runs a command: the text of the answer, or of the error.
    pub(crate) fn run_command(&self, command: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let answer = self.interpreter.eval_line(command);
        self.host.worker.apply();
        self.entered.notify_one();
        answer
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
async fn maintain(program: Rc<Program>) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        program.host.maintain_cache();
        program.host.maintain_rules();
        program.host.maintain_suspects();
        // Where nobody asks, what is new about servers is told now.
        program.worker().apply();
    }
}

/// Runs Lua's timers and callbacks.
async fn run(program: Rc<Program>) {
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
