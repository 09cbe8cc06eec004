//! When the keeper looks, what it makes of answers, and what it does not believe.

use dns::dnssec::Voucher;

use super::super::key::KeyState::{AddPend, Revoked, Valid};
use super::super::testing::{DAY, TTL, anchors, answer, idle, key, publish, revoked};
use super::*;
use crate::time::UnixTime;

const START: u64 = 1_700_000_000;

fn at(seconds: u64) -> Now {
    Now { mono: Mono(seconds * 1_000_000_000), unix: UnixTime::from_seconds(START + seconds) }
}

/// A keeper with one key of the root, and the question it asks first.
fn keeper(upkeep: Upkeep) -> (Keeper, u32) {
    let mut keeper = Keeper::new();
    keeper.put(at(0), anchors([key(1).anchor(Valid, None)]), upkeep);
    assert_eq!(keeper.poll_deadline(), Some(at(0).mono));
    let looks = keeper.handle_deadline(at(0));
    assert_eq!(looks, [Look { number: 1, zone: Name::root() }]);
    assert_eq!(keeper.poll_deadline(), None);
    (keeper, 1)
}

fn good(seconds: u64, keys: &[super::super::testing::Key]) -> Vec<u8> {
    let (set, signatures) = publish(START + seconds, keys);
    answer(Rcode::NOERROR, true, &set, &signatures)
}

#[test]
fn a_key_rolls() {
    let (mut keeper, number) = keeper(Upkeep::Follow);
    let report = keeper.handle_answer(at(1), number, Some(&good(1, &[key(1), idle(2)]))).unwrap();
    assert_eq!(report.changes.unwrap().len(), 1);
    assert!(report.file.unwrap().contains("; AddPend:"));
    assert_eq!(keeper.in_force().vouchers(&Name::root()).unwrap().len(), 1);
    // Half of the TTL of two days.
    assert_eq!(report.next, Duration::from_secs(u64::from(TTL) / 2));
    let mut seconds = 1;
    let mut files = 0;
    for _ in 0..31 {
        seconds += DAY;
        let look = keeper.handle_deadline(at(seconds)).remove(0);
        let wire = good(seconds, &[key(1), key(2)]);
        let report = keeper.handle_answer(at(seconds), look.number, Some(&wire)).unwrap();
        files += usize::from(report.file.is_some());
    }
    // Written when the state changed and at no other time.
    assert_eq!(files, 1);
    assert_eq!(keeper.in_force().vouchers(&Name::root()).unwrap().len(), 2);
    seconds += DAY;
    let look = keeper.handle_deadline(at(seconds)).remove(0);
    let wire = good(seconds, &[revoked(1), key(2)]);
    let report = keeper.handle_answer(at(seconds), look.number, Some(&wire)).unwrap();
    assert!(report.file.unwrap().contains("; Revoked:"));
    let left = keeper.in_force();
    assert_eq!(**left.vouchers(&Name::root()).unwrap(), [Voucher::Key(key(2).rdata())]);
}

#[test]
fn what_is_not_validated_changes_nothing() {
    let (set, signatures) = publish(START, &[idle(2)]);
    for (wire, fault) in [
        (None, LookFault::Silence),
        (Some(Vec::new()), LookFault::Unvalidated),
        (
            Some(answer(Rcode::SERVFAIL, false, &set, &signatures)),
            LookFault::Refused(Rcode::SERVFAIL),
        ),
        (Some(answer(Rcode::NOERROR, false, &set, &signatures)), LookFault::Unvalidated),
        (
            Some(answer(
                Rcode::NOERROR,
                true,
                &Rrset { rdatas: Rdatas::new(), ..set.clone() },
                &signatures,
            )),
            LookFault::Unvalidated,
        ),
    ] {
        let (mut keeper, number) = keeper(Upkeep::Follow);
        let before = keeper.set(&Name::root()).cloned();
        let report = keeper.handle_answer(at(1), number, wire.as_deref()).unwrap();
        assert_eq!(report.changes, Err(fault));
        assert_eq!(report.file, None);
        assert_eq!(keeper.set(&Name::root()).cloned(), before);
        // A tenth of the TTL.
        assert_eq!(report.next, Duration::from_secs(u64::from(TTL) / 10));
    }
}

#[test]
fn intervals_are_those_of_the_rfc() {
    for (fine, ttl, life, expected) in [
        (true, 172_800, None, 86_400),
        (true, 172_800, Some(20_000), 10_000),
        (true, 60, None, HOUR),
        (true, u32::MAX, None, 15 * DAY),
        (false, 172_800, Some(100_000), 10_000),
        (false, 60, None, HOUR),
        (false, u32::MAX, None, DAY),
    ] {
        assert_eq!(interval(fine, ttl, life), Duration::from_secs(expected));
    }
}

#[test]
fn a_period_that_is_set_holds_at_once_and_has_a_least() {
    let (mut keeper, number) = keeper(Upkeep::Follow);
    let report = keeper.handle_answer(at(1), number, Some(&good(1, &[key(1)]))).unwrap();
    assert!(report.next > Duration::from_secs(10));
    let refresh = Some(Duration::from_secs(2));
    keeper.tune(at(1), Tuning { refresh, ..Tuning::default() });
    assert_eq!(keeper.poll_deadline(), Some(at(3).mono));
    keeper.tune(at(1), Tuning { refresh: Some(Duration::ZERO), ..Tuning::default() });
    assert_eq!(keeper.poll_deadline(), Some(at(1).mono + ANCHOR_REFRESH_MIN));
}

#[test]
fn answers_that_nobody_waits_for_are_dropped() {
    let (mut keeper, number) = keeper(Upkeep::Follow);
    assert_eq!(keeper.handle_answer(at(1), number + 1, None), None);
    // Other anchors were put there meanwhile.
    keeper.put(at(1), anchors([key(7).anchor(Valid, None)]), Upkeep::Follow);
    assert_eq!(keeper.handle_answer(at(1), number, Some(&good(1, &[key(1), key(2)]))), None);
    assert!(keeper.remove(&Name::root()));
    assert!(!keeper.remove(&Name::root()));
    assert_eq!(keeper.poll_deadline(), None);
    assert!(keeper.in_force().is_empty());
}

#[test]
fn what_is_only_watched_stays_as_it_is() {
    let (mut keeper, number) = keeper(Upkeep::Watch);
    let report = keeper.handle_answer(at(1), number, Some(&good(1, &[key(1), key(2)]))).unwrap();
    assert_eq!(report.drift.new, [key(2).tag()]);
    assert_eq!((report.changes, report.file), (Ok(Vec::new()), None));
    assert_eq!(keeper.set(&Name::root()).unwrap().keys.len(), 1);
    assert!(keeper.set_upkeep(at(2), &Name::root(), Upkeep::None));
    assert_eq!(keeper.poll_deadline(), None);
    assert!(!keeper.set_upkeep(at(2), &"nowhere.".parse().unwrap(), Upkeep::Watch));
}

#[test]
fn static_anchors_add_up_and_are_never_asked_about() {
    let mut keeper = Keeper::new();
    keeper.extend(anchors([key(1).anchor(Valid, None)]));
    keeper.extend(anchors([key(1).anchor(Valid, None), key(2).anchor(Valid, None)]));
    keeper.extend(anchors([key(3).anchor(AddPend, None), key(4).anchor(Revoked, None)]));
    assert_eq!(keeper.poll_deadline(), None);
    assert_eq!(keeper.upkeep(&Name::root()), Some(Upkeep::None));
    assert_eq!(keeper.set(&Name::root()).unwrap().keys.len(), 4);
    assert_eq!(keeper.in_force().vouchers(&Name::root()).unwrap().len(), 2);
    keeper.set_negative(["bad.".parse().unwrap()]);
    assert_eq!(keeper.in_force().negative().count(), 1);
}
