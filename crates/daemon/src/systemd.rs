//! What systemd wants to know and what it hands over: readiness, watchdog, sockets.

use std::os::fd::RawFd;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::logging::log;
use crate::supervisor::roster::Roster;

/// Tells the service manager, if there is one.
pub(crate) fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log!(Warning, "system", "cannot notify the service manager: {error}");
    }
}

/// Tells that the configuration is being read anew.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => {
            notify(&[NotifyState::Reloading, now, NotifyState::Status("reading the configuration")])
        }
        Err(error) => log!(Warning, "system", "cannot notify the service manager: {error}"),
    }
}

/// Tells that everything ends.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Who wants to know how this process is doing.
#[derive(Clone, Copy)]
pub(crate) enum Manager {
    /// The service manager, if there is one.
    Outside,
    /// Nobody: the process is no service.
    Nobody,
    /// The parent of the group, which speaks to the service manager for all of it.
    Parent(Roster),
}

impl Manager {
    /// The process serves.
    pub(crate) fn ready(self) {
        match self {
            Manager::Nobody => {}
            Manager::Outside => notify(&[NotifyState::Ready, NotifyState::Status("serving")]),
            Manager::Parent(roster) => roster.serves(),
        }
    }

    /// It reads its configuration anew.
    pub(crate) fn reloading(self) {
        match self {
            Manager::Nobody => {}
            Manager::Outside => reloading(),
            Manager::Parent(roster) => roster.reloads(),
        }
    }

    /// That is over, and went well unless there is something to say about it.
    pub(crate) fn reloaded(self, trouble: Option<&str>) {
        match self {
            Manager::Nobody => {}
            Manager::Outside => {
                let status =
                    trouble.map_or("serving".to_owned(), |text| format!("serving; {text}"));
                notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
            }
            Manager::Parent(roster) => roster.has_reloaded(trouble.is_some()),
        }
    }

    /// It ends. The end of a worker is no business of the service manager.
    pub(crate) fn stopping(self) {
        match self {
            Manager::Outside => stopping(),
            Manager::Nobody | Manager::Parent(_) => {}
        }
    }

    /// How long it is waited for a sign of life, if that is done.
    pub(crate) fn watchdog_timeout(self) -> Option<Duration> {
        match self {
            Manager::Nobody => None,
            Manager::Outside => sd_notify::watchdog_enabled(),
            Manager::Parent(roster) => roster.timeout(),
        }
    }

    /// Shows that the loop turns, after so many queries.
    pub(crate) fn feed_watchdog(self, queries: u64) {
        match self {
            Manager::Nobody => {}
            Manager::Outside => {
                let status = format!("serving; {queries} queries so far");
                notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
            }
            Manager::Parent(roster) => roster.beat(queries),
        }
    }
}

/// The sockets that were handed over (`LISTEN_FDS`), with their names.
pub(crate) fn inherited_sockets() -> Vec<(RawFd, String)> {
    match sd_notify::listen_fds_with_names() {
        Ok(sockets) => sockets.collect(),
        Err(error) => {
            log!(Err, "system", "cannot take the sockets of the service manager: {error}");
            Vec::new()
        }
    }
}
