//! Two hundred random worlds against the oracle.

use sim::simulate::{Report, simulate, simulate_gaps};

/// Worlds in each run of the tests: for a resolver without trust anchors, and for one with the
/// key of the root, where the world has one.
const WORLDS: u64 = 200;
const VALIDATED_WORLDS: u64 = 200;
/// Worlds that are asked for everything that is in them, after many questions for what is not.
const GAP_WORLDS: u64 = 100;
/// Of the questions in those, this many in a thousand at least cost nothing: otherwise the test
/// would not test what it is for.
const SYNTHESIZED_PER_MILLE: u64 = 50;

#[track_caller]
fn check(worlds: u64, run: impl Fn(u64) -> Report) -> (u64, u64) {
    let (mut failed, mut questions, mut synthesized) = (0, 0, 0);
    for seed in 0..worlds {
        let report = run(seed);
        questions += report.questions as u64;
        synthesized += report.synthesized;
        if report.failures.is_empty() {
            continue;
        }
        failed += 1;
        println!("{}\n  {}", report.reproduce(), report.failures.join("\n  "));
    }
    assert_eq!(failed, 0, "of {worlds} worlds");
    (questions, synthesized)
}

#[test]
fn random_worlds_agree_with_the_oracle() {
    check(WORLDS, |seed| simulate(seed, false));
}

#[test]
fn signed_worlds_agree_with_the_oracle() {
    check(VALIDATED_WORLDS, |seed| simulate(seed, true));
}

#[test]
fn what_gaps_teach_hides_no_name() {
    let (questions, synthesized) = check(GAP_WORLDS, simulate_gaps);
    let share = synthesized * 1000 / questions;
    println!("{synthesized} of {questions} questions answered by proofs of others");
    assert!(share >= SYNTHESIZED_PER_MILLE, "{share} per mille");
}

#[test]
fn the_same_seed_is_the_same_world() {
    let (one, other) = (simulate(7, true), simulate(7, true));
    let detail = sim::trace::Detail::Messages;
    assert_eq!(one.trace.render(detail), other.trace.render(detail));
}
