//! The cache over the memory back end: what is stored comes back until its TTL and not after.

use super::entry::Entry;
use super::*;
use crate::kv::{OpenOptions, memory};

const NOW: u64 = 1_700_000_000;

fn cache() -> Cache {
    let options = OpenOptions { path: "".into(), bytes: 1 << 20, seed: [7; 16] };
    Cache::new(memory::open(&options).unwrap(), TtlBounds { min: 0, max: 86_400 })
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn set(owner: &str, rtype: Rtype, rdata: &[u8]) -> Rrset {
    let mut set = Rrset::new(name(owner), rtype, Class::IN, 300);
    set.rdatas.push(rdata);
    set
}

#[test]
fn peek_after_stash_until_the_ttl_and_nothing_after() {
    let mut cache = cache();
    let rank = Rank::INSECURE.with_auth();
    let a = set("www.Example", Rtype::A, &[192, 0, 2, 1]);
    assert!(cache.stash(NOW, &a, &Rdatas::new(), rank, &[]).unwrap());
    let hit = cache.peek(NOW + 299, &name("WWW.example"), Rtype::A).unwrap();
    assert_eq!((hit.ttl_left, hit.rank), (1, rank));
    assert!(matches!(hit.body, Body::Records { rdatas, .. } if rdatas == a.rdatas));
    assert_eq!(cache.peek(NOW + 300, &name("www.example"), Rtype::A).unwrap().ttl_left, 0);
    assert_eq!(cache.peek(NOW + 301, &name("www.example"), Rtype::A), None);
    assert!(cache.peek_stale(NOW + 301, &name("www.example"), Rtype::A, 60).is_some());
    assert_eq!(cache.peek(NOW, &name("www.example"), Rtype::AAAA), None);
}

#[test]
fn worse_data_does_not_replace_better_data_that_lives() {
    let mut cache = cache();
    let (good, glue) = (Rank::SECURE, Rank::OMIT);
    let a = set("ns.test", Rtype::A, &[192, 0, 2, 1]);
    let b = set("ns.test", Rtype::A, &[192, 0, 2, 2]);
    assert!(cache.stash(NOW, &a, &Rdatas::new(), good, &[]).unwrap());
    assert!(!cache.stash(NOW + 1, &b, &Rdatas::new(), glue, &[]).unwrap());
    assert!(cache.stash(NOW + 301, &b, &Rdatas::new(), glue, &[]).unwrap());
    assert_eq!(cache.peek(NOW + 302, &name("ns.test"), Rtype::A).unwrap().rank, glue);
}

#[test]
fn apex_keeps_delegation_alias_and_absence_apart() {
    let mut cache = cache();
    let ns = set("zone.test", Rtype::NS, name("ns.zone.test").as_wire());
    let dname = set("zone.test", Rtype::DNAME, name("other.test").as_wire());
    let auth = Rank::INSECURE.with_auth();
    cache.stash(NOW, &ns, &Rdatas::new(), Rank::OMIT, &[]).unwrap();
    cache.stash(NOW, &dname, &Rdatas::new(), auth, &[]).unwrap();
    cache.stash_nxdomain(NOW, &name("gone.zone.test"), 60, auth, &[]).unwrap();
    let mut seen = Vec::new();
    cache.walk(NOW, &name("a.gone.zone.test"), 0, |at, hit| {
        if hit != ApexHit::default() {
            let found = (hit.ns.is_some(), hit.dname.is_some(), hit.nxdomain.is_some());
            seen.push((at.to_string(), found));
        }
        true
    });
    let expected = [("gone.zone.test.", (false, false, true)), ("zone.test.", (true, true, false))];
    assert_eq!(seen, expected.map(|(name, found)| (name.to_owned(), found)));
    // A name that turns out to exist is no longer absent.
    let cname = set("gone.zone.test", Rtype::CNAME, name("x.test").as_wire());
    cache.stash(NOW, &cname, &Rdatas::new(), auth, &[]).unwrap();
    let hit = cache.peek_apex(NOW, &name("gone.zone.test"), 0);
    assert!(hit.nxdomain.is_none() && hit.cname.is_some());
}

#[test]
fn negative_entries_keep_their_proofs() {
    let mut cache = cache();
    let soa = SignedSet {
        set: set("test", Rtype::SOA, b"\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01"),
        signatures: [b"signature"].iter().collect(),
        rank: Rank::SECURE,
    };
    let proofs = [soa];
    cache.stash_no_data(NOW, &name("a.test"), Rtype::TXT, 30, Rank::SECURE, &proofs).unwrap();
    let hit = cache.peek(NOW + 10, &name("a.test"), Rtype::TXT).unwrap();
    assert_eq!(hit.ttl_left, 20);
    assert_eq!(hit.body, Body::NoData { proofs: proofs.to_vec() });
}

#[test]
fn a_clock_set_back_neither_kills_nor_immortalises() {
    let mut cache = cache();
    let a = set("a.test", Rtype::A, &[192, 0, 2, 1]);
    cache.stash(NOW, &a, &Rdatas::new(), Rank::SECURE, &[]).unwrap();
    assert_eq!(cache.peek(NOW - 1000, &name("a.test"), Rtype::A).unwrap().ttl_left, 300);
}

#[test]
fn any_bytes_decode_or_not_without_harm() {
    let mut bytes = vec![0, 8, 0, 0, 0, 0, 0, 0, 0, 9];
    for tail in 0..=255u8 {
        bytes.truncate(10);
        bytes.extend_from_slice(&[tail; 40]);
        let _ = Entry::decode(&bytes);
        let _ = lent::hit(&bytes, NOW, 0);
        let _ = Apex::new(&bytes, NOW, 0).to_hit();
    }
}

/// The hexadecimal lines of the format's document that begin with `word`.
fn examples(word: &str) -> Vec<Vec<u8>> {
    let text = include_str!("../../../../docs/formats/entries.md");
    text.lines()
        .filter_map(|line| line.strip_prefix("    ")?.strip_prefix(word)?.strip_prefix(' '))
        .filter(|digits| digits.chars().all(|c| c == ' ' || c.is_ascii_hexdigit()))
        .map(|digits| {
            let digits: Vec<u8> = digits.bytes().filter(|b| *b != b' ').collect();
            let pair =
                |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            digits.chunks(2).map(pair).collect()
        })
        .collect()
}

#[test]
fn the_examples_of_the_document_are_what_is_written() {
    let mut cache = cache();
    let auth = Rank::INSECURE.with_auth();
    let a = set("www.example", Rtype::A, &[192, 0, 2, 1]);
    cache.stash(NOW, &a, &Rdatas::new(), auth, &[]).unwrap();
    cache.stash_nxdomain(NOW, &name("gone.example"), 60, Rank::SECURE, &[]).unwrap();
    let ns = set("example", Rtype::NS, name("ns.example").as_wire());
    cache.stash(NOW, &ns, &Rdatas::new(), Rank::OMIT, &[]).unwrap();
    let server = server::ServerEntry {
        at: NOW * 1000,
        rtt: Some((12_000, 3_000)),
        silences: 1,
        ..server::ServerEntry::default()
    };
    cache.stash_server("192.0.2.1:53".parse().unwrap(), &server).unwrap();
    let (keys, values) = (examples("key  "), examples("value"));
    assert_eq!((keys.len(), values.len()), (4, 4));
    for (key, value) in keys.iter().zip(&values) {
        assert_eq!(cache.kv().get(key), Some(&value[..]), "{key:02x?}");
        assert!(key::read(key).is_some() != server::is_server_key(key));
    }
}

#[test]
fn servers_are_shared_for_an_hour() {
    let mut cache = cache();
    let address = "[2001:db8::1]:53".parse().unwrap();
    let entry = server::ServerEntry { at: NOW * 1000, rest: 500, ..Default::default() };
    cache.stash_server(address, &entry).unwrap();
    assert_eq!(cache.peek_server(NOW * 1000, address), Some(entry));
    assert_eq!(cache.peek_server((NOW + 3601) * 1000, address), None);
    assert_eq!(cache.peek_server((NOW - 60) * 1000, address), None, "from the future");
    assert_eq!(cache.peek_server(NOW * 1000, "[2001:db8::1]:54".parse().unwrap()), None);
}

#[test]
fn the_examples_of_chains_are_what_is_written() {
    let mut cache = cache();
    let zone = name("example");
    let signed = |owner: &str, rtype: Rtype, rdata: &[u8]| {
        let mut rrsig = rtype.0.to_be_bytes().to_vec();
        rrsig.extend([13, 2]);
        rrsig.extend([0; 14]);
        rrsig.extend(zone.as_wire());
        rrsig.extend(b"signature");
        let signatures = [rrsig].iter().collect();
        SignedSet { set: set(owner, rtype, rdata), signatures, rank: Rank::SECURE }
    };
    let next = [name("d.example").as_wire(), &[0, 1, 0x40]].concat();
    let nsec = signed("b.example", Rtype::NSEC, &next);
    assert!(cache.stash_link(NOW, &zone, &nsec, 60).unwrap());
    let hash = [0x11; 20];
    let label = dns::dnssec::nsec3::hash_to_label(&hash);
    let owner = zone.prepend(&label).unwrap().to_string();
    let next = [&[1, 0, 0, 0, 0, 20][..], &[0x22; 20]].concat();
    let nsec3 = signed(&owner, Rtype::NSEC3, &next);
    assert!(cache.stash_link(NOW, &zone, &nsec3, 60).unwrap());
    for (word, slot) in [("nsec ", Slot::Nsec), ("nsec3", Slot::Nsec3)] {
        let keys = examples(word);
        assert_eq!(keys.len(), 1, "{word}");
        assert!(cache.kv().get(&keys[0]).is_some(), "{word}");
        assert_eq!(key::read(&keys[0]).map(|(_, found)| found), Some(slot));
    }
    let apex = cache.kv().get(&examples("key  ")[2]).unwrap();
    assert_eq!(apex, examples("chain").concat());
}

proptest::proptest! {
    #[test]
    fn entries_round_trip(kind in 0u8..4, rank in 0u8..64, ttl in 0..=entry::TTL_MAX, data in proptest::collection::vec(proptest::collection::vec(0u8.., 0..40), 0..6)) {
        let Some(rank) = Rank::from_byte(rank) else { return Ok(()) };
        let list: Rdatas = data.iter().collect();
        let mut proof = set("p.test", Rtype::NSEC, b"x");
        proof.rdatas = list.clone();
        let proofs = vec![SignedSet { set: proof, signatures: list.clone(), rank }];
        let body = match kind {
            0 => Body::Records { rdatas: list.clone(), signatures: list, proofs },
            1 => Body::NoData { proofs },
            2 => Body::Records { rdatas: list, signatures: Rdatas::new(), proofs: Vec::new() },
            _ => Body::NxDomain { proofs },
        };
        let entry = Entry { rank, stored: 5, ttl, body };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        proptest::prop_assert_eq!(Entry::decode(&bytes), Some(entry));
        for end in 0..bytes.len() {
            let _ = Entry::decode(&bytes[..end]);
        }
    }
}

#[test]
fn one_type_is_removed_and_its_neighbours_stay() {
    let mut cache = cache();
    let auth = Rank::INSECURE.with_auth();
    let ns = set("zone.test", Rtype::NS, name("ns.zone.test").as_wire());
    let dname = set("zone.test", Rtype::DNAME, name("other.test").as_wire());
    let a = set("zone.test", Rtype::A, &[192, 0, 2, 1]);
    for set in [&ns, &dname, &a] {
        cache.stash(NOW, set, &Rdatas::new(), auth, &[]).unwrap();
    }
    cache.stash_no_data(NOW, &name("zone.test"), Rtype::TXT, 60, Rank::SECURE, &[]).unwrap();
    let listed = |cache: &mut Cache| {
        let mut rows: Vec<_> = cache
            .list(NOW + 10, &name("zone.test"))
            .iter()
            .map(|row| (row.rtype.to_string(), row.kind == ListedKind::Records, row.ttl_left))
            .collect();
        rows.sort();
        rows
    };
    let row = |rtype: &str, exists, left| (rtype.to_owned(), exists, left);
    let mut expected = vec![
        row("A", true, 290),
        row("DNAME", true, 290),
        row("NS", true, 290),
        row("TXT", false, 50),
    ];
    assert_eq!(listed(&mut cache), expected);
    for rtype in [Rtype::DNAME, Rtype::A, Rtype::NS] {
        assert!(cache.remove(&name("zone.test"), rtype).unwrap());
        assert!(!cache.remove(&name("zone.test"), rtype).unwrap());
        expected.retain(|(listed, ..)| *listed != rtype.to_string());
        assert_eq!(listed(&mut cache), expected);
    }
    assert_eq!(cache.list(NOW, &name("test")), []);
}
