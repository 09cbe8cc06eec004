//! What reading and writing messages costs, in nanoseconds.
//!
//! `cargo bench -p dns --bench parse`. The message is a signed referral of 631 bytes as a TLD gives
//! it: four NS, DS, RRSIG by RSA-2048, four A, four AAAA, OPT. Prints the best of several rounds,
//! which on a busy machine is the figure that repeats. Instructions are counted in `counts.rs`.
#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::expect_used, reason = "a broken benchmark should stop")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use dns::edns::OptRecord;
use dns::zonefile::{self, Settings};
use dns::{Class, Composer, Header, Message, Name, Rrset, Rtype, Section};

/// Rounds per operation, of which the fastest counts.
const N_ROUNDS: usize = 60;
/// How long a round lasts at least.
const ROUND_MIN: Duration = Duration::from_millis(2);

const REFERRAL: &str = "\
$TTL 172800
example.com. NS ns1.example.com.
example.com. NS ns2.example.com.
example.com. NS ns3.example.net.
example.com. NS ns4.example.net.
example.com. 86400 DS 31589 8 2 3490A6806D47F17A34C29E2CE80E8A999FFBE4BE000000000000000000000000
example.com. 86400 RRSIG DS 8 2 86400 20260101000000 20251225000000 12345 com. (
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA )
ns1.example.com. A 192.0.2.1
ns2.example.com. A 192.0.2.2
ns3.example.net. A 192.0.2.3
ns4.example.net. A 192.0.2.4
ns1.example.com. AAAA 2001:db8::1
ns2.example.com. AAAA 2001:db8::2
ns3.example.net. AAAA 2001:db8::3
ns4.example.net. AAAA 2001:db8::4
";

fn section(set: &Rrset) -> Section {
    match set.rtype {
        Rtype::A | Rtype::AAAA => Section::Additional,
        _ => Section::Authority,
    }
}

fn compose(out: &mut Vec<u8>, question: &Name, sets: &[Rrset], opt: &OptRecord) {
    let mut header = Header { id: 0x1234, ..Header::default() };
    header.set_qr(true);
    let mut composer = Composer::new(out, header, 1232);
    composer.reserve(opt.wire_length());
    composer.question(question, Rtype::A, Class::IN).expect("it fits");
    for set in sets {
        composer.rrset(section(set), set).expect("it fits");
    }
    composer.finish(Some(opt));
}

type Operation<'o> = Box<dyn FnMut() + 'o>;

/// Calls `operation` so often that a round lasts, and gives the time of one.
fn time(operation: &mut dyn FnMut()) -> f64 {
    let mut n = 1u32;
    let mut best = f64::INFINITY;
    let mut rounds = 0;
    while rounds < N_ROUNDS {
        let start = Instant::now();
        for _ in 0..n {
            operation();
        }
        let elapsed = start.elapsed();
        if elapsed < ROUND_MIN {
            n *= 2;
            continue;
        }
        rounds += 1;
        best = best.min(elapsed.as_nanos() as f64 / f64::from(n));
    }
    best
}

fn main() {
    let question: Name = "www.example.com".parse().expect("a name");
    let sets = zonefile::rrsets(REFERRAL.as_bytes(), &Settings::default()).expect("a zone");
    let opt = OptRecord::new(1232, true);
    let mut wire = Vec::new();
    compose(&mut wire, &question, &sets, &opt);
    let address = [Rrset { owner: question.clone(), ..sets[3].clone() }];
    let (mut out, mut rdata) = (Vec::new(), Vec::new());
    let zone = REFERRAL.repeat(100);

    let mut operations: Vec<(&str, Operation<'_>)> = vec![
        ("parse", Box::new(|| drop(black_box(Message::parse(black_box(&wire)))))),
        (
            "parse-and-read",
            Box::new(|| {
                let message = Message::parse(black_box(&wire)).expect("well formed");
                for section in [Section::Answer, Section::Authority, Section::Additional] {
                    for record in message.section(section) {
                        rdata.clear();
                        record.rdata_into(&mut rdata);
                        black_box((record.owner(), &rdata));
                    }
                }
            }),
        ),
        ("compose", Box::new(|| compose(black_box(&mut out), &question, &sets, &opt))),
        (
            "compose-one-address",
            Box::new({
                let (question, opt, mut out) = (question.clone(), opt.clone(), Vec::new());
                move || compose(black_box(&mut out), &question, &address, &opt)
            }),
        ),
        (
            "name-from-text",
            Box::new(|| drop(black_box(Name::from_text(b"www.example.com.", &Name::root())))),
        ),
        (
            "zone-file-of-1400-records",
            Box::new(|| {
                zonefile::read(zone.as_bytes(), &Settings::default(), &mut |event| {
                    black_box(event);
                    std::ops::ControlFlow::Continue(())
                });
            }),
        ),
    ];
    println!("{} bytes, {} sets", wire.len(), sets.len());
    for (name, operation) in &mut operations {
        println!("{name:<28}{:>10.0} ns", time(operation));
    }
}
