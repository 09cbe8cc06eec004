//! Rdata text: known vectors both ways, exactness on arbitrary bytes, and agreement with `domain`.

use proptest::prelude::*;

use super::*;

/// Cases with their file's own explanation on top.
const VECTORS: &str = include_str!("tests/vectors.txt");

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn parse(rtype: Rtype, text: &str) -> Result<Vec<u8>, TextFault> {
    parse_rdata_text(rtype, Class::IN, text.as_bytes(), &Name::root())
}

fn text(rtype: Rtype, rdata: &[u8]) -> String {
    let mut out = String::new();
    fmt_rdata(rtype, rdata, &mut out).unwrap();
    out
}

/// Type, text, wire form and text again of the vectors that are right.
fn good_vectors() -> impl Iterator<Item = (Rtype, &'static str, Vec<u8>, &'static str)> {
    VECTORS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let [rtype, text, wire, again] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        (wire != "!").then(|| (rtype.parse().unwrap(), text, unhex(wire), again))
    })
}

#[test]
fn vectors_read_and_write() {
    let mut count = 0;
    for (rtype, from, wire, again) in good_vectors() {
        assert_eq!(parse(rtype, from), Ok(wire.clone()), "{rtype} {from}");
        assert_eq!(text(rtype, &wire), again, "{rtype} {from}");
        assert_eq!(parse(rtype, again), Ok(wire), "{rtype} {again}");
        count += 1;
    }
    assert!(count > 100);
}

#[test]
fn wrong_text_says_what_would_be_right() {
    let mut count = 0;
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let [rtype, from, mark, expected] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        if mark == "!" {
            let fault = parse(rtype.parse().unwrap(), from).expect_err(line);
            assert_eq!(fault.expected, expected, "{line}");
            count += 1;
        }
    }
    assert!(count > 20);
    let fault = parse(Rtype::MX, "10 a..b").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "expected a domain name (labels of 1 to 63 bytes, 255 in all), found 'a..b'"
    );
    let fault = parse(Rtype::MX, "10").unwrap_err();
    assert!(fault.to_string().ends_with("but the entry ends here"));
    let long = parse(Rtype::A, &"x".repeat(5000)).unwrap_err().to_string();
    assert!(long.len() < 120, "{long}");
}

#[test]
fn every_type_with_a_text_form_has_a_vector() {
    let with_form = Rtype::ALL.iter().filter(|rtype| table::fields(**rtype).is_some());
    for rtype in with_form {
        // Types of one and the same form need one vector together.
        let same = [
            (Rtype::MD, Rtype::NS),
            (Rtype::MF, Rtype::NS),
            (Rtype::MB, Rtype::NS),
            (Rtype::MG, Rtype::NS),
            (Rtype::MR, Rtype::NS),
            (Rtype::NSAP_PTR, Rtype::NS),
            (Rtype::CLA, Rtype::TXT),
        ];
        let by = same.iter().find(|(rare, _)| rare == rtype).map_or(*rtype, |(_, common)| *common);
        assert!(good_vectors().any(|(seen, ..)| seen == by), "{rtype}");
    }
}

#[test]
fn generic_form_is_for_what_has_no_other() {
    assert_eq!(text(Rtype(65280), &[1, 0xab]), "\\# 2 01AB");
    assert_eq!(text(Rtype::NULL, &[]), "\\# 0");
    assert_eq!(text(Rtype::A, &[1, 2, 3]), "\\# 3 010203");
    assert_eq!(parse(Rtype::A, "\\# 4 C0 000201"), Ok(vec![192, 0, 2, 1]));
    // An escaped name that looks like the mark in quotes or longer is none.
    assert_eq!(parse(Rtype::NS, "\\#x."), Ok(b"\x02#x\x00".to_vec()));
    let chaos =
        |rtype, text: &str| parse_rdata_text(rtype, Class::CH, text.as_bytes(), &Name::root());
    assert_eq!(chaos(Rtype::TXT, "hi"), Ok(b"\x02hi".to_vec()));
    assert!(chaos(Rtype::A, "192.0.2.1").is_err());
    assert!(chaos(Rtype::A, "\\# 4 C0000201").is_ok());
}

#[test]
fn names_end_in_the_origin() {
    let origin = "example".parse().unwrap();
    let parsed = parse_rdata_text(Rtype::MX, Class::IN, b"10 mail", &origin);
    assert_eq!(parsed, Ok(b"\x00\x0a\x04mail\x07example\x00".to_vec()));
    let parsed = parse_rdata_text(Rtype::NS, Class::IN, b"@", &origin);
    assert_eq!(parsed, Ok(b"\x07example\x00".to_vec()));
}

#[test]
fn periods_have_units() {
    for (text, seconds) in
        [("0", 0), ("1h30m", 5400), ("1W2D3H4M5S", 788_645), ("4294967295", u32::MAX)]
    {
        assert_eq!(parse_period(text.as_bytes()), Some(seconds), "{text}");
    }
    for text in ["", "h", "1h30", "1x", "-1", "4294967296", "9999999999999999999w", "1 h"] {
        assert_eq!(parse_period(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn times_are_those_of_the_gregorian_calendar() {
    // The system calendar as witness: seconds of the first of each month from 1970 to 2106.
    let mut days = 0u64;
    for year in 1970u64..2106 {
        for month in 1u64..=12 {
            let wire = ((days * 86_400 + 86_399) as u32).to_be_bytes();
            let mut out = String::new();
            numbers::fmt_time(&wire, &mut out).unwrap();
            assert_eq!(out, format!("{year:04}{month:02}01235959"));
            days += match month {
                2 if year % 4 == 0 && year != 2100 => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
        }
    }
}

/// Rdata near well-formed: a vector with a few bytes changed, cut off or added.
fn near_vectors() -> impl Strategy<Value = (Rtype, Vec<u8>)> {
    let vectors: Vec<(Rtype, Vec<u8>)> = good_vectors().map(|v| (v.0, v.2)).collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop::sample::select(vectors), edits, any::<prop::sample::Index>(), 0..8u8).prop_map(
        |((rtype, mut rdata), edits, at, how)| {
            for (at, value) in edits {
                if !rdata.is_empty() {
                    let at = at.index(rdata.len());
                    rdata[at] = value;
                }
            }
            match how {
                0 => rdata.truncate(at.index(rdata.len() + 1)),
                1 => rdata.insert(at.index(rdata.len() + 1), how),
                _ => {}
            }
            (rtype, rdata)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_reads_back_exactly((rtype, rdata) in near_vectors()) {
        let written = text(rtype, &rdata);
        let read = parse(rtype, &written);
        match is_well_formed(rtype, &rdata) {
            true => prop_assert_eq!(read, Ok(rdata), "{} {}", rtype, written),
            // Malformed rdata is shown in the generic form but not taken back.
            false => prop_assert!(written.starts_with("\\#") && read.is_err()),
        }
    }

    #[test]
    fn arbitrary_bytes_of_arbitrary_types_read_back_exactly(
        rtype in prop::sample::select(Rtype::ALL.to_vec()),
        rdata in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..60),
    ) {
        let written = text(rtype, &rdata);
        let read = parse(rtype, &written);
        let expected = is_well_formed(rtype, &rdata).then_some(rdata);
        prop_assert_eq!(read.ok(), expected, "{} {}", rtype, written);
    }

    #[test]
    fn arbitrary_text_never_panics_and_what_it_makes_is_well_formed(
        rtype in prop::sample::select(Rtype::ALL.to_vec()),
        text in "[-0-9a-zA-Z.,:/!=+\"\\\\ ();$@#\n\t]{0,60}",
    ) {
        if let Ok(rdata) = parse(rtype, &text) {
            prop_assert!(is_well_formed(rtype, &rdata), "{} {}", rtype, text);
        }
    }
}
