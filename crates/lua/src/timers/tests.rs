//! Order, repetition, rescheduling and the ends of timers.

use super::Timers;

fn due(timers: &mut Timers, now: u64) -> Vec<u64> {
    std::iter::from_fn(|| timers.take_due(now)).collect()
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
    assert!(timers.settle(id));
    assert!(!timers.cancel(id));
    assert!(!timers.reschedule(id, 5));
}

#[test]
fn a_single_timer_lives_on_when_its_callback_reschedules_it() {
    let mut timers = Timers::default();
    let id = timers.start(1, None).unwrap();
    assert_eq!(due(&mut timers, 1), [id]);
    assert!(timers.reschedule(id, 7));
    assert!(!timers.settle(id));
    assert_eq!(timers.next_deadline(), Some(7));
    assert_eq!(due(&mut timers, 7), [id]);
    assert!(timers.settle(id));
}

#[test]
fn a_repeating_timer_keeps_its_period_and_never_spins() {
    let mut timers = Timers::default();
    let id = timers.start(0, Some(0)).unwrap();
    assert_eq!(due(&mut timers, 0), [id]);
    assert!(!timers.settle(id));
    assert_eq!(due(&mut timers, 0), []);
    assert_eq!(due(&mut timers, 1), [id]);
    assert!(timers.cancel(id));
    assert!(timers.settle(id));
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
