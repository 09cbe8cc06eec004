//! How much one question can make us ask: the attacks that composed amplification is made of, each
//! with the number of messages that it may cost.

use std::net::Ipv4Addr;
use std::time::Duration;

use dns::{Name, Rcode, Rtype};

use crate::world::{Asked, Does, ROOT, Say, World};

const ATTACKER: &str = "192.0.2.66";
const VICTIM: &str = "192.0.2.99";

fn below(asked: &Asked, name: &str) -> bool {
    asked.name.is_at_or_below(&name.parse().unwrap())
}

/// The root refers `evil.` and `victim.` to their servers.
fn root(asked: &Asked) -> Does {
    let zone = if below(asked, "victim.") { ("victim", VICTIM) } else { ("evil", ATTACKER) };
    asked
        .say()
        .authority(&format!("{}. 3600 NS ns.{}.", zone.0, zone.0))
        .additional(&format!("ns.{}. 3600 A {}", zone.0, zone.1))
        .into()
}

fn nxdomain(say: Say) -> Does {
    say.aa()
        .rcode(Rcode::NXDOMAIN)
        .authority("victim. 300 SOA ns.victim. a.victim. 1 2 3 4 300")
        .into()
}

/// `servers` name servers without glue below `victim.`.
fn glueless(asked: &Asked, zone: &Name, servers: usize, tag: &str) -> Say {
    (0..servers)
        .fold(asked.say(), |say, n| say.authority(&format!("{zone} 3600 NS ns{n}.{tag}.victim.")))
}

fn count(world: &[Asked], ip: &str) -> usize {
    world.iter().filter(|asked| asked.ip().to_string() == ip).count()
}

#[test]
fn nxns() {
    for servers in [20, 100] {
        let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
            ROOT => root(asked),
            ATTACKER => glueless(asked, &"sub.evil.".parse().unwrap(), servers, "x").into(),
            _ => nxdomain(asked.say()),
        });
        let got = world.ask("www.sub.evil.", Rtype::A);
        assert_eq!(got.rcode(), Rcode::SERVFAIL);
        let victim = count(&world.asked, VICTIM);
        assert!(victim <= 5, "{victim} messages to the victim");
    }
}

#[test]
fn delegations_to_dead_addresses() {
    for servers in [20, 100] {
        let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
            ROOT => root(asked),
            ATTACKER => glueless(asked, &"sub.evil.".parse().unwrap(), servers, "x").into(),
            VICTIM => {
                let last = 1 + asked.name.as_wire()[3] % 200;
                let text = format!("{} 300 A 198.18.0.{last}", asked.name);
                asked.say().aa().answer(&text).into()
            }
            _ => Does::nothing(),
        });
        let got = world.ask("www.sub.evil.", Rtype::A);
        assert_eq!(got.rcode(), Rcode::SERVFAIL);
        let dead = world.asked.iter().filter(|a| a.ip().to_string().starts_with("198.18.")).count();
        assert!(dead <= 15, "{dead} messages to dead addresses");
        assert!(got.after <= Duration::from_secs(6), "{:?}", got.after);
    }
}

#[test]
fn thirteen_dead_servers() {
    let mut world = World::new(|asked: &Asked| {
        if asked.ip().to_string() != ROOT {
            return Does::nothing();
        }
        (0..13)
            .fold(asked.say(), |say, n| {
                say.authority(&format!("evil. 3600 NS ns{n}.evil."))
                    .additional(&format!("ns{n}.evil. 3600 A 198.18.0.{n}"))
            })
            .into()
    });
    let got = world.ask("www.evil.", Rtype::A);
    assert_eq!(got.rcode(), Rcode::SERVFAIL);
    let dead = world.asked.len() - count(&world.asked, ROOT);
    assert!(dead <= 13, "{dead}");
    assert!(got.after <= Duration::from_secs(6), "{:?}", got.after);
}

#[test]
fn one_dead_server() {
    let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
        ROOT => root(asked),
        _ => Does::nothing(),
    });
    let got = world.ask("www.evil.", Rtype::A);
    let udp = world.asked.iter().filter(|a| a.ip().to_string() != ROOT && !a.tcp).count();
    let tcp = world.asked.iter().filter(|a| a.tcp).count();
    assert!(udp <= 3 && tcp <= 1, "{udp} + {tcp}");
    assert!(got.after <= Duration::from_secs(4), "{:?}", got.after);
    assert_eq!(got.rcode(), Rcode::SERVFAIL);
}

#[test]
fn a_farm_of_servers_on_the_same_addresses() {
    let mut world = World::new(|asked: &Asked| {
        if asked.ip().to_string() != ROOT {
            return asked.say().rcode(Rcode::REFUSED).into();
        }
        (0..10)
            .fold(asked.say(), |say, n| {
                (0..13).fold(say.authority(&format!("evil. 3600 NS ns{n}.evil.")), |say, m| {
                    say.additional(&format!("ns{n}.evil. 3600 A 198.18.0.{m}"))
                })
            })
            .into()
    });
    assert_eq!(world.ask("www.evil.", Rtype::A).rcode(), Rcode::SERVFAIL);
    assert!(world.asked.len() <= 13 + 1, "{}", world.asked.len());
}

#[test]
fn a_chain_of_aliases() {
    let link = |asked: &Asked| -> Does {
        let text = asked.name.to_string();
        let n: u32 =
            text.trim_start_matches(['c', 'C']).split('.').next().unwrap().parse().unwrap();
        if n == 0 {
            return asked.say().aa().answer(&format!("{text} 300 A 192.0.2.80")).into();
        }
        asked.say().aa().answer(&format!("{text} 300 CNAME c{}.evil.", n - 1)).into()
    };
    let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
        ROOT => root(asked),
        _ => link(asked),
    });
    assert_eq!(world.ask("c1000.evil.", Rtype::A).rcode(), Rcode::SERVFAIL);
    assert!(world.asked.len() <= 15, "{}", world.asked.len());
    let got = world.ask("c12.evil.", Rtype::A);
    assert_eq!((got.rcode(), got.answer().len()), (Rcode::NOERROR, 13));
    assert_eq!(world.ask("c13.evil.", Rtype::A).rcode(), Rcode::SERVFAIL);
}

#[test]
fn a_long_chain_in_one_reply() {
    let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
        ROOT => root(asked),
        _ => (0..30)
            .fold(asked.say().aa(), |say, n| {
                say.answer(&format!("c{n}.evil. 300 CNAME c{}.evil.", n + 1))
            })
            .into(),
    });
    assert_eq!(world.ask("c0.evil.", Rtype::A).rcode(), Rcode::SERVFAIL);
    assert!(world.asked.len() <= 3, "{}", world.asked.len());
}

#[test]
fn a_name_where_every_label_is_a_delegation() {
    let mut world = World::new(|asked: &Asked| {
        let zone = &asked.name;
        asked
            .say()
            .authority(&format!("{zone} 3600 NS ns.{zone}"))
            .additional(&format!("ns.{zone} 3600 A {ATTACKER}"))
            .into()
    });
    let name = "a.".repeat(100);
    let got = world.ask(&name, Rtype::A);
    assert_eq!(got.rcode(), Rcode::SERVFAIL);
    assert!(got.message().edns().unwrap().extended_errors().count() > 0);
    assert!(world.asked.len() <= 50, "{}", world.asked.len());
}

#[test]
fn delegations_in_a_circle() {
    let mut world = World::new(|asked: &Asked| {
        let (zone, other) = if below(asked, "a.") { ("a", "b") } else { ("b", "a") };
        asked.say().authority(&format!("{zone}. 3600 NS ns.{other}.")).into()
    });
    let got = world.ask("www.a.", Rtype::A);
    assert_eq!(got.rcode(), Rcode::SERVFAIL);
    assert!(world.asked.len() <= 6, "{}", world.asked.len());
    let before = world.asked.len();
    for n in 0..50 {
        world.pass(Duration::from_millis(20));
        assert_eq!(world.ask(&format!("w{n}.a."), Rtype::A).rcode(), Rcode::SERVFAIL);
    }
    let more = world.asked.len() - before;
    assert!(more <= 5, "{more}");
}

#[test]
fn endless_delegations_without_glue() {
    for servers in [2, 10] {
        let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
            ROOT => root(asked),
            _ => {
                // Every name is delegated to servers below yet another zone of the attacker's.
                let zone = &asked.name;
                let serial: u32 = asked.name.as_wire().iter().map(|b| u32::from(*b)).sum();
                (0..servers)
                    .fold(asked.say(), |say, n| {
                        say.authority(&format!("{zone} 3600 NS n{n}.z{serial}x{n}.evil."))
                    })
                    .into()
            }
        });
        assert_eq!(world.ask("www.evil.", Rtype::A).rcode(), Rcode::SERVFAIL);
        assert!(world.asked.len() <= 40, "{}", world.asked.len());
    }
}

#[test]
fn composed() {
    for servers in [8, 20] {
        let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
            ROOT => root(asked),
            VICTIM => nxdomain(asked.say()),
            _ => {
                let text = asked.name.to_string().to_ascii_lowercase();
                let labels: Vec<&str> = text.split('.').collect();
                let zone = labels[labels.len().saturating_sub(3)];
                let n: u32 = zone.trim_start_matches('z').parse().unwrap_or(0);
                if asked.rtype == Rtype::NS || asked.ip() == ATTACKER.parse::<Ipv4Addr>().unwrap() {
                    let zone: Name = format!("z{n}.evil.").parse().unwrap();
                    return glueless(asked, &zone, servers, &format!("t{n}"))
                        .authority(&format!("{zone} 3600 NS good.{zone}"))
                        .additional(&format!("good.{zone} 3600 A 192.0.2.67"))
                        .into();
                }
                asked.say().aa().answer(&format!("{text} 300 CNAME w.z{}.evil.", n + 1)).into()
            }
        });
        assert_eq!(world.ask("w.z1.evil.", Rtype::A).rcode(), Rcode::SERVFAIL);
        let (all, victim) = (world.asked.len(), count(&world.asked, VICTIM));
        assert!(all <= 40 && victim <= 14, "{all} messages, {victim} to the victim");
    }
}

#[test]
fn a_server_that_only_fails() {
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED, Rcode::FORMERR, Rcode::NOTIMP] {
        let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
            ROOT => root(asked),
            _ => asked.say().rcode(rcode).into(),
        });
        assert_eq!(world.ask("www.evil.", Rtype::A).rcode(), Rcode::SERVFAIL);
        let useless = count(&world.asked, ATTACKER);
        assert!(useless <= 4, "{useless} messages for {rcode}");
    }
}

#[test]
fn truncation_and_a_closed_stream() {
    let mut world = World::new(|asked: &Asked| match asked.ip().to_string().as_str() {
        ROOT => root(asked),
        _ if asked.tcp => Does::fails(resolve::ExchangeFault::Closed),
        _ => asked.say().header(|header| header.set_tc(true)).into(),
    });
    assert_eq!(world.ask("www.evil.", Rtype::A).rcode(), Rcode::SERVFAIL);
    assert!(world.asked.iter().filter(|asked| asked.tcp).count() <= 2);
}
