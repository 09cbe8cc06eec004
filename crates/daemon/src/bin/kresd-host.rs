//! `kresd-host`: looks a name up, as `host` does.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::host_main()
}
