//! Two hundred random worlds against the oracle.

use sim::simulate::simulate;

/// Worlds in each run of the tests: for a resolver without trust anchors, and for one with the
/// key of the root, where the world has one.
const WORLDS: u64 = 200;
const VALIDATED_WORLDS: u64 = 100;

#[track_caller]
fn check(worlds: u64, validate: bool) {
    let mut failed = 0;
    for seed in 0..worlds {
        let report = simulate(seed, validate);
        if report.failures.is_empty() {
            continue;
        }
        failed += 1;
        println!("{}\n  {}", report.reproduce(), report.failures.join("\n  "));
    }
    assert_eq!(failed, 0, "of {worlds} worlds");
}

#[test]
fn random_worlds_agree_with_the_oracle() {
    check(WORLDS, false);
}

#[test]
fn signed_worlds_agree_with_the_oracle() {
    check(VALIDATED_WORLDS, true);
}

#[test]
fn the_same_seed_is_the_same_world() {
    let (one, other) = (simulate(7, true), simulate(7, true));
    let detail = sim::trace::Detail::Messages;
    assert_eq!(one.trace.render(detail), other.trace.render(detail));
}
