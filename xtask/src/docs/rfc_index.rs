//! `docs/rfc-index.md`: which file obeys which section of which RFC, from citations of the one form
//! `RFC 4035 §5.3.1` in comments.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::Tree;

/// Titles of the RFCs that a resolver meets.
const TITLES: &[(u32, &str)] = &[
    (1034, "Domain names: concepts and facilities"),
    (1035, "Domain names: implementation and specification"),
    (1123, "Requirements for Internet hosts"),
    (1183, "New DNS RR definitions"),
    (1706, "NSAP resource records"),
    (1712, "GPOS: geographical location"),
    (1876, "LOC: location information"),
    (1982, "Serial number arithmetic"),
    (1995, "Incremental zone transfer"),
    (2181, "Clarifications to the DNS specification"),
    (2230, "KX: key exchange delegation"),
    (2308, "Negative caching"),
    (2535, "DNS security extensions (obsolete)"),
    (2536, "DSA keys and signatures"),
    (2782, "SRV: location of services"),
    (2845, "TSIG (obsolete)"),
    (2930, "TKEY"),
    (3110, "RSA/SHA-1 signatures"),
    (3123, "APL: address prefix lists"),
    (3225, "The DO bit"),
    (3403, "NAPTR"),
    (3492, "Punycode"),
    (3596, "AAAA"),
    (3597, "Unknown RR types"),
    (4025, "IPSECKEY"),
    (4033, "DNSSEC: introduction and requirements"),
    (4034, "DNSSEC: resource records"),
    (4035, "DNSSEC: protocol modifications"),
    (4255, "SSHFP"),
    (4343, "Case insensitivity"),
    (4398, "CERT"),
    (4408, "SPF"),
    (4509, "SHA-256 in DS"),
    (4592, "Wildcards"),
    (4635, "HMAC SHA identifiers for TSIG"),
    (4697, "Observed resolver misbehaviour"),
    (4701, "DHCID"),
    (5001, "NSID"),
    (5011, "Automated trust anchor updates"),
    (5155, "NSEC3"),
    (5205, "HIP"),
    (5452, "Resilience against forged answers"),
    (5702, "RSA/SHA-2"),
    (5933, "GOST signatures"),
    (5936, "Zone transfer"),
    (6147, "DNS64"),
    (6303, "Locally served zones"),
    (6604, "RCODE and status bits of xNAME answers"),
    (6605, "ECDSA"),
    (6672, "DNAME"),
    (6698, "TLSA"),
    (6725, "DNSSEC algorithm registry"),
    (6742, "NID, L32, L64, LP"),
    (6761, "Special-use domain names"),
    (6762, "Multicast DNS"),
    (6840, "Clarifications to DNSSEC"),
    (6844, "CAA (obsolete)"),
    (6891, "EDNS(0)"),
    (6895, "IANA considerations"),
    (6975, "Algorithm understanding"),
    (7043, "EUI48 and EUI64"),
    (7050, "Discovery of the NAT64 prefix"),
    (7314, "EDNS EXPIRE"),
    (7344, "CDS and CDNSKEY"),
    (7477, "CSYNC"),
    (7553, "URI"),
    (7646, "Negative trust anchors"),
    (7686, "The onion name"),
    (7706, "Root on loopback (obsolete)"),
    (7766, "DNS over TCP"),
    (7828, "edns-tcp-keepalive"),
    (7830, "EDNS padding"),
    (7858, "DNS over TLS"),
    (7871, "Client subnet"),
    (7873, "Cookies"),
    (7929, "OPENPGPKEY"),
    (8005, "HIP"),
    (8020, "NXDOMAIN means nothing underneath"),
    (8080, "Ed25519 and Ed448"),
    (8109, "Priming"),
    (8145, "Key tag signalling"),
    (8162, "SMIMEA"),
    (8198, "Aggressive use of the validated cache"),
    (8310, "Usage profiles for DNS over TLS"),
    (8375, "home.arpa"),
    (8467, "Padding policies"),
    (8482, "Minimal answers to ANY"),
    (8484, "DNS over HTTPS"),
    (8499, "DNS terminology (obsolete)"),
    (8509, "Root key trust anchor sentinel"),
    (8624, "Algorithm requirements (obsolete)"),
    (8659, "CAA"),
    (8767, "Serving stale data"),
    (8777, "AMTRELAY"),
    (8806, "Root on loopback"),
    (8880, "ipv4only.arpa"),
    (8906, "A common operational problem in DNS servers"),
    (8914, "Extended DNS errors"),
    (8945, "TSIG"),
    (8976, "ZONEMD"),
    (9018, "Interoperable server cookies"),
    (9077, "NSEC and NSEC3 TTLs"),
    (9103, "Zone transfer over TLS"),
    (9156, "QNAME minimisation"),
    (9210, "DNS over TCP, operational requirements"),
    (9230, "Oblivious DoH"),
    (9250, "DNS over QUIC"),
    (9267, "Common implementation anti-patterns"),
    (9276, "NSEC3 parameters"),
    (9364, "DNSSEC, the overview"),
    (9432, "Catalog zones"),
    (9460, "SVCB and HTTPS"),
    (9461, "SVCB for DNS servers"),
    (9462, "Discovery of designated resolvers"),
    (9471, "Glue in referrals"),
    (9476, "The alt name"),
    (9499, "DNS terminology"),
    (9520, "Caching of resolution failures"),
    (9539, "Unilateral opportunistic encryption"),
    (9567, "Error reporting"),
    (9606, "RESINFO"),
    (9609, "Priming"),
    (9619, "QDCOUNT is one"),
    (9715, "Fragmentation avoidance"),
    (9718, "Publication of root trust anchors"),
    (9824, "Compact denial of existence"),
    (9859, "Generalised notifications"),
    (9905, "SHA-1 is deprecated in DNSSEC"),
    (9906, "GOST is deprecated in DNSSEC"),
];

type Sections = BTreeMap<String, BTreeSet<String>>;

/// The document.
pub(super) fn generate(tree: &Tree) -> String {
    let mut found: BTreeMap<u32, Sections> = BTreeMap::new();
    for file in tree.rust.iter().filter(|file| file.path.starts_with("crates/")) {
        for (number, section) in citations(&file.text) {
            let files = found.entry(number).or_default().entry(section).or_default();
            files.insert(file.path.trim_start_matches("crates/").to_string());
        }
    }
    let mut text = String::from(
        "<!-- Made by `cargo xtask docs` from the citations in the source; do not edit. -->\n\
         # RFC index\n\n\
         Which file obeys which section. The form in the source is `RFC 4035 §5.3.1`, on the line\n\
         above the code that obeys it; paths are below `crates/`.\n",
    );
    for (number, sections) in found {
        let title = TITLES.iter().find(|(n, _)| *n == number).map_or("", |(_, title)| *title);
        text.push_str(&format!("\n## RFC {number}: {title}\n\n").replace(": \n", "\n"));
        for (section, files) in sections {
            let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
            let section =
                if section.is_empty() { "as a whole".into() } else { format!("§{section}") };
            text.push_str(&format!("- {section}: {}\n", files.join(", ")));
        }
    }
    text
}

/// Each RFC number with the section it is cited for, which is empty for the whole RFC. A list such
/// as `RFC 4035 §5.3.1, §5.4` gives both.
fn citations(text: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for rest in text.split("RFC ").skip(1) {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(number) = rest[..digits].parse() else { continue };
        let mut rest = &rest[digits..];
        let mut any = false;
        while let Some(after) =
            [" §", ", §", " and §", "/§"].iter().find_map(|s| rest.strip_prefix(s))
        {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '.');
            let section = after[..end.unwrap_or(after.len())].trim_end_matches('.');
            found.push((number, section.to_string()));
            rest = &after[section.len()..];
            any = true;
        }
        if !any {
            found.push((number, String::new()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_name_sections() {
        let text = "// RFC 4035 §5.3.1, §5.4 and RFC 2181.\n// RFC 8198: RFC 1035 §3.1.";
        let found = citations(text);
        let found: Vec<(u32, &str)> = found.iter().map(|(n, s)| (*n, s.as_str())).collect();
        assert_eq!(found, [(4035, "5.3.1"), (4035, "5.4"), (2181, ""), (8198, ""), (1035, "3.1")]);
    }

    #[test]
    fn titles_are_sorted() {
        assert!(TITLES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
