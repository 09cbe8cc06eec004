//! Proofs by NSEC3 (RFC 5155 §8, RFC 9276, RFC 6840 §4), with hashing paid from a budget.

use smallvec::SmallVec;

use super::{DenialFault, NoDs, Proven};
use crate::dnssec::budget::Budget;
use crate::dnssec::crypto::{nsec3_blocks, nsec3_hash};
use crate::dnssec::nsec3::{HASH_LEN, LABEL_LEN, hash_from_label};
use crate::limits::{DENIALS_MAX, NSEC3_ITERATIONS_MAX};
use crate::name::Name;
use crate::rdata::view::Nsec3View;
use crate::rrset::Rrset;
use crate::rtype::Rtype;

/// The only hash algorithm there is: SHA-1 (RFC 5155 §11).
const SHA1: u8 = 1;

/// One NSEC3: the hash of a name that exists, its types, and the next hash.
pub struct Nsec3<'a> {
    pub hash: [u8; HASH_LEN],
    pub next: [u8; HASH_LEN],
    pub view: Nsec3View<'a>,
}

impl<'a> Nsec3<'a> {
    /// The NSEC3 of a set; `None` if it is not one of the zone's or has an unknown algorithm or
    /// unknown flags, which must be ignored (RFC 5155 §8.1, §8.2).
    pub fn new(zone: &Name, set: &'a Rrset) -> Option<Nsec3<'a>> {
        let is_child = set.owner.len() == zone.len() + 1 + LABEL_LEN && set.owner.is_below(zone);
        if set.rtype != Rtype::NSEC3 || !is_child {
            return None;
        }
        Nsec3::of_hash(hash_from_label(set.owner.labels().next()?)?, set.rdatas.iter().next()?)
    }

    /// The same from the hash that its owner stands for, below the zone, and the rdata.
    pub fn of_hash(hash: [u8; HASH_LEN], rdata: &'a [u8]) -> Option<Nsec3<'a>> {
        let view = Nsec3View::new(rdata)?;
        if view.hash_algorithm() != SHA1 || view.flags() & !Nsec3View::OPT_OUT != 0 {
            return None;
        }
        Some(Nsec3 { hash, next: view.next_hash().try_into().ok()?, view })
    }

    /// Does a hash lie strictly between this one and the next, around the end of the circle too?
    pub fn covers(&self, hash: &[u8; HASH_LEN]) -> bool {
        if self.hash < self.next {
            self.hash < *hash && *hash < self.next
        } else {
            *hash > self.hash || *hash < self.next
        }
    }

    /// Is it of the parent's side of a delegation?
    pub fn is_delegation(&self) -> bool {
        self.view.has_type(Rtype::NS) && !self.view.has_type(Rtype::SOA)
    }

    /// May it say that the name it is of has no `rtype`? The parent's side speaks about DS only, the
    /// child's apex about everything else (RFC 6840 §4.4).
    pub fn lacks(&self, rtype: Rtype, at_root: bool) -> bool {
        let right_side = if rtype == Rtype::DS {
            !self.view.has_type(Rtype::SOA) || at_root
        } else {
            !self.is_delegation()
        };
        right_side && !self.view.has_type(rtype) && !self.view.has_type(Rtype::CNAME)
    }
}

/// The closest name that exists, and the NSEC3 that denies the next closer one.
struct Closest {
    encloser: Name,
    opt_out: bool,
}

/// The NSEC3s of a message, all with the same parameters.
pub struct Nsec3s<'a> {
    zone: &'a Name,
    list: SmallVec<[Nsec3<'a>; 4]>,
    iterations: u16,
    salt: &'a [u8],
}

impl<'a> Nsec3s<'a> {
    /// Collects the usable ones. More than a proof needs is an attack and proves nothing.
    pub fn new(zone: &'a Name, sets: &[&'a Rrset]) -> Result<Nsec3s<'a>, DenialFault> {
        let mut list = SmallVec::<[Nsec3<'a>; 4]>::new();
        for nsec3 in sets.iter().filter_map(|set| Nsec3::new(zone, set)) {
            // RFC 5155 §7.2: the same parameters in all of a response.
            let same = list.first().is_none_or(|first| {
                first.view.iterations() == nsec3.view.iterations()
                    && first.view.salt() == nsec3.view.salt()
            });
            if !same {
                continue;
            }
            if list.len() == DENIALS_MAX {
                return Err(DenialFault::Budget);
            }
            list.push(nsec3);
        }
        let Some(first) = list.first() else { return Err(DenialFault::Missing) };
        let (iterations, salt) = (first.view.iterations(), first.view.salt());
        if iterations > NSEC3_ITERATIONS_MAX {
            return Err(DenialFault::Iterations);
        }
        Ok(Nsec3s { zone, list, iterations, salt })
    }

    fn hash(&self, name: &Name, budget: &mut Budget) -> Result<[u8; HASH_LEN], DenialFault> {
        budget.pay_hash(nsec3_blocks(name.len(), self.salt.len(), self.iterations))?;
        Ok(nsec3_hash(name.to_lowercase().as_wire(), self.salt, self.iterations))
    }

    fn at(&self, hash: &[u8; HASH_LEN]) -> Option<&Nsec3<'a>> {
        self.list.iter().find(|nsec3| nsec3.hash == *hash)
    }

    fn covering(&self, hash: &[u8; HASH_LEN]) -> Option<&Nsec3<'a>> {
        self.list.iter().find(|nsec3| nsec3.covers(hash))
    }

    /// The closest encloser proof (RFC 5155 §8.3) for a name that has no NSEC3 of its own.
    fn closest(&self, name: &Name, budget: &mut Budget) -> Result<Closest, DenialFault> {
        if !name.is_below(self.zone) {
            return Err(DenialFault::Missing);
        }
        // From the zone downwards, so that the many labels of a made-up name cost nothing: once the
        // next closer name is denied nothing below it has to be hashed.
        let mut above: Option<&Nsec3<'a>> = None;
        for labels in self.zone.label_count()..=name.label_count() {
            let hash = self.hash(&name.suffix(labels), budget)?;
            let matching = self.at(&hash);
            let Some(found) = above.filter(|_| matching.is_none()) else {
                above = matching;
                continue;
            };
            above = None;
            // An ancestor's delegation or DNAME proves nothing about what is below it
            // (RFC 5155 §8.3, RFC 6840 §4.1).
            if found.is_delegation() || found.view.has_type(Rtype::DNAME) {
                return Err(DenialFault::Missing);
            }
            if let Some(covering) = self.covering(&hash) {
                let encloser = name.suffix(labels - 1);
                return Ok(Closest { encloser, opt_out: covering.view.is_opt_out() });
            }
        }
        Err(DenialFault::Missing)
    }

    /// See [`super::prove_nxdomain`] (RFC 5155 §8.4).
    pub fn nxdomain(&self, name: &Name, budget: &mut Budget) -> Result<Proven, DenialFault> {
        let hash = self.hash(name, budget)?;
        if self.at(&hash).is_some() {
            return Err(DenialFault::Missing);
        }
        let closest = self.closest(name, budget)?;
        if let Some(wildcard) = closest.encloser.wildcard_child() {
            let hash = self.hash(&wildcard, budget)?;
            self.covering(&hash).ok_or(DenialFault::Missing)?;
        }
        Ok(Proven { opt_out: closest.opt_out })
    }

    /// See [`super::prove_no_data`] (RFC 5155 §8.5, §8.6, §8.7).
    pub fn no_data(
        &self,
        name: &Name,
        rtype: Rtype,
        budget: &mut Budget,
    ) -> Result<Proven, DenialFault> {
        let hash = self.hash(name, budget)?;
        if let Some(nsec3) = self.at(&hash) {
            return if nsec3.lacks(rtype, name.is_root()) {
                Ok(Proven { opt_out: false })
            } else {
                Err(DenialFault::Missing)
            };
        }
        let closest = self.closest(name, budget)?;
        // An unsigned delegation may be left out at the name itself, so what a wildcard above it has
        // says nothing about its DS (RFC 5155 §8.6).
        if closest.opt_out && rtype == Rtype::DS {
            return Ok(Proven { opt_out: true });
        }
        if let Some(wildcard) = closest.encloser.wildcard_child() {
            let hash = self.hash(&wildcard, budget)?;
            if let Some(nsec3) = self.at(&hash) {
                return if nsec3.lacks(rtype, false) {
                    Ok(Proven { opt_out: closest.opt_out })
                } else {
                    Err(DenialFault::Missing)
                };
            }
        }
        // No DS in an opted-out range (RFC 5155 §8.6); the same range hides empty non-terminals
        // of unsigned delegations (erratum 3441).
        if closest.opt_out {
            return Ok(Proven { opt_out: true });
        }
        Err(DenialFault::Missing)
    }

    /// See [`super::prove_expansion`] (RFC 5155 §8.8).
    pub fn expansion(
        &self,
        name: &Name,
        labels: u8,
        budget: &mut Budget,
    ) -> Result<Proven, DenialFault> {
        let next_closer = name.suffix(usize::from(labels) + 1);
        let hash = self.hash(&next_closer, budget)?;
        let covering = self.covering(&hash).ok_or(DenialFault::Missing)?;
        Ok(Proven { opt_out: covering.view.is_opt_out() })
    }

    /// See [`super::prove_no_ds`] (RFC 5155 §8.9).
    pub fn no_ds(&self, name: &Name, budget: &mut Budget) -> Result<NoDs, DenialFault> {
        let hash = self.hash(name, budget)?;
        if let Some(nsec3) = self.at(&hash) {
            if !nsec3.lacks(Rtype::DS, name.is_root()) {
                return Err(DenialFault::Missing);
            }
            return Ok(if nsec3.view.has_type(Rtype::NS) { NoDs::Unsigned } else { NoDs::NotACut });
        }
        let closest = self.closest(name, budget)?;
        Ok(if closest.opt_out { NoDs::OptOut } else { NoDs::NoName })
    }
}
