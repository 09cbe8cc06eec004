//! A connection to an upstream: which reply goes to which question, and reuse.

use super::*;
use crate::framing::frame;

const START: Duration = Duration::from_secs(1000);

fn query(id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0; 10]);
    message
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        frame(message, &mut bytes).unwrap();
    }
    bytes
}

fn replies(stream: &mut ClientStream<char>, mut input: &[u8]) -> Vec<(char, u16)> {
    let mut replies = Vec::new();
    while let Some((query, reply)) = stream.next_reply(&mut input).unwrap() {
        replies.push((query, message_id(reply).unwrap()));
    }
    replies
}

#[test]
fn replies_find_their_questions_in_any_order_and_split() {
    let bytes = framed(&[query(3), query(9), query(1), query(2)]);
    for split in 0..=bytes.len() {
        let mut stream = ClientStream::new(START);
        for (id, name) in [(1, 'a'), (2, 'b'), (3, 'c')] {
            stream.queue_query(START, name, &query(id)).unwrap();
        }
        let mut got = replies(&mut stream, &bytes[..split]);
        got.extend(replies(&mut stream, &bytes[split..]));
        assert_eq!(got, [('c', 3), ('a', 1), ('b', 2)], "split at {split}");
    }
}

#[test]
fn two_questions_with_one_id_do_not_share_a_connection() {
    let mut stream = ClientStream::new(START);
    stream.queue_query(START, 'a', &query(7)).unwrap();
    assert!(!stream.has_room_for(&query(7)));
    assert!(stream.has_room_for(&query(8)));
    assert!(stream.forget_query(START, 'a'));
    assert!(stream.has_room_for(&query(7)));
}

#[test]
fn a_reply_that_was_not_believed_leaves_the_question_under_way() {
    let mut stream = ClientStream::new(START);
    stream.queue_query(START, 'a', &query(7)).unwrap();
    assert_eq!(replies(&mut stream, &framed(&[query(7), query(7)])), [('a', 7), ('a', 7)]);
    assert!(!stream.is_idle());
}

#[test]
fn the_number_of_questions_is_bounded() {
    let mut stream = ClientStream::new(START);
    for id in 0..UPSTREAM_PIPELINE_MAX as u16 {
        assert!(stream.has_room_for(&query(id)));
        stream.queue_query(START, id, &query(id)).unwrap();
    }
    assert!(!stream.has_room_for(&query(999)));
}

#[test]
fn an_idle_connection_is_kept_a_while() {
    let mut stream = ClientStream::new(START);
    assert_eq!(stream.deadline(), Some(START + UPSTREAM_IDLE_MAX));
    stream.queue_query(START, 'a', &query(7)).unwrap();
    stream.advance_output(START, stream.output().len());
    assert_eq!(stream.deadline(), None);
    let later = START + Duration::from_secs(3);
    assert!(stream.forget_query(later, 'a'));
    assert!(!stream.forget_query(later, 'a'));
    assert_eq!(stream.deadline(), Some(later + UPSTREAM_IDLE_MAX));
}
