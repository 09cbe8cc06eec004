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

use crate::program::Program;
use crate::watches::Watches;
use crate::worker::Worker;

pub(crate) use anchors::follow as follow_anchors;
pub(crate) use modules::run as run_modules;
pub(crate) use network::serve_inherited;

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
    /// A host for the interpreter. The working directory is the run directory.
    pub(crate) fn new(
        worker: Rc<Worker>,
        watches: Rc<Watches>,
        run_directory: PathBuf,
        worker_count: u32,
        checking: bool,
    ) -> DaemonHost {
        DaemonHost::take_over_layers(&worker);
        let program = Rc::<RefCell<Weak<Program>>>::default();
        let rules = policy::State::new(worker.rules_seed, program.clone());
        DaemonHost {
            worker,
            program,
            watches,
            run_directory,
            worker_count,
            checking,
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

    /// Where the program that runs commands will be, for tasks that start before it is there.
    fn program_cell(&self) -> Rc<RefCell<Weak<Program>>> {
        self.program.clone()
    }

    /// Makes the program known.
    pub(crate) fn set_program(&self, program: &Rc<Program>) {
        *self.program.borrow_mut() = Rc::downgrade(program);
    }
}
