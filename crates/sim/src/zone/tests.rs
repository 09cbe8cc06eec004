//! Answers of a zone, and the oracle's opinion about the same questions.

use std::sync::Arc;

use dns::{Class, Question, Rcode};
use resolve::Settings;

use super::*;
use crate::oracle::{Oracle, Verdict};
use crate::sign::{Judgement, Signing};
use crate::text;
use crate::world::{Server, World};

const ZONE: &str = "
    .                    SOA    ns. admin. 1 2 3 4 60
    .                    NS     ns.
    ns.                  A      192.0.2.1
    www.example.         A      192.0.2.7
    alias.example.       CNAME  www.example.
    gone.example.        CNAME  nothing.example.
    away.example.        CNAME  www.child.example.
    *.wild.example.      TXT    star
    old.example.         DNAME  example.
    loop.example.        CNAME  loop.example.
    child.example.       NS     ns.child.example.
    ns.child.example.    A      192.0.2.9
";

fn zone() -> Zone {
    Zone::from_text(Name::root(), ZONE).unwrap()
}

fn question(text: &str) -> Question {
    let (name, rtype) = text.split_once(' ').unwrap();
    let name = Name::from_text(name.as_bytes(), &Name::root()).unwrap();
    Question { name, rtype: rtype.parse().unwrap(), class: Class::IN }
}

/// The answer in short: response code, flag, sets of each section.
fn check(asked: &str, expected: &str) {
    let answer = zone().answer(&question(asked), false);
    let sets = |sets: &[Rrset]| -> String {
        let list: Vec<String> =
            sets.iter().map(|set| format!("{} {}", set.owner, set.rtype)).collect();
        list.join(", ")
    };
    let aa = if answer.authoritative { " aa" } else { "" };
    let got = format!(
        "{}{aa}: {} | {} | {}",
        answer.rcode.unwrap_or(Rcode::NOERROR),
        sets(&answer.answer),
        sets(&answer.authority),
        sets(&answer.additional)
    );
    assert_eq!(got, expected, "{asked}");
}

#[test]
fn a_server_answers_as_the_rfcs_say() {
    check("www.example. A", "NOERROR aa: www.example. A |  | ");
    check("www.example. TXT", "NOERROR aa:  | . SOA | ");
    check("example. A", "NOERROR aa:  | . SOA | ");
    check("nothing.example. A", "NXDOMAIN aa:  | . SOA | ");
    check("alias.example. A", "NOERROR aa: alias.example. CNAME, www.example. A |  | ");
    check("alias.example. CNAME", "NOERROR aa: alias.example. CNAME |  | ");
    check("gone.example. A", "NXDOMAIN aa: gone.example. CNAME | . SOA | ");
    check("a.b.wild.example. TXT", "NOERROR aa: a.b.wild.example. TXT |  | ");
    check("a.wild.example. A", "NOERROR aa:  | . SOA | ");
    check("wild.example. TXT", "NOERROR aa:  | . SOA | ");
    check(
        "www.old.example. A",
        "NOERROR aa: old.example. DNAME, www.old.example. CNAME, www.example. A |  | ",
    );
    check("old.example. A", "NOERROR aa:  | . SOA | ");
    check("loop.example. A", "NOERROR aa: loop.example. CNAME |  | ");
    let referral = "NOERROR:  | child.example. NS | ns.child.example. A";
    check("www.child.example. A", referral);
    check("child.example. NS", referral);
    check("child.example. DS", "NOERROR aa:  | . SOA | ");
    check(
        "away.example. A",
        "NOERROR aa: away.example. CNAME | child.example. NS | ns.child.example. A",
    );
    check(". NS", "NOERROR aa: . NS |  | ns. A");
}

#[test]
fn the_oracle_sees_the_same() {
    let root: std::net::IpAddr = "192.0.2.1".parse().unwrap();
    let mut world = World::default();
    world.servers.insert(root, Server::new(vec![Arc::new(zone())]));
    world.hints.push((Name::root(), vec![root]));
    let signing = Signing::default();
    let oracle = Oracle::new(&world, &signing, &Settings::default());
    for asked in [
        "www.example. A",
        "www.example. TXT",
        "example. A",
        "nothing.example. A",
        "alias.example. A",
        "gone.example. A",
        "a.b.wild.example. TXT",
        "a.wild.example. A",
        "www.old.example. A",
        "old.example. A",
    ] {
        let question = question(asked);
        let answer = zone().answer(&question, false);
        let rcode = answer.rcode.unwrap_or(Rcode::NOERROR);
        let expected = Verdict::Answer(rcode, answer.answer, Judgement::Insecure);
        assert_eq!(oracle.verdict(&question), expected, "{asked}");
    }
    assert_eq!(oracle.verdict(&question("loop.example. A")), Verdict::Endless);
    // Nobody serves the child.
    assert_eq!(oracle.verdict(&question("www.child.example. A")), Verdict::Unreachable);
}

#[test]
fn a_large_answer_is_truncated_over_udp_only() {
    let mut zone = zone();
    let owner = question("big.example. TXT").name;
    for number in 0..10u8 {
        let rdata = [vec![250], vec![number; 250]].concat();
        zone.add(&owner, Rtype::TXT, TTL, &rdata);
    }
    let server = Server::new(vec![Arc::new(zone)]);
    let scripted =
        crate::rpl::Scripted { question: Some(question("big.example. TXT")), ..Default::default() };
    let query = scripted.query(7);
    let udp = server.reply(true, &query).unwrap();
    let tcp = server.reply(false, &query).unwrap();
    assert!(text::summary(&udp).contains("TC"), "{}", text::summary(&udp));
    assert!(udp.len() <= 1232);
    assert!(text::summary(&tcp).ends_with("NOERROR 10/0/0"), "{}", text::summary(&tcp));
}
