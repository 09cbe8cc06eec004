//! The grammar, and messages compared with what it reads.

use dns::Message;

use super::*;

const SCENARIO: &str = r#"
; a remark
stub-addr: 192.0.2.1	# the root
query-minimization: off
CONFIG_END

SCENARIO_BEGIN An answer ; and a remark
RANGE_BEGIN 0 100
	ADDRESS 192.0.2.1
	ADDRESS 2001:db8::1
ENTRY_BEGIN
MATCH opcode qtype qname
ADJUST copy_id
REPLY QR AA NOERROR
SECTION QUESTION
www.example. IN A
SECTION ANSWER
www.example. 60 IN A 192.0.2.7
www.example A 192.0.2.8   ; no TTL, no class, no dot
ENTRY_END
RANGE_END
STEP 1 QUERY
ENTRY_BEGIN
REPLY RD DO
SECTION QUESTION
www.example. IN A
ENTRY_END
STEP 2 TIME_PASSES ELAPSE 5
STEP 3 CHECK_ANSWER
ENTRY_BEGIN
MATCH all
REPLY QR RD RA NXDOMAIN
SECTION QUESTION
www.example. IN A
ENTRY_END
SCENARIO_END
"#;

#[test]
fn a_scenario_is_read_as_it_is_written() {
    let scenario = parse(SCENARIO).unwrap();
    assert_eq!(scenario.title, "An answer");
    assert_eq!(scenario.config.query_minimization, Some(false));
    assert_eq!(scenario.ranges[0].addresses.len(), 2);
    let entry = &scenario.ranges[0].entries[0];
    assert_eq!(entry.message.sections[0].len(), 2);
    assert_eq!(entry.message.sections[0][1].ttl, DEFAULT_TTL);
    assert!(matches!(scenario.steps[1].kind, StepKind::TimePasses(5)));
    let StepKind::CheckAnswer(check) = &scenario.steps[2].kind else { panic!() };
    assert_eq!(check.message.rcode, Rcode::NXDOMAIN);
    assert_eq!(check.criteria.as_ref().unwrap().len(), 8);
}

#[test]
fn a_reply_is_fitted_to_its_question() {
    let scenario = parse(SCENARIO).unwrap();
    let StepKind::Query(query) = &scenario.steps[0].kind else { panic!() };
    let wire = query.message.query(4711);
    let query = Message::parse(&wire).unwrap();
    assert!(query.edns().is_some_and(|edns| edns.dnssec_ok));
    let entry = &scenario.ranges[0].entries[0];
    assert_eq!(entry.matches(&query, None), Ok(()));
    let reply = entry.reply(&query).unwrap();
    let reply = Message::parse(&reply).unwrap();
    assert_eq!(reply.header().id, 4711);
    assert_eq!(reply.answer().len(), 2);
    assert!(reply.header().aa() && reply.edns().is_some());
}

#[test]
fn sections_compare_without_order_ttl_and_case() {
    let scenario = parse(SCENARIO).unwrap();
    let mut entry = scenario.ranges[0].entries[0].clone();
    let other = SCENARIO.replace("www.example. 60", "WWW.Example. 90");
    let wire = {
        let mut other = parse(&other).unwrap().ranges[0].entries[0].message.clone();
        other.sections[0].reverse();
        other.query(1)
    };
    let got = Message::parse(&wire).unwrap();
    entry.criteria = Some(vec![Criterion::Answer]);
    assert_eq!(entry.matches(&got, None), Ok(()));
    entry.criteria = Some(vec![Criterion::Answer, Criterion::Ttl]);
    assert!(entry.matches(&got, None).is_err());
    entry.criteria = Some(vec![Criterion::Answer]);
    entry.message.sections[0].pop();
    let difference = entry.matches(&got, None).unwrap_err();
    assert!(difference.to_string().contains("surplus www.example. 3600 IN A 192.0.2.8"));
}

#[test]
fn faults_name_their_line() {
    for (from, to, line, what) in [
        ("MATCH all", "MATCH everything", 31, "everything"),
        ("ELAPSE 5", "ELAPSE", 29, "number"),
        ("192.0.2.7", "192.0.2", 18, "A: expected"),
        ("STEP 3 CHECK_ANSWER", "STEP 3 WAIT", 30, "WAIT"),
        ("SCENARIO_END", "", 36, "ends inside"),
    ] {
        let fault = parse(&SCENARIO.replace(from, to)).unwrap_err();
        assert!(fault.what.contains(what), "{fault}");
        assert!(fault.line.abs_diff(line) <= 2, "{fault}");
    }
}
