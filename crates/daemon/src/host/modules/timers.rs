//! Deadlines of native modules, and the answers to what they ask.

use std::rc::Rc;

use tokio::time::sleep_until;

use super::{DaemonHost, Native};

impl DaemonHost {
    fn natives(&self) -> Vec<Native> {
        self.modules.loaded.borrow().iter().filter_map(|loaded| loaded.native.clone()).collect()
    }

    /// Hands a module the answer to its question; one that is gone gets none.
    pub(crate) fn answer_module(&self, module: u16, number: u16, answer: Option<&[u8]>) {
        let native = self.natives().into_iter().find(|native| native.number == module);
        if let Some(native) = native {
            self.with_native(&native, |module, environment| {
                module.handle_answer(environment, number, answer);
            });
        }
    }

    /// Wakes the modules whose time has come.
    fn wake_modules(&self) {
        let now = self.worker.now().mono;
        for native in self.natives() {
            self.with_native(&native, |module, environment| {
                if module.deadline().is_some_and(|due| due <= now) {
                    module.handle_deadline(environment);
                }
            });
        }
        self.worker.apply();
    }
}

/// Wakes modules when they want to be woken.
pub(crate) async fn run(host: Rc<DaemonHost>) {
    loop {
        let deadline = host
            .natives()
            .iter()
            .filter_map(|native| native.module.try_borrow().ok()?.deadline())
            .min();
        let due = async {
            match deadline {
                Some(at) => sleep_until(host.worker.clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = host.modules.woken.notified() => {}
            () = due => host.wake_modules(),
        }
    }
}
