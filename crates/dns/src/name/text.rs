//! Names as text: RFC 1035 §5.1 escapes, RFC 4343 §2.1.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use smallvec::SmallVec;

use super::{LABEL_BYTES_MAX, NAME_BYTES_MAX, Name, NameFault};

impl fmt::Display for Name {
    /// Fully qualified, with the final dot. Bytes that are not printable or have a meaning in zone
    /// files are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_char('.');
        }
        for label in self.labels() {
            for &byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        f.write_char('\\')?;
                        f.write_char(byte as char)?;
                    }
                    0x21..=0x7e => f.write_char(byte as char)?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_char('.')?;
        }
        Ok(())
    }
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
                    let (value, used) = escape(&text[at..])?;
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
fn escape(text: &[u8]) -> Result<(u8, usize), NameFault> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = [a, b, c].iter().fold(0u16, |v, d| v * 10 + u16::from(*d - b'0'));
            u8::try_from(value).map(|v| (v, 3)).map_err(|_| NameFault::BadEscape)
        }
        [b'0'..=b'9', ..] | [] => Err(NameFault::BadEscape),
        [byte, ..] => Ok((*byte, 1)),
    }
}
