//! Record types and classes: numbers and mnemonics of the IANA registry.
//!
//! HINT: to add a type, add a line to `rtypes!` here and, if its rdata contains names, a line to
//! [`crate::rdata::layout`].

use std::fmt;
use std::str::FromStr;

/// A record type (RFC 1035 §3.2.2, RFC 6895 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rtype(pub u16);

macro_rules! rtypes {
    ($($(#[$meta:meta])* $konst:ident = $number:literal, $text:literal;)*) => {
        impl Rtype {
            $($(#[$meta])* pub const $konst: Rtype = Rtype($number);)*

            /// The registered mnemonic, if there is one.
            pub const fn mnemonic(self) -> Option<&'static str> {
                match self.0 { $($number => Some($text),)* _ => None }
            }

            /// The type of an upper-case mnemonic.
            fn from_mnemonic(upper: &str) -> Option<Rtype> {
                match upper { $($text => Some(Rtype($number)),)* _ => None }
            }

            /// All types that this crate has a mnemonic for, in the order of the table.
            pub const ALL: &'static [Rtype] = &[$(Rtype($number)),*];
        }
    };
}

rtypes! {
    A = 1, "A"; NS = 2, "NS"; MD = 3, "MD"; MF = 4, "MF"; CNAME = 5, "CNAME"; SOA = 6, "SOA";
    MB = 7, "MB"; MG = 8, "MG"; MR = 9, "MR"; NULL = 10, "NULL"; WKS = 11, "WKS"; PTR = 12, "PTR";
    HINFO = 13, "HINFO"; MINFO = 14, "MINFO"; MX = 15, "MX"; TXT = 16, "TXT"; RP = 17, "RP";
    AFSDB = 18, "AFSDB"; X25 = 19, "X25"; ISDN = 20, "ISDN"; RT = 21, "RT"; NSAP = 22, "NSAP";
    NSAP_PTR = 23, "NSAP-PTR"; SIG = 24, "SIG"; KEY = 25, "KEY"; PX = 26, "PX"; GPOS = 27, "GPOS";
    AAAA = 28, "AAAA"; LOC = 29, "LOC"; NXT = 30, "NXT"; EID = 31, "EID"; NIMLOC = 32, "NIMLOC";
    SRV = 33, "SRV"; ATMA = 34, "ATMA"; NAPTR = 35, "NAPTR"; KX = 36, "KX"; CERT = 37, "CERT";
    A6 = 38, "A6"; DNAME = 39, "DNAME"; SINK = 40, "SINK"; OPT = 41, "OPT"; APL = 42, "APL";
    DS = 43, "DS"; SSHFP = 44, "SSHFP"; IPSECKEY = 45, "IPSECKEY"; RRSIG = 46, "RRSIG";
    NSEC = 47, "NSEC"; DNSKEY = 48, "DNSKEY"; DHCID = 49, "DHCID"; NSEC3 = 50, "NSEC3";
    NSEC3PARAM = 51, "NSEC3PARAM"; TLSA = 52, "TLSA"; SMIMEA = 53, "SMIMEA"; HIP = 55, "HIP";
    NINFO = 56, "NINFO"; RKEY = 57, "RKEY"; TALINK = 58, "TALINK"; CDS = 59, "CDS";
    CDNSKEY = 60, "CDNSKEY"; OPENPGPKEY = 61, "OPENPGPKEY"; CSYNC = 62, "CSYNC";
    ZONEMD = 63, "ZONEMD"; SVCB = 64, "SVCB"; HTTPS = 65, "HTTPS"; DSYNC = 66, "DSYNC";
    HHIT = 67, "HHIT"; BRID = 68, "BRID"; SPF = 99, "SPF"; UINFO = 100, "UINFO"; UID = 101, "UID";
    GID = 102, "GID"; UNSPEC = 103, "UNSPEC"; NID = 104, "NID"; L32 = 105, "L32"; L64 = 106, "L64";
    LP = 107, "LP"; EUI48 = 108, "EUI48"; EUI64 = 109, "EUI64"; NXNAME = 128, "NXNAME";
    TKEY = 249, "TKEY"; TSIG = 250, "TSIG"; IXFR = 251, "IXFR"; AXFR = 252, "AXFR";
    MAILB = 253, "MAILB"; MAILA = 254, "MAILA"; ANY = 255, "ANY"; URI = 256, "URI"; CAA = 257, "CAA";
    AVC = 258, "AVC"; DOA = 259, "DOA"; AMTRELAY = 260, "AMTRELAY"; RESINFO = 261, "RESINFO";
    WALLET = 262, "WALLET"; CLA = 263, "CLA"; IPN = 264, "IPN"; TA = 32768, "TA"; DLV = 32769, "DLV";
}

impl Rtype {
    /// Types that exist only in messages or questions and never as data of a zone
    /// (RFC 6895 §3.1: 128–255, and OPT).
    pub const fn is_meta(self) -> bool {
        matches!(self.0, 41 | 128..=255)
    }

    /// NSEC and NSEC3: the proofs of absence.
    pub const fn is_denial(self) -> bool {
        matches!(self, Rtype::NSEC | Rtype::NSEC3)
    }
}

impl fmt::Display for Rtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(text) => f.pad(text),
            // RFC 3597 §5.
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for Rtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Length of the longest mnemonics, NSEC3PARAM and OPENPGPKEY.
const MNEMONIC_BYTES_MAX: usize = 10;

/// The text is no record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown record type")]
pub struct UnknownRtype;

impl FromStr for Rtype {
    type Err = UnknownRtype;

    /// Mnemonic in any case, or `TYPE123` (RFC 3597 §5).
    fn from_str(text: &str) -> Result<Self, UnknownRtype> {
        let mut upper = [0; MNEMONIC_BYTES_MAX];
        if let Some(upper) = upper.get_mut(..text.len()) {
            upper.copy_from_slice(text.as_bytes());
            upper.make_ascii_uppercase();
            if let Some(found) = std::str::from_utf8(upper).ok().and_then(Rtype::from_mnemonic) {
                return Ok(found);
            }
        }
        let (prefix, digits) = text.split_at_checked(4).ok_or(UnknownRtype)?;
        if prefix.eq_ignore_ascii_case("TYPE") && digits.bytes().all(|b| b.is_ascii_digit()) {
            return digits.parse().map(Rtype).map_err(|_| UnknownRtype);
        }
        Err(UnknownRtype)
    }
}

/// A class (RFC 1035 §3.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u16);

impl Class {
    /// The Internet.
    pub const IN: Class = Class(1);
    /// Chaos, in use for `version.bind` and the like.
    pub const CH: Class = Class(3);
    /// Hesiod.
    pub const HS: Class = Class(4);
    /// RFC 2136 §2.4.
    pub const NONE: Class = Class(254);
    /// Any class, in questions.
    pub const ANY: Class = Class(255);
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Class::IN => f.pad("IN"),
            Class::CH => f.pad("CH"),
            Class::HS => f.pad("HS"),
            Class::NONE => f.pad("NONE"),
            Class::ANY => f.pad("ANY"),
            Class(number) => write!(f, "CLASS{number}"),
        }
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Class {
    type Err = UnknownRtype;

    fn from_str(text: &str) -> Result<Self, UnknownRtype> {
        const CLASSES: [(&str, Class); 5] = [
            ("IN", Class::IN),
            ("CH", Class::CH),
            ("HS", Class::HS),
            ("NONE", Class::NONE),
            ("ANY", Class::ANY),
        ];
        if let Some((_, class)) = CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(*class);
        }
        let (prefix, digits) = text.split_at_checked(5).ok_or(UnknownRtype)?;
        if prefix.eq_ignore_ascii_case("CLASS") && digits.bytes().all(|b| b.is_ascii_digit()) {
            return digits.parse().map(Class).map_err(|_| UnknownRtype);
        }
        Err(UnknownRtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mnemonics_and_numbers_read_back() {
        for rtype in Rtype::ALL {
            let text = rtype.to_string();
            assert_eq!(text.to_lowercase().parse(), Ok(*rtype));
            assert!(text.len() <= MNEMONIC_BYTES_MAX);
        }
        assert_eq!("type65280".parse(), Ok(Rtype(65280)));
        assert_eq!(Rtype(65280).to_string().parse(), Ok(Rtype(65280)));
        for text in ["", "TYPE", "TYPE65536", "TYPE-1", "TYPE+1", "NONSENSE", "NSEC3PARAMX"] {
            assert_eq!(text.parse::<Rtype>(), Err(UnknownRtype), "{text}");
        }
        for class in [Class::IN, Class::CH, Class::HS, Class::NONE, Class::ANY, Class(77)] {
            assert_eq!(class.to_string().to_lowercase().parse(), Ok(class));
        }
        assert_eq!("CLASS65536".parse::<Class>(), Err(UnknownRtype));
    }
}
