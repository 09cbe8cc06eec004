//! What this process serves with, and how it comes to serve with another configuration.
//!
//! A configuration that is read anew is loaded into a program of its own beside the one that serves:
//! resolver, interpreter and all. It shares the sockets of the old one, which it does not read, and
//! the store. When it has answered a question it takes over, between two turns of the loop: queries
//! that wait in the sockets are the new one's, and those under way are answered by the old one, which
//! then ends. Whatever goes wrong before that leaves the old one as it is.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use dns::{Message, Name, Rcode, Rtype};
use lua::host::{HostError, Reload, ReloadState};
use resolve::flags::QueryFlags;
use tokio::sync::Notify;
use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use crate::cli::Options;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::limits::{PREPARED_WAIT, PROBE_WAIT, RETIRE_LOOK, RETIRE_WAIT};
use crate::logging::{self, log};
use crate::os::suspects::Suspects;
use crate::program::Program;
use crate::start;
use crate::systemd::Manager;

/// What all configurations of this process have in common.
pub(crate) struct Setup {
    pub(crate) options: Options,
    /// Workers of the group.
    pub(crate) workers: u32,
    /// Where it is told what is being worked on, if it can be.
    pub(crate) suspects: Option<Suspects>,
    /// Who wants to know how it is doing.
    pub(crate) manager: Manager,
    /// The limit of open files.
    pub(crate) descriptors: u64,
    pub(crate) clock: Clock,
    pub(crate) directory: PathBuf,
    pub(crate) counters: Rc<Counters>,
    /// The end of the process was asked for.
    pub(crate) quitting: Rc<Notify>,
}

/// A program that may come to serve.
enum Candidate {
    None,
    /// It is being loaded and tried; is it still wanted?
    Preparing {
        wanted: bool,
    },
    Ready(Rc<Program>),
}

/// What the service manager hears of a configuration that nobody took over.
const GIVEN_UP: &str = "a new configuration was given up";

/// The process as its clients and its operator know it, whatever its configuration.
pub(crate) struct Service {
    pub(crate) setup: Setup,
    current: RefCell<Option<Rc<Program>>>,
    candidate: RefCell<Candidate>,
    /// Why the last one was no good.
    fault: RefCell<Option<String>>,
    /// How often one has taken over.
    count: Cell<u64>,
    /// Candidates so far.
    number: Cell<u64>,
}

impl Service {
    /// Nothing serves yet.
    pub(crate) fn new(setup: Setup) -> Service {
        Service {
            setup,
            current: RefCell::default(),
            candidate: RefCell::new(Candidate::None),
            fault: RefCell::default(),
            count: Cell::default(),
            number: Cell::default(),
        }
    }

    /// What serves, if anything does yet.
    pub(crate) fn current(&self) -> Option<Rc<Program>> {
        self.current.borrow().clone()
    }

    /// Serves with the first configuration.
    pub(crate) fn begin(&self, program: Rc<Program>) {
        program.begin();
        *self.current.borrow_mut() = Some(program);
    }

    /// How far a new configuration is, and how often one has taken over.
    pub(crate) fn state(&self) -> (ReloadState, u64) {
        let state = match (&*self.candidate.borrow(), &*self.fault.borrow()) {
            (Candidate::Preparing { .. }, _) => ReloadState::Preparing,
            (Candidate::Ready(_), _) => ReloadState::Prepared,
            (Candidate::None, Some(fault)) => ReloadState::Failed(fault.clone()),
            (Candidate::None, None) => ReloadState::Idle,
        };
        (state, self.count.get())
    }

    /// Carries out a step. It may be asked for by the program that is to be replaced, so it is done
    /// in a turn of its own.
    pub(crate) fn reload(self: &Rc<Self>, step: Reload) -> Result<(), HostError> {
        match step {
            Reload::Now | Reload::Prepare => self.start(step == Reload::Now),
            Reload::Commit => {
                if !matches!(*self.candidate.borrow(), Candidate::Ready(_)) {
                    return Err(HostError::refused("there is no new configuration to take over"));
                }
                let service = self.clone();
                spawn_local(async move { service.commit() });
                Ok(())
            }
            Reload::Abandon => {
                self.abandon();
                Ok(())
            }
        }
    }

    fn start(self: &Rc<Self>, at_once: bool) -> Result<(), HostError> {
        if !matches!(*self.candidate.borrow(), Candidate::None) {
            return Err(HostError::refused("the configuration is being read anew already"));
        }
        let Some(current) = self.current() else {
            return Err(HostError::refused("the configuration has not been read yet"));
        };
        *self.candidate.borrow_mut() = Candidate::Preparing { wanted: true };
        self.fault.take();
        self.number.set(self.number.get() + 1);
        self.setup.manager.reloading();
        let service = self.clone();
        spawn_local(async move {
            let prepared = service.prepare(&current).await;
            drop(current);
            let wanted = matches!(
                service.candidate.replace(Candidate::None),
                Candidate::Preparing { wanted: true }
            );
            match prepared {
                Ok(program) if !wanted => {
                    program.end();
                    service.setup.manager.reloaded(Some(GIVEN_UP));
                }
                Ok(program) => {
                    *service.candidate.borrow_mut() = Candidate::Ready(program);
                    match at_once {
                        true => service.commit(),
                        false => service.expire().await,
                    }
                }
                Err(text) => service.fail(text),
            }
        });
        Ok(())
    }

    /// The new configuration is no good.
    fn fail(&self, text: String) {
        log!(
            Err,
            "system",
            "the configuration cannot be taken over, the former one serves: {text}"
        );
        *self.fault.borrow_mut() = Some(text);
        self.setup.manager.reloaded(Some("the new configuration is not good, see the log"));
    }

    /// Loads the configuration beside the current one and tries it.
    async fn prepare(self: &Rc<Self>, current: &Rc<Program>) -> Result<Rc<Program>, String> {
        // The log is the process's: it is as at the start while the configuration sets it.
        let log = logging::save();
        logging::reset(self.setup.options.verbose);
        let built = start::build(self, Some(current), Vec::new()).await;
        let program = match built {
            Ok(program) => program,
            Err(error) => {
                logging::restore(log);
                return Err(start::words(&error));
            }
        };
        if let Err(text) = try_out(&program).await {
            program.end();
            logging::restore(log);
            return Err(text);
        }
        program.set_log(logging::save());
        logging::restore(log);
        Ok(program)
    }

    /// Waits until the candidate is taken over, but not for ever.
    async fn expire(&self) {
        let number = self.number.get();
        sleep(PREPARED_WAIT).await;
        if self.number.get() == number && matches!(*self.candidate.borrow(), Candidate::Ready(_)) {
            self.abandon();
            self.fail(format!("nobody took it over within {} s", PREPARED_WAIT.as_secs()));
        }
    }

    /// Forgets the candidate.
    fn abandon(&self) {
        let mut candidate = self.candidate.borrow_mut();
        match &mut *candidate {
            Candidate::None => {}
            Candidate::Preparing { wanted } => *wanted = false,
            Candidate::Ready(_) => {
                let former = std::mem::replace(&mut *candidate, Candidate::None);
                drop(candidate);
                if let Candidate::Ready(program) = former {
                    program.end();
                }
                self.setup.manager.reloaded(Some(GIVEN_UP));
            }
        }
    }

    /// The candidate takes over.
    fn commit(&self) {
        let Candidate::Ready(new) = self.candidate.replace(Candidate::None) else { return };
        let Some(old) = self.current() else { return };
        if let Err(error) = new.host.take_over(&old.host) {
            new.end();
            self.fail(error.to_string());
            return;
        }
        old.stop_serving();
        if let Some(log) = new.take_log() {
            logging::restore(log);
        }
        new.begin();
        old.worker().set_successor(new.worker().clone());
        *self.current.borrow_mut() = Some(new);
        self.count.set(self.count.get() + 1);
        log!(Notice, "system", "serving with the configuration as it is now");
        self.setup.manager.reloaded(None);
        spawn_local(retire(old));
    }

    /// Ends what serves.
    pub(crate) fn end(&self) {
        self.abandon();
        if let Some(program) = self.current.take() {
            program.end();
        }
    }
}

/// Lets a program that has been replaced answer what it has begun, then ends it.
async fn retire(old: Rc<Program>) {
    let worker = old.worker();
    for _ in 0..RETIRE_WAIT.as_millis() / RETIRE_LOOK.as_millis() {
        worker.streams.wake_all();
        // The connections get their turn first: those without a query under way leave at once.
        yield_now().await;
        if !worker.owes_answers() && worker.streams.len() == 0 {
            break;
        }
        sleep(RETIRE_LOOK).await;
    }
    old.end();
}

/// Asks a program for a name that needs nobody else (RFC 6761 §6.3), so that every layer of the new
/// configuration has run once before clients depend on it.
async fn try_out(program: &Rc<Program>) -> Result<(), String> {
    let worker = program.worker();
    if worker.with_settings(|settings| !settings.local_data_except.is_empty()) {
        // Without special-use names there is no name that is known to have an answer.
        return Ok(());
    }
    let name = Name::from_text(b"localhost", &Name::root()).map_err(|error| error.to_string())?;
    let asked = worker.query(&name, Rtype::A, QueryFlags::empty());
    let answer = timeout(PROBE_WAIT, asked).await;
    let rcode = match answer {
        Ok(Some(wire)) => Message::parse(&wire).ok().map(|message| message.rcode()),
        Ok(None) | Err(_) => None,
    };
    match rcode {
        None => Err("with it a question for 'localhost' gets no answer".to_owned()),
        Some(Rcode::SERVFAIL) => {
            Err("with it a question for 'localhost' fails (SERVFAIL); a layer \
                                      may have raised an error, see the log"
                .to_owned())
        }
        Some(_) => Ok(()),
    }
}
