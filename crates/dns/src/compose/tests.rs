//! Composing: compression, limits, and that what is composed parses to the same.

use super::*;
use crate::edns::OptionCode;
use crate::message::Message;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn a_set(owner: &str, count: u8) -> Rrset {
    let mut set = Rrset::new(name(owner), Rtype::A, Class::IN, 300);
    for i in 0..count {
        set.rdatas.push(&[192, 0, 2, i]);
    }
    set
}

#[test]
fn compresses_owners_and_well_known_rdata_but_not_dname() {
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, Header::default(), 4096);
    composer.question(&name("www.Example.com"), Rtype::A, Class::IN).unwrap();
    let mut cname = Rrset::new(name("www.example.com"), Rtype::CNAME, Class::IN, 60);
    cname.rdatas.push(name("web.example.COM").as_wire());
    composer.rrset(Section::Answer, &cname).unwrap();
    let mut dname = Rrset::new(name("example.com"), Rtype::DNAME, Class::IN, 60);
    dname.rdatas.push(name("www.example.com").as_wire());
    composer.rrset(Section::Answer, &dname).unwrap();
    composer.finish(None);
    // header, question 17 + 4, pointer + 10 + "web" + pointer, pointer + 10 + 17.
    assert_eq!(out.len(), 12 + 21 + 12 + 6 + 12 + 17);
    let message = Message::parse(&out).unwrap();
    let names: Vec<String> =
        message.answer().map(|r| r.rdata_name().unwrap().to_string()).collect();
    assert_eq!(names, ["web.Example.com.", "www.example.com."]);
}

#[test]
fn a_set_that_does_not_fit_leaves_no_trace() {
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, Header::default(), 150);
    composer.question(&name("a.test"), Rtype::A, Class::IN).unwrap();
    composer.rrset(Section::Answer, &a_set("a.test", 2)).unwrap();
    let before = composer.len();
    assert_eq!(composer.rrset(Section::Answer, &a_set("other.test", 10)), Err(Truncated));
    assert_eq!(composer.len(), before);
    // The names of the failed set must not be pointed at.
    composer.rrset(Section::Additional, &a_set("other.test", 1)).unwrap();
    composer.finish(None);
    let message = Message::parse(&out).unwrap();
    assert_eq!(message.answer().count(), 2);
    assert_eq!(message.additional().next().unwrap().owner(), name("other.test"));
}

#[test]
fn room_for_opt_is_kept() {
    let mut opt = OptRecord::new(1232, true);
    opt.push(OptionCode::NSID, b"me");
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, Header::default(), 70);
    composer.reserve(opt.wire_length());
    composer.question(&name("a.test"), Rtype::A, Class::IN).unwrap();
    composer.rrset(Section::Answer, &a_set("a.test", 1)).unwrap();
    assert_eq!(composer.rrset(Section::Answer, &a_set("a.test", 1)), Err(Truncated));
    composer.finish(Some(&opt));
    let message = Message::parse(&out).unwrap();
    assert!(message.edns().unwrap().dnssec_ok);
    assert_eq!(message.edns().unwrap().option(OptionCode::NSID), Some(&b"me"[..]));
}

#[test]
fn sixteen_hundred_names_compose_and_parse() {
    let mut set = Rrset::new(name("1.2.0.192.in-addr.arpa"), Rtype::PTR, Class::IN, 60);
    for i in 0..1600 {
        set.rdatas.push(name(&format!("host{i}.example.net")).as_wire());
    }
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, Header::default(), 65_535);
    composer.rrset(Section::Answer, &set).unwrap();
    composer.finish(None);
    let message = Message::parse(&out).unwrap();
    let back: Vec<Vec<u8>> = message.answer().map(|r| r.rdata()).collect();
    assert!(back.iter().map(Vec::as_slice).eq(set.rdatas.iter()));
}

#[test]
fn names_beyond_the_list_are_found_as_well() {
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, Header::default(), MESSAGE_BYTES_MAX);
    composer.question(&name("www.zone"), Rtype::NS, Class::IN).unwrap();
    // Of one length, some with the same end, each in two spellings, within a deep zone.
    let owner = |number: usize, spelling: &str| {
        let (a, b) = (number % 10, number / 10);
        name(&format!("{spelling}{a}{b}x.deep.down.in.the.zone"))
    };
    let count = 5 * LISTED_MAX;
    for number in 0..count {
        let mut set = Rrset::new(owner(number, "n"), Rtype::NS, Class::IN, 1);
        set.rdatas.push(owner(number + 1, "N").as_wire());
        composer.rrset(Section::Authority, &set).unwrap();
        if number == LISTED_MAX - 7 {
            // What is taken back is forgotten, in the list and behind it.
            composer.limit = composer.len() + 20;
            let mut set = Rrset::new(name("a.b.c.d.e.f.g.h.i.j"), Rtype::NS, Class::IN, 1);
            set.rdatas.push(name("k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z").as_wire());
            assert_eq!(composer.rrset(Section::Authority, &set), Err(Truncated));
            composer.limit = MESSAGE_BYTES_MAX;
        }
    }
    let mut other = Rrset::new(name("z"), Rtype::NS, Class::IN, 1);
    other.rdatas.push(name("y.z").as_wire());
    composer.rrset(Section::Additional, &other).unwrap();
    composer.finish(None);
    let message = Message::parse(&out).unwrap();
    for (number, record) in message.authority().enumerate() {
        assert_eq!(record.owner(), owner(number, "n"));
        assert_eq!(record.rdata_name(), Some(owner(number + 1, "n")));
    }
    assert_eq!(message.authority().count(), count);
    let last = message.additional().next().unwrap();
    assert_eq!((last.owner(), last.rdata_name()), (name("z"), Some(name("y.z"))));
    // Each name stands there in full once, the first two but for what they share: of the others only
    // the first label, and pointers.
    let deep = "down.in.the.zone".len();
    assert!(out.len() < 60 + deep + count * (2 * 2 + 10 + 5) + 40, "{}", out.len());
}
