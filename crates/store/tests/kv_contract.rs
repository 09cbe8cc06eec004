//! What every back end promises, run over all of them, and a property test that compares each
//! with a plain map.
//!
//! HINT: a new back end is tested by being in `BACKENDS`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use proptest::prelude::*;
use store::kv::{BACKENDS, Kv, Notice, OpenOptions, ScanEnd, StoreError, parse_uri};
use store::limits::{
    KEY_BYTES_MAX, PENDING_BYTES_MAX, PENDING_ENTRIES_MAX, STORE_BYTES_MAX, VALUE_BYTES_MAX,
};

const MIB: u64 = 1 << 20;

/// Runs `test` with a new store of each kind.
#[track_caller]
fn for_each_kind(bytes: u64, mut test: impl FnMut(&mut dyn Kv)) {
    for backend in BACKENDS {
        let directory = tempfile::tempdir().unwrap();
        let options = OpenOptions { path: directory.path().into(), bytes, seed: [7; 16] };
        let mut kv = (backend.open)(&options).unwrap();
        test(&mut *kv);
    }
}

fn scan(kv: &dyn Kv, prefix: &[u8], after: Option<&[u8]>, max: usize) -> (Vec<String>, ScanEnd) {
    let mut seen = Vec::new();
    let end = kv.scan_prefix(prefix, after, max, &mut |key, value| {
        seen.push(format!("{}={}", key.escape_ascii(), value.escape_ascii()));
        ControlFlow::Continue(())
    });
    (seen, end)
}

#[test]
fn stored_values_come_back_in_the_turn_and_after_it() {
    for_each_kind(MIB, |kv| {
        assert_eq!(kv.get(b"key"), None);
        kv.put(b"key", b"value").unwrap();
        assert_eq!(kv.get(b"key"), Some(&b"value"[..]));
        kv.end_turn().unwrap();
        assert_eq!(kv.get(b"key"), Some(&b"value"[..]));
        kv.put(b"key", b"another").unwrap();
        assert_eq!(kv.get(b"key"), Some(&b"another"[..]));
        kv.remove(b"key").unwrap();
        assert_eq!(kv.get(b"key"), None);
        kv.end_turn().unwrap();
        assert_eq!(kv.get(b"key"), None);
    });
}

#[test]
fn a_view_lasts_until_reads_may_find_something_else() {
    for_each_kind(MIB, |kv| {
        let mut seen = vec![kv.view()];
        let mut changed = |kv: &mut dyn Kv, by: &str| {
            let view = kv.view();
            assert!(!seen.contains(&view), "{by}");
            assert_eq!(kv.get(b"none"), None);
            assert_eq!(kv.view(), view, "a read after {by}");
            kv.rest().unwrap();
            assert_eq!(kv.view(), view, "a turn after {by}");
            seen.push(view);
        };
        kv.put(b"key", b"value").unwrap();
        changed(kv, "put");
        kv.end_turn().unwrap();
        changed(kv, "end_turn");
        kv.remove(b"key").unwrap();
        changed(kv, "remove");
        kv.flush().unwrap();
        changed(kv, "flush");
        kv.clear().unwrap();
        changed(kv, "clear");
        kv.maintain();
        changed(kv, "maintain");
        kv.grow(2 * MIB).unwrap();
        changed(kv, "grow");
        let view = kv.view();
        kv.end_turn().unwrap();
        kv.flush().unwrap();
        assert_eq!(kv.view(), view, "turns without writes");
    });
}

#[test]
fn what_is_announced_and_cleared_changes_the_generation() {
    for_each_kind(MIB, |kv| {
        let first = kv.generation();
        kv.put(b"key", b"value").unwrap();
        kv.end_turn().unwrap();
        kv.maintain();
        assert_eq!(kv.generation(), first);
        kv.announce();
        let second = kv.generation();
        assert_ne!(second, first);
        kv.clear().unwrap();
        assert_ne!(kv.generation(), second);
    });
}

#[test]
fn several_values_can_be_held_at_once() {
    for_each_kind(MIB, |kv| {
        kv.put(b"a", b"1").unwrap();
        kv.end_turn().unwrap();
        kv.put(b"b", b"2").unwrap();
        let (a, b) = (kv.get(b"a").unwrap(), kv.get(b"b").unwrap());
        assert_eq!((a, b), (&b"1"[..], &b"2"[..]));
    });
}

#[test]
fn keys_are_ordered_as_byte_strings() {
    for_each_kind(MIB, |kv| {
        for key in [&b"b"[..], b"a\0", b"\xFE", b"a", b"ab", b"\0", b"a\xFF"] {
            kv.put(key, b"v").unwrap();
        }
        let all = ["\\x00", "a", "a\\x00", "ab", "a\\xff", "b", "\\xfe"].map(|k| format!("{k}=v"));
        assert_eq!(scan(kv, b"", None, 99), (all.to_vec(), ScanEnd::Exhausted));
        kv.end_turn().unwrap();
        assert_eq!(scan(kv, b"", None, 99), (all.to_vec(), ScanEnd::Exhausted));
    });
}

#[test]
fn predecessor_sees_stored_pending_and_removed_entries() {
    for_each_kind(MIB, |kv| {
        for key in [b"b", b"d", b"f"] {
            kv.put(key, b"old").unwrap();
        }
        kv.end_turn().unwrap();
        let found = |kv: &dyn Kv, key: &[u8]| {
            kv.get_less_or_equal(key).map(|(key, value)| (key.to_vec(), value.to_vec()))
        };
        let entry = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
        assert_eq!(found(kv, b"a"), None);
        assert_eq!(found(kv, b"b"), entry(b"b", b"old"));
        assert_eq!(found(kv, b"c"), entry(b"b", b"old"));
        assert_eq!(found(kv, b"z"), entry(b"f", b"old"));
        kv.put(b"c", b"new").unwrap();
        kv.put(b"f", b"newer").unwrap();
        kv.remove(b"d").unwrap();
        assert_eq!(found(kv, b"e"), entry(b"c", b"new"));
        assert_eq!(found(kv, b"z"), entry(b"f", b"newer"));
        kv.remove(b"f").unwrap();
        kv.remove(b"c").unwrap();
        kv.remove(b"b").unwrap();
        assert_eq!(found(kv, b"z"), None);
        kv.end_turn().unwrap();
        assert_eq!(found(kv, b"z"), None);
    });
}

#[test]
fn scans_stay_in_their_prefix_and_bound_and_can_go_on() {
    for_each_kind(MIB, |kv| {
        for (n, key) in ["a", "p", "p1", "p2", "p3", "p4", "q"].iter().enumerate() {
            kv.put(key.as_bytes(), b"v").unwrap();
            if n == 3 {
                kv.end_turn().unwrap();
            }
        }
        let stopped = |keys: &[&str]| {
            (keys.iter().map(|key| format!("{key}=v")).collect::<Vec<_>>(), ScanEnd::Stopped)
        };
        let exhausted = |keys: &[&str]| (stopped(keys).0, ScanEnd::Exhausted);
        assert_eq!(scan(kv, b"p", None, 99), exhausted(&["p", "p1", "p2", "p3", "p4"]));
        assert_eq!(scan(kv, b"p", None, 2), stopped(&["p", "p1"]));
        assert_eq!(scan(kv, b"p", Some(b"p1"), 2), stopped(&["p2", "p3"]));
        assert_eq!(scan(kv, b"p", Some(b"p3"), 2), exhausted(&["p4"]));
        assert_eq!(scan(kv, b"p", Some(b"p4"), 2), exhausted(&[]));
        assert_eq!(scan(kv, b"p", Some(b"a"), 1), stopped(&["p"]));
        assert_eq!(scan(kv, b"p", None, 0), stopped(&[]));
        assert_eq!(scan(kv, b"x", None, 0), exhausted(&[]));
        assert_eq!(scan(kv, b"p", None, 5), exhausted(&["p", "p1", "p2", "p3", "p4"]));
        let mut first = None;
        let end = kv.scan_prefix(b"p", None, 99, &mut |key, _| {
            first = Some(key.to_vec());
            ControlFlow::Break(())
        });
        assert_eq!((first, end), (Some(b"p".to_vec()), ScanEnd::Stopped));
    });
}

#[test]
fn bounds_of_keys_and_values_are_held() {
    for_each_kind(4 * MIB, |kv| {
        let (key, value) = (vec![1; KEY_BYTES_MAX], vec![2; VALUE_BYTES_MAX]);
        kv.put(&key, &value).unwrap();
        kv.end_turn().unwrap();
        assert_eq!(kv.get(&key), Some(&value[..]));
        let long_key = vec![1; KEY_BYTES_MAX + 1];
        let long_value = vec![2; VALUE_BYTES_MAX + 1];
        assert!(matches!(kv.put(&long_key, b"v"), Err(StoreError::KeyLength { bytes: 512 })));
        assert!(matches!(kv.put(b"", b"v"), Err(StoreError::KeyLength { bytes: 0 })));
        assert!(matches!(kv.put(b"\xFFkres", b"v"), Err(StoreError::KeyReserved)));
        assert!(matches!(kv.remove(b"\xFFkres"), Err(StoreError::KeyReserved)));
        assert!(matches!(kv.put(b"k", &long_value), Err(StoreError::ValueLength { .. })));
        assert!(matches!(kv.put(b"k", b""), Err(StoreError::ValueLength { bytes: 0 })));
        assert_eq!(kv.get(&long_key), None);
        assert_eq!(kv.get(b""), None);
        assert_eq!(kv.get(b"\xFFkres"), None);
        assert_eq!(kv.get_less_or_equal(b"\xFFz"), None);
        kv.end_turn().unwrap();
        assert_eq!(kv.usage().entries, 1);
    });
}

#[test]
fn values_of_all_lengths_come_back() {
    for_each_kind(16 * MIB, |kv| {
        let value = |len: usize| (0..len).map(|n| (n * 31 + len) as u8).collect::<Vec<_>>();
        let lengths: Vec<_> = (1..64).chain(1_950..2_100).chain([4_080, 4_096, 30_000]).collect();
        for round in 0..3 {
            for &len in &lengths {
                kv.put(&(len as u32).to_be_bytes(), &value(len + round)).unwrap();
            }
            kv.end_turn().unwrap();
            for &len in &lengths {
                assert_eq!(kv.get(&(len as u32).to_be_bytes()), Some(&value(len + round)[..]));
            }
        }
    });
}

#[test]
fn more_writes_than_a_turn_holds_are_committed_early() {
    for_each_kind(16 * MIB, |kv| {
        let count = PENDING_ENTRIES_MAX as u32 * 3;
        for n in 0..count {
            kv.put(&n.to_be_bytes(), b"value").unwrap();
        }
        assert!(kv.counters().commit.get() >= 2);
        for n in 0..count {
            assert!(kv.get(&n.to_be_bytes()).is_some(), "entry {n}");
        }
        let large = vec![3; 60_000];
        let before = kv.counters().commit.get();
        for n in 0..(2 * PENDING_BYTES_MAX / large.len()) as u32 {
            kv.put(&n.to_le_bytes(), &large).unwrap();
        }
        assert!(kv.counters().commit.get() > before);
        assert_eq!(kv.counters().lost.get(), 0);
    });
}

#[test]
fn clear_removes_everything_pending_included() {
    for_each_kind(MIB, |kv| {
        for n in 0..1_000u32 {
            kv.put(&n.to_be_bytes(), b"value").unwrap();
        }
        kv.end_turn().unwrap();
        kv.put(b"pending", b"value").unwrap();
        assert_eq!(kv.usage().entries, 1_000);
        kv.clear().unwrap();
        assert_eq!(scan(kv, b"", None, 9), (vec![], ScanEnd::Exhausted));
        assert_eq!(kv.usage().entries, 0);
        kv.put(b"after", b"value").unwrap();
        kv.end_turn().unwrap();
        assert_eq!(kv.usage().entries, 1);
        assert!(kv.usage().bytes > 0 && kv.usage().bytes < kv.usage().bytes_max);
        assert_eq!(kv.counters().clear.get(), 1);
    });
}

#[test]
fn a_full_store_drops_what_is_old_and_goes_on() {
    for_each_kind(MIB, |kv| {
        let value = [9; 900];
        for n in 0..5_000u32 {
            kv.put(&n.to_be_bytes(), &value).unwrap();
            if n % 20 == 19 {
                kv.end_turn().unwrap();
                assert_eq!(kv.get(&n.to_be_bytes()), Some(&value[..]), "entry {n}");
                assert!(kv.usage().bytes <= kv.usage().bytes_max);
            }
        }
        let counters = kv.counters();
        assert!(counters.full.get() > 0 && counters.dropped_all.get() > 0);
        assert_eq!(counters.lost.get(), 0);
        assert!(matches!(kv.take_notices()[..], [Notice::DroppedAll { entries: 500.. }, ..]));
        assert_eq!(kv.take_notices(), []);
    });
}

#[test]
fn a_store_can_grow_but_not_shrink() {
    for_each_kind(MIB, |kv| {
        let before = kv.usage().bytes_max;
        kv.put(b"key", b"value").unwrap();
        kv.grow(4 * MIB).unwrap();
        assert_eq!(kv.get(b"key"), Some(&b"value"[..]));
        assert!(kv.usage().bytes_max >= 4 * MIB && before < 4 * MIB);
        kv.grow(2 * MIB).unwrap();
        assert!(kv.usage().bytes_max >= 4 * MIB);
        let notices = kv.take_notices();
        assert!(matches!(notices[..], [Notice::SizeKept { asked, .. }] if asked == 2 * MIB));
        assert!(matches!(kv.grow(1), Err(StoreError::SizeOutOfRange { bytes: 1 })));
        let value = [9; 900];
        for n in 0..2_000u32 {
            kv.put(&n.to_be_bytes(), &value).unwrap();
        }
        kv.end_turn().unwrap();
        assert_eq!(kv.usage().entries, 2_001);
    });
}

#[test]
fn operations_are_counted_as_documented() {
    for_each_kind(MIB, |kv| {
        kv.put(b"a", b"1").unwrap();
        kv.put(b"b", b"1").unwrap();
        kv.remove(b"none").unwrap();
        kv.end_turn().unwrap();
        kv.remove(b"b").unwrap();
        kv.end_turn().unwrap();
        kv.end_turn().unwrap();
        kv.get(b"a");
        kv.get(b"x");
        kv.get_less_or_equal(b"b");
        kv.get_less_or_equal(b"A");
        scan(kv, b"a", None, 1);
        scan(kv, b"x", None, 1);
        kv.usage();
        let rows: BTreeMap<_, _> = kv.counters().rows().collect();
        for (name, value) in [
            ("open", 1),
            ("close", 0),
            ("count", 1),
            ("clear", 0),
            ("commit", 2),
            ("read", 2),
            ("read_miss", 1),
            ("write", 2),
            ("remove", 2),
            ("remove_miss", 1),
            ("match", 2),
            ("match_miss", 1),
            ("read_leq", 2),
            ("read_leq_miss", 1),
            ("tag_mismatch", 0),
            ("fault", 0),
        ] {
            assert_eq!(rows.get(name), Some(&value), "{name}");
        }
    });
}

#[test]
fn sizes_out_of_range_are_refused() {
    for backend in BACKENDS {
        for bytes in [0, 8_191, STORE_BYTES_MAX + 1, u64::MAX] {
            let directory = tempfile::tempdir().unwrap();
            let options = OpenOptions { path: directory.path().into(), bytes, seed: [0; 16] };
            match (backend.open)(&options) {
                Err(error @ StoreError::SizeOutOfRange { .. }) => assert!(
                    error.to_string().starts_with("invalid cache size specified, it must be in")
                ),
                other => panic!("{bytes}: {:?}", other.err()),
            }
        }
    }
}

#[test]
fn storage_addresses_name_a_back_end_and_a_path() {
    let parsed = |uri| parse_uri(uri).map(|(backend, path)| (backend.scheme, path));
    assert_eq!(parsed("lmdb:///var/cache/x").unwrap(), ("lmdb", "/var/cache/x"));
    assert_eq!(parsed("lmdb://.").unwrap(), ("lmdb", "."));
    assert_eq!(parsed("lmdb://").unwrap(), ("lmdb", "."));
    assert_eq!(parsed("/some/where").unwrap(), ("lmdb", "/some/where"));
    assert_eq!(parsed("memory://").unwrap(), ("memory", "."));
    let error = parsed("bogus://x").unwrap_err().to_string();
    assert_eq!(error, "unsupported cache backend: bogus");
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, usize),
    Remove(Vec<u8>),
    Get(Vec<u8>),
    LessOrEqual(Vec<u8>),
    Scan(Vec<u8>, Option<Vec<u8>>, usize),
    EndTurn,
    Clear,
}

/// Few different keys, so that steps meet.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(prop::sample::select(&b"\0ab\xFE"[..]), 1..5),
        1 => proptest::collection::vec(0u8..0xFF, 1..80),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![8 => 1usize..40, 1 => 1_900usize..2_200, 1 => 4_000usize..9_000];
    prop_oneof![
        8 => (key(), len).prop_map(|(key, len)| Step::Put(key, len)),
        3 => key().prop_map(Step::Remove),
        4 => key().prop_map(Step::Get),
        4 => key().prop_map(Step::LessOrEqual),
        2 => (proptest::collection::vec(prop::sample::select(&b"\0ab\xFE"[..]), 0..3),
              proptest::option::of(key()), 0usize..20)
            .prop_map(|(prefix, after, max)| Step::Scan(prefix, after, max)),
        3 => Just(Step::EndTurn),
        1 => (0u8..30).prop_map(|n| if n == 0 { Step::Clear } else { Step::EndTurn }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn histories_are_those_of_a_plain_map(
        steps in proptest::collection::vec(step(), 1..300),
        filler in 0u32..3_000,
    ) {
        for backend in BACKENDS {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().into();
            let options = OpenOptions { path, bytes: 32 * MIB, seed: [1; 16] };
            let mut kv = (backend.open)(&options).unwrap();
            let mut model = BTreeMap::new();
            for n in 0..filler {
                let key = format!("a{n}").into_bytes();
                kv.put(&key, b"filler").unwrap();
                model.insert(key, b"filler".to_vec());
            }
            for (n, step) in steps.iter().enumerate() {
                match step {
                    Step::Put(key, len) => {
                        let value: Vec<u8> = (0..*len).map(|i| (i + n) as u8).collect();
                        kv.put(key, &value).unwrap();
                        model.insert(key.clone(), value);
                    }
                    Step::Remove(key) => {
                        kv.remove(key).unwrap();
                        model.remove(key);
                    }
                    Step::Get(key) => {
                        prop_assert_eq!(kv.get(key), model.get(key).map(|value| &value[..]));
                    }
                    Step::LessOrEqual(key) => {
                        let range = (Bound::Unbounded, Bound::Included(key.clone()));
                        let expected = model.range(range).next_back();
                        let expected = expected.map(|(key, value)| (&key[..], &value[..]));
                        prop_assert_eq!(kv.get_less_or_equal(key), expected);
                    }
                    Step::Scan(prefix, after, max) => {
                        let expected: Vec<_> = model
                            .iter()
                            .filter(|(key, _)| key.starts_with(prefix))
                            .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
                            .collect();
                        let mut seen = Vec::new();
                        let end = kv.scan_prefix(prefix, after.as_deref(), *max, &mut |k, v| {
                            seen.push((k.to_vec(), v.to_vec()));
                            ControlFlow::Continue(())
                        });
                        let stopped = expected.len() > *max;
                        prop_assert_eq!(end == ScanEnd::Stopped, stopped);
                        prop_assert_eq!(seen.len(), expected.len().min(*max));
                        for ((key, value), (k, v)) in seen.iter().zip(expected) {
                            prop_assert_eq!((key, value), (k, v));
                        }
                    }
                    Step::EndTurn => {
                        kv.end_turn().unwrap();
                        prop_assert_eq!(kv.usage().entries, model.len() as u64);
                    }
                    Step::Clear => {
                        kv.clear().unwrap();
                        model.clear();
                    }
                }
            }
            kv.end_turn().unwrap();
            prop_assert_eq!(kv.usage().entries, model.len() as u64);
            for (name, value) in kv.counters().rows() {
                let trouble = ["tag_mismatch", "damage", "fault", "full", "lost", "recreated"];
                prop_assert!(value == 0 || !trouble.contains(&name), "{} {}", name, value);
            }
        }
    }
}
