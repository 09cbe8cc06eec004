//! From the root to the answer.

use std::time::Duration;

use dns::{Rcode, Rtype};

use crate::world::{Asked, Does, ROOT, World};

/// Root, `example.` with glue, and its data.
fn small_internet(asked: &Asked) -> Does {
    let ip = asked.ip().to_string();
    let say = asked.say();
    if ip == ROOT {
        return say
            .authority("example. 3600 NS ns.example.")
            .additional("ns.example. 3600 A 192.0.2.1")
            .into();
    }
    assert_eq!(ip, "192.0.2.1");
    let soa = "example. 3600 SOA ns.example. admin.example. 1 3600 600 86400 300";
    if asked.is("www.example.", Rtype::A) {
        say.aa().answer("www.example. 300 A 192.0.2.80").into()
    } else if asked.is("alias.example.", Rtype::A) {
        say.aa()
            .answer("alias.example. 300 CNAME www.example.")
            .answer("www.example. 300 A 192.0.2.80")
            .into()
    } else if asked.name == "www.example.".parse().unwrap() {
        say.aa().authority(soa).into()
    } else {
        say.aa().rcode(Rcode::NXDOMAIN).authority(soa).into()
    }
}

#[test]
fn a_referral_with_glue_leads_to_the_answer() {
    let mut world = World::new(small_internet);
    let got = world.ask("www.example.", Rtype::A);
    assert_eq!(got.rcode(), Rcode::NOERROR);
    assert_eq!(got.answer(), ["www.example. A 192.0.2.80"]);
    assert!(got.message().header().ra() && !got.message().header().aa());
    assert_eq!(world.asked.len(), 2);
    // RFC 9156: the root sees one label and no type.
    assert!(world.asked[0].is("example.", Rtype::NS), "{:?}", world.asked[0]);
}

#[test]
fn what_is_known_is_not_asked_again() {
    let mut world = World::new(small_internet);
    world.ask("alias.example.", Rtype::A);
    let before = world.asked.len();
    let got = world.ask("WWW.example.", Rtype::A);
    assert_eq!(got.answer(), ["WWW.example. A 192.0.2.80"]);
    let got = world.ask("alias.example.", Rtype::A);
    assert_eq!(got.answer().len(), 2);
    assert_eq!(world.asked.len(), before);
    world.pass(Duration::from_secs(301));
    world.ask("www.example.", Rtype::A);
    assert_eq!(world.asked.len(), before + 1, "the delegation is still known");
}

#[test]
fn absence_is_remembered_and_covers_what_is_below() {
    let mut world = World::new(small_internet);
    let got = world.ask("gone.example.", Rtype::A);
    assert_eq!(got.rcode(), Rcode::NXDOMAIN);
    assert_eq!(got.section(dns::Section::Authority).len(), 1);
    let before = world.asked.len();
    assert_eq!(world.ask("below.gone.example.", Rtype::TXT).rcode(), Rcode::NXDOMAIN);
    assert_eq!(world.asked.len(), before);
    let got = world.ask("www.example.", Rtype::MX);
    assert_eq!((got.rcode(), got.answer().len()), (Rcode::NOERROR, 0));
}

#[test]
fn a_name_server_without_glue_is_looked_up() {
    let mut world = World::new(|asked: &Asked| {
        let say = asked.say();
        match asked.ip().to_string().as_str() {
            ROOT if asked.name.is_at_or_below(&"net.".parse().unwrap()) => {
                say.authority("net. 3600 NS ns.net.").additional("ns.net. 3600 A 192.0.2.2").into()
            }
            ROOT => say.authority("example. 3600 NS host.net.").into(),
            "192.0.2.2" if asked.is("host.net.", Rtype::A) => {
                say.aa().answer("host.net. 300 A 192.0.2.1").into()
            }
            _ => say.aa().answer("www.example. 300 A 192.0.2.80").into(),
        }
    });
    let got = world.ask("www.example.", Rtype::A);
    assert_eq!(got.answer(), ["www.example. A 192.0.2.80"]);
    assert_eq!(world.asked.len(), 4);
    assert!(world.asked.iter().all(|asked| asked.rtype != Rtype::AAAA), "IPv6 is switched off");
}

/// `zone.` is served by `host.other.`, whose glue in the root is out of date. Returns
/// the answer and how often the zone of the server was asked for its address.
fn beyond_glue(old: impl Fn(&Asked) -> Does, own: &'static str) -> (Vec<String>, usize) {
    let mut world = World::new(move |asked: &Asked| {
        let say = asked.say();
        match asked.ip().to_string().as_str() {
            ROOT if asked.name.is_at_or_below(&"zone.".parse().unwrap()) => say
                .authority("zone. 3600 NS host.other.")
                .additional("host.other. 3600 A 192.0.2.66")
                .into(),
            ROOT => say
                .authority("other. 3600 NS ns.other.")
                .additional("ns.other. 3600 A 192.0.2.2")
                .into(),
            "192.0.2.2" => say.aa().answer(&format!("host.other. 300 A {own}")).into(),
            "192.0.2.66" => old(asked),
            _ => say.aa().answer("www.zone. 300 A 192.0.2.80").into(),
        }
    });
    let answer = world.ask("www.zone.", Rtype::A).answer();
    (answer, world.asked.iter().filter(|asked| asked.is("host.other.", Rtype::A)).count())
}

#[test]
fn glue_that_is_out_of_date_is_not_the_last_word() {
    let refuses = |asked: &Asked| asked.say().rcode(Rcode::REFUSED).into();
    let is_lame = |asked: &Asked| asked.say().into();
    let good = (vec!["www.zone. A 192.0.2.80".to_owned()], 1);
    assert_eq!(beyond_glue(refuses, "192.0.2.1"), good);
    assert_eq!(beyond_glue(is_lame, "192.0.2.1"), good);
    assert_eq!(beyond_glue(|_| Does::nothing(), "192.0.2.1"), good);
    // The zone of the server says the same: that is the end of it.
    assert_eq!(beyond_glue(refuses, "192.0.2.66"), (Vec::new(), 1));
}

#[test]
fn truncation_leads_to_tcp() {
    let mut world = World::new(|asked: &Asked| {
        if asked.tcp || asked.ip().to_string() == ROOT {
            return small_internet(asked);
        }
        asked.say().aa().header(|header| header.set_tc(true)).into()
    });
    let got = world.ask("www.example.", Rtype::A);
    assert_eq!(got.answer(), ["www.example. A 192.0.2.80"]);
    assert_eq!(world.asked.iter().filter(|asked| asked.tcp).count(), 1);
}

#[test]
fn a_name_server_that_knows_no_edns_is_asked_without_it() {
    let mut world = World::new(|asked: &Asked| {
        if asked.edns && asked.ip().to_string() != ROOT {
            return asked.say().no_edns().rcode(Rcode::FORMERR).question(None).into();
        }
        small_internet(asked)
    });
    let got = world.ask("www.example.", Rtype::A);
    assert_eq!(got.answer(), ["www.example. A 192.0.2.80"]);
    let plain: Vec<_> = world.asked.iter().filter(|asked| !asked.edns).collect();
    assert!(plain.len() == 1 && plain[0].tcp, "EDNS is only switched off over a stream");
}

#[test]
fn records_outside_the_zone_are_not_believed() {
    let mut world = World::new(|asked: &Asked| {
        let say = asked.say();
        match asked.ip().to_string().as_str() {
            ROOT if asked.name.is_at_or_below(&"bank.".parse().unwrap()) => say
                .authority("bank. 3600 NS ns.bank.")
                .additional("ns.bank. 3600 A 192.0.2.2")
                .into(),
            ROOT => say
                .authority("evil. 3600 NS ns.evil.")
                .additional("ns.evil. 3600 A 192.0.2.66")
                .into(),
            "192.0.2.66" => say
                .aa()
                .answer("www.evil. 300 CNAME www.bank.")
                .answer("www.bank. 300 A 192.0.2.66")
                .authority("bank. 300 NS ns.evil.")
                .additional("ns.evil. 300 A 192.0.2.66")
                .into(),
            _ => say.aa().answer("www.bank. 300 A 192.0.2.2").into(),
        }
    });
    let got = world.ask("www.evil.", Rtype::A);
    assert_eq!(got.answer(), ["www.evil. CNAME www.bank.", "www.bank. A 192.0.2.2"]);
    let got = world.ask("other.bank.", Rtype::A);
    assert_eq!(world.asked.last().unwrap().ip().to_string(), "192.0.2.2", "{got:?}");
}

#[test]
fn special_names_never_leave() {
    let mut world = World::new(small_internet);
    for (name, rtype, rcode, answer) in [
        ("www.test.", Rtype::A, Rcode::NXDOMAIN, vec![]),
        ("x.onion.", Rtype::AAAA, Rcode::NXDOMAIN, vec![]),
        ("1.0.0.10.in-addr.arpa.", Rtype::PTR, Rcode::NXDOMAIN, vec![]),
        ("foo.localhost.", Rtype::A, Rcode::NOERROR, vec!["foo.localhost. A 127.0.0.1"]),
        ("localhost.", Rtype::MX, Rcode::NOERROR, vec![]),
        (
            "1.0.0.127.in-addr.arpa.",
            Rtype::PTR,
            Rcode::NOERROR,
            vec!["1.0.0.127.in-addr.arpa. PTR localhost."],
        ),
        ("2.0.0.127.in-addr.arpa.", Rtype::PTR, Rcode::NXDOMAIN, vec![]),
    ] {
        let got = world.ask(name, rtype);
        assert_eq!(
            (got.rcode(), got.answer()),
            (rcode, answer.iter().map(|s| s.to_string()).collect()),
            "{name}"
        );
        assert!(got.message().header().aa());
    }
    assert_eq!(
        world.ask("www.example.", Rtype::ANY).answer(),
        ["www.example. HINFO \"RFC8482\" \"\""]
    );
    assert_eq!(world.ask("www.example.", Rtype::AXFR).rcode(), Rcode::NOTIMP);
    assert!(world.asked.is_empty());
}
