//! Numbers in memory that a parent shares with the processes that are forked from it.

use std::io;
use std::ptr;
use std::sync::atomic::AtomicU64;

/// Makes so many numbers, all zero. They are shared with whatever is forked later, and stay until the
/// last of these processes ends.
pub(crate) fn numbers(count: usize) -> io::Result<&'static [AtomicU64]> {
    // SAFETY: a new mapping that is never unmapped, at an address that the kernel chooses; it is zeros,
    // which are valid numbers, and aligned as pages are.
    unsafe {
        let start = libc::mmap(
            ptr::null_mut(),
            count * size_of::<AtomicU64>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(std::slice::from_raw_parts(start.cast::<AtomicU64>(), count))
    }
}
