//! A store that knows some thousand unsigned zones, for names in them that nobody has asked for: what
//! a large resolver does most of the time. The zones are more than are remembered elsewhere, and each
//! question is for another one.
#![allow(clippy::expect_used, reason = "a broken benchmark should stop")]

use dns::{Class, Name, Rdatas, Rrset, Rtype};
use store::cache::{Cache, Rank, TtlBounds};
use store::kv::{OpenOptions, lmdb};

use crate::chains::Folder;
use crate::world::{SERVER, name};

/// Zones in all: every other one below a signed parent, which has denied its DS, the rest below an
/// unsigned one.
const ZONES: usize = 4_096;
const TTL: u32 = 86_400;
const STORE_BYTES: u64 = 64 << 20;

/// A name in the zone whose turn it is.
pub(crate) fn made_up(number: usize) -> Name {
    let host = format!("h{}", number / ZONES);
    zone(number % ZONES).prepend(host.as_bytes()).expect("short")
}

fn zone(number: usize) -> Name {
    let parent = if number.is_multiple_of(2) { "signed" } else { "plain" };
    name(&format!("zone{number:04}.{parent}."))
}

/// The store, in files as that of the daemon, which are removed when it is dropped.
pub(crate) fn store(now: u64) -> (Cache, Folder) {
    let path = std::env::temp_dir().join(format!("kres-fill-{}", std::process::id()));
    let options = OpenOptions { path: path.clone(), bytes: STORE_BYTES, seed: [1; 16] };
    let kv = lmdb::open(&options).expect("a directory for the store");
    let mut cache = Cache::new(kv, TtlBounds::default());
    let insecure = Rank::INSECURE.with_auth();
    put(&mut cache, now, &name("signed."), Rtype::DS, &[0, 1, 13, 2, 0], Rank::SECURE);
    let no_ds = |cache: &mut Cache, zone: &Name, rank| {
        let kept = cache.stash_no_data(now, zone, Rtype::DS, TTL, rank, &[]);
        assert!(kept.expect("room"));
    };
    no_ds(&mut cache, &name("plain."), Rank::SECURE);
    for parent in ["signed.", "plain."] {
        put_servers(&mut cache, now, &name(parent));
    }
    for number in 0..ZONES {
        let zone = zone(number);
        put_servers(&mut cache, now, &zone);
        if number.is_multiple_of(2) {
            no_ds(
                &mut cache,
                &zone,
                if number.is_multiple_of(4) { insecure } else { Rank::SECURE },
            );
        }
    }
    cache.end_turn().expect("room");
    (cache, Folder(path))
}

/// Two servers inside the zone, as a referral told.
fn put_servers(cache: &mut Cache, now: u64, zone: &Name) {
    let servers = ["ns1", "ns2"].map(|label| zone.prepend(label.as_bytes()).expect("short"));
    let mut ns = Rrset::new(zone.clone(), Rtype::NS, Class::IN, TTL);
    for server in &servers {
        ns.rdatas.push(server.as_wire());
        put(cache, now, server, Rtype::A, &SERVER, Rank::OMIT);
    }
    let kept = cache.stash(now, &ns, &Rdatas::new(), Rank::INSECURE, &[]);
    assert!(kept.expect("room"));
}

fn put(cache: &mut Cache, now: u64, owner: &Name, rtype: Rtype, rdata: &[u8], rank: Rank) {
    let mut set = Rrset::new(owner.clone(), rtype, Class::IN, TTL);
    set.rdatas.push(rdata);
    assert!(cache.stash(now, &set, &Rdatas::new(), rank, &[]).expect("room"));
}
