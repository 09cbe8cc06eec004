//! The program `kres-cache-gc`: keeps a cache from getting full while resolvers work on it.
//!
//! What is chosen and why is in `store::collect`; here are options, pauses, signals and messages,
//! which are those that scripts know from Knot Resolver.

mod options;
mod pass;

use std::fs::{self, Metadata};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use store::kv::{Kv, OpenOptions, StoreError, lmdb};
use store::limits::STORE_BYTES_MIN;
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::os;
use crate::signals::FinalSignals;
use options::{Options, STATUS_NO_CACHE, Usage};
use pass::Since;

/// What the program says first.
const VERSION_LINE: &str = concat!(
    "Knot Resolver Cache Garbage Collector, version ",
    env!("CARGO_PKG_VERSION"),
    " (kres)"
);
/// The file whose presence makes a directory one with a cache.
const DATA_NAME: &str = "data.mdb";
/// Exit status when the cache cannot be used.
const STATUS_FAILED: u8 = 10;
/// Exit status when it was told to end for the second time.
const STATUS_TWICE: u8 = 5;

/// Writes a line to standard output, where this program reports; nobody may be reading it.
fn say(line: &str) {
    let _nobody = writeln!(std::io::stdout(), "{line}");
}

/// The program `kres-cache-gc`.
pub fn collect() -> ExitCode {
    say(VERSION_LINE);
    let options = match Options::parse() {
        Ok(options) => options,
        Err(Usage { status, reason }) => {
            if let Some(reason) = reason {
                say(&reason);
            }
            say(options::HELP);
            return ExitCode::from(status);
        }
    };
    let Some(directory) = options.cache.clone() else {
        say(options::HELP);
        return ExitCode::from(STATUS_NO_CACHE);
    };
    let run = || Builder::new_current_thread().enable_all().build();
    match run() {
        Ok(runtime) => {
            let collector = Collector::new(&options, &directory);
            ExitCode::from(runtime.block_on(collector.run()))
        }
        Err(error) => {
            say(&format!("Error ({error})"));
            ExitCode::from(STATUS_FAILED)
        }
    }
}

/// An open cache and which file it was.
struct Open {
    kv: Box<dyn Kv>,
    identity: (u64, u64),
}

struct Collector<'a> {
    options: &'a Options,
    directory: &'a Path,
    clock: Clock,
    open: Option<Open>,
    /// Whether it was said that there is no cache.
    missed: bool,
    since: Since,
}

impl<'a> Collector<'a> {
    fn new(options: &'a Options, directory: &'a Path) -> Collector<'a> {
        let clock = Clock::start();
        Collector { options, directory, clock, open: None, missed: false, since: Since::default() }
    }

    /// Passes until told to end; the exit status.
    async fn run(mut self) -> u8 {
        let Ok(mut signals) = FinalSignals::new() else { return STATUS_FAILED };
        let interval = Duration::from_millis(self.options.interval_ms);
        let mut out_of_space = false;
        loop {
            let done = tokio::select! {
                biased;
                () = signals.wait() => return end(&mut signals).await,
                done = self.pass() => done,
            };
            match done {
                Ok(()) => out_of_space = false,
                // Others are at it, or have no room just now.
                Err(StoreError::Busy | StoreError::Closed) => {}
                Err(StoreError::Full | StoreError::NoSpace { .. }) if !out_of_space => {
                    out_of_space = true;
                }
                Err(error) => {
                    say(&format!("Error ({error})"));
                    return STATUS_FAILED;
                }
            }
            if interval.is_zero() {
                return 0;
            }
            tokio::select! {
                () = signals.wait() => return end(&mut signals).await,
                () = sleep(interval) => {}
            }
        }
    }

    /// Looks at the cache once, and removes entries if it is too full.
    async fn pass(&mut self) -> Result<(), StoreError> {
        if !self.find()? {
            return Ok(());
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.kv.maintain();
        open.kv.end_turn()?;
        let done = pass::pass(&mut *open.kv, self.options, &self.clock, &mut self.since).await;
        let ended = open.kv.end_turn();
        for notice in open.kv.take_notices() {
            say(&notice.to_string());
        }
        done.and(ended)
    }

    /// Opens the cache unless it is open. False if there is none: a collector makes no files.
    fn find(&mut self) -> Result<bool, StoreError> {
        let Ok(metadata) = fs::metadata(self.directory.join(DATA_NAME)) else {
            self.open = None;
            if !std::mem::replace(&mut self.missed, true) {
                say(&format!("No cache in {}", self.directory.display()));
            }
            return Ok(false);
        };
        self.missed = false;
        if self.open.as_ref().is_some_and(|open| open.identity == identity(&metadata)) {
            return Ok(true);
        }
        // One directory cannot be open twice.
        self.open = None;
        self.since = Since::default();
        let mut seed = [0; 16];
        let random = os::random_seed().map_err(|source| StoreError::Io {
            what: "get random numbers for",
            path: self.directory.to_owned(),
            source,
        })?;
        seed.copy_from_slice(&random[..16]);
        // Nothing is asked of its size: it stays as it is.
        let options = OpenOptions { path: self.directory.into(), bytes: STORE_BYTES_MIN, seed };
        let mut kv = lmdb::open(&options)?;
        kv.take_notices();
        self.open = Some(Open { kv, identity: identity(&metadata) });
        Ok(true)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// A signal has come: the status with which to end, which is another if a second one follows at
/// once.
async fn end(signals: &mut FinalSignals) -> u8 {
    tokio::select! {
        biased;
        () = signals.wait() => STATUS_TWICE,
        () = tokio::task::yield_now() => 0,
    }
}
