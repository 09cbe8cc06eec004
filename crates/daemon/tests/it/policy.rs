//! Rules of `policy` and `view` through the program: what a client sees of each.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};

use dns::edns::OptRecord;
use dns::{Class, Composer, Header, Message, Name, Rrset, Rtype, Section};

use crate::process::{Running, SOON, eventually, framed, read_message};

/// No upstream is ever asked, unless a rule names one.
const ALONE: &str = "net.ipv6 = false\ntrust_anchors.remove('.')\n\
    if priming then modules.unload('priming') end\n";

fn question(text: &str) -> Vec<u8> {
    let (name, rtype) = text.split_once(' ').unwrap_or((text, "A"));
    let mut header = Header { id: 77, ..Header::default() };
    header.set_rd(true);
    let mut wire = Vec::new();
    let mut composer = Composer::new(&mut wire, header, 512);
    composer.question(&name.parse().unwrap(), rtype.parse().unwrap(), Class::IN).unwrap();
    composer.finish(Some(&OptRecord::new(1232, false)));
    wire
}

/// Status, flags, extended errors and records on one line.
fn shown(wire: &[u8]) -> String {
    let message = Message::parse(wire).unwrap();
    let mut words = vec![message.rcode().to_string()];
    let header = message.header();
    words.extend(header.aa().then(|| "aa".to_owned()));
    words.extend(header.tc().then(|| "tc".to_owned()));
    for (code, _) in message.edns().unwrap().extended_errors() {
        words.push(format!("ede{}", code.0));
    }
    let sections = message.answer().chain(message.authority()).chain(message.additional());
    words.extend(sections.map(|record| format!("| {record}")));
    words.join(" ")
}

/// The answer over UDP; nothing if there is none soon.
fn ask_at(address: SocketAddr, text: &str) -> Option<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(SOON / 5)).unwrap();
    socket.connect(address).unwrap();
    socket.send(&question(text)).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).ok()?;
    Some(shown(&buffer[..length]))
}

#[track_caller]
fn check(running: &Running, expected: &[(&str, &str)]) {
    for (text, answer) in expected {
        let got = ask_at(running.address, text).unwrap_or_else(|| "nothing".to_owned());
        assert_eq!(got, *answer, "{text}\n{}", running.log());
    }
}

/// An upstream that has one address for every name, and tells what it was asked.
fn upstream() -> (SocketAddr, Receiver<String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let query = Message::parse(&buffer[..length]).unwrap();
            let question = query.question().unwrap();
            let mut header = Header { id: query.header().id, ..Header::default() };
            header.set_qr(true);
            header.set_rd(true);
            header.set_ra(true);
            let mut wire = Vec::new();
            let mut composer = Composer::new(&mut wire, header, 4096);
            composer.question(&question.name, question.rtype, question.class).unwrap();
            if question.rtype == Rtype::A {
                let mut set = Rrset::new(question.name.clone(), Rtype::A, Class::IN, 60);
                set.rdatas.push(&[192, 0, 2, 77]);
                composer.rrset(Section::Answer, &set).unwrap();
            }
            composer.finish(Some(&OptRecord::new(1232, false)));
            let _gone = socket.send_to(&wire, from);
            let name: &Name = &question.name;
            if sender.send(format!("{} {}", name.to_lowercase(), question.rtype)).is_err() {
                return;
            }
        }
    });
    (address, asked)
}

#[test]
fn each_end_of_a_request() {
    let running = Running::start(&format!(
        "{ALONE}
        policy.add(policy.suffix(policy.DENY, {{todname('deny')}}))
        policy.add(policy.domains(policy.DENY_MSG('no', kres.extended_error.CENSORED), {{todname('msg')}}))
        policy.add(policy.suffix(policy.DROP, {{todname('drop')}}))
        policy.add(policy.suffix_common(policy.REFUSE, policy.todnames({{'a.refuse', 'b.refuse'}}), todname('refuse')))
        policy.add(policy.suffix(policy.NO_ANSWER, {{todname('silent')}}))
        policy.add(policy.pattern(policy.TC, '\\2tc'))
        policy.add(policy.suffix(policy.ANSWER({{[kres.type.A] = {{rdata = kres.str2ip('192.0.2.1'), ttl = 300}}}}, true), {{todname('answer')}}))
        policy.add(function (req, query) if query.stype == kres.type.HINFO then return policy.REFUSE end end)
        policy.add(policy.suffix(function (state, req) return policy.DENY(state, req) end, {{todname('own')}}))
        policy.add(policy.all(policy.REFUSE), true)
        policy.del(9)
        "
    ));
    let soa = |name: &str, ttl: u32| {
        format!("| {name}. {ttl} IN SOA {name}. nobody.invalid. 1 3600 1200 604800 10800")
    };
    let denied = format!("NXDOMAIN aa ede15 {}", soa("x.deny", 10_800));
    let message = "| explanation.invalid. 10800 IN TXT \"no\"";
    let explained = format!("NXDOMAIN aa ede16 {} {message}", soa("msg", 10_800));
    let nodata = format!("NOERROR aa ede4 {}", soa("x.answer", 1));
    let own = format!("NXDOMAIN aa ede15 {}", soa("own", 10_800));
    check(
        &running,
        &[
            ("x.deny", &denied),
            ("msg", &explained),
            ("drop", "SERVFAIL ede18"),
            ("x.a.refuse", "REFUSED ede18"),
            ("silent", "nothing"),
            ("tc", "NOERROR tc"),
            ("x.answer", "NOERROR aa ede4 | x.answer. 300 IN A 192.0.2.1"),
            ("x.answer AAAA", &nodata),
            ("anything HINFO", "REFUSED ede18"),
            ("own", &own),
        ],
    );
    let mut stream = running.connect();
    use std::io::Write;
    stream.write_all(&framed(&question("a.refuse"))).unwrap();
    assert_eq!(shown(&read_message(&mut stream)), "REFUSED ede18");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "time is not faked here")]
fn rules_send_questions_elsewhere() {
    let (address, asked) = upstream();
    let (copies, copied) = upstream();
    let running = Running::start(&format!(
        "{ALONE}
        policy.add(policy.suffix(policy.MIRROR('127.0.0.1@{}'), {{todname('copy.test')}}))
        policy.add(policy.suffix(policy.STUB('127.0.0.1@{port}'), {{todname('test')}}))
        policy.add(policy.suffix(policy.FORWARD({{'127.0.0.1@{port}'}}), {{todname('fwd')}}))
        policy.add(policy.all(policy.REROUTE({{['192.0.2.0/24'] = '198.51.100.0'}})), true)
        policy.add(policy.all(policy.REFUSE))
        ",
        copies.port(),
        port = address.port(),
    ));
    check(
        &running,
        &[
            ("www.test", "NOERROR ede4 | www.test. 60 IN A 198.51.100.77"),
            ("www.fwd", "NOERROR ede4 | www.fwd. 60 IN A 198.51.100.77"),
            ("copy.test", "NOERROR ede4 | copy.test. 60 IN A 198.51.100.77"),
            ("other", "REFUSED ede18"),
        ],
    );
    let asked: Vec<String> = asked.try_iter().collect();
    assert_eq!(asked, ["www.test. A", "www.fwd. A", "copy.test. A"]);
    assert_eq!(copied.recv_timeout(SOON).unwrap(), "copy.test. A");
}

#[test]
fn a_zone_of_rules_is_read_again_when_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("block.rpz");
    std::fs::write(&path, "bad CNAME .\n").unwrap();
    let running = Running::start(&format!(
        "{ALONE}
        policy.add(policy.rpz(policy.DENY, '{}'))
        policy.add(policy.all(policy.REFUSE))
        ",
        path.display()
    ));
    let status = |name: &str| {
        let answer = ask_at(running.address, name).unwrap();
        answer.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!((status("bad"), status("worse")), ("NXDOMAIN".into(), "REFUSED".into()));
    let replace = |text: &str| {
        let fresh = directory.path().join("new");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
    };
    replace("worse CNAME .\n");
    eventually("the new zone", || (status("worse") == "NXDOMAIN").then_some(()));
    assert_eq!(status("bad"), "REFUSED");
    replace("bad CNAME .\nbad A nowhere\n");
    eventually("the faulty zone", || running.log().contains("block.rpz:2: ").then_some(()));
    assert_eq!((status("bad"), status("worse")), ("REFUSED".into(), "NXDOMAIN".into()));
}

#[test]
fn views_see_both_addresses() {
    let wildcard = crate::process::free_address().port();
    let running = Running::start(&format!(
        "{ALONE}
        net.listen('0.0.0.0', {wildcard})
        modules = {{ 'view' }}
        view:addr('127.0.0.2', policy.suffix(policy.REFUSE, {{todname('ours')}}), true)
        view:addr('127.0.0.0/8', policy.suffix(policy.DROP, {{todname('theirs')}}))
        view:addr('::/0', policy.all(policy.DENY))
        view:addr('127.0.0.0/8', policy.all(policy.DENY_MSG('last')))
        "
    ));
    let ask = |last: u8, name: &str| {
        ask_at(SocketAddr::from(([127, 0, 0, last], wildcard)), name).unwrap()
    };
    assert_eq!(ask(1, "x.theirs"), "SERVFAIL ede18", "{}", running.log());
    assert!(ask(2, "x.ours").contains("\"last\""), "conditions on clients come first");
    assert!(ask(1, "x.ours").contains("\"last\""));
    check(&running, &[("x.theirs", "SERVFAIL ede18")]);
}

#[test]
fn a_function_that_fails_ends_its_request_only() {
    let running = Running::start(&format!(
        "{ALONE}
        policy.add(policy.suffix(function () error('so it goes') end, {{todname('bad')}}))
        policy.add(policy.all(policy.REFUSE))
        "
    ));
    let answer = ask_at(running.address, "bad").unwrap();
    assert!(answer.starts_with("SERVFAIL"), "{answer}");
    assert!(running.log().contains("so it goes"), "{}", running.log());
    check(&running, &[("good", "REFUSED ede18")]);
}
