//! The zones of the lab and who serves them, as data. Delegations (NS, glue, DS) are derived from
//! the child's own description, with the lies that a zone is there to tell.
//!
//! HINT: a new zone is one entry in [`world`]; end-to-end tests find it at once.

/// A process that serves zones, by the addresses it listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    Root,
    /// Top-level domains.
    Registry,
    /// Most zones.
    Hosting,
    /// Zones below those, so that their delegation leads to another machine.
    Second,
    /// Answers over TCP only; over UDP it says "truncated".
    Stubborn,
    /// Serves one zone nobody asks it for, and refuses all else.
    Lame,
}

/// Every server.
pub const SERVERS: &[Server] = &[
    Server::Root,
    Server::Registry,
    Server::Hosting,
    Server::Second,
    Server::Stubborn,
    Server::Lame,
];

/// An address on which nothing listens: the kernel says so at once.
pub const DEAD: &str = "127.6.0.1";
/// An address on which everything is accepted and nothing answered.
pub const SILENT: &str = "127.6.0.2";
/// The address of the lame server.
pub const LAME: &str = "127.5.0.1";

impl Server {
    /// Where it listens, port 53.
    pub fn addresses(self) -> &'static [&'static str] {
        match self {
            Server::Root => &["127.1.0.1", "127.1.0.2"],
            Server::Registry => &["127.2.0.1", "127.2.0.2"],
            Server::Hosting => &["127.3.0.1", "127.3.0.2"],
            Server::Second => &["127.4.0.1"],
            Server::Stubborn => &["127.4.0.2"],
            Server::Lame => &[LAME],
        }
    }
}

/// How a zone is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    Unsigned,
    /// Algorithm as Knot DNS calls it, and the form of denial.
    Signed(&'static str, Denial),
    /// The same by tools, before the zone is served.
    Presigned(Tools, &'static str, Denial),
}

/// Who signs zones besides Knot DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tools {
    /// `dnssec-keygen` and `dnssec-signzone` of BIND.
    Bind,
    /// `ldns-keygen` and `ldns-signzone` of NLnet Labs.
    Ldns,
}

/// How a signed zone proves that something is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    Nsec,
    Nsec3,
    Nsec3OptOut,
}

/// What the parent says about the keys of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ds {
    /// The truth, which is nothing for an unsigned zone.
    True,
    /// Nothing, although the zone is signed.
    Absent,
    /// A digest of no key.
    Wrong,
}

/// A name server of a zone: its name, and its address if the zone or its parent has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameServer {
    pub name: &'static str,
    pub address: Option<&'static str>,
}

/// One zone. Names have no final dot, except the root.
#[derive(Debug, Clone)]
pub struct Zone {
    pub name: &'static str,
    pub server: Server,
    pub signing: Signing,
    pub ds: Ds,
    /// Empty: `ns1` and so on below the zone, at the addresses of its server.
    pub name_servers: Vec<NameServer>,
    /// Zone file lines with names relative to the zone.
    pub records: String,
}

const ECDSA: &str = "ecdsap256sha256";

fn zone(name: &'static str, server: Server, signing: Signing, records: &str) -> Zone {
    let records = records.to_string();
    Zone { name, server, signing, ds: Ds::True, name_servers: Vec::new(), records }
}

fn signed(name: &'static str, denial: Denial, records: &str) -> Zone {
    zone(name, Server::Hosting, Signing::Signed(ECDSA, denial), records)
}

fn plain(name: &'static str, records: &str) -> Zone {
    zone(name, Server::Hosting, Signing::Unsigned, records)
}

impl Zone {
    fn served_by(mut self, name: &'static str, address: impl Into<Option<&'static str>>) -> Zone {
        self.name_servers.push(NameServer { name, address: address.into() });
        self
    }

    fn on(self, server: Server) -> Zone {
        Zone { server, ..self }
    }

    fn with_ds(self, ds: Ds) -> Zone {
        Zone { ds, ..self }
    }
}

/// Everything there is.
// Long because it is a table.
pub fn world() -> Vec<Zone> {
    use Denial::{Nsec, Nsec3, Nsec3OptOut};
    let nsec = Signing::Signed(ECDSA, Nsec);
    let registry = |name, signing| zone(name, Server::Registry, signing, "");
    vec![
        // The root and the registries.
        zone(".", Server::Root, nsec, "")
            .served_by("a.root-servers.net", "127.1.0.1")
            .served_by("b.root-servers.net", "127.1.0.2"),
        zone("root-servers.net", Server::Root, Signing::Unsigned, "")
            .served_by("a.root-servers.net", "127.1.0.1")
            .served_by("b.root-servers.net", "127.1.0.2"),
        registry("com", Signing::Signed(ECDSA, Nsec3OptOut)),
        registry("net", Signing::Signed(ECDSA, Nsec3)),
        registry("org", nsec),
        registry("cz", Signing::Signed("rsasha256", Nsec3)),
        registry("uk", Signing::Unsigned),
        registry("arpa", nsec),
        // Unsigned.
        plain("plain.com", PLAIN),
        plain("sub.plain.com", "www A 192.0.2.11\n"),
        plain("deep.sub.plain.com", "a.b.c.d.e.f A 192.0.2.12\n").on(Server::Second),
        plain("alias.net", ALIAS),
        plain("dname.net", "old DNAME new.plain.com.\nself DNAME x.self\n"),
        plain("big.net", &big()),
        plain("kres.co.uk", "www A 192.0.2.13\n"),
        plain("216.184.93.in-addr.arpa", "34 PTR www.plain.com.\n"),
        zone("tcp.net", Server::Stubborn, Signing::Unsigned, "www A 192.0.2.14\n"),
        // Signed.
        signed("nsec.com", Nsec, SIGNED),
        signed("nsec3.com", Nsec3, SIGNED),
        signed("optout.org", Nsec3OptOut, SIGNED),
        plain("insecure.optout.org", "www A 192.0.2.21\n"),
        signed("secure.optout.org", Nsec3, "www A 192.0.2.22\n"),
        zone("rsa.org", Server::Hosting, Signing::Signed("rsasha256", Nsec), SIGNED),
        zone("rsa512.org", Server::Hosting, Signing::Signed("rsasha512", Nsec3), SIGNED),
        zone("ed25519.org", Server::Hosting, Signing::Signed("ed25519", Nsec), SIGNED),
        zone("ed448.org", Server::Hosting, Signing::Signed("ed448", Nsec), SIGNED),
        zone("p384.org", Server::Hosting, Signing::Signed("ecdsap384sha384", Nsec3), SIGNED),
        signed("alias.org", Nsec, ALIAS_SIGNED),
        signed("nested.nsec.com", Nsec3, "www A 192.0.2.23\n").on(Server::Second),
        // Signed, but with a parent that says something else.
        signed("island.org", Nsec, SIGNED).with_ds(Ds::Absent),
        signed("bogus.cz", Nsec, SIGNED).with_ds(Ds::Wrong),
        plain("stripped.cz", "www A 192.0.2.24\n").with_ds(Ds::Wrong),
        plain("insecure.cz", "www A 192.0.2.25\n"),
        // Trouble with servers.
        plain("lame.net", "").served_by("ns1.lame.net", LAME),
        plain("half-lame.net", "www A 192.0.2.31\n")
            .served_by("ns1.half-lame.net", LAME)
            .served_by("ns2.half-lame.net", "127.3.0.1"),
        plain("dead.net", "").served_by("ns1.dead.net", DEAD),
        plain("half-dead.net", "www A 192.0.2.32\n")
            .served_by("ns1.half-dead.net", DEAD)
            .served_by("ns2.half-dead.net", "127.3.0.2"),
        plain("half-silent.net", "www A 192.0.2.33\n")
            .served_by("ns1.half-silent.net", SILENT)
            .served_by("ns2.half-silent.net", "127.3.0.1"),
        plain("no-glue.cz", "www A 192.0.2.34\nns A 127.3.0.1\n").served_by("ns.plain.com", None),
        plain("no-glue-twice.cz", "www A 192.0.2.35\n").served_by("ns.no-glue.cz", None),
        // Each of the two can only be reached through the other.
        plain("circle-a.cz", "www A 192.0.2.36\n").served_by("ns.circle-b.cz", None),
        plain("circle-b.cz", "www A 192.0.2.37\n").served_by("ns.circle-a.cz", None),
        zone("elsewhere.uk", Server::Lame, Signing::Unsigned, "www A 192.0.2.38\n"),
    ]
}

/// What signers call an algorithm: its number, and its names for Knot DNS, BIND and ldns.
pub const ALGORITHMS: &[(u8, &str, &str, &str)] = &[
    (5, "rsasha1", "RSASHA1", "RSASHA1"),
    (7, "rsasha1-nsec3-sha1", "NSEC3RSASHA1", "RSASHA1-NSEC3-SHA1"),
    (8, "rsasha256", "RSASHA256", "RSASHA256"),
    (10, "rsasha512", "RSASHA512", "RSASHA512"),
    (13, "ecdsap256sha256", "ECDSAP256SHA256", "ECDSAP256SHA256"),
    (14, "ecdsap384sha384", "ECDSAP384SHA384", "ECDSAP384SHA384"),
    (15, "ed25519", "ED25519", "ED25519"),
    (16, "ed448", "ED448", "ED448"),
];

/// Another world, of one zone for each signer, algorithm and form of denial, below `org`. Their names
/// say which: `bind-8-optout.org`.
pub fn signers() -> Vec<Zone> {
    let mut zones: Vec<Zone> = world()
        .into_iter()
        .filter(|zone| [".", "root-servers.net", "org"].contains(&zone.name))
        .collect();
    let denials =
        [("nsec", Denial::Nsec), ("nsec3", Denial::Nsec3), ("optout", Denial::Nsec3OptOut)];
    for (number, algorithm, ..) in ALGORITHMS {
        for (label, denial) in denials {
            // Algorithm 5 says that there is no NSEC3 (RFC 5155 §2).
            if *number == 5 && denial != Denial::Nsec {
                continue;
            }
            for (signer, signing) in [
                ("knot", Signing::Signed(algorithm, denial)),
                ("bind", Signing::Presigned(Tools::Bind, algorithm, denial)),
                ("ldns", Signing::Presigned(Tools::Ldns, algorithm, denial)),
            ] {
                // Names live as long as the program, as those of the tables do.
                let name = format!("{signer}-{number}-{label}.org").leak();
                zones.push(zone(name, Server::Hosting, signing, DELEGATING));
            }
        }
    }
    zones
}

/// As [`SIGNED`], with a delegation that is not signed.
const DELEGATING: &str = "\
@       A      192.0.2.20
www     A      192.0.2.41
alias   CNAME  www
*.wild  A      192.0.2.42
below.ent.of A 192.0.2.43
plain   NS     ns.plain
ns.plain A     127.3.0.1
";

/// An ordinary zone with something of everything.
const PLAIN: &str = "\
@       A      192.0.2.1
@       AAAA   2001:db8::1
@       MX     10 mail
@       TXT    \"one\" \"two\"
www     A      192.0.2.2
www     AAAA   2001:db8::2
mail    A      192.0.2.3
ns      A      127.3.0.1
alias   CNAME  www
*.wild  A      192.0.2.4
*.wild  TXT    \"from the wildcard\"
below.ent.of A 192.0.2.5
many    A      192.0.2.101
many    A      192.0.2.102
many    A      192.0.2.103
many    A      192.0.2.104
www.new A      192.0.2.6
new     A      192.0.2.7
_sip._udp SRV  1 2 5060 mail
unknown TYPE65280 \\# 4 0a000001
";

/// Chains of aliases across zones, and two that lead nowhere.
const ALIAS: &str = "\
one     CNAME  two
two     CNAME  www.plain.com.
far     CNAME  far.alias.org.
gone    CNAME  gone.plain.com.
loop-a  CNAME  loop-b
loop-b  CNAME  loop-a
self    CNAME  self
";

/// Chains that begin where signatures can be checked.
const ALIAS_SIGNED: &str = "\
far     CNAME  www.nsec.com.
out     CNAME  www.plain.com.
old     DNAME  new.plain.com.
";

/// What each signed zone has.
const SIGNED: &str = "\
@       A      192.0.2.20
@       TXT    \"signed\"
www     A      192.0.2.41
www     AAAA   2001:db8::41
alias   CNAME  www
*.wild  A      192.0.2.42
below.ent.of A 192.0.2.43
";

/// Answers that do not fit a datagram: 60 texts of 64 bytes, 200 addresses.
fn big() -> String {
    let texts = (1..=60).map(|n| format!("text TXT \"{n:02} {}\"\n", "x".repeat(61)));
    texts.chain((1..=200).map(|n| format!("hosts A 198.51.100.{n}\n"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_parents_and_are_unique() {
        let world = world();
        for zone in &world {
            assert_eq!(world.iter().filter(|other| other.name == zone.name).count(), 1);
        }
        assert!(world.len() >= 30, "{} zones", world.len());
    }

    #[test]
    fn every_server_has_zones() {
        for server in SERVERS {
            assert!(world().iter().any(|zone| zone.server == *server), "{server:?}");
        }
    }
}
