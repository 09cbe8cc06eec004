//! What a module may ask of the process. The daemon implements it; tests have one of their own.

use std::time::Duration;

use dns::{Name, Rtype};
use resolve::{Now, Settings};

use crate::Refusal;

/// How important a message of the log is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

/// A question from inside the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The module's own number for it, from 0; handed back with the answer.
    pub number: u16,
    pub name: Name,
    pub rtype: Rtype,
}

/// How a question is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Manner {
    /// Upstream, whatever the cache knows.
    pub uncached: bool,
    /// With CD: the answer unchecked (RFC 4035 §3.2.2).
    pub unchecked: bool,
    /// With DO: signatures and proofs with the answer (RFC 3225).
    pub dnssec: bool,
}

/// The process, as a module sees it. Nothing here enters the configuration language, and what
/// changes the resolver takes effect at the latest at the end of the turn.
pub trait Environment {
    /// The clocks.
    fn now(&self) -> Now;

    /// A number that nobody outside can guess, to key hashes with.
    fn random(&self) -> u64;

    /// The octets of a file. Errors: it cannot be read, or is larger than any that a module has use
    /// for.
    fn read_file(&self, path: &str) -> Result<Vec<u8>, Refusal>;

    /// Reads the settings of the resolver.
    fn with_settings(&self, read: &mut dyn FnMut(&Settings));

    /// Changes them.
    fn change_settings(&self, change: &mut dyn FnMut(&mut Settings));

    /// Finished answers may be wrong now: what a module answers has changed.
    fn forget_answers(&self);

    /// Asks the resolver. The answer comes by [`crate::Module::handle_answer`].
    fn ask(&self, question: Question) {
        self.ask_with(question, Manner::default());
    }

    /// The same in a manner of its own.
    fn ask_with(&self, question: Question, manner: Manner);

    /// Forgets everything that the resolver has learnt, in all processes that share the cache.
    fn clear_cache(&self);

    /// How long the service manager waits for a sign of life, if it watches.
    fn watchdog_timeout(&self) -> Option<Duration>;

    /// Gives it one.
    fn feed_watchdog(&self);

    /// Ends the process at once, in a way that tells that something is wrong.
    fn abort(&self);

    /// Writes to the log, under one of its groups.
    fn log(&self, group: &'static str, level: Level, text: &str);
}
