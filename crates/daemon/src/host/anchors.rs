//! `trust_anchors`: positive and negative ones, and the files that they are kept in.
//!
//! Which key is in which state is the business of [`Keeper`]; here are the files, the settings of
//! the resolver and the log. The questions that keep anchors up to date are asked by [`follow()`].

mod bootstrap;
mod files;
mod follow;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dns::Name;
use dns::dnssec::Voucher;
use lua::host::{AnchorKey, AnchorTunable, Bootstrap, HostError, Keyset, TrustAnchors};
use resolve::trust_anchors::file;
use resolve::trust_anchors::keeper::{Keeper, Tuning, Upkeep};
use resolve::trust_anchors::roll::AnchorSet;
use tokio::sync::Notify;

use super::DaemonHost;
use crate::logging::log;

pub(crate) use follow::follow;

/// The root's keys of 2017 and 2024 as DS records (IANA, root-anchors.xml).
const ROOT_ANCHORS: &str = "\
. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
";

/// What is trusted and what is not.
#[derive(Default)]
pub(super) struct State {
    keeper: RefCell<Keeper>,
    /// Where anchors came from, and go to if they change.
    files: RefCell<BTreeMap<Name, PathBuf>>,
    insecure: RefCell<Vec<Name>>,
    configured: Cell<bool>,
    /// The next look at keys may be earlier than before.
    woken: Notify,
}

impl DaemonHost {
    /// Hands the anchors to the resolver.
    fn put_anchors_in_force(&self) {
        let anchors = Arc::new(self.anchors.keeper.borrow().in_force());
        self.worker.change_settings(|settings| settings.trust_anchors = anchors);
        self.anchors.woken.notify_one();
    }

    /// Takes anchors over in the place of those that their zone had.
    fn install(&self, set: AnchorSet, upkeep: Upkeep, path: Option<&Path>) {
        let zone = set.zone.clone();
        {
            let mut keeper = self.anchors.keeper.borrow_mut();
            if keeper.set(&zone).is_some() && path.is_some() {
                let text = "warning: overriding previously set trust anchors for";
                log!(Warning, "ta", "{text} {zone}");
            }
            log_state(&set);
            keeper.put(self.worker.now(), set, upkeep);
        }
        let mut files = self.anchors.files.borrow_mut();
        match path {
            Some(path) => files.insert(zone, path.to_path_buf()),
            None => files.remove(&zone),
        };
        drop(files);
        self.put_anchors_in_force();
    }
}

/// What is in force for a zone, as kresd has said it since it follows keys.
fn log_state(set: &AnchorSet) {
    let records = file::write(set);
    log!(Info, "ta", "new state of trust anchors for a domain:\n{}", records.trim_end());
    for key in &set.keys {
        log!(Info, "ta", "key: {} state: {}", key.tag(), key.state.name());
    }
    if set.trusted().next().is_none() {
        log!(Err, "ta", "ERROR: no anchors are trusted for {} !", set.zone);
    }
}

fn keyset(set: &AnchorSet, upkeep: Upkeep, path: Option<&PathBuf>) -> Keyset {
    let keys = set.keys.iter().map(|key| {
        let rdata = match &key.voucher {
            Voucher::Ds(rdata) | Voucher::Key(rdata) => rdata.clone(),
        };
        AnchorKey {
            rtype: key.to_set(&set.zone).rtype,
            ttl: key.ttl,
            rdata,
            tag: key.tag(),
            state: key.state.name(),
            timer: key.timer,
            comment: format!(" {}", key.comment()),
        }
    });
    Keyset {
        zone: set.zone.clone(),
        managed: upkeep == Upkeep::Follow,
        tracked: upkeep != Upkeep::None,
        filename: path.cloned(),
        keys: keys.collect(),
    }
}

impl TrustAnchors for DaemonHost {
    fn anchors_add_file(
        &self,
        path: &Path,
        readonly: bool,
        bootstrap: &Bootstrap,
    ) -> Result<(), HostError> {
        if !readonly {
            files::check_writable(path)?;
            if !path.exists() {
                if self.anchors.keeper.borrow().set(&Name::root()).is_some() {
                    return Err(HostError::refused(format!(
                        "keyfile '{}' doesn't exist and root key is already installed, cannot \
                         bootstrap; provide a path to valid file with keys",
                        path.display()
                    )));
                }
                // Who only looks at a configuration asks nobody.
                if self.checking || !self.bootstrap(path, bootstrap)? {
                    self.anchors.configured.set(true);
                    return Ok(());
                }
            }
        }
        let set = files::read(path)?;
        let upkeep = if readonly { Upkeep::Watch } else { Upkeep::Follow };
        self.anchors.configured.set(true);
        self.install(set, upkeep, Some(path));
        Ok(())
    }

    fn anchors_add(&self, record: &str) -> Result<(), HostError> {
        let set = file::read_set(record).map_err(|fault| HostError::refused(fault.to_string()))?;
        let zone = set.zone.clone();
        let upkeep = self.anchors.keeper.borrow().upkeep(&zone);
        if upkeep == Some(Upkeep::Follow) {
            return Err(HostError::refused(format!(
                "it is impossible to add an unmanaged TA for zone {zone} which already has a \
                 managed TA"
            )));
        }
        if upkeep.is_some() {
            let text = "warning: extending previously set trust anchors for";
            log!(Warning, "ta", "{text} {zone}");
        }
        self.anchors.configured.set(true);
        let mut keeper = self.anchors.keeper.borrow_mut();
        keeper.extend(set);
        if let Some(set) = keeper.set(&zone) {
            log_state(set);
        }
        drop(keeper);
        self.put_anchors_in_force();
        Ok(())
    }

    fn anchors_remove(&self, zone: &Name) -> bool {
        self.anchors.configured.set(true);
        let removed = self.anchors.keeper.borrow_mut().remove(zone);
        self.anchors.files.borrow_mut().remove(zone);
        self.put_anchors_in_force();
        removed
    }

    fn anchors_set_insecure(&self, zones: &[Name]) -> Result<(), HostError> {
        let mut keeper = self.anchors.keeper.borrow_mut();
        for zone in zones.iter().filter(|zone| keeper.set(zone).is_some()) {
            // RFC 7646 §2 lets the negative one win and asks for a warning.
            log!(Warning, "ta", "warning: {zone} has a trust anchor, which is now without effect");
        }
        keeper.set_negative(zones.iter().cloned());
        drop(keeper);
        *self.anchors.insecure.borrow_mut() = zones.to_vec();
        self.put_anchors_in_force();
        Ok(())
    }

    fn anchors_insecure(&self) -> Vec<Name> {
        self.anchors.insecure.borrow().clone()
    }

    fn anchors(&self, zone: Option<&Name>) -> Vec<(Name, String)> {
        let keeper = self.anchors.keeper.borrow();
        let wanted = keeper.sets().filter(|set| zone.is_none_or(|zone| *zone == set.zone));
        wanted.map(|set| (set.zone.clone(), file::write(set))).collect()
    }

    fn anchors_keysets(&self) -> Vec<Keyset> {
        let keeper = self.anchors.keeper.borrow();
        let files = self.anchors.files.borrow();
        let sets = keeper.sets().filter_map(|set| {
            let upkeep = keeper.upkeep(&set.zone)?;
            Some(keyset(set, upkeep, files.get(&set.zone)))
        });
        sets.collect()
    }

    fn anchors_track(&self, zone: &Name, managed: bool) -> bool {
        let upkeep = if managed { Upkeep::Follow } else { Upkeep::Watch };
        let known = self.anchors.keeper.borrow_mut().set_upkeep(self.worker.now(), zone, upkeep);
        self.anchors.woken.notify_one();
        known
    }

    fn anchors_untrack(&self, zone: &Name) {
        let mut keeper = self.anchors.keeper.borrow_mut();
        keeper.set_upkeep(self.worker.now(), zone, Upkeep::None);
    }

    fn anchors_tunable(&self, tunable: AnchorTunable) -> Option<u64> {
        let tuning = self.anchors.keeper.borrow().tuning();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match tunable {
            AnchorTunable::HoldDownTime => tuning.pace.hold_down.map(milliseconds),
            AnchorTunable::RefreshTime => tuning.refresh.map(milliseconds),
            AnchorTunable::KeepRemoved => Some(tuning.pace.keep_removed as u64),
        }
    }

    fn set_anchors_tunable(
        &self,
        tunable: AnchorTunable,
        value: Option<u64>,
    ) -> Result<(), HostError> {
        let mut keeper = self.anchors.keeper.borrow_mut();
        let Tuning { mut pace, mut refresh } = keeper.tuning();
        match tunable {
            AnchorTunable::HoldDownTime => pace.hold_down = value.map(Duration::from_millis),
            AnchorTunable::RefreshTime => refresh = value.map(Duration::from_millis),
            AnchorTunable::KeepRemoved => {
                pace.keep_removed = usize::try_from(value.unwrap_or(0)).unwrap_or(usize::MAX);
            }
        }
        keeper.tune(self.worker.now(), Tuning { pace, refresh });
        self.anchors.woken.notify_one();
        Ok(())
    }

    fn anchors_configured(&self) -> bool {
        self.anchors.configured.get()
    }

    fn anchors_load_default(&self) -> Result<(), HostError> {
        let set =
            file::read_set(ROOT_ANCHORS).map_err(|fault| HostError::refused(fault.to_string()))?;
        self.install(set, Upkeep::Watch, None);
        Ok(())
    }
}
