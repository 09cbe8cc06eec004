//! IPSECKEY and AMTRELAY gateways, and HIP: an address or name whose kind an earlier byte tells
//! (RFC 4025 §2, RFC 8777 §4.2, RFC 8005 §5).

use std::fmt::{self, Write};

use super::binary::{self, Base64};
use super::field::parse_name;
use super::token::{Cursor, TextFault};
use super::{Context, addresses};
use crate::name::{fmt_wire, uncompressed_end};

pub(super) fn extent(kind: u8, rest: &[u8]) -> Option<usize> {
    let length = match kind {
        0 => 0,
        1 => 4,
        2 => 16,
        3 => uncompressed_end(rest, 0)?,
        _ => return None,
    };
    (length <= rest.len()).then_some(length)
}

pub(super) fn fmt(kind: u8, own: &[u8], out: &mut impl Write) -> fmt::Result {
    match kind {
        0 => out.write_char('.'),
        1 => addresses::fmt_ip4(own, out),
        2 => addresses::fmt_ip6(own, out),
        _ => fmt_wire(own, out),
    }
}

pub(super) fn parse(
    cursor: &mut Cursor<'_>,
    context: &Context<'_>,
    kind: u8,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    match kind {
        0 if cursor.take_exactly(b".") => Ok(()),
        0 => Err(cursor.fault_here("'.', since gateway type 0 has no gateway")),
        1 => addresses::parse_ip4(cursor, out),
        2 => addresses::parse_ip6(cursor, out),
        3 => parse_name(cursor, context, out),
        _ => Err(cursor.fault_here("a gateway type of 0 to 3 before the gateway")),
    }
}

struct HostIdentity<'a> {
    algorithm: u8,
    tag: &'a [u8],
    key: &'a [u8],
    /// Rendezvous servers, one name after another.
    names: &'a [u8],
}

fn host_identity(rdata: &[u8]) -> Option<HostIdentity<'_>> {
    let (head, rest) = rdata.split_first_chunk::<4>()?;
    let (tag, rest) = rest.split_at_checked(head[0] as usize)?;
    let length = u16::from_be_bytes([head[2], head[3]]) as usize;
    let (key, names) = rest.split_at_checked(length)?;
    let identity = HostIdentity { algorithm: head[1], tag, key, names };
    (!tag.is_empty() && !key.is_empty()).then_some(identity)
}

pub(super) fn is_host_identity(rdata: &[u8]) -> bool {
    let Some(HostIdentity { names, .. }) = host_identity(rdata) else { return false };
    let mut at = 0;
    while at < names.len() {
        match uncompressed_end(names, at) {
            Some(end) => at = end,
            None => return false,
        }
    }
    true
}

pub(super) fn fmt_host_identity(rdata: &[u8], out: &mut impl Write) -> fmt::Result {
    let HostIdentity { algorithm, tag, key, names } = host_identity(rdata).ok_or(fmt::Error)?;
    write!(out, "{algorithm} ")?;
    binary::fmt_hex(tag, out)?;
    out.write_char(' ')?;
    binary::fmt_base64(key, out)?;
    let mut at = 0;
    while let Some(end) = uncompressed_end(names, at) {
        out.write_char(' ')?;
        fmt_wire(&names[at..end], out)?;
        at = end;
    }
    Ok(())
}

pub(super) fn parse_host_identity(
    cursor: &mut Cursor<'_>,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    const TAG: &str = "a host identity tag in hexadecimal, at most 255 bytes";
    const KEY: &str = "a public key in base64, in one word";
    let algorithm = cursor.number(255, "an algorithm number of at most 255")?;
    let head = out.len();
    out.extend_from_slice(&[0, algorithm as u8, 0, 0]);
    let digits = cursor.word(TAG)?;
    let length = binary::unhex(digits, out)
        .and_then(|()| u8::try_from(out.len() - head - 4).ok())
        .ok_or_else(|| cursor.fault_last(TAG))?;
    out[head] = length;
    let start = out.len();
    let mut decoder = Base64::default();
    let length = decoder
        .push(cursor.word(KEY)?, out)
        .and_then(|()| decoder.finish(out))
        .and_then(|()| u16::try_from(out.len() - start).ok())
        .ok_or_else(|| cursor.fault_last(KEY))?;
    out[head + 2..head + 4].copy_from_slice(&length.to_be_bytes());
    while !cursor.is_done() {
        parse_name(cursor, context, out)?;
    }
    Ok(())
}
