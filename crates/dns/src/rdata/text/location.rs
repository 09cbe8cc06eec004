//! LOC: a place on earth (RFC 1876 §2 and §3).

use std::fmt::{self, Write};

use super::token::{Cursor, TextFault};

/// Thousandths of a second of arc in a degree.
const DEGREE: u32 = 3_600_000;
/// The equator and the prime meridian.
const ORIGIN: u32 = 1 << 31;
/// The reference of altitudes lies 100 km below the ellipsoid; centimetres.
const DEPTH: i64 = 10_000_000;
/// Size and precisions if not given: 1 m, 10 km, 10 m.
const DEFAULTS: [u8; 3] = [0x12, 0x16, 0x13];

fn word(rdata: &[u8], at: usize) -> Option<u32> {
    rdata.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// Is a size well formed: digits of 0 to 9, and zero written in one way?
fn is_size(byte: u8) -> bool {
    let (mantissa, exponent) = (byte >> 4, byte & 0xf);
    mantissa <= 9 && exponent <= 9 && (mantissa > 0 || exponent == 0)
}

pub(super) fn is_well_formed(rdata: &[u8]) -> bool {
    let within = |at, degrees: u32| {
        word(rdata, at).is_some_and(|value| value.abs_diff(ORIGIN) <= degrees * DEGREE)
    };
    rdata.len() == 16
        && rdata[0] == 0
        && rdata[1..4].iter().all(|size| is_size(*size))
        && within(4, 90)
        && within(8, 180)
}

pub(super) fn fmt(rdata: &[u8], out: &mut impl Write) -> fmt::Result {
    for (at, directions) in [(4, ['N', 'S']), (8, ['E', 'W'])] {
        let value = word(rdata, at).ok_or(fmt::Error)?;
        let distance = value.abs_diff(ORIGIN);
        let (degrees, rest) = (distance / DEGREE, distance % DEGREE);
        let (minutes, thousandths) = (rest / 60_000, rest % 60_000);
        write!(out, "{degrees} {minutes} {}", thousandths / 1000)?;
        if thousandths % 1000 != 0 {
            write!(out, ".{:03}", thousandths % 1000)?;
        }
        write!(out, " {}  ", directions[usize::from(value < ORIGIN)])?;
    }
    let altitude = i64::from(word(rdata, 12).ok_or(fmt::Error)?) - DEPTH;
    if altitude < 0 {
        out.write_char('-')?;
    }
    fmt_metres(altitude.unsigned_abs(), out)?;
    out.write_str(" ")?;
    for size in &rdata[1..4] {
        out.write_char(' ')?;
        fmt_metres(u64::from(size >> 4) * 10u64.pow(u32::from(size & 0xf)), out)?;
    }
    Ok(())
}

fn fmt_metres(centimetres: u64, out: &mut impl Write) -> fmt::Result {
    match (centimetres / 100, centimetres % 100) {
        (metres, 0) => write!(out, "{metres}m"),
        (metres, rest) => write!(out, "{metres}.{rest:02}m"),
    }
}

/// A decimal with at most `places` places, as an integer of that many places.
fn parse_decimal(text: &[u8], places: usize) -> Option<u64> {
    let (whole, fraction) = match text.iter().position(|b| *b == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &[][..]),
    };
    if fraction.len() > places {
        return None;
    }
    let mut digits = whole.to_vec();
    digits.extend_from_slice(fraction);
    digits.resize(whole.len() + places, b'0');
    super::numbers::parse_number(&digits).filter(|_| !whole.is_empty())
}

/// Degrees, perhaps minutes and seconds, and a direction.
fn parse_angle(
    cursor: &mut Cursor<'_>,
    degrees_max: u64,
    positive: u8,
    negative: u8,
    expected: &'static str,
) -> Result<u32, TextFault> {
    let mut thousandths = cursor.number(degrees_max, expected)? * u64::from(DEGREE);
    for unit in [60_000, 1000, 0] {
        let word = cursor.word(expected)?;
        let direction = match word {
            [letter] => letter.to_ascii_uppercase(),
            _ => 0,
        };
        if direction == positive || direction == negative {
            let distance = u32::try_from(thousandths)
                .ok()
                .filter(|distance| u64::from(*distance) <= degrees_max * u64::from(DEGREE))
                .ok_or_else(|| cursor.fault_last(expected))?;
            return Ok(match direction == positive {
                true => ORIGIN + distance,
                false => ORIGIN - distance,
            });
        }
        let value = match unit {
            60_000 => super::numbers::parse_number(word).filter(|m| *m < 60).map(|m| m * unit),
            1000 => parse_decimal(word, 3).filter(|s| *s < 60_000),
            _ => None,
        };
        thousandths += value.ok_or_else(|| cursor.fault_last(expected))?;
    }
    Err(cursor.fault_last(expected))
}

/// Metres with at most two places and perhaps an `m`, as centimetres.
fn parse_metres(text: &[u8]) -> Option<u64> {
    parse_decimal(text.strip_suffix(b"m").unwrap_or(text), 2)
}

/// A size as one digit and a power of ten (RFC 1876 §2); further digits are cut off.
fn size(centimetres: u64) -> Option<u8> {
    let (mut mantissa, mut exponent) = (centimetres, 0);
    while mantissa > 9 {
        mantissa /= 10;
        exponent += 1;
    }
    (exponent <= 9).then_some((mantissa as u8) << 4 | exponent)
}

pub(super) fn parse(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), TextFault> {
    const LATITUDE: &str = "a latitude such as 52 14 05 N";
    const LONGITUDE: &str = "a longitude such as 0 8 50.5 E";
    const ALTITUDE: &str = "an altitude of -100000m to 42849672.95m";
    const SIZE: &str = "a size of at most 90000000m";
    let latitude = parse_angle(cursor, 90, b'N', b'S', LATITUDE)?;
    let longitude = parse_angle(cursor, 180, b'E', b'W', LONGITUDE)?;
    let word = cursor.word(ALTITUDE)?;
    let altitude = match word.strip_prefix(b"-") {
        Some(depth) => parse_metres(depth).and_then(|c| (DEPTH as u64).checked_sub(c)),
        None => parse_metres(word).and_then(|c| c.checked_add(DEPTH as u64)),
    };
    let altitude = altitude.and_then(|c| u32::try_from(c).ok());
    let altitude = altitude.ok_or_else(|| cursor.fault_last(ALTITUDE))?;
    let mut sizes = DEFAULTS;
    for slot in &mut sizes {
        let Some(word) = cursor.word_or_end(SIZE)? else { break };
        *slot = parse_metres(word).and_then(size).ok_or_else(|| cursor.fault_last(SIZE))?;
    }
    out.push(0);
    out.extend_from_slice(&sizes);
    for value in [latitude, longitude, altitude] {
        out.extend_from_slice(&value.to_be_bytes());
    }
    Ok(())
}
