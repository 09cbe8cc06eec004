//! The project's own tool: `cargo xtask help` lists what it does. Everything that a shell script
//! would do elsewhere is done here.

use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::{ci, docs, lab, setup, tidy, tree};

const HELP: &str = "\
cargo xtask COMMAND

  setup               install what the tests need (or say what that is)
  ci                  everything that has to hold before a change lands
  tidy [--ratchet]    the rules of the house; --ratchet lowers rows of the lists of exceptions
  docs [--check]      write the generated documents, or fail if one is stale
  lab [-- COMMAND…]   a small Internet on loopback with the resolver in it, until Ctrl-C or for one
                      command; KRESD=PATH puts another resolver there
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
        ["lab"] => lab::lab(),
        ["lab", "--", command @ ..] => lab::run_in_lab(command),
        [command, ..] => bail!("`{command}` with these arguments is unknown\n\n{HELP}"),
    }
}
