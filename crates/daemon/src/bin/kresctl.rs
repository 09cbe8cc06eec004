//! `kresctl`: commands for running resolvers.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::control_main()
}
