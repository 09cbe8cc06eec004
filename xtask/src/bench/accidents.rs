//! `cargo xtask bench kills|cuts|corruption|spoils|strikes|crashes [N]`: the accidents that a cache and a group
//! of workers have to survive, many more of them than the tests of every day try. Each fails at the first thing that goes wrong, and says
//! which seed to look at.

use anyhow::{Result, bail};

use crate::step::{cargo, run};

/// One kind of accident.
struct Kind {
    name: &'static str,
    /// Package and program of tests, and which of them.
    package: &'static str,
    program: &'static str,
    test: &'static str,
    /// What tells the test how many.
    variable: &'static str,
    /// How many, where nothing else is said.
    count: u32,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "kills",
        package: "store",
        program: "kv_processes",
        test: "kills_at_any_moment",
        variable: "KV_KILLS",
        count: 1_000,
    },
    Kind {
        name: "cuts",
        package: "store",
        program: "kv_processes",
        test: "a_file_cut_off_at_any_moment",
        variable: "KV_CUTS",
        count: 1_000,
    },
    Kind {
        name: "corruption",
        package: "store",
        program: "kv_damage",
        test: "damage",
        variable: "KV_DAMAGE_SEEDS",
        count: 10_000,
    },
    Kind {
        name: "spoils",
        package: "store",
        program: "kv_processes",
        test: "pages_spoiled_at_any_moment",
        variable: "KV_SPOILS",
        count: 1_000,
    },
    Kind {
        name: "strikes",
        package: "store",
        program: "kv_processes",
        test: "what_is_trusted_spoiled_for_a_moment",
        variable: "KV_STRIKES",
        count: 1_000,
    },
    Kind {
        name: "crashes",
        package: "daemon",
        program: "it",
        test: "one_worker_of_four_crashes",
        variable: "KRES_CRASHES",
        count: 30,
    },
];

/// Is this the name of a kind of accident?
pub fn is_kind(name: &str) -> bool {
    KINDS.iter().any(|kind| kind.name == name)
}

/// Lets them happen.
pub fn accidents(name: &str, count: Option<&str>) -> Result<()> {
    let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
        bail!("there are no accidents called `{name}`");
    };
    let count: u32 = count.map_or(Ok(kind.count), str::parse)?;
    println!("{name}: {count}");
    let mut command = cargo();
    command.args(["test", "--package", kind.package, "--test", kind.program, kind.test]);
    command.args(["--", "--nocapture", "--test-threads=1"]);
    run(command.env(kind.variable, count.to_string()))
}
