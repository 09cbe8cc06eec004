//! The queue towards a peer: order, bounds, and who is given up when.

use super::*;

const START: Duration = Duration::from_secs(1000);

fn seconds(seconds: u64) -> Duration {
    START + Duration::from_secs(seconds)
}

#[test]
fn octets_leave_in_order_whatever_the_peer_takes_at_once() {
    for step in 1..9 {
        let mut output = Output::default();
        let mut sent = Vec::new();
        for round in 0..50u8 {
            output.queue(START, &[round; 5]).unwrap();
            let take = step.min(output.unsent().len());
            sent.extend_from_slice(&output.unsent()[..take]);
            output.advance(START, take);
        }
        sent.extend_from_slice(output.unsent());
        let expected: Vec<u8> =
            (0..50u8).flat_map(|round| [vec![0, 5], vec![round; 5]].concat()).collect();
        assert_eq!(sent, expected, "taking {step} at once");
    }
}

#[test]
fn single_octets_do_not_prolong_the_time() {
    let mut output = Output::default();
    output.queue(START, &[1; 1000]).unwrap();
    for second in 1..9 {
        output.advance(seconds(second), 1);
        assert_eq!(output.deadline(), Some(START + OUTPUT_DRAIN_MAX));
    }
}

#[test]
fn a_busy_peer_that_keeps_up_is_never_given_up() {
    let mut output = Output::default();
    output.queue(START, &[1; 100]).unwrap();
    for second in 1..60 {
        output.queue(seconds(second), &[1; 100]).unwrap();
        assert!(output.deadline().unwrap() > seconds(second), "at second {second}");
        output.advance(seconds(second), 102);
    }
    output.advance(seconds(60), 102);
    assert_eq!(output.deadline(), None);
}

#[test]
fn a_full_queue_has_little_time() {
    let mut output = Output::default();
    while !output.is_full() {
        output.queue(START, &[1; 4000]).unwrap();
    }
    assert_eq!(output.deadline(), Some(START + OUTPUT_FULL_MAX));
    output.queue(seconds(1), &[1; 4000]).unwrap();
    assert_eq!(output.deadline(), Some(START + OUTPUT_FULL_MAX));
    output.advance(seconds(1), 40_000);
    assert_eq!(output.deadline(), Some(seconds(1) + OUTPUT_DRAIN_MAX));
}

#[test]
fn memory_is_given_back() {
    let mut output = Output::default();
    output.queue(START, &[1; 65_535]).unwrap();
    output.advance(START, 65_537);
    assert!(output.is_empty());
    assert!(output.held() <= BUFFER_KEPT_BYTES);
}
