//! `kresd-query`: resolves a name and runs a script on the answer.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::query_main()
}
