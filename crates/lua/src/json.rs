//! JSON (RFC 8259) text to [`Data`] and back, for `tojson`, `fromjson` and module configurations.

use std::collections::BTreeMap;

use crate::convert::lua_number;
use crate::data::Data;

/// How deep arrays and objects may be nested.
const DEPTH_MAX: usize = 100;

/// The JSON text of data. Keys are sorted; numbers that JSON cannot say become `null`.
pub(crate) fn to_json(data: &Data) -> Vec<u8> {
    let mut out = Vec::new();
    write(data, &mut out);
    out
}

fn write(data: &Data, out: &mut Vec<u8>) {
    match data {
        Data::Nil => out.extend_from_slice(b"null"),
        Data::Bool(true) => out.extend_from_slice(b"true"),
        Data::Bool(false) => out.extend_from_slice(b"false"),
        Data::Number(number) if number.is_finite() => {
            out.extend_from_slice(number_text(*number).as_bytes());
        }
        Data::Number(_) => out.extend_from_slice(b"null"),
        Data::Text(text) => write_text(text, out),
        Data::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Data::Map(map) => {
            out.push(b'{');
            for (at, (key, item)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(key.as_bytes(), out);
                out.push(b':');
                write(item, out);
            }
            out.push(b'}');
        }
    }
}

/// Whole numbers in full, so that counters keep every digit; others as Lua prints them.
fn number_text(number: f64) -> String {
    // 2^53: above it f64 skips whole numbers.
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        let sign = if number == 0.0 && number.is_sign_negative() { "-" } else { "" };
        format!("{sign}{}", number as i64)
    } else {
        lua_number(number)
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    // Octets that are no UTF-8 (names in wire format, say) become U+FFFD: JSON has only text.
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            control if control < ' ' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Reads JSON text; `None` if it is not exactly one value.
pub(crate) fn from_json(text: &[u8]) -> Option<Data> {
    let mut reader = Reader { text, at: 0 };
    let data = reader.value(DEPTH_MAX)?;
    reader.space();
    (reader.at == text.len()).then_some(data)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, expected: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(expected).then(|| self.at += expected.len())
    }

    fn value(&mut self, depth: usize) -> Option<Data> {
        let depth = depth.checked_sub(1)?;
        self.space();
        match self.text.get(self.at)? {
            b'n' => self.eat(b"null").map(|()| Data::Nil),
            b't' => self.eat(b"true").map(|()| Data::Bool(true)),
            b'f' => self.eat(b"false").map(|()| Data::Bool(false)),
            b'"' => self.string().map(|text| Data::Text(text.into_bytes())),
            b'[' => self.list(depth),
            b'{' => self.map(depth),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Data> {
        self.eat(b"[")?;
        let mut items = Vec::new();
        self.space();
        if self.eat(b"]").is_some() {
            return Some(Data::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.eat(b"]").is_some() {
                return Some(Data::List(items));
            }
            self.eat(b",")?;
        }
    }

    fn map(&mut self, depth: usize) -> Option<Data> {
        self.eat(b"{")?;
        let mut map = BTreeMap::new();
        self.space();
        if self.eat(b"}").is_some() {
            return Some(Data::Map(map));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.eat(b":")?;
            map.insert(key, self.value(depth)?);
            self.space();
            if self.eat(b"}").is_some() {
                return Some(Data::Map(map));
            }
            self.eat(b",")?;
        }
    }

    fn number(&mut self) -> Option<Data> {
        let rest = &self.text[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let text = std::str::from_utf8(&rest[..length]).ok()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let second_is_digit = digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if !digits.starts_with(|c: char| c.is_ascii_digit())
            || digits.ends_with('.')
            || (digits.starts_with('0') && second_is_digit)
        {
            return None;
        }
        self.at += length;
        text.parse().ok().map(Data::Number)
    }

    fn string(&mut self) -> Option<String> {
        self.eat(b"\"")?;
        let mut out = Vec::new();
        loop {
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(out).ok(),
                b'\\' => {
                    let escaped = self.escape()?;
                    out.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..=0x1f => return None,
                _ => out.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4()?;
                if (0xd800..0xdc00).contains(&unit) {
                    self.eat(b"\\u")?;
                    let low = self.hex4()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low)?
                } else {
                    char::from_u32(unit)?
                }
            }
            _ => return None,
        })
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
    }
}

#[cfg(test)]
mod tests;
