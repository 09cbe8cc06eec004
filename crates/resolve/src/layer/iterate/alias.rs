//! Chains of CNAME and DNAME inside one reply (RFC 1034 §3.6.2, RFC 6672).
//!
//! Only what lies on the chain from the question is kept. One CNAME per owner is followed, the
//! first (RFC 2181 §10.1: there can be only one). A CNAME that a DNAME implies is derived here, so a
//! server cannot substitute another.

use dns::{Name, NameFault, Rdatas, Rrset, Rtype};
use store::cache::entry::SignedSet;

use crate::limits::ALIASES_MAX;
use crate::reply::{find, unsigned};

/// Where a chain ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// At records of the type asked for.
    Records,
    /// At a name without them in this reply; it is the name asked for if there was no alias.
    Name(Name),
    /// A DNAME makes the name too long (RFC 6672 §2.2: YXDOMAIN).
    TooLong,
    /// More links than are followed.
    TooManyLinks,
}

/// The chain of a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Chain {
    /// The sets on it, in order.
    pub(super) sets: Vec<SignedSet>,
    pub(super) links: u8,
    pub(super) end: End,
    /// A CNAME was found that is another than the DNAME above it implies.
    pub(super) contradictory: bool,
}

/// Follows the chain from a question through the sets of an answer section. `one_link`: believe the
/// first alias only (strict mode).
pub(super) fn unroll(
    answer: &[SignedSet],
    name: &Name,
    rtype: Rtype,
    apex: &Name,
    one_link: bool,
) -> Chain {
    let mut chain = Chain { sets: Vec::new(), links: 0, end: End::Records, contradictory: false };
    let mut at = name.clone();
    loop {
        let is_outside = !at.is_at_or_below(apex);
        if is_outside || (one_link && chain.links > 0) {
            chain.end = End::Name(at);
            return chain;
        }
        // A DNAME above the name comes first. If CNAME is what was asked for, the one that the
        // DNAME implies is the answer, as upstream has it.
        let dname = covering(answer, &at);
        let before = chain.sets.len();
        if dname.is_none() {
            chain.sets.extend(asked_for(answer, &at, rtype).cloned());
        }
        if chain.sets.len() > before {
            return chain;
        }
        let next = match step(answer, dname, &at, &mut chain) {
            Ok(Some(next)) => next,
            Ok(None) => {
                chain.end = End::Name(at);
                return chain;
            }
            Err(_) => {
                chain.end = End::TooLong;
                return chain;
            }
        };
        if rtype == Rtype::CNAME {
            return chain;
        }
        chain.links += 1;
        if chain.links > ALIASES_MAX {
            chain.end = End::TooManyLinks;
            return chain;
        }
        at = next;
    }
}

/// The DNAME that a name is below.
fn covering<'a>(answer: &'a [SignedSet], at: &Name) -> Option<&'a SignedSet> {
    answer.iter().find(|signed| signed.set.rtype == Rtype::DNAME && at.is_below(&signed.set.owner))
}

/// The sets at a name that a question for a type asks for.
fn asked_for<'a>(
    answer: &'a [SignedSet],
    name: &'a Name,
    rtype: Rtype,
) -> impl Iterator<Item = &'a SignedSet> {
    answer.iter().filter(move |signed| {
        (signed.set.rtype == rtype || rtype == Rtype::ANY) && signed.set.owner == *name
    })
}

/// The target of the alias at a name, if there is one; its sets are added.
fn step(
    answer: &[SignedSet],
    dname: Option<&SignedSet>,
    at: &Name,
    chain: &mut Chain,
) -> Result<Option<Name>, NameFault> {
    if let Some(signed) = dname {
        let Some(target) = target_of(&signed.set) else { return Ok(None) };
        let substituted = at.substitute(&signed.set.owner, &target);
        // It is in the answer even if the name that it makes is too long (RFC 6672 §2.2).
        if !matches!(substituted, Ok(None)) && !chain.sets.contains(signed) {
            chain.sets.push(signed.clone());
        }
        let Some(next) = substituted? else { return Ok(None) };
        let made = synthesised(at, &next, &signed.set);
        chain.contradictory |= find(answer, at, Rtype::CNAME)
            .is_some_and(|sent| target_of(&sent.set) != Some(next.clone()));
        chain.sets.push(made);
        return Ok(Some(next));
    }
    let Some(signed) = find(answer, at, Rtype::CNAME) else { return Ok(None) };
    let Some(rdata) = signed.set.rdatas.iter().next() else { return Ok(None) };
    let Ok(target) = Name::from_wire(rdata) else { return Ok(None) };
    let mut signed = signed.clone();
    if signed.set.rdatas.len() > 1 {
        signed.set.rdatas = std::iter::once(rdata.to_vec()).collect();
    }
    chain.sets.push(signed);
    Ok(Some(target))
}

/// The name that a CNAME or DNAME leads to.
fn target_of(set: &Rrset) -> Option<Name> {
    set.rdatas.iter().next().and_then(|rdata| Name::from_wire(rdata).ok())
}

/// The CNAME that a DNAME implies (RFC 6672 §3.1); it has no signature of its own.
fn synthesised(owner: &Name, target: &Name, dname: &Rrset) -> SignedSet {
    let mut rdatas = Rdatas::new();
    rdatas.push(target.as_wire());
    unsigned(Rrset { rdatas, ..Rrset::new(owner.clone(), Rtype::CNAME, dname.class, dname.ttl) })
}
