//! Proofs that come with a reply: that a name or a type does not exist, and that nothing closer
//! exists than the wildcard that answered (RFC 4035 §5.4, RFC 5155 §8).

use dns::canonical::is_wildcard_expansion;
use dns::dnssec::{Budget, DenialFault, Proven, denial};
use dns::limits::{DENIALS_MAX, NSEC3_ITERATIONS_MAX};
use dns::rdata::view::{Nsec3View, RrsigView};
use dns::{Name, Rrset, Rtype};
use store::cache::Rank;
use store::cache::entry::SignedSet;

use super::Stop;
use super::sets::{self, Basis, Expansion};
use crate::extended_error::Verdict;
use crate::layer::QueryContext;
use crate::query::Outcome;
use crate::reply::Reply;

/// What the sets of a denial can be checked against.
#[derive(Debug)]
pub(super) struct DenialBases {
    /// Of the SOA, and so of the denial as a whole; that of the proofs if there is no SOA.
    whole: Basis,
    /// Of each set of the authority section; `None` for those that are not looked at.
    each: Vec<Option<Basis>>,
}

/// The bases of the sets of a negative reply.
pub(super) fn bases(
    ctx: &mut QueryContext<'_>,
    reply: &Reply,
    cut: &Name,
) -> Result<DenialBases, Stop> {
    refuse_many(&reply.authority)?;
    let soa = reply.authority.iter().position(|signed| signed.set.rtype == Rtype::SOA);
    // The child's side of a cut knows nothing about DS (RFC 4035 §3.1.4.1): what it says counts like
    // a reply without any proof. Its keys could not be had without that DS anyway.
    let by_child = ctx.query.rtype == Rtype::DS
        && !ctx.query.name.is_root()
        && soa.is_some_and(|at| reply.authority[at].set.owner == ctx.query.name);
    if by_child {
        let each = reply.authority.iter().map(|_| None).collect();
        return Ok(DenialBases { whole: unproven(ctx, cut)?, each });
    }
    let mut whole = match soa {
        Some(at) => Some(sets::basis(ctx, cut, &reply.authority[at])?),
        None => None,
    };
    let mut each = Vec::with_capacity(reply.authority.len());
    for (at, signed) in reply.authority.iter().enumerate() {
        each.push(match &whole {
            Some(basis) if soa == Some(at) => Some(basis.clone()),
            Some(Basis::Insecure) => Some(Basis::Insecure),
            // Proofs are the same zone's; without a signature they prove nothing.
            _ if signed.set.rtype.is_denial() && !signed.signatures.is_empty() => {
                let basis = sets::basis(ctx, cut, signed)?;
                whole.get_or_insert_with(|| basis.clone());
                Some(basis)
            }
            _ => None,
        });
    }
    let whole = match whole {
        Some(whole) => whole,
        // Nothing in the reply is signed or says which zone speaks.
        None => unproven(ctx, cut)?,
    };
    Ok(DenialBases { whole, each })
}

/// The basis of a denial that says nothing about itself: good enough if the name is in no signed
/// zone.
fn unproven(ctx: &mut QueryContext<'_>, cut: &Name) -> Result<Basis, Stop> {
    let name = ctx.query.name.clone();
    let empty = crate::reply::unsigned(Rrset::new(name, ctx.query.rtype, ctx.query.class, 0));
    match sets::basis(ctx, cut, &empty) {
        Err(Stop::Bogus(_)) => Err(Stop::Bogus(Verdict::NoDataUnproven)),
        other => other,
    }
}

/// Checks a denial: signatures, then whether they prove what the reply says. Returns the rank of
/// the reply as a whole.
pub(super) fn validate(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    outcome: &Outcome,
    bases: &DenialBases,
    budget: &mut Budget,
) -> Result<Rank, Stop> {
    let insecure = Rank::INSECURE.with_auth();
    let Basis::Keys(keys) = &bases.whole else {
        reply.authority.iter_mut().for_each(|signed| signed.rank = insecure);
        return Ok(insecure);
    };
    let zone = keys.zone.clone();
    let mut fault = None;
    for (signed, basis) in reply.authority.iter_mut().zip(&bases.each) {
        let Some(basis) = basis else { continue };
        match sets::verify(ctx, signed, basis, budget) {
            Ok(_) => {}
            Err(stop) if signed.set.rtype == Rtype::SOA => return Err(stop),
            Err(Stop::Bogus(Verdict::TooMuchCrypto)) => {
                return Err(Stop::Bogus(Verdict::TooMuchCrypto));
            }
            Err(stop) => fault = Some(stop),
        }
    }
    if reply.authority.iter().any(|s| s.set.rtype == Rtype::SOA && s.set.owner != zone) {
        return Err(Stop::Bogus(Verdict::Signature));
    }
    if has_costly_nsec3(&reply.authority) {
        return Ok(going_insecure(ctx, reply));
    }
    let name = end_of_chain(reply, &ctx.query.name);
    let (rtype, proofs) = (ctx.query.rtype, secure_denials(&reply.authority));
    let (proven, verdict) = if *outcome == Outcome::NxDomain {
        (denial::prove_nxdomain(&zone, &proofs, &name, budget), Verdict::NxDomainUnproven)
    } else {
        (denial::prove_no_data(&zone, &proofs, &name, rtype, budget), Verdict::NoDataUnproven)
    };
    match proven {
        Ok(Proven { opt_out: false }) => Ok(Rank::SECURE),
        Ok(Proven { opt_out: true }) => Ok(insecure),
        Err(DenialFault::Iterations) => Ok(going_insecure(ctx, reply)),
        Err(DenialFault::Budget) => Err(Stop::Bogus(Verdict::TooMuchCrypto)),
        Err(DenialFault::Missing) => Err(fault.unwrap_or(Stop::Bogus(verdict))),
    }
}

/// Checks that nothing closer exists than the wildcards that sets were made from. Where that rests
/// on opt-out the set is insecure (RFC 5155 §9.2).
pub(super) fn expansions(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    expansions: &[Expansion],
    budget: &mut Budget,
) -> Result<(), Stop> {
    let Some(first) = expansions.first() else { return Ok(()) };
    refuse_many(&reply.authority)?;
    for signed in reply.authority.iter_mut().filter(|s| s.set.rtype.is_denial()) {
        if signed.rank.is_secure() || signed.signatures.is_empty() {
            continue;
        }
        let signer = signer(signed);
        let expansion =
            expansions.iter().find(|e| signer.as_ref() == Some(&e.keys.zone)).unwrap_or(first);
        let basis = Basis::Keys(expansion.keys.clone());
        if let Err(stop @ Stop::Bogus(Verdict::TooMuchCrypto)) =
            sets::verify(ctx, signed, &basis, budget)
        {
            return Err(stop);
        }
    }
    for Expansion { owner, labels, keys } in expansions {
        let proofs = secure_denials(&reply.authority);
        match denial::prove_expansion(&keys.zone, &proofs, owner, *labels, budget) {
            Ok(Proven { opt_out: false }) => {}
            Ok(Proven { opt_out: true }) => {
                let rank = Rank::INSECURE.with_auth();
                let of_owner = |signed: &&mut SignedSet| signed.set.owner == *owner;
                reply.answer.iter_mut().filter(of_owner).for_each(|signed| signed.rank = rank);
            }
            Err(DenialFault::Iterations) => {
                let rank = going_insecure(ctx, reply);
                reply.answer.iter_mut().for_each(|signed| signed.rank = rank);
                return Ok(());
            }
            Err(DenialFault::Budget) => return Err(Stop::Bogus(Verdict::TooMuchCrypto)),
            Err(DenialFault::Missing) => return Err(Stop::Bogus(Verdict::WildcardUnproven)),
        }
    }
    Ok(())
}

/// More denial records than any honest proof needs only cost time (CVE-2023-50868).
pub(super) fn refuse_many(authority: &[SignedSet]) -> Result<(), Stop> {
    let count = authority.iter().filter(|signed| signed.set.rtype.is_denial()).count();
    if count > DENIALS_MAX { Err(Stop::Bogus(Verdict::TooManyProofs)) } else { Ok(()) }
}

/// The NSEC and NSEC3 sets that were found good. Those that a wildcard was expanded to say nothing
/// about the name they stand at now and prove nothing (CVE-2017-15105).
pub(super) fn secure_denials(sets: &[SignedSet]) -> Vec<&Rrset> {
    let is_expanded = |signed: &SignedSet| {
        signed
            .signatures
            .iter()
            .filter_map(RrsigView::new)
            .any(|rrsig| is_wildcard_expansion(&signed.set.owner, rrsig.labels()))
    };
    sets.iter()
        .filter(|signed| signed.set.rtype.is_denial() && signed.rank.is_secure())
        .filter(|signed| !is_expanded(signed))
        .map(|signed| &signed.set)
        .collect()
}

/// Is there a validated NSEC3 with more iterations than are computed (RFC 9276 §3.2)?
pub(super) fn has_costly_nsec3(sets: &[SignedSet]) -> bool {
    sets.iter().any(|signed| {
        signed.set.rtype == Rtype::NSEC3
            && signed.rank.is_secure()
            && signed
                .set
                .rdatas
                .iter()
                .filter_map(Nsec3View::new)
                .any(|nsec3| nsec3.iterations() > NSEC3_ITERATIONS_MAX)
    })
}

/// The zone chose parameters that nobody has to compute: it counts as unsigned.
fn going_insecure(ctx: &mut QueryContext<'_>, reply: &mut Reply) -> Rank {
    let told = Verdict::Nsec3Iterations.told();
    ctx.request.response.add_extended_error(told.code, told.tag);
    let insecure = Rank::INSECURE.with_auth();
    reply.authority.iter_mut().for_each(|signed| signed.rank = insecure);
    insecure
}

fn signer(signed: &SignedSet) -> Option<Name> {
    signed.signatures.iter().next().and_then(RrsigView::new).map(|rrsig| rrsig.signer())
}

/// The name at the end of the aliases of an answer section.
fn end_of_chain(reply: &Reply, name: &Name) -> Name {
    reply
        .answer
        .iter()
        .filter(|signed| signed.set.rtype == Rtype::CNAME)
        .filter_map(|signed| Name::from_wire(signed.set.rdatas.iter().next()?).ok())
        .next_back()
        .unwrap_or_else(|| name.clone())
}
