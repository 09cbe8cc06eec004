//! `kresd`: the resolver.

use std::process::ExitCode;

/// Small and quick for many short-lived pieces; prefixed, so that it does not replace the
/// allocator of libraries.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator is set to: one thread does nearly all the work.
#[cfg(feature = "jemalloc")]
#[allow(unsafe_code, reason = "the allocator reads this symbol")]
// SAFETY: jemalloc's symbol for this, a pointer to a text that ends with a zero octet.
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8; 10] = b"narenas:1\0";

fn main() -> ExitCode {
    daemon::run()
}
