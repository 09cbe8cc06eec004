//! Modules through the whole program: loaded by a configuration, seen by a client.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use xtask::lab::Lab;

use crate::e2e::{check_answers, program};
use crate::process::{Running, SOON, eventually};

/// Nothing is validated.
const INSECURE: &str = "trust_anchors.remove('.')\n";

#[test]
fn hints_answer_for_names_of_the_operator() {
    let configuration = format!(
        "{INSECURE}modules = {{ 'hints > iterate' }}\n\
         hints['printer.plain.com'] = {{ '192.0.2.77', '2001:db8::77' }}\n\
         hints.set('www.plain.com 8.8.2.78')\n"
    );
    check_answers(
        &configuration,
        &[
            ("printer.plain.com A", "NOERROR\nprinter.plain.com. A 192.0.2.77"),
            ("printer.plain.com A", "NOERROR\nprinter.plain.com. A 192.0.2.77"),
            ("printer.plain.com AAAA", "NOERROR\nprinter.plain.com. AAAA 2001:db8::77"),
            ("printer.plain.com MX", "NOERROR"),
            ("-x 8.8.2.78", "NOERROR\n78.2.8.8.in-addr.arpa. PTR www.plain.com."),
            ("mail.plain.com AAAA", "NOERROR"),
        ],
    );
}

#[test]
fn questions_without_rd_are_refused_unless_the_module_is_gone() {
    let answer = "NOERROR\nwww.plain.com. A 192.0.2.2";
    check_answers(INSECURE, &[("+norec www.plain.com A", "REFUSED")]);
    let configuration = format!("{INSECURE}modules.unload('refuse_nord')\n");
    check_answers(&configuration, &[("+norec www.plain.com A", answer)]);
}

#[test]
fn dns64_makes_addresses_and_their_names() {
    check_answers(
        &format!("{INSECURE}modules = {{ 'dns64' }}\n"),
        &[
            ("mail.plain.com AAAA", "NOERROR\nmail.plain.com. AAAA 64:ff9b::c000:203"),
            ("mail.plain.com AAAA", "NOERROR\nmail.plain.com. AAAA 64:ff9b::c000:203"),
            ("+cd mail.plain.com AAAA", "NOERROR cd"),
            ("www.plain.com AAAA", "NOERROR\nwww.plain.com. AAAA 2001:db8::2"),
            ("gone.plain.com AAAA", "NXDOMAIN"),
            (
                "-x 64:ff9b::5db8:d822",
                "NOERROR\n2.2.8.d.8.b.d.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa. \
                 CNAME 34.216.184.93.in-addr.arpa.\n34.216.184.93.in-addr.arpa. PTR www.plain.com.",
            ),
        ],
    );
}

#[test]
fn renumber_moves_addresses() {
    check_answers(
        "modules = { renumber = { { '192.0.2.0/24', '198.51.100.0' } } }\n",
        &[
            ("www.plain.com A", "NOERROR\nwww.plain.com. A 198.51.100.2"),
            ("www.plain.com AAAA", "NOERROR\nwww.plain.com. AAAA 2001:db8::2"),
            // Validated before, without signatures after.
            ("+dnssec www.nsec.com A", "NOERROR ad\nwww.nsec.com. A 198.51.100.41"),
        ],
    );
}

#[test]
fn failed_validation_is_told_and_primed_servers_are_used() {
    let lab = Lab::start().expect("the lab starts");
    let configuration = "modules.load('bogus_log')\n\
        hints.root({ ['somewhere.test.'] = '127.1.0.1' })\n\
        event.recurrent(50, function ()\n\
            local file = io.open('state', 'w')\n\
            file:write(tojson(hints.root()), tojson(bogus_log.frequent()))\n\
            file:close()\n\
        end)\n";
    let resolver = lab.resolver(&program(), configuration).expect("the resolver starts");
    assert_eq!(lab.ask("www.bogus.cz A").expect("an answer").status, "SERVFAIL");
    let state = eventually("both", || {
        let text = std::fs::read_to_string(resolver.folder().join("state")).ok()?;
        let primed = text.contains("b.root-servers.net.") && !text.contains("somewhere.test.");
        (primed && text.contains("bogus.cz.")).then_some(text)
    });
    assert!(state.contains("127.1.0.2"), "{state}");
    let log = resolver.log();
    assert!(log.contains("[dnssec] validation failure: ") && log.contains("bogus.cz."), "{log}");
    assert_eq!(resolver.stop().and_then(|status| status.code()), Some(0));
}

/// A question with EDNS and these options.
pub(crate) fn question(name: &str, rtype: u8, options: &[u8]) -> Vec<u8> {
    let mut message = vec![0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, rtype, 0, 1]);
    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0]);
    message.extend((options.len() as u16).to_be_bytes());
    message.extend(options);
    message
}

fn ask(socket: &UdpSocket, message: &[u8]) -> Vec<u8> {
    socket.send(message).unwrap();
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer).expect("an answer");
    answer.truncate(length);
    answer
}

fn has(answer: &[u8], part: &[u8]) -> bool {
    answer.windows(part.len()).any(|window| window == part)
}

#[test]
fn options_are_answered_and_requests_counted() {
    let program = Running::start(
        "modules = { 'hints', 'stats', 'nsid' }\n\
         nsid.name('instance 1')\n\
         hints['www.lab'] = '192.0.2.7'\n\
         modules.unload('priming') modules.unload('ta_signal_query')\n\
         modules.unload('detect_time_skew')\n\
         net.tcp_in_idle(2500)\n\
         event.recurrent(50, function ()\n\
             local file = io.open('stats', 'w')\n\
             file:write(tojson(stats.list()))\n\
             file:close()\n\
         end)\n",
    );
    let socket = program.datagrams();
    let (a, nsid) = (1, &[0, 3, 0, 0]);
    assert!(has(&ask(&socket, &question("www.lab", a, nsid)), b"\x00\x03\x00\x0ainstance 1"));
    for _ in 0..3 {
        let answer = ask(&socket, &question("www.lab", a, &[]));
        assert!(has(&answer, &[192, 0, 2, 7]) && !has(&answer, b"instance"));
    }
    let mut stream = program.connect();
    let keepalive = question("www.lab", a, &[0, 11, 0, 0]);
    std::io::Write::write_all(&mut stream, &crate::process::framed(&keepalive)).unwrap();
    let answer = crate::process::read_message(&mut stream);
    assert!(has(&answer, &[0, 11, 0, 2, 0, 25]), "{answer:?}");
    eventually("all counted", || {
        let text = std::fs::read_to_string(program.directory.path().join("stats")).ok()?;
        let all = ["\"answer.total\":5", "\"answer.noerror\":5", "\"request.udp\":4"];
        (all.iter().all(|part| text.contains(part)) && text.contains("\"request.tcp\":1"))
            .then_some(())
    });
}

/// An upstream that gives every name this address for a second, as long as it is not silent.
fn upstream(address: [u8; 4], silent: Arc<AtomicBool>) -> u16 {
    upstream_with(address, move || !silent.load(Relaxed))
}

/// The same; it is asked whether there is a reply, and takes the time that this takes.
pub(crate) fn upstream_with(address: [u8; 4], replies: impl Fn() -> bool + Send + 'static) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        // It ends with the test process.
        while let Ok((length, peer)) = socket.recv_from(&mut message) {
            if !replies() {
                continue;
            }
            let name = message[12..length].iter().position(|byte| *byte == 0).unwrap();
            let mut reply = message[..12 + name + 5].to_vec();
            reply[2] = 0x85;
            reply[3] = 0x80;
            reply[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
            reply.extend(address);
            let _gone = socket.send_to(&reply, peer);
        }
    });
    port
}

/// What a program needs to ask that upstream only.
pub(crate) fn stub(port: u16) -> String {
    format!(
        "{INSECURE}policy.add(policy.all(policy.STUB('127.0.0.1@{port}')))\n\
         modules.unload('priming') modules.unload('ta_signal_query')\n\
         modules.unload('detect_time_skew')\n"
    )
}

#[test]
fn addresses_of_the_inside_are_refused_from_outside() {
    let port = upstream([192, 168, 1, 1], Arc::default());
    let program = Running::start(&format!("{}modules = {{ 'rebinding < iterate' }}\n", stub(port)));
    let answer = ask(&program.datagrams(), &question("www.lab", 1, &[]));
    assert_eq!(answer[3] & 0xf, 5, "REFUSED");
    assert!(has(&answer, b"blocked by DNS rebinding protection"));
    let open = Running::start(&stub(port));
    assert!(has(&ask(&open.datagrams(), &question("www.lab", 1, &[])), &[192, 168, 1, 1]));
}

#[test]
fn predict_fetches_records_before_they_expire() {
    let port = upstream([192, 0, 2, 9], Arc::default());
    let configuration = format!("{}cache.min_ttl(8)\nmodules = {{ 'predict' }}\n", stub(port));
    let program = Running::start(&configuration);
    let socket = program.datagrams();
    let ttl = || {
        let answer = ask(&socket, &question("www.lab", 1, &[]));
        let record = [0xc0, 12, 0, 1, 0, 1];
        let at = answer.windows(record.len()).position(|part| part == record).unwrap();
        u32::from_be_bytes(*answer[at + record.len()..].first_chunk().unwrap())
    };
    ttl();
    let mut least = u32::MAX;
    eventually("fetched while there were seconds left", || {
        let left = ttl();
        least = least.min(left);
        (least <= 5 && left > 6).then_some(())
    });
    assert!(least > 2, "{least}");
}

/// RFC 8767 §5: the client response timer, and what later clients may wait.
const STALE_FIRST_MAX: Duration = Duration::from_millis(1_800);
const STALE_LATER_MAX: Duration = Duration::from_millis(5);

#[test]
#[allow(clippy::disallowed_methods, reason = "it is about the time that a client waits")]
fn expired_answers_are_given_in_time() {
    let silent = Arc::new(AtomicBool::new(false));
    let port = upstream([192, 0, 2, 9], silent.clone());
    let configuration =
        format!("{}cache.min_ttl(1)\nmodules = {{ 'serve_stale < cache' }}\n", stub(port));
    let program = Running::start(&configuration);
    let socket = program.datagrams();
    let ask_timed = || {
        let began = Instant::now();
        let answer = ask(&socket, &question("www.lab", 1, &[]));
        (answer, began.elapsed())
    };
    let is_stale = |answer: &[u8]| has(answer, b"6Q6X");
    assert!(!is_stale(&ask_timed().0));
    silent.store(true, Relaxed);
    std::thread::sleep(Duration::from_secs(3));
    let (first, after) = ask_timed();
    assert!(is_stale(&first) && has(&first, &[192, 0, 2, 9]), "{first:?}");
    assert!(after <= STALE_FIRST_MAX && after <= SOON, "{after:?}");
    // The machine may be busy: the quickest of some is what the program takes.
    let later = (0..10).map(|_| ask_timed()).inspect(|(answer, _)| assert!(is_stale(answer)));
    let quickest = later.map(|(_, after)| after).min().unwrap();
    assert!(quickest <= STALE_LATER_MAX, "{quickest:?}");
}
