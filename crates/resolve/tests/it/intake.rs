//! What becomes of each kind of message that is no proper query: an RCODE where an RFC names one,
//! silence where nothing says that a question was meant.

use dns::Rcode;

use crate::world::World;

const QUESTION: &[u8] = b"\x01x\x07example\x00\x00\x01\x00\x01";
const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
const RECORD: &[u8] = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04\xc0\x00\x02\x01";

/// A message: flags, counts, and what is behind the header.
fn message(flags: u16, counts: [u16; 4], parts: &[&[u8]]) -> Vec<u8> {
    let mut wire = vec![0x12, 0x34];
    wire.extend(flags.to_be_bytes());
    wire.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    wire.extend(parts.concat());
    wire
}

fn opcode(opcode: u16) -> u16 {
    opcode << 11
}

/// Hands each message in; `None` is silence.
fn check(cases: &[(&str, Vec<u8>, Option<Rcode>)]) {
    let mut world = World::new(|asked| asked.say().rcode(Rcode::REFUSED).into());
    for (what, wire, expected) in cases {
        let got = world.ask_wire(wire);
        assert_eq!(got.as_ref().map(crate::world::Got::rcode), *expected, "{what}");
        if let Some(got) = got {
            let header = *got.message().header();
            assert_eq!((header.id, header.qr(), header.tc()), (0x1234, true, false), "{what}");
            assert_eq!(header.opcode().0, wire[2] >> 3 & 15, "{what}");
        }
    }
    assert!(world.asked.is_empty(), "none of this may reach a server");
}

#[test]
fn what_is_no_message_is_dropped() {
    let one = [1, 0, 0, 0];
    let whole = message(0x100, one, &[QUESTION]);
    let mut cases: Vec<(&str, Vec<u8>, Option<Rcode>)> = vec![
        ("response", message(0x8100, one, &[QUESTION]), None),
        ("response of ones", vec![0xff; 12], None),
        ("two questions, no octets", message(0x100, [2, 0, 0, 0], &[]), None),
        ("two questions, one there", message(0x100, [2, 0, 0, 0], &[QUESTION]), None),
        ("name that is its own end", message(0x100, one, &[b"\xc0\x0c\x00\x01\x00\x01"]), None),
        ("name that points ahead", message(0x100, one, &[b"\xc0\x40\x00\x01\x00\x01"]), None),
        ("label of an unknown kind", message(0x100, one, &[b"\x41x\x00\x00\x01\x00\x01"]), None),
        ("octet behind the end", message(0x100, one, &[QUESTION, b"\x00"]), None),
        ("octets behind OPT", message(0x100, [1, 0, 0, 1], &[QUESTION, OPT, b"abc"]), None),
        ("record announced", message(0x100, [1, 1, 0, 0], &[QUESTION]), None),
        ("OPT cut off", message(0x100, [1, 0, 0, 1], &[QUESTION, &OPT[..8]]), None),
        ("notify cut off", message(opcode(4), one, &[&QUESTION[..5]]), None),
        ("garbage of any opcode", message(opcode(9), [9, 9, 9, 9], &[&[0xff; 1024]]), None),
    ];
    cases.extend((0..whole.len()).map(|length| ("cut off", whole[..length].to_vec(), None)));
    check(&cases);
}

#[test]
fn what_no_query_may_say_is_a_format_error() {
    let cut_option = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x05\x00\x03\x00\x05a";
    let formerr = Some(Rcode::FORMERR);
    check(&[
        ("no question", message(0x100, [0; 4], &[]), formerr),
        ("no question but OPT", message(0x100, [0, 0, 0, 1], &[OPT]), formerr),
        ("two questions", message(0x100, [2, 0, 0, 0], &[QUESTION, QUESTION]), formerr),
        ("two OPT", message(0x100, [1, 0, 0, 2], &[QUESTION, OPT, OPT]), formerr),
        ("OPT as an answer", message(0x100, [1, 1, 0, 0], &[QUESTION, OPT]), formerr),
        (
            "OPT with an owner",
            message(0x100, [1, 0, 0, 1], &[QUESTION, b"\xc0\x0c", &OPT[1..]]),
            formerr,
        ),
        ("option cut off", message(0x100, [1, 0, 0, 1], &[QUESTION, cut_option]), formerr),
    ]);
}

#[test]
fn what_is_asked_for_and_not_known_is_not_implemented() {
    let notimp = Some(Rcode::NOTIMP);
    let mut cases = Vec::new();
    for number in 1..16 {
        cases.push(("a question", message(opcode(number), [1, 0, 0, 0], &[QUESTION]), notimp));
        cases.push(("a header", message(opcode(number), [0; 4], &[]), notimp));
    }
    // RFC 8490 §7.1: the keep-alive of a stateful session, which is no record.
    let keep_alive = b"\x00\x01\x00\x08\x00\x00\x3a\x98\x00\x00\x3a\x98";
    cases.push(("a session", message(opcode(6), [0; 4], &[keep_alive]), notimp));
    cases.push(("an update", message(opcode(5), [1, 0, 1, 0], &[QUESTION, RECORD]), notimp));
    for (what, kind) in [
        ("a transfer", b"\x00\xfc\x00\x01"),
        ("OPT", b"\x00\x29\x00\x01"),
        ("type zero", b"\x00\x00\x00\x01"),
        ("class CH", b"\x00\x10\x00\x03"),
        ("class ANY", b"\x00\x01\x00\xff"),
    ] {
        cases.push((what, message(0x100, [1, 0, 0, 0], &[&QUESTION[..11], kind]), notimp));
    }
    check(&cases);
}

#[test]
fn another_version_of_edns_is_a_bad_version() {
    let opt = b"\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00";
    let wire = message(0x100, [1, 0, 0, 1], &[QUESTION, opt]);
    check(&[("version 1", wire.clone(), Some(Rcode::BADVERS))]);
    let mut world = World::new(|asked| asked.say().into());
    let got = world.ask_wire(&wire).unwrap();
    assert_eq!(got.message().edns().unwrap().version, 0, "RFC 6891 §6.1.3: our own");
}
