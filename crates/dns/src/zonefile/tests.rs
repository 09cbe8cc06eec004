//! Zone files: what is read, what is refused and where, and that pieces and whole are the same.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::limits::{GENERATED_RECORDS_MAX, ZONE_INCLUDES_MAX};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn settings() -> Settings {
    Settings { origin: name("example."), class: Class::IN, ttl: Some(3600) }
}

fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Record(record) => record.to_rrset().to_string(),
        Event::Fault(fault) => format!("! {fault}"),
    }
}

/// All events, a line each, of text that comes in pieces of the given sizes (over and over).
fn events_in_pieces(text: &[u8], sizes: &[usize]) -> String {
    let mut out = String::new();
    let mut sink = |event: Event<'_>| {
        out.push_str(&describe(&event));
        out.push('\n');
        ControlFlow::Continue(())
    };
    let mut reader = Reader::new(&settings());
    let mut rest = text;
    for size in sizes.iter().cycle() {
        let (piece, tail) = rest.split_at((*size).min(rest.len()));
        assert!(reader.feed(piece, &mut sink).is_continue());
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    assert!(reader.finish(&mut sink).is_continue());
    out
}

fn events(text: &str) -> String {
    events_in_pieces(text.as_bytes(), &[usize::MAX])
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&events(text));
}

const EVERYTHING: &str = "$TTL 1h30m ; a comment\n\
    @ IN SOA ns.example. admin (\n\
    \t2024010101 ; serial \" ( \\ \n\
    \t1h 15m 1w 1d )\n\
    \t  NS ns\n\
    \t300 IN NS ns2.\n\
    ns IN 60 A 192.0.2.1\n\
    \n\
    ; nothing\n\
    \tA\t192.0.2.2\r\n\
    txt TXT \"a;b\" c\\;d ( \"e\"\n ) f\\\"g\n\
    $ORIGIN sub\n\
    a 1d AAAA 2001:db8::1\n\
    c TYPE65280 \\# 2 0102\n\
    $origin .\n\
    ex\\.ample 0 CNAME @\n\
    b CLASS3 TXT x\n\
    last IN A 192.0.2.3";

#[test]
fn a_zone_with_everything() {
    check(
        EVERYTHING,
        expect![[r#"
            example. 5400 IN SOA ns.example. admin.example. 2024010101 3600 900 604800 86400
            example. 5400 IN NS ns.example.
            example. 300 IN NS ns2.
            ns.example. 60 IN A 192.0.2.1
            ns.example. 5400 IN A 192.0.2.2
            txt.example. 5400 IN TXT "a;b" "c;d" "e" "f\"g"
            a.sub.example. 86400 IN AAAA 2001:db8::1
            c.sub.example. 5400 IN TYPE65280 \# 2 0102
            ex\.ample. 0 IN CNAME .
            b. 5400 CH TXT "x"
            last. 5400 IN A 192.0.2.3
        "#]],
    );
}

#[test]
fn faults_have_a_place_and_the_rest_is_read() {
    check(
        "\tA 192.0.2.1\n\
         a A 192.0.2\n\
         bé TXT \"ü\" \"open\n\
         c MX ( 10\n\
         \tc..d ) ; here\n\
         d A 192.0.2.1 x\n\
         e 4294967295 A 192.0.2.1\n\
         f )\n\
         g ( ( A\n\
         ) 192.0.2.1\n\
         h\n\
         i BOGUS x\n\
         $NONSENSE 1\n\
         $ORIGIN\n\
         $TTL 1h2 3\n\
         $INCLUDE other.zone\n\
         \"j\" A 192.0.2.1\n\
         k IN A\n\
         l A 192.0.2.1\\\n\
         good A 192.0.2.1\n\
         m TXT ( x",
        expect![[r#"
            ! line 1, column 2: expected an owner name at the start of the line, found 'A'
            ! line 2, column 5: expected an IPv4 address such as 192.0.2.1, found '192.0.2'
            ! line 3, column 12: expected a closing '"' on the same line, but the entry ends here
            ! line 5, column 2: expected a domain name (labels of 1 to 63 bytes, 255 in all), found 'c..d'
            ! line 6, column 15: expected the end of the record, found 'x'
            ! line 7, column 3: expected a TTL of at most 2147483647 seconds, such as 3600 or 1h30m, found '4294967295'
            ! line 8, column 3: expected '(' before ')', found ')'
            ! line 9, column 5: expected ')' before another '(', found '('
            ! line 11, column 2: expected a TTL, a class or a record type, but the entry ends here
            ! line 12, column 3: expected a TTL, a class or a record type, found 'BOGUS'
            ! line 13, column 1: expected $ORIGIN, $TTL, $INCLUDE or $GENERATE, found '$NONSENSE'
            ! line 14, column 8: expected a name after $ORIGIN, but the entry ends here
            ! line 15, column 6: expected a TTL of at most 2147483647 seconds, such as 3600 or 1h30m, found '1h2'
            ! line 16, column 10: cannot include 'other.zone': files are not included here
            ! line 17, column 1: expected an owner name at the start of the line, found 'j'
            ! line 18, column 7: expected an IPv4 address such as 192.0.2.1, but the entry ends here
            ! line 19, column 14: expected a character after '\', but the entry ends here
            good.example. 3600 IN A 192.0.2.1
            ! line 21, column 7: expected ')' for this '(', but the entry ends here
        "#]],
    );
}

#[test]
fn a_ttl_comes_from_somewhere_or_is_missed() {
    let ask = |text: &str| {
        let mut out = String::new();
        read(text.as_bytes(), &Settings::default(), &mut |event| {
            out.push_str(&describe(&event));
            out.push('\n');
            ControlFlow::Continue(())
        });
        out
    };
    expect![[r#"
        ! line 1, column 4: expected a TTL before the type, or $TTL earlier, found 'A'
        b. 5 IN A 192.0.2.1
        c. 5 IN A 192.0.2.1
        d. 7 IN A 192.0.2.1
    "#]]
    .assert_eq(&ask("a. A 192.0.2.1\nb. 5 A 192.0.2.1\nc. A 192.0.2.1\n$TTL 7\nd. A 192.0.2.1"));
    expect![[r#"
        a. 300 IN SOA . . 1 2 3 4 300
        a. 300 IN NS .
    "#]]
    .assert_eq(&ask("a. SOA . . 1 2 3 4 300\n NS .\n"));
}

#[test]
fn generate_is_that_of_bind() {
    check(
        "$GENERATE 1-3 host$ A 10.0.0.$ ; comment\n\
         $GENERATE 0-4/2 $ PTR host${1,3,d}.x\n\
         $GENERATE 9-10 h${-8,4,X} 300 IN CNAME c${0,2,o}\n\
         $GENERATE 18-18 ${0,5,n}.ip6 PTR a${0,0,N}.b${0,1,n}.c${0,6,N}\n\
         $GENERATE 1-1 m$ MX \"1$ mail$\"\n\
         $GENERATE 1-1 e\\$f$$ A 1.1.1.$\n\
         $GENERATE 171-171 x${0,8,n} A 1.1.1.1\n\
         $GENERATE 1-1 t TXT \"a $\"\n\
         $GENERATE 2-1 a A 1.1.1.1\n\
         $GENERATE 1-2/0 a A 1.1.1.1\n\
         $GENERATE 255-256 a A 1.1.1.$\n\
         $GENERATE 0-1 a${-1} A 1.1.1.1\n\
         $GENERATE 0-1 a${0,1,q} A 1.1.1.1\n\
         $GENERATE 0-1 a${0 A 1.1.1.1\n\
         $GENERATE 0-1\n",
        expect![[r#"
            host1.example. 3600 IN A 10.0.0.1
            host2.example. 3600 IN A 10.0.0.2
            host3.example. 3600 IN A 10.0.0.3
            0.example. 3600 IN PTR host001.x.example.
            2.example. 3600 IN PTR host003.x.example.
            4.example. 3600 IN PTR host005.x.example.
            h0001.example. 300 IN CNAME c11.example.
            h0002.example. 300 IN CNAME c12.example.
            2.1.0.ip6.example. 300 IN PTR a2.1.b2.1.c2.1.0.
            m1.example. 300 IN MX 11 mail1.example.
            e\$f\$.example. 300 IN A 1.1.1.1
            xb.a.0.0. 300 IN A 1.1.1.1
            t.example. 300 IN TXT "a 1"
            ! line 9, column 11: expected a range such as 1-127 or 0-254/2, found '2-1'
            ! line 10, column 11: expected a range such as 1-127 or 0-254/2, found '1-2/0'
            a.example. 300 IN A 1.1.1.255
            ! line 11, column 1: expected an IPv4 address such as 192.0.2.1, found '1.1.1.256'
            ! line 12, column 1: expected an offset that leaves no number negative, but the entry ends here
            ! line 13, column 15: expected ${offset,width,base} with a base of d, o, x, X, n or N, found 'a${0,1,q}'
            ! line 14, column 15: expected ${offset,width,base} with a base of d, o, x, X, n or N, found 'a${0'
            ! line 15, column 1: expected an owner name at the start of the line, but the entry ends here
        "#]],
    );
}

#[test]
fn generate_is_bounded() {
    let mut records = 0;
    let mut fault = None;
    read(b"$GENERATE 0-2000000000 a A 1.1.1.1\n", &settings(), &mut |event| {
        match event {
            Event::Record(_) => records += 1,
            Event::Fault(first) => fault = Some(first),
        }
        ControlFlow::Continue(())
    });
    assert_eq!(records, GENERATED_RECORDS_MAX);
    assert_eq!((fault.clone().unwrap().line, fault.unwrap().column), (1, 11));
}

#[test]
fn included_files_keep_their_origin_and_owner_to_themselves() {
    let mut asked = Vec::new();
    let mut loader = |file: &str| {
        asked.push(file.to_owned());
        match file {
            "a b" => Ok(b"\tTXT inherited\nx A 192.0.2.1\n$ORIGIN z.\ny A bad".to_vec()),
            _ => Err("no such file".to_owned()),
        }
    };
    let text = "o A 192.0.2.9\n$INCLUDE \"a b\" sub ; comment\n\tTXT again\nrel A 192.0.2.2\n\
        $INCLUDE gone\n";
    let mut out = String::new();
    let mut sink = |event: Event<'_>| {
        out.push_str(&describe(&event));
        out.push('\n');
        ControlFlow::Continue(())
    };
    let mut reader = Reader::with_loader(&settings(), &mut loader);
    assert!(reader.feed(text.as_bytes(), &mut sink).is_continue());
    assert!(reader.finish(&mut sink).is_continue());
    expect![[r#"
        o.example. 3600 IN A 192.0.2.9
        o.example. 3600 IN TXT "inherited"
        x.sub.example. 3600 IN A 192.0.2.1
        ! a b: line 4, column 5: expected an IPv4 address such as 192.0.2.1, found 'bad'
        o.example. 3600 IN TXT "again"
        rel.example. 3600 IN A 192.0.2.2
        ! line 5, column 10: cannot include 'gone': no such file
    "#]]
    .assert_eq(&out);
    assert_eq!(asked, ["a b", "gone"]);
}

#[test]
fn inclusion_is_bounded_in_depth_and_number() {
    let mut loads = 0;
    let mut loader = |_: &str| {
        loads += 1;
        Ok(b"$INCLUDE self\n$INCLUDE self\n$INCLUDE self\n".to_vec())
    };
    let mut faults = 0;
    let mut sink = |event: Event<'_>| {
        assert!(matches!(event, Event::Fault(Fault { kind: FaultKind::Include { .. }, .. })));
        faults += 1;
        ControlFlow::Continue(())
    };
    let mut reader = Reader::with_loader(&settings(), &mut loader);
    assert!(reader.feed(b"$INCLUDE self\n", &mut sink).is_continue());
    assert!(reader.finish(&mut sink).is_continue());
    assert_eq!(loads, ZONE_INCLUDES_MAX);
    assert!(faults > 1);
}

#[test]
fn what_never_ends_is_given_up_without_being_kept() {
    let mut text = b"a TXT (\n".to_vec();
    for _ in 0..100_000 {
        text.extend_from_slice(b"\"some text\"\n");
    }
    text.extend_from_slice(b"b A 192.0.2.1\n");
    let mut reader = Reader::new(&settings());
    let mut seen = Vec::new();
    for piece in text.chunks(4096) {
        let flow = reader.feed(piece, &mut |event| {
            seen.push(describe(&event));
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
        assert!(reader.held.len() <= ZONE_ENTRY_BYTES_MAX);
    }
    assert_eq!(
        seen.first().unwrap(),
        "! line 1, column 1: expected an entry of bounded length; is a ')' missing?, but the entry ends here"
    );
    assert_eq!(seen.last().unwrap(), "b.example. 3600 IN A 192.0.2.1");
    // A comment without end is not kept at all.
    let mut reader = Reader::new(&settings());
    assert!(reader.feed(b"a A 192.0.2.1 ;", &mut |_| ControlFlow::Continue(())).is_continue());
    for _ in 0..1000 {
        assert!(reader.feed(&[b'x'; 4096], &mut |_| ControlFlow::Continue(())).is_continue());
    }
    assert!(reader.held.len() < 20);
}

#[test]
fn a_sink_can_end_the_reading() {
    let mut seen = 0;
    read(b"a A 1.1.1.1\n$GENERATE 1-9 b$ A 1.1.1.1\nc A 1.1.1.1\n", &settings(), &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(seen, 3);
}

#[test]
fn sets_are_gathered() {
    let text = b"a 60 A 1.1.1.1\na 30 A 1.1.1.2\nb NS x\nA A 1.1.1.1\n\
        a RRSIG A 8 2 60 20300101000000 20200101000000 1 example. AQID\n\
        a RRSIG NS 8 2 60 20300101000000 20200101000000 1 example. AQID\n\
        a RRSIG A 13 2 60 20300101000000 20200101000000 1 example. AQID\n";
    let sets = rrsets(text, &settings()).unwrap();
    let lines: Vec<(String, u32, usize)> = sets
        .iter()
        .map(|set| (format!("{} {}", set.owner, set.rtype), set.ttl, set.rdatas.len()))
        .collect();
    let expected = [
        ("a.example. A", 30, 2),
        ("b.example. NS", 30, 1),
        ("a.example. RRSIG", 30, 2),
        ("a.example. RRSIG", 30, 1),
    ];
    assert!(lines.iter().map(|l| (l.0.as_str(), l.1, l.2)).eq(expected));
    assert_eq!(rrsets(b"a A 1.1.1.1\nb A x\n", &settings()).unwrap_err().line, 2);
}

#[test]
fn one_record_by_itself() {
    let one = |text: &str| record(text.as_bytes(), &settings()).map(|set| set.to_string());
    assert_eq!(one("  www IN A 192.0.2.1 ; x\n").unwrap(), "www.example. 3600 IN A 192.0.2.1");
    // A trust anchor as key tools write it.
    let key = one(". 172800 IN DNSKEY 257 3 RSASHA256 (\n\tAwEAAag=\n\t) ; key id = 20326\n");
    assert_eq!(key.unwrap(), ". 172800 IN DNSKEY 257 3 8 AwEAAag=");
    for text in ["", "; nothing", "a A 1.1.1.1\nb A 1.1.1.1", "a A", "$TTL 3"] {
        assert!(one(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn pieces_and_whole_are_the_same(
        text in prop_oneof![
            "([a-c] |\t|TXT |A |NS |1\\.1\\.1\\.1|\\(|\\)|;|\"|\\\\|\n|x|\\$TTL 5|=|\r){0,60}",
            Just(EVERYTHING.to_owned()),
        ],
        sizes in prop::collection::vec(1usize..20, 1..8),
    ) {
        prop_assert_eq!(events_in_pieces(text.as_bytes(), &sizes), events(&text));
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = events_in_pieces(&text, &[7, 64]);
    }

    #[test]
    fn what_is_written_is_read(
        rtype in prop::sample::select(Rtype::ALL.to_vec()),
        rdata in prop::collection::vec(any::<u8>(), 0..40),
        label in prop::collection::vec(any::<u8>(), 1..63),
        ttl in 0u32..1 << 31,
    ) {
        prop_assume!(crate::rdata::text::is_well_formed(rtype, &rdata));
        let mut set = Rrset::new(name("x.").prepend(&label).unwrap(), rtype, Class::IN, ttl);
        set.rdatas.push(&rdata);
        let again = record(set.to_string().as_bytes(), &settings());
        prop_assert_eq!(again, Ok(set));
    }
}
