//! From verdicts to what clients are told: the RCODE, the extended error (RFC 8914) and its tag, in
//! one table. A tag is four letters that appear nowhere else, so that one in a user's `dig` output
//! leads to one line of source.

use dns::{ExtendedErrorCode, Rcode};

/// Why a request did not get the answer it asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Verdict {
    /// No trust anchor of the zone has an algorithm that we know.
    AnchorUnusable,
    /// More work than one request may cause.
    BoundReached,
    /// The parent refers to a zone whose existence it denies.
    DelegationDenied,
    /// Whether a zone is signed cannot be found out.
    DelegationUnclear,
    /// A failure a moment ago (RFC 9520).
    FailedBefore,
    /// The key that the parent vouches for is no zone key.
    KeyNotForZones,
    /// A signature of the keys of a zone does not match.
    KeySignature,
    KeySignatureExpired,
    KeySignatureNotYetValid,
    /// The keys of a zone are not signed.
    KeySignaturesMissing,
    /// The keys of a zone cannot be had.
    KeysMissing,
    /// No key of the zone is one that its parent vouches for.
    KeysUnvouched,
    /// A denial of a type is not proven.
    NoDataUnproven,
    /// The network said that it could not deliver what was sent. Told beside
    /// [`Verdict::NoReachableAuthority`].
    NetworkError,
    /// No server of the zone said anything useful.
    NoReachableAuthority,
    /// NSEC3 with more iterations than are computed; no failure, but the reason why nothing is
    /// validated.
    Nsec3Iterations,
    /// A denial of a name is not proven.
    NxDomainUnproven,
    /// Our own code failed.
    OurFault,
    /// A referral without DS and without proof that there is none.
    ReferralUnproven,
    /// A signature does not match.
    Signature,
    SignatureExpired,
    /// A signature that expires before it becomes valid.
    SignatureNeverValid,
    SignatureNotYetValid,
    /// Signatures are missing where there should be some.
    SignaturesMissing,
    /// Nobody answered in time.
    TimeOut,
    /// Too many requests at once.
    TooBusy,
    /// More records that deny something than any proof needs.
    TooManyProofs,
    /// More signatures or hashes than may be computed.
    TooMuchCrypto,
    /// All DS use algorithms that we do not know; no failure, but the reason why nothing is
    /// validated.
    UnsupportedAlgorithms,
    /// All DS use digests that we do not know; as above.
    UnsupportedDigests,
    /// An answer made from a wildcard without proof that nothing closer exists.
    WildcardUnproven,
}

/// What the client is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    pub rcode: Rcode,
    pub code: ExtendedErrorCode,
    pub tag: &'static str,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Verdict; 31] = [
        Verdict::AnchorUnusable,
        Verdict::BoundReached,
        Verdict::DelegationDenied,
        Verdict::DelegationUnclear,
        Verdict::FailedBefore,
        Verdict::KeyNotForZones,
        Verdict::KeySignature,
        Verdict::KeySignatureExpired,
        Verdict::KeySignatureNotYetValid,
        Verdict::KeySignaturesMissing,
        Verdict::KeysMissing,
        Verdict::KeysUnvouched,
        Verdict::NetworkError,
        Verdict::NoDataUnproven,
        Verdict::NoReachableAuthority,
        Verdict::Nsec3Iterations,
        Verdict::NxDomainUnproven,
        Verdict::OurFault,
        Verdict::ReferralUnproven,
        Verdict::Signature,
        Verdict::SignatureExpired,
        Verdict::SignatureNeverValid,
        Verdict::SignatureNotYetValid,
        Verdict::SignaturesMissing,
        Verdict::TimeOut,
        Verdict::TooBusy,
        Verdict::TooManyProofs,
        Verdict::TooMuchCrypto,
        Verdict::UnsupportedAlgorithms,
        Verdict::UnsupportedDigests,
        Verdict::WildcardUnproven,
    ];

    /// The row of the table.
    pub const fn told(self) -> Told {
        use ExtendedErrorCode as Code;
        let (code, tag) = match self {
            Verdict::AnchorUnusable => {
                (Code::UNSUPPORTED_DNSKEY_ALGORITHM, "TAUN: unsupported trust anchor")
            }
            Verdict::BoundReached => (Code::OTHER, "LIMR: too much work"),
            Verdict::DelegationDenied => (Code::DNSSEC_BOGUS, "Z4I6"),
            Verdict::DelegationUnclear => (Code::DNSSEC_INDETERMINATE, "DSNF: no DS found"),
            Verdict::FailedBefore => (Code::CACHED_ERROR, "FLBF: failed lately"),
            Verdict::KeyNotForZones => (Code::NO_ZONE_KEY_BIT, "ZKBN: no zone key bit"),
            Verdict::KeySignature => (Code::DNSSEC_BOGUS, "EXRU"),
            Verdict::KeySignatureExpired => (Code::SIGNATURE_EXPIRED, "6GJV"),
            Verdict::KeySignatureNotYetValid => (Code::SIGNATURE_NOT_YET_VALID, "4DJQ"),
            Verdict::KeySignaturesMissing => (Code::RRSIGS_MISSING, "EZDC"),
            Verdict::KeysMissing => (Code::DNSKEY_MISSING, "NOKY: no DNSKEY found"),
            Verdict::KeysUnvouched => (Code::DNSKEY_MISSING, "NODS: no DNSKEY matches a DS"),
            Verdict::NetworkError => (Code::NETWORK_ERROR, "NETE: servers cannot be reached"),
            Verdict::NoDataUnproven => (Code::NSEC_MISSING, "AHXI"),
            Verdict::NoReachableAuthority => (Code::NO_REACHABLE_AUTHORITY, "P3CD"),
            Verdict::Nsec3Iterations => (Code::UNSUPPORTED_NSEC3_ITERATIONS, "N3IT"),
            Verdict::NxDomainUnproven => (Code::NSEC_MISSING, "3WKM"),
            Verdict::OurFault => (Code::OTHER, "OURF: internal error"),
            Verdict::ReferralUnproven => (Code::DNSSEC_BOGUS, "XLE4"),
            Verdict::Signature => (Code::DNSSEC_BOGUS, "I74V"),
            Verdict::SignatureExpired => (Code::SIGNATURE_EXPIRED, "YFJ2"),
            Verdict::SignatureNeverValid => (Code::SIGNATURE_EXPIRED_BEFORE_VALID, "SGEB"),
            Verdict::SignatureNotYetValid => (Code::SIGNATURE_NOT_YET_VALID, "UBBS"),
            Verdict::SignaturesMissing => (Code::RRSIGS_MISSING, "JZAJ"),
            Verdict::TimeOut => (Code::NO_REACHABLE_AUTHORITY, "TMOT: no reply"),
            Verdict::TooBusy => (Code::NOT_READY, "BUSY: too many requests"),
            Verdict::TooManyProofs => {
                (Code::UNSUPPORTED_NSEC3_ITERATIONS, "DYRH: too many NSEC3 records")
            }
            Verdict::TooMuchCrypto => (Code::OTHER, "CRYP: too much cryptography"),
            Verdict::UnsupportedAlgorithms => {
                (Code::UNSUPPORTED_DNSKEY_ALGORITHM, "LSLC: unsupported digest/key")
            }
            Verdict::UnsupportedDigests => {
                (Code::UNSUPPORTED_DS_DIGEST, "UDIG: unsupported digest")
            }
            Verdict::WildcardUnproven => (Code::NSEC_MISSING, "WCNP: wildcard not proven"),
        };
        Told { rcode: Rcode::SERVFAIL, code, tag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let table: String = Verdict::ALL
            .iter()
            .map(|verdict| {
                let told = verdict.told();
                format!("{verdict:?}: {} {} {}\n", told.rcode, told.code.0, told.tag)
            })
            .collect();
        expect_test::expect![[r#"
            AnchorUnusable: SERVFAIL 1 TAUN: unsupported trust anchor
            BoundReached: SERVFAIL 0 LIMR: too much work
            DelegationDenied: SERVFAIL 6 Z4I6
            DelegationUnclear: SERVFAIL 5 DSNF: no DS found
            FailedBefore: SERVFAIL 13 FLBF: failed lately
            KeyNotForZones: SERVFAIL 11 ZKBN: no zone key bit
            KeySignature: SERVFAIL 6 EXRU
            KeySignatureExpired: SERVFAIL 7 6GJV
            KeySignatureNotYetValid: SERVFAIL 8 4DJQ
            KeySignaturesMissing: SERVFAIL 10 EZDC
            KeysMissing: SERVFAIL 9 NOKY: no DNSKEY found
            KeysUnvouched: SERVFAIL 9 NODS: no DNSKEY matches a DS
            NetworkError: SERVFAIL 23 NETE: servers cannot be reached
            NoDataUnproven: SERVFAIL 12 AHXI
            NoReachableAuthority: SERVFAIL 22 P3CD
            Nsec3Iterations: SERVFAIL 27 N3IT
            NxDomainUnproven: SERVFAIL 12 3WKM
            OurFault: SERVFAIL 0 OURF: internal error
            ReferralUnproven: SERVFAIL 6 XLE4
            Signature: SERVFAIL 6 I74V
            SignatureExpired: SERVFAIL 7 YFJ2
            SignatureNeverValid: SERVFAIL 25 SGEB
            SignatureNotYetValid: SERVFAIL 8 UBBS
            SignaturesMissing: SERVFAIL 10 JZAJ
            TimeOut: SERVFAIL 22 TMOT: no reply
            TooBusy: SERVFAIL 14 BUSY: too many requests
            TooManyProofs: SERVFAIL 27 DYRH: too many NSEC3 records
            TooMuchCrypto: SERVFAIL 0 CRYP: too much cryptography
            UnsupportedAlgorithms: SERVFAIL 1 LSLC: unsupported digest/key
            UnsupportedDigests: SERVFAIL 2 UDIG: unsupported digest
            WildcardUnproven: SERVFAIL 12 WCNP: wildcard not proven
        "#]]
        .assert_eq(&table);
    }
}
