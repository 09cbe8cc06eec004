//! Rdata text: the types that `domain` has text for read and print the same.

use dns::rdata::text::{fmt_rdata, parse_rdata_text};
use dns::{Class, Name, Rtype};
use domain::base::iana;
use domain::base::rdata::{ComposeRecordData, ParseAnyRecordData};
use domain::base::scan::IterScanner;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::base::{Name as DomainName, ParsedName};
use domain::rdata::{AllRecordData, ZoneRecordData};
use proptest::prelude::*;

/// A line of the rdata vectors.
pub(crate) struct Vector {
    pub(crate) rtype: Rtype,
    pub(crate) text: &'static str,
    pub(crate) wire: Vec<u8>,
}

/// The vectors of text that is right; see the top of their file.
pub(crate) fn good_vectors() -> impl Iterator<Item = Vector> {
    let lines = include_str!("../../src/rdata/text/tests/vectors.txt").lines();
    lines.filter(|line| !line.starts_with('#')).filter_map(|line| {
        let [rtype, text, wire, _] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        if wire == "!" {
            return None;
        }
        let digit = |i: usize| u8::from_str_radix(&wire[2 * i..2 * i + 2], 16).unwrap();
        let wire = (0..wire.len() / 2).map(digit).collect();
        Some(Vector { rtype: rtype.parse().unwrap(), text, wire })
    })
}

type DomainRdata = ZoneRecordData<Vec<u8>, DomainName<Vec<u8>>>;

/// What `domain` makes of the text; `None` if it does not read it.
fn domain_reads(rtype: Rtype, text: &str) -> Option<Vec<u8>> {
    let mut tokens = Vec::new();
    dns::rdata::text::tokenize(text.as_bytes(), &mut tokens).unwrap();
    let tokens = tokens.iter().map(|token| std::str::from_utf8(token.text).unwrap());
    let mut scanner = IterScanner::<_, Vec<u8>>::new(tokens);
    let data = DomainRdata::scan(iana::Rtype::from_int(rtype.0), &mut scanner).ok()?;
    if !scanner.is_exhausted() {
        return None;
    }
    let mut wire = Vec::new();
    data.compose_rdata(&mut wire).unwrap();
    Some(wire)
}

/// How `domain` writes rdata that it accepts from the wire.
fn domain_writes(rtype: Rtype, wire: &[u8]) -> Option<String> {
    let mut parser = domain::dep::octseq::Parser::from_ref(wire);
    let rtype = iana::Rtype::from_int(rtype.0);
    let data =
        AllRecordData::<&[u8], ParsedName<&[u8]>>::parse_any_rdata(rtype, &mut parser).ok()?;
    if parser.remaining() > 0 {
        return None;
    }
    Some(data.display_zonefile(DisplayKind::Simple).to_string())
}

fn ours(rtype: Rtype, wire: &[u8]) -> String {
    let mut out = String::new();
    fmt_rdata(rtype, wire, &mut out).unwrap();
    out
}

fn we_read(rtype: Rtype, text: &str) -> Option<Vec<u8>> {
    parse_rdata_text(rtype, Class::IN, text.as_bytes(), &Name::root()).ok()
}

/// Where `domain` writes another form than the RFC: `nodefaultalpn`, no dot for no gateway, and
/// characters in names that have a meaning in zone files.
fn domain_differs(rtype: Rtype, wire: &[u8]) -> bool {
    let has_special_characters = wire.iter().any(|byte| b"();\"@$".contains(byte));
    matches!(rtype, Rtype::SVCB | Rtype::HTTPS | Rtype::IPSECKEY)
        || dns::rdata::layout(rtype).is_some() && has_special_characters
}

#[test]
fn vectors_are_read_alike() {
    let mut types = Vec::new();
    for Vector { rtype, text, wire } in good_vectors() {
        if let Some(theirs) = domain_reads(rtype, text) {
            assert_eq!(theirs, wire, "{rtype} {text}");
            types.push(rtype);
        }
        assert_eq!(domain_reads(rtype, &ours(rtype, &wire)).unwrap_or_else(|| wire.clone()), wire);
    }
    types.sort_unstable();
    types.dedup();
    assert!(types.len() >= 25, "{types:?}");
}

#[test]
fn what_domain_writes_is_read() {
    let mut types = Vec::new();
    for Vector { rtype, wire, .. } in good_vectors().filter(|v| !domain_differs(v.rtype, &v.wire)) {
        if let Some(text) = domain_writes(rtype, &wire) {
            assert_eq!(we_read(rtype, &text), Some(wire), "{rtype} {text}");
            types.push(rtype);
        }
    }
    types.sort_unstable();
    types.dedup();
    assert!(types.len() >= 25, "{types:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn changed_vectors_are_read_alike(
        at in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let vectors: Vec<Vector> = good_vectors().collect();
        let Vector { rtype, wire, .. } = &vectors[at.index(vectors.len())];
        let mut wire = wire.clone();
        if !wire.is_empty() {
            let byte = byte.index(wire.len());
            wire[byte] = value;
        }
        let text = ours(*rtype, &wire);
        if let Some(theirs) = domain_reads(*rtype, &text) {
            prop_assert_eq!(&theirs, &wire, "{} {}", rtype, text);
        }
        let theirs = domain_writes(*rtype, &wire).filter(|_| !domain_differs(*rtype, &wire));
        // It calls NSAP-PTR something else.
        let theirs = theirs.filter(|text| !text.contains("NSAPPTR"));
        if let Some(text) = theirs.filter(|_| dns::rdata::text::is_well_formed(*rtype, &wire)) {
            prop_assert_eq!(we_read(*rtype, &text), Some(wire), "{} {}", rtype, text);
        }
    }
}
