//! Ranges between the records of one zone's chain, in the form that denies names: who asks for thousands
//! of made-up names of a zone meets the same few records again and again. They hold for as long as the
//! store says the same, and each until its record expires.

use std::collections::BTreeMap;

use dns::NameKey;
use dns::dnssec::denial::nsec::NsecRange;
use dns::dnssec::nsec3::HASH_LEN;

use crate::limits::{DENIALS_BEFORE_RANGES, DENIED_RANGES_MAX};

type Hash = [u8; HASH_LEN];

/// The ranges that are known.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Denials by what the store says, since it says the same.
    denials: u32,
    nsec: BTreeMap<Place, Range<NsecRange>>,
    nsec3: BTreeMap<Hash, Range<Hash>>,
}

#[derive(Debug)]
struct Range<T> {
    what: T,
    /// When the record expires, in seconds since 1970.
    until: u64,
}

/// A key and eight octets of it behind the zone's, which mostly tell it from others.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    word: u64,
    key: NameKey,
}

impl Place {
    fn of(zone: &[u8], key: &NameKey) -> Place {
        let rest = key.as_bytes().get(zone.len()..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(first) => u64::from_be_bytes(*first),
            None => rest
                .iter()
                .enumerate()
                .fold(0, |word, (at, byte)| word | u64::from(*byte) << (56 - 8 * at)),
        };
        Place { word, key: key.clone() }
    }
}

impl<T> Range<T> {
    fn ttl(&self, now: u64) -> Option<u32> {
        self.until.checked_sub(now).map(|left| u32::try_from(left).unwrap_or(u32::MAX))
    }
}

impl Ranges {
    /// A name was denied by what the store says; is it worth keeping by what?
    pub(super) fn is_worth_keeping(&mut self) -> bool {
        self.denials = self.denials.saturating_add(1);
        self.denials > DENIALS_BEFORE_RANGES
            && self.nsec.len() + self.nsec3.len() < DENIED_RANGES_MAX
    }

    /// Keeps what an NSEC of the zone said; both names are below the zone.
    pub(super) fn keep_nsec(&mut self, zone: &[u8], range: NsecRange, until: u64) {
        self.nsec.insert(Place::of(zone, range.owner()), Range { what: range, until });
    }

    /// Keeps what an NSEC3 without opt-out said.
    pub(super) fn keep_nsec3(&mut self, hash: Hash, next: Hash, until: u64) {
        self.nsec3.insert(hash, Range { what: next, until });
    }

    /// The TTL of the NSEC that denies a name below the zone with this closest encloser, if it is kept.
    pub(super) fn nsec_ttl(
        &self,
        zone: &[u8],
        name: &NameKey,
        encloser: &[u8],
        now: u64,
    ) -> Option<u32> {
        let (_, range) = self.nsec.range(..=Place::of(zone, name)).next_back()?;
        let is_denied = range.what.denies(name) && *range.what.closest_encloser(name) == *encloser;
        range.ttl(now).filter(|_| is_denied)
    }

    /// The TTL of the NSEC3 that covers a hash, if it is kept.
    pub(super) fn nsec3_ttl(&self, hash: &Hash, now: u64) -> Option<u32> {
        let before = self.nsec3.range(..=*hash).next_back();
        // The last one reaches around the end of the circle.
        let (from, range) = before.or_else(|| self.nsec3.last_key_value())?;
        let next = &range.what;
        let is_covered =
            if from < next { from < hash && hash < next } else { hash > from || hash < next };
        range.ttl(now).filter(|_| is_covered)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dns::Name;
    use dns::dnssec::denial::nsec::Nsec;
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_000;

    fn names() -> impl Strategy<Value = Name> {
        let label =
            prop::sample::select(vec!["a", "aa", "b", "longer-than-a-word", "longer-than-b"]);
        prop::collection::vec(label, 0..4)
            .prop_map(|labels| format!("{}.zone.", labels.join(".")).replace("..", ".").parse())
            .prop_map(|name| name.unwrap_or_else(|_| "zone.".parse().unwrap()))
    }

    /// The NSEC at a name, of a zone cut or not.
    fn nsec(zone: &NameKey, owner: &Name, next: &Name, is_cut: bool) -> NsecRange {
        // Types NS or A, in a window of one octet.
        let bitmap: [u8; 3] = [0, 1, if is_cut { 0x20 } else { 0x40 }];
        let rdata = [next.as_wire(), &bitmap].concat();
        Nsec::new(zone.as_bytes(), NameKey::of(owner), &rdata).unwrap().into_range()
    }

    proptest! {
        #[test]
        fn kept_ranges_deny_what_their_records_do(
            owners in prop::collection::btree_set(names(), 1..12),
            cuts in any::<u16>(),
            kept in any::<u16>(),
            asked in prop::collection::vec(names(), 1..12),
        ) {
            let apex: Name = "zone.".parse().unwrap();
            let zone = NameKey::of(&apex);
            let owners: Vec<Name> = owners.into_iter().chain([apex]).collect::<BTreeSet<_>>().into_iter().collect();
            let (mut ranges, mut all) = (Ranges::default(), Vec::new());
            for (at, owner) in owners.iter().enumerate() {
                let next = &owners[(at + 1) % owners.len()];
                let make = || nsec(&zone, owner, next, cuts >> at & 1 == 1);
                if kept >> at & 1 == 1 {
                    ranges.keep_nsec(zone.as_bytes(), make(), NOW + at as u64);
                    all.push((make(), at as u32));
                }
            }
            for name in &asked {
                let name = NameKey::of(name);
                for encloser in name.ancestors() {
                    let expected = all
                        .iter()
                        .find(|(range, _)| range.denies(&name) && range.closest_encloser(&name) == encloser)
                        .map(|(_, ttl)| *ttl);
                    let ttl = ranges.nsec_ttl(zone.as_bytes(), &name, encloser, NOW);
                    prop_assert_eq!(ttl, expected, "{:?}", name);
                }
            }
        }

        #[test]
        fn kept_hashes_cover_what_lies_between_them(
            kept in prop::collection::btree_map(any::<u8>(), any::<u8>(), 0..6),
            asked in any::<u8>(),
        ) {
            let hash = |first| [first; HASH_LEN];
            let mut ranges = Ranges::default();
            // Neighbours, of which some are not known.
            let firsts: Vec<u8> = kept.keys().copied().collect();
            let mut expected = None;
            for (at, first) in firsts.iter().enumerate() {
                let next = firsts[(at + 1) % firsts.len()];
                if kept[first] % 3 == 0 {
                    continue;
                }
                ranges.keep_nsec3(hash(*first), hash(next), NOW + 7);
                let is_inside = if *first < next { (first + 1..next).contains(&asked) }
                    else { asked > *first || asked < next };
                expected = expected.or(is_inside.then_some(7));
            }
            prop_assert_eq!(ranges.nsec3_ttl(&hash(asked), NOW), expected);
        }
    }

    #[test]
    fn they_are_kept_when_it_pays_and_only_so_many() {
        let mut ranges = Ranges::default();
        let tries = (0..DENIALS_BEFORE_RANGES + 2).filter(|_| ranges.is_worth_keeping()).count();
        assert_eq!(tries, 2);
        for number in 0..DENIED_RANGES_MAX as u32 + 9 {
            if ranges.is_worth_keeping() {
                let mut hash = [0; HASH_LEN];
                hash[..4].copy_from_slice(&number.to_be_bytes());
                ranges.keep_nsec3(hash, [0xff; HASH_LEN], NOW);
            }
        }
        assert_eq!(ranges.nsec3.len(), DENIED_RANGES_MAX);
        // The record lives up to its last second.
        assert_eq!(ranges.nsec3_ttl(&[1; HASH_LEN], NOW), Some(0));
        assert_eq!(ranges.nsec3_ttl(&[1; HASH_LEN], NOW + 1), None);
    }
}
