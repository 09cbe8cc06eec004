//! Names: text both ways, order, keys, and hostile bytes.

use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[test]
fn text_round_trips() {
    for text in [".", "com.", "a\\.b.example.", "\\000\\255.x.", "_dmarc.Ex-ample.", "\\@\\;.t."] {
        assert_eq!(name(text).to_string(), text);
    }
    assert_eq!(name("example").to_string(), "example.");
}

#[test]
fn bad_text_is_refused() {
    for text in ["", "..", "a..b", ".a", "\\25", "\\256", "a\\"] {
        assert!(text.parse::<Name>().is_err(), "{text}");
    }
    assert_eq!("a".repeat(64).parse::<Name>().err(), Some(NameFault::LongLabel));
    let long = format!("{}.", "a".repeat(63)).repeat(4);
    assert_eq!(long.parse::<Name>().err(), Some(NameFault::LongName));
}

#[test]
fn canonical_order_is_that_of_rfc_4034() {
    let order = [
        "example",
        "a.example",
        "yljkjljk.a.example",
        "Z.a.example",
        "zABC.a.EXAMPLE",
        "z.example",
        "\\001.z.example",
        "*.z.example",
        "\\200.z.example",
    ];
    for pair in order.windows(2) {
        assert!(name(pair[0]) < name(pair[1]), "{pair:?}");
        let (mut a, mut b) = (Vec::new(), Vec::new());
        name(pair[0]).lookup_format(&mut a);
        name(pair[1]).lookup_format(&mut b);
        assert!(a < b, "keys of {pair:?}");
        assert_eq!(Name::from_lookup_format(&a), Some(name(pair[0])));
    }
}

#[test]
fn equality_and_hash_ignore_case() {
    use std::hash::BuildHasher;
    let state = foldhash::fast::FixedState::default();
    assert_eq!(name("WWW.Example"), name("www.eXample"));
    assert_eq!(state.hash_one(name("WWW.Example")), state.hash_one(name("www.eXample")));
    assert!(!name("WWW.Example").eq_exact(&name("www.Example")));
}

#[test]
fn hierarchy() {
    assert!(name("a.b.c").is_below(&name("B.c")));
    assert!(name("b.c").is_at_or_below(&name("b.c")));
    assert!(!name("b.c").is_below(&name("b.c")));
    assert!(!name("ab.c").is_at_or_below(&name("b.c")));
    // The bytes of a label may look like a suffix.
    assert!(!name("x\\001b\\001c").is_at_or_below(&name("b.c")));
    assert_eq!(name("x.b.c").common_labels(&name("y.b.C")), 2);
    assert_eq!(name("a.b.c").suffix(2), name("b.c"));
    assert_eq!(name("a.b.c").parent(), Some(name("b.c")));
    assert_eq!(name(".").parent(), None);
}

#[test]
fn dname_substitution_and_its_limit() {
    let to = name("target.example");
    assert_eq!(
        name("a.b.old.test").substitute(&name("old.test"), &to),
        Ok(Some(name("a.b.target.example")))
    );
    assert_eq!(name("old.test").substitute(&name("old.test"), &to), Ok(None));
    let long = name(&format!("{0}.{0}.{0}.t", "a".repeat(63)));
    let target = name(&"b".repeat(63));
    assert!(long.substitute(&name("t"), &target).is_err());
}

#[test]
fn pointers_go_backwards_only_and_are_bounded() {
    let mut message = vec![0; 12];
    message.extend_from_slice(b"\x01a\x00\x01b\xc0\x0c");
    assert_eq!(Name::parse(&message, 15).unwrap(), (name("b.a"), 19));
    for hostile in [&b"\xc0\x0c"[..], b"\x01a\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\xc1", b"\x80"] {
        let mut message = vec![0; 12];
        message.extend_from_slice(hostile);
        assert!(Name::parse(&message, 12).is_err(), "{hostile:?}");
        assert!(skip_name(&message, 12).is_err());
    }
    // Where a pointer leads, the name must end before the pointer's own run.
    let mut overlapping = vec![0; 12];
    overlapping.extend_from_slice(b"\x03\x01a\xc0\x0c\x00");
    assert_eq!(Name::parse(&overlapping, 15).err(), Some(NameFault::BadPointer));
    // A ladder of pointers, each to the one before, is cut off.
    let mut ladder = vec![0; 13];
    for i in 0..200u16 {
        let target = if i == 0 { 12 } else { 13 + (i - 1) * 2 };
        ladder.extend_from_slice(&(0xc000 | target).to_be_bytes());
    }
    assert_eq!(Name::parse(&ladder, ladder.len() - 2).err(), Some(NameFault::TooManyPointers));
}

proptest::proptest! {
    #[test]
    fn any_bytes_parse_or_fail_the_same_in_all_readers(bytes in proptest::collection::vec(0u8.., 0..400), at in 0usize..400) {
        let parsed = Name::parse(&bytes, at);
        let skipped = skip_name(&bytes, at);
        proptest::prop_assert_eq!(parsed.as_ref().map(|p| p.1), skipped.as_ref().map(|s| *s));
        if let Ok((name, _)) = parsed {
            proptest::prop_assert!(names_equal_in(&bytes, at, name.as_wire()));
            let again = Name::from_wire(name.as_wire());
            proptest::prop_assert_eq!(again.as_ref(), Ok(&name));
            let text = name.to_string();
            proptest::prop_assert!(text.parse::<Name>().unwrap().eq_exact(&name));
            let mut key = Vec::new();
            name.lookup_format(&mut key);
            proptest::prop_assert_eq!(Name::from_lookup_format(&key), Some(name));
        }
    }

    #[test]
    fn any_bytes_make_a_message_or_a_fault(bytes in proptest::collection::vec(0u8.., 0..600)) {
        if let Ok(message) = crate::Message::parse(&bytes) {
            for section in [crate::Section::Answer, crate::Section::Authority, crate::Section::Additional] {
                for record in message.section(section) {
                    let _ = (record.owner(), record.rdata());
                }
            }
        }
    }
}
