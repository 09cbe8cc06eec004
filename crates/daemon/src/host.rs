//! What the configuration language may ask of this process: the daemon's side of [`lua::host`].
//!
//! One file for each group. Nothing here borrows the resolver: what has to reach it is left with
//! the worker and takes effect at the end of the turn.

mod anchors;
mod cache;
mod logging;
mod modules;
mod network;
mod policy;
mod process;
mod settings;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::{Rc, Weak};

use lua::flags::QueryFlags;
use lua::host::HostError;
use nix::unistd::{Gid, User};

use crate::program::Program;
use crate::service::Service;
use crate::watches::Watches;
use crate::worker::Worker;

pub(crate) use anchors::follow as follow_anchors;
pub(crate) use modules::run as run_modules;
pub(crate) use network::{serve_again, serve_inherited};

/// The process, as the configuration sees it.
pub(crate) struct DaemonHost {
    pub(crate) worker: Rc<Worker>,
    /// Empty until the configuration has been loaded.
    program: Rc<RefCell<Weak<Program>>>,
    pub(crate) watches: Rc<Watches>,
    run_directory: PathBuf,
    worker_count: u32,
    /// The configuration is only looked at: nothing is opened, nobody is asked.
    checking: bool,
    service: Weak<Service>,
    /// The program that serves while this one is loaded beside it.
    beside: RefCell<Option<Rc<Program>>>,
    /// Whose rights are to be taken when this one takes over.
    user: RefCell<Option<(User, Gid)>>,
    pub(crate) quitting: Cell<bool>,
    network: network::State,
    cache: cache::State,
    anchors: anchors::State,
    modules: modules::State,
    policy: policy::State,
    hostname: RefCell<Option<String>>,
    /// Flags that the resolver does not know as settings of their own.
    flags: Cell<QueryFlags>,
}

impl DaemonHost {
    /// A host for the interpreter. The working directory is the run directory. `beside`: the program
    /// that serves meanwhile.
    pub(crate) fn new(
        worker: Rc<Worker>,
        watches: Rc<Watches>,
        service: &Rc<Service>,
        beside: Option<Rc<Program>>,
    ) -> DaemonHost {
        let setup = &service.setup;
        DaemonHost::take_over_layers(&worker);
        let program = Rc::<RefCell<Weak<Program>>>::default();
        let rules = policy::State::new(worker.rules_seed, program.clone());
        DaemonHost {
            worker,
            program,
            watches,
            run_directory: setup.directory.clone(),
            worker_count: setup.workers,
            checking: setup.options.check,
            service: Rc::downgrade(service),
            beside: RefCell::new(beside),
            user: RefCell::default(),
            quitting: Cell::new(false),
            network: network::State::default(),
            cache: cache::State::default(),
            anchors: anchors::State::default(),
            modules: modules::State::default(),
            policy: rules,
            hostname: RefCell::default(),
            flags: Cell::new(QueryFlags::NONE),
        }
    }

    /// The program that serves while this one is loaded beside it.
    fn beside(&self) -> Option<Rc<Program>> {
        self.beside.borrow().clone()
    }

    /// This one serves from now on in the place of another: what they share is handed over. On an
    /// error nothing has changed.
    pub(crate) fn take_over(&self, other: &DaemonHost) -> Result<(), HostError> {
        self.take_rights()?;
        other.worker.listeners.leave_paths_to(&self.worker.listeners);
        self.worker.listeners.own_paths();
        self.take_store(other);
        self.beside.take();
        Ok(())
    }

    /// Forgets questions that have ended no process for long.
    pub(crate) fn maintain_suspects(&self) {
        let service = self.service.upgrade();
        if let Some(suspects) = service.and_then(|service| service.setup.suspects) {
            suspects.expire(self.worker.now().unix.seconds());
        }
    }

    /// Makes the program known.
    pub(crate) fn set_program(&self, program: &Rc<Program>) {
        *self.program.borrow_mut() = Rc::downgrade(program);
    }
}
