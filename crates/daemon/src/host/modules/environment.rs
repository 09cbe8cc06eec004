//! The process as native modules see it.

use std::io::Read;
use std::rc::Rc;
use std::time::Duration;

use dns::edns::OptRecord;
use dns::{Composer, Header};
use modules::{Environment, Level, Manner, Question, Refusal};
use resolve::flags::QueryFlags;
use resolve::{Now, Settings};

use crate::logging;
use crate::os;
use crate::token::module_question;
use crate::worker::Worker;

/// Largest file that is read for a module: hosts files of blocking lists have some ten megabytes.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Room for one question.
const QUERY_BYTES_MAX: usize = 512;

/// The process, as one module sees it.
pub(super) struct ModuleEnvironment {
    worker: Rc<Worker>,
    /// The module's number, for its questions.
    number: u16,
}

impl ModuleEnvironment {
    pub(super) fn new(worker: Rc<Worker>, number: u16) -> ModuleEnvironment {
        ModuleEnvironment { worker, number }
    }
}

impl Environment for ModuleEnvironment {
    fn now(&self) -> Now {
        self.worker.now()
    }

    fn random(&self) -> u64 {
        let seed = os::random_seed().unwrap_or_default();
        seed.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        let read = || {
            let mut text = Vec::new();
            let file = std::fs::File::open(path)?;
            let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
            if read as u64 > FILE_BYTES_MAX {
                return Err(std::io::ErrorKind::FileTooLarge.into());
            }
            Ok(text)
        };
        read().map_err(|error: std::io::Error| Refusal::new(format!("'{path}': {error}")))
    }

    fn with_settings(&self, read: &mut dyn FnMut(&Settings)) {
        self.worker.with_settings(|settings| read(settings));
    }

    fn change_settings(&self, change: &mut dyn FnMut(&mut Settings)) {
        self.worker.change_settings(|settings| change(settings));
    }

    fn forget_answers(&self) {
        self.worker.change_resolver(|core| core.forget_answers());
    }

    fn ask_with(&self, question: Question, manner: Manner) {
        let mut wire = Vec::new();
        let mut header = Header::default();
        header.set_rd(true);
        header.set_cd(manner.unchecked);
        let mut composer = Composer::new(&mut wire, header, QUERY_BYTES_MAX);
        // A question always fits.
        let _fits = composer.question(&question.name, question.rtype, dns::Class::IN);
        composer.finish(Some(&OptRecord::new(dns::edns::UDP_SIZE_DEFAULT, manner.dnssec)));
        let mut flags = QueryFlags::empty();
        flags.set(QueryFlags::NO_CACHE, manner.uncached);
        self.worker.ask_with(module_question(self.number, question.number), wire, flags);
    }

    fn clear_cache(&self) {
        let cleared = self.worker.with_cache(|cache| cache.kv_mut().clear());
        if !matches!(cleared, Some(Ok(()))) {
            logging::write("cache", logging::Level::Err, format_args!("cannot be cleared"));
        }
    }

    fn watchdog_timeout(&self) -> Option<Duration> {
        self.worker.manager.watchdog_timeout()
    }

    fn feed_watchdog(&self) {
        let counters = &self.worker.counters;
        self.worker.manager.feed_watchdog(counters.udp.get() + counters.tcp.get());
    }

    fn abort(&self) {
        std::process::abort();
    }

    fn log(&self, group: &'static str, level: Level, text: &str) {
        let level = match level {
            Level::Error => logging::Level::Err,
            Level::Warning => logging::Level::Warning,
            Level::Notice => logging::Level::Notice,
            Level::Info => logging::Level::Info,
            Level::Debug => logging::Level::Debug,
        };
        logging::write(group, level, format_args!("{text}"));
    }
}
