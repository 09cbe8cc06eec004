//! Chains in the store: which record is found for a name, and which are not kept.

use std::collections::BTreeSet;

use dns::Class;
use dns::dnssec::nsec3::hash_to_label;
use dns::rdata::bitmap::TypeBitmap;
use proptest::prelude::*;

use super::*;
use crate::cache::TtlBounds;
use crate::kv::{OpenOptions, memory};

const NOW: u64 = 1_700_000_000;

fn cache() -> Cache {
    let options = OpenOptions { path: "".into(), bytes: 1 << 20, seed: [7; 16] };
    Cache::new(memory::open(&options).unwrap(), TtlBounds { min: 0, max: 86_400 })
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// An RRSIG that nobody could check, as far as the store looks at it.
fn rrsig(rtype: Rtype, labels: u8, signer: &Name) -> Vec<u8> {
    let mut rdata = rtype.0.to_be_bytes().to_vec();
    rdata.extend([13, labels]);
    rdata.extend([0; 14]);
    rdata.extend(signer.as_wire());
    rdata.extend(b"signature");
    rdata
}

fn signed(owner: &Name, rtype: Rtype, rdata: &[u8], signer: &Name) -> SignedSet {
    let mut set = Rrset::new(owner.clone(), rtype, Class::IN, 300);
    set.rdatas.push(rdata);
    let labels = owner.label_count() - usize::from(owner.is_wildcard());
    let signatures = [rrsig(rtype, labels as u8, signer)].iter().collect();
    SignedSet { set, signatures, rank: Rank::SECURE }
}

fn nsec(owner: &Name, next: &Name, signer: &Name) -> SignedSet {
    let mut rdata = next.as_wire().to_vec();
    TypeBitmap::write([Rtype::A], &mut rdata);
    signed(owner, Rtype::NSEC, &rdata, signer)
}

fn nsec3(
    zone: &Name,
    hash: [u8; 20],
    next: [u8; 20],
    flags: u8,
    parameters: &Nsec3Parameters<'_>,
) -> SignedSet {
    let mut rdata = vec![1, flags];
    rdata.extend(parameters.iterations.to_be_bytes());
    rdata.push(parameters.salt.len() as u8);
    rdata.extend(parameters.salt);
    rdata.push(20);
    rdata.extend(next);
    TypeBitmap::write([Rtype::A], &mut rdata);
    let owner = zone.prepend(&hash_to_label(&hash)).unwrap();
    signed(&owner, Rtype::NSEC3, &rdata, zone)
}

fn plain() -> Nsec3Parameters<'static> {
    Nsec3Parameters { iterations: 0, salt: &[] }
}

fn kept(cache: &mut Cache, zone: &str, link: &SignedSet) -> bool {
    cache.stash_link(NOW, &name(zone), link, u32::MAX).unwrap()
}

/// The NSEC of a zone at or before a name: its owner, its TTL, and whether it is at the name.
fn find(cache: &mut Cache, now: u64, zone: &Name, at: &Name) -> Option<(Name, u32, bool)> {
    let zone = NameKey::of(zone);
    let link = cache.reader(now).nsec(zone.as_bytes(), &NameKey::of(at))?;
    let owner = Name::from_lookup_format(&[zone.as_bytes(), link.place].concat()).unwrap();
    Some((owner, link.records.ttl(), link.is_match))
}

/// Is it known that the zone has an NSEC chain, and with which parameters NSEC3 chains?
fn chains(cache: &mut Cache, now: u64, zone: &Name) -> (bool, Vec<(u16, Vec<u8>)>) {
    let key = NameKey::of(zone);
    let apex = cache.reader(now).apex(key.as_bytes());
    let chains = apex.map(|apex| apex.chains()).unwrap_or_default();
    let nsec3: Vec<_> = chains.nsec3().map(|p| (p.iterations, p.salt.to_vec())).collect();
    assert_eq!(chains.is_empty(), !chains.nsec && nsec3.is_empty());
    (chains.nsec, nsec3)
}

#[test]
fn the_record_before_a_name_is_found_within_its_zone_only() {
    let mut cache = cache();
    let (zone, child) = (name("z"), name("c.z"));
    for (owner, next) in [("z", "b.z"), ("b.z", "D.z"), ("D.z", "z")] {
        assert!(kept(&mut cache, "z", &nsec(&name(owner), &name(next), &zone)));
    }
    assert!(kept(&mut cache, "c.z", &nsec(&name("a.c.z"), &child, &child)));
    let mut owner = |zone: &Name, at: &str| {
        let (owner, _, is_match) = find(&mut cache, NOW, zone, &name(at))?;
        Some((owner.to_string(), is_match))
    };
    assert_eq!(owner(&zone, "c.z"), Some(("b.z.".into(), false)));
    assert_eq!(owner(&zone, "x.C.z"), Some(("b.z.".into(), false)));
    assert_eq!(owner(&zone, "d.z"), Some(("d.z.".into(), true)));
    assert_eq!(owner(&zone, "*.z"), Some(("z.".into(), false)));
    assert_eq!(owner(&zone, "z"), Some(("z.".into(), true)));
    assert_eq!(owner(&zone, "y"), None, "outside");
    // The child has its own chain; nothing of it is known before `a`.
    assert_eq!(owner(&child, "b.c.z"), Some(("a.c.z.".into(), false)));
    assert_eq!(owner(&child, "0.c.z"), None);
}

#[test]
fn records_live_as_long_as_their_ttl_and_what_the_soa_allows() {
    let mut cache = cache();
    let zone = name("z");
    let link = nsec(&zone, &name("b.z"), &zone);
    assert!(cache.stash_link(NOW, &zone, &link, 60).unwrap());
    let key = NameKey::of(&zone);
    let found = cache.reader(NOW + 20).nsec(key.as_bytes(), &key).unwrap().records;
    assert_eq!((found.ttl(), found.first()), (40, link.set.rdatas.iter().next()));
    assert!(found.signatures().eq(link.signatures.iter()));
    let copy = found.to_signed(zone.clone(), Rtype::NSEC, 300, true).unwrap();
    assert_eq!(copy, link);
    let ttl = |cache: &mut Cache, now| find(cache, now, &zone, &zone).map(|found| found.1);
    assert_eq!(ttl(&mut cache, NOW + 61), None);
    // What is still known does not shorten; what gets old is written again.
    assert!(cache.stash_link(NOW + 10, &zone, &link, 60).unwrap());
    assert_eq!(ttl(&mut cache, NOW + 10), Some(50));
    assert!(cache.stash_link(NOW + 40, &zone, &link, 60).unwrap());
    assert_eq!(ttl(&mut cache, NOW + 40), Some(60));
}

#[test]
fn what_proves_nothing_to_others_is_not_kept() {
    let mut cache = cache();
    let zone = name("z");
    let good = nsec(&name("b.z"), &name("d.z"), &zone);
    let with = |change: fn(&mut SignedSet)| {
        let mut link = good.clone();
        change(&mut link);
        link
    };
    let cases = [
        ("not validated", with(|link| link.rank = Rank::INSECURE.with_auth())),
        ("not signed", with(|link| link.signatures = dns::Rdatas::new())),
        ("signed by another zone", nsec(&name("b.z"), &name("d.z"), &name("b.z"))),
        ("signed by two zones", {
            let mut link = good.clone();
            link.signatures.push(&rrsig(Rtype::NSEC, 2, &name("b.z")));
            link
        }),
        ("made from a wildcard", {
            let mut link = good.clone();
            link.signatures = [rrsig(Rtype::NSEC, 1, &zone)].iter().collect();
            link
        }),
        ("leads out of the zone", nsec(&name("b.z"), &name("zz"), &zone)),
        ("leads backwards", nsec(&name("b.z"), &name("a.z"), &zone)),
        ("covers one name: child", nsec(&name("b.z"), &name("\\000.b.z"), &zone)),
        ("covers one name: sibling", nsec(&name("b.z"), &name("b\\000.z"), &zone)),
        ("two records", {
            let mut link = good.clone();
            link.set.rdatas.push(nsec(&zone, &zone, &zone).set.rdatas.iter().next().unwrap());
            link
        }),
    ];
    for (what, link) in cases {
        assert!(!kept(&mut cache, "z", &link), "{what}");
    }
    assert_eq!(find(&mut cache, NOW, &zone, &name("c.z")), None);
    assert_eq!(chains(&mut cache, NOW, &zone), (false, vec![]));
    assert!(kept(&mut cache, "z", &good));
    assert!(chains(&mut cache, NOW, &zone).0);
}

#[test]
fn nsec3_is_found_around_the_circle_and_by_its_parameters() {
    let mut cache = cache();
    let zone = name("z");
    let salted = Nsec3Parameters { iterations: 1, salt: &[0xab] };
    for (hash, next) in [(0x20, 0x80), (0x80, 0x20)] {
        assert!(kept(&mut cache, "z", &nsec3(&zone, [hash; 20], [next; 20], 0, &plain())));
    }
    assert!(kept(&mut cache, "z", &nsec3(&zone, [0x40; 20], [0x50; 20], 0, &salted)));
    let mut find = |parameters: &Nsec3Parameters<'_>, hash: u8| {
        let key = NameKey::of(&zone);
        let link = cache.reader(NOW).nsec3(key.as_bytes(), parameters, &[hash; 20])?;
        assert_eq!(link.place.len(), HASH_LEN);
        Some((link.place[0], link.is_match))
    };
    assert_eq!(find(&plain(), 0x20), Some((0x20, true)));
    assert_eq!(find(&plain(), 0x7f), Some((0x20, false)));
    assert_eq!(find(&plain(), 0x90), Some((0x80, false)));
    assert_eq!(find(&plain(), 0x10), Some((0x80, false)), "the last one, around the end");
    assert_eq!(find(&salted, 0x45), Some((0x40, false)));
    assert_eq!(find(&Nsec3Parameters { iterations: 1, ..plain() }, 0x45), None);
    let both = vec![(1, vec![0xab]), (0, vec![])];
    assert_eq!(chains(&mut cache, NOW, &zone), (false, both));
}

#[test]
fn nsec3_that_may_hide_names_or_cover_one_is_not_kept() {
    let mut cache = cache();
    let zone = name("z");
    let (hash, mut one, mut two) = ([0xff; 20], [0; 20], [0; 20]);
    let far = nsec3(&zone, hash, [0x80; 20], 0, &plain());
    (one[19], two[19]) = (0, 1);
    let long = Nsec3Parameters { iterations: 0, salt: &[1; NSEC3_SALT_MAX + 1] };
    let costly = Nsec3Parameters { iterations: NSEC3_ITERATIONS_MAX + 1, salt: &[] };
    let cases = [
        ("opt-out", nsec3(&zone, hash, [0x80; 20], 1, &plain())),
        ("unknown flags", nsec3(&zone, hash, [0x80; 20], 2, &plain())),
        ("no other hash", nsec3(&zone, hash, one, 0, &plain())),
        ("one other hash", nsec3(&zone, hash, two, 0, &plain())),
        ("long salt", nsec3(&zone, hash, [0x80; 20], 0, &long)),
        ("many iterations", nsec3(&zone, hash, [0x80; 20], 0, &costly)),
        ("not below the apex", {
            let mut link = far.clone();
            link.set.owner = name("b.z").prepend(link.set.owner.labels().next().unwrap()).unwrap();
            link.signatures = [rrsig(Rtype::NSEC3, 3, &zone)].iter().collect();
            link
        }),
    ];
    for (what, link) in cases {
        assert!(!kept(&mut cache, "z", &link), "{what}");
    }
    assert!(kept(&mut cache, "z", &far));
}

#[test]
fn two_chains_of_a_zone_are_remembered() {
    let mut cache = cache();
    let zone = name("z");
    for salt in 0..5u8 {
        let parameters = Nsec3Parameters { iterations: 0, salt: &[salt] };
        assert!(kept(&mut cache, "z", &nsec3(&zone, [1; 20], [9; 20], 0, &parameters)));
    }
    let both = vec![(0, vec![4]), (0, vec![3])];
    assert_eq!(chains(&mut cache, NOW, &zone), (false, both));
    assert_eq!(chains(&mut cache, NOW + u64::from(CHAIN_TTL) + 1, &zone), (false, vec![]));
}

fn labels() -> impl Strategy<Value = Name> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(b'a'), Just(b'B'), Just(b'b'), Just(255)];
    let label = proptest::collection::vec(byte, 1..4);
    proptest::collection::vec(label, 0..4).prop_map(|labels| {
        let prepend = |name: Name, label: &Vec<u8>| name.prepend(label).unwrap();
        labels.iter().fold(name("z"), prepend)
    })
}

proptest! {
    /// Whatever bytes are in the names: the store's order is the canonical one.
    #[test]
    fn the_neighbour_is_the_greatest_name_not_above(
        owners in proptest::collection::btree_set(labels(), 1..12),
        asked in labels(),
    ) {
        let zone = name("z");
        let mut cache = cache();
        let mut all = BTreeSet::new();
        for owner in owners {
            // Back to the apex: the range itself does not matter here.
            if kept(&mut cache, "z", &nsec(&owner, &zone, &zone)) {
                all.insert(owner);
            }
        }
        let expected = all.range(..=asked.clone()).next_back();
        let found = find(&mut cache, NOW, &zone, &asked);
        prop_assert_eq!(found.as_ref().map(|found| &found.0), expected);
        prop_assert_eq!(found.is_some_and(|found| found.2), all.contains(&asked));
    }
}
