//! Which fields the rdata of each type consists of, in order.

use super::field::Field;
use super::numbers::{ALGORITHMS, CERTIFICATE_TYPES, DIGESTS, PLAIN, SCHEMES};
use crate::rtype::Rtype;

const U8: Field = Field::Number { bytes: 1, names: PLAIN };
const U16: Field = Field::Number { bytes: 2, names: PLAIN };
const U32: Field = Field::Number { bytes: 4, names: PLAIN };
const U64: Field = Field::Number { bytes: 8, names: PLAIN };
const ALGORITHM: Field = Field::Number { bytes: 1, names: ALGORITHMS };
const DIGEST: Field = Field::Number { bytes: 1, names: DIGESTS };

/// The fields of a type; `None` for types that have no text but the generic one: unassigned,
/// meta, and those whose definition gives none.
// Long because it is a table.
pub(super) const fn fields(rtype: Rtype) -> Option<&'static [Field]> {
    use Field::*;
    Some(match rtype {
        // RFC 1035 §3.3 and §3.4.
        Rtype::A => &[Ip4],
        Rtype::NS
        | Rtype::MD
        | Rtype::MF
        | Rtype::CNAME
        | Rtype::MB
        | Rtype::MG
        | Rtype::MR
        | Rtype::PTR
        | Rtype::DNAME
        | Rtype::NSAP_PTR => &[Name],
        Rtype::SOA => &[Name, Name, U32, Period, Period, Period, Period],
        Rtype::WKS => &[Ip4, Services],
        Rtype::HINFO => &[Text, Text],
        Rtype::MINFO => &[Name, Name],
        Rtype::MX => &[U16, Name],
        Rtype::TXT
        | Rtype::SPF
        | Rtype::AVC
        | Rtype::NINFO
        | Rtype::RESINFO
        | Rtype::WALLET
        | Rtype::CLA => &[Texts],
        // RFC 1183, RFC 1706, RFC 1712, RFC 2163.
        Rtype::RP => &[Name, Name],
        Rtype::AFSDB | Rtype::RT | Rtype::KX => &[U16, Name],
        Rtype::X25 => &[Text],
        Rtype::ISDN => &[Text, TextOptional],
        Rtype::NSAP => &[Nsap],
        Rtype::PX => &[U16, Name, Name],
        Rtype::GPOS => &[Text, Text, Text],
        // RFC 3596, RFC 1876, RFC 2782, RFC 3403, RFC 2874, RFC 3123.
        Rtype::AAAA => &[Ip6],
        Rtype::LOC => &[Location],
        Rtype::EID | Rtype::NIMLOC => &[Hex],
        Rtype::SRV => &[U16, U16, U16, Name],
        Rtype::ATMA => &[Atma],
        Rtype::NAPTR => &[U16, U16, Text, Text, Text, Name],
        Rtype::A6 => &[Chained],
        Rtype::SINK => &[U8, U8, U8, Base64],
        Rtype::APL => &[Prefixes],
        // RFC 4034, RFC 5155, RFC 2535, RFC 7344.
        Rtype::KEY => &[U16, U8, ALGORITHM, Base64OrNothing],
        Rtype::DNSKEY | Rtype::CDNSKEY | Rtype::RKEY => &[U16, U8, ALGORITHM, Base64],
        Rtype::DS | Rtype::CDS | Rtype::TA | Rtype::DLV => &[U16, ALGORITHM, DIGEST, Hex],
        Rtype::SIG | Rtype::RRSIG => {
            &[TypeCovered, ALGORITHM, U8, Period, Time, Time, U16, Name, Base64]
        }
        Rtype::NSEC => &[Name, Types],
        Rtype::NXT => &[Name, OldTypes],
        Rtype::NSEC3 => &[U8, U8, U16, Salt, Hash, Types],
        Rtype::NSEC3PARAM => &[U8, U8, U16, Salt],
        // RFC 4398, RFC 4255, RFC 4025, RFC 4701, RFC 6698, RFC 8162, RFC 8005, RFC 7929.
        Rtype::CERT => &[Number { bytes: 2, names: CERTIFICATE_TYPES }, U16, ALGORITHM, Base64],
        Rtype::SSHFP => &[U8, U8, Hex],
        Rtype::IPSECKEY => &[U8, U8, U8, Gateway { type_mask: 0xff }, Base64OrNothing],
        Rtype::DHCID | Rtype::OPENPGPKEY | Rtype::HHIT | Rtype::BRID => &[Base64],
        Rtype::TLSA | Rtype::SMIMEA => &[U8, U8, U8, Hex],
        Rtype::HIP => &[HostIdentity],
        Rtype::TALINK => &[Name, Name],
        // RFC 7477, RFC 8976, RFC 9460, RFC 9859.
        Rtype::CSYNC => &[U32, U16, Types],
        Rtype::ZONEMD => &[U32, U8, U8, Hex],
        Rtype::SVCB | Rtype::HTTPS => &[U16, Name, Parameters],
        Rtype::DSYNC => &[TypeCovered, Number { bytes: 1, names: SCHEMES }, U16, Name],
        // RFC 6742, RFC 7043, RFC 7553, RFC 8659, RFC 8777.
        Rtype::NID | Rtype::L64 => &[U16, Quads],
        Rtype::L32 => &[U16, Ip4],
        Rtype::LP => &[U16, Name],
        Rtype::EUI48 => &[Dashed(6)],
        Rtype::EUI64 => &[Dashed(8)],
        Rtype::URI => &[U16, U16, TextRest],
        Rtype::CAA => &[U8, Tag, TextRest],
        Rtype::DOA => &[U32, U32, U8, Text, Base64OrDash],
        Rtype::AMTRELAY => &[U8, RelayType, Gateway { type_mask: 0x7f }],
        Rtype::IPN => &[U64],
        _ => return None,
    })
}

/// Is this form of the type defined for class IN only? In other classes such rdata has the
/// generic form.
pub(super) const fn is_of_the_internet(rtype: Rtype) -> bool {
    matches!(
        rtype,
        Rtype::A
            | Rtype::AAAA
            | Rtype::A6
            | Rtype::APL
            | Rtype::ATMA
            | Rtype::DHCID
            | Rtype::EID
            | Rtype::KX
            | Rtype::NIMLOC
            | Rtype::NSAP
            | Rtype::NSAP_PTR
            | Rtype::PX
            | Rtype::SVCB
            | Rtype::HTTPS
            | Rtype::WKS
    )
}
