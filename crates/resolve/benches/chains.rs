//! Zones whose chains of NSEC or NSEC3 lie in the store, for questions that they answer.
//!
//! Signatures are made up: what is in the store was validated before it got there.
#![allow(clippy::expect_used, reason = "a broken benchmark should stop")]

use dns::dnssec::Voucher;
use dns::dnssec::crypto::nsec3_hash;
use dns::dnssec::nsec3::hash_to_label;
use dns::rdata::bitmap::TypeBitmap;
use dns::{Class, Name, Rdatas, Rrset, Rtype};
use resolve::Settings;
use resolve::trust_anchors::TrustAnchors;
use store::cache::entry::SignedSet;
use store::cache::{Cache, Rank, TtlBounds};
use store::kv::{OpenOptions, lmdb};

/// The apex of the zone with NSEC.
pub(crate) const NSEC: &str = "nsec.example.";
/// The apex of the zone with NSEC3.
pub(crate) const NSEC3: &str = "nsec3.example.";

/// Names in each zone beside its apex.
const NAMES: usize = 500;
const TTL: u32 = 3600;
const STORE_BYTES: u64 = 64 << 20;

/// Settings with an anchor that covers the zones.
pub(crate) fn settings(settings: Settings) -> Settings {
    let mut anchors = TrustAnchors::new();
    anchors.add(&Name::root(), Voucher::Ds(vec![0, 1, 13, 2, 0]));
    Settings { trust_anchors: anchors.into(), ..settings }
}

/// A store with both zones, in files as that of the daemon, which are removed when it is dropped.
pub(crate) fn store(now: u64) -> (Cache, Folder) {
    let path = std::env::temp_dir().join(format!("kres-counts-{}", std::process::id()));
    let options = OpenOptions { path: path.clone(), bytes: STORE_BYTES, seed: [1; 16] };
    let kv = lmdb::open(&options).expect("a directory for the store");
    let mut cache = Cache::new(kv, TtlBounds::default());
    fill_nsec(&mut cache, now);
    fill_nsec3(&mut cache, now);
    cache.end_turn().expect("room");
    (cache, Folder(path))
}

/// A directory that goes with its owner.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// The name below a zone with this number.
pub(crate) fn made_up(zone: &Name, number: usize) -> Name {
    zone.prepend(&label(number)).expect("short")
}

/// Its first label.
pub(crate) fn label(number: usize) -> [u8; 12] {
    let number = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::array::from_fn(|at| b"0123456789abcdef"[(number >> (60 - 4 * at)) as usize & 15])
}

fn fill_nsec(cache: &mut Cache, now: u64) {
    let zone: Name = NSEC.parse().expect("a name");
    let mut names: Vec<Name> = (1..=NAMES).map(|n| made_up(&zone, n << 20)).collect();
    names.push(zone.clone());
    names.sort();
    for (at, owner) in names.iter().enumerate() {
        let mut rdata = names[(at + 1) % names.len()].as_wire().to_vec();
        TypeBitmap::write(types(owner, &zone), &mut rdata);
        put_link(cache, now, &zone, &signed(owner, Rtype::NSEC, &rdata, &zone));
    }
    fill_apex(cache, now, &zone);
}

fn fill_nsec3(cache: &mut Cache, now: u64) {
    let zone: Name = NSEC3.parse().expect("a name");
    let hash = |name: Name| (nsec3_hash(name.as_wire(), &[], 0), name);
    let mut names: Vec<([u8; 20], Name)> =
        (1..=NAMES).map(|n| hash(made_up(&zone, n << 20))).collect();
    names.push(hash(zone.clone()));
    names.sort();
    for (at, (own, name)) in names.iter().enumerate() {
        let mut rdata = vec![1, 0, 0, 0, 0, 20];
        rdata.extend(names[(at + 1) % names.len()].0);
        TypeBitmap::write(types(name, &zone), &mut rdata);
        let owner = zone.prepend(&hash_to_label(own)).expect("short");
        put_link(cache, now, &zone, &signed(&owner, Rtype::NSEC3, &rdata, &zone));
    }
    fill_apex(cache, now, &zone);
}

fn types(owner: &Name, zone: &Name) -> Vec<Rtype> {
    let at_apex = [Rtype::NS, Rtype::SOA, Rtype::DNSKEY];
    let own = if owner == zone { &at_apex[..] } else { &[] };
    [&[Rtype::A, Rtype::RRSIG, Rtype::NSEC], own].concat()
}

/// NS and SOA.
fn fill_apex(cache: &mut Cache, now: u64, zone: &Name) {
    let server = zone.prepend(b"ns").expect("short");
    let mut soa = [server.as_wire(), zone.as_wire()].concat();
    for number in [1u32, 3600, 1200, 604_800, TTL] {
        soa.extend(number.to_be_bytes());
    }
    for (rtype, rdata) in [(Rtype::NS, server.as_wire()), (Rtype::SOA, &soa)] {
        let SignedSet { set, signatures, rank } = signed(zone, rtype, rdata, zone);
        assert!(cache.stash(now, &set, &signatures, rank, &[]).expect("room"));
    }
}

fn put_link(cache: &mut Cache, now: u64, zone: &Name, link: &SignedSet) {
    assert!(cache.stash_link(now, zone, link, u32::MAX).expect("room"), "{link:?}");
}

fn signed(owner: &Name, rtype: Rtype, rdata: &[u8], zone: &Name) -> SignedSet {
    let mut rrsig = rtype.0.to_be_bytes().to_vec();
    rrsig.extend([13, owner.label_count() as u8]);
    rrsig.extend([0; 14]);
    rrsig.extend(zone.as_wire());
    rrsig.extend([7; 64]);
    let mut set = Rrset::new(owner.clone(), rtype, Class::IN, TTL);
    set.rdatas.push(rdata);
    let signatures: Rdatas = [rrsig].iter().collect();
    SignedSet { set, signatures, rank: Rank::SECURE }
}
