//! `kresd`: the resolver.

use std::process::ExitCode;

/// Small and quick for many short-lived pieces; prefixed, so that it does not replace the
/// allocator of libraries.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    daemon::run()
}
