//! All scenarios of the project, in virtual time.

use std::path::Path;

use sim::rpl::suite;
use sim::trace::Detail;

/// Different choices of the resolver for each scenario: which server it asks first, for one.
const CHANCES: u8 = 4;

#[test]
fn all_scenarios_pass() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios"));
    let files = suite::find(root).unwrap();
    assert!(files.len() > 50, "only {} scenarios were found", files.len());
    let mut failed = Vec::new();
    for run in files.iter().flat_map(|file| suite::run_file(file, CHANCES)) {
        if !run.outcome.passed() {
            println!("{} {:?}", run.path.display(), run.variant);
            println!("  {}", run.outcome.failures.join("\n  "));
            println!("{}", run.outcome.trace.render(Detail::Lines));
            failed.push(run.path);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}
