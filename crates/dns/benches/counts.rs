//! Reading and writing messages, counted in instructions: `cargo xtask bench count`.
#![expect(clippy::expect_used, reason = "a broken benchmark should stop")]

use std::hint::black_box;

use dns::edns::OptRecord;
use dns::{Class, Composer, Header, Message, Name, Rrset, Rtype, Section};
use xtask::counts::{Scenario, main as run};

/// A referral of a signed zone fits into this, as most replies do.
const LIMIT: usize = 1232;

fn main() {
    run(&[
        Scenario { name: "dns.parse.signed-referral", repeat: parse },
        Scenario { name: "dns.parse-and-read.signed-referral", repeat: parse_and_read },
        Scenario { name: "dns.compose.signed-referral", repeat: compose },
    ]);
}

fn parse(repetitions: usize) {
    let wire = wire(&referral());
    for _ in 0..repetitions {
        black_box(Message::parse(black_box(&wire)).expect("a message"));
    }
}

/// What a resolver does at least: every record into its set.
fn parse_and_read(repetitions: usize) {
    let wire = wire(&referral());
    for _ in 0..repetitions {
        let message = Message::parse(black_box(&wire)).expect("a message");
        for record in message.authority().chain(message.additional()) {
            black_box(Rrset::from_record(&record));
        }
    }
}

fn compose(repetitions: usize) {
    let sets = referral();
    let mut out = Vec::new();
    for _ in 0..repetitions {
        write(black_box(&sets), &mut out);
        black_box(&out);
    }
}

/// Sixteen records: four NS, a DS with its signature, five A, four AAAA, and OPT.
fn referral() -> Vec<(Section, Rrset)> {
    let zone = name("example.com.");
    let mut ns = Rrset::new(zone.clone(), Rtype::NS, Class::IN, 172_800);
    let mut glue = Vec::new();
    for (i, label) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let server = name(&format!("{label}.ns.example.com."));
        let mut v4 = Rrset::new(server.clone(), Rtype::A, Class::IN, 172_800);
        v4.rdatas.push(&[192, 0, 2, i as u8]);
        glue.push((Section::Additional, v4));
        if i < 4 {
            ns.rdatas.push(server.as_wire());
            let mut v6 = Rrset::new(server, Rtype::AAAA, Class::IN, 172_800);
            v6.rdatas.push(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, i as u8]);
            glue.push((Section::Additional, v6));
        }
    }
    let mut ds = Rrset::new(zone.clone(), Rtype::DS, Class::IN, 86_400);
    ds.rdatas.push(&[&[0x30, 0x39, 13, 2][..], &[0xab; 32]].concat());
    let mut signature = Rrset::new(zone, Rtype::RRSIG, Class::IN, 86_400);
    let fixed = [0, 43, 13, 2, 0, 1, 0x51, 0x80, 0x69, 0, 0, 0, 0x68, 0, 0, 0, 0x12, 0x34];
    signature.rdatas.push(&[&fixed[..], name("com.").as_wire(), &[0xcd; 64]].concat());
    let authority = [ns, ds, signature].map(|set| (Section::Authority, set));
    authority.into_iter().chain(glue).collect()
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn wire(sets: &[(Section, Rrset)]) -> Vec<u8> {
    let mut out = Vec::new();
    write(sets, &mut out);
    let message = Message::parse(&out).expect("a message");
    // OPT is the sixteenth; it is read apart.
    assert_eq!(message.authority().len() + message.additional().len(), 15);
    assert!(message.edns().is_some());
    out
}

fn write(sets: &[(Section, Rrset)], out: &mut Vec<u8>) {
    let header = Header::parse(&[0; 12]).expect("a header");
    let mut composer = Composer::new(out, header, LIMIT);
    let question = name("www.example.com.");
    composer.question(&question, Rtype::A, Class::IN).expect("room");
    for (section, set) in sets {
        composer.rrset(*section, set).expect("room");
    }
    composer.finish(Some(&OptRecord::new(1232, true)));
}
