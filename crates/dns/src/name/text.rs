//! Names as text: RFC 1035 §5.1 escapes, RFC 4343 §2.1.

use std::fmt;
use std::str::FromStr;

use smallvec::SmallVec;

use super::{LABEL_BYTES_MAX, Labels, NAME_BYTES_MAX, Name, NameFault};

impl fmt::Display for Name {
    /// Fully qualified, with the final dot, escaped as libknot does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_wire(&self.wire, f)
    }
}

/// Writes an uncompressed name. Letters, digits and `*-/_` stand for themselves, other printable
/// characters have a backslash before them, `#` and all else is `\DDD`.
pub(crate) fn fmt_wire(wire: &[u8], out: &mut impl fmt::Write) -> fmt::Result {
    if wire.first().is_none_or(|length| *length == 0) {
        return out.write_char('.');
    }
    for label in (Labels { rest: wire }) {
        for &byte in label {
            match byte {
                b'*' | b'-' | b'/' | b'_' => out.write_char(byte as char)?,
                _ if byte.is_ascii_alphanumeric() => out.write_char(byte as char)?,
                b'#' => out.write_str("\\035")?,
                b'!'..=b'~' => {
                    out.write_char('\\')?;
                    out.write_char(byte as char)?;
                }
                _ => write!(out, "\\{byte:03}")?,
            }
        }
        out.write_char('.')?;
    }
    Ok(())
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Name {
    type Err = NameFault;

    /// Reads a name; without a final dot it is taken as fully qualified all the same.
    fn from_str(text: &str) -> Result<Name, NameFault> {
        Name::from_text(text.as_bytes(), &Name::root())
    }
}

impl Name {
    /// Reads a name in presentation form. Without a final dot, `origin` is appended; `@` alone is
    /// the origin.
    pub fn from_text(text: &[u8], origin: &Name) -> Result<Name, NameFault> {
        match text {
            b"@" => return Ok(origin.clone()),
            b"." => return Ok(Name::root()),
            b"" => return Err(NameFault::EmptyLabel),
            _ => {}
        }
        let mut wire: SmallVec<[u8; super::INLINE_BYTES]> = SmallVec::new();
        let mut label = SmallVec::<[u8; 64]>::new();
        let mut at = 0;
        let mut absolute = false;
        while at < text.len() {
            let byte = text[at];
            at += 1;
            match byte {
                b'.' => {
                    push_label(&mut wire, &label)?;
                    label.clear();
                    absolute = at == text.len();
                    continue;
                }
                b'\\' => {
                    let (value, used) = escaped_byte(&text[at..])?;
                    at += used;
                    label.push(value);
                }
                _ => label.push(byte),
            }
            if label.len() > LABEL_BYTES_MAX {
                return Err(NameFault::LongLabel);
            }
        }
        if !label.is_empty() {
            push_label(&mut wire, &label)?;
        }
        if absolute {
            wire.push(0);
        } else {
            wire.extend_from_slice(origin.as_wire());
        }
        if wire.len() > NAME_BYTES_MAX {
            return Err(NameFault::LongName);
        }
        Ok(Name { wire })
    }
}

fn push_label(
    wire: &mut SmallVec<[u8; super::INLINE_BYTES]>,
    label: &[u8],
) -> Result<(), NameFault> {
    if label.is_empty() {
        return Err(NameFault::EmptyLabel);
    }
    if wire.len() + label.len() + 1 > NAME_BYTES_MAX {
        return Err(NameFault::LongName);
    }
    wire.push(label.len() as u8);
    wire.extend_from_slice(label);
    Ok(())
}

/// The byte that follows a backslash, and how much text it took: `\DDD` or `\X`.
pub(crate) fn escaped_byte(text: &[u8]) -> Result<(u8, usize), NameFault> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = [a, b, c].iter().fold(0u16, |v, d| v * 10 + u16::from(*d - b'0'));
            u8::try_from(value).map(|v| (v, 3)).map_err(|_| NameFault::BadEscape)
        }
        [b'0'..=b'9', ..] | [] => Err(NameFault::BadEscape),
        [byte, ..] => Ok((*byte, 1)),
    }
}
