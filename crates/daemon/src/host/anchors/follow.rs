//! Asks for the keys that anchors follow, and carries out what their answers mean.

use std::rc::Rc;

use dns::{Rcode, Rtype};
use resolve::flags::QueryFlags;
use resolve::trust_anchors::keeper::{Look, LookFault, Report};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::{DaemonHost, files, log_state};
use crate::logging::log;
use crate::program::Program;

/// What the anchors that come with the program are called where others have a file.
const BUILT_IN: &str = "(built in)";

/// Looks at the keys of all zones with anchors when it is time to.
pub(crate) async fn follow(program: Rc<Program>) {
    let anchors = &program.host.anchors;
    // They end with this task.
    let mut asked = JoinSet::new();
    loop {
        while asked.try_join_next().is_some() {}
        let now = program.host.worker.now();
        let looks = anchors.keeper.borrow_mut().handle_deadline(now);
        for look in looks {
            asked.spawn_local(ask(program.clone(), look));
        }
        let deadline = anchors.keeper.borrow().poll_deadline();
        let due = async {
            match deadline {
                Some(at) => sleep_until(program.host.worker.clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = anchors.woken.notified() => {}
            () = due => {}
        }
    }
}

async fn ask(program: Rc<Program>, look: Look) {
    let host = &program.host;
    log!(Info, "taupd", "refreshing TA for {}", look.zone);
    let answer = host.worker.query(&look.zone, Rtype::DNSKEY, QueryFlags::NO_CACHE).await;
    let now = host.worker.now();
    let answered =
        host.anchors.keeper.borrow_mut().handle_answer(now, look.number, answer.as_deref());
    host.anchors.woken.notify_one();
    let Some(report) = answered else { return };
    host.carry_out(&report);
    if !report.drift.is_none() {
        program.anchors_are_outdated(&host.file_of(&report));
    }
    host.worker.apply();
}

impl DaemonHost {
    fn file_of(&self, report: &Report) -> String {
        let files = self.anchors.files.borrow();
        files.get(&report.zone).map_or(BUILT_IN.into(), |path| path.display().to_string())
    }

    fn carry_out(&self, report: &Report) {
        let zone = &report.zone;
        match &report.changes {
            Ok(changes) => {
                for change in changes {
                    let (from, to) = (change.from.name(), change.to.name());
                    log!(Notice, "taupd", "{zone} key: {} state: {to} (was {from})", change.tag);
                }
            }
            Err(LookFault::Refused(Rcode::SERVFAIL)) => {
                let text = "active refresh failed, update your trust anchors in";
                log!(Warning, "taupd", "{text} \"{}\"", self.file_of(report));
            }
            Err(LookFault::Refused(rcode)) => {
                log!(Warning, "taupd", "active refresh failed for {zone} with rcode: {}", rcode.0);
            }
            Err(LookFault::Silence) => {
                log!(Warning, "taupd", "active refresh failed, answer was dropped");
            }
            Err(LookFault::Unvalidated) => {
                log!(
                    Warning,
                    "taupd",
                    "active refresh failed, the keys of {zone} are not validated"
                );
            }
        }
        if let Some(text) = &report.file {
            self.keep(report, text);
        }
        let hours = report.next.as_secs_f64() / 3600.0;
        log!(Info, "taupd", "next refresh for {zone} in {hours:.4} hours");
    }

    /// Writes what has changed and puts it in force, if it can be written or not.
    fn keep(&self, report: &Report, text: &str) {
        let path = self.anchors.files.borrow().get(&report.zone).cloned();
        if let Some(path) = path
            && let Err(error) = files::write(&path, text)
        {
            log!(Warning, "taupd", "'{}' cannot be written: {error}", path.display());
        }
        if let Some(set) = self.anchors.keeper.borrow().set(&report.zone) {
            log_state(set);
        }
        self.put_anchors_in_force();
    }
}
