//! A client's connection: what keeps it open and what does not.

use super::*;
use crate::framing::frame;

const START: Duration = Duration::from_secs(1000);
const QUERY: [u8; 12] = [0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn seconds(seconds: u64) -> Duration {
    START + Duration::from_secs(seconds)
}

fn open() -> ServerStream {
    ServerStream::new(START, ServerLimits::default())
}

fn framed(messages: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        frame(message, &mut bytes).unwrap();
    }
    bytes
}

/// Hands octets in and counts the queries that come out.
fn receive(stream: &mut ServerStream, now: Duration, mut input: &[u8]) -> usize {
    let mut count = 0;
    while let Some(query) = stream.next_message(now, &mut input).unwrap() {
        assert!(query.len() >= MESSAGE_BYTES_MIN);
        count += 1;
    }
    assert!(input.is_empty());
    count
}

#[test]
fn an_unused_connection_ends() {
    assert_eq!(open().deadline(), Some(seconds(10)));
}

#[test]
fn single_octets_do_not_prolong_a_message() {
    let mut stream = open();
    let bytes = framed(&[&QUERY]);
    for (second, octet) in bytes.iter().take(9).enumerate() {
        assert_eq!(receive(&mut stream, seconds(second as u64), &[*octet]), 0);
        assert_eq!(stream.deadline(), Some(seconds(10)));
    }
}

#[test]
fn a_message_that_drips_is_ended_while_another_is_resolved() {
    let mut stream = open();
    let mut bytes = framed(&[&QUERY, &QUERY]);
    bytes.truncate(20);
    assert_eq!(receive(&mut stream, seconds(3), &bytes), 1);
    assert_eq!(stream.deadline(), Some(seconds(13)));
    assert_eq!(receive(&mut stream, seconds(5), &[0]), 0);
    assert_eq!(stream.deadline(), Some(seconds(13)));
}

#[test]
fn octets_that_are_no_queries_keep_nothing_open() {
    let mut stream = open();
    let bytes = framed(&[&[1], &[2; 11], &[3; 5]]);
    for second in 1..10 {
        assert_eq!(receive(&mut stream, seconds(second), &bytes), 0);
        assert_eq!(stream.deadline(), Some(seconds(10)));
    }
    let bytes = framed(&[&QUERY]);
    assert_eq!(receive(&mut stream, seconds(9), &bytes), 1);
    stream.forget_query();
    assert_eq!(stream.deadline(), Some(seconds(10)), "a query without an answer counts as none");
}

#[test]
fn an_answered_query_starts_the_idle_time_anew() {
    let mut stream = open();
    assert_eq!(receive(&mut stream, seconds(4), &framed(&[&QUERY])), 1);
    assert_eq!(stream.deadline(), None, "the resolver bounds what is under way");
    stream.queue_response(seconds(6), &QUERY).unwrap();
    assert_eq!(stream.output(), framed(&[&QUERY]));
    stream.advance_output(seconds(6), 14);
    assert_eq!(stream.deadline(), Some(seconds(16)));
}

#[test]
fn no_more_queries_are_handed_out_than_may_be_under_way() {
    let limits = ServerLimits { pipeline: 3, ..ServerLimits::default() };
    let mut stream = ServerStream::new(START, limits);
    let bytes = framed(&[&QUERY[..]; 10]);
    assert_eq!(receive(&mut stream, START, &bytes), 3);
    assert!(!stream.wants_messages() && stream.has_kept());
    stream.queue_response(START, &QUERY).unwrap();
    assert_eq!(receive(&mut stream, START, &[]), 1);
    let mut handed_out = 4;
    while handed_out < 10 {
        stream.queue_response(START, &QUERY).unwrap();
        handed_out += receive(&mut stream, START, &[]);
    }
    assert!(!stream.has_kept());
}

#[test]
fn a_client_that_takes_no_answers_is_not_asked_for_more_and_ends() {
    let mut stream = open();
    let answer = [0; 4000];
    let mut answered = 0;
    while receive(&mut stream, START, &framed(&[&QUERY])) == 1 {
        stream.queue_response(START, &answer).unwrap();
        answered += 1;
    }
    assert_eq!(answered, 17);
    assert_eq!(stream.deadline(), Some(seconds(2)));
    assert!(stream.held() < 160 * 1024, "held {}", stream.held());
}

#[test]
fn any_split_of_the_input_hands_out_the_same_queries() {
    let mut long = QUERY.to_vec();
    long.extend([7; 40]);
    let bytes = framed(&[&QUERY, &[1, 2, 3], &long, &QUERY]);
    for split in 0..=bytes.len() {
        let mut stream = open();
        let (first, second) = bytes.split_at(split);
        let mut queries = Vec::new();
        for mut part in [first, second] {
            while let Some(query) = stream.next_message(START, &mut part).unwrap() {
                queries.push(query.to_vec());
            }
        }
        assert_eq!(queries, [QUERY.to_vec(), long.clone(), QUERY.to_vec()], "split at {split}");
        assert!(stream.deadline().is_none());
    }
}

#[test]
fn a_length_of_zero_is_a_fault() {
    let mut input: &[u8] = &[0, 0];
    assert_eq!(open().next_message(START, &mut input), Err(FramingFault::LengthZero));
}
