//! What the denials of one zone share: its SOA, and the proof that no wildcard stands in for the
//! names that do not exist. Of thousands of made-up names in a zone each needs one record of its own,
//! and all need these, so they are worked out once and kept for as long as the store says the same:
//! until somebody writes, and not beyond the second, since TTLs count down. So are the records of
//! their own, as [`Ranges`], for as long as they live.

use dns::dnssec::crypto::{nsec3_blocks, nsec3_hash};
use dns::dnssec::denial::nsec::Nsec;
use dns::dnssec::denial::nsec3::Nsec3;
use dns::{NameKey, Rcode, Rtype};
use smallvec::SmallVec;
use store::cache::Rank;
use store::cache::denial::Nsec3Parameters;
use store::cache::entry::SignedSet;
use store::cache::lent::Reader;

use super::Standard;
use super::ranges::Ranges;
use super::synthesis::Question;
use crate::limits::SYNTHESIS_HASH_BLOCKS_MAX;
use crate::query::Outcome;
use crate::reply::{Reply, Source};

/// What was shared by the latest denial, if that is still good.
#[derive(Debug, Default)]
pub(crate) struct SharedProof {
    known: Option<Known>,
    ranges: Ranges,
}

#[derive(Debug)]
pub(super) struct Known {
    /// What the store said then, and when: [`store::kv::Kv::view`], seconds since 1970.
    pub(super) view: u64,
    pub(super) now: u64,
    /// By what standard the zone was found.
    pub(super) standard: Standard,
    /// Keys of the zone and of the closest encloser.
    pub(super) zone: SmallVec<[u8; 32]>,
    pub(super) encloser: SmallVec<[u8; 32]>,
    pub(super) chain: Chain,
    /// The TTL that the shared records allow.
    pub(super) ttl: u32,
    /// The zone's SOA without its signatures.
    pub(super) soa: SignedSet,
}

/// Records of which kind deny.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Chain {
    Nsec,
    Nsec3 { iterations: u16, salt: SmallVec<[u8; 16]> },
}

impl SharedProof {
    pub(crate) fn forget(&mut self) {
        *self = SharedProof::default();
    }

    pub(super) fn keep(&mut self, known: Known) {
        let is_same = |before: &Known| {
            before.view == known.view && before.zone == known.zone && before.chain == known.chain
        };
        if !self.known.as_ref().is_some_and(is_same) {
            self.ranges = Ranges::default();
        }
        self.known = Some(known);
    }

    /// The reply, without proofs, if what is known of the question's zone and one record more show that
    /// the name does not exist.
    pub(super) fn deny(
        &mut self,
        reader: &mut Reader<'_>,
        question: &Question<'_>,
        standard: Standard,
    ) -> Option<(Reply, Outcome)> {
        let known = self.known.as_ref().filter(|known| {
            known.view == reader.view()
                && *known.zone == *question.zone_key
                && known.now == reader.now()
                && known.standard == standard
        })?;
        known.deny(reader, question, &mut self.ranges)
    }
}

impl Known {
    fn deny(
        &self,
        reader: &mut Reader<'_>,
        question: &Question<'_>,
        ranges: &mut Ranges,
    ) -> Option<(Reply, Outcome)> {
        if question.rtype.is_meta() || matches!(question.rtype, Rtype(0) | Rtype::RRSIG) {
            return None;
        }
        let covering = match &self.chain {
            Chain::Nsec => self.nsec_ttl(reader, question, ranges),
            Chain::Nsec3 { iterations, salt } => {
                let parameters = Nsec3Parameters { iterations: *iterations, salt };
                self.nsec3_ttl(reader, question, &parameters, ranges)
            }
        }?;
        let mut soa = self.soa.clone();
        soa.set.ttl = covering.min(self.ttl);
        let reply = Reply {
            rank: Rank::SECURE,
            authority: vec![soa],
            ..Reply::new(Source::Proofs, Rcode::NXDOMAIN)
        };
        Some((reply, Outcome::NxDomain))
    }

    /// The TTL of the NSEC that covers the name, if its closest encloser is the one that is known.
    fn nsec_ttl(
        &self,
        reader: &mut Reader<'_>,
        question: &Question<'_>,
        ranges: &mut Ranges,
    ) -> Option<u32> {
        let &Question { key: name, zone_key, .. } = question;
        let kept = ranges.nsec_ttl(zone_key, name, &self.encloser, self.now);
        if kept.is_some() {
            return kept;
        }
        let link = reader.nsec(zone_key, name).filter(|link| !link.is_match)?;
        let owner = NameKey::below(zone_key, link.place);
        let nsec = Nsec::new(zone_key, owner, link.records.first()?)?;
        let is_denied = nsec.denies(name) && *nsec.closest_encloser(name) == *self.encloser;
        let ttl = is_denied.then(|| link.records.ttl())?;
        if ranges.is_worth_keeping() {
            ranges.keep_nsec(zone_key, nsec.into_range(), self.now + u64::from(ttl));
        }
        Some(ttl)
    }

    /// The TTL of the NSEC3 that covers the hash of a name right below the closest encloser that is
    /// known.
    fn nsec3_ttl(
        &self,
        reader: &mut Reader<'_>,
        question: &Question<'_>,
        parameters: &Nsec3Parameters<'_>,
        ranges: &mut Ranges,
    ) -> Option<u32> {
        let mut above = question.key.ancestors().skip(1);
        above.next().filter(|above| **above == *self.encloser)?;
        let lower = question.name.to_lowercase();
        let &Nsec3Parameters { iterations, salt } = parameters;
        if nsec3_blocks(lower.len(), salt.len(), iterations) > SYNTHESIS_HASH_BLOCKS_MAX {
            return None;
        }
        let hash = nsec3_hash(lower.as_wire(), salt, iterations);
        let kept = ranges.nsec3_ttl(&hash, self.now);
        if kept.is_some() {
            return kept;
        }
        let link = reader.nsec3(question.zone_key, parameters, &hash)?;
        let nsec3 = Nsec3::of_hash(link.place.try_into().ok()?, link.records.first()?)?;
        let is_denied = !link.is_match && nsec3.covers(&hash) && !nsec3.view.is_opt_out();
        let ttl = is_denied.then(|| link.records.ttl())?;
        if ranges.is_worth_keeping() {
            ranges.keep_nsec3(nsec3.hash, nsec3.next, self.now + u64::from(ttl));
        }
        Some(ttl)
    }
}
