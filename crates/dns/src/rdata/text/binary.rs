//! Hexadecimal and base64 (RFC 4648 §4, §8), in as many words as one likes.

use std::fmt::{self, Write};

use super::token::{Cursor, TextFault};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Value of a hexadecimal digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// Writes upper-case digits without gaps.
pub(super) fn fmt_hex(bytes: &[u8], out: &mut impl Write) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02X}"))
}

/// Appends the bytes of digits in pairs. `None` if there is anything else.
pub(super) fn unhex(digits: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    for pair in digits.chunks_exact(2) {
        out.push(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?);
    }
    Some(())
}

/// Reads digits up to the end; words may be cut anywhere.
pub(super) fn parse_hex(
    cursor: &mut Cursor<'_>,
    or_nothing: bool,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    const EXPECTED: &str = "hexadecimal digits in pairs";
    let mut high = None;
    let mut some = or_nothing;
    while let Some(word) = cursor.word_or_end(EXPECTED)? {
        some = true;
        for byte in word {
            let digit = hex_digit(*byte).ok_or_else(|| cursor.fault_last(EXPECTED))?;
            match high.take() {
                None => high = Some(digit),
                Some(high) => out.push(high << 4 | digit),
            }
        }
    }
    if high.is_some() || !some { Err(cursor.fault_here(EXPECTED)) } else { Ok(()) }
}

/// Writes base64 with padding.
pub(super) fn fmt_base64(bytes: &[u8], out: &mut impl Write) -> fmt::Result {
    for group in bytes.chunks(3) {
        let mut padded = [0; 3];
        padded[..group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for i in 0..4 {
            match i <= group.len() {
                true => out.write_char(BASE64[(bits >> (18 - 6 * i)) as usize & 63] as char)?,
                false => out.write_char('=')?,
            }
        }
    }
    Ok(())
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// A decoder that takes base64 in pieces.
#[derive(Default)]
pub(super) struct Base64 {
    bits: u32,
    digits: u8,
    padding: u8,
    /// A digit has been seen.
    begun: bool,
}

impl Base64 {
    /// Takes a piece; `None` if it cannot be.
    pub(super) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        for &byte in text {
            if byte == b'=' {
                self.padding += 1;
                // Two or three digits take what is missing to four. Padding that a whole group does
                // not need is taken too: published resolver scenarios have keys like that.
                let needed = if self.digits == 0 { 2 } else { 4 - self.digits };
                if !self.begun || self.digits == 1 || self.padding > needed {
                    return None;
                }
                continue;
            }
            if self.padding > 0 {
                return None;
            }
            self.bits = self.bits << 6 | u32::from(base64_digit(byte)?);
            self.digits += 1;
            self.begun = true;
            if self.digits == 4 {
                out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                (self.bits, self.digits) = (0, 0);
            }
        }
        Some(())
    }

    /// Ends; `None` if padding is missing or hides bits.
    pub(super) fn finish(self, out: &mut Vec<u8>) -> Option<()> {
        match (self.digits, self.padding) {
            (0, _) => Some(()),
            (2, 2) if self.bits & 0xf == 0 => {
                out.push((self.bits >> 4) as u8);
                Some(())
            }
            (3, 1) if self.bits & 0x3 == 0 => {
                out.extend_from_slice(&((self.bits >> 2) as u16).to_be_bytes());
                Some(())
            }
            _ => None,
        }
    }
}

/// The octets of a base64 text without spaces; `None` if it is none (RFC 4648 §4).
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut decoder = Base64::default();
    decoder.push(text, &mut out)?;
    decoder.finish(&mut out)?;
    Some(out)
}

/// Reads base64 up to the end; words may be cut anywhere.
pub(super) fn parse_base64(
    cursor: &mut Cursor<'_>,
    or_nothing: bool,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    const EXPECTED: &str = "base64 with its padding";
    let mut decoder = Base64::default();
    if cursor.is_done() && !or_nothing {
        return Err(cursor.fault_here(EXPECTED));
    }
    while let Some(word) = cursor.word_or_end(EXPECTED)? {
        decoder.push(word, out).ok_or_else(|| cursor.fault_last(EXPECTED))?;
    }
    decoder.finish(out).ok_or_else(|| cursor.fault_here(EXPECTED))
}
