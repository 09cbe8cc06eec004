//! `kresd`: the resolver.

use std::process::ExitCode;

/// Small and quick for many short-lived pieces; prefixed, so that it does not replace the
/// allocator of libraries.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator is set to.
///
/// `thp:always`: a question that finds the processor cold waits for its address translations too, and the
/// memory that it touches lies in one or two large pages then. Some 2 MiB more are resident for it.
/// `narenas:1`: one thread does nearly all the work.
#[cfg(feature = "jemalloc")]
#[allow(unsafe_code, reason = "the allocator reads this symbol")]
// SAFETY: jemalloc's symbol for this, a pointer to a text that ends with a zero octet.
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8; 21] = b"thp:always,narenas:1\0";

fn main() -> ExitCode {
    daemon::run()
}
