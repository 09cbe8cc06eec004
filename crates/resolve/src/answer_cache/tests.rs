//! The answer cache: what is patched, what is never served, and its bounds.

use dns::edns::OptRecord;
use dns::{Class, Composer, Header, Message, Name, Rrset, Rtype, Section};

use super::*;
use crate::client::ClientProtocol;
use crate::time::{Mono, UnixTime};

fn client(protocol: ClientProtocol) -> Client {
    let address = std::net::SocketAddr::from(([192, 0, 2, 1], 4000));
    Client { token: 1, peer: address, local: address, protocol }
}

fn at(seconds: u64) -> Now {
    Now { mono: Mono(0), unix: UnixTime::from_seconds(seconds) }
}

fn query(name: &str, id: u16, opt: Option<&OptRecord>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut header = Header { id, ..Header::default() };
    header.set_rd(true);
    let mut composer = Composer::new(&mut out, header, 4096);
    composer.question(&name.parse().unwrap(), Rtype::A, Class::IN).unwrap();
    composer.finish(opt);
    out
}

fn response(name: &str, addresses: u8, ttl: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut header = Header { id: 9, ..Header::default() };
    header.set_rd(true);
    header.set_qr(true);
    header.set_ra(true);
    let owner: Name = name.parse().unwrap();
    let mut set = Rrset::new(owner.clone(), Rtype::A, Class::IN, ttl);
    for last in 1..=addresses {
        set.rdatas.push(&[198, 51, 100, last]);
    }
    let mut composer = Composer::new(&mut out, header, 4096);
    composer.question(&owner, Rtype::A, Class::IN).unwrap();
    composer.rrset(Section::Answer, &set).unwrap();
    composer.finish(Some(&OptRecord::new(1232, false)));
    out
}

/// For everybody, for a minute.
fn kept() -> Kept {
    Kept { tag: 0, life: 60, tallies: Vec::new() }
}

fn cache() -> AnswerCache {
    AnswerCache::new((1, 2), AnswerCacheLimits { entries_max: 64, bytes_max: 1 << 20 })
}

fn ask(cache: &mut AnswerCache, seconds: u64, wire: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    cache.answer(at(seconds), &client(ClientProtocol::Udp), 0, 1232, wire, &mut out).map(|_| out)
}

#[test]
fn a_hit_has_the_clients_id_and_case_and_an_aged_ttl() {
    let mut cache = cache();
    let opt = OptRecord::new(4096, false);
    let udp = client(ClientProtocol::Udp);
    cache.insert(
        at(100),
        &udp,
        kept(),
        &query("www.test", 1, Some(&opt)),
        &response("www.test", 1, 30),
    );
    let out = ask(&mut cache, 110, &query("wWw.TeSt", 77, Some(&opt))).unwrap();
    let message = Message::parse(&out).unwrap();
    assert_eq!(message.header().id, 77);
    assert_eq!(message.question().unwrap().name.to_string(), "wWw.TeSt.");
    assert_eq!(message.answer().next().unwrap().ttl(), 20);
    assert_eq!(ask(&mut cache, 130, &query("www.test", 1, Some(&opt))), None, "expired");
    assert_eq!(ask(&mut cache, 99, &query("www.test", 1, Some(&opt))), None, "clock set back");
}

#[test]
fn other_flags_and_other_clients_have_answers_of_their_own() {
    let mut cache = cache();
    let udp = client(ClientProtocol::Udp);
    let plain = query("www.test", 1, None);
    cache.insert(at(1), &udp, kept(), &plain, &response("www.test", 1, 30));
    assert!(ask(&mut cache, 1, &plain).is_some());
    assert!(ask(&mut cache, 1, &query("www.test", 1, Some(&OptRecord::new(1232, true)))).is_none());
    assert!(ask(&mut cache, 1, &query("www.tes", 1, None)).is_none());
    let mut out = Vec::new();
    assert!(cache.answer(at(1), &udp, 5, 1232, &plain, &mut out).is_none(), "another tag");
    cache.set_generation(1);
    assert!(ask(&mut cache, 1, &plain).is_none(), "another generation");
}

#[test]
fn what_is_out_of_the_ordinary_goes_through_the_layers() {
    let plain = query("www.test", 1, None);
    let udp = ClientProtocol::Udp;
    assert!(is_plain_query(&plain, udp));
    for (at, byte) in [(2, 0x81), (2, 0), (2, 0x11), (3, 0x80), (5, 2), (7, 1)] {
        let mut other = plain.clone();
        other[at] = byte;
        assert!(!is_plain_query(&other, udp), "{at} {byte}");
    }
    for end in 0..plain.len() {
        assert!(!is_plain_query(&plain[..end], udp));
    }
    let mut nsid = OptRecord::new(1232, false);
    nsid.push(OptionCodeForTest::NSID, b"");
    assert!(!is_plain_query(&query("www.test", 1, Some(&nsid)), udp));
    let mut cookie = OptRecord::new(1232, false);
    cookie.push(OptionCodeForTest::COOKIE, b"12345678");
    assert!(is_plain_query(&query("www.test", 1, Some(&cookie)), udp));
    assert!(is_plain_query(&query("www.test", 1, Some(&cookie)), ClientProtocol::Tls));
}

#[test]
fn answers_of_open_and_of_encrypted_pipes_are_kept_apart() {
    let mut cache = cache();
    let opt = OptRecord::new(1232, false);
    let question = query("www.test", 1, Some(&opt));
    let tcp = client(ClientProtocol::Tcp);
    cache.insert(at(0), &tcp, kept(), &question, &response("www.test", 1, 300));
    let mut out = Vec::new();
    let mut is_known =
        |protocol| cache.answer(at(1), &client(protocol), 0, 1232, &question, &mut out).is_some();
    assert!(is_known(ClientProtocol::Tcp));
    // Those are padded (RFC 7830).
    assert!(!is_known(ClientProtocol::Tls));
}

use dns::edns::OptionCode as OptionCodeForTest;

#[test]
fn an_answer_too_large_for_the_datagram_is_not_sent() {
    let mut cache = cache();
    let opt = OptRecord::new(4096, false);
    let wire = query("www.test", 1, Some(&opt));
    cache.insert(at(1), &client(ClientProtocol::Udp), kept(), &wire, &response("www.test", 60, 30));
    assert!(ask(&mut cache, 1, &wire).is_some());
    assert!(ask(&mut cache, 1, &query("www.test", 1, Some(&OptRecord::new(512, false)))).is_none());
}

#[test]
fn addresses_take_turns_and_stay_complete() {
    let mut cache = cache();
    cache.set_rotation(true);
    let wire = query("www.test", 1, None);
    cache.insert(at(1), &client(ClientProtocol::Udp), kept(), &wire, &response("www.test", 3, 30));
    let mut firsts = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let out = ask(&mut cache, 1, &wire).unwrap();
        let message = Message::parse(&out).unwrap();
        let mut addresses: Vec<Vec<u8>> = message.answer().map(|r| r.rdata()).collect();
        firsts.insert(addresses[0].clone());
        addresses.sort();
        let all: Vec<Vec<u8>> = (1..=3).map(|last| vec![198, 51, 100, last]).collect();
        assert_eq!(addresses, all);
    }
    assert_eq!(firsts.len(), 3);
}

/// Keeps the answer to a question for an address.
fn insert(cache: &mut AnswerCache, seconds: u64, name: &str) {
    let udp = client(ClientProtocol::Udp);
    cache.insert(at(seconds), &udp, kept(), &query(name, 1, None), &response(name, 1, 30));
}

#[test]
fn names_that_are_wanted_once_drive_out_nothing() {
    let mut cache = cache();
    let name = |i: usize| format!("n{i}.test");
    let known = |cache: &mut AnswerCache, range: std::ops::Range<usize>, seconds| {
        range.filter(|i| ask(cache, seconds, &query(&name(*i), 1, None)).is_some()).count()
    };
    for i in 0..1000 {
        insert(&mut cache, 1, &name(i));
    }
    let (held, first) = (cache.len(), known(&mut cache, 0..100, 1));
    assert!(held > 60 && first > 40, "{held} {first}");
    // Whoever comes again while that is remembered comes in, and what is asked for again stays.
    for i in 1000..1010 {
        insert(&mut cache, 1, &name(i));
        insert(&mut cache, 1, &name(i));
    }
    assert_eq!(known(&mut cache, 1000..1010, 1), 10);
    assert!(known(&mut cache, 0..100, 1) >= first - 10);
    // What has expired makes room for anybody.
    for i in 2000..2010 {
        insert(&mut cache, 31, &name(i));
    }
    assert_eq!(known(&mut cache, 2000..2010, 31), 10);
}

#[test]
fn entries_and_bytes_stay_within_their_bounds() {
    let limits = AnswerCacheLimits { entries_max: 64, bytes_max: 8000 };
    let mut cache = AnswerCache::new((1, 2), limits);
    for i in 0..1000 {
        let name = format!("n{i}.test");
        let wire = query(&name, 1, None);
        for _ in 0..2 {
            insert(&mut cache, 1, &name);
        }
        assert!(ask(&mut cache, 1, &wire).is_some(), "the newest stays");
        assert!(cache.len() <= 64 && cache.bytes() <= 8000);
    }
    cache.clear();
    assert_eq!((cache.len(), cache.bytes()), (0, 0));
}

proptest::proptest! {
    #[test]
    fn no_query_panics(bytes in proptest::collection::vec(0u8.., 0..300)) {
        let _ = is_plain_query(&bytes, ClientProtocol::Udp);
        let mut plain = query("www.test", 1, None);
        plain.extend_from_slice(&bytes);
        plain[11] = 1;
        let _ = is_plain_query(&plain, ClientProtocol::Udp);
    }
}
