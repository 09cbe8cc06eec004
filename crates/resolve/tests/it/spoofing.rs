//! Forged datagrams that arrive before the genuine reply: whatever they look like, the client gets
//! the genuine data, and nothing that is remembered about the server changes.

use dns::{Rcode, Rtype};

use crate::world::{Asked, Does, ROOT, World};

/// Asks `www.example.`; `forge` is what arrives 5 ms after each UDP question, the genuine answer
/// comes after 65 ms over UDP and at once over TCP.
#[track_caller]
fn check(what: &str, tcp_expected: bool, forge: impl Fn(&Asked) -> Vec<Vec<u8>>) {
    let mut world = World::new(|asked: &Asked| {
        if asked.ip().to_string() == ROOT {
            return asked
                .say()
                .authority("example. 3600 NS ns.example.")
                .additional("ns.example. 3600 A 192.0.2.1")
                .into();
        }
        let genuine = asked.say().aa().answer("www.example. 300 A 192.0.2.80").wire();
        if asked.tcp {
            return Does::nothing().then(5, genuine);
        }
        forge(asked)
            .into_iter()
            .fold(Does::nothing(), |does, wire| does.then(5, wire))
            .then(65, genuine)
    });
    let got = world.ask("www.example.", Rtype::A);
    assert_eq!(got.answer(), ["www.example. A 192.0.2.80"], "{what}");
    let by_tcp = world.asked.iter().filter(|asked| asked.tcp).count();
    assert_eq!(by_tcp, usize::from(tcp_expected), "{what}");
    assert!(world.asked.iter().all(|asked| asked.edns), "{what}: EDNS stays on");
    assert!(world.asked.len() <= 3, "{what}");
}

fn poison(asked: &Asked) -> crate::world::Say {
    asked.say().aa().answer("www.example. 300 A 203.0.113.66")
}

#[test]
fn wrong_ids() {
    check("ten wrong ids", true, |asked| {
        (1..=10).map(|n| poison(asked).header(|h| h.id = h.id.wrapping_add(n)).wire()).collect()
    });
}

#[test]
fn wrong_questions() {
    check("another name", true, |asked| {
        vec![poison(asked).question(Some(("w.example.".parse().unwrap(), Rtype::A))).wire()]
    });
    check("another type", true, |asked| {
        vec![poison(asked).question(Some((asked.name.clone(), Rtype::AAAA))).wire()]
    });
    check("no question", true, |asked| vec![poison(asked).question(None).wire()]);
    check("letters flipped", true, |asked| {
        let mut upper = asked.name.as_wire().iter().filter(|b| b.is_ascii_alphabetic()).copied();
        let flipped = asked.name.with_case(|| upper.next().is_some_and(|b| b.is_ascii_lowercase()));
        vec![poison(asked).question(Some((flipped, Rtype::A))).wire()]
    });
}

#[test]
fn malformed() {
    check("rdata cut off", true, |asked| {
        let mut wire = poison(asked).no_edns().wire();
        wire.truncate(wire.len() - 2);
        vec![wire]
    });
    check("header only", true, |asked| vec![poison(asked).wire()[..12].to_vec()]);
    check("trailing bytes", true, |asked| vec![poison(asked).trailing(&[1, 2, 3]).wire()]);
    check("nothing and almost nothing", true, |_| vec![vec![], vec![1, 2, 3, 4, 5]]);
}

#[test]
fn no_reply_at_all() {
    check("a query", true, |asked| vec![poison(asked).header(|h| h.set_qr(false)).wire()]);
    check("another opcode", true, |asked| {
        vec![poison(asked).header(|h| h.set_opcode(dns::Opcode::NOTIFY)).wire()]
    });
}

#[test]
fn error_codes() {
    check("bare FORMERR", true, |asked| {
        vec![asked.say().rcode(Rcode::FORMERR).question(None).no_edns().wire()[..12].to_vec()]
    });
    check("FORMERR", true, |asked| vec![asked.say().rcode(Rcode::FORMERR).no_edns().wire()]);
    check("REFUSED", true, |asked| vec![asked.say().rcode(Rcode::REFUSED).wire()]);
    check("SERVFAIL", true, |asked| vec![asked.say().rcode(Rcode::SERVFAIL).wire()]);
    check("truncated", true, |asked| vec![asked.say().header(|h| h.set_tc(true)).wire()]);
}
