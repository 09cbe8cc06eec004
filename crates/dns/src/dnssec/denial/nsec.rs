//! Proofs by NSEC (RFC 4034 §4, RFC 4035 §5.4, RFC 6840 §4).

use smallvec::SmallVec;

use super::{DenialFault, NoDs, Proven};
use crate::limits::DENIALS_MAX;
use crate::name::key::count_labels;
use crate::name::{Name, NameKey};
use crate::rdata::view::NsecView;
use crate::rrset::Rrset;
use crate::rtype::Rtype;

/// One NSEC: a name that exists, its types, and the next name that exists.
pub struct Nsec<'a> {
    ends: Ends,
    view: NsecView<'a>,
}

/// Two names that exist, and none between them. Names are keys, since all that is done with them is
/// comparing.
#[derive(Debug)]
struct Ends {
    owner: NameKey,
    next: NameKey,
}

/// What an NSEC says about names between its ends, without the record.
#[derive(Debug)]
pub struct NsecRange {
    ends: Ends,
    /// Is what lies below the owner no matter of this record?
    is_cut: bool,
}

impl Ends {
    /// Does `name` lie strictly between owner and next name, in a zone where the last NSEC points
    /// back to the apex?
    fn covers(&self, name: &NameKey) -> bool {
        let above_owner = *name > self.owner;
        if self.owner < self.next {
            above_owner && *name < self.next
        } else {
            // The last NSEC of the zone; `next` is the apex.
            above_owner
        }
    }

    fn denies(&self, name: &NameKey, is_cut: impl FnOnce() -> bool) -> bool {
        self.covers(name) && !self.next.is_below(name) && !(name.is_below(&self.owner) && is_cut())
    }

    fn closest_encloser<'n>(&self, name: &'n NameKey) -> &'n [u8] {
        let (one, other) = (name.common_ancestor(&self.owner), name.common_ancestor(&self.next));
        if one.len() > other.len() { one } else { other }
    }
}

impl NsecRange {
    /// See [`Nsec::denies`].
    pub fn denies(&self, name: &NameKey) -> bool {
        self.ends.denies(name, || self.is_cut)
    }

    /// See [`Nsec::closest_encloser`].
    pub fn closest_encloser<'n>(&self, name: &'n NameKey) -> &'n [u8] {
        self.ends.closest_encloser(name)
    }

    /// Where it begins.
    pub fn owner(&self) -> &NameKey {
        &self.ends.owner
    }
}

impl<'a> Nsec<'a> {
    /// The NSEC of a set; `None` if it does not lie inside the zone with both ends.
    pub fn of_set(zone: &NameKey, set: &'a Rrset) -> Option<Nsec<'a>> {
        if set.rtype != Rtype::NSEC {
            return None;
        }
        Nsec::new(zone.as_bytes(), NameKey::of(&set.owner), set.rdatas.iter().next()?)
    }

    /// The same from the zone's key, owner and rdata.
    pub fn new(zone: &[u8], owner: NameKey, rdata: &'a [u8]) -> Option<Nsec<'a>> {
        let view = NsecView::new(rdata)?;
        let next = view.next_key();
        let is_inside = owner.as_bytes().starts_with(zone) && next.as_bytes().starts_with(zone);
        is_inside.then_some(Nsec { ends: Ends { owner, next }, view })
    }

    /// What it says about names between its ends, to be kept without the record.
    pub fn into_range(self) -> NsecRange {
        let is_cut = self.is_cut();
        NsecRange { ends: self.ends, is_cut }
    }

    /// Is it of the parent's side of a delegation?
    pub fn is_delegation(&self) -> bool {
        self.view.has_type(Rtype::NS) && !self.view.has_type(Rtype::SOA)
    }

    /// Does `name` lie strictly between owner and next name, in a zone where the last NSEC points
    /// back to the apex?
    pub fn covers(&self, name: &NameKey) -> bool {
        self.ends.covers(name)
    }

    /// Other rules apply below a delegation or a DNAME (RFC 6840 §4.1).
    fn is_cut(&self) -> bool {
        self.is_delegation() || self.view.has_type(Rtype::DNAME)
    }

    /// Does it show that `name` has no records? Not so below a delegation or a DNAME, where other
    /// rules apply (RFC 6840 §4.1), and not if `name` is an empty non-terminal.
    pub fn denies(&self, name: &NameKey) -> bool {
        self.ends.denies(name, || self.is_cut())
    }

    /// Is `name` an empty non-terminal, with the next name below it?
    pub fn shows_empty(&self, name: &NameKey) -> bool {
        self.covers(name) && self.ends.next.is_below(name)
    }

    /// The closest encloser of a name that this NSEC denies, as a key: the name shares it with one
    /// of the two existing names.
    pub fn closest_encloser<'n>(&self, name: &'n NameKey) -> &'n [u8] {
        self.ends.closest_encloser(name)
    }

    /// May it say that its owner has no `rtype`? The parent's side speaks about DS only, the
    /// child's apex about everything else (RFC 6840 §4.4).
    pub fn lacks(&self, rtype: Rtype) -> bool {
        let right_side = if rtype == Rtype::DS {
            !self.view.has_type(Rtype::SOA) || self.ends.owner.is_root()
        } else {
            !self.is_delegation()
        };
        right_side && !self.view.has_type(rtype) && !self.view.has_type(Rtype::CNAME)
    }
}

/// The NSECs of a message.
pub struct Nsecs<'a> {
    list: SmallVec<[Nsec<'a>; 3]>,
}

impl<'a> Nsecs<'a> {
    /// Collects the usable ones; `None` if there is none.
    pub fn new(zone: &Name, sets: &[&'a Rrset]) -> Option<Nsecs<'a>> {
        if !sets.iter().any(|set| set.rtype == Rtype::NSEC) {
            return None;
        }
        let zone = NameKey::of(zone);
        let usable = sets.iter().filter_map(|set| Nsec::of_set(&zone, set));
        Some(Nsecs { list: usable.take(DENIALS_MAX).collect() }).filter(|all| !all.list.is_empty())
    }

    fn denying(&self, name: &NameKey) -> Option<&Nsec<'a>> {
        self.list.iter().find(|nsec| nsec.denies(name))
    }

    fn at(&self, name: &NameKey) -> Option<&Nsec<'a>> {
        self.list.iter().find(|nsec| nsec.ends.owner == *name)
    }

    /// See [`super::prove_nxdomain`].
    pub fn nxdomain(&self, name: &Name) -> Result<Proven, DenialFault> {
        let name = NameKey::of(name);
        let denying = self.denying(&name).ok_or(DenialFault::Missing)?;
        match NameKey::wildcard_below(denying.closest_encloser(&name)) {
            Some(wildcard) if self.denying(&wildcard).is_none() => Err(DenialFault::Missing),
            _ => Ok(Proven { opt_out: false }),
        }
    }

    /// See [`super::prove_no_data`].
    pub fn no_data(&self, name: &Name, rtype: Rtype) -> Result<Proven, DenialFault> {
        let name = NameKey::of(name);
        let proven = Ok(Proven { opt_out: false });
        if self.at(&name).is_some_and(|nsec| nsec.lacks(rtype)) {
            return proven;
        }
        if self.list.iter().any(|nsec| nsec.shows_empty(&name)) {
            return proven;
        }
        // A wildcard without the type (RFC 4035 §3.1.3.4), or with nothing at all: one that only has
        // names below it stands in for others, too (RFC 4592 §2.2.2, §3.3.1).
        let denying = self.denying(&name).ok_or(DenialFault::Missing)?;
        let wildcard = NameKey::wildcard_below(denying.closest_encloser(&name));
        let wildcard = wildcard.ok_or(DenialFault::Missing)?;
        match self.at(&wildcard) {
            Some(nsec) if nsec.lacks(rtype) => proven,
            None if self.list.iter().any(|nsec| nsec.shows_empty(&wildcard)) => proven,
            _ => Err(DenialFault::Missing),
        }
    }

    /// See [`super::prove_expansion`].
    pub fn expansion(&self, name: &Name, labels: u8) -> Result<Proven, DenialFault> {
        let name = NameKey::of(name);
        let denying = self.denying(&name).ok_or(DenialFault::Missing)?;
        if count_labels(denying.closest_encloser(&name)) > usize::from(labels) {
            return Err(DenialFault::Missing);
        }
        Ok(Proven { opt_out: false })
    }

    /// See [`super::prove_no_ds`].
    pub fn no_ds(&self, name: &Name) -> Result<NoDs, DenialFault> {
        let name = NameKey::of(name);
        if let Some(nsec) = self.at(&name) {
            if !nsec.lacks(Rtype::DS) {
                return Err(DenialFault::Missing);
            }
            return Ok(if nsec.view.has_type(Rtype::NS) { NoDs::Unsigned } else { NoDs::NotACut });
        }
        if self.list.iter().any(|nsec| nsec.shows_empty(&name)) {
            return Ok(NoDs::NotACut);
        }
        if self.denying(&name).is_some() {
            return Ok(NoDs::NoName);
        }
        Err(DenialFault::Missing)
    }
}
