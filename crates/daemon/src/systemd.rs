//! What systemd wants to know and what it hands over: readiness, watchdog, sockets.

use std::os::fd::RawFd;

use sd_notify::NotifyState;

use crate::logging::log;

/// Tells the service manager, if there is one.
pub(crate) fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log!(Warning, "system", "cannot notify the service manager: {error}");
    }
}

/// Tells that the worker serves.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("serving")]);
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

/// Tells that this is over, and what came of it.
pub(crate) fn reloaded(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells that the worker ends.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
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

/// Shows the watchdog that the loop turns.
pub(crate) fn feed_watchdog(queries: impl std::fmt::Display) {
    let status = format!("serving; {queries} queries so far");
    notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
}
