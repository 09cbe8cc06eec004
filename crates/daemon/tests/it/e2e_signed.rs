//! The same lab with the root's key as trust anchor: which answers are secure, which are not, and
//! which must not be given.

use crate::e2e::check_answers;

#[test]
fn secure_answers_carry_ad() {
    check_answers(
        "",
        &[
            (
                "+dnssec www.nsec.com A",
                "NOERROR ad\nwww.nsec.com. A 192.0.2.41\nwww.nsec.com. RRSIG A",
            ),
            ("+adflag www.nsec3.com A", "NOERROR ad\nwww.nsec3.com. A 192.0.2.41"),
            ("+noadflag www.rsa.org A", "NOERROR\nwww.rsa.org. A 192.0.2.41"),
            ("+adflag www.rsa.org A", "NOERROR ad\nwww.rsa.org. A 192.0.2.41"),
            ("+adflag www.rsa512.org A", "NOERROR ad\nwww.rsa512.org. A 192.0.2.41"),
            ("+adflag www.p384.org A", "NOERROR ad\nwww.p384.org. A 192.0.2.41"),
            ("+adflag www.ed25519.org A", "NOERROR ad\nwww.ed25519.org. A 192.0.2.41"),
            ("+adflag www.ed448.org A", "NOERROR ad\nwww.ed448.org. A 192.0.2.41"),
            ("+adflag www.nested.nsec.com A", "NOERROR ad\nwww.nested.nsec.com. A 192.0.2.23"),
            ("+adflag www.secure.optout.org A", "NOERROR ad\nwww.secure.optout.org. A 192.0.2.22"),
            (
                "+adflag alias.nsec.com A",
                "NOERROR ad\nalias.nsec.com. CNAME www.nsec.com.\nwww.nsec.com. A 192.0.2.41",
            ),
            ("+adflag x.wild.nsec.com A", "NOERROR ad\nx.wild.nsec.com. A 192.0.2.42"),
            ("+adflag x.y.wild.nsec3.com A", "NOERROR ad\nx.y.wild.nsec3.com. A 192.0.2.42"),
            (
                "+adflag far.alias.org A",
                "NOERROR ad\nfar.alias.org. CNAME www.nsec.com.\nwww.nsec.com. A 192.0.2.41",
            ),
        ],
    );
}

#[test]
fn secure_absence_carries_ad() {
    check_answers(
        "",
        &[
            ("+adflag gone.nsec.com A", "NXDOMAIN ad"),
            ("+adflag gone.nsec3.com A", "NXDOMAIN ad"),
            ("+adflag www.nsec.com MX", "NOERROR ad"),
            ("+adflag www.nsec3.com MX", "NOERROR ad"),
            ("+adflag of.nsec.com A", "NOERROR ad"),
            ("+adflag ent.of.nsec3.com A", "NOERROR ad"),
            ("+adflag x.wild.nsec.com MX", "NOERROR ad"),
            ("+adflag x.wild.nsec3.com MX", "NOERROR ad"),
            ("+adflag nosuchtld A", "NXDOMAIN ad"),
            // A span with opt-out proves nothing about names in it (RFC 5155 §9.2).
            ("+adflag gone.optout.org A", "NXDOMAIN"),
        ],
    );
}

#[test]
fn insecure_answers_do_not() {
    check_answers(
        "",
        &[
            ("+adflag www.plain.com A", "NOERROR\nwww.plain.com. A 192.0.2.2"),
            ("+adflag www.insecure.cz A", "NOERROR\nwww.insecure.cz. A 192.0.2.25"),
            ("+adflag www.insecure.optout.org A", "NOERROR\nwww.insecure.optout.org. A 192.0.2.21"),
            // Signed, but nobody above says so.
            ("+adflag www.island.org A", "NOERROR\nwww.island.org. A 192.0.2.41"),
            ("+adflag www.kres.co.uk A", "NOERROR\nwww.kres.co.uk. A 192.0.2.13"),
            // A chain is as secure as its weakest part.
            (
                "+adflag out.alias.org A",
                "NOERROR\nout.alias.org. CNAME www.plain.com.\nwww.plain.com. A 192.0.2.2",
            ),
            ("+adflag gone.plain.com A", "NXDOMAIN"),
        ],
    );
}

#[test]
fn bogus_answers_are_withheld_unless_asked_for() {
    check_answers(
        "",
        &[
            ("www.bogus.cz A", "SERVFAIL"),
            ("+dnssec www.bogus.cz A", "SERVFAIL"),
            ("gone.bogus.cz A", "SERVFAIL"),
            ("www.stripped.cz A", "SERVFAIL"),
            ("+cdflag www.bogus.cz A", "NOERROR cd\nwww.bogus.cz. A 192.0.2.41"),
            ("+cdflag www.stripped.cz A", "NOERROR cd\nwww.stripped.cz. A 192.0.2.24"),
            // What was given with CD is not given without (RFC 6840 §5.9).
            ("www.bogus.cz A", "SERVFAIL"),
            ("www.stripped.cz A", "SERVFAIL"),
        ],
    );
}

#[test]
fn exceptions_make_bogus_insecure() {
    check_answers(
        "trust_anchors.set_insecure({ 'bogus.cz', 'stripped.cz' })",
        &[
            ("+adflag www.bogus.cz A", "NOERROR\nwww.bogus.cz. A 192.0.2.41"),
            ("+adflag www.stripped.cz A", "NOERROR\nwww.stripped.cz. A 192.0.2.24"),
            ("+adflag www.nsec.com A", "NOERROR ad\nwww.nsec.com. A 192.0.2.41"),
        ],
    );
}
