//! Signals: SIGTERM and SIGINT end the program in good order, SIGHUP makes it read its configuration
//! anew unless it belongs to a terminal.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the program, from the moment that this exists.
pub(crate) struct FinalSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl FinalSignals {
    /// Takes the signals over. To be called within the runtime.
    pub(crate) fn new() -> io::Result<FinalSignals> {
        Ok(FinalSignals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// SIGHUP, which a program that somebody types into takes as the end of its terminal.
pub(crate) struct HangUp(Option<Signal>);

impl HangUp {
    /// Takes the signal over, or leaves it as it is.
    pub(crate) fn new(take: bool) -> io::Result<HangUp> {
        Ok(HangUp(take.then(|| signal(SignalKind::hangup())).transpose()?))
    }

    /// Waits for it.
    pub(crate) async fn wait(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}
