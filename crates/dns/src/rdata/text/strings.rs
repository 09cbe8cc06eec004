//! Character strings: quotes and escapes (RFC 1035 §5.1).

use std::fmt::{self, Write};

use super::token::{Cursor, TextFault, Token};
use crate::name::escaped_byte;

/// What one is told to write.
const EXPECTED: &str = "a string of at most 255 bytes";

/// Length of the character string at the start, its length byte included.
pub(super) fn extent(rdata: &[u8]) -> Option<usize> {
    let length = 1 + *rdata.first()? as usize;
    (length <= rdata.len()).then_some(length)
}

/// Writes the contents in quotes, escaped as libknot does.
pub(super) fn fmt_quoted(contents: &[u8], out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    for &byte in contents {
        match byte {
            b'"' | b'\\' => write!(out, "\\{}", byte as char)?,
            b' '..=b'~' => out.write_char(byte as char)?,
            _ => write!(out, "\\{byte:03}")?,
        }
    }
    out.write_char('"')
}

/// Writes all character strings that make up `rdata`.
pub(super) fn fmt_list(rdata: &[u8], out: &mut impl Write) -> fmt::Result {
    let mut rest = rdata;
    while let Some((contents, tail)) =
        rest.split_first().and_then(|(length, tail)| tail.split_at_checked(*length as usize))
    {
        if rest.len() != rdata.len() {
            out.write_char(' ')?;
        }
        fmt_quoted(contents, out)?;
        rest = tail;
    }
    Ok(())
}

/// Appends what the token means, escapes resolved. `None` if an escape is wrong or a bare word
/// has a quote inside.
pub(super) fn unescape(token: &Token<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = token.text;
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b'\\' => {
                let (value, used) = escaped_byte(tail).ok()?;
                out.push(value);
                rest = &tail[used..];
            }
            b'"' => return None,
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    Some(())
}

/// Reads one character string.
pub(super) fn parse_one(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    let token = cursor.any(EXPECTED)?;
    let length_at = out.len();
    out.push(0);
    let length = unescape(&token, out).and_then(|()| u8::try_from(out.len() - length_at - 1).ok());
    out[length_at] = length.ok_or_else(|| cursor.fault_last(EXPECTED))?;
    Ok(())
}

/// Reads one or more character strings, up to the end.
pub(super) fn parse_list(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    parse_one(cursor, out)?;
    while !cursor.is_done() {
        parse_one(cursor, out)?;
    }
    Ok(())
}

/// Reads a string that needs no length since it ends the rdata (RFC 7553 §4.4, RFC 8659 §4.1).
pub(super) fn parse_rest(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    let token = cursor.any("a string in quotes")?;
    unescape(&token, out).ok_or_else(|| cursor.fault_last("a string in quotes"))
}

/// Is this a tag of CAA, behind its length byte (RFC 8659 §4.1: letters and digits)?
fn is_tag(tag: &[u8]) -> bool {
    !tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric)
}

pub(super) fn tag_extent(rdata: &[u8]) -> Option<usize> {
    extent(rdata).filter(|length| is_tag(&rdata[1..*length]))
}

pub(super) fn fmt_tag(tag: &[u8], out: &mut impl Write) -> fmt::Result {
    tag.iter().skip(1).try_for_each(|byte| out.write_char(*byte as char))
}

pub(super) fn parse_tag(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const EXPECTED: &str = "a tag of letters and digits such as issue";
    let tag = cursor.word(EXPECTED)?;
    let length = u8::try_from(tag.len()).ok().filter(|_| is_tag(tag));
    out.push(length.ok_or_else(|| cursor.fault_last(EXPECTED))?);
    out.extend_from_slice(tag);
    Ok(())
}
