//! Large pages for the memory that every question touches.

/// Bytes of a large page on most systems; elsewhere the advice is refused, or of no effect.
const LARGE_PAGE_BYTES: usize = 2 << 20;

/// Asks the kernel for one large page in the place of the small ones around a value, now.
///
/// A question that comes after a pause finds the processor cold, and waits for address translations too.
/// What a process takes at its start lies together and is what all questions touch. Not more than one page,
/// since of a large one every byte is resident.
pub(crate) fn collapse_around<T>(value: &T) {
    let start = std::ptr::from_ref(value).addr() & !(LARGE_PAGE_BYTES - 1);
    let start = std::ptr::without_provenance_mut::<libc::c_void>(start);
    // SAFETY: both are advice on how memory is to be mapped. They change no content, and no mapping that
    // is not this process's; where they do not fit the kernel refuses them.
    unsafe {
        if libc::madvise(start, LARGE_PAGE_BYTES, libc::MADV_HUGEPAGE) == 0 {
            // Since Linux 6.1; before that the kernel does it by itself, later.
            libc::madvise(start, LARGE_PAGE_BYTES, libc::MADV_COLLAPSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_stays_as_it_is() {
        let values: Vec<u64> = (0..1 << 20).collect();
        for value in values.iter().step_by(100_000) {
            collapse_around(value);
        }
        assert!(values.iter().zip(0..).all(|(value, expected)| *value == expected));
    }
}
