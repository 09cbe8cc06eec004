//! Answers that follow from validated proofs of absence: denials of names and types that nobody has
//! asked for yet, and expansions of wildcards (RFC 8198).
//!
//! The store hands out the records of the zone's chain at or before a name, so the few that a proof
//! needs are found by looking for them; the rules are the validator's (RFC 4035 §5.4, RFC 5155 §8).
//! Whatever is not proven is asked for as usual.

use dns::dnssec::crypto::{nsec3_blocks, nsec3_hash};
use dns::dnssec::denial::nsec::Nsec;
use dns::dnssec::denial::nsec3::Nsec3;
use dns::dnssec::nsec3::HASH_LEN;
use dns::dnssec::{Budget, denial};
use dns::rdata::view::{RrsigView, SoaView};
use dns::{Class, Name, Rcode, Rrset, Rtype};
use smallvec::SmallVec;
use store::cache::denial::{Chains, Link, Nsec3Parameters};
use store::cache::entry::{Body, SignedSet};
use store::cache::{Cache, Hit, Rank};

use super::super::validate;
use super::peek::signed_set;
use crate::limits::SYNTHESIS_HASH_BLOCKS_MAX;
use crate::query::Outcome;
use crate::reply::{Reply, Source};

/// What is asked, and of which zone as far as the store knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) zone: &'a Name,
    pub(super) name: &'a Name,
    pub(super) rtype: Rtype,
}

/// What the proofs say.
struct Found {
    outcome: Outcome,
    /// What a wildcard was expanded to.
    answer: Option<SignedSet>,
    proofs: SmallVec<[SignedSet; 3]>,
}

impl Found {
    fn denial(outcome: Outcome, proofs: impl IntoIterator<Item = SignedSet>) -> Option<Found> {
        let mut distinct = SmallVec::<[SignedSet; 3]>::new();
        for proof in proofs {
            if !distinct.iter().any(|known| known.set.owner == proof.set.owner) {
                distinct.push(proof);
            }
        }
        Some(Found { outcome, answer: None, proofs: distinct })
    }
}

/// What follows from the proofs of a zone about a question; `None` if nothing does. `now` is in
/// seconds since 1970.
pub(super) fn synthesize(
    cache: &mut Cache,
    now: u64,
    question: &Question<'_>,
    chains: &Chains,
) -> Option<(Reply, Outcome)> {
    // A bitmap says nothing about these.
    if question.rtype.is_meta() || matches!(question.rtype, Rtype(0) | Rtype::RRSIG) {
        return None;
    }
    let by_nsec = || chains.nsec.then_some(());
    let found = match by_nsec().and_then(|()| by_nsec_chain(cache, now, question)) {
        Some(found) => found,
        None => {
            // RFC 5155 §7.2: no proof is made of records with different parameters.
            let mut chains = chains.nsec3.iter();
            chains.find_map(|parameters| by_nsec3_chain(cache, now, question, parameters))?
        }
    };
    compose(cache, now, question, found)
}

/// NSEC: the record at or before the name, and the one at or before the wildcard (RFC 4035 §5.4).
fn by_nsec_chain(cache: &mut Cache, now: u64, question: &Question<'_>) -> Option<Found> {
    let &Question { zone, name, rtype } = question;
    let first = cache.peek_nsec(now, zone, name)?;
    let nsec = Nsec::new(zone, &first.signed.set)?;
    if first.is_match {
        return if nsec.lacks(rtype) { proven(question, Outcome::NoData, [first]) } else { None };
    }
    if !nsec.denies(name) {
        // An empty non-terminal: the next name lies below it.
        let is_empty = nsec.covers(name) && nsec.next.is_below(name);
        return if is_empty { proven(question, Outcome::NoData, [first]) } else { None };
    }
    let encloser = name.suffix(nsec.closest_encloser_labels(name));
    let wildcard = encloser.wildcard_child()?;
    if nsec.denies(&wildcard) {
        return proven(question, Outcome::NxDomain, [first]);
    }
    if let Some(second) = cache.peek_nsec(now, zone, &wildcard)
        && let Some(nsec) = Nsec::new(zone, &second.signed.set)
    {
        if second.is_match && nsec.lacks(rtype) {
            return proven(question, Outcome::NoData, [first, second]);
        }
        if !second.is_match && nsec.denies(&wildcard) {
            return proven(question, Outcome::NxDomain, [first, second]);
        }
    }
    let (answer, outcome) = expand(cache, now, zone, &wildcard, (name, rtype))?;
    let proofs = SmallVec::from_iter([first.signed]);
    Some(Found { outcome, answer: Some(answer), proofs })
}

/// A denial by NSEC. The validator would have to agree.
fn proven<const N: usize>(
    question: &Question<'_>,
    outcome: Outcome,
    links: [Link; N],
) -> Option<Found> {
    debug_assert!(
        {
            let sets: SmallVec<[&Rrset; 2]> = links.iter().map(|link| &link.signed.set).collect();
            let &Question { zone, name, rtype } = question;
            // NSEC costs no arithmetic.
            let nothing =
                &mut Budget { operations: 0, work: 0, failures: 0, failed_work: 0, hash_blocks: 0 };
            let found = match outcome {
                Outcome::NxDomain => denial::prove_nxdomain(zone, &sets, name, nothing),
                _ => denial::prove_no_data(zone, &sets, name, rtype, nothing),
            };
            found.is_ok()
        },
        "{question:?} {outcome:?}"
    );
    Found::denial(outcome, links.map(|link| link.signed))
}

/// One NSEC3 chain, and how much may be hashed to look something up in it.
struct Hashed<'a> {
    cache: &'a mut Cache,
    now: u64,
    zone: &'a Name,
    parameters: &'a Nsec3Parameters,
    blocks_left: u32,
}

impl Hashed<'_> {
    /// The record at or before the hash of a name, and whether it covers the hash.
    /// `Err` if that would cost too much.
    fn look(&mut self, name: &Name) -> Result<Option<Link>, Spent> {
        let Nsec3Parameters { iterations, salt } = self.parameters;
        let blocks = nsec3_blocks(name.len(), salt.len(), *iterations);
        self.blocks_left = self.blocks_left.checked_sub(blocks).ok_or(Spent)?;
        let hash = nsec3_hash(name.to_lowercase().as_wire(), salt, *iterations);
        let link = self.cache.peek_nsec3(self.now, self.zone, self.parameters, &hash);
        Ok(link.filter(|link| link.is_match || self.covers(link, &hash)))
    }

    fn covers(&self, link: &Link, hash: &[u8; HASH_LEN]) -> bool {
        // Opt-out covers no unsigned delegations; none is kept, and none would be believed.
        Nsec3::new(self.zone, &link.signed.set)
            .is_some_and(|nsec3| nsec3.covers(hash) && !nsec3.view.is_opt_out())
    }

    fn lacks(&self, link: &Link, name: &Name, rtype: Rtype) -> bool {
        Nsec3::new(self.zone, &link.signed.set)
            .is_some_and(|nsec3| nsec3.lacks(rtype, name.is_root()))
    }

    /// May it be the closest encloser? Not a delegation, and no DNAME (RFC 5155 §8.3).
    fn encloses(&self, link: &Link) -> bool {
        Nsec3::new(self.zone, &link.signed.set)
            .is_some_and(|nsec3| !nsec3.is_delegation() && !nsec3.view.has_type(Rtype::DNAME))
    }
}

/// The bound on hashing is reached.
struct Spent;

fn by_nsec3_chain(
    cache: &mut Cache,
    now: u64,
    question: &Question<'_>,
    parameters: &Nsec3Parameters,
) -> Option<Found> {
    let blocks_left = SYNTHESIS_HASH_BLOCKS_MAX;
    let mut chain = Hashed { cache, now, zone: question.zone, parameters, blocks_left };
    search(&mut chain, question).ok().flatten()
}

/// NSEC3: the record of the name, or those of the closest encloser, of what covers the next closer
/// name, and of the wildcard (RFC 5155 §8).
fn search(chain: &mut Hashed<'_>, question: &Question<'_>) -> Result<Option<Found>, Spent> {
    let &Question { zone, name, rtype } = question;
    let own = chain.look(name)?;
    if let Some(link) = own.as_ref().filter(|link| link.is_match) {
        let denies = chain.lacks(link, name, rtype);
        return Ok(own.filter(|_| denies).and_then(|l| Found::denial(Outcome::NoData, [l.signed])));
    }
    // From the zone downwards, so that the many labels of a made-up name cost nothing.
    let (top, depth) = (zone.label_count(), name.label_count());
    let mut above = None;
    let mut next_closer = None;
    for labels in top + 1..=depth {
        let link = if labels == depth { own.clone() } else { chain.look(&name.suffix(labels))? };
        match link {
            Some(link) if !link.is_match => {
                next_closer = Some((labels, link));
                break;
            }
            link => above = link,
        }
    }
    let Some((labels, covering)) = next_closer else { return Ok(None) };
    let encloser = name.suffix(labels - 1);
    if labels == top + 1 {
        above = chain.look(zone)?.filter(|link| link.is_match);
    }
    if above.as_ref().is_some_and(|link| !chain.encloses(link)) {
        return Ok(None);
    }
    let Some(wildcard) = encloser.wildcard_child() else { return Ok(None) };
    if let Some(above) = above
        && let Some(link) = chain.look(&wildcard)?
    {
        let outcome = match link.is_match {
            true if !chain.lacks(&link, &wildcard, rtype) => None,
            true => Some(Outcome::NoData),
            false => Some(Outcome::NxDomain),
        };
        if let Some(outcome) = outcome {
            return Ok(Found::denial(outcome, [above.signed, covering.signed, link.signed]));
        }
    }
    let expanded = expand(chain.cache, chain.now, zone, &wildcard, (name, rtype));
    Ok(expanded.map(|(answer, outcome)| {
        // RFC 5155 §8.8: the wildcard itself shows that its parent exists.
        Found { outcome, answer: Some(answer), proofs: SmallVec::from_iter([covering.signed]) }
    }))
}

/// The set that a wildcard of the zone makes at a name, or the alias. Delegations and the keys of
/// zones are not made from wildcards (RFC 4592 §4.2, §4.6).
fn expand(
    cache: &mut Cache,
    now: u64,
    zone: &Name,
    wildcard: &Name,
    (name, rtype): (&Name, Rtype),
) -> Option<(SignedSet, Outcome)> {
    if matches!(rtype, Rtype::NS | Rtype::DS | Rtype::SOA | Rtype::DNSKEY | Rtype::DNAME) {
        return None;
    }
    let usable = |hit: Hit, rtype| {
        let Body::Records { rdatas, signatures, .. } = hit.body else { return None };
        let ttl = u32::try_from(hit.ttl_left).ok()?;
        let mut signed = signed_set(wildcard, rtype, ttl, rdatas, signatures, hit.rank);
        let by_zone = |rdata| RrsigView::new(rdata).is_some_and(|rrsig| rrsig.signer() == *zone);
        let is_own = hit.rank.is_secure()
            && !signed.signatures.is_empty()
            && signed.signatures.iter().all(by_zone)
            && !validate::claims_expansion(&signed);
        signed.set.owner = name.clone();
        is_own.then_some(signed)
    };
    if rtype != Rtype::CNAME
        && let Some(signed) = cache.peek(now, wildcard, rtype).and_then(|hit| usable(hit, rtype))
    {
        return Some((signed, Outcome::Answer));
    }
    let alias = cache.peek_apex(now, wildcard, 0).cname?;
    let signed = usable(alias, Rtype::CNAME)?;
    let target = Name::from_wire(signed.set.rdatas.iter().next()?).ok()?;
    let outcome = if rtype == Rtype::CNAME { Outcome::Answer } else { Outcome::Alias { target } };
    Some((signed, outcome))
}

/// Makes the reply: with the zone's SOA if it denies, and a TTL that all of it has.
fn compose(
    cache: &mut Cache,
    now: u64,
    question: &Question<'_>,
    found: Found,
) -> Option<(Reply, Outcome)> {
    let Found { outcome, answer, proofs } = found;
    let rcode = if outcome == Outcome::NxDomain { Rcode::NXDOMAIN } else { Rcode::NOERROR };
    let mut reply = Reply { rank: Rank::SECURE, ..Reply::new(Source::Proofs, rcode) };
    let mut ttl = proofs.iter().map(|proof| proof.set.ttl).min().unwrap_or(0);
    match answer {
        Some(answer) => {
            ttl = ttl.min(answer.set.ttl);
            reply.answer.push(answer);
        }
        None => {
            let (soa, minimum) = soa(cache, now, question.zone)?;
            // RFC 9077 §3, RFC 2308 §5.
            ttl = ttl.min(soa.set.ttl).min(minimum);
            reply.authority.reserve_exact(proofs.len() + 1);
            reply.authority.push(soa);
        }
    }
    reply.authority.extend(proofs);
    for signed in reply.sets_mut() {
        signed.set.ttl = ttl;
    }
    Some((reply, outcome))
}

/// The validated SOA of a zone, and the TTL of negative answers that it asks for.
fn soa(cache: &mut Cache, now: u64, zone: &Name) -> Option<(SignedSet, u32)> {
    let hit = cache.peek(now, zone, Rtype::SOA).filter(|hit| hit.rank.is_secure())?;
    let ttl = u32::try_from(hit.ttl_left).ok()?;
    let Body::Records { rdatas, signatures, .. } = hit.body else { return None };
    let minimum = SoaView::new(rdatas.iter().next()?)?.minimum();
    let set = Rrset { rdatas, ..Rrset::new(zone.clone(), Rtype::SOA, Class::IN, ttl) };
    Some((SignedSet { set, signatures, rank: hit.rank }, minimum))
}
