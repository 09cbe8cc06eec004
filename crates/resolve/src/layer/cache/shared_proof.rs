//! What the denials of one zone share: its SOA, and the proof that no wildcard stands in for the
//! names that do not exist. Of thousands of made-up names in a zone each needs one record of its own,
//! and all need these, so they are worked out once and kept for as long as the store says the same:
//! until somebody writes, and not beyond the second, since TTLs count down.

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
use super::synthesis::Question;
use crate::limits::SYNTHESIS_HASH_BLOCKS_MAX;
use crate::query::Outcome;
use crate::reply::{Reply, Source};

/// What was shared by the latest denial, if that is still good.
#[derive(Debug, Default)]
pub(crate) struct SharedProof(Option<Known>);

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
#[derive(Debug)]
pub(super) enum Chain {
    Nsec,
    Nsec3 { iterations: u16, salt: SmallVec<[u8; 16]> },
}

impl SharedProof {
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }

    pub(super) fn keep(&mut self, known: Known) {
        self.0 = Some(known);
    }

    /// What is known of the zone with the key `zone`.
    pub(super) fn of(
        &self,
        zone: &[u8],
        reader: &Reader<'_>,
        standard: Standard,
    ) -> Option<&Known> {
        self.0.as_ref().filter(|known| {
            known.view == reader.view()
                && *known.zone == *zone
                && known.now == reader.now()
                && known.standard == standard
        })
    }
}

impl Known {
    /// The reply, without proofs, if one record more shows that the name does not exist.
    pub(super) fn deny(
        &self,
        reader: &mut Reader<'_>,
        question: &Question<'_>,
    ) -> Option<(Reply, Outcome)> {
        if question.rtype.is_meta() || matches!(question.rtype, Rtype(0) | Rtype::RRSIG) {
            return None;
        }
        let covering = match &self.chain {
            Chain::Nsec => self.nsec_ttl(reader, question),
            Chain::Nsec3 { iterations, salt } => {
                let parameters = Nsec3Parameters { iterations: *iterations, salt };
                self.nsec3_ttl(reader, question, &parameters)
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
    fn nsec_ttl(&self, reader: &mut Reader<'_>, question: &Question<'_>) -> Option<u32> {
        let &Question { key: name, zone_key, .. } = question;
        let link = reader.nsec(zone_key, name).filter(|link| !link.is_match)?;
        let owner = NameKey::below(zone_key, link.place);
        let nsec = Nsec::new(zone_key, owner, link.records.first()?)?;
        let is_denied = nsec.denies(name) && *nsec.closest_encloser(name) == *self.encloser;
        is_denied.then(|| link.records.ttl())
    }

    /// The TTL of the NSEC3 that covers the hash of a name right below the closest encloser that is
    /// known.
    fn nsec3_ttl(
        &self,
        reader: &mut Reader<'_>,
        question: &Question<'_>,
        parameters: &Nsec3Parameters<'_>,
    ) -> Option<u32> {
        let mut above = question.key.ancestors().skip(1);
        above.next().filter(|above| **above == *self.encloser)?;
        let lower = question.name.to_lowercase();
        let &Nsec3Parameters { iterations, salt } = parameters;
        if nsec3_blocks(lower.len(), salt.len(), iterations) > SYNTHESIS_HASH_BLOCKS_MAX {
            return None;
        }
        let hash = nsec3_hash(lower.as_wire(), salt, iterations);
        let link = reader.nsec3(question.zone_key, parameters, &hash)?;
        let nsec3 = Nsec3::of_hash(link.place.try_into().ok()?, link.records.first()?)?;
        let is_denied = !link.is_match && nsec3.covers(&hash) && !nsec3.view.is_opt_out();
        is_denied.then(|| link.records.ttl())
    }
}
