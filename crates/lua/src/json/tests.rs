//! JSON there and back, and what is no JSON.

use super::{from_json, to_json};
use crate::data::Data;

#[track_caller]
fn check_round_trip(text: &str) {
    let data = from_json(text.as_bytes()).expect("valid JSON");
    assert_eq!(String::from_utf8(to_json(&data)).unwrap(), text);
}

#[test]
fn canonical_text_survives() {
    check_round_trip("null");
    check_round_trip("true");
    check_round_trip("-1.5");
    check_round_trip("9007199254740992");
    check_round_trip(r#""a \"quoted\" \\ line\nwith é and \u0001""#);
    check_round_trip(r#"{"a":[1,2,{}],"b":{"c":false}}"#);
    check_round_trip("[]");
}

#[test]
fn escapes_and_spaces_are_read() {
    let data = from_json(b" { \"k\\u00e9\" : [ 1e3 , \"\\ud83d\\ude00\\/\" ] } ").unwrap();
    let Some(Data::List(items)) = data.get("ké") else { panic!("{data:?}") };
    assert_eq!(items[0], Data::Number(1000.0));
    assert_eq!(items[1].as_text(), Some("😀/"));
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":1,}",
        "nul",
        "01",
        "1.",
        ".5",
        "+1",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\ud800\"",
        "[1] 2",
        "\"a\nb\"",
        "--1",
        "1e",
    ] {
        assert_eq!(from_json(text.as_bytes()), None, "{text}");
    }
    assert_eq!(from_json("[".repeat(100_000).as_bytes()), None);
}

#[test]
fn numbers_outside_json_are_null() {
    assert_eq!(to_json(&Data::Number(f64::NAN)), b"null");
    assert_eq!(to_json(&Data::Number(f64::INFINITY)), b"null");
}
