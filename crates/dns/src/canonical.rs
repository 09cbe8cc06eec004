//! Canonical form and order of RRsets, and the bytes that an RRSIG signs (RFC 4034 §3.1.8.1, §6,
//! as corrected by RFC 6840 §5.1).
//!
//! Order of names is [`Name`]'s own `Ord`; which embedded names are lower-cased is in
//! [`crate::rdata::layout`].

use smallvec::SmallVec;

use crate::name::Name;
use crate::rdata::view::RrsigView;
use crate::rdata::{canonicalize, layout};
use crate::rrset::{Rdatas, Rrset};
use crate::rtype::{Class, Rtype};

/// Records of a set that are put in order without allocating the list of them.
const INLINE_RECORDS: usize = 16;

/// Why a signature cannot be over a set at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignedDataFault {
    #[error("the signature says that the owner has more labels than it has")]
    Labels,
    #[error("the set has no records")]
    NoRecords,
    #[error("the signature covers another type")]
    TypeCovered,
}

/// The rdata of a set in canonical form and order, each once (RFC 4034 §6.2, §6.3).
pub fn canonical_rdatas(rtype: Rtype, rdatas: &Rdatas) -> Rdatas {
    let mut out = Rdatas::new();
    each_canonical(rtype, rdatas.iter(), |rdata| {
        out.push(rdata);
    });
    out
}

/// The owner that was signed: the owner itself, or the wildcard it was made from if `labels` of
/// the RRSIG is smaller than the owner's count (RFC 4034 §3.1.8.1, RFC 4035 §5.3.2). In lower
/// case. `None` if `labels` is larger.
pub fn signed_owner(owner: &Name, labels: u8) -> Option<Name> {
    let (have, want) = (owner.label_count(), labels as usize);
    // A wildcard owner has one label more than its RRSIG says, and is its own source.
    let mut signed = if have == want {
        owner.clone()
    } else if have > want {
        owner.suffix(want).wildcard_child()?
    } else {
        return None;
    };
    signed.make_lowercase();
    Some(signed)
}

/// Was the owner of a signed set synthesised from a wildcard (RFC 4035 §5.3.4)? The wildcard
/// itself was not.
pub fn is_wildcard_expansion(owner: &Name, labels: u8) -> bool {
    let real = owner.label_count() - usize::from(owner.is_wildcard());
    (labels as usize) < real
}

/// Appends what `rrsig` signs: its rdata without the signature, and the canonical records of the
/// set (RFC 4034 §3.1.8.1). Checks nothing but that the two fit together in form; time, key and
/// zone are the validator's matter.
pub fn signed_data(
    rrsig: &RrsigView<'_>,
    set: &Rrset,
    out: &mut Vec<u8>,
) -> Result<(), SignedDataFault> {
    signed_data_of(rrsig, &set.owner, set.rtype, set.class, set.rdatas.iter(), out)
}

/// [`signed_data`] from parts, for sets that lie elsewhere. Nothing is appended on a fault.
pub fn signed_data_of<'r>(
    rrsig: &RrsigView<'_>,
    owner: &Name,
    rtype: Rtype,
    class: Class,
    rdatas: impl Iterator<Item = &'r [u8]>,
    out: &mut Vec<u8>,
) -> Result<(), SignedDataFault> {
    if rrsig.type_covered() != rtype {
        return Err(SignedDataFault::TypeCovered);
    }
    let owner = signed_owner(owner, rrsig.labels()).ok_or(SignedDataFault::Labels)?;
    let start = out.len();
    out.extend_from_slice(rrsig.unsigned_part());
    let signer = out.len() - rrsig.signer_wire().len();
    out[signer..].make_ascii_lowercase();
    let head = out.len();
    each_canonical(rtype, rdatas, |rdata| {
        out.extend_from_slice(owner.as_wire());
        out.extend_from_slice(&rtype.0.to_be_bytes());
        out.extend_from_slice(&class.0.to_be_bytes());
        out.extend_from_slice(&rrsig.original_ttl().to_be_bytes());
        out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        out.extend_from_slice(rdata);
    });
    if out.len() == head {
        out.truncate(start);
        return Err(SignedDataFault::NoRecords);
    }
    Ok(())
}

/// Calls `each` with the canonical forms in canonical order, duplicates left out (RFC 4034 §6.3).
fn each_canonical<'r>(
    rtype: Rtype,
    rdatas: impl Iterator<Item = &'r [u8]>,
    mut each: impl FnMut(&[u8]),
) {
    if layout(rtype).is_some_and(|layout| layout.lowercase) {
        let mut list: SmallVec<[Vec<u8>; INLINE_RECORDS]> = rdatas
            .map(|rdata| {
                let mut rdata = rdata.to_vec();
                canonicalize(rtype, &mut rdata);
                rdata
            })
            .collect();
        list.sort_unstable();
        list.dedup();
        list.iter().for_each(|rdata| each(rdata));
    } else {
        let mut list: SmallVec<[&[u8]; INLINE_RECORDS]> = rdatas.collect();
        list.sort_unstable();
        list.dedup();
        list.iter().for_each(|rdata| each(rdata));
    }
}

#[cfg(test)]
mod tests;
