//! Addresses of all kinds: IPv4, IPv6 and its relatives, prefixes, NSAP, ATM, MAC, and WKS ports.

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::binary::{fmt_hex, hex_digit, unhex};
use super::field::parse_name;
use super::token::{Cursor, TextFault};
use super::{Context, numbers};
use crate::name::{fmt_wire, uncompressed_end};

const IP4: &str = "an IPv4 address such as 192.0.2.1";
const IP6: &str = "an IPv6 address such as 2001:db8::1";

fn ip4(word: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn ip6(word: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

pub(super) fn fmt_ip4(own: &[u8], out: &mut impl Write) -> fmt::Result {
    own.first_chunk::<4>().map_or(Err(fmt::Error), |b| write!(out, "{}", Ipv4Addr::from(*b)))
}

pub(super) fn fmt_ip6(own: &[u8], out: &mut impl Write) -> fmt::Result {
    own.first_chunk::<16>().map_or(Err(fmt::Error), |b| write!(out, "{}", Ipv6Addr::from(*b)))
}

pub(super) fn parse_ip4(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    let address = ip4(cursor.word(IP4)?).ok_or_else(|| cursor.fault_last(IP4))?;
    out.extend_from_slice(&address.octets());
    Ok(())
}

pub(super) fn parse_ip6(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    let address = ip6(cursor.word(IP6)?).ok_or_else(|| cursor.fault_last(IP6))?;
    out.extend_from_slice(&address.octets());
    Ok(())
}

// A6 (RFC 2874 §3.1): prefix length, the bytes of the suffix, and the prefix's name unless the
// length is zero.

/// Bytes of suffix that follow a prefix length.
fn suffix_bytes(prefix: u8) -> Option<usize> {
    Some(128u8.checked_sub(prefix)?.div_ceil(8) as usize)
}

pub(super) fn is_chained(rest: &[u8]) -> bool {
    let Some((prefix, tail)) = rest.split_first() else { return false };
    let Some((suffix, name)) = suffix_bytes(*prefix).and_then(|n| tail.split_at_checked(n)) else {
        return false;
    };
    // Bits of the first byte that belong to the prefix must be zero.
    let padding = match prefix % 8 {
        0 => 0,
        bits => 0xffu8 << (8 - bits),
    };
    let padding_is_zero = suffix.first().is_none_or(|byte| byte & padding == 0);
    let name_fits = match *prefix {
        0 => name.is_empty(),
        _ => uncompressed_end(name, 0) == Some(name.len()),
    };
    padding_is_zero && name_fits
}

pub(super) fn fmt_chained(own: &[u8], out: &mut impl Write) -> fmt::Result {
    let (prefix, tail) = own.split_first().ok_or(fmt::Error)?;
    let bytes = suffix_bytes(*prefix).ok_or(fmt::Error)?;
    write!(out, "{prefix}")?;
    if bytes > 0 {
        let mut address = [0; 16];
        address[16 - bytes..].copy_from_slice(&tail[..bytes]);
        write!(out, " {}", Ipv6Addr::from(address))?;
    }
    if *prefix > 0 {
        out.write_char(' ')?;
        fmt_wire(&tail[bytes..], out)?;
    }
    Ok(())
}

pub(super) fn parse_chained(
    cursor: &mut Cursor<'_>,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    let prefix = cursor.number(128, "a prefix length of 0 to 128")? as u8;
    out.push(prefix);
    let bytes = suffix_bytes(prefix).unwrap_or_default();
    if bytes > 0 {
        let address = ip6(cursor.word(IP6)?).ok_or_else(|| cursor.fault_last(IP6))?;
        let mut suffix = address.octets();
        suffix[16 - bytes] &= 0xff >> (prefix % 8);
        out.extend_from_slice(&suffix[16 - bytes..]);
    }
    if prefix > 0 { parse_name(cursor, context, out) } else { Ok(()) }
}

// APL (RFC 3123 §4): family, prefix length, negation and length, and the address without its
// trailing zeros.

struct Prefix<'a> {
    family: u16,
    length: u8,
    negated: bool,
    /// Without trailing zeros.
    address: &'a [u8],
}

/// The first item, and what follows.
fn prefix(rest: &[u8]) -> Option<(Prefix<'_>, &[u8])> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    let (address, tail) = tail.split_at_checked((head[3] & 0x7f) as usize)?;
    let family = u16::from_be_bytes([head[0], head[1]]);
    Some((Prefix { family, length: head[2], negated: head[3] & 0x80 != 0, address }, tail))
}

pub(super) fn are_prefixes(rdata: &[u8]) -> bool {
    let mut rest = rdata;
    while !rest.is_empty() {
        let Some((prefix, tail)) = prefix(rest) else { return false };
        let bytes_max = match prefix.family {
            1 => 4,
            2 => 16,
            _ => return false,
        };
        let fits = prefix.address.len() <= bytes_max && prefix.length as usize <= bytes_max * 8;
        if !fits || prefix.address.last() == Some(&0) {
            return false;
        }
        rest = tail;
    }
    true
}

pub(super) fn fmt_prefixes(own: &[u8], out: &mut impl Write) -> fmt::Result {
    let mut rest = own;
    while let Some((item, tail)) = prefix(rest) {
        if rest.len() != own.len() {
            out.write_char(' ')?;
        }
        write!(out, "{}{}:", if item.negated { "!" } else { "" }, item.family)?;
        let mut bytes = [0; 16];
        bytes[..item.address.len()].copy_from_slice(item.address);
        if item.family == 1 {
            fmt_ip4(&bytes, out)?
        } else {
            fmt_ip6(&bytes, out)?
        }
        write!(out, "/{}", item.length)?;
        rest = tail;
    }
    Ok(())
}

pub(super) fn parse_prefixes(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const EXPECTED: &str = "an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32";
    while let Some(word) = cursor.word_or_end(EXPECTED)? {
        parse_prefix(word, out).ok_or_else(|| cursor.fault_last(EXPECTED))?;
    }
    Ok(())
}

fn parse_prefix(word: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (negated, word) = match word.strip_prefix(b"!") {
        Some(word) => (0x80, word),
        None => (0, word),
    };
    let colon = word.iter().position(|b| *b == b':')?;
    let slash = word.iter().rposition(|b| *b == b'/')?;
    let address = word.get(colon + 1..slash)?;
    let prefix = u8::try_from(numbers::parse_number(&word[slash + 1..])?).ok()?;
    let mut bytes = [0; 16];
    let (family, bits) = match &word[..colon] {
        b"1" => {
            bytes[..4].copy_from_slice(&ip4(address)?.octets());
            (1, 32)
        }
        b"2" => {
            bytes = ip6(address)?.octets();
            (2, 128)
        }
        _ => return None,
    };
    if prefix > bits {
        return None;
    }
    let length = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    out.extend_from_slice(&[0, family, prefix, negated | length as u8]);
    out.extend_from_slice(&bytes[..length]);
    Some(())
}

// ILNP locators and node identifiers (RFC 6742 §2).

pub(super) fn fmt_quads(own: &[u8], out: &mut impl Write) -> fmt::Result {
    for (i, pair) in own.chunks_exact(2).enumerate() {
        if i > 0 {
            out.write_char(':')?;
        }
        fmt_hex(pair, out)?;
    }
    Ok(())
}

pub(super) fn parse_quads(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const EXPECTED: &str = "64 bits such as 2001:DB8:1140:1000";
    let word = cursor.word(EXPECTED)?;
    let start = out.len();
    for group in word.split(|b| *b == b':') {
        let value = (1..=4).contains(&group.len()).then_some(group).and_then(|group| {
            group.iter().try_fold(0u16, |v, digit| Some(v << 4 | u16::from(hex_digit(*digit)?)))
        });
        let value = value.ok_or_else(|| cursor.fault_last(EXPECTED))?;
        out.extend_from_slice(&value.to_be_bytes());
    }
    if out.len() - start == 8 { Ok(()) } else { Err(cursor.fault_last(EXPECTED)) }
}

// MAC addresses (RFC 7043).

pub(super) fn fmt_dashed(own: &[u8], out: &mut impl Write) -> fmt::Result {
    for (i, byte) in own.iter().enumerate() {
        if i > 0 {
            out.write_char('-')?;
        }
        write!(out, "{byte:02X}")?;
    }
    Ok(())
}

pub(super) fn parse_dashed(
    cursor: &mut Cursor<'_>,
    bytes: u8,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    const EXPECTED: &str = "a MAC address such as 00-00-5E-00-53-2A";
    let word = cursor.word(EXPECTED)?;
    let start = out.len();
    let well_formed =
        word.split(|b| *b == b'-').all(|pair| pair.len() == 2 && unhex(pair, out).is_some());
    let complete = well_formed && out.len() - start == bytes as usize;
    if complete { Ok(()) } else { Err(cursor.fault_last(EXPECTED)) }
}

// NSAP (RFC 1706 §5) and ATM addresses (ATM Forum af-dans-0152).

fn unhex_dotted(digits: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digits: Vec<u8> = digits.iter().copied().filter(|b| *b != b'.').collect();
    unhex(&digits, out).filter(|()| !digits.is_empty())
}

pub(super) fn parse_nsap(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const EXPECTED: &str = "an NSAP address such as 0x47.0005.80";
    let word = cursor.word(EXPECTED)?;
    word.strip_prefix(b"0x")
        .or_else(|| word.strip_prefix(b"0X"))
        .and_then(|digits| unhex_dotted(digits, out))
        .ok_or_else(|| cursor.fault_last(EXPECTED))
}

/// Formats of ATMA: an end-system address in hexadecimal, or decimal digits of E.164.
const ATM_END_SYSTEM: u8 = 0;
const E164: u8 = 1;

pub(super) fn is_atma(rest: &[u8]) -> bool {
    match rest.split_first() {
        Some((&ATM_END_SYSTEM, address)) => !address.is_empty(),
        Some((&E164, digits)) => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

pub(super) fn fmt_atma(own: &[u8], out: &mut impl Write) -> fmt::Result {
    match own.split_first() {
        Some((&E164, digits)) => {
            out.write_char('+')?;
            digits.iter().try_for_each(|digit| out.write_char(*digit as char))
        }
        Some((_, address)) => fmt_hex(address, out),
        None => Err(fmt::Error),
    }
}

pub(super) fn parse_atma(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const EXPECTED: &str = "an ATM address such as 39.246f.00 or +442071838750";
    let word = cursor.word(EXPECTED)?;
    let parsed = match word.strip_prefix(b"+") {
        Some(digits) => {
            out.push(E164);
            out.extend_from_slice(digits);
            (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some(())
        }
        None => {
            out.push(ATM_END_SYSTEM);
            unhex_dotted(word, out)
        }
    };
    parsed.ok_or_else(|| cursor.fault_last(EXPECTED))
}

// WKS (RFC 1035 §3.4.2): a protocol number and a map of its ports.

/// Bytes that a map of all ports takes.
const PORT_MAP_BYTES_MAX: usize = 8192;

/// Ports that RFC 1010 gave names to and zone files used.
const SERVICES: [(&str, u16); 14] = [
    ("ftp-data", 20),
    ("ftp", 21),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("nameserver", 42),
    ("domain", 53),
    ("tftp", 69),
    ("finger", 79),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("nntp", 119),
    ("ntp", 123),
];

pub(super) fn are_services(rest: &[u8]) -> bool {
    let Some((_, map)) = rest.split_first() else { return false };
    map.len() <= PORT_MAP_BYTES_MAX && map.last() != Some(&0)
}

pub(super) fn fmt_services(own: &[u8], out: &mut impl Write) -> fmt::Result {
    let (protocol, map) = own.split_first().ok_or(fmt::Error)?;
    write!(out, "{protocol}")?;
    (0..map.len() * 8)
        .filter(|port| map[port / 8] & (0x80 >> (port % 8)) != 0)
        .try_for_each(|port| write!(out, " {port}"))
}

pub(super) fn parse_services(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const PROTOCOL: &str = "a protocol: tcp, udp or a number of at most 255";
    const PORT: &str = "a port number or the name of a well-known service";
    let word = cursor.word(PROTOCOL)?;
    let protocol = match word.to_ascii_lowercase().as_slice() {
        b"tcp" => Some(6),
        b"udp" => Some(17),
        _ => numbers::parse_number(word).and_then(|value| u8::try_from(value).ok()),
    };
    out.push(protocol.ok_or_else(|| cursor.fault_last(PROTOCOL))?);
    let mut map = Vec::new();
    while let Some(word) = cursor.word_or_end(PORT)? {
        let by_name = SERVICES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
        let port = match by_name {
            Some((_, port)) => Some(*port),
            None => numbers::parse_number(word).and_then(|value| u16::try_from(value).ok()),
        };
        let port = port.ok_or_else(|| cursor.fault_last(PORT))? as usize;
        map.resize(map.len().max(port / 8 + 1), 0u8);
        map[port / 8] |= 0x80 >> (port % 8);
    }
    out.extend_from_slice(&map);
    Ok(())
}
