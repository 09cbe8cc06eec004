//! Signals: SIGTERM and SIGINT end the program in good order.

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
