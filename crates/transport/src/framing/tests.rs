//! Framing: every way of splitting a stream gives the same messages.

use super::*;

/// All messages that `chunks` contain, fed one after the other.
fn collect(chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, FramingFault> {
    let mut deframer = Deframer::new();
    let mut messages = Vec::new();
    for chunk in chunks {
        let mut input = *chunk;
        while let Some(message) = deframer.next_message(&mut input)? {
            messages.push(message.to_vec());
        }
        assert!(input.is_empty());
    }
    Ok(messages)
}

fn stream_of(messages: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        frame(message, &mut bytes).unwrap();
    }
    bytes
}

#[test]
fn every_split_in_two_and_three_gives_the_same_messages() {
    let messages: [&[u8]; 4] = [b"first message", b"x", b"", b"last"];
    let messages = [messages[0], messages[1], messages[3]];
    let stream = stream_of(&messages);
    for one in 0..=stream.len() {
        for two in one..=stream.len() {
            let chunks = [&stream[..one], &stream[one..two], &stream[two..]];
            assert_eq!(collect(&chunks).unwrap(), messages, "split at {one} and {two}");
        }
    }
}

#[test]
fn one_octet_at_a_time() {
    let long = vec![7; 65_535];
    let stream = stream_of(&[b"abc", &long, b"d"]);
    let chunks: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(collect(&chunks).unwrap(), [b"abc".to_vec(), long, b"d".to_vec()]);
}

#[test]
fn length_zero_is_a_fault_wherever_it_comes() {
    assert_eq!(collect(&[&[0, 0]]), Err(FramingFault::LengthZero));
    assert_eq!(collect(&[&[0], &[0]]), Err(FramingFault::LengthZero));
    assert_eq!(collect(&[&[0, 1, 9, 0, 0]]), Err(FramingFault::LengthZero));
    assert_eq!(collect(&[&[0, 1], &[9, 0], &[0]]), Err(FramingFault::LengthZero));
}

#[test]
fn kept_octets_come_before_new_ones() {
    let stream = stream_of(&[b"one", b"two", b"three", b"four"]);
    for kept in 0..stream.len() {
        let mut deframer = Deframer::new();
        deframer.keep(&stream[..kept]);
        let mut input = &stream[kept..];
        let mut messages = Vec::new();
        while let Some(message) = deframer.next_message(&mut input).unwrap() {
            messages.push(message.to_vec());
        }
        assert_eq!(messages, [&b"one"[..], b"two", b"three", b"four"], "kept {kept}");
        assert!(!deframer.is_amid_message());
    }
}

#[test]
fn memory_of_a_long_message_is_given_back() {
    let long = vec![7; 65_535];
    let stream = stream_of(&[&long]);
    let mut deframer = Deframer::new();
    let (mut first, mut second) = stream.split_at(1000);
    assert_eq!(deframer.next_message(&mut first).unwrap(), None);
    assert!(deframer.is_amid_message());
    assert!(deframer.held() < 4096, "only what arrived is held: {}", deframer.held());
    assert!(deframer.next_message(&mut second).unwrap().is_some());
    let mut nothing: &[u8] = &[];
    assert_eq!(deframer.next_message(&mut nothing).unwrap(), None);
    assert!(deframer.held() <= BUFFER_KEPT_BYTES);
}

#[test]
fn a_message_too_long_for_its_prefix_is_refused() {
    let mut out = Vec::new();
    assert_eq!(frame(&vec![0; 65_536], &mut out), Err(TooLong));
    assert!(out.is_empty());
}
