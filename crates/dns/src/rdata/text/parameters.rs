//! SvcParams of SVCB and HTTPS (RFC 9460 §2 and appendix A, RFC 9461, RFC 9540).

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::binary::{self, Base64};
use super::strings::{fmt_quoted, unescape};
use super::token::{Cursor, TextFault, Token};

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IP4_HINT: u16 = 4;
const ECH: u16 = 5;
const IP6_HINT: u16 = 6;
const DOH_PATH: u16 = 7;
const OHTTP: u16 = 8;

const KEYS: [(u16, &str); 9] = [
    (MANDATORY, "mandatory"),
    (ALPN, "alpn"),
    (NO_DEFAULT_ALPN, "no-default-alpn"),
    (PORT, "port"),
    (IP4_HINT, "ipv4hint"),
    (ECH, "ech"),
    (IP6_HINT, "ipv6hint"),
    (DOH_PATH, "dohpath"),
    (OHTTP, "ohttp"),
];

fn u16_of(bytes: &[u8]) -> u16 {
    bytes.first_chunk().map_or(0, |b| u16::from_be_bytes(*b))
}

/// The first parameter: key, value, and what follows.
fn parameter(rest: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    let (value, tail) = tail.split_at_checked(u16_of(&head[2..]) as usize)?;
    Some((u16_of(head), value, tail))
}

/// Is every key known to be there exactly once and in order, and is each value of its form?
pub(super) fn are_well_formed(rdata: &[u8]) -> bool {
    let mut rest = rdata;
    let mut least = 0u32;
    let mut mandatory: &[u8] = &[];
    // Both the keys and the mandatory keys rise, so one pass over each suffices.
    while !rest.is_empty() {
        let Some((key, value, tail)) = parameter(rest) else { return false };
        if u32::from(key) < least || !is_value(key, value) {
            return false;
        }
        if key == MANDATORY {
            mandatory = value;
        }
        if u16_of(mandatory) == key && !mandatory.is_empty() {
            mandatory = &mandatory[2..];
        }
        least = u32::from(key) + 1;
        rest = tail;
    }
    mandatory.is_empty()
}

fn is_value(key: u16, value: &[u8]) -> bool {
    let whole = |size: usize| !value.is_empty() && value.len().is_multiple_of(size);
    match key {
        MANDATORY => {
            let rises = value.chunks(2).is_sorted_by(|a, b| u16_of(a) < u16_of(b));
            whole(2) && rises && u16_of(value) != MANDATORY
        }
        ALPN => {
            let mut rest = value;
            while let Some((length, tail)) = rest.split_first() {
                match tail.get(*length as usize..) {
                    Some(tail) if *length > 0 => rest = tail,
                    _ => return false,
                }
            }
            !value.is_empty()
        }
        NO_DEFAULT_ALPN | OHTTP => value.is_empty(),
        PORT => value.len() == 2,
        IP4_HINT => whole(4),
        IP6_HINT => whole(16),
        ECH => !value.is_empty(),
        DOH_PATH => std::str::from_utf8(value).is_ok(),
        // RFC 9460 §14.3.2: the last key is reserved as invalid.
        u16::MAX => false,
        _ => true,
    }
}

fn fmt_key(key: u16, out: &mut impl Write) -> fmt::Result {
    match KEYS.iter().find(|(number, _)| *number == key) {
        Some((_, name)) => out.write_str(name),
        None => write!(out, "key{key}"),
    }
}

/// Writes what `each` writes for the chunks of `value`, with commas.
fn fmt_list<W: Write>(
    value: &[u8],
    size: usize,
    out: &mut W,
    each: impl Fn(&[u8], &mut W) -> fmt::Result,
) -> fmt::Result {
    for (i, chunk) in value.chunks_exact(size).enumerate() {
        if i > 0 {
            out.write_char(',')?;
        }
        each(chunk, out)?;
    }
    Ok(())
}

/// Protocol names: commas and backslashes are escaped for the list, then all for the word.
fn fmt_alpn(value: &[u8], out: &mut impl Write) -> fmt::Result {
    let mut rest = value;
    while let Some((id, tail)) =
        rest.split_first().and_then(|(length, tail)| tail.split_at_checked(*length as usize))
    {
        if rest.len() != value.len() {
            out.write_char(',')?;
        }
        for &byte in id {
            match byte {
                b',' => out.write_str("\\\\,")?,
                b'\\' => out.write_str("\\\\\\\\")?,
                b'"' | b'(' | b')' | b';' => write!(out, "\\{}", byte as char)?,
                b'!'..=b'~' => out.write_char(byte as char)?,
                _ => write!(out, "\\{byte:03}")?,
            }
        }
        rest = tail;
    }
    Ok(())
}

pub(super) fn fmt(rdata: &[u8], out: &mut impl Write) -> fmt::Result {
    let mut rest = rdata;
    while let Some((key, value, tail)) = parameter(rest) {
        if rest.len() != rdata.len() {
            out.write_char(' ')?;
        }
        fmt_key(key, out)?;
        if !value.is_empty() {
            out.write_char('=')?;
        }
        match key {
            MANDATORY => fmt_list(value, 2, out, |key, out| fmt_key(u16_of(key), out))?,
            ALPN => fmt_alpn(value, out)?,
            PORT => write!(out, "{}", u16_of(value))?,
            IP4_HINT => fmt_list(value, 4, out, |own, out| {
                let address =
                    own.first_chunk().map_or(Ipv4Addr::UNSPECIFIED, |b: &[u8; 4]| (*b).into());
                write!(out, "{address}")
            })?,
            IP6_HINT => fmt_list(value, 16, out, |own, out| {
                let address =
                    own.first_chunk().map_or(Ipv6Addr::UNSPECIFIED, |b: &[u8; 16]| (*b).into());
                write!(out, "{address}")
            })?,
            ECH => binary::fmt_base64(value, out)?,
            _ if value.is_empty() => {}
            _ => fmt_quoted(value, out)?,
        }
        rest = tail;
    }
    Ok(())
}

fn parse_key(text: &[u8]) -> Option<u16> {
    if let Some((number, _)) = KEYS.iter().find(|(_, name)| name.as_bytes() == text) {
        return Some(*number);
    }
    let digits = text.strip_prefix(b"key")?;
    // RFC 9460 §2.1: no leading zeros.
    if digits.len() > 1 && digits[0] == b'0' {
        return None;
    }
    super::numbers::parse_number(digits).and_then(|value| u16::try_from(value).ok())
}

/// The items of a comma-separated list whose commas and backslashes may be escaped (RFC 9460
/// appendix A.1). Empty items are refused.
fn parse_list(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut items = vec![Vec::new()];
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        let item = items.last_mut()?;
        match byte {
            b',' => items.push(Vec::new()),
            b'\\' => item.push(*bytes.next().filter(|b| matches!(b, b',' | b'\\'))?),
            _ => item.push(byte),
        }
    }
    items.iter().all(|item| !item.is_empty()).then_some(items)
}

/// Turns the unescaped text of a value into its wire form.
fn parse_value(key: u16, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let utf8 = || std::str::from_utf8(text).ok();
    match key {
        MANDATORY => {
            let mut keys = text.split(|b| *b == b',').map(parse_key).collect::<Option<Vec<_>>>()?;
            keys.sort_unstable();
            keys.iter().for_each(|key| out.extend_from_slice(&key.to_be_bytes()));
        }
        ALPN => {
            for id in parse_list(text)? {
                out.push(u8::try_from(id.len()).ok()?);
                out.extend_from_slice(&id);
            }
        }
        PORT => {
            let port = u16::try_from(super::numbers::parse_number(text)?).ok()?;
            out.extend_from_slice(&port.to_be_bytes());
        }
        IP4_HINT => {
            for address in utf8()?.split(',') {
                out.extend_from_slice(&address.parse::<Ipv4Addr>().ok()?.octets());
            }
        }
        IP6_HINT => {
            for address in utf8()?.split(',') {
                out.extend_from_slice(&address.parse::<Ipv6Addr>().ok()?.octets());
            }
        }
        ECH => {
            let mut decoder = Base64::default();
            decoder.push(text, out)?;
            decoder.finish(out)?;
        }
        _ => out.extend_from_slice(text),
    }
    Some(())
}

/// Reads one `key`, `key=value` or `key="value"`.
fn parse_parameter(word: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (key, value) = match word.iter().position(|b| *b == b'=') {
        Some(equals) => (&word[..equals], &word[equals + 1..]),
        None => (word, &[][..]),
    };
    let key = parse_key(key)?;
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let token = Token { text: inner.unwrap_or(value), quoted: inner.is_some(), offset: 0 };
    let mut text = Vec::new();
    unescape(&token, &mut text)?;
    let mut wire = Vec::new();
    // Keys without a value that need one are refused below: no value is of their form.
    if !text.is_empty() {
        parse_value(key, &text, &mut wire)?;
    }
    is_value(key, &wire).then_some((key, wire))
}

/// Reads parameters in any order and writes them in that of the keys.
pub(super) fn parse(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const PARAMETER: &str = "a service parameter such as alpn=h2,h3 with a value of its form";
    let mut parameters = Vec::new();
    while let Some(word) = cursor.word_or_end(PARAMETER)? {
        parameters.push(parse_parameter(word).ok_or_else(|| cursor.fault_last(PARAMETER))?);
    }
    parameters.sort();
    let base = out.len();
    for (key, value) in &parameters {
        let length = u16::try_from(value.len()).map_err(|_| cursor.fault_last(PARAMETER))?;
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(value);
    }
    if !are_well_formed(&out[base..]) {
        return Err(cursor.fault_here("each key once, and all keys that mandatory lists"));
    }
    Ok(())
}
