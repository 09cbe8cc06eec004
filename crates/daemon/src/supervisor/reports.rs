//! What the parent of a group tells the service manager about all of it: ready once every worker
//! serves, reloading until none does, and a sign of life as long as the workers give theirs.

use std::collections::HashMap;
use std::time::Duration;

use resolve::Mono;
use sd_notify::NotifyState;

use super::roster::Roster;
use crate::systemd;

/// What was told last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Nothing,
    Ready,
    Reloading,
}

/// What is to be said about the group.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum News {
    Ready(String),
    Reloading,
    Status(String),
}

/// What the parent remembers in order to say it.
pub(super) struct Reports {
    roster: Roster,
    told: Told,
    /// The workers that were asked to read the configuration anew, and how often they had done so.
    asked: HashMap<u32, u64>,
    /// The last sign of life of each worker that has given any, and when it was seen.
    alive: HashMap<u32, (u64, Mono)>,
    status: String,
}

impl Reports {
    pub(super) fn new(roster: Roster) -> Reports {
        Reports {
            roster,
            told: Told::Nothing,
            asked: HashMap::new(),
            alive: HashMap::new(),
            status: String::new(),
        }
    }

    /// How often it is looked whether the workers are alive: not at all, or a few times within what the
    /// service manager waits.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.roster.timeout().map(|timeout| timeout / 4)
    }

    /// All these workers are asked to read the configuration anew.
    pub(super) fn ask_for_reload(&mut self, workers: &[u32]) -> Option<News> {
        let ended = |worker: &u32| (*worker, self.roster.reloads_ended(*worker));
        self.asked.extend(workers.iter().map(ended).collect::<Vec<_>>());
        self.change(workers, workers.len())
    }

    /// Have all workers served at the same time before?
    pub(super) fn has_served(&self) -> bool {
        self.told != Told::Nothing
    }

    /// A worker has ended.
    pub(super) fn forget(&mut self, worker: u32) {
        self.roster.forget(worker);
        self.asked.remove(&worker);
        self.alive.remove(&worker);
    }

    /// What is new, given the workers that run and how many there are to be.
    pub(super) fn change(&mut self, running: &[u32], wanted: usize) -> Option<News> {
        let roster = self.roster;
        self.asked.retain(|worker, before| roster.reloads_ended(*worker) <= *before);
        let serving = running.iter().filter(|worker| roster.is_serving(**worker)).count();
        let reloading =
            !self.asked.is_empty() || running.iter().any(|worker| roster.is_reloading(*worker));
        let status = self.describe(running, serving, wanted);
        match self.told {
            Told::Nothing if serving < wanted => None,
            Told::Ready if reloading => {
                self.told = Told::Reloading;
                Some(News::Reloading)
            }
            Told::Reloading if reloading => None,
            Told::Nothing | Told::Reloading => {
                self.told = Told::Ready;
                self.status.clone_from(&status);
                Some(News::Ready(status))
            }
            Told::Ready if status != self.status => {
                self.status.clone_from(&status);
                Some(News::Status(status))
            }
            Told::Ready => None,
        }
    }

    fn describe(&self, running: &[u32], serving: usize, wanted: usize) -> String {
        let mut text = match serving == wanted {
            true if wanted == 1 => "serving with one worker".to_owned(),
            true => format!("serving with {wanted} workers"),
            false => format!("{serving} of {wanted} workers are serving"),
        };
        if running.iter().any(|worker| self.roster.has_kept(*worker)) {
            text.push_str("; the new configuration is not good, see the log");
        }
        text
    }

    /// Looks at the signs of life; returns the workers that have given none for too long. A worker that
    /// never gave any is not missed: its configuration may be without the module that does it.
    pub(super) fn silent(&mut self, running: &[u32], now: Mono) -> Vec<u32> {
        let Some(timeout) = self.roster.timeout() else { return Vec::new() };
        let mut silent = Vec::new();
        for worker in running {
            let beats = self.roster.beats(*worker);
            let (last, since) = self.alive.entry(*worker).or_insert((beats, now));
            if *last != beats {
                (*last, *since) = (beats, now);
            } else if beats > 0 && now.since(*since) >= timeout {
                silent.push(*worker);
            }
        }
        silent
    }

    /// The sign of life of the parent itself.
    pub(super) fn feed(&self, running: &[u32]) {
        if self.told == Told::Nothing {
            return;
        }
        let queries: u64 = running.iter().map(|worker| self.roster.queries(*worker)).sum();
        let status = format!("{}; {queries} queries so far", self.status);
        systemd::notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    }
}

impl News {
    /// Tells the service manager.
    pub(super) fn tell(&self) {
        match self {
            News::Ready(status) => {
                systemd::notify(&[NotifyState::Ready, NotifyState::Status(status)]);
            }
            News::Reloading => systemd::reloading(),
            News::Status(status) => systemd::notify(&[NotifyState::Status(status)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn status(news: Option<News>) -> String {
        match news {
            None => String::new(),
            Some(News::Ready(text)) => format!("READY {text}"),
            Some(News::Reloading) => "RELOADING".to_owned(),
            Some(News::Status(text)) => text,
        }
    }

    #[test]
    fn ready_when_all_are_and_reloading_until_none_is() {
        let roster = Roster::share(2, None).unwrap();
        let (one, two) = (roster.of_worker(0), roster.of_worker(1));
        let mut reports = Reports::new(roster);
        let all = [0, 1];
        assert_eq!(status(reports.change(&all, 2)), "");
        one.serves();
        assert_eq!(status(reports.change(&all, 2)), "");
        two.serves();
        assert_eq!(status(reports.change(&all, 2)), "READY serving with 2 workers");
        assert_eq!(status(reports.change(&all, 2)), "");
        // One of them reads it anew by itself.
        one.reloads();
        assert_eq!(status(reports.change(&all, 2)), "RELOADING");
        one.has_reloaded(false);
        assert_eq!(status(reports.change(&all, 2)), "READY serving with 2 workers");
        // All are asked, and are so quick that it cannot be seen, or not.
        assert_eq!(status(reports.ask_for_reload(&all)), "RELOADING");
        two.reloads();
        two.has_reloaded(false);
        assert_eq!(status(reports.change(&all, 2)), "");
        one.reloads();
        one.has_reloaded(true);
        let kept = status(reports.change(&all, 2));
        assert!(kept.starts_with("READY") && kept.contains("not good"), "{kept}");
        // One ends while it is at it.
        assert_eq!(status(reports.ask_for_reload(&all)), "RELOADING");
        two.has_reloaded(false);
        reports.forget(0);
        let left = status(reports.change(&[1], 2));
        assert_eq!(left, "READY 1 of 2 workers are serving");
        one.serves();
        assert_eq!(status(reports.change(&all, 2)), "serving with 2 workers");
        reports.forget(1);
        assert_eq!(status(reports.change(&[0], 1)), "serving with one worker");
    }

    #[test]
    fn silence_is_missed_of_those_who_have_spoken() {
        let roster = Roster::share(2, Some(SECOND * 4)).unwrap();
        let one = roster.of_worker(0);
        let mut reports = Reports::new(roster);
        let mut now = Mono::default();
        for beats in 1..4 {
            one.beat(beats);
            now = now + SECOND;
            assert_eq!(reports.silent(&[0, 1], now), [0; 0]);
        }
        assert_eq!(reports.silent(&[0, 1], now + SECOND * 3), [0; 0]);
        assert_eq!(reports.silent(&[0, 1], now + SECOND * 4), [0]);
        reports.forget(0);
        assert_eq!(reports.silent(&[0, 1], now + SECOND * 5), [0; 0]);
        assert_eq!(reports.interval(), Some(SECOND));
    }
}
