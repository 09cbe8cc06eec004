//! Off the path and lucky: a forged datagram that arrives before the genuine reply. Whatever it
//! is, the client gets the genuine answer.

use std::time::Duration;

use dns::{Class, Composer, Header, Message, Name, Rcode, Rtype, Section};
use resolve::Via;
use sim::drive::{Delivery, Exchange};
use sim::net::Link;

use crate::town::{Result, Town, address, ask};

const VICTIM: &str = "192.0.2.10";
const GENUINE: &str = "203.0.113.7";
const FORGED: [u8; 4] = [203, 0, 113, 66];

/// What to forge: a message in parts.
#[derive(Clone)]
struct Forgery {
    header: Header,
    question: Option<(Name, Rtype, Class)>,
    answer: bool,
    /// Bytes cut off at the end.
    cut: usize,
    /// Bytes added behind the end.
    trailing: usize,
}

impl Forgery {
    /// A perfect answer to a question: right id, right name in the right case.
    fn perfect(query: &[u8]) -> Forgery {
        let query = Message::parse(query).unwrap();
        let question = query.question().unwrap();
        let mut header = Header { id: query.header().id, ..Header::default() };
        header.set_qr(true);
        header.set_aa(true);
        let question = Some((question.name, question.rtype, question.class));
        Forgery { header, question, answer: true, cut: 0, trailing: 0 }
    }

    fn compose(&self, owner: &Name) -> Vec<u8> {
        let mut out = Vec::new();
        let mut composer = Composer::new(&mut out, self.header, 65_535);
        if let Some((name, rtype, class)) = &self.question {
            composer.question(name, *rtype, *class).unwrap();
        }
        if self.answer {
            let rdata = std::iter::once(FORGED.as_slice());
            composer.records(Section::Answer, owner, Rtype::A, Class::IN, 3600, rdata).unwrap();
        }
        composer.finish(None);
        out.truncate(out.len() - self.cut);
        out.resize(out.len() + self.trailing, 0);
        out
    }
}

/// A change to a perfect forgery.
type Change = fn(&mut Forgery);

/// Asks while a stranger sends `forge`d datagrams for each question to the victim over UDP.
fn attack(forge: impl Fn(&Exchange) -> Vec<Vec<u8>> + 'static) -> (Result, usize) {
    let mut town = Town::new();
    town.delegate("example.net.", &[("ns.example.net.", VICTIM)]);
    town.zone("example.net.", &[VICTIM], &format!("@ NS ns\n ns A {VICTIM}\n www A {GENUINE}"));
    let mut driver = town.open();
    let link = Link { latency: Duration::from_millis(30), ..Link::default() };
    driver.upstreams_mut().links.insert(address(VICTIM), link);
    driver.upstreams_mut().set_forger(Box::new(move |exchange| {
        let target = &exchange.target;
        if target.address.ip() != address(VICTIM) || target.via != Via::Udp {
            return Vec::new();
        }
        let datagrams = forge(exchange).into_iter().enumerate();
        datagrams
            .map(|(number, wire)| Delivery {
                after: Duration::from_millis(1 + number as u64),
                reply: Ok(wire),
            })
            .collect()
    }));
    let result = ask(&mut driver, 1, "www.example.net. A");
    let again = ask(&mut driver, 2, "www.example.net. A");
    assert_eq!(again.addresses, result.addresses, "{}", again.story);
    (result, driver.upstreams().streams())
}

#[track_caller]
fn check_harmless(what: &str, forge: impl Fn(&Exchange) -> Vec<Vec<u8>> + 'static) -> usize {
    let (result, streams) = attack(forge);
    assert_eq!(result.rcode, Rcode::NOERROR, "{what}\n{}", result.story);
    assert_eq!(result.addresses, [GENUINE], "{what}\n{}", result.story);
    assert!(result.cost <= 4, "{what}: {} questions\n{}", result.cost, result.story);
    streams
}

#[track_caller]
fn check(what: &str, change: Change) -> usize {
    check_harmless(what, move |exchange| {
        let mut forgery = Forgery::perfect(&exchange.wire);
        let owner = forgery.question.clone().unwrap().0;
        change(&mut forgery);
        vec![forgery.compose(&owner)]
    })
}

#[test]
fn ten_wrong_ids_lead_to_tcp() {
    let streams = check_harmless("ten wrong ids", |exchange| {
        let perfect = Forgery::perfect(&exchange.wire);
        let owner = perfect.question.clone().unwrap().0;
        (1..=10)
            .map(|number| {
                let mut forgery = perfect.clone();
                forgery.header.id = forgery.header.id.wrapping_add(number);
                forgery.compose(&owner)
            })
            .collect()
    });
    assert!(streams > 0, "somebody guesses, and the question stayed on UDP");
}

#[test]
fn the_right_id_with_the_wrong_question_is_not_believed() {
    check("another name", |forgery| {
        forgery.question.as_mut().unwrap().0 =
            Name::from_text(b"ftp.example.net.", &Name::root()).unwrap();
    });
    check("another type", |forgery| forgery.question.as_mut().unwrap().1 = Rtype::AAAA);
    check("another class", |forgery| forgery.question.as_mut().unwrap().2 = Class::CH);
    check("no question", |forgery| forgery.question = None);
    check("the case of one letter", |forgery| {
        let name = &mut forgery.question.as_mut().unwrap().0;
        let mut wire = name.as_wire().to_vec();
        wire[1] ^= 0x20;
        *name = Name::from_wire(&wire).unwrap();
    });
}

#[test]
fn a_malformed_datagram_ends_nothing() {
    check("cut rdata", |forgery| forgery.cut = 2);
    check("bytes behind the end", |forgery| forgery.trailing = 3);
    check("a bare header", |forgery| {
        (forgery.question, forgery.answer) = (None, false);
    });
    check("QR is not set", |forgery| forgery.header.set_qr(false));
    check("another opcode", |forgery| forgery.header.set_opcode(dns::Opcode::NOTIFY));
}

#[test]
fn a_forged_failure_fails_nothing() {
    check("bare FORMERR", |forgery| {
        (forgery.question, forgery.answer) = (None, false);
        forgery.header.set_rcode_low(Rcode::FORMERR);
    });
    for change in [
        (|forgery| forgery.header.set_rcode_low(Rcode::REFUSED)) as Change,
        |forgery| forgery.header.set_rcode_low(Rcode::SERVFAIL),
        |forgery| forgery.header.set_rcode_low(Rcode::NOTIMP),
        |forgery| forgery.header.set_rcode_low(Rcode::FORMERR),
        |forgery| forgery.header.set_tc(true),
    ] {
        check_harmless("a failure with the right id and question", move |exchange| {
            let mut forgery = Forgery::perfect(&exchange.wire);
            let owner = forgery.question.clone().unwrap().0;
            forgery.answer = false;
            change(&mut forgery);
            vec![forgery.compose(&owner)]
        });
    }
}

#[test]
fn wrong_ids_of_every_shape_are_harmless() {
    let shapes: [Change; 5] = [
        |forgery| forgery.cut = 2,
        |forgery| (forgery.question, forgery.answer) = (None, false),
        |forgery| forgery.header.set_rcode_low(Rcode::FORMERR),
        |forgery| forgery.header.set_qr(false),
        |forgery| forgery.header.set_tc(true),
    ];
    for shape in shapes {
        check_harmless("wrong id and more", move |exchange| {
            let mut forgery = Forgery::perfect(&exchange.wire);
            let owner = forgery.question.clone().unwrap().0;
            forgery.header.id ^= 1;
            shape(&mut forgery);
            vec![forgery.compose(&owner)]
        });
    }
    check_harmless("nothing at all", |_| vec![Vec::new()]);
    check_harmless("five bytes", |exchange| vec![exchange.wire[..5].to_vec()]);
}

#[test]
fn a_flood_of_guesses_is_bounded_and_harmless() {
    check_harmless("two thousand guesses", |exchange| {
        let perfect = Forgery::perfect(&exchange.wire);
        let owner = perfect.question.clone().unwrap().0;
        (1..2000)
            .map(|number| {
                let mut forgery = perfect.clone();
                forgery.header.id = forgery.header.id.wrapping_add(number);
                forgery.compose(&owner)
            })
            .collect()
    });
}
