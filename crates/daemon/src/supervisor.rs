//! A group of workers (`-f N`): a parent that starts them, starts them again, and ends them.
//!
//! The parent does nothing else: no thread, no Lua, no store, no socket. It waits for signals
//! only, also for the passing of time (`alarm`), so nothing can hang in it. To the service manager it
//! speaks for all of them.

mod reports;
pub(crate) mod roster;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, alarm, getppid};
use resolve::Mono;

use crate::clock::Clock;
use crate::limits::{
    CONDEMNED_AFTER, RESTART_DELAY_MAX, RESTART_DELAY_MIN, RESTARTS_AT_ONCE, STARTED_AFTER,
    STOP_WAIT,
};
use crate::logging::log;
use crate::os;
use crate::os::suspects::Suspects;
use crate::systemd;
use reports::{News, Reports};
use roster::Roster;

/// What this process is after the splitting.
pub(crate) enum Role {
    /// One of the workers, and where it tells what it is working on and how it is doing.
    Worker { suspects: Suspects, roster: Roster },
    /// The parent; all workers have ended, and this is the status to end with.
    Parent(u8),
}

/// The state of the parent.
struct Group {
    clock: Clock,
    workers: HashMap<Pid, Running>,
    /// Numbers of workers to be started now.
    missing: Vec<u32>,
    /// The same of those that have to wait, and until when.
    resting: Vec<(Mono, u32)>,
    /// How often in a row workers have ended soon after their starts, by their numbers.
    short_lives: HashMap<u32, u32>,
    stopping: bool,
    status: u8,
    suspects: Suspects,
    reports: Reports,
    /// When it is looked next whether the workers are alive, if the service manager wants to know.
    next_look: Option<Mono>,
}

/// A worker that runs.
struct Running {
    number: u32,
    since: Mono,
    /// It was asked to end because it gave no sign of life.
    is_struck: bool,
}

/// Starts the workers. Returns in each of them at once, and in the parent when all have ended.
pub(crate) fn run(count: u32) -> io::Result<Role> {
    let clock = Clock::start();
    let suspects = match open_suspects(&clock) {
        Ok(suspects) => suspects,
        Err(_) => Suspects::nameless(random_key()?)?,
    };
    let signals = waited_for();
    let before = sigprocmask_block(&signals)?;
    let parent = Pid::this();
    let roster = Roster::share(count, sd_notify::watchdog_enabled())?;
    let mut group = Group {
        clock,
        workers: HashMap::new(),
        missing: (0..count).collect(),
        resting: Vec::new(),
        short_lives: HashMap::new(),
        stopping: false,
        status: 0,
        suspects,
        reports: Reports::new(roster),
        next_look: None,
    };
    group.set_next_look();
    loop {
        while let Some(number) = group.missing.pop() {
            match os::fork()? {
                Some(child) => {
                    let since = group.clock.read().mono;
                    group.workers.insert(child, Running { number, since, is_struck: false });
                }
                None => {
                    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
                    become_worker(parent)?;
                    return Ok(Role::Worker {
                        suspects: enter(suspects, number, &clock),
                        roster: roster.of_worker(number),
                    });
                }
            }
        }
        if group.wait(&signals)? {
            return Ok(Role::Parent(group.status));
        }
    }
}

/// What a process that works on questions by itself, without a parent, tells what it is working on.
/// Nothing if this is not possible.
pub(crate) fn alone() -> Option<Suspects> {
    let clock = Clock::start();
    open_suspects(&clock).ok().map(|suspects| enter(suspects, 0, &clock))
}

/// What is known of questions that have ended processes on this run directory.
fn open_suspects(clock: &Clock) -> io::Result<Suspects> {
    Suspects::open(Path::new("."), random_key()?, seconds_of(clock)).inspect_err(|error| {
        log!(
            Notice,
            "system",
            "which questions end processes is not remembered in the run directory: {error}"
        );
    })
}

/// Takes part in that; a process before this one may have ended without anybody counting it.
fn enter(suspects: Suspects, number: u32, clock: &Clock) -> Suspects {
    let (suspects, times) = suspects.enter(Path::new("."), number, seconds_of(clock));
    say_if_condemned(times);
    suspects
}

fn seconds_of(clock: &Clock) -> u64 {
    clock.read().unix.seconds()
}

fn say_if_condemned(times: Option<u64>) {
    if times == Some(CONDEMNED_AFTER) {
        log!(
            Err,
            "system",
            "bug, please report: one question has ended {CONDEMNED_AFTER} workers; it is refused \
             from now on, for a day or until another version of the program is started"
        );
    }
}

/// Key of the hashes that workers leave behind.
fn random_key() -> io::Result<(u64, u64)> {
    let seed = os::random_seed()?;
    let (first, rest) = seed.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let (second, _) = rest.split_first_chunk().unwrap_or((&[0; 8], &[]));
    Ok((u64::from_le_bytes(*first), u64::from_le_bytes(*second)))
}

/// The signals that the parent waits for.
fn waited_for() -> SigSet {
    use Signal::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGTERM};
    [SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGALRM, roster::LOOK].into_iter().collect()
}

/// Blocks signals, so that they are waited for; returns what was blocked before.
fn sigprocmask_block(signals: &SigSet) -> io::Result<SigSet> {
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(signals), Some(&mut before))?;
    Ok(before)
}

/// A worker does not outlive its parent.
fn become_worker(parent: Pid) -> io::Result<()> {
    set_pdeathsig(Signal::SIGTERM)?;
    if getppid() != parent {
        return Err(io::Error::other("the parent process has ended"));
    }
    Ok(())
}

impl Group {
    /// Waits until workers are to be started (`false`) or all have ended for good (`true`).
    fn wait(&mut self, signals: &SigSet) -> io::Result<bool> {
        loop {
            match signals.wait()? {
                Signal::SIGTERM | Signal::SIGINT => self.stop(0),
                Signal::SIGHUP => self.reload(),
                Signal::SIGCHLD => self.collect(),
                roster::LOOK => self.report(),
                Signal::SIGALRM if self.stopping => self.send(Signal::SIGKILL),
                Signal::SIGALRM => {
                    self.look_for_life();
                    self.end_pauses();
                }
                _ => {}
            }
            if !self.missing.is_empty() {
                return Ok(false);
            }
            if self.workers.is_empty() && (self.stopping || self.resting.is_empty()) {
                if !self.stopping {
                    systemd::stopping();
                }
                return Ok(true);
            }
        }
    }

    /// Ends the group.
    fn stop(&mut self, status: u8) {
        if !self.stopping {
            self.stopping = true;
            systemd::stopping();
            self.status = status;
            self.missing.clear();
            self.resting.clear();
            self.send(Signal::SIGTERM);
            alarm::set(seconds(STOP_WAIT));
        }
    }

    fn send(&self, signal: Signal) {
        for worker in self.workers.keys() {
            let _ended_already = kill(*worker, signal);
        }
    }

    /// Takes note of the workers that have ended.
    fn collect(&mut self) {
        // As many rounds as there are workers: each takes one that has ended.
        for _ in 0..=self.workers.len() {
            let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) else { return };
            let (worker, reason) = match status {
                WaitStatus::Exited(worker, 0) => (worker, None),
                WaitStatus::Exited(worker, code) => (worker, Some(format!("status {code}"))),
                WaitStatus::Signaled(worker, signal, _) => (worker, Some(format!("{signal}"))),
                WaitStatus::StillAlive => return,
                _ => continue,
            };
            let Some(running) = self.workers.remove(&worker) else { continue };
            self.reports.forget(running.number);
            if self.stopping {
                continue;
            }
            if reason.is_some() {
                // What it was working on may have been the reason.
                let now = seconds_of(&self.clock);
                let process = u32::try_from(worker.as_raw()).unwrap_or_default();
                say_if_condemned(self.suspects.note_end(process, now));
            }
            let age = self.clock.read().mono.since(running.since);
            match (reason, status) {
                // It was told to end; the others go on.
                (None, _) => {}
                // What could not start has said why; starting it again would not help. Once the group
                // has served, those that do go on.
                (_, WaitStatus::Exited(_, code))
                    if age < STARTED_AFTER && !self.reports.has_served() =>
                {
                    self.stop(u8::try_from(code).unwrap_or(1));
                }
                (Some(reason), _) => self.restart(worker, &running, age, &reason),
            }
            self.report();
        }
    }

    /// The numbers of the workers that run.
    fn running(&self) -> Vec<u32> {
        self.workers.values().map(|worker| worker.number).collect()
    }

    /// Tells the service manager what is new.
    fn report(&mut self) {
        let running = self.running();
        let wanted = running.len() + self.missing.len() + self.resting.len();
        if !self.stopping
            && wanted > 0
            && let Some(news) = self.reports.change(&running, wanted)
        {
            news.tell();
        }
    }

    /// All workers read their configuration anew.
    fn reload(&mut self) {
        let news = self.reports.ask_for_reload(&self.running());
        news.as_ref().map(News::tell);
        self.send(Signal::SIGHUP);
    }

    /// Gives the service manager a sign of life. A worker that has given none for too long is ended, to
    /// be started again; the others need not end for that.
    fn look_for_life(&mut self) {
        let now = self.clock.read().mono;
        if self.next_look.is_none_or(|at| at > now) {
            return;
        }
        let running = self.running();
        let silent = self.reports.silent(&running, now);
        for (process, worker) in &mut self.workers {
            if !silent.contains(&worker.number) {
                continue;
            }
            let signal = if worker.is_struck { Signal::SIGKILL } else { Signal::SIGABRT };
            log!(
                Err,
                "system",
                "worker {} (process {process}) gives no sign of life: {signal}",
                worker.number
            );
            worker.is_struck = true;
            let _ended_already = kill(*process, signal);
        }
        self.reports.feed(&running);
        self.set_next_look();
    }

    fn set_next_look(&mut self) {
        let now = self.clock.read().mono;
        self.next_look = self.reports.interval().map(|interval| now + interval);
        self.set_alarm();
    }

    fn restart(&mut self, worker: Pid, running: &Running, age: Duration, reason: &str) {
        let number = running.number;
        let lives = match age < STARTED_AFTER {
            true => self.short_lives.get(&number).map_or(1, |lives| lives.saturating_add(1)),
            false => 0,
        };
        self.short_lives.insert(number, lives);
        let Some(beyond) = lives.checked_sub(RESTARTS_AT_ONCE + 1) else {
            let text = "starting it again";
            log!(Err, "system", "worker {number} (process {worker}) ended by {reason}; {text}");
            self.missing.push(number);
            return;
        };
        // It may end in the same way again and again.
        let times = 1u32.checked_shl(beyond).unwrap_or(u32::MAX);
        let pause = RESTART_DELAY_MIN.saturating_mul(times).min(RESTART_DELAY_MAX);
        log!(
            Err,
            "system",
            "worker {number} (process {worker}) ended by {reason}; starting it again in {} s",
            pause.as_secs()
        );
        self.resting.push((self.clock.read().mono + pause, number));
        self.set_alarm();
    }

    /// Moves the workers whose pauses are over to those that are to be started.
    fn end_pauses(&mut self) {
        let now = self.clock.read().mono;
        self.missing.extend(self.resting.extract_if(.., |(at, _)| *at <= now).map(|(_, n)| n));
        self.set_alarm();
    }

    /// Asks to be told of the end of the next pause and of the time to look. Alarms come a little late,
    /// never early.
    fn set_alarm(&self) {
        let now = self.clock.read().mono;
        let pauses = self.resting.iter().map(|(at, _)| *at);
        if let Some(next) = pauses.chain(self.next_look).min() {
            alarm::set(seconds(next.since(now)));
        }
    }
}

/// In whole seconds, at least one.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}
