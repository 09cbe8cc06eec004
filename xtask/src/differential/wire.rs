//! As much of DNS on the wire as it takes to ask a question and to compare answers: names are written
//! out and in lower case, all else is bytes. Written apart from the program, whose own reader is
//! among what is compared.

/// Names of types, and the types that are asked for.
pub(super) const TYPES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (39, "DNAME"),
    (43, "DS"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (65, "HTTPS"),
    (257, "CAA"),
    (65280, "TYPE65280"),
];

/// Compression pointers followed in one name.
const POINTERS_MAX: usize = 32;
/// Payload of UDP that is announced.
const PAYLOAD: u16 = 1232;

/// The bits of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    pub dnssec_ok: bool,
    pub authentic: bool,
    pub unchecked: bool,
}

impl Bits {
    pub(super) fn text(self) -> String {
        let named = [(self.dnssec_ok, "DO"), (self.authentic, "AD"), (self.unchecked, "CD")];
        let set: Vec<&str> = named.iter().filter(|(is_set, _)| *is_set).map(|(_, n)| *n).collect();
        set.join(" ")
    }
}

/// What somebody was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The RCODE by name, or that there was no answer.
    pub rcode: String,
    pub authentic: bool,
    /// Cut off, to be asked over TCP.
    pub truncated: bool,
    /// Records of the answer section without TTL, sorted.
    pub answer: Vec<String>,
}

impl Said {
    /// No answer, and why.
    pub(super) fn nothing(why: &str) -> Said {
        let (authentic, truncated) = (false, false);
        Said { rcode: why.to_string(), authentic, truncated, answer: Vec::new() }
    }

    /// On one line.
    pub(super) fn text(&self) -> String {
        let ad = if self.authentic { " ad" } else { "" };
        format!("{}{ad} [{}]", self.rcode, self.answer.join("; "))
    }
}

pub(super) fn type_name(rtype: u16) -> String {
    let known = TYPES.iter().find(|(number, _)| *number == rtype);
    known.map_or_else(|| format!("TYPE{rtype}"), |(_, name)| (*name).to_string())
}

/// A query for an absolute name without final dot.
pub(super) fn query(id: u16, name: &str, rtype: u16, bits: Bits) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    let flags = 0x0100 | u16::from(bits.authentic) << 5 | u16::from(bits.unchecked) << 4;
    for number in [flags, 1, 0, 0, 1] {
        out.extend(number.to_be_bytes());
    }
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    for number in [rtype, 1] {
        out.extend(number.to_be_bytes());
    }
    // OPT: root, type 41, payload, extended code and version, flags, no options.
    out.extend([0, 0, 41]);
    out.extend(PAYLOAD.to_be_bytes());
    out.extend([0, 0, u8::from(bits.dnssec_ok) << 7, 0, 0, 0]);
    out
}

/// Reads a response; nothing if it cannot be read or is not one to this id.
pub(super) fn read(id: u16, wire: &[u8]) -> Option<Said> {
    let mut reader = Reader { wire, at: 0 };
    let (got, flags) = (reader.number()?, reader.number()?);
    let counts = [reader.number()?, reader.number()?, reader.number()?, reader.number()?];
    if got != id || flags & 0x8000 == 0 {
        return None;
    }
    for _ in 0..counts[0] {
        reader.name()?;
        reader.take(4)?;
    }
    let mut answer = Vec::new();
    for _ in 0..counts[1] {
        answer.push(reader.record()?);
    }
    answer.sort();
    answer.dedup();
    let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN"];
    let code = usize::from(flags & 0xf);
    let rcode = names.get(code).map_or_else(|| format!("RCODE{code}"), |name| (*name).to_string());
    Some(Said { rcode, authentic: flags & 0x20 != 0, truncated: flags & 0x200 != 0, answer })
}

struct Reader<'w> {
    wire: &'w [u8],
    at: usize,
}

impl<'w> Reader<'w> {
    fn take(&mut self, count: usize) -> Option<&'w [u8]> {
        let taken = self.wire.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A name in lower case, with a final dot.
    fn name(&mut self) -> Option<String> {
        let mut text = String::new();
        let (mut at, mut pointers, mut end) = (self.at, 0, None);
        loop {
            let length = usize::from(*self.wire.get(at)?);
            if length >= 0xc0 {
                pointers += 1;
                let low = usize::from(*self.wire.get(at + 1)?);
                end = end.or(Some(at + 2));
                at = (length & 0x3f) << 8 | low;
                if pointers > POINTERS_MAX {
                    return None;
                }
                continue;
            }
            let label = self.wire.get(at + 1..at + 1 + length)?;
            at += 1 + length;
            if length == 0 {
                break;
            }
            text.push_str(&String::from_utf8_lossy(label).to_lowercase());
            text.push('.');
        }
        self.at = end.unwrap_or(at);
        Some(if text.is_empty() { ".".into() } else { text })
    }

    /// A record without its TTL.
    fn record(&mut self) -> Option<String> {
        let owner = self.name()?;
        let rtype = self.number()?;
        self.take(6)?;
        let length = usize::from(self.number()?);
        let end = self.at + length;
        // Bytes before the names in the rdata, and how many names.
        let (fixed, names) = match rtype {
            2 | 5 | 12 | 39 | 47 => (0, 1),
            6 => (0, 2),
            15 => (2, 1),
            33 => (6, 1),
            46 => (18, 1),
            _ => (0, 0),
        };
        let mut rdata = hexadecimal(self.take(fixed)?);
        for _ in 0..names {
            rdata.push_str(&format!(" {}", self.name()?));
        }
        let rest = hexadecimal(self.take(end.checked_sub(self.at)?)?);
        Some(format!("{owner} {} {rdata} {rest}", type_name(rtype)))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_with_its_names_written_out() {
        let bits = Bits { dnssec_ok: true, authentic: true, unchecked: false };
        let mut wire = query(7, "www.Example", 5, bits);
        wire.truncate(12 + 13 + 4);
        wire[2..8].copy_from_slice(&[0x81, 0xa3, 0, 1, 0, 1]);
        wire[10..12].copy_from_slice(&[0, 0]);
        wire.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'X', 0xc0, 16]);
        let said = read(7, &wire).expect("a response");
        assert_eq!(said.text(), "NXDOMAIN ad [www.example. CNAME  x.example. ]");
        assert_eq!(read(8, &wire), None);
        assert_eq!(read(7, &wire[..20]), None);
    }
}
