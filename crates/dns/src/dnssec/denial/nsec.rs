//! Proofs by NSEC (RFC 4034 §4, RFC 4035 §5.4, RFC 6840 §4).

use super::{DenialFault, NoDs, Proven};
use crate::limits::DENIALS_MAX;
use crate::name::Name;
use crate::rdata::view::NsecView;
use crate::rrset::Rrset;
use crate::rtype::Rtype;

/// One NSEC: a name that exists, its types, and the next name that exists.
pub struct Nsec<'a> {
    pub owner: &'a Name,
    pub next: Name,
    pub view: NsecView<'a>,
}

impl<'a> Nsec<'a> {
    /// The NSEC of a set; `None` if it does not lie inside the zone with both ends.
    pub fn new(zone: &Name, set: &'a Rrset) -> Option<Nsec<'a>> {
        if set.rtype != Rtype::NSEC || !set.owner.is_at_or_below(zone) {
            return None;
        }
        let view = NsecView::new(set.rdatas.iter().next()?)?;
        let next = view.next();
        next.is_at_or_below(zone).then_some(Nsec { owner: &set.owner, next, view })
    }

    /// Is it of the parent's side of a delegation?
    pub fn is_delegation(&self) -> bool {
        self.view.has_type(Rtype::NS) && !self.view.has_type(Rtype::SOA)
    }

    /// Does `name` lie strictly between owner and next name, in a zone where the last NSEC points
    /// back to the apex?
    pub fn covers(&self, name: &Name) -> bool {
        let above_owner = name > self.owner;
        if *self.owner < self.next {
            above_owner && *name < self.next
        } else {
            // The last NSEC of the zone; `next` is the apex.
            above_owner
        }
    }

    /// Does it show that `name` has no records? Not so below a delegation or a DNAME, where other
    /// rules apply (RFC 6840 §4.1), and not if `name` is an empty non-terminal.
    pub fn denies(&self, name: &Name) -> bool {
        self.covers(name)
            && !self.next.is_below(name)
            && !(name.is_below(self.owner)
                && (self.is_delegation() || self.view.has_type(Rtype::DNAME)))
    }

    /// Labels of the closest encloser of a name that this NSEC denies: it shares them with one of
    /// the two existing names.
    pub fn closest_encloser_labels(&self, name: &Name) -> usize {
        name.common_labels(self.owner).max(name.common_labels(&self.next))
    }

    /// May it say that its owner has no `rtype`? The parent's side speaks about DS only, the
    /// child's apex about everything else (RFC 6840 §4.4).
    pub fn lacks(&self, rtype: Rtype) -> bool {
        let right_side = if rtype == Rtype::DS {
            !self.view.has_type(Rtype::SOA) || self.owner.is_root()
        } else {
            !self.is_delegation()
        };
        right_side && !self.view.has_type(rtype) && !self.view.has_type(Rtype::CNAME)
    }
}

/// The NSECs of a message.
pub struct Nsecs<'a> {
    list: Vec<Nsec<'a>>,
}

impl<'a> Nsecs<'a> {
    /// Collects the usable ones.
    pub fn new(zone: &Name, sets: &[&'a Rrset]) -> Nsecs<'a> {
        let list = sets.iter().filter_map(|set| Nsec::new(zone, set)).take(DENIALS_MAX).collect();
        Nsecs { list }
    }

    fn denying(&self, name: &Name) -> Option<&Nsec<'a>> {
        self.list.iter().find(|nsec| nsec.denies(name))
    }

    fn at(&self, name: &Name) -> Option<&Nsec<'a>> {
        self.list.iter().find(|nsec| nsec.owner == name)
    }

    /// See [`super::prove_nxdomain`].
    pub fn nxdomain(&self, name: &Name) -> Result<Proven, DenialFault> {
        let denying = self.denying(name).ok_or(DenialFault::Missing)?;
        let encloser = name.suffix(denying.closest_encloser_labels(name));
        match encloser.wildcard_child() {
            Some(wildcard) if self.denying(&wildcard).is_none() => Err(DenialFault::Missing),
            _ => Ok(Proven { opt_out: false }),
        }
    }

    /// See [`super::prove_no_data`].
    pub fn no_data(&self, name: &Name, rtype: Rtype) -> Result<Proven, DenialFault> {
        let proven = Ok(Proven { opt_out: false });
        if self.list.iter().any(|nsec| nsec.owner == name && nsec.lacks(rtype)) {
            return proven;
        }
        // An empty non-terminal: the next name lies below it.
        if self.list.iter().any(|nsec| nsec.covers(name) && nsec.next.is_below(name)) {
            return proven;
        }
        // A wildcard without the type (RFC 4035 §3.1.3.4).
        let denying = self.denying(name).ok_or(DenialFault::Missing)?;
        let encloser = name.suffix(denying.closest_encloser_labels(name));
        let wildcard = encloser.wildcard_child().ok_or(DenialFault::Missing)?;
        match self.at(&wildcard) {
            Some(nsec) if nsec.lacks(rtype) => proven,
            _ => Err(DenialFault::Missing),
        }
    }

    /// See [`super::prove_expansion`].
    pub fn expansion(&self, name: &Name, labels: u8) -> Result<Proven, DenialFault> {
        let denying = self.denying(name).ok_or(DenialFault::Missing)?;
        if denying.closest_encloser_labels(name) > usize::from(labels) {
            return Err(DenialFault::Missing);
        }
        Ok(Proven { opt_out: false })
    }

    /// See [`super::prove_no_ds`].
    pub fn no_ds(&self, name: &Name) -> Result<NoDs, DenialFault> {
        if let Some(nsec) = self.at(name) {
            if !nsec.lacks(Rtype::DS) {
                return Err(DenialFault::Missing);
            }
            return Ok(if nsec.view.has_type(Rtype::NS) { NoDs::Unsigned } else { NoDs::NotACut });
        }
        if self.list.iter().any(|nsec| nsec.covers(name) && nsec.next.is_below(name)) {
            return Ok(NoDs::NotACut);
        }
        if self.denying(name).is_some() {
            return Ok(NoDs::NoName);
        }
        Err(DenialFault::Missing)
    }
}
