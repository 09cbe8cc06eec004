//! The project's own tool: `cargo xtask help` lists what it does. Everything that a shell script
//! would do elsewhere is done here.

use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::bench::accidents;
use xtask::{bench, ci, differential, docs, lab, scaffold, setup, step, tidy, tree};

const HELP: &str = "\
cargo xtask COMMAND

  setup               install what the tests need (or say what that is)
  ci                  everything that has to hold before a change lands
  tidy [--ratchet]    the rules of the house; --ratchet lowers rows of the lists of exceptions
  docs [--check]      write the generated documents, or fail if one is stale
  bench [count [--write]]
                      time the operations of the bench programs, or count their instructions and hold
                      them against docs/bench/baseline.toml (with the compiler and on the kind of
                      machine that it was counted with)
  bench cache [PART]  what the cache costs and withstands: hits in ns, workers that wait for each
                      other, two workers against one, names cleared under load, a restart after
                      kill -9, bytes a name; KRES_BUILT=FOLDER takes programs from there
  bench churn         hit rate under a load four times the cache, with and without collector, beside
                      Knot Resolver if it is installed; KRES_BUILT=FOLDER takes programs from there
  bench kills|cuts|corruption|spoils|strikes|crashes [N]
                      N accidents that a cache has to survive: writers killed, its file cut off under
                      four writers, bytes of its files changed
  sim [--seeds N | --seed S] [-v]
                      random worlds against the oracle
  scenario PATH… [-v]
                      play .rpl files, or all of a folder, in virtual time
  new module NAME     begin a module as a copy of the smallest one
  lab [-- COMMAND…]   a small Internet on loopback with the resolver in it, until Ctrl-C or for one
                      command; KRESD=PATH puts another resolver there
  differential [--questions N] [--seed S]
                      the same questions to our resolver and three others, in the lab; differences
                      are written to target/differential.jsonl
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let root = tree::root();
    match words {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["setup"] => setup::setup(),
        ["ci"] => ci::ci(),
        ["tidy"] => tidy::run(&root),
        ["tidy", "--ratchet"] => tidy::rewrite_ratchet(&root),
        ["docs"] => docs::write(&root),
        ["docs", "--check"] => docs::check(&root),
        ["bench"] => bench::time(),
        ["bench", "count"] => bench::count(false),
        ["bench", "count", "--write"] => bench::count(true),
        ["bench", "cache"] => bench::cache::cache(None),
        ["bench", "cache", part] => bench::cache::cache(Some(part)),
        ["bench", "churn"] => bench::churn::churn(),
        ["bench", kind] if accidents::is_kind(kind) => accidents::accidents(kind, None),
        ["bench", kind, count] if accidents::is_kind(kind) => {
            accidents::accidents(kind, Some(count))
        }
        ["sim", rest @ ..] => sim("seeds", rest),
        ["scenario", rest @ ..] => sim("scenario", rest),
        ["new", "module", name] => scaffold::new_module(&root, name),
        ["lab"] => lab::lab(),
        ["lab", "--", command @ ..] => lab::run_in_lab(command),
        ["differential", "inside", rest @ ..] => differential::inside(rest),
        ["differential", rest @ ..] => differential::differential(rest),
        [command, ..] => bail!("`{command}` with these arguments is unknown\n\n{HELP}"),
    }
}

/// Hands over to the simulator, whose paths are those of the caller's folder.
fn sim(what: &str, rest: &[&str]) -> Result<()> {
    let here = std::env::current_dir()?;
    let mut command = step::cargo();
    command.args(["run", "--quiet", "--package", "sim", "--bin", "sim", "--", what]).args(rest);
    step::run(command.current_dir(here))
}
