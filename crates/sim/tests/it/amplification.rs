//! What one client's question may cost at most, against those who want it to cost much. The bounds
//! are on questions sent to everybody but the root and the top-level zones, all with an empty cache.

use std::time::Duration;

use dns::{Class, Name, Question, Rcode, Rrset, Rtype};
use sim::world::Manner;
use sim::zone::{TTL, ZoneAnswer};

use crate::town::{Town, address, ask, cost, name};

const EVIL: &str = "192.0.2.66";
const VICTIM: &str = "192.0.2.77";

fn town_with_evil() -> Town {
    let mut town = Town::new();
    town.delegate("evil.net.", &[("ns.evil.net.", EVIL)]);
    town
}

/// A set of names, such as NS or CNAME.
fn names(owner: &Name, rtype: Rtype, targets: &[Name]) -> Rrset {
    let mut set = Rrset::new(owner.clone(), rtype, Class::IN, TTL);
    targets.iter().for_each(|target| {
        set.rdatas.push(target.as_wire());
    });
    set
}

fn label(text: String, below: &Name) -> Name {
    below.prepend(text.as_bytes()).unwrap()
}

/// The first label of a name in text.
fn first(name: &Name) -> String {
    String::from_utf8_lossy(name.labels().next().unwrap_or_default()).to_lowercase()
}

/// A referral to servers without addresses.
fn referral(cut: &Name, servers: &[Name]) -> ZoneAnswer {
    ZoneAnswer { authority: vec![names(cut, Rtype::NS, servers)], ..ZoneAnswer::default() }
}

fn nothing(zone: &Name, rcode: Rcode) -> ZoneAnswer {
    let mut soa = Rrset::new(zone.clone(), Rtype::SOA, Class::IN, TTL);
    soa.rdatas.push(&[zone.as_wire(), zone.as_wire(), &[0; 20]].concat());
    ZoneAnswer {
        authoritative: true,
        rcode: Some(rcode),
        authority: vec![soa],
        ..ZoneAnswer::default()
    }
}

#[test]
fn servers_with_names_in_a_victims_zone() {
    for servers in [20, 100] {
        let mut town = town_with_evil();
        let list: Vec<String> =
            (0..servers).map(|number| format!("trap NS n{number}.victim.org.")).collect();
        town.zone("evil.net.", &[EVIL], &format!("@ NS ns\n ns A {EVIL}\n {}", list.join("\n")));
        town.text("org.", &format!("victim NS ns.victim\n ns.victim A {VICTIM}"));
        town.zone("victim.org.", &[VICTIM], &format!("@ NS ns\n ns A {VICTIM}"));
        let mut driver = town.open();
        let result = ask(&mut driver, 1, "x.trap.evil.net. A");
        assert_eq!(result.rcode, Rcode::SERVFAIL);
        // Names fail here one by one, so each family of addresses is asked for at most once.
        let packets = driver.upstreams().asked(address(VICTIM));
        assert!(packets <= 5, "{packets} for {servers} servers\n{}", result.story);
    }
}

#[test]
fn endless_aliases_each_with_servers_to_look_up() {
    let mut town = town_with_evil();
    town.text("org.", &format!("victim NS ns.victim\n ns.victim A {VICTIM}"));
    town.zone("victim.org.", &[VICTIM], &format!("@ NS ns\n ns A {VICTIM}"));
    let mut driver = town.open();
    let evil = name("evil.net.");
    let mut links = 0;
    driver.upstreams_mut().set_inventor(
        address(EVIL),
        Box::new(move |question: &Question| {
            // zN.evil.net. is a zone of its own: twenty servers at the victim's, one at home.
            let depth = question.name.label_count();
            if depth <= evil.label_count() + 1 {
                let victim = name("victim.org.");
                let mut servers: Vec<Name> =
                    (0..20).map(|number| label(format!("v{number}-{links}"), &victim)).collect();
                servers.push(name("ns.evil.net."));
                return referral(&question.name.suffix(evil.label_count() + 1), &servers);
            }
            links += 1;
            let target = label("www".into(), &label(format!("z{links}"), &evil));
            ZoneAnswer {
                authoritative: true,
                answer: vec![names(&question.name, Rtype::CNAME, &[target])],
                ..ZoneAnswer::default()
            }
        }),
    );
    let result = ask(&mut driver, 1, "www.z0.evil.net. A");
    let packets = driver.upstreams().asked(address(VICTIM));
    assert!(result.cost <= 40, "{} questions\n{}", result.cost, result.story);
    assert!(packets <= 14, "{packets} to the victim\n{}", result.story);
}

#[test]
fn endless_delegations_without_addresses() {
    for servers in [2, 10] {
        let mut driver = town_with_evil().open();
        let evil = name("evil.net.");
        driver.upstreams_mut().set_inventor(
            address(EVIL),
            Box::new(move |question: &Question| {
                // Each name is in a zone whose servers are in further zones of the same kind.
                let child = evil.label_count() + 1;
                if question.name.label_count() < child {
                    return nothing(&evil, Rcode::NOERROR);
                }
                let cut = question.name.suffix(child);
                let list: Vec<Name> = (0..servers)
                    .map(|number| {
                        label("ns".into(), &label(format!("{}-{number}", first(&cut)), &evil))
                    })
                    .collect();
                referral(&cut, &list)
            }),
        );
        let result = ask(&mut driver, 1, "www.z.evil.net. A");
        assert_eq!(result.rcode, Rcode::SERVFAIL);
        assert!(result.cost <= 40, "{} for {servers} servers\n{}", result.cost, result.story);
    }
}

#[test]
fn servers_to_look_up_that_are_all_dead() {
    for servers in [20, 100] {
        let mut town = town_with_evil();
        let mut text = format!("@ NS ns\n ns A {EVIL}\n");
        for number in 0..servers {
            text += &format!("trap NS n{number}.hosts\n n{number}.hosts A 198.51.100.{number}\n");
        }
        town.zone("evil.net.", &[EVIL], &text);
        // Hosts are in the same zone, but the referral comes without their addresses.
        let mut driver = town.open();
        let zone = driver.upstreams().world.servers[&address(EVIL)].zones[0].clone();
        driver.upstreams_mut().set_inventor(
            address(EVIL),
            Box::new(move |question: &Question| ZoneAnswer {
                additional: Vec::new(),
                ..zone.answer(question, false)
            }),
        );
        let result = ask(&mut driver, 1, "x.trap.evil.net. A");
        assert_eq!(result.rcode, Rcode::SERVFAIL);
        let dead = cost(&driver) - driver.upstreams().asked(address(EVIL));
        assert!(dead <= 15, "{dead} to dead addresses of {servers}\n{}", result.story);
        assert!(result.time <= Duration::from_secs(6), "{:?}\n{}", result.time, result.story);
    }
}

#[test]
fn thirteen_servers_all_dead() {
    let mut town = Town::new();
    for number in 0..13 {
        let host = format!("n{number}.dead.net.");
        town.delegate("dead.net.", &[(&host, &format!("198.51.100.{number}"))]);
    }
    let mut driver = town.open();
    let result = ask(&mut driver, 1, "www.dead.net. A");
    assert_eq!(result.rcode, Rcode::SERVFAIL);
    assert!(result.extended_errors > 0, "nothing says why\n{}", result.story);
    assert!(result.cost <= 13, "{} questions\n{}", result.cost, result.story);
    assert!(result.time <= Duration::from_secs(6), "{:?}\n{}", result.time, result.story);
}

#[test]
fn ten_names_for_the_same_refusing_addresses() {
    let mut town = Town::new();
    for host in 0..10 {
        for number in 0..13 {
            let host = format!("n{host}.farm.net.");
            let at = format!("198.51.100.{number}");
            town.delegate("farm.net.", &[(&host, &at)]);
            town.manner(&at, Manner::Says(Rcode::REFUSED));
        }
    }
    let mut driver = town.open();
    let result = ask(&mut driver, 1, "www.farm.net. A");
    assert_eq!(result.rcode, Rcode::SERVFAIL);
    assert!(result.cost <= 13, "{} questions\n{}", result.cost, result.story);
}

/// Asks for the beginning of a chain that gives so many links in each reply and ends after so many.
fn chain(per_reply: usize, end: usize) -> crate::town::Result {
    let mut driver = town_with_evil().open();
    let evil = name("evil.net.");
    driver.upstreams_mut().set_inventor(
        address(EVIL),
        Box::new(move |question: &Question| {
            if question.rtype != Rtype::A {
                return nothing(&evil, Rcode::NOERROR);
            }
            let number = |name: &Name| first(name)[1..].parse::<usize>().unwrap_or(0);
            let mut out = ZoneAnswer { authoritative: true, ..ZoneAnswer::default() };
            let mut at = question.name.clone();
            for _ in 0..per_reply {
                if number(&at) >= end {
                    break;
                }
                let next = label(format!("l{}", number(&at) + 1), &evil);
                out.answer.push(names(&at, Rtype::CNAME, std::slice::from_ref(&next)));
                at = next;
            }
            if number(&question.name) >= end {
                let mut set = Rrset::new(question.name.clone(), Rtype::A, Class::IN, TTL);
                set.rdatas.push(&[203, 0, 113, 7]);
                out.answer.push(set);
            }
            out
        }),
    );
    ask(&mut driver, 1, "l0.evil.net. A")
}

#[test]
fn chains_of_aliases() {
    let endless = chain(1, usize::MAX);
    assert_eq!(endless.rcode, Rcode::SERVFAIL, "{}", endless.story);
    assert!(endless.cost <= 15, "{} questions\n{}", endless.cost, endless.story);
    let bundled = chain(30, usize::MAX);
    assert_eq!(bundled.rcode, Rcode::SERVFAIL, "{}", bundled.story);
    assert!(bundled.cost <= 3, "{} questions\n{}", bundled.cost, bundled.story);
    let longest = chain(1, 12);
    assert_eq!((longest.rcode, longest.addresses.len()), (Rcode::NOERROR, 1), "{}", longest.story);
}

#[test]
fn two_zones_with_their_servers_in_each_other() {
    let mut town = Town::new();
    town.text("net.", "ring NS ns.ring.org.");
    town.text("org.", "ring NS ns.ring.net.");
    let mut driver = town.open();
    let result = ask(&mut driver, 1, "www.ring.net. A");
    assert_eq!(result.rcode, Rcode::SERVFAIL);
    // Here the top-level zones bear the cost.
    let first = driver.invariants().exchanges();
    assert!(first <= 6, "{first} questions\n{}", result.story);
    for token in 2..52 {
        ask(&mut driver, token, &format!("w{token}.ring.net. A"));
    }
    let more = driver.invariants().exchanges() - first;
    assert!(more <= 5, "{more} questions for fifty more names");
}

#[test]
fn truncated_and_then_the_stream_is_closed() {
    let mut town = Town::new();
    town.delegate("tc.net.", &[("ns.tc.net.", EVIL)]);
    town.manner(EVIL, Manner::ClosesStreams);
    let mut driver = town.open();
    let result = ask(&mut driver, 1, "www.tc.net. A");
    assert_eq!(result.rcode, Rcode::SERVFAIL);
    let streams = driver.upstreams().streams();
    assert!(streams <= 2, "{streams} streams\n{}", result.story);
}

#[test]
fn one_server_and_it_is_dead() {
    let mut town = Town::new();
    town.delegate("dead.net.", &[("ns.dead.net.", "198.51.100.1")]);
    let mut driver = town.open();
    let result = ask(&mut driver, 1, "www.dead.net. A");
    assert_eq!(result.rcode, Rcode::SERVFAIL);
    let streams = driver.upstreams().streams();
    assert!(streams <= 1 && result.cost - streams <= 3, "{}\n{}", result.cost, result.story);
    assert!(result.time <= Duration::from_secs(4), "{:?}\n{}", result.time, result.story);
}

#[test]
fn a_delegation_at_every_label() {
    let mut driver = town_with_evil().open();
    driver.upstreams_mut().set_inventor(
        address(EVIL),
        Box::new(|question: &Question| {
            // Answers for the zone that was asked for last: one label more each time.
            thread_local!(static DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(2) });
            let depth = DEPTH.get() + 1;
            DEPTH.set(depth);
            let cut = question.name.suffix(depth);
            let host = label("ns".into(), &cut);
            let mut out = referral(&cut, std::slice::from_ref(&host));
            let mut glue = Rrset::new(host, Rtype::A, Class::IN, TTL);
            glue.rdatas.push(&[192, 0, 2, 66]);
            out.additional.push(glue);
            out
        }),
    );
    let deep = format!("{}evil.net. A", "a.".repeat(100));
    let result = ask(&mut driver, 1, &deep);
    assert_eq!(result.rcode, Rcode::SERVFAIL);
    assert!(result.cost <= 50, "{} questions\n{}", result.cost, result.story);
    assert!(result.extended_errors > 0, "nothing says why\n{}", result.story);
}

#[test]
fn one_server_that_always_fails() {
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED, Rcode::FORMERR, Rcode::NOTIMP] {
        let mut town = Town::new();
        town.delegate("bad.net.", &[("ns.bad.net.", EVIL)]);
        town.manner(EVIL, Manner::Says(rcode));
        let mut driver = town.open();
        let result = ask(&mut driver, 1, "www.bad.net. A");
        assert_eq!(result.rcode, Rcode::SERVFAIL);
        assert!(result.cost <= 4, "{} questions for {rcode}\n{}", result.cost, result.story);
    }
}
