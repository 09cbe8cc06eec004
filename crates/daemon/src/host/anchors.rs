//! `trust_anchors`: positive and negative ones, as text.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dns::{Name, Rrset};
use lua::host::{AnchorTunable, HostError, TrustAnchors};

use resolve::trust_anchors;

use super::DaemonHost;

/// The root's keys of 2017 and 2024 as DS records (IANA, root-anchors.xml).
const ROOT_ANCHORS: [&str; 2] = [
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
];

/// What is trusted and what is not.
#[derive(Default)]
pub(super) struct State {
    /// Each record as a set, and as the operator wrote it.
    records: RefCell<Vec<(Rrset, String)>>,
    insecure: RefCell<Vec<Name>>,
    tunables: RefCell<BTreeMap<u8, u64>>,
    configured: Cell<bool>,
}

impl State {
    fn add(&self, record: &str) -> Result<(), HostError> {
        let sets = trust_anchors::file::read(record)
            .map_err(|fault| HostError::refused(format!("'{record}': {fault}")))?;
        let text = record.trim();
        self.records.borrow_mut().extend(sets.into_iter().map(|set| (set, text.to_owned())));
        Ok(())
    }

    /// The anchors as the resolver takes them.
    fn in_force(&self) -> resolve::TrustAnchors {
        let mut anchors = resolve::TrustAnchors::new();
        self.records.borrow().iter().for_each(|(set, _)| anchors.add_set(set));
        anchors.set_negative(self.insecure.borrow().iter().cloned());
        anchors
    }
}

impl DaemonHost {
    /// Hands the anchors to the resolver.
    fn put_anchors_in_force(&self) {
        let anchors = Arc::new(self.anchors.in_force());
        self.worker.change_settings(|settings| settings.trust_anchors = anchors);
    }
}

impl TrustAnchors for DaemonHost {
    fn anchors_add_file(&self, path: &Path, _readonly: bool) -> Result<(), HostError> {
        let text = std::fs::read_to_string(path).map_err(|source| HostError::System {
            action: format!("trust anchors '{}'", path.display()),
            source,
        })?;
        let sets = trust_anchors::file::read(&text).map_err(|fault| {
            HostError::refused(format!(
                "[ ta ] ERROR: failed to read anchors from '{}' ({fault})",
                path.display()
            ))
        })?;
        let records = sets.into_iter().map(|set| {
            let text = set.to_string();
            (set, text)
        });
        self.anchors.records.borrow_mut().extend(records);
        self.anchors.configured.set(true);
        self.put_anchors_in_force();
        Ok(())
    }

    fn anchors_add(&self, record: &str) -> Result<(), HostError> {
        self.anchors.add(record)?;
        self.anchors.configured.set(true);
        self.put_anchors_in_force();
        Ok(())
    }

    fn anchors_remove(&self, zone: &Name) -> bool {
        self.anchors.configured.set(true);
        let removed = {
            let mut records = self.anchors.records.borrow_mut();
            let before = records.len();
            records.retain(|(set, _)| set.owner != *zone);
            before != records.len()
        };
        self.put_anchors_in_force();
        removed
    }

    fn anchors_set_insecure(&self, zones: &[Name]) -> Result<(), HostError> {
        *self.anchors.insecure.borrow_mut() = zones.to_vec();
        self.put_anchors_in_force();
        Ok(())
    }

    fn anchors_insecure(&self) -> Vec<Name> {
        self.anchors.insecure.borrow().clone()
    }

    fn anchors(&self, zone: Option<&Name>) -> Vec<(Name, String)> {
        let mut by_zone: Vec<(Name, String)> = Vec::new();
        for (set, record) in self.anchors.records.borrow().iter() {
            let owner = &set.owner;
            if zone.is_some_and(|zone| zone != owner) {
                continue;
            }
            match by_zone.iter_mut().find(|(known, _)| known == owner) {
                Some((_, text)) => *text += &format!("{record}\n"),
                None => by_zone.push((owner.clone(), format!("{record}\n"))),
            }
        }
        by_zone
    }

    fn anchors_tunable(&self, tunable: AnchorTunable) -> Option<u64> {
        self.anchors.tunables.borrow().get(&(tunable as u8)).copied()
    }

    fn set_anchors_tunable(
        &self,
        tunable: AnchorTunable,
        value: Option<u64>,
    ) -> Result<(), HostError> {
        let mut tunables = self.anchors.tunables.borrow_mut();
        match value {
            Some(value) => tunables.insert(tunable as u8, value),
            None => tunables.remove(&(tunable as u8)),
        };
        Ok(())
    }

    fn anchors_configured(&self) -> bool {
        self.anchors.configured.get()
    }

    fn anchors_load_default(&self) -> Result<(), HostError> {
        ROOT_ANCHORS.iter().try_for_each(|record| self.anchors.add(record))?;
        self.put_anchors_in_force();
        Ok(())
    }
}
