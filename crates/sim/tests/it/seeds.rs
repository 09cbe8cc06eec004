//! Two hundred random worlds against the oracle.

use sim::simulate::simulate;

/// Worlds in each run of the tests.
const WORLDS: u64 = 200;

#[test]
fn random_worlds_agree_with_the_oracle() {
    let mut failed = 0;
    for seed in 0..WORLDS {
        let report = simulate(seed);
        if report.failures.is_empty() {
            continue;
        }
        failed += 1;
        println!("{}\n  {}", report.reproduce(), report.failures.join("\n  "));
    }
    assert_eq!(failed, 0, "of {WORLDS} worlds");
}

#[test]
fn the_same_seed_is_the_same_world() {
    let (one, other) = (simulate(7), simulate(7));
    let detail = sim::trace::Detail::Messages;
    assert_eq!(one.trace.render(detail), other.trace.render(detail));
}
