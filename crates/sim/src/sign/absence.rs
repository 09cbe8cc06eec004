//! Chains of NSEC and NSEC3 records over a zone (RFC 4034 §4, RFC 5155 §7.1).

use std::collections::{BTreeMap, BTreeSet};

use dns::dnssec::crypto::sign::SignFault;
use dns::dnssec::nsec3::hash_to_label;
use dns::rdata::bitmap::TypeBitmap;
use dns::rdata::view::Nsec3View;
use dns::{Class, Name, Rrset, Rtype};

use super::{Absence, Plan, Signer, Wrong};
use crate::zone::{Denial, Nsec3Chain, Zone};

/// Hash algorithm 1: SHA-1 (RFC 5155 §11).
const SHA1: u8 = 1;

/// What a lying bitmap claims in addition: data everywhere, DS at delegations.
fn lies(types: &[Rtype]) -> Vec<Rtype> {
    match types.contains(&Rtype::NS) && !types.contains(&Rtype::SOA) {
        true => vec![Rtype::DS],
        false => vec![Rtype::A, Rtype::AAAA, Rtype::MX, Rtype::TXT],
    }
}

/// Adds the records that prove absence, without signatures yet.
pub(super) fn build(zone: &mut Zone, plan: &Plan) {
    match &plan.absence {
        Absence::Nsec => nsec(zone, plan.wrong),
        Absence::Nsec3 { salt, iterations, opt_out } => {
            nsec3(zone, salt, *iterations, *opt_out, plan.wrong);
        }
    }
}

/// Signs an NSEC3 chain; NSEC records were signed with the rest of the zone.
pub(super) fn sign(zone: &mut Zone, signer: &mut Signer<'_>) -> Result<(), SignFault> {
    let Denial::Nsec3(chain) = zone.denial_mut() else { return Ok(()) };
    for (set, signatures) in chain.records.values_mut() {
        let mut made = Rrset::new(set.owner.clone(), Rtype::RRSIG, Class::IN, set.ttl);
        for rdata in signer.sign(set)? {
            made.rdatas.push(&rdata);
        }
        *signatures = (!made.rdatas.is_empty()).then_some(made);
    }
    Ok(())
}

/// TTL of proofs: that of negative answers (RFC 9077 §3.1).
fn ttl(zone: &Zone) -> u32 {
    let soa = zone.set(zone.origin(), Rtype::SOA);
    let minimum = soa.and_then(|soa| soa.rdatas.iter().next()?.last_chunk::<4>().copied());
    let own = soa.map_or(crate::zone::TTL, |soa| soa.ttl);
    own.min(minimum.map_or(own, u32::from_be_bytes))
}

/// The names that the zone is the authority for, with their types.
fn owners(zone: &Zone) -> BTreeMap<Name, Vec<Rtype>> {
    let mut out = BTreeMap::new();
    for (owner, node) in zone.nodes() {
        let types: Vec<Rtype> = match zone.cut(owner) {
            Some(cut) if cut != owner => continue,
            Some(_) => node
                .sets()
                .map(|set| set.rtype)
                .filter(|rtype| matches!(*rtype, Rtype::NS | Rtype::DS))
                .collect(),
            None => node.sets().map(|set| set.rtype).collect(),
        };
        out.insert(owner.clone(), types);
    }
    out
}

fn nsec(zone: &mut Zone, wrong: Option<Wrong>) {
    let ttl = ttl(zone);
    let owners = owners(zone);
    let names: Vec<&Name> = owners.keys().collect();
    for (at, (owner, types)) in owners.iter().enumerate() {
        let mut next = (*names.get(at + 1).unwrap_or(&names[0])).clone();
        match wrong {
            // The gap ends right behind its beginning.
            Some(Wrong::AbsenceGap) => next = owner.prepend(b"\0").unwrap_or(next),
            Some(Wrong::NextOutside) => next = outside(zone.origin()),
            _ => {}
        }
        let mut rdata = next.as_wire().to_vec();
        let mut types = types.clone();
        types.extend([Rtype::NSEC, Rtype::RRSIG]);
        if wrong == Some(Wrong::AbsenceLiesAboutTypes) {
            types.extend(lies(&types));
        }
        TypeBitmap::write(types, &mut rdata);
        zone.add(owner, Rtype::NSEC, ttl, &rdata);
    }
    zone.set_denial(Denial::Nsec);
}

/// A name that is not in the zone.
fn outside(origin: &Name) -> Name {
    let sibling = origin.parent().and_then(|parent| parent.prepend(b"zzzz").ok());
    sibling.unwrap_or_else(Name::root)
}

fn nsec3(zone: &mut Zone, salt: &[u8], iterations: u16, opt_out: bool, wrong: Option<Wrong>) {
    let ttl = ttl(zone);
    let origin = zone.origin().clone();
    let mut owners = owners(zone);
    let unsigned = |types: &[Rtype]| types.contains(&Rtype::NS) && !types.contains(&Rtype::DS);
    if opt_out {
        owners.retain(|owner, types| *owner == origin || !unsigned(types));
    }
    // Empty non-terminals have records, too.
    let known: Vec<Name> = owners.keys().cloned().collect();
    for owner in known {
        let mut above = owner.parent();
        while let Some(name) = above.filter(|name| name.is_below(&origin)) {
            owners.entry(name.clone()).or_default();
            above = name.parent();
        }
    }
    let mut chain = Nsec3Chain { salt: salt.to_vec(), iterations, records: BTreeMap::new() };
    if wrong == Some(Wrong::Nsec3OtherSalt) {
        chain.salt = b"other".to_vec();
    }
    if wrong == Some(Wrong::Nsec3TooManyIterations) {
        chain.iterations = 2500;
    }
    let hashes: BTreeMap<[u8; 20], Vec<Rtype>> =
        owners.into_iter().map(|(owner, types)| (chain.hash(&owner), types)).collect();
    let order: BTreeSet<[u8; 20]> = hashes.keys().copied().collect();
    for (hash, mut types) in hashes {
        let behind = order.range(hash..).nth(1).or_else(|| order.first());
        let mut next = behind.copied().unwrap_or(hash);
        if wrong == Some(Wrong::AbsenceGap) {
            next = hash;
            // One more than the hash itself; an overflow just makes another small gap.
            next[19] = next[19].wrapping_add(1);
        }
        // Unsigned delegations and empty non-terminals have no signatures.
        if !types.is_empty() && !unsigned_only(&types) {
            types.push(Rtype::RRSIG);
        }
        if wrong == Some(Wrong::AbsenceLiesAboutTypes) {
            types.extend(lies(&types));
        }
        let algorithm = if wrong == Some(Wrong::Nsec3UnknownHash) { 2 } else { SHA1 };
        let flags = if opt_out { Nsec3View::OPT_OUT } else { 0 };
        let mut rdata = vec![algorithm, flags];
        rdata.extend(chain.iterations.to_be_bytes());
        rdata.push(salt.len() as u8);
        rdata.extend(salt);
        rdata.push(next.len() as u8);
        rdata.extend(next);
        TypeBitmap::write(types, &mut rdata);
        let mut set = Rrset::new(hash_owner(&hash, &origin), Rtype::NSEC3, Class::IN, ttl);
        set.rdatas.push(&rdata);
        chain.records.insert(hash, (set, None));
    }
    let mut parameters = vec![SHA1, 0];
    parameters.extend(chain.iterations.to_be_bytes());
    parameters.push(salt.len() as u8);
    parameters.extend(salt);
    zone.add(&origin, Rtype::NSEC3PARAM, 0, &parameters);
    zone.set_denial(Denial::Nsec3(chain));
}

fn unsigned_only(types: &[Rtype]) -> bool {
    types.contains(&Rtype::NS) && !types.contains(&Rtype::SOA) && !types.contains(&Rtype::DS)
}

/// The owner of the NSEC3 record for a hash.
fn hash_owner(hash: &[u8; 20], origin: &Name) -> Name {
    origin.prepend(&hash_to_label(hash)).unwrap_or_else(|_| origin.clone())
}
