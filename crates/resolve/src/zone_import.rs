//! A zone from a file into the cache, as if each of its sets had been asked for (RFC 8806 wants that
//! for the root): read, held against its digest (RFC 8976) and its signatures, then kept.
//!
//! A zone that a trust anchor stands for is kept only if its DNSKEY set and every authoritative set
//! are secure; another one only if the caller accepts unsigned data.

use std::collections::BTreeSet;
use std::ops::Range;

use dns::canonical::canonical_rdatas;
use dns::dnssec::crypto::digest;
use dns::dnssec::{Budget, DigestType, KeySet, KeysFault, SetFault, verify_keys, verify_set};
use dns::rdata::view::SoaView;
use dns::rrset::covered;
use dns::zonefile::{self, Fault};
use dns::{Class, Name, Rdatas, Rrset, Rtype};
use store::Cache;
use store::cache::Rank;
use store::cache::entry::SignedSet;
use store::kv::StoreError;

use crate::limits::ANCHOR_CHECK;
use crate::trust_anchors::TrustAnchors;

#[cfg(test)]
mod tests;

/// What a caller asks of a zone.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The apex; by default the owner of the first SOA.
    pub origin: Option<Name>,
    /// A ZONEMD record has to be there and to match.
    pub zonemd: bool,
    /// Data for which there is no trust anchor is accepted, as insecure.
    pub accept_unsigned: bool,
}

/// Why a zone is not kept.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImportFault {
    #[error("{0}")]
    Text(Fault),
    #[error("no SOA record")]
    NoSoa,
    #[error("several SOA records")]
    SeveralSoas,
    #[error("no ZONEMD record that can be checked")]
    NoDigest,
    #[error("the digest of the zone does not match")]
    Digest,
    #[error("no trust anchor for {0}")]
    NoAnchor(Name),
    #[error("no DNSKEY records")]
    NoKeys,
    #[error("DNSKEY: {0}")]
    Keys(KeysFault),
    #[error("{name} {rtype}: {fault}")]
    Set { name: Name, rtype: Rtype, fault: SetFault },
}

/// A zone that was checked.
#[derive(Clone, Debug)]
pub struct ZoneImport {
    pub origin: Name,
    /// Every set that is kept, with its rank.
    pub sets: Vec<SignedSet>,
    /// How long names and types that do not exist may be denied, in seconds (RFC 2308 §5).
    pub negative_ttl: u32,
}

/// What is said of a zone by its SOA record.
struct Apex {
    origin: Name,
    serial: u32,
    negative_ttl: u32,
}

/// The apex among the sets of a text.
fn apex(sets: &[Rrset], options: &ImportOptions) -> Result<Apex, ImportFault> {
    let soas: Vec<&Rrset> = sets.iter().filter(|set| set.rtype == Rtype::SOA).collect();
    let soa = match (&options.origin, soas.as_slice()) {
        (_, []) => return Err(ImportFault::NoSoa),
        (None, [soa]) => *soa,
        (None, _) => return Err(ImportFault::SeveralSoas),
        (Some(origin), soas) => {
            *soas.iter().find(|soa| soa.owner == *origin).ok_or(ImportFault::NoSoa)?
        }
    };
    let first = soa.rdatas.iter().next().and_then(SoaView::new).ok_or(ImportFault::NoSoa)?;
    if soa.rdatas.iter().count() > 1 {
        return Err(ImportFault::SeveralSoas);
    }
    let (serial, negative_ttl) = (first.serial(), soa.ttl.min(first.minimum()));
    Ok(Apex { origin: soa.owner.clone(), serial, negative_ttl })
}

/// Whether a text is a zone at all: it can be read, has its SOA record, and its digest matches if that is
/// asked for. Signatures are not looked at.
pub fn look(text: &[u8], options: &ImportOptions) -> Result<(), ImportFault> {
    read_sets(text, options).map(|_| ())
}

/// The sets of a zone in their order, its digest checked.
fn read_sets(text: &[u8], options: &ImportOptions) -> Result<(Vec<Rrset>, Apex), ImportFault> {
    let settings = zonefile::Settings::default();
    let mut sets = zonefile::rrsets(text, &settings).map_err(ImportFault::Text)?;
    let apex = apex(&sets, options)?;
    sets.retain(|set| set.class == Class::IN && set.owner.is_at_or_below(&apex.origin));
    sets.sort_by(|a, b| a.owner.cmp(&b.owner).then(a.rtype.0.cmp(&b.rtype.0)));
    if options.zonemd {
        check_digest(&sets, &apex.origin, apex.serial)?;
    }
    Ok((sets, apex))
}

/// Reads and checks a zone. `now`: seconds since 1970.
pub fn read(
    text: &[u8],
    anchors: &TrustAnchors,
    options: &ImportOptions,
    now: u64,
) -> Result<ZoneImport, ImportFault> {
    let (sets, Apex { origin, negative_ttl, .. }) = read_sets(text, options)?;
    let keys = trusted_keys(&sets, &origin, anchors, options, now as u32)?;
    let sets = ranked(sets, &origin, keys.as_ref(), now as u32)?;
    Ok(ZoneImport { origin, sets, negative_ttl })
}

impl ZoneImport {
    /// Puts the zone into the cache. Returns how many sets it took; a store that fails keeps the
    /// rest out.
    pub fn keep(&self, cache: &mut Cache, now: u64) -> Result<usize, StoreError> {
        self.keep_some(0..self.sets.len(), cache, now)
    }

    /// The same for some of the sets: all are too many for one turn.
    pub fn keep_some(
        &self,
        some: Range<usize>,
        cache: &mut Cache,
        now: u64,
    ) -> Result<usize, StoreError> {
        let mut kept = 0;
        for signed in self.sets.get(some).unwrap_or_default() {
            if signed.set.rtype.is_denial() && signed.rank.is_secure() {
                cache.stash_link(now, &self.origin, signed, self.negative_ttl)?;
            }
            if signed.set.rtype == Rtype::NSEC3 {
                continue;
            }
            let SignedSet { set, signatures, rank } = signed;
            kept += usize::from(cache.stash(now, set, signatures, *rank, &[])?);
        }
        Ok(kept)
    }
}

/// The keys of a zone that an anchor stands for; nothing for one that is accepted without.
fn trusted_keys(
    sets: &[Rrset],
    origin: &Name,
    anchors: &TrustAnchors,
    options: &ImportOptions,
    now: u32,
) -> Result<Option<KeySet>, ImportFault> {
    let Some(vouchers) = anchors.vouchers(origin) else {
        return match options.accept_unsigned {
            true => Ok(None),
            false => Err(ImportFault::NoAnchor(origin.clone())),
        };
    };
    let keys = sets.iter().find(|set| set.rtype == Rtype::DNSKEY && set.owner == *origin);
    let keys = keys.ok_or(ImportFault::NoKeys)?;
    let signatures = signatures_of(sets, keys);
    let mut budget: Budget = ANCHOR_CHECK;
    let checked = verify_keys(keys, &signatures, vouchers, now, &mut budget);
    checked.map(|(keys, _)| Some(keys)).map_err(ImportFault::Keys)
}

/// The signatures of a set among sorted ones.
fn signatures_of(sets: &[Rrset], set: &Rrset) -> Rdatas {
    let from = sets.partition_point(|other| other.owner < set.owner);
    let same_owner = sets.iter().skip(from).take_while(|other| other.owner == set.owner);
    let mut signatures = Rdatas::new();
    for other in same_owner.filter(|other| other.rtype == Rtype::RRSIG) {
        for rdata in other.rdatas.iter().filter(|rdata| covered(rdata) == Some(set.rtype)) {
            signatures.push(rdata);
        }
    }
    signatures
}

/// The sets with what they may be trusted. Signatures go with what they cover.
fn ranked(
    sets: Vec<Rrset>,
    origin: &Name,
    keys: Option<&KeySet>,
    now: u32,
) -> Result<Vec<SignedSet>, ImportFault> {
    let cuts: BTreeSet<&Name> = sets
        .iter()
        .filter(|set| set.rtype == Rtype::NS && set.owner != *origin)
        .map(|set| &set.owner)
        .collect();
    let mut out = Vec::with_capacity(sets.len());
    for set in sets.iter().filter(|set| set.rtype != Rtype::RRSIG) {
        let labels = set.owner.label_count();
        let below = (origin.label_count()..labels).any(|n| cuts.contains(&set.owner.suffix(n)));
        let at_cut = cuts.contains(&set.owner);
        let is_parents = matches!(set.rtype, Rtype::DS | Rtype::NSEC);
        let mut signed =
            SignedSet { set: set.clone(), signatures: Rdatas::new(), rank: Rank::OMIT };
        signed.rank = match keys {
            // Beyond a cut there is glue: addresses of servers and nothing else.
            _ if below => Rank::OMIT,
            _ if at_cut && set.rtype == Rtype::NS => Rank::INSECURE,
            _ if at_cut && !is_parents => Rank::OMIT,
            None => Rank::INSECURE.with_auth(),
            Some(keys) => {
                let signatures = signatures_of(&sets, set);
                let mut budget: Budget = ANCHOR_CHECK;
                let fault =
                    |fault| ImportFault::Set { name: set.owner.clone(), rtype: set.rtype, fault };
                let verified =
                    verify_set(set, &signatures, keys, now, &mut budget).map_err(fault)?;
                signed.set.ttl = verified.ttl;
                signed.signatures = signatures;
                Rank::SECURE
            }
        };
        let is_glue = signed.rank == Rank::OMIT;
        if !is_glue || matches!(set.rtype, Rtype::A | Rtype::AAAA) {
            out.push(signed);
        }
    }
    Ok(out)
}

/// RFC 8976 §2.2: scheme SIMPLE, hash SHA-384.
const SIMPLE_SHA384: (u8, u8) = (1, 1);
/// Octets before the digest: serial, scheme, hash.
const ZONEMD_HEAD: usize = 6;

/// Holds the zone against its ZONEMD records (RFC 8976 §4); one that matches is enough.
fn check_digest(sets: &[Rrset], origin: &Name, serial: u32) -> Result<(), ImportFault> {
    let at_apex = |set: &&Rrset| set.rtype == Rtype::ZONEMD && set.owner == *origin;
    let records = sets.iter().find(at_apex).ok_or(ImportFault::NoDigest)?;
    let usable: Vec<&[u8]> = records
        .rdatas
        .iter()
        .filter(|rdata| {
            let head = rdata.get(..ZONEMD_HEAD);
            head.is_some_and(|head| {
                head[..4] == serial.to_be_bytes() && (head[4], head[5]) == SIMPLE_SHA384
            })
        })
        .collect();
    // Of digests made in one way there is one at most, or none is to be believed (RFC 8976 §2, §4).
    let [usable] = usable[..] else { return Err(ImportFault::NoDigest) };
    let octets = digested(sets, origin);
    let found = digest(DigestType::SHA384, &[&octets]).ok_or(ImportFault::NoDigest)?;
    match usable[ZONEMD_HEAD..] == *found {
        true => Ok(()),
        false => Err(ImportFault::Digest),
    }
}

/// All records in canonical form and order, but for the digests at the apex and their signatures
/// (RFC 8976 §3.3).
fn digested(sets: &[Rrset], origin: &Name) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(first) = sets.get(at) {
        // Signatures of one owner are one set here, whatever they cover.
        let same = |set: &&Rrset| set.owner == first.owner && set.rtype == first.rtype;
        let group: Vec<&Rrset> = sets[at..].iter().take_while(same).collect();
        at += group.len();
        let at_apex = first.owner == *origin;
        if at_apex && first.rtype == Rtype::ZONEMD {
            continue;
        }
        let mut rdatas = Rdatas::new();
        let mut ttls = Vec::new();
        for set in &group {
            for rdata in set.rdatas.iter() {
                if at_apex && first.rtype == Rtype::RRSIG && covered(rdata) == Some(Rtype::ZONEMD) {
                    continue;
                }
                rdatas.push(rdata);
                ttls.push((covered(rdata), set.ttl));
            }
        }
        let owner = first.owner.to_lowercase();
        for rdata in canonical_rdatas(first.rtype, &rdatas).iter() {
            let signs = covered(rdata);
            let ttl = match first.rtype {
                Rtype::RRSIG => ttls.iter().find(|(other, _)| *other == signs).map(|(_, ttl)| *ttl),
                _ => None,
            };
            out.extend_from_slice(owner.as_wire());
            out.extend_from_slice(&first.rtype.0.to_be_bytes());
            out.extend_from_slice(&first.class.0.to_be_bytes());
            out.extend_from_slice(&ttl.unwrap_or(first.ttl).to_be_bytes());
            out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            out.extend_from_slice(rdata);
        }
    }
    out
}
