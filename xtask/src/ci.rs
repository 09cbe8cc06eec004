//! `cargo xtask ci`: everything that has to hold before a change lands, in the order in which it
//! fails fastest.
//!
//! Nothing is compiled twice without need: clippy, the documentation and the type check share one
//! set of metadata, the tests and the lab share one build, and both use the dev profile.

use anyhow::Result;

use crate::step::{Steps, cargo, clock, run};
use crate::{docs, licences, setup, tidy, tree};

/// The documentation is read with its private items, so links to them are no mistake.
const RUSTDOCFLAGS: &str = "-D warnings -A rustdoc::private_intra_doc_links";

/// Runs all steps; the first that fails ends the job with its name.
pub fn ci() -> Result<()> {
    let root = tree::root();
    let mut steps = Steps::new(8);
    steps.run("setup: what the tests need is installed", setup::setup)?;
    steps.run("format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    steps.run("tidy", || tidy::run(&root))?;
    steps.run("generated documents are fresh", || docs::check(&root))?;
    steps.run("licences", licences::check)?;
    steps.run("clippy", || {
        let scope = ["clippy", "--workspace", "--all-targets", "--locked"];
        run(cargo().args(scope).args(["--", "-D", "warnings"]))
    })?;
    steps.run("documentation", || {
        let what = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
        run(cargo().args(what).env("RUSTDOCFLAGS", RUSTDOCFLAGS))
    })?;
    steps.run("tests, among them the simulation and the lab", || {
        run(cargo().args(["test", "--workspace", "--locked"]))
    })?;
    println!("\nAll good after {}.", clock(steps.elapsed()));
    Ok(())
}
