//! Response policy zones: read from files beside the loop, and again when a file changes.
//!
//! A file is looked at about once a second. One that has changed is read when it has stayed the
//! same for a second, so that a half-written one is seldom taken for the whole; a faulty one
//! changes nothing.

use std::cell::RefCell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use modules::policy::names::Seed;
use modules::policy::{RuleId, Rules, Zone};
use tokio::task::{spawn_blocking, spawn_local};

use crate::logging::log;
use crate::worker::Worker;

/// What tells one version of a file from another: device, inode, size, time of change.
type Version = (u64, u64, u64, i64, i64);

/// A file that is watched.
struct Watched {
    id: RuleId,
    path: PathBuf,
    /// The version that was read last, or tried.
    taken: Option<Version>,
    /// The version that was there a moment ago.
    seen: Option<Version>,
}

/// The files that rules come from.
#[derive(Default)]
pub(super) struct Zones {
    watched: RefCell<Vec<Watched>>,
}

fn version(path: &Path) -> Option<Version> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

/// Reads a file. The error is for the operator and begins with the place.
pub(super) fn load(path: &Path, seed: Seed) -> Result<Arc<Zone>, String> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| format!("RPZ {shown}: {error}"))?;
    let total = text.len();
    let mut progress = |done: usize| {
        log!(Notice, "policy", "RPZ {shown}: {} % read", done.saturating_mul(100) / total.max(1));
    };
    let zone = Zone::read(&text, seed, &mut progress)
        .map_err(|fault| format!("RPZ {shown}:{}: {}", fault.line, fault.text))?;
    for note in &zone.notes {
        log!(Info, "policy", "RPZ {shown}:{}: {}", note.line, note.text);
    }
    let more = zone.notes_count - zone.notes.len();
    if more > 0 {
        log!(Info, "policy", "RPZ {shown}: {more} more remarks of this kind");
    }
    Ok(Arc::new(zone))
}

impl Zones {
    /// Watches the file of a rule. What is there now counts as read.
    pub(super) fn watch(&self, id: RuleId, path: &Path) {
        let now = version(path);
        let path = path.to_owned();
        self.watched.borrow_mut().push(Watched { id, path, taken: now, seen: now });
    }

    /// The rule is no more.
    pub(super) fn forget(&self, id: RuleId) {
        self.watched.borrow_mut().retain(|watched| watched.id != id);
    }

    /// Reads files that have changed.
    pub(super) fn check(&self, worker: &Rc<Worker>, rules: &Rules) {
        for watched in self.watched.borrow_mut().iter_mut() {
            let now = version(&watched.path);
            let is_steady = now == watched.seen;
            watched.seen = now;
            if now.is_some() && is_steady && now != watched.taken {
                watched.taken = now;
                self.load_later(worker.clone(), rules.clone(), watched.id, &watched.path);
            }
        }
    }

    /// Reads a file beside the loop and puts it in force.
    pub(super) fn load_later(&self, worker: Rc<Worker>, rules: Rules, id: RuleId, path: &Path) {
        let (seed, path) = (rules.seed(), path.to_owned());
        spawn_local(async move {
            let shown = path.display().to_string();
            let Ok(loaded) = spawn_blocking(move || load(&path, seed)).await else {
                log!(Err, "policy", "RPZ {shown}: reading it failed");
                return;
            };
            match loaded {
                Ok(zone) => {
                    let count = zone.len();
                    if rules.replace_zone(id, zone) {
                        log!(Notice, "policy", "RPZ {shown}: {count} names are in force");
                        worker.change_resolver(resolve::Resolver::forget_answers);
                    }
                }
                Err(text) => {
                    log!(Err, "policy", "{text}; what was read before stays in force");
                }
            }
        });
    }
}
