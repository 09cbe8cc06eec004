//! Proofs that something does not exist, by NSEC (RFC 4035 §5.4) or NSEC3 (RFC 5155 §8), with the
//! corrections of RFC 6840 §4.
//!
//! All functions take sets that were validated before, signed by `zone`. They say what the sets
//! prove and nothing else; what a message claims is compared with that by the validator.

pub mod nsec;
pub mod nsec3;
#[cfg(test)]
mod tests;

use super::budget::{Budget, Spent};
use crate::name::Name;
use crate::rrset::Rrset;
use crate::rtype::Rtype;

/// A proof, and whether it only says that nothing *signed* is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proven {
    /// The proof rests on an NSEC3 with the opt-out flag: unsigned delegations may exist in the
    /// range, so the result is insecure (RFC 5155 §9.2).
    pub opt_out: bool,
}

/// Why nothing is proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DenialFault {
    /// The sets do not prove it.
    #[error("no proof")]
    Missing,
    /// Iterations beyond the bound: the zone counts as unsigned (RFC 9276 §3.2).
    #[error("NSEC3 with too many iterations")]
    Iterations,
    /// The proof costs too much.
    #[error("too much hashing")]
    Budget,
}

impl From<Spent> for DenialFault {
    fn from(_: Spent) -> DenialFault {
        DenialFault::Budget
    }
}

/// What the absence of a DS says about a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoDs {
    /// An unsigned delegation: everything below is insecure.
    Unsigned,
    /// An unsigned delegation may be there (opt-out): insecure.
    OptOut,
    /// The name exists, or is an empty non-terminal, and is no delegation.
    NotACut,
    /// The name does not exist.
    NoName,
}

/// A zone says nothing about names outside of it, whatever lies between the ends of its records.
fn concerns(zone: &Name, name: &Name) -> Result<(), DenialFault> {
    if name.is_at_or_below(zone) { Ok(()) } else { Err(DenialFault::Missing) }
}

fn has_nsec3(sets: &[&Rrset]) -> bool {
    sets.iter().any(|set| set.rtype == Rtype::NSEC3)
}

/// Does `name` not exist, nor a wildcard that would answer for it?
pub fn prove_nxdomain(
    zone: &Name,
    sets: &[&Rrset],
    name: &Name,
    budget: &mut Budget,
) -> Result<Proven, DenialFault> {
    concerns(zone, name)?;
    let by_nsec = nsec::Nsecs::new(zone, sets).map(|nsecs| nsecs.nxdomain(name));
    if let Some(Ok(proven)) = by_nsec {
        return Ok(proven);
    }
    if !has_nsec3(sets) {
        return Err(DenialFault::Missing);
    }
    nsec3::Nsec3s::new(zone, sets)?.nxdomain(name, budget)
}

/// Does `name` exist (or a wildcard answer for it) without records of `rtype`?
pub fn prove_no_data(
    zone: &Name,
    sets: &[&Rrset],
    name: &Name,
    rtype: Rtype,
    budget: &mut Budget,
) -> Result<Proven, DenialFault> {
    concerns(zone, name)?;
    let by_nsec = nsec::Nsecs::new(zone, sets).map(|nsecs| nsecs.no_data(name, rtype));
    if let Some(Ok(proven)) = by_nsec {
        return Ok(proven);
    }
    if !has_nsec3(sets) {
        return Err(DenialFault::Missing);
    }
    nsec3::Nsec3s::new(zone, sets)?.no_data(name, rtype, budget)
}

/// Does nothing closer to `name` exist than the wildcard of `labels` labels that answered?
pub fn prove_expansion(
    zone: &Name,
    sets: &[&Rrset],
    name: &Name,
    labels: u8,
    budget: &mut Budget,
) -> Result<Proven, DenialFault> {
    concerns(zone, name)?;
    let by_nsec = nsec::Nsecs::new(zone, sets).map(|nsecs| nsecs.expansion(name, labels));
    if let Some(Ok(proven)) = by_nsec {
        return Ok(proven);
    }
    if !has_nsec3(sets) {
        return Err(DenialFault::Missing);
    }
    nsec3::Nsec3s::new(zone, sets)?.expansion(name, labels, budget)
}

/// Is there no DS at `name`, and what does that mean?
pub fn prove_no_ds(
    zone: &Name,
    sets: &[&Rrset],
    name: &Name,
    budget: &mut Budget,
) -> Result<NoDs, DenialFault> {
    concerns(zone, name)?;
    let by_nsec = nsec::Nsecs::new(zone, sets).map(|nsecs| nsecs.no_ds(name));
    if let Some(Ok(found)) = by_nsec {
        return Ok(found);
    }
    if !has_nsec3(sets) {
        return Err(DenialFault::Missing);
    }
    nsec3::Nsec3s::new(zone, sets)?.no_ds(name, budget)
}
