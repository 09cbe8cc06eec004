//! The state table of RFC 5011 §4.1, cell by cell, and what must not move anything.

use super::super::testing::{DAY, Key, TTL, anchors, idle, key, publish, revoked};
use super::KeyState::{AddPend, Missing, Removed, Revoked, Start, Valid};
use super::*;

const NOW: u64 = 1_700_000_000;

/// The state and timer of a key after a set was seen.
fn after(from: (KeyState, Option<u64>), published: &[Key], pace: &Pace) -> (KeyState, Option<u64>) {
    // A second anchor stands for the trust that validated the set.
    let mut set = anchors([key(9).anchor(Valid, None), key(1).anchor(from.0, from.1)]);
    let (keys, signatures) = publish(NOW, &[&[key(9)], published].concat());
    let changes = set.observe(NOW, &keys, &signatures, pace);
    assert_eq!(set.keys[0], key(9).anchor(Valid, None));
    let own = Voucher::Key(key(1).rdata());
    let state = set.keys.iter().find(|key| key.voucher == own);
    let state = state.map_or((Start, None), |key| (key.state, key.timer));
    let tag = key(1).tag();
    let told: Vec<Change> = changes.into_iter().filter(|change| change.tag == tag).collect();
    if state.0 == from.0 {
        assert_eq!(told, []);
    } else {
        assert_eq!(told, [Change { tag, from: from.0, to: state.0 }]);
    }
    state
}

#[test]
fn every_cell_of_the_table() {
    let pace = Pace { keep_removed: 1, ..Pace::default() };
    let (soon, past) = (Some(NOW + 1), Some(NOW));
    let hold = Some(NOW + 30 * DAY);
    let long = Some(NOW + 120 * DAY);
    for (from, published, to) in [
        // AddPend: KeyPres, AddTime, KeyRem, RevBit.
        ((AddPend, soon), key(1), (AddPend, soon)),
        ((AddPend, soon), idle(1), (AddPend, soon)),
        ((AddPend, None), key(1), (AddPend, hold)),
        ((AddPend, past), key(1), (Valid, None)),
        ((AddPend, past), key(2), (Start, None)),
        ((AddPend, past), revoked(1), (Start, None)),
        // Valid: KeyPres, KeyRem, RevBit.
        ((Valid, None), key(1), (Valid, None)),
        ((Valid, None), key(2), (Missing, long)),
        ((Valid, None), revoked(1), (Revoked, hold)),
        // Missing: KeyPres, KeyRem, RevBit, and the time that upstream adds.
        ((Missing, soon), key(1), (Valid, None)),
        ((Missing, past), key(1), (Valid, None)),
        ((Missing, soon), key(2), (Missing, soon)),
        ((Missing, None), key(2), (Missing, long)),
        ((Missing, past), key(2), (Removed, None)),
        ((Missing, soon), revoked(1), (Revoked, hold)),
        // Revoked: for good; RemTime whether it is there or not.
        ((Revoked, soon), key(1), (Revoked, soon)),
        ((Revoked, soon), revoked(1), (Revoked, soon)),
        ((Revoked, soon), key(2), (Revoked, soon)),
        ((Revoked, None), key(2), (Revoked, hold)),
        ((Revoked, past), revoked(1), (Removed, None)),
        ((Revoked, past), key(2), (Removed, None)),
        ((Removed, None), key(1), (Removed, None)),
        ((Removed, None), revoked(1), (Removed, None)),
        ((Removed, None), key(2), (Removed, None)),
    ] {
        assert_eq!(after(from, &[published], &pace), to, "{from:?} and {published:?}");
    }
}

#[test]
fn new_keys_are_watched_for_thirty_days_or_their_ttl() {
    for (hold_down, ttl, expected) in [
        (None, TTL, 30 * DAY),
        (None, 40 * DAY as u32, 40 * DAY),
        (Some(Duration::from_millis(1500)), 40 * DAY as u32, 2),
    ] {
        let pace = Pace { hold_down, keep_removed: 0 };
        assert_eq!(pace.hold_down(ttl), expected);
    }
    let mut set = anchors([key(1).anchor(Valid, None)]);
    let (keys, signatures) = publish(NOW, &[key(1), idle(2)]);
    let changes = set.observe(NOW, &keys, &signatures, &Pace::default());
    assert_eq!(changes, [Change { tag: key(2).tag(), from: Start, to: AddPend }]);
    assert_eq!(set.keys[1], key(2).anchor(AddPend, Some(NOW + 30 * DAY)));
    assert_eq!(set.trusted().count(), 1);
}

#[test]
fn the_bit_alone_revokes_nothing() {
    let unsigned = Key { signs: false, ..revoked(1) };
    // It is not there as it should be, so it counts as missing, and stays trusted.
    let (state, _) = after((Valid, None), &[unsigned], &Pace::default());
    assert_eq!(state, Missing);
    let (state, _) = after((AddPend, Some(NOW)), &[unsigned], &Pace::default());
    assert_eq!(state, Start);
}

#[test]
fn keys_that_cannot_be_anchors_are_not_watched() {
    let mut set = anchors([key(1).anchor(Valid, None)]);
    let (mut keys, signatures) = publish(NOW, &[key(1), revoked(2)]);
    let mut odd = key(3).rdata();
    for (at, value) in [(3, 253), (2, 4), (0, 0)] {
        let mut rdata = odd.clone();
        rdata[at] = value;
        keys.rdatas.push(&rdata);
    }
    odd.truncate(2);
    keys.rdatas.push(&odd);
    assert_eq!(set.observe(NOW, &keys, &signatures, &Pace::default()), []);
    assert_eq!(set, anchors([key(1).anchor(Valid, None)]));
}

/// A DS of a key, with a digest of the right kind or one that nobody can compute.
fn ds(key: Key, digest_type: u8) -> AnchorKey {
    let rdata = key.rdata();
    let kind = DigestType(if digest_type == 250 { 2 } else { digest_type });
    let bytes = digest(kind, &[&[0], &rdata]).unwrap();
    let mut ds = key_tag(&rdata).to_be_bytes().to_vec();
    ds.extend([Algorithm::ED25519.0, digest_type]);
    ds.extend_from_slice(&bytes);
    AnchorKey { voucher: Voucher::Ds(ds), ..key.anchor(Valid, None) }
}

#[test]
fn ds_become_keys_when_they_are_seen() {
    let mut set = anchors([ds(key(1), 2), ds(key(1), 4), ds(key(2), 2), ds(key(3), 250)]);
    let (keys, signatures) = publish(NOW, &[key(1)]);
    let changes = set.observe(NOW, &keys, &signatures, &Pace::default());
    assert_eq!(changes, [Change { tag: key(2).tag(), from: Valid, to: Missing }]);
    assert_eq!(set.keys[0], key(1).anchor(Valid, None));
    // One that is announced and was never seen is not dropped, however long it takes.
    let (keys, signatures) = publish(NOW + 400 * DAY, &[key(1)]);
    assert_eq!(set.observe(NOW + 400 * DAY, &keys, &signatures, &Pace::default()), []);
    assert_eq!(set.keys[1].state, Missing);
    // One with a digest that we cannot compute is left alone.
    assert_eq!(set.keys[2], ds(key(3), 250));
    let (keys, signatures) = publish(NOW, &[key(1), revoked(2)]);
    set.observe(NOW, &keys, &signatures, &Pace::default());
    assert_eq!(set.keys[1], key(2).anchor(Revoked, Some(NOW + 30 * DAY)));
}

#[test]
fn a_wrong_digest_stands_for_no_key() {
    let mut wrong = ds(key(1), 2);
    if let Voucher::Ds(rdata) = &mut wrong.voucher {
        rdata[10] ^= 1;
    }
    let mut set = anchors([wrong]);
    let (keys, signatures) = publish(NOW, &[key(1)]);
    set.observe(NOW, &keys, &signatures, &Pace::default());
    assert_eq!(set.keys[0].state, Missing);
    assert_eq!(set.keys[1].state, AddPend);
}

#[test]
fn the_record_of_removed_keys_is_bounded() {
    for (keep, left) in [(0, vec![]), (1, vec![key(3)]), (5, vec![key(2), key(3)])] {
        let mut set = anchors([
            key(2).anchor(Removed, None),
            key(1).anchor(Valid, None),
            key(3).anchor(Revoked, Some(NOW)),
        ]);
        let (keys, signatures) = publish(NOW, &[key(1)]);
        set.observe(NOW, &keys, &signatures, &Pace { keep_removed: keep, hold_down: None });
        let removed: Vec<AnchorKey> =
            set.keys.into_iter().filter(|key| key.state == Removed).collect();
        let expected: Vec<AnchorKey> = left.iter().map(|key| key.anchor(Removed, None)).collect();
        assert_eq!(removed, expected);
    }
}

#[test]
fn a_zone_cannot_fill_the_file() {
    let mut set = anchors([key(0).anchor(Valid, None)]);
    let many: Vec<Key> = (0..=u8::MAX).map(|seed| Key { signs: seed == 0, ..key(seed) }).collect();
    let (keys, signatures) = publish(NOW, &many);
    set.observe(NOW, &keys, &signatures, &Pace::default());
    assert_eq!(set.keys.len(), ANCHOR_KEYS_MAX);
}

#[test]
fn a_clock_that_was_wrong_does_not_hold_a_key_for_ever() {
    let far = Some(NOW + 9_000 * DAY);
    let pace = Pace::default();
    let hold = Some(NOW + 30 * DAY);
    assert_eq!(after((AddPend, far), &[key(1)], &pace), (AddPend, hold));
    assert_eq!(after((Revoked, far), &[revoked(1)], &pace), (Revoked, hold));
    assert_eq!(after((Missing, far), &[], &pace), (Missing, Some(NOW + 120 * DAY)));
}

#[test]
fn what_is_watched_is_compared_and_not_changed() {
    let set = anchors([key(1).anchor(Valid, None), ds(key(2), 2), ds(key(3), 250)]);
    let drift = |keys: &[Key]| {
        let (keys, signatures) = publish(NOW, keys);
        set.drift(&keys, &signatures)
    };
    assert!(drift(&[key(1), key(2)]).is_none());
    assert_eq!(drift(&[key(1), idle(2), idle(4)]).new, [key(4).tag()]);
    assert_eq!(drift(&[key(1), revoked(2)]).revoked, [key(2).tag()]);
    assert_eq!(drift(&[key(2)]).missing, [key(1).tag()]);
    assert!(drift(&[key(1), key(2), revoked(5)]).is_none());
}

proptest::proptest! {
    /// Whatever a zone publishes for however long: a key is trusted only if it was from the start
    /// or was published throughout a hold-down time, and never again once it was revoked.
    #[test]
    fn no_history_makes_a_key_trusted_too_early(
        history in proptest::collection::vec((1u64..40, proptest::collection::vec(0u8..3, 4)), 1..25),
    ) {
        let mut set = anchors([key(0).anchor(Valid, None)]);
        let mut now = NOW;
        let mut since: [Option<u64>; 5] = [None; 5];
        let mut trusted_before = [true, false, false, false, false];
        let mut gone = [false; 5];
        for (days, kinds) in history {
            now += days * DAY;
            let mut published = vec![key(0)];
            for (seed, kind) in (1..).zip(&kinds) {
                match kind {
                    0 => {}
                    1 => published.push(key(seed)),
                    _ => published.push(revoked(seed)),
                }
                let at = usize::from(seed);
                if *kind == 1 {
                    since[at].get_or_insert(now);
                } else {
                    since[at] = None;
                }
                gone[at] |= *kind == 2 && trusted_before[at];
            }
            let (keys, signatures) = publish(now, &published);
            set.observe(now, &keys, &signatures, &Pace { keep_removed: 9, hold_down: None });
            proptest::prop_assert!(set.keys.iter().any(|k| k.voucher == Voucher::Key(key(0).rdata())
                && k.state == Valid));
            for seed in 1..=4u8 {
                let at = usize::from(seed);
                let trusted = set.trusted().any(|v| *v == Voucher::Key(key(seed).rdata()));
                let watched = since[at].is_some_and(|since| now - since >= 30 * DAY);
                proptest::prop_assert!(!trusted || trusted_before[at] || watched);
                proptest::prop_assert!(!(trusted && gone[at]));
                trusted_before[at] = trusted;
            }
        }
    }
}
