//! The root's anchors as IANA publishes them: `root-anchors.xml` (RFC 9718, before that RFC 7958).
//!
//! Of XML only as much is read as that file needs, and anything unexpected is an error: what comes out
//! will be trusted. Where the file came from is for others to make sure of.

use std::collections::BTreeMap;

use crate::time::UnixTime;

/// More digests than any such file has; the root had three keys in its first twenty years.
const DIGESTS_MAX: usize = 32;

/// What is trusted at a moment, and what is not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Published {
    /// DS records of the root as zone file lines.
    pub records: Vec<String>,
    /// The same of those that are not valid yet, or not any more.
    pub skipped: Vec<String>,
}

/// Why a text is no such file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PublishedFault {
    #[error("expected `{0}` once")]
    NotOnce(&'static str),
    #[error("KeyDigest without {0}")]
    Missing(&'static str),
    #[error("unknown attribute or element {0} of KeyDigest")]
    Unknown(String),
    #[error("KeyDigest that does not end")]
    Endless,
    #[error("`{0}` is no time in UTC")]
    Time(String),
    #[error("`{0}` is no number or digest")]
    Value(String),
    #[error("too many of KeyDigest")]
    TooMany,
}

/// Reads the text of the file as of a moment.
pub fn read(xml: &str, now: UnixTime) -> Result<Published, PublishedFault> {
    for part in ["<TrustAnchor ", "<Zone>.</Zone>", "</TrustAnchor>"] {
        if xml.matches(part).count() != 1 {
            return Err(PublishedFault::NotOnce(part));
        }
    }
    let mut published = Published::default();
    for (number, rest) in xml.split("<KeyDigest").skip(1).enumerate() {
        if number >= DIGESTS_MAX {
            return Err(PublishedFault::TooMany);
        }
        let (attributes, rest) = rest.split_once('>').ok_or(PublishedFault::Endless)?;
        let (inside, _) = rest.split_once("</KeyDigest>").ok_or(PublishedFault::Endless)?;
        let (record, is_valid) = digest(attributes, inside, now)?;
        if is_valid { published.records.push(record) } else { published.skipped.push(record) }
    }
    Ok(published)
}

/// One digest as a record, and whether it is valid now.
fn digest(attributes: &str, inside: &str, now: UnixTime) -> Result<(String, bool), PublishedFault> {
    let attributes = attributes_of(attributes)?;
    let from = attributes.get("validFrom").ok_or(PublishedFault::Missing("validFrom"))?;
    let mut is_valid = seconds(from)? <= now.seconds();
    if let Some(until) = attributes.get("validUntil") {
        is_valid &= now.seconds() < seconds(until)?;
    }
    let elements = elements_of(inside)?;
    let element = |name| elements.get(name).copied().ok_or(PublishedFault::Missing(name));
    let value = |text: &str| PublishedFault::Value(text.to_owned());
    let tag: u16 = element("KeyTag")?.parse().map_err(|_| value("KeyTag"))?;
    let algorithm: u8 = element("Algorithm")?.parse().map_err(|_| value("Algorithm"))?;
    let kind: u8 = element("DigestType")?.parse().map_err(|_| value("DigestType"))?;
    let digest = element("Digest")?;
    if digest.is_empty() || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(value(digest));
    }
    Ok((format!(". 0 IN DS {tag} {algorithm} {kind} {digest}"), is_valid))
}

/// The attributes of a start tag, without the quotes.
fn attributes_of(mut text: &str) -> Result<BTreeMap<&str, &str>, PublishedFault> {
    let mut attributes = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let (value, rest) = rest.split_once('"').ok_or(PublishedFault::Endless)?;
        let name = name.trim();
        if !["id", "validFrom", "validUntil"].contains(&name) {
            return Err(PublishedFault::Unknown(name.to_owned()));
        }
        attributes.insert(name, value);
        text = rest;
    }
    Ok(attributes)
}

/// The elements inside, without others in them. The key itself and its flags (RFC 9718 §2.1.2) are
/// known by their digest and not needed.
fn elements_of(mut text: &str) -> Result<BTreeMap<&str, &str>, PublishedFault> {
    const NAMES: [&str; 6] = ["KeyTag", "Algorithm", "DigestType", "Digest", "PublicKey", "Flags"];
    let mut elements = BTreeMap::new();
    while let Some((_, rest)) = text.split_once('<') {
        let (name, rest) = rest.split_once('>').ok_or(PublishedFault::Endless)?;
        if !NAMES.contains(&name) || elements.contains_key(name) {
            return Err(PublishedFault::Unknown(name.to_owned()));
        }
        let (value, rest) = rest.split_once("</").ok_or(PublishedFault::Endless)?;
        let (end, rest) = rest.split_once('>').ok_or(PublishedFault::Endless)?;
        if end != name {
            return Err(PublishedFault::Unknown(end.to_owned()));
        }
        elements.insert(name, value.trim());
        text = rest;
    }
    Ok(elements)
}

/// Seconds since 1970 of `2017-02-02T00:00:00+00:00`, which has to be in UTC; `Z` says so, too.
fn seconds(text: &str) -> Result<u64, PublishedFault> {
    let fault = || PublishedFault::Time(text.to_owned());
    let plain = ["+00:00", "-00:00", "Z"].iter().find_map(|zone| text.strip_suffix(zone));
    let (date, time) = plain.and_then(|plain| plain.split_once('T')).ok_or_else(fault)?;
    let numbers = |text: &str, separator| -> Option<[u64; 3]> {
        let parts: Result<Vec<u64>, _> = text.split(separator).map(str::parse).collect();
        parts.ok()?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-').ok_or_else(fault)?;
    let [hour, minute, second] = numbers(time, ':').ok_or_else(fault)?;
    let is_date =
        (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return Err(fault());
    }
    // Years that begin in March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_1970 = 719_468;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Ok((days - days_before_1970) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<TrustAnchor id="E9724F53" source="http://data.iana.org/root-anchors/root-anchors.xml">
<Zone>.</Zone>
<KeyDigest id="Kjqmt7v" validFrom="2010-07-15T00:00:00+00:00" validUntil="2019-01-11T00:00:00+00:00">
<KeyTag>19036</KeyTag><Algorithm>8</Algorithm><DigestType>2</DigestType>
<Digest>49AAC11D7B6F6446702E54A1607371607A1A41855200FD2CE1CDDE32F24E8FB5</Digest>
</KeyDigest>
<KeyDigest id="Klajeyz" validFrom="2017-02-02T00:00:00+00:00">
<KeyTag>20326</KeyTag>
<Algorithm>8</Algorithm>
<DigestType>2</DigestType>
<Digest>E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D</Digest>
<PublicKey>AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3</PublicKey>
<Flags>257</Flags>
</KeyDigest>
</TrustAnchor>
"#;

    fn at(text: &str) -> UnixTime {
        UnixTime::from_seconds(seconds(text).unwrap())
    }

    #[test]
    fn what_is_valid_now_is_told_from_what_is_not() {
        let published = read(FILE, at("2026-01-01T00:00:00Z")).unwrap();
        let old = "19036 8 2 49AAC11D7B6F6446702E54A1607371607A1A41855200FD2CE1CDDE32F24E8FB5";
        let new = "20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
        assert_eq!(published.records, [format!(". 0 IN DS {new}")]);
        assert_eq!(published.skipped, [format!(". 0 IN DS {old}")]);
        let both = read(FILE, at("2018-01-01T00:00:00Z")).unwrap();
        assert_eq!((both.records.len(), both.skipped.len()), (2, 0));
        assert_eq!(read(FILE, at("2010-07-14T23:59:59Z")).unwrap().records.len(), 0);
        assert!(crate::trust_anchors::file::read_set(&both.records.join("\n")).is_ok());
    }

    #[test]
    fn times_are_those_of_utc() {
        assert_eq!(seconds("1970-01-01T00:00:00+00:00"), Ok(0));
        assert_eq!(seconds("2017-02-02T00:00:00+00:00"), Ok(1_485_993_600));
        assert_eq!(seconds("2024-02-29T23:59:59Z"), Ok(1_709_251_199));
        assert_eq!(seconds("2024-03-01T00:00:00-00:00"), Ok(1_709_251_200));
        for text in ["2017-02-02T00:00:00", "2017-02-02T00:00:00+01:00", "2017-13-02T00:00:00Z"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn anything_unexpected_is_refused() {
        let now = at("2026-01-01T00:00:00Z");
        for (from, to) in [
            ("<Zone>.</Zone>", "<Zone>org.</Zone>"),
            ("</TrustAnchor>", ""),
            ("validFrom", "validSince"),
            ("+00:00\">\n<KeyTag>2", "+02:00\">\n<KeyTag>2"),
            ("<Flags>257</Flags>", "<Other>1</Other>"),
            ("<DigestType>2</DigestType>\n<Digest>E0", "<Digest>E0"),
            ("<KeyTag>20326", "<KeyTag>203260"),
            ("<Digest>E06D", "<Digest>XX"),
            ("</KeyDigest>\n</TrustAnchor>", "</TrustAnchor>"),
        ] {
            let text = FILE.replace(from, to);
            assert_ne!(text, FILE, "{from}");
            assert!(read(&text, now).is_err(), "{to}");
        }
    }
}
