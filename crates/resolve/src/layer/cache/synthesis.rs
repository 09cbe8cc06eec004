//! Answers that follow from validated proofs of absence: denials of names and types that nobody has
//! asked for yet, and expansions of wildcards (RFC 8198).
//!
//! The store lends the records of the zone's chain at or before a name, so the few that a proof
//! needs are found by looking for them; the rules are the validator's (RFC 4035 §5.4, RFC 5155 §8).
//! Whatever is not proven is asked for as usual. Nothing is copied before it is proven, and then only
//! what the client gets to see.

use dns::dnssec::crypto::{nsec3_blocks, nsec3_hash};
use dns::dnssec::denial::nsec::Nsec;
use dns::dnssec::denial::nsec3::Nsec3;
use dns::dnssec::nsec3::{HASH_LEN, hash_to_label};
use dns::rdata::view::{RrsigView, SoaView};
use dns::{Name, NameKey, Rcode, Rtype};
use smallvec::SmallVec;
use store::cache::Rank;
use store::cache::denial::{Chains, Link, Nsec3Parameters};
use store::cache::entry::SignedSet;
use store::cache::lent::{Reader, Records};

use super::Standard;
use super::shared_proof::{Chain, Known};
use crate::limits::SYNTHESIS_HASH_BLOCKS_MAX;
use crate::query::Outcome;
use crate::reply::{Reply, Source};

/// What is asked, and of which zone as far as the store knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// The name in wire form, and the part of it that is the zone's.
    pub(super) name: &'a Name,
    pub(super) zone: &'a [u8],
    /// The same two as keys.
    pub(super) key: &'a NameKey,
    pub(super) zone_key: &'a [u8],
    pub(super) rtype: Rtype,
}

impl Question<'_> {
    fn zone_name(&self) -> Option<Name> {
        Name::from_wire(self.zone).ok()
    }
}

/// What the proofs say, lent.
pub(super) struct Found<'r> {
    answer: Answer<'r>,
    /// Type of the records that prove it.
    chain: Rtype,
    links: Links<'r>,
    shared: Option<Shared<'r>>,
}

/// What other denials in the zone need, too.
struct Shared<'r> {
    /// Octets of the question's key that are the closest encloser's.
    encloser: usize,
    /// The TTL of the records about it and its wildcard.
    ttl: u32,
    parameters: Option<Nsec3Parameters<'r>>,
}

/// Three at most: closest encloser, next closer name, wildcard (RFC 5155 §7.2.1).
type Links<'r> = SmallVec<[Link<'r>; 3]>;

enum Answer<'r> {
    NxDomain(Denial<'r>),
    NoData(Denial<'r>),
    /// What a wildcard is expanded to, and its type.
    Expansion(Records<'r>, Rtype),
}

/// The validated SOA of the zone, and the TTL of negative answers that it asks for.
struct Denial<'r> {
    soa: Records<'r>,
    minimum: u32,
}

/// What follows from the proofs of a zone about a question; `None` if nothing does.
pub(super) fn find<'r>(
    reader: &mut Reader<'r>,
    question: &Question<'_>,
    chains: &Chains<'r>,
) -> Option<Found<'r>> {
    // A bitmap says nothing about these.
    if question.rtype.is_meta() || matches!(question.rtype, Rtype(0) | Rtype::RRSIG) {
        return None;
    }
    if chains.nsec
        && let Some(found) = by_nsec_chain(reader, question)
    {
        return Some(found);
    }
    // RFC 5155 §7.2: no proof is made of records with different parameters.
    chains.nsec3().find_map(|parameters| by_nsec3_chain(reader, question, &parameters))
}

impl<'r> Found<'r> {
    fn denial(
        reader: &mut Reader<'r>,
        question: &Question<'_>,
        is_nxdomain: bool,
        chain: Rtype,
        links: &[Link<'r>],
    ) -> Option<Found<'r>> {
        let mut distinct = Links::new();
        for link in links {
            if !distinct.iter().any(|known| known.place == link.place) {
                distinct.push(*link);
            }
        }
        let soa = reader.find_at(question.zone_key, Rtype::SOA)?.records();
        let soa = soa.filter(|soa| soa.rank.is_secure())?;
        let minimum = SoaView::new(soa.first()?)?.minimum();
        let denial = Denial { soa, minimum };
        let answer = if is_nxdomain { Answer::NxDomain(denial) } else { Answer::NoData(denial) };
        Some(Found { answer, chain, links: distinct, shared: None })
    }

    fn expansion(
        reader: &mut Reader<'r>,
        question: &Question<'_>,
        wildcard: &NameKey,
        chain: Rtype,
        covering: Link<'r>,
    ) -> Option<Found<'r>> {
        let (records, rtype) = expand(reader, question, wildcard)?;
        let answer = Answer::Expansion(records, rtype);
        Some(Found { answer, chain, links: SmallVec::from_iter([covering]), shared: None })
    }

    /// These records say what other denials below the same closest encloser need, too.
    fn sharing(
        mut self,
        encloser: &[u8],
        links: &[Link<'r>],
        parameters: Option<Nsec3Parameters<'r>>,
    ) -> Found<'r> {
        let ttl = links.iter().map(|link| link.records.ttl()).min().unwrap_or(0);
        self.shared = Some(Shared { encloser: encloser.len(), ttl, parameters });
        self
    }

    /// What later denials of the zone can be made with.
    pub(super) fn known(
        &self,
        reader: &Reader<'_>,
        question: &Question<'_>,
        standard: Standard,
    ) -> Option<Known> {
        let (Some(shared), Answer::NxDomain(denial)) = (&self.shared, &self.answer) else {
            return None;
        };
        let chain = match shared.parameters {
            None => Chain::Nsec,
            Some(Nsec3Parameters { iterations, salt }) => {
                Chain::Nsec3 { iterations, salt: SmallVec::from_slice(salt) }
            }
        };
        Some(Known {
            view: reader.view(),
            now: reader.now(),
            standard,
            zone: SmallVec::from_slice(question.zone_key),
            encloser: SmallVec::from_slice(question.key.as_bytes().get(..shared.encloser)?),
            chain,
            ttl: shared.ttl.min(denial.soa.ttl()).min(denial.minimum),
            soa: denial.soa.to_signed(question.zone_name()?, Rtype::SOA, 0, false)?,
        })
    }

    /// The reply: with the zone's SOA if it denies, and a TTL that all of it has. Proofs and
    /// signatures are for those who check them.
    pub(super) fn into_reply(
        self,
        question: &Question<'_>,
        with_proofs: bool,
    ) -> Option<(Reply, Outcome)> {
        let zone = question.zone_name()?;
        let mut ttl = self.links.iter().map(|link| link.records.ttl()).min().unwrap_or(0);
        let rcode = match &self.answer {
            Answer::NxDomain(_) => Rcode::NXDOMAIN,
            _ => Rcode::NOERROR,
        };
        let mut reply = Reply { rank: Rank::SECURE, ..Reply::new(Source::Proofs, rcode) };
        let outcome = match self.answer {
            Answer::Expansion(records, rtype) => {
                ttl = ttl.min(records.ttl());
                let signed = records.to_signed(question.name.clone(), rtype, ttl, with_proofs)?;
                reply.answer.push(signed);
                if rtype == question.rtype {
                    Outcome::Answer
                } else {
                    Outcome::Alias { target: Name::from_wire(records.first()?).ok()? }
                }
            }
            Answer::NxDomain(Denial { soa, minimum }) | Answer::NoData(Denial { soa, minimum }) => {
                // RFC 9077 §3, RFC 2308 §5.
                ttl = ttl.min(soa.ttl()).min(minimum);
                let proofs = if with_proofs { self.links.len() } else { 0 };
                reply.authority.reserve_exact(1 + proofs);
                reply.authority.push(soa.to_signed(zone.clone(), Rtype::SOA, ttl, with_proofs)?);
                if rcode == Rcode::NXDOMAIN { Outcome::NxDomain } else { Outcome::NoData }
            }
        };
        if with_proofs || cfg!(debug_assertions) {
            let mut proofs: SmallVec<[SignedSet; 3]> = SmallVec::new();
            for link in &self.links {
                let owner = owner(&zone, question, self.chain, link)?;
                proofs.push(link.records.to_signed(owner, self.chain, ttl, true)?);
            }
            debug_assert!(
                !reply.answer.is_empty() || is_proven(&zone, question, &outcome, &proofs),
                "{question:?} {outcome:?}"
            );
            if with_proofs {
                reply.authority.extend(proofs);
            }
        }
        Some((reply, outcome))
    }
}

/// The owner of a record of a chain.
fn owner(zone: &Name, question: &Question<'_>, chain: Rtype, link: &Link<'_>) -> Option<Name> {
    if chain == Rtype::NSEC3 {
        return zone.prepend(&hash_to_label(link.place.try_into().ok()?)).ok();
    }
    let key = NameKey::below(question.zone_key, link.place);
    if key == *question.key {
        return Some(question.name.clone());
    }
    Name::from_lookup_format(key.as_bytes())
}

/// The validator has to agree.
fn is_proven(
    zone: &Name,
    &Question { name, rtype, .. }: &Question<'_>,
    outcome: &Outcome,
    proofs: &[SignedSet],
) -> bool {
    use dns::dnssec::{Budget, denial};
    let sets: SmallVec<[&dns::Rrset; 3]> = proofs.iter().map(|proof| &proof.set).collect();
    let hash_blocks = u32::MAX;
    let budget = &mut Budget { operations: 0, work: 0, failures: 0, failed_work: 0, hash_blocks };
    match outcome {
        Outcome::NxDomain => denial::prove_nxdomain(zone, &sets, name, budget),
        _ => denial::prove_no_data(zone, &sets, name, rtype, budget),
    }
    .is_ok()
}

/// NSEC: the record at or before the name, and the one at or before the wildcard (RFC 4035 §5.4).
fn by_nsec_chain<'r>(reader: &mut Reader<'r>, question: &Question<'_>) -> Option<Found<'r>> {
    let &Question { key: name, zone_key, rtype, .. } = question;
    let of = |link: &Link<'r>| {
        Nsec::new(zone_key, NameKey::below(zone_key, link.place), link.records.first()?)
    };
    let denial = |reader: &mut Reader<'r>, is_nxdomain, links: &[Link<'r>]| {
        Found::denial(reader, question, is_nxdomain, Rtype::NSEC, links)
    };
    let first = reader.nsec(zone_key, name)?;
    let nsec = of(&first)?;
    if first.is_match {
        return if nsec.lacks(rtype) { denial(reader, false, &[first]) } else { None };
    }
    if !nsec.denies(name) {
        return if nsec.shows_empty(name) { denial(reader, false, &[first]) } else { None };
    }
    let encloser = nsec.closest_encloser(name);
    let wildcard = NameKey::wildcard_below(encloser)?;
    if nsec.denies(&wildcard) {
        return denial(reader, true, &[first]);
    }
    if let Some(second) = reader.nsec(zone_key, &wildcard)
        && let Some(nsec) = of(&second)
    {
        if second.is_match && nsec.lacks(rtype) {
            return denial(reader, false, &[first, second]);
        }
        if !second.is_match && nsec.denies(&wildcard) {
            let found = denial(reader, true, &[first, second])?;
            return Some(found.sharing(encloser, &[second], None));
        }
        // A wildcard that only has names below it (RFC 4592 §2.2.2).
        if !second.is_match && nsec.shows_empty(&wildcard) {
            return denial(reader, false, &[first, second]);
        }
    }
    Found::expansion(reader, question, &wildcard, Rtype::NSEC, first)
}

/// One NSEC3 chain, and how much may be hashed to look something up in it.
struct Hashed<'q, 'r> {
    reader: &'q mut Reader<'r>,
    zone_key: &'q [u8],
    parameters: &'q Nsec3Parameters<'r>,
    blocks_left: u32,
}

/// A record of the chain that matches or covers a hash, with what it says.
#[derive(Clone, Copy)]
struct Seen<'r> {
    link: Link<'r>,
    rdata: &'r [u8],
}

impl Seen<'_> {
    fn nsec3(&self) -> Option<Nsec3<'_>> {
        Nsec3::of_hash(self.link.place.try_into().ok()?, self.rdata)
    }

    fn lacks(&self, rtype: Rtype, at_root: bool) -> bool {
        self.nsec3().is_some_and(|nsec3| nsec3.lacks(rtype, at_root))
    }

    /// May it be the closest encloser? Not a delegation, and no DNAME (RFC 5155 §8.3).
    fn encloses(&self) -> bool {
        self.nsec3()
            .is_some_and(|nsec3| !nsec3.is_delegation() && !nsec3.view.has_type(Rtype::DNAME))
    }
}

/// The bound on hashing is reached.
struct Spent;

impl<'r> Hashed<'_, 'r> {
    /// The record that matches or covers the hash of a name in wire form and lower case.
    fn look(&mut self, name: &[u8]) -> Result<Option<Seen<'r>>, Spent> {
        let &Nsec3Parameters { iterations, salt } = self.parameters;
        let blocks = nsec3_blocks(name.len(), salt.len(), iterations);
        self.blocks_left = self.blocks_left.checked_sub(blocks).ok_or(Spent)?;
        let hash = nsec3_hash(name, salt, iterations);
        Ok(self.find(&hash))
    }

    fn find(&mut self, hash: &[u8; HASH_LEN]) -> Option<Seen<'r>> {
        let link = self.reader.nsec3(self.zone_key, self.parameters, hash)?;
        let seen = Seen { link, rdata: link.records.first()? };
        // Opt-out covers no unsigned delegations; none is kept, and none would be believed.
        let nsec3 = seen.nsec3()?;
        let covers = nsec3.covers(hash) && !nsec3.view.is_opt_out();
        (link.is_match || covers).then_some(seen)
    }
}

fn by_nsec3_chain<'r>(
    reader: &mut Reader<'r>,
    question: &Question<'_>,
    parameters: &Nsec3Parameters<'r>,
) -> Option<Found<'r>> {
    let blocks_left = SYNTHESIS_HASH_BLOCKS_MAX;
    let mut chain = Hashed { reader, zone_key: question.zone_key, parameters, blocks_left };
    search(&mut chain, question).ok().flatten()
}

/// NSEC3: the record of the name, or those of the closest encloser, of what covers the next closer
/// name, and of the wildcard (RFC 5155 §8).
fn search<'r>(
    chain: &mut Hashed<'_, 'r>,
    question: &Question<'_>,
) -> Result<Option<Found<'r>>, Spent> {
    let rtype = question.rtype;
    let lower = question.name.to_lowercase();
    let own = chain.look(lower.as_wire())?;
    if let Some(seen) = own.filter(|seen| seen.link.is_match) {
        let denies = seen.lacks(rtype, lower.is_root());
        return Ok(denies.then_some(()).and_then(|()| {
            Found::denial(chain.reader, question, false, Rtype::NSEC3, &[seen.link])
        }));
    }
    // The name, and what is above it up to the zone.
    let zone_length = question.zone.len();
    let names: SmallVec<[&[u8]; 8]> =
        lower.suffixes().take_while(|wire| wire.len() > zone_length).collect();
    // From the zone downwards, so that the many labels of a made-up name cost nothing.
    let mut encloser = lower.as_wire().get(lower.len() - zone_length..).unwrap_or(&[0]);
    let mut above = None;
    let mut next_closer = None;
    for (turn, name) in names.iter().rev().enumerate() {
        let seen = if turn + 1 == names.len() { own } else { chain.look(name)? };
        match seen {
            Some(seen) if !seen.link.is_match => {
                next_closer = Some((turn, seen.link));
                break;
            }
            seen => (above, encloser) = (seen, name),
        }
    }
    let Some((turn, covering)) = next_closer else { return Ok(None) };
    if turn == 0 {
        above = chain.look(encloser)?.filter(|seen| seen.link.is_match);
    }
    if above.as_ref().is_some_and(|seen| !seen.encloses()) {
        return Ok(None);
    }
    let encloser_key = question.key.ancestors().nth(names.len() - turn).unwrap_or_default();
    let Some(wildcard_key) = NameKey::wildcard_below(encloser_key) else { return Ok(None) };
    let mut wildcard: SmallVec<[u8; 64]> = SmallVec::from_slice(b"\x01*");
    wildcard.extend_from_slice(encloser);
    if let Some(above) = above
        && let Some(seen) = chain.look(&wildcard)?
    {
        let is_nxdomain = match seen.link.is_match {
            true if !seen.lacks(rtype, false) => None,
            true => Some(false),
            false => Some(true),
        };
        if let Some(is_nxdomain) = is_nxdomain {
            let links = [above.link, covering, seen.link];
            let found = Found::denial(chain.reader, question, is_nxdomain, Rtype::NSEC3, &links);
            let shared = [above.link, seen.link];
            let parameters = Some(*chain.parameters);
            return Ok(found.map(|found| found.sharing(encloser_key, &shared, parameters)));
        }
    }
    // RFC 5155 §8.8: the wildcard itself shows that its parent exists.
    Ok(Found::expansion(chain.reader, question, &wildcard_key, Rtype::NSEC3, covering))
}

/// The records that a wildcard of the zone makes at a name, or the alias, and their type.
/// Delegations and the keys of zones are not made from wildcards (RFC 4592 §4.2, §4.6).
fn expand<'r>(
    reader: &mut Reader<'r>,
    question: &Question<'_>,
    wildcard: &NameKey,
) -> Option<(Records<'r>, Rtype)> {
    let rtype = question.rtype;
    if matches!(rtype, Rtype::NS | Rtype::DS | Rtype::SOA | Rtype::DNSKEY | Rtype::DNAME) {
        return None;
    }
    let zone = question.zone_name()?;
    // The asterisk is not counted (RFC 4034 §3.1.3).
    let labels = wildcard.label_count() - 1;
    let is_own = |records: &Records<'r>| {
        let mut signatures = records.signatures().peekable();
        records.rank.is_secure()
            && signatures.peek().is_some()
            && signatures.all(|rdata| {
                RrsigView::new(rdata).is_some_and(|rrsig| {
                    rrsig.signer() == zone && usize::from(rrsig.labels()) >= labels
                })
            })
    };
    let mut usable = |rtype| reader.find(wildcard, rtype)?.records().filter(is_own);
    if let Some(records) = usable(rtype) {
        return Some((records, rtype));
    }
    // It has an NSEC of its own, which is what such a question asks for (RFC 4034 §4).
    if rtype == Rtype::NSEC {
        return None;
    }
    usable(Rtype::CNAME).map(|records| (records, Rtype::CNAME))
}
