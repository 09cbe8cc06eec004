//! `kres-cache-gc`: removes what is worth least from a cache that gets full.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::collect()
}
