//! Order, repetition, rescheduling and the ends of timers.

use super::{IDS_TOGETHER, Over, Timers};

fn due(timers: &mut Timers, now: u64) -> Vec<u64> {
    std::iter::from_fn(|| timers.take_due(now, u64::MAX)).collect()
}

#[test]
fn timers_fire_in_the_order_of_deadline_then_of_starting() {
    let mut timers = Timers::default();
    let late = timers.start(20, None).unwrap();
    let first = timers.start(10, None).unwrap();
    let second = timers.start(10, None).unwrap();
    assert_eq!(timers.next_deadline(), Some(10));
    assert_eq!(due(&mut timers, 9), []);
    assert_eq!(due(&mut timers, 15), [first, second]);
    assert_eq!(due(&mut timers, 20), [late]);
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn a_single_timer_is_gone_after_its_callback() {
    let mut timers = Timers::default();
    let id = timers.start(1, None).unwrap();
    assert_eq!(due(&mut timers, 1), [id]);
    assert_eq!(timers.settle(id), Some(Over::Callback));
    assert_eq!(timers.cancel(id), None);
    assert!(!timers.reschedule(id, 5));
}

#[test]
fn a_single_timer_lives_on_when_its_callback_reschedules_it() {
    let mut timers = Timers::default();
    let id = timers.start(1, None).unwrap();
    assert_eq!(due(&mut timers, 1), [id]);
    assert!(timers.reschedule(id, 7));
    assert_eq!(timers.settle(id), None);
    assert_eq!(timers.next_deadline(), Some(7));
    assert_eq!(due(&mut timers, 7), [id]);
    assert_eq!(timers.settle(id), Some(Over::Callback));
}

#[test]
fn a_repeating_timer_keeps_its_period_and_never_spins() {
    let mut timers = Timers::default();
    let id = timers.start(0, Some(0)).unwrap();
    assert_eq!(due(&mut timers, 0), [id]);
    assert_eq!(timers.settle(id), None);
    assert_eq!(due(&mut timers, 0), []);
    assert_eq!(due(&mut timers, 1), [id]);
    assert_eq!(timers.cancel(id), Some(Over::Callback));
    assert_eq!(timers.settle(id), None);
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn ids_are_never_used_twice() {
    let mut timers = Timers::default();
    let first = timers.start(1, None).unwrap();
    timers.cancel(first);
    let other = timers.reserve_id();
    let second = timers.start(1, None).unwrap();
    assert!(first < other && other < second);
}

#[test]
fn the_last_timer_of_those_that_are_held_together_tells_so() {
    let mut timers = Timers::default();
    // Ids begin with 1, so the first ones are one fewer.
    let ids: Vec<u64> = (0..IDS_TOGETHER).map(|_| timers.start(5, None).unwrap()).collect();
    let (last, others) = ids[..ids.len() - 1].split_last().unwrap();
    for id in others {
        assert_eq!(timers.cancel(*id), Some(Over::Callback), "{id}");
    }
    assert_eq!(timers.cancel(*last), Some(Over::All));
    // More are to come that are held with this one.
    assert_eq!(timers.cancel(IDS_TOGETHER), Some(Over::Callback));
    assert_eq!(timers.cancel(IDS_TOGETHER), None);
}

#[test]
fn timers_one_after_the_other_leave_nothing_held() {
    let mut timers = Timers::default();
    let mut dropped = 0;
    for _ in 0..4 * IDS_TOGETHER {
        let id = timers.start(0, None).unwrap();
        assert_eq!(timers.take_due(0, u64::MAX), Some(id));
        dropped += u32::from(timers.settle(id) == Some(Over::All));
    }
    assert_eq!(dropped, 4);
}

#[test]
fn what_is_started_within_a_turn_waits_for_the_next() {
    let mut timers = Timers::default();
    let first = timers.start(0, None).unwrap();
    let newest = timers.newest();
    assert_eq!(timers.take_due(5, newest), Some(first));
    let second = timers.start(5, None).unwrap();
    assert_eq!(timers.take_due(5, newest), None);
    assert_eq!(timers.take_due(5, timers.newest()), Some(second));
}
