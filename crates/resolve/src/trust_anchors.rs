//! Where chains of trust begin and where they are not looked for: the operator's trust anchors
//! (RFC 4033 §2) and negative trust anchors (RFC 7646), as data in force.
//!
//! How they are written in files is in [`mod@file`], how IANA publishes the root's in [`published`],
//! what becomes of a key (RFC 5011) in [`roll`], and when which zone's keys are looked at in
//! [`keeper`].

pub mod file;
pub mod keeper;
pub mod key;
pub mod published;
pub mod roll;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dns::dnssec::Voucher;
use dns::{Name, Rrset, Rtype};

/// Anchors that are compared with a name one by one, which is faster for few than looking up each
/// name above it.
const SCANNED_MAX: usize = 8;

/// The anchors in force. Without any, nothing is validated and no DNSKEY or DS is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustAnchors {
    positive: BTreeMap<Name, Arc<Vec<Voucher>>>,
    negative: BTreeSet<Name>,
}

impl TrustAnchors {
    /// No anchors.
    pub fn new() -> TrustAnchors {
        TrustAnchors::default()
    }

    /// Is there none? Then validation is off.
    pub fn is_empty(&self) -> bool {
        self.positive.is_empty()
    }

    /// Adds one DS or DNSKEY (as rdata) to what a zone is trusted by.
    pub fn add(&mut self, zone: &Name, voucher: Voucher) {
        let vouchers = Arc::make_mut(self.positive.entry(zone.clone()).or_default());
        if !vouchers.contains(&voucher) {
            vouchers.push(voucher);
        }
    }

    /// Adds the records of a DS or DNSKEY set; others add nothing.
    pub fn add_set(&mut self, set: &Rrset) {
        for rdata in set.rdatas.iter() {
            match set.rtype {
                Rtype::DS => self.add(&set.owner, Voucher::Ds(rdata.to_vec())),
                Rtype::DNSKEY => self.add(&set.owner, Voucher::Key(rdata.to_vec())),
                _ => {}
            }
        }
    }

    /// Forgets all anchors of a zone; false if it had none.
    pub fn remove(&mut self, zone: &Name) -> bool {
        self.positive.remove(zone).is_some()
    }

    /// What the zone is trusted by; nothing if a negative anchor is at the same name.
    pub fn vouchers(&self, zone: &Name) -> Option<&Arc<Vec<Voucher>>> {
        self.positive.get(zone).filter(|_| !self.negative.contains(zone))
    }

    /// The zones that have anchors, in canonical order.
    pub fn zones(&self) -> impl Iterator<Item = (&Name, &[Voucher])> {
        self.positive.iter().map(|(zone, vouchers)| (zone, vouchers.as_slice()))
    }

    /// Replaces the names below which nothing is validated (RFC 7646).
    pub fn set_negative(&mut self, names: impl IntoIterator<Item = Name>) {
        self.negative = names.into_iter().collect();
    }

    /// The names below which nothing is validated, in canonical order.
    pub fn negative(&self) -> impl Iterator<Item = &Name> {
        self.negative.iter()
    }

    /// The zone of the anchor that names at or below `name` hang from; `None` if there is none or a
    /// negative anchor lies closer or at the same name (RFC 7646 §2).
    pub fn closest(&self, name: &Name) -> Option<&Name> {
        if self.positive.is_empty() {
            return None;
        }
        if self.positive.len() + self.negative.len() <= SCANNED_MAX {
            // Of names above the same name the longest is the closest.
            let positive = self.positive.keys().filter(|zone| name.is_at_or_below(zone));
            let closest = positive.max_by_key(|zone| zone.len())?;
            let mut negative = self.negative.iter().filter(|zone| name.is_at_or_below(zone));
            let is_negated = negative.any(|zone| zone.len() >= closest.len());
            return (!is_negated).then_some(closest);
        }
        let mut at = name.clone();
        loop {
            if self.negative.contains(&at) {
                return None;
            }
            if let Some((zone, _)) = self.positive.get_key_value(&at) {
                return Some(zone);
            }
            at = at.parent()?;
        }
    }

    /// The same for a record: DS belongs to the parent's side of a cut.
    pub fn closest_for(&self, name: &Name, rtype: Rtype) -> Option<&Name> {
        if rtype == Rtype::DS
            && let Some(parent) = name.parent()
        {
            return self.closest(&parent);
        }
        self.closest(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn the_closest_anchor_counts() {
        let mut anchors = TrustAnchors::new();
        assert_eq!(anchors.closest(&name("a.example.")), None);
        anchors.add(&Name::root(), Voucher::Ds(vec![1; 36]));
        anchors.add(&name("island.bad.example."), Voucher::Key(vec![2; 36]));
        anchors.set_negative([name("bad.example.")]);
        for (owner, zone) in [
            ("a.example.", Some(".")),
            (".", Some(".")),
            ("bad.example.", None),
            ("x.bad.example.", None),
            ("island.bad.example.", Some("island.bad.example.")),
            ("x.island.bad.example.", Some("island.bad.example.")),
        ] {
            assert_eq!(anchors.closest(&name(owner)), zone.map(name).as_ref(), "{owner}");
        }
        // The same, looked up.
        let mut many = anchors.clone();
        for number in 0..SCANNED_MAX {
            many.add(&name(&format!("other{number}.test.")), Voucher::Key(vec![2; 36]));
        }
        for owner in ["a.example.", "bad.example.", "x.island.bad.example.", "."] {
            assert_eq!(many.closest(&name(owner)), anchors.closest(&name(owner)), "{owner}");
        }
        assert_eq!(many.closest(&name("x.other1.test.")), Some(&name("other1.test.")));
        // The DS of a negative anchor's own name is the parent's data.
        assert_eq!(anchors.closest_for(&name("bad.example."), Rtype::DS), Some(&Name::root()));
        assert_eq!(anchors.closest_for(&name("island.bad.example."), Rtype::DS), None);
    }

    #[test]
    fn a_negative_anchor_wins_at_its_name() {
        let mut anchors = TrustAnchors::new();
        anchors.add(&name("example."), Voucher::Ds(vec![1; 36]));
        anchors.add(&name("sub.example."), Voucher::Ds(vec![1; 36]));
        anchors.set_negative([name("example.")]);
        assert_eq!(anchors.closest(&name("a.example.")), None);
        assert_eq!(anchors.vouchers(&name("example.")), None);
        assert_eq!(anchors.closest(&name("a.sub.example.")), Some(&name("sub.example.")));
        assert!(anchors.remove(&name("EXAMPLE.")));
        assert!(!anchors.remove(&name("example.")));
        assert!(anchors.remove(&name("sub.example.")));
        assert!(anchors.is_empty());
    }
}
