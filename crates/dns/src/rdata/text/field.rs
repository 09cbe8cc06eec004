//! The kinds of field that rdata is made of: for each, how long it is on the wire, how it is
//! written and how it is read.

use std::fmt::{self, Write};

use super::numbers::Names;
use super::token::{Cursor, TextFault};
use super::{Context, addresses, binary, gateway, location, numbers, parameters, strings};
use crate::dnssec::nsec3;
use crate::name::{self, uncompressed_end};
use crate::rdata::bitmap::TypeBitmap;
use crate::rtype::Rtype;

/// A kind of field. Those said to be "the rest" end the rdata.
#[derive(Clone, Copy)]
pub(super) enum Field {
    /// A prefix length, the rest of an address, and the name that holds the prefix: the rest (A6,
    /// RFC 2874 §3.1).
    Chained,
    /// An ATM address: the rest.
    Atma,
    /// Base64, at least one byte: the rest.
    Base64,
    /// Base64 or a single dash for no bytes: the rest.
    Base64OrDash,
    /// Base64 or nothing: the rest.
    Base64OrNothing,
    /// So many bytes as hexadecimal pairs with dashes (RFC 7043 §3.2).
    Dashed(u8),
    /// An address or name by the type in these bits of the second byte of the rdata (RFC 4025
    /// §2.3, RFC 8777 §4.2).
    Gateway {
        type_mask: u8,
    },
    /// A length byte and a hash, in base32 (RFC 5155 §3.3).
    Hash,
    /// Hexadecimal, at least one byte: the rest.
    Hex,
    /// All of HIP (RFC 8005 §5).
    HostIdentity,
    Ip4,
    Ip6,
    /// All of LOC (RFC 1876 §2).
    Location,
    /// An uncompressed name.
    Name,
    /// An NSAP address: the rest (RFC 1706 §5).
    Nsap,
    /// An unsigned number and the words that may stand for it.
    Number {
        bytes: u8,
        names: &'static Names,
    },
    /// The bitmap of NXT: the rest (RFC 2535 §5.2).
    OldTypes,
    /// SvcParams: the rest (RFC 9460 §2.2).
    Parameters,
    /// Seconds, 32 bits, read with units too.
    Period,
    /// Address prefixes: the rest (RFC 3123 §4).
    Prefixes,
    /// Four groups of 16 bits (RFC 6742 §2.1.1).
    Quads,
    /// A byte of one flag and seven bits of gateway type (RFC 8777 §4.2).
    RelayType,
    /// A length byte and bytes in hexadecimal, a dash for none (RFC 5155 §3.3).
    Salt,
    /// A protocol and its ports: the rest (RFC 1035 §3.4.2).
    Services,
    /// A character string of letters and digits, bare (RFC 8659 §4.1).
    Tag,
    /// A character string.
    Text,
    /// One more character string or nothing.
    TextOptional,
    /// A string without length: the rest.
    TextRest,
    /// One or more character strings: the rest.
    Texts,
    /// A point in time, 32 bits.
    Time,
    /// A record type by its mnemonic.
    TypeCovered,
    /// A type bitmap: the rest (RFC 4034 §4.1.2).
    Types,
}

impl Field {
    /// Does the field appear in text even if it has no bytes?
    pub(super) const fn shows_nothing(self) -> bool {
        matches!(self, Field::Base64OrDash | Field::Gateway { .. } | Field::TextRest)
    }

    /// Length of the field at `at` of `rdata`; `None` if it is malformed.
    pub(super) fn extent(self, rdata: &[u8], at: usize) -> Option<usize> {
        let rest = rdata.get(at..)?;
        let fixed = |length: usize| (length <= rest.len()).then_some(length);
        let if_well_formed = |well: bool| well.then_some(rest.len());
        match self {
            Field::Chained => if_well_formed(addresses::is_chained(rest)),
            Field::Atma => if_well_formed(addresses::is_atma(rest)),
            Field::Base64 | Field::Hex | Field::Nsap => if_well_formed(!rest.is_empty()),
            Field::Base64OrDash | Field::Base64OrNothing | Field::TextRest => Some(rest.len()),
            Field::Dashed(bytes) => fixed(bytes as usize),
            Field::Gateway { type_mask } => gateway::extent(rdata.get(1)? & type_mask, rest),
            Field::Hash => strings::extent(rest).filter(|length| *length > 1),
            Field::HostIdentity => if_well_formed(gateway::is_host_identity(rest)),
            Field::Ip4 | Field::Period | Field::Time => fixed(4),
            Field::Ip6 => fixed(16),
            Field::Location => if_well_formed(location::is_well_formed(rest)),
            Field::Name => uncompressed_end(rest, 0),
            Field::Number { bytes, .. } => fixed(bytes as usize),
            Field::OldTypes => if_well_formed(is_old_bitmap(rest)),
            Field::Parameters => if_well_formed(parameters::are_well_formed(rest)),
            Field::Prefixes => if_well_formed(addresses::are_prefixes(rest)),
            Field::Quads => fixed(8),
            Field::RelayType => fixed(1),
            Field::Salt | Field::Text => strings::extent(rest),
            Field::Services => if_well_formed(addresses::are_services(rest)),
            Field::Tag => strings::tag_extent(rest),
            Field::TextOptional if rest.is_empty() => Some(0),
            Field::TextOptional => strings::extent(rest),
            Field::Texts => {
                let mut end = 0;
                while end == 0 || end < rest.len() {
                    end += strings::extent(&rest[end..])?;
                }
                Some(end)
            }
            Field::TypeCovered => fixed(2),
            Field::Types => if_well_formed(TypeBitmap::new(rest)?.is_minimal()),
        }
    }

    /// Writes the field, which [`Field::extent`] has found at `start..end`.
    pub(super) fn fmt(
        self,
        rdata: &[u8],
        start: usize,
        end: usize,
        out: &mut impl Write,
    ) -> fmt::Result {
        let own = &rdata[start..end];
        match self {
            Field::Chained => addresses::fmt_chained(own, out),
            Field::Atma => addresses::fmt_atma(own, out),
            Field::Base64OrDash if own.is_empty() => out.write_char('-'),
            Field::Base64 | Field::Base64OrDash | Field::Base64OrNothing => {
                binary::fmt_base64(own, out)
            }
            Field::Dashed(_) => addresses::fmt_dashed(own, out),
            Field::Gateway { type_mask } => gateway::fmt(rdata[1] & type_mask, own, out),
            Field::Hash => out.write_str(&nsec3::encode(&own[1..])),
            Field::Hex => binary::fmt_hex(own, out),
            Field::HostIdentity => gateway::fmt_host_identity(own, out),
            Field::Ip4 => addresses::fmt_ip4(own, out),
            Field::Ip6 => addresses::fmt_ip6(own, out),
            Field::Location => location::fmt(own, out),
            Field::Name => name::fmt_wire(own, out),
            Field::Nsap => {
                out.write_str("0x")?;
                binary::fmt_hex(own, out)
            }
            Field::Number { names, .. } => numbers::fmt_number(own, names, out),
            Field::OldTypes => fmt_types(old_types(own), out),
            Field::Parameters => parameters::fmt(own, out),
            Field::Period => numbers::fmt_number(own, numbers::PLAIN, out),
            Field::Prefixes => addresses::fmt_prefixes(own, out),
            Field::Quads => addresses::fmt_quads(own, out),
            Field::RelayType => write!(out, "{} {}", own[0] >> 7, own[0] & 0x7f),
            Field::Salt if own.len() == 1 => out.write_char('-'),
            Field::Salt => binary::fmt_hex(&own[1..], out),
            Field::Services => addresses::fmt_services(own, out),
            Field::Tag => strings::fmt_tag(own, out),
            Field::Text | Field::TextOptional | Field::Texts => strings::fmt_list(own, out),
            Field::TextRest => strings::fmt_quoted(own, out),
            Field::Time => numbers::fmt_time(own, out),
            Field::TypeCovered => numbers::fmt_type(own, out),
            Field::Types => fmt_types(TypeBitmap::new(own).into_iter().flat_map(|b| b.iter()), out),
        }
    }

    /// Reads the field and appends its wire form; the rdata begins at `base` of `out`.
    pub(super) fn parse(
        self,
        cursor: &mut Cursor<'_>,
        context: &Context<'_>,
        base: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), TextFault> {
        match self {
            Field::Chained => addresses::parse_chained(cursor, context, out),
            Field::Atma => addresses::parse_atma(cursor, out),
            Field::Base64 => binary::parse_base64(cursor, false, out),
            Field::Base64OrDash if cursor.take_exactly(b"-") => Ok(()),
            Field::Base64OrDash => binary::parse_base64(cursor, false, out),
            Field::Base64OrNothing => binary::parse_base64(cursor, true, out),
            Field::Dashed(bytes) => addresses::parse_dashed(cursor, bytes, out),
            Field::Gateway { type_mask } => {
                gateway::parse(cursor, context, out[base + 1] & type_mask, out)
            }
            Field::Hash => parse_hash(cursor, out),
            Field::Hex => binary::parse_hex(cursor, false, out),
            Field::HostIdentity => gateway::parse_host_identity(cursor, context, out),
            Field::Ip4 => addresses::parse_ip4(cursor, out),
            Field::Ip6 => addresses::parse_ip6(cursor, out),
            Field::Location => location::parse(cursor, out),
            Field::Name => parse_name(cursor, context, out),
            Field::Nsap => addresses::parse_nsap(cursor, out),
            Field::Number { bytes, names } => {
                numbers::parse_number_field(cursor, bytes, names, out)
            }
            Field::OldTypes => parse_old_types(cursor, out),
            Field::Parameters => parameters::parse(cursor, out),
            Field::Period => numbers::parse_period_field(cursor, out),
            Field::Prefixes => addresses::parse_prefixes(cursor, out),
            Field::Quads => addresses::parse_quads(cursor, out),
            Field::RelayType => {
                let flag = cursor.number(1, "0 or 1, the discovery-optional flag")?;
                let kind = cursor.number(0x7f, "a relay type of 0 to 127")?;
                out.push((flag << 7 | kind) as u8);
                Ok(())
            }
            Field::Salt => parse_salt(cursor, out),
            Field::Services => addresses::parse_services(cursor, out),
            Field::Tag => strings::parse_tag(cursor, out),
            Field::Text => strings::parse_one(cursor, out),
            Field::TextOptional if cursor.is_done() => Ok(()),
            Field::TextOptional => strings::parse_one(cursor, out),
            Field::TextRest => strings::parse_rest(cursor, out),
            Field::Texts => strings::parse_list(cursor, out),
            Field::Time => numbers::parse_time(cursor, out),
            Field::TypeCovered => {
                out.extend_from_slice(&numbers::parse_type(cursor)?.0.to_be_bytes());
                Ok(())
            }
            Field::Types => {
                let mut types = Vec::new();
                while !cursor.is_done() {
                    types.push(numbers::parse_type(cursor)?);
                }
                TypeBitmap::write(types, out);
                Ok(())
            }
        }
    }
}

pub(super) fn parse_name(
    cursor: &mut Cursor<'_>,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    const EXPECTED: &str = "a domain name (labels of 1 to 63 bytes, 255 in all)";
    let word = cursor.word(EXPECTED)?;
    let name = name::Name::from_text(word, context.origin);
    out.extend_from_slice(name.map_err(|_| cursor.fault_last(EXPECTED))?.as_wire());
    Ok(())
}

fn parse_hash(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const EXPECTED: &str = "a hash in base32 with extended hex alphabet, without padding";
    let hash = nsec3::decode(cursor.word(EXPECTED)?).filter(|hash| !hash.is_empty());
    let hash = hash.ok_or_else(|| cursor.fault_last(EXPECTED))?;
    out.push(u8::try_from(hash.len()).map_err(|_| cursor.fault_last(EXPECTED))?);
    out.extend_from_slice(&hash);
    Ok(())
}

fn parse_salt(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const EXPECTED: &str = "a salt of at most 255 bytes in hexadecimal, or - for none";
    let length_at = out.len();
    out.push(0);
    if cursor.take_exactly(b"-") {
        return Ok(());
    }
    let digits = cursor.word(EXPECTED)?;
    let length = binary::unhex(digits, out)
        .and_then(|()| u8::try_from(out.len() - length_at - 1).ok())
        .ok_or_else(|| cursor.fault_last(EXPECTED))?;
    out[length_at] = length;
    Ok(())
}

fn fmt_types(types: impl Iterator<Item = Rtype>, out: &mut impl Write) -> fmt::Result {
    for (i, rtype) in types.enumerate() {
        if i > 0 {
            out.write_char(' ')?;
        }
        write!(out, "{rtype}")?;
    }
    Ok(())
}

/// NXT carries types below 128 only; bit 0 would announce another form.
const OLD_BITMAP_BYTES_MAX: usize = 16;

fn is_old_bitmap(map: &[u8]) -> bool {
    map.len() <= OLD_BITMAP_BYTES_MAX
        && map.first().is_none_or(|byte| byte & 0x80 == 0)
        && map.last().is_none_or(|byte| *byte != 0)
}

fn old_types(map: &[u8]) -> impl Iterator<Item = Rtype> {
    (0..map.len() * 8)
        .filter(|bit| map[bit / 8] & (0x80 >> (bit % 8)) != 0)
        .map(|bit| Rtype(bit as u16))
}

fn parse_old_types(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    let mut map = [0; OLD_BITMAP_BYTES_MAX];
    let mut length = 0;
    while !cursor.is_done() {
        let number = numbers::parse_type(cursor)?.0 as usize;
        if number == 0 || number / 8 >= map.len() {
            return Err(cursor.fault_last("a type below 128"));
        }
        map[number / 8] |= 0x80 >> (number % 8);
        length = length.max(number / 8 + 1);
    }
    out.extend_from_slice(&map[..length]);
    Ok(())
}
