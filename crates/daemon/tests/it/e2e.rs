//! The real program, real authoritative servers and a real client, in the lab: what a client sees of
//! resolution when no signatures are checked.
//!
//! `KRESD=/path cargo test -p daemon e2e` asks the same of another program; the expectations hold for
//! Knot Resolver 5.6 too, where nothing else is said.

use std::path::PathBuf;

use xtask::lab::Lab;

/// The program under test.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("KRESD").unwrap_or_else(|| env!("CARGO_BIN_EXE_kresd").into()).into()
}

/// Asks all questions of one resolver and compares the answers; all differences are reported.
#[track_caller]
pub(crate) fn check_answers(configuration: &str, questions: &[(&str, &str)]) {
    let lab = Lab::start().expect("the lab starts");
    let resolver = lab.resolver(&program(), configuration).expect("the resolver starts");
    let mut wrong = Vec::new();
    for (question, expected) in questions {
        match lab.ask(question) {
            Ok(answer) if answer.to_string() == *expected => {}
            Ok(answer) => {
                wrong.push(format!("{question}\n-- expected\n{expected}\n-- got\n{answer}"))
            }
            Err(error) => wrong.push(format!("{question}: {error:#}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}\n\nits log:\n{}", wrong.join("\n\n"), resolver.log());
    let status = resolver.stop().expect("the resolver ends when asked to");
    assert_eq!(status.code(), Some(0));
}

/// Nothing is validated.
const INSECURE: &str = "trust_anchors.remove('.')";

#[test]
fn ordinary_names_are_resolved() {
    check_answers(
        INSECURE,
        &[
            ("plain.com A", "NOERROR\nplain.com. A 192.0.2.1"),
            ("plain.com AAAA", "NOERROR\nplain.com. AAAA 2001:db8::1"),
            ("plain.com MX", "NOERROR\nplain.com. MX 10 mail.plain.com."),
            ("plain.com TXT", "NOERROR\nplain.com. TXT \"one\" \"two\""),
            (
                "_sip._udp.plain.com SRV",
                "NOERROR\n_sip._udp.plain.com. SRV 1 2 5060 mail.plain.com.",
            ),
            ("unknown.plain.com TYPE65280", "NOERROR\nunknown.plain.com. TYPE65280 \\# 4 0A000001"),
            (
                "many.plain.com A",
                "NOERROR\nmany.plain.com. A 192.0.2.101\nmany.plain.com. A 192.0.2.102\n\
             many.plain.com. A 192.0.2.103\nmany.plain.com. A 192.0.2.104",
            ),
            ("www.kres.co.uk A", "NOERROR\nwww.kres.co.uk. A 192.0.2.13"),
            ("www.sub.plain.com A", "NOERROR\nwww.sub.plain.com. A 192.0.2.11"),
            ("-x 93.184.216.34", "NOERROR\n34.216.184.93.in-addr.arpa. PTR www.plain.com."),
            // Seven labels below the zone cut: minimisation has to arrive there (RFC 9156 §2.3).
            (
                "a.b.c.d.e.f.deep.sub.plain.com A",
                "NOERROR\na.b.c.d.e.f.deep.sub.plain.com. A 192.0.2.12",
            ),
            ("+tcp www.plain.com A", "NOERROR\nwww.plain.com. A 192.0.2.2"),
            ("+norec www.plain.com A", "REFUSED"),
        ],
    );
}

#[test]
fn absence_is_told_apart() {
    check_answers(
        INSECURE,
        &[
            ("gone.plain.com A", "NXDOMAIN"),
            ("gone.plain.com A", "NXDOMAIN"),
            ("below.gone.plain.com A", "NXDOMAIN"),
            ("mail.plain.com AAAA", "NOERROR"),
            // An empty non-terminal exists (RFC 4592 §2.2.2), although nothing is there.
            ("ent.of.plain.com A", "NOERROR"),
            ("of.plain.com A", "NOERROR"),
            ("below.ent.of.plain.com A", "NOERROR\nbelow.ent.of.plain.com. A 192.0.2.5"),
            ("no.such.co.uk A", "NXDOMAIN"),
            ("co.uk A", "NOERROR"),
            ("nosuchtld A", "NXDOMAIN"),
            ("x.y.wild.plain.com A", "NOERROR\nx.y.wild.plain.com. A 192.0.2.4"),
            ("x.wild.plain.com TXT", "NOERROR\nx.wild.plain.com. TXT \"from the wildcard\""),
            ("x.wild.plain.com MX", "NOERROR"),
            ("wild.plain.com A", "NOERROR"),
        ],
    );
}

#[test]
fn aliases_are_followed() {
    check_answers(
        INSECURE,
        &[
            (
                "alias.plain.com A",
                "NOERROR\nalias.plain.com. CNAME www.plain.com.\nwww.plain.com. A 192.0.2.2",
            ),
            ("alias.plain.com CNAME", "NOERROR\nalias.plain.com. CNAME www.plain.com."),
            (
                "one.alias.net A",
                "NOERROR\none.alias.net. CNAME two.alias.net.\ntwo.alias.net. CNAME www.plain.com.\n\
             www.plain.com. A 192.0.2.2",
            ),
            (
                "far.alias.net A",
                "NOERROR\nfar.alias.net. CNAME far.alias.org.\nfar.alias.org. CNAME www.nsec.com.\n\
             www.nsec.com. A 192.0.2.41",
            ),
            ("gone.alias.net A", "NXDOMAIN\ngone.alias.net. CNAME gone.plain.com."),
            (
                "www.old.dname.net A",
                "NOERROR\nold.dname.net. DNAME new.plain.com.\nwww.new.plain.com. A 192.0.2.6\n\
             www.old.dname.net. CNAME www.new.plain.com.",
            ),
            ("old.dname.net DNAME", "NOERROR\nold.dname.net. DNAME new.plain.com."),
            ("old.dname.net A", "NOERROR"),
        ],
    );
}

#[test]
fn loops_end_in_servfail() {
    let lab = Lab::start().expect("the lab starts");
    let _resolver = lab.resolver(&program(), INSECURE).expect("the resolver starts");
    for name in ["loop-a.alias.net", "self.alias.net", "a.self.dname.net", "www.circle-a.cz"] {
        // How much of the chain comes with it is of no importance.
        assert_eq!(lab.ask(name).expect("an answer").status, "SERVFAIL", "{name}");
    }
}

#[test]
fn bad_servers_are_avoided() {
    check_answers(
        INSECURE,
        &[
            ("www.half-lame.net A", "NOERROR\nwww.half-lame.net. A 192.0.2.31"),
            ("www.half-dead.net A", "NOERROR\nwww.half-dead.net. A 192.0.2.32"),
            ("www.half-silent.net A", "NOERROR\nwww.half-silent.net. A 192.0.2.33"),
            ("www.no-glue.cz A", "NOERROR\nwww.no-glue.cz. A 192.0.2.34"),
            ("www.no-glue-twice.cz A", "NOERROR\nwww.no-glue-twice.cz. A 192.0.2.35"),
            ("www.lame.net A", "SERVFAIL"),
            ("www.dead.net A", "SERVFAIL"),
        ],
    );
}

#[test]
fn what_does_not_fit_goes_over_tcp() {
    let lab = Lab::start().expect("the lab starts");
    let resolver = lab.resolver(&program(), INSECURE).expect("the resolver starts");
    let ask = |question: &str| lab.ask(question).expect("an answer");

    let truncated = ask("+ignore text.big.net TXT");
    assert_eq!((truncated.status.as_str(), truncated.flags.concat().as_str()), ("NOERROR", "tc"));
    // Truncation is at the boundary of a set (RFC 2181 §9), and there is one only.
    assert_eq!(truncated.answer, Vec::<String>::new());
    assert_eq!(ask("text.big.net TXT").answer.len(), 60);
    assert_eq!(ask("+tcp text.big.net TXT").answer.len(), 60);
    assert_eq!(ask("+tcp hosts.big.net A").answer.len(), 200);
    assert_eq!(ask("+ignore +bufsize=4096 hosts.big.net A").flags, ["tc"]);

    // This server answers over TCP only.
    assert_eq!(ask("www.tcp.net A").to_string(), "NOERROR\nwww.tcp.net. A 192.0.2.14");
    assert_eq!(resolver.stop().and_then(|status| status.code()), Some(0));
}
