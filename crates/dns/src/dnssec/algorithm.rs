//! The two number spaces of DNSSEC: security algorithms and DS digest types.
//!
//! Both are open sets: any octet is a valid value, some have a mnemonic, fewer are supported. A
//! zone that is signed or delegated only with unsupported numbers is insecure (RFC 4035 §5.2), so
//! "supported" decides between insecure and bogus and must never depend on a particular key.

use std::fmt;

/// A DNSSEC security algorithm number, as in DNSKEY, RRSIG, DS and their relatives (IANA "DNS
/// Security Algorithm Numbers").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Algorithm(pub u8);

impl Algorithm {
    /// Asks the parent to remove the DS RRset (RFC 8078 §4); never signs anything.
    pub const DELETE: Algorithm = Algorithm(0);
    /// RSA with MD5; must not be used (RFC 6725).
    pub const RSAMD5: Algorithm = Algorithm(1);
    /// Diffie-Hellman (RFC 2539); never signs anything.
    pub const DH: Algorithm = Algorithm(2);
    /// DSA with SHA-1 (RFC 2536); must not be used.
    pub const DSA: Algorithm = Algorithm(3);
    /// RSA with SHA-1 (RFC 3110).
    pub const RSASHA1: Algorithm = Algorithm(5);
    /// DSA with SHA-1 for zones with NSEC3 (RFC 5155 §2); must not be used.
    pub const DSA_NSEC3_SHA1: Algorithm = Algorithm(6);
    /// RSA with SHA-1 for zones with NSEC3 (RFC 5155 §2).
    pub const RSASHA1_NSEC3_SHA1: Algorithm = Algorithm(7);
    /// RSA with SHA-256 (RFC 5702).
    pub const RSASHA256: Algorithm = Algorithm(8);
    /// RSA with SHA-512 (RFC 5702).
    pub const RSASHA512: Algorithm = Algorithm(10);
    /// GOST R 34.10-2001 (RFC 5933); must not be used.
    pub const ECC_GOST: Algorithm = Algorithm(12);
    /// ECDSA on P-256 with SHA-256 (RFC 6605).
    pub const ECDSAP256SHA256: Algorithm = Algorithm(13);
    /// ECDSA on P-384 with SHA-384 (RFC 6605).
    pub const ECDSAP384SHA384: Algorithm = Algorithm(14);
    /// Ed25519 (RFC 8080).
    pub const ED25519: Algorithm = Algorithm(15);
    /// Ed448 (RFC 8080).
    pub const ED448: Algorithm = Algorithm(16);
    /// SM2 with SM3 (RFC 9563).
    pub const SM2SM3: Algorithm = Algorithm(17);
    /// ML-DSA-44 (FIPS 204), under the number that is being tried out; only verified with the
    /// feature `ml-dsa`.
    pub const ML_DSA_44: Algorithm = Algorithm(18);
    /// GOST R 34.10-2012 (RFC 9558).
    pub const ECC_GOST12: Algorithm = Algorithm(23);
    /// Indirect keys (RFC 4034 appendix A.1).
    pub const INDIRECT: Algorithm = Algorithm(252);
    /// Private algorithm named by a domain name in the key field.
    pub const PRIVATEDNS: Algorithm = Algorithm(253);
    /// Private algorithm named by an object identifier in the key field.
    pub const PRIVATEOID: Algorithm = Algorithm(254);

    /// Whether signatures of this algorithm can be verified by [`super::crypto`].
    ///
    /// Algorithms 5 and 7 count as supported; an operator's policy may treat them as not.
    pub const fn is_supported(self) -> bool {
        matches!(self.0, 5 | 7 | 8 | 10 | 13 | 14 | 15 | 16)
            || (cfg!(feature = "ml-dsa") && self.0 == Algorithm::ML_DSA_44.0)
    }

    /// The IANA mnemonic, if the number has one.
    pub fn mnemonic(self) -> Option<&'static str> {
        name_of(ALGORITHMS, self.0)
    }

    /// The algorithm with this mnemonic, in any letter case.
    pub fn from_mnemonic(mnemonic: &str) -> Option<Algorithm> {
        number_of(ALGORITHMS, mnemonic).map(Algorithm)
    }
}

/// A DS digest type (IANA "DS RR Type Digest Algorithms").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DigestType(pub u8);

impl DigestType {
    /// SHA-1 (RFC 3658), 20 octets.
    pub const SHA1: DigestType = DigestType(1);
    /// SHA-256 (RFC 4509), 32 octets.
    pub const SHA256: DigestType = DigestType(2);
    /// GOST R 34.11-94 (RFC 5933); must not be used.
    pub const GOST: DigestType = DigestType(3);
    /// SHA-384 (RFC 6605), 48 octets.
    pub const SHA384: DigestType = DigestType(4);
    /// GOST R 34.11-2012 (RFC 9558).
    pub const GOST12: DigestType = DigestType(5);
    /// SM3 (RFC 9563).
    pub const SM3: DigestType = DigestType(6);

    /// Whether [`super::crypto::digest`] can compute it.
    pub const fn is_supported(self) -> bool {
        self.output_len().is_some()
    }

    /// The length of a supported digest in octets.
    pub const fn output_len(self) -> Option<usize> {
        match self.0 {
            1 => Some(20),
            2 => Some(32),
            4 => Some(48),
            _ => None,
        }
    }

    /// The IANA mnemonic, if the number has one.
    pub fn mnemonic(self) -> Option<&'static str> {
        name_of(DIGEST_TYPES, self.0)
    }

    /// The digest type with this mnemonic, in any letter case.
    pub fn from_mnemonic(mnemonic: &str) -> Option<DigestType> {
        number_of(DIGEST_TYPES, mnemonic).map(DigestType)
    }
}

const ALGORITHMS: &[(u8, &str)] = &[
    (0, "DELETE"),
    (1, "RSAMD5"),
    (2, "DH"),
    (3, "DSA"),
    (5, "RSASHA1"),
    (6, "DSA-NSEC3-SHA1"),
    (7, "RSASHA1-NSEC3-SHA1"),
    (8, "RSASHA256"),
    (10, "RSASHA512"),
    (12, "ECC-GOST"),
    (13, "ECDSAP256SHA256"),
    (14, "ECDSAP384SHA384"),
    (15, "ED25519"),
    (16, "ED448"),
    (17, "SM2SM3"),
    (23, "ECC-GOST12"),
    (252, "INDIRECT"),
    (253, "PRIVATEDNS"),
    (254, "PRIVATEOID"),
];

const DIGEST_TYPES: &[(u8, &str)] =
    &[(1, "SHA-1"), (2, "SHA-256"), (3, "GOST"), (4, "SHA-384"), (5, "GOST12"), (6, "SM3")];

fn name_of(table: &[(u8, &'static str)], number: u8) -> Option<&'static str> {
    table.iter().find(|row| row.0 == number).map(|row| row.1)
}

fn number_of(table: &[(u8, &'static str)], name: &str) -> Option<u8> {
    table.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| row.0)
}

fn write_number(f: &mut fmt::Formatter<'_>, name: Option<&str>, number: u8) -> fmt::Result {
    match name {
        Some(name) => f.pad(name),
        None => fmt::Display::fmt(&number, f),
    }
}

/// The mnemonic, or the decimal number where there is none.
impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.mnemonic(), self.0)
    }
}

/// The mnemonic, or the decimal number where there is none.
impl fmt::Display for DigestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.mnemonic(), self.0)
    }
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Algorithm({self})")
    }
}

impl fmt::Debug for DigestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DigestType({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supported_numbers_are_exactly_these() {
        let algorithms: Vec<u8> = (0..=255).filter(|n| Algorithm(*n).is_supported()).collect();
        let tried_out: &[u8] = if cfg!(feature = "ml-dsa") { &[18] } else { &[] };
        assert_eq!(algorithms, [&[5, 7, 8, 10, 13, 14, 15, 16], tried_out].concat());
        let digests: Vec<u8> = (0..=255).filter(|n| DigestType(*n).is_supported()).collect();
        assert_eq!(digests, [1, 2, 4]);
    }

    #[test]
    fn mnemonics_read_back() {
        for number in 0..=255 {
            let algorithm = Algorithm(number);
            if let Some(name) = algorithm.mnemonic() {
                assert_eq!(Algorithm::from_mnemonic(&name.to_lowercase()), Some(algorithm));
                assert_eq!(algorithm.to_string(), name);
            } else {
                assert_eq!(algorithm.to_string(), number.to_string());
            }
            let digest = DigestType(number);
            if let Some(name) = digest.mnemonic() {
                assert_eq!(DigestType::from_mnemonic(&name.to_lowercase()), Some(digest));
            }
        }
        assert_eq!(Algorithm::from_mnemonic("RSASHA3"), None);
        assert_eq!(Algorithm::ECDSAP256SHA256.mnemonic(), Some("ECDSAP256SHA256"));
        assert_eq!(DigestType::SHA256.mnemonic(), Some("SHA-256"));
    }
}
