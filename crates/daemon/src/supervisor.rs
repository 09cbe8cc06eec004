//! A group of workers (`-f N`): a parent that starts them, starts them again, and ends them.
//!
//! The parent does nothing else: no thread, no Lua, no store, no socket. It waits for signals
//! only, also for the passing of time (`alarm`), so nothing can hang in it.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, alarm, getppid};
use resolve::Mono;

use crate::clock::Clock;
use crate::limits::{RESTART_DELAY_MAX, RESTART_DELAY_MIN, STARTED_AFTER, STOP_WAIT};
use crate::logging::log;
use crate::os;

/// What this process is after the splitting.
pub(crate) enum Role {
    /// One of the workers.
    Worker,
    /// The parent; all workers have ended, and this is the status to end with.
    Parent(u8),
}

/// The state of the parent.
struct Group {
    clock: Clock,
    workers: HashMap<Pid, Running>,
    /// Numbers of workers to be started when the pause is over.
    missing: Vec<u32>,
    pause: Duration,
    stopping: bool,
    status: u8,
}

/// A worker that runs.
struct Running {
    number: u32,
    since: Mono,
}

/// Starts the workers. Returns in each of them at once, and in the parent when all have ended.
pub(crate) fn run(count: u32) -> io::Result<Role> {
    let signals = waited_for();
    let before = sigprocmask_block(&signals)?;
    let parent = Pid::this();
    let mut group = Group {
        clock: Clock::start(),
        workers: HashMap::new(),
        missing: (0..count).collect(),
        pause: RESTART_DELAY_MIN,
        stopping: false,
        status: 0,
    };
    loop {
        while let Some(number) = group.missing.pop() {
            match os::fork()? {
                Some(child) => {
                    let since = group.clock.read().mono;
                    group.workers.insert(child, Running { number, since });
                }
                None => {
                    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
                    become_worker(parent)?;
                    return Ok(Role::Worker);
                }
            }
        }
        if group.wait(&signals)? {
            return Ok(Role::Parent(group.status));
        }
    }
}

/// The signals that the parent waits for.
fn waited_for() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD, Signal::SIGALRM]
        .into_iter()
        .collect()
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
                Signal::SIGHUP => self.send(Signal::SIGHUP),
                Signal::SIGCHLD => self.collect(),
                Signal::SIGALRM if self.stopping => self.send(Signal::SIGKILL),
                Signal::SIGALRM => {
                    self.pause = (self.pause * 2).min(RESTART_DELAY_MAX);
                    return Ok(false);
                }
                _ => {}
            }
            if self.workers.is_empty() && (self.stopping || self.missing.is_empty()) {
                return Ok(true);
            }
        }
    }

    /// Ends the group.
    fn stop(&mut self, status: u8) {
        if !self.stopping {
            self.stopping = true;
            self.status = status;
            self.missing.clear();
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
            let (Some(running), false) = (self.workers.remove(&worker), self.stopping) else {
                continue;
            };
            let age = self.clock.read().mono.since(running.since);
            match (reason, status) {
                // It was told to end; the others go on.
                (None, _) => {}
                // What could not start has said why; starting it again would not help.
                (_, WaitStatus::Exited(_, code)) if age < STARTED_AFTER => {
                    self.stop(u8::try_from(code).unwrap_or(1));
                }
                (Some(reason), _) => self.restart(worker, &running, age, &reason),
            }
        }
    }

    fn restart(&mut self, worker: Pid, running: &Running, age: Duration, reason: &str) {
        if age > RESTART_DELAY_MAX {
            self.pause = RESTART_DELAY_MIN;
        }
        let (number, pause) = (running.number, self.pause.as_secs());
        log!(
            Err,
            "system",
            "worker {number} (process {worker}) ended by {reason}; starting it again in {pause} s"
        );
        self.missing.push(number);
        alarm::set(seconds(self.pause));
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
