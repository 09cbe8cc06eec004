//! Numbers, and the words that may stand for them: periods, points in time, types, algorithms.

use std::fmt::{self, Write};

use super::token::{Cursor, TextFault};
use crate::dnssec::{Algorithm, DigestType};
use crate::rtype::Rtype;

/// The words of a number field.
#[derive(Clone, Copy)]
pub(super) struct Names {
    /// What to say is expected.
    pub(super) expected: &'static str,
    /// The number that a word stands for.
    pub(super) from_word: fn(&str) -> Option<u64>,
    /// The word to write instead of a number, where that is the custom.
    pub(super) to_word: fn(u64) -> Option<&'static str>,
}

pub(super) const PLAIN: &Names =
    &Names { expected: "a decimal number in range", from_word: |_| None, to_word: |_| None };

/// Algorithms are read by name or number and written as numbers (RFC 4034 §2.2).
pub(super) const ALGORITHMS: &Names = &Names {
    expected: "a DNSSEC algorithm, as number or mnemonic such as RSASHA256",
    from_word: |word| {
        // The names that BIND gives to 6 and 7 are found in many files.
        let number = match word {
            "NSEC3DSA" => 6,
            "NSEC3RSASHA1" => 7,
            _ => Algorithm::from_mnemonic(word)?.0,
        };
        Some(u64::from(number))
    },
    to_word: |_| None,
};

pub(super) const DIGESTS: &Names = &Names {
    expected: "a DS digest type, as number or mnemonic such as SHA-256",
    from_word: |word| DigestType::from_mnemonic(word).map(|digest| u64::from(digest.0)),
    to_word: |_| None,
};

/// Certificate types (RFC 4398 §2.1).
pub(super) const CERTIFICATE_TYPES: &Names = &Names {
    expected: "a certificate type, as number or mnemonic such as PKIX",
    from_word: |word| {
        const TYPES: [(&str, u64); 10] = [
            ("PKIX", 1),
            ("SPKI", 2),
            ("PGP", 3),
            ("IPKIX", 4),
            ("ISPKI", 5),
            ("IPGP", 6),
            ("ACPKIX", 7),
            ("IACPKIX", 8),
            ("URI", 253),
            ("OID", 254),
        ];
        TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, value)| *value)
    },
    to_word: |_| None,
};

/// Schemes of DSYNC (RFC 9859 §2.2).
pub(super) const SCHEMES: &Names = &Names {
    expected: "a scheme, as number or NOTIFY",
    from_word: |word| word.eq_ignore_ascii_case("NOTIFY").then_some(1),
    to_word: |number| (number == 1).then_some("NOTIFY"),
};

pub(super) fn fmt_number(bytes: &[u8], names: &Names, out: &mut impl Write) -> fmt::Result {
    let value = bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    match (names.to_word)(value) {
        Some(word) => out.write_str(word),
        None => write!(out, "{value}"),
    }
}

pub(super) fn parse_number_field(
    cursor: &mut Cursor<'_>,
    bytes: u8,
    names: &Names,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    let word = cursor.word(names.expected)?;
    let value = parse_number(word).or_else(|| (names.from_word)(std::str::from_utf8(word).ok()?));
    let unused = 8 * (8 - u32::from(bytes));
    let value = value.filter(|value| value.leading_zeros() >= unused);
    let value = value.ok_or_else(|| cursor.fault_last(names.expected))?;
    out.extend_from_slice(&value.to_be_bytes()[8 - bytes as usize..]);
    Ok(())
}

/// A decimal number without sign.
pub(super) fn parse_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Seconds, plain (`3600`) or in units of weeks, days, hours, minutes and seconds (`1h30m`).
/// `None` if the text is something else or more than 32 bits.
pub fn parse_period(text: &[u8]) -> Option<u32> {
    if let Some(plain) = parse_number(text) {
        return u32::try_from(plain).ok();
    }
    let mut rest = text;
    let mut total = 0u64;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, tail) = rest.split_at(digits);
        let (unit, tail) = tail.split_first()?;
        let seconds = match unit.to_ascii_lowercase() {
            b'w' => 7 * 86_400,
            b'd' => 86_400,
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.checked_add(parse_number(number)?.checked_mul(seconds)?)?;
        rest = tail;
    }
    if text.is_empty() { None } else { u32::try_from(total).ok() }
}

pub(super) fn parse_period_field(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    const EXPECTED: &str = "a period in seconds or with units such as 1h30m";
    let seconds = parse_period(cursor.word(EXPECTED)?);
    let seconds = seconds.ok_or_else(|| cursor.fault_last(EXPECTED))?;
    out.extend_from_slice(&seconds.to_be_bytes());
    Ok(())
}

pub(super) fn fmt_type(bytes: &[u8], out: &mut impl Write) -> fmt::Result {
    let number = bytes.first_chunk().map_or(0, |b| u16::from_be_bytes(*b));
    write!(out, "{}", Rtype(number))
}

pub(super) fn parse_type(cursor: &mut Cursor<'_>) -> Result<Rtype, TextFault> {
    const EXPECTED: &str = "a record type such as A or TYPE65280";
    let word = cursor.word(EXPECTED)?;
    let rtype = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
    rtype.ok_or_else(|| cursor.fault_last(EXPECTED))
}

/// Days of the proleptic Gregorian calendar from 1970-01-01 to a date.
fn days_from_date(year: u64, month: u64, day: u64) -> Option<u64> {
    let divides = |years: u64| year.is_multiple_of(years);
    let is_leap = divides(4) && (!divides(100) || divides(400));
    let lengths = [31, 28 + u64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month_index = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || day == 0 || day > *lengths.get(month_index)? {
        return None;
    }
    let before = year - 1;
    // 719,162 days lie between 0001-01-01 and 1970-01-01.
    let years = before * 365 + before / 4 - before / 100 + before / 400 - 719_162;
    Some(years + lengths[..month_index].iter().sum::<u64>() + day - 1)
}

/// A time as `YYYYMMDDHHmmSS` in UTC or as seconds since 1970, both modulo 2³² (RFC 4034 §3.2).
pub(super) fn parse_time(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const EXPECTED: &str = "a time as YYYYMMDDHHmmSS or in seconds since 1970";
    let word = cursor.word(EXPECTED)?;
    let seconds = parse_number(word).and_then(|value| {
        if word.len() != 14 {
            return u32::try_from(value).ok();
        }
        let [second, minute, hour] = [value, value / 100, value / 10_000].map(|v| v % 100);
        let date = value / 1_000_000;
        let days = days_from_date(date / 10_000, date / 100 % 100, date % 100)?;
        let valid = second < 60 && minute < 60 && hour < 24;
        valid.then_some((days * 86_400 + hour * 3600 + minute * 60 + second) as u32)
    });
    let seconds = seconds.ok_or_else(|| cursor.fault_last(EXPECTED))?;
    out.extend_from_slice(&seconds.to_be_bytes());
    Ok(())
}

/// Writes `YYYYMMDDHHmmSS` of the years 1970 to 2106.
pub(super) fn fmt_time(bytes: &[u8], out: &mut impl Write) -> fmt::Result {
    let seconds = bytes.first_chunk().map_or(0, |b| u64::from(u32::from_be_bytes(*b)));
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, so that the leap day ends a year; eras of 400 years (146,097 days).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(out, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}
