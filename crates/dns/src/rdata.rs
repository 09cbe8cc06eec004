//! Where the names are inside rdata, by type: what decompression, canonical form and compression
//! need to know. The text form of rdata is in its own files below this one.
//!
//! HINT: a new type whose rdata contains names needs one line in [`layout`].

pub mod bitmap;
pub mod text;
pub mod view;

use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::MessageFault;
use crate::name::{Checked, copy_name, skip_name};
use crate::rtype::Rtype;

/// What stands before the names of an rdata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prefix {
    /// So many bytes.
    Fixed(u8),
    /// Two 16-bit numbers and three character strings (NAPTR, RFC 3403 §4.1).
    Naptr,
}

/// What stands behind the names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tail {
    /// Exactly so many bytes.
    Exact(u8),
    /// Whatever is left.
    Any,
}

/// The shape of a type's rdata as far as names go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    pub prefix: Prefix,
    /// How many names follow the prefix.
    pub names: u8,
    pub tail: Tail,
    /// May a sender compress the names (RFC 3597 §4: only the types of RFC 1035)?
    pub compress: bool,
    /// Are the names lower-cased in canonical form (RFC 4034 §6.2 as corrected by RFC 6840 §5.1)?
    pub lowercase: bool,
}

const fn of(prefix: u8, names: u8, tail: Tail, compress: bool, lowercase: bool) -> Option<Layout> {
    Some(Layout { prefix: Prefix::Fixed(prefix), names, tail, compress, lowercase })
}

/// The layout of types whose rdata contains names; `None` for all others.
pub const fn layout(rtype: Rtype) -> Option<Layout> {
    use Tail::{Any, Exact};
    match rtype {
        Rtype::NS
        | Rtype::CNAME
        | Rtype::PTR
        | Rtype::MB
        | Rtype::MG
        | Rtype::MR
        | Rtype::MD
        | Rtype::MF => of(0, 1, Exact(0), true, true),
        Rtype::SOA => of(0, 2, Exact(20), true, true),
        Rtype::MINFO => of(0, 2, Exact(0), true, true),
        Rtype::MX => of(2, 1, Exact(0), true, true),
        Rtype::DNAME | Rtype::NSAP_PTR => of(0, 1, Exact(0), false, true),
        Rtype::RP => of(0, 2, Exact(0), false, true),
        Rtype::AFSDB | Rtype::RT | Rtype::KX => of(2, 1, Exact(0), false, true),
        Rtype::PX => of(2, 2, Exact(0), false, true),
        Rtype::SRV => of(6, 1, Exact(0), false, true),
        Rtype::NAPTR => Some(Layout {
            prefix: Prefix::Naptr,
            names: 1,
            tail: Exact(0),
            compress: false,
            lowercase: true,
        }),
        Rtype::SIG | Rtype::RRSIG => of(18, 1, Any, false, true),
        Rtype::NXT => of(0, 1, Any, false, true),
        Rtype::NSEC => of(0, 1, Any, false, false),
        Rtype::LP => of(2, 1, Exact(0), false, false),
        Rtype::TALINK => of(0, 2, Exact(0), false, false),
        Rtype::SVCB | Rtype::HTTPS => of(2, 1, Any, false, false),
        _ => None,
    }
}

/// Exact or least sizes of rdata without names, so that later code may index into it.
fn size_is_sane(rtype: Rtype, length: usize) -> bool {
    match rtype {
        Rtype::A => length == 4,
        Rtype::AAAA => length == 16,
        Rtype::DS | Rtype::CDS | Rtype::DLV => length >= 4,
        Rtype::DNSKEY | Rtype::CDNSKEY | Rtype::KEY => length >= 4,
        // Hash algorithm, flags, iterations, salt length, hash length, and at least one byte.
        Rtype::NSEC3 => length >= 7,
        Rtype::NSEC3PARAM => length >= 5,
        _ => true,
    }
}

/// Length of the prefix at the start of `rdata`.
pub fn prefix_length(prefix: Prefix, rdata: &[u8]) -> Option<usize> {
    match prefix {
        Prefix::Fixed(length) => Some(length as usize).filter(|l| *l <= rdata.len()),
        Prefix::Naptr => {
            let mut at = 4;
            for _ in 0..3 {
                at += 1 + *rdata.get(at)? as usize;
            }
            Some(at).filter(|at| *at <= rdata.len())
        }
    }
}

/// Checks the rdata at `start..end` of a message: names well formed and inside, nothing missing,
/// nothing left over.
pub(crate) fn check(
    message: &[u8],
    rtype: Rtype,
    start: usize,
    end: usize,
    checked: &mut Checked,
) -> Result<(), MessageFault> {
    let fault = MessageFault::BadRdata(rtype);
    let Some(layout) = layout(rtype) else {
        return if size_is_sane(rtype, end - start) { Ok(()) } else { Err(fault) };
    };
    let rdata = message.get(start..end).ok_or(MessageFault::Short)?;
    let mut at = start + prefix_length(layout.prefix, rdata).ok_or(fault)?;
    for _ in 0..layout.names {
        if at >= end {
            return Err(fault);
        }
        // A name may point before the rdata but must itself end inside of it.
        at = checked.skip_name(message, at)?;
        if at > end {
            return Err(fault);
        }
    }
    match layout.tail {
        Tail::Exact(length) if end - at == length as usize => Ok(()),
        Tail::Exact(_) => Err(fault),
        Tail::Any => Ok(()),
    }
}

/// Appends the rdata at `start..end` of a checked message with its names decompressed.
pub(crate) fn decompress(
    message: &[u8],
    rtype: Rtype,
    start: usize,
    end: usize,
    out: &mut Vec<u8>,
) -> Result<(), MessageFault> {
    let rdata = message.get(start..end).ok_or(MessageFault::Short)?;
    let Some(layout) = layout(rtype) else {
        out.extend_from_slice(rdata);
        return Ok(());
    };
    let fault = MessageFault::BadRdata(rtype);
    let base = out.len();
    let prefix = prefix_length(layout.prefix, rdata).ok_or(fault)?;
    out.extend_from_slice(&rdata[..prefix]);
    let mut at = start + prefix;
    for _ in 0..layout.names {
        at = copy_name(message, at, |run| out.extend_from_slice(run)).map_err(|_| fault)?;
    }
    out.extend_from_slice(message.get(at..end).ok_or(fault)?);
    if out.len() - base > MESSAGE_BYTES_MAX {
        out.truncate(base);
        return Err(fault);
    }
    Ok(())
}

/// Folds the names inside an uncompressed rdata to lower case where canonical form asks for it
/// (RFC 4034 §6.2 item 3).
pub fn canonicalize(rtype: Rtype, rdata: &mut [u8]) {
    let Some(layout) = layout(rtype).filter(|l| l.lowercase) else { return };
    let Some(mut at) = prefix_length(layout.prefix, rdata) else { return };
    for _ in 0..layout.names {
        let Ok(end) = skip_name(rdata, at) else { return };
        // Length bytes are below 64 and so never letters.
        rdata[at..end].make_ascii_lowercase();
        at = end;
    }
}

/// The names inside an uncompressed rdata, as offsets `start..end`, at most two.
pub fn name_ranges(rtype: Rtype, rdata: &[u8]) -> smallvec::SmallVec<[(usize, usize); 2]> {
    let mut ranges = smallvec::SmallVec::new();
    let Some(layout) = layout(rtype) else { return ranges };
    let Some(mut at) = prefix_length(layout.prefix, rdata) else { return ranges };
    for _ in 0..layout.names {
        let Ok(end) = skip_name(rdata, at) else { return ranges };
        ranges.push((at, end));
        at = end;
    }
    ranges
}
