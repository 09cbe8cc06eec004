//! EDNS(0): the OPT pseudo-record and its options (RFC 6891). What single options mean is in
//! [`options`].

pub mod options;

use crate::extended_error::ExtendedErrorCode;
use crate::limits::EDNS_OPTIONS_MAX;
use crate::rtype::{Class, Rtype};

/// The version this crate speaks.
pub const VERSION: u8 = 0;
/// UDP payload that is announced and honoured by default: no fragments on usual paths
/// (RFC 9715 §3, DNS flag day 2020).
pub const UDP_SIZE_DEFAULT: u16 = 1232;
/// The payload without EDNS, and the least meaningful announcement (RFC 6891 §6.2.3).
pub const UDP_SIZE_MIN: u16 = 512;

/// Option codes in use (IANA registry).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct OptionCode(pub u16);

impl OptionCode {
    /// RFC 5001.
    pub const NSID: OptionCode = OptionCode(3);
    /// RFC 6975.
    pub const DAU: OptionCode = OptionCode(5);
    /// RFC 6975.
    pub const DHU: OptionCode = OptionCode(6);
    /// RFC 6975.
    pub const N3U: OptionCode = OptionCode(7);
    /// RFC 7871.
    pub const CLIENT_SUBNET: OptionCode = OptionCode(8);
    /// RFC 7314.
    pub const EXPIRE: OptionCode = OptionCode(9);
    /// RFC 7873.
    pub const COOKIE: OptionCode = OptionCode(10);
    /// RFC 7828.
    pub const TCP_KEEPALIVE: OptionCode = OptionCode(11);
    /// RFC 7830.
    pub const PADDING: OptionCode = OptionCode(12);
    /// RFC 7901.
    pub const CHAIN: OptionCode = OptionCode(13);
    /// RFC 8145.
    pub const KEY_TAG: OptionCode = OptionCode(14);
    /// RFC 8914.
    pub const EXTENDED_ERROR: OptionCode = OptionCode(15);
    /// RFC 9567.
    pub const REPORT_CHANNEL: OptionCode = OptionCode(18);
    /// RFC 9660.
    pub const ZONEVERSION: OptionCode = OptionCode(19);
}

/// One option: its code and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EdnsOption<'a> {
    pub code: OptionCode,
    pub data: &'a [u8],
}

/// What an OPT record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edns<'a> {
    /// Largest UDP payload the sender takes, as announced (may be below 512).
    pub udp_size: u16,
    /// Upper eight bits of the response code.
    pub rcode_high: u8,
    pub version: u8,
    /// DNSSEC OK (RFC 3225).
    pub dnssec_ok: bool,
    options: &'a [u8],
    malformed: bool,
}

impl<'a> Edns<'a> {
    /// Reads the fields of an OPT record. Options that do not fit are remembered as malformed.
    pub(crate) fn from_record(class: Class, ttl: u32, rdata: &'a [u8]) -> Edns<'a> {
        let [rcode_high, version, flags, _] = ttl.to_be_bytes();
        let mut edns = Edns {
            udp_size: class.0,
            rcode_high,
            version,
            dnssec_ok: flags & 0x80 != 0,
            options: rdata,
            malformed: false,
        };
        let mut walk = Options { rest: rdata, left: EDNS_OPTIONS_MAX };
        while walk.next().is_some() {}
        edns.malformed = walk.left > 0 && !walk.rest.is_empty();
        edns
    }

    /// The options, at most [`EDNS_OPTIONS_MAX`].
    pub fn options(&self) -> Options<'a> {
        Options { rest: self.options, left: EDNS_OPTIONS_MAX }
    }

    /// The first option of a kind.
    pub fn option(&self, code: OptionCode) -> Option<&'a [u8]> {
        self.options().find(|o| o.code == code).map(|o| o.data)
    }

    /// Does an option run over the end of the record? Then the answer is FORMERR.
    pub fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// The payload size to use for this sender: never below 512 (RFC 6891 §6.2.3).
    pub fn udp_size_effective(&self) -> u16 {
        self.udp_size.max(UDP_SIZE_MIN)
    }

    /// The extended errors it carries (RFC 8914 §2), code and text.
    pub fn extended_errors(&self) -> impl Iterator<Item = (ExtendedErrorCode, &'a [u8])> {
        self.options().filter(|o| o.code == OptionCode::EXTENDED_ERROR).filter_map(|o| {
            let (code, text) = o.data.split_first_chunk::<2>()?;
            Some((ExtendedErrorCode(u16::from_be_bytes(*code)), text))
        })
    }
}

/// Iterator over options; ends at the first that does not fit.
#[derive(Clone)]
pub struct Options<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Options<'a> {
    type Item = EdnsOption<'a>;

    fn next(&mut self) -> Option<EdnsOption<'a>> {
        self.left = self.left.checked_sub(1)?;
        let Some((head, tail)) = self.rest.split_first_chunk::<4>() else {
            self.left += 1;
            return None;
        };
        let length = u16::from_be_bytes([head[2], head[3]]) as usize;
        let Some((data, rest)) = tail.split_at_checked(length) else {
            self.left += 1;
            return None;
        };
        self.rest = rest;
        Some(EdnsOption { code: OptionCode(u16::from_be_bytes([head[0], head[1]])), data })
    }
}

/// An OPT record to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OptRecord {
    pub udp_size: u16,
    pub rcode_high: u8,
    pub version: u8,
    pub dnssec_ok: bool,
    /// Options in wire form.
    options: Vec<u8>,
}

impl OptRecord {
    /// An OPT without options.
    pub const fn new(udp_size: u16, dnssec_ok: bool) -> OptRecord {
        OptRecord { udp_size, rcode_high: 0, version: VERSION, dnssec_ok, options: Vec::new() }
    }

    /// Adds an option; one that would not fit into 65,535 bytes of rdata is left out.
    pub fn push(&mut self, code: OptionCode, data: &[u8]) {
        if self.options.len() + 4 + data.len() > u16::MAX as usize {
            return;
        }
        self.options.extend_from_slice(&code.0.to_be_bytes());
        self.options.extend_from_slice(&(data.len() as u16).to_be_bytes());
        self.options.extend_from_slice(data);
    }

    /// Adds an extended error (RFC 8914 §2).
    pub fn push_extended_error(&mut self, code: ExtendedErrorCode, text: &str) {
        let mut data = Vec::with_capacity(2 + text.len());
        data.extend_from_slice(&code.0.to_be_bytes());
        data.extend_from_slice(text.as_bytes());
        self.push(OptionCode::EXTENDED_ERROR, &data);
    }

    /// Length on the wire in bytes.
    pub fn wire_length(&self) -> usize {
        11 + self.options.len()
    }

    /// Appends the record.
    pub fn compose(&self, out: &mut Vec<u8>) {
        out.push(0);
        out.extend_from_slice(&Rtype::OPT.0.to_be_bytes());
        out.extend_from_slice(&self.udp_size.to_be_bytes());
        let flags = if self.dnssec_ok { 0x80 } else { 0 };
        out.extend_from_slice(&[self.rcode_high, self.version, flags, 0]);
        out.extend_from_slice(&(self.options.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.options);
    }
}
