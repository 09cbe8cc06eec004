//! Requests as clients send them, and others.

use super::*;

/// `www.example.com. A`, the example of RFC 8484 §4.1.1.
const QUERY: &[u8] = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01";
const TEXT: &str = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";

fn get(path: &str) -> Result<Carrier, StatusCode> {
    carrier(&Method::GET, &path.parse().unwrap(), &HeaderMap::new())
}

fn post(path: &str, media_type: &str) -> Result<Carrier, StatusCode> {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, media_type.parse().unwrap());
    carrier(&Method::POST, &path.parse().unwrap(), &headers)
}

#[test]
fn a_message_is_found_among_parameters() {
    for path in ["/dns-query?dns=", "/doh?dns=", "/doh?a=b&&&dns=", "/doh?ndns=x&dns="] {
        let found = get(&format!("{path}{TEXT}&c=d"));
        assert_eq!(found, Ok(Carrier::Address(QUERY.to_vec())), "{path}");
    }
    assert_eq!(get("/doh?dns=-_8"), Ok(Carrier::Address(vec![0xfb, 0xff])));
}

#[test]
fn what_cannot_be_served_has_a_status() {
    assert_eq!(get("/"), Err(StatusCode::NOT_FOUND));
    assert_eq!(get("/doh/x"), Err(StatusCode::NOT_FOUND));
    for parameters in ["", "notdns=AAAA", "dns=A", "dns=AA==", "dns=AA%3D", "dns=A+AA", "?dns=AA"] {
        assert_eq!(get(&format!("/doh?{parameters}")), Err(StatusCode::BAD_REQUEST));
    }
    assert_eq!(post("/doh", "application/json"), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    assert_eq!(post("/other", MEDIA_TYPE), Err(StatusCode::NOT_FOUND));
    assert_eq!(post("/doh?dns=whatever", MEDIA_TYPE), Ok(Carrier::Body));
    assert_eq!(post("/doh", "Application/DNS-message; q=1"), Ok(Carrier::Body));
    let put = carrier(&Method::PUT, &"/doh".parse().unwrap(), &HeaderMap::new());
    assert_eq!(put, Err(StatusCode::NOT_IMPLEMENTED));
}

#[test]
fn only_queries_are_passed_on() {
    assert!(is_query(QUERY));
    assert!(!is_query(&QUERY[..11]) && !is_query(&[0; 1024]) && !is_query(b""));
    let mut reply = QUERY.to_vec();
    reply[2] |= 0x80;
    assert!(!is_query(&reply));
}

#[test]
fn a_dropped_query_is_answered_with_its_question() {
    let answer = failure(QUERY);
    let message = Message::parse(&answer).unwrap();
    assert!(message.header().qr() && message.header().rd());
    assert_eq!(message.rcode(), Rcode::SERVFAIL);
    assert_eq!(message.question_wire(), &QUERY[12..]);
    assert_eq!(max_age(&answer), DOH_SERVFAIL_AGE);
}

#[test]
fn the_shortest_life_counts() {
    let mut answer = QUERY.to_vec();
    (answer[2], answer[7]) = (0x81, 2);
    for ttl in [900_u32, 300] {
        answer.extend(b"\xc0\x0c\0\x01\0\x01");
        answer.extend(ttl.to_be_bytes());
        answer.extend([0, 4, 192, 0, 2, 1]);
    }
    assert_eq!(max_age(&answer), 300);
    assert_eq!(max_age(&QUERY[..5]), 0);
}

#[test]
fn rules_see_the_headers_that_are_named() {
    let request = http::Request::builder()
        .method("GET")
        .uri("https://dns.example/doh?dns=AAAA")
        .header("user-agent", "curl")
        .header("accept", "*/*");
    let (head, ()) = request.body(()).unwrap().into_parts();
    let check = |names: &[&str], expected: &[(&str, &str)]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let shown = shown_headers(&head, &names);
        let shown: Vec<(&str, &[u8])> = shown.iter().map(|(n, v)| (n.as_str(), &v[..])).collect();
        let expected: Vec<(&str, &[u8])> =
            expected.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        assert_eq!(shown, expected);
    };
    check(&[], &[]);
    check(&["user-agent", "cookie"], &[("user-agent", "curl")]);
    check(
        &["user-agent", ":scheme", ":path", ":method", ":authority"],
        &[
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "dns.example"),
            (":path", "/doh?dns=AAAA"),
            ("user-agent", "curl"),
        ],
    );
}
