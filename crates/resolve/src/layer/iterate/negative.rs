//! "There is no such thing": negative replies (RFC 2308) and what distinguishes them from lame ones.

use dns::{Name, Rtype};

use store::cache::entry::SignedSet;

use crate::reply::Reply;

/// Does the authority section carry the SOA of a zone that the name is in? It makes a negative
/// reply one (RFC 2308 §2.2).
pub(super) fn has_soa(reply: &Reply, apex: &Name, name: &Name) -> bool {
    reply.authority.iter().any(|signed| {
        signed.set.rtype == Rtype::SOA
            && signed.set.owner.is_at_or_below(apex)
            && name.is_at_or_below(&signed.set.owner)
    })
}

/// Is it the child's side of a cut that denies a DS, which only the parent can (RFC 4035 §3.1.4.1)?
/// That happens where an alias leads to the apex of a zone that the same server has.
pub(super) fn is_by_child(reply: &Reply, name: &Name, rtype: Rtype) -> bool {
    let is_apex = |signed: &SignedSet| signed.set.rtype == Rtype::SOA && signed.set.owner == *name;
    rtype == Rtype::DS && !name.is_root() && reply.authority.iter().any(is_apex)
}

/// Does the authority section name servers of a zone above, without saying what it denies? That is
/// how servers refer those away who ask for a zone that they do not have.
pub(super) fn points_upwards(reply: &Reply, apex: &Name) -> bool {
    let has = |rtype| move |signed: &&SignedSet| signed.set.rtype == rtype;
    reply.authority.iter().filter(has(Rtype::NS)).any(|ns| apex.is_below(&ns.set.owner))
        && !reply.authority.iter().any(|signed| signed.set.rtype == Rtype::SOA)
}

/// Prepares the authority section of a denial. As upstream everything of the zone stays: the SOA,
/// NSEC or NSEC3, and also the NS set that some servers add.
pub(super) fn keep_proofs(reply: &mut Reply) {
    // SOA first, as everybody expects it.
    reply.authority.sort_by_key(|signed| signed.set.rtype != Rtype::SOA);
    reply.additional.clear();
}
