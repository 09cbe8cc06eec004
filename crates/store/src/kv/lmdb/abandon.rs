//! Work that can be given up in its middle: LMDB's write transactions, which cannot go on when a page
//! of the file is suddenly missing or spoiled, and have no way to say so.
//!
//! The work runs on a stack of its own. When a handler in `fault.rs` finds that a page of a guarded map
//! is missing, or that LMDB has gone where there is no memory, it changes back to the stack of whoever waits for the work, as if that had
//! ended. The stack of the work is never used again, like that of a thread that sleeps forever: what it
//! owned is leaked but for what LMDB has taken (`arena.rs`), nothing of it is unwound, and its locks stay
//! taken. The environment has to be closed after that, see `environment.rs`.
//!
//! On systems without `swapcontext` in their C library the work is done in place; there a page that is
//! missing within a transaction is replaced by an empty one, which mostly does.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

use super::arena::{Lost, Work};

/// Bytes of a stack for work. LMDB has no deep calls; its largest frames are some cursors.
const STACK_BYTES: usize = 256 * 1024;

/// Bytes that cannot be touched below a stack, and above it: a cursor lies on the stack and has an address for
/// each level of a tree, whose depth is a number of 16 bits.
const BELOW_BYTES: usize = 128 * 1024;
const ABOVE_BYTES: usize = 1024 * 1024;

thread_local! {
    /// Where the handler goes when a page is missing; null while no such work is being done.
    static WAY_OUT: Cell<*mut libc::ucontext_t> = const { Cell::new(ptr::null_mut()) };
    /// What is to be done on the new stack.
    static TASK: Cell<*mut Task<'static>> = const { Cell::new(ptr::null_mut()) };
    /// A stack that is free.
    static FREE: Cell<Option<Stack>> = const { Cell::new(None) };
}

/// Work, and what came of it.
struct Task<'a> {
    work: Option<&'a mut dyn FnMut()>,
    /// It has ended by itself, perhaps with a panic.
    ended: Option<Result<(), Box<dyn Any + Send>>>,
}

/// Has a stack ready, so that none is made later that would lie right below a map.
pub(super) fn prepare() {
    FREE.set(FREE.take().or_else(Stack::new));
}

/// Does the work. An error if it could not be done and was given up: what LMDB has left of it, to be released
/// when the environment is closed.
pub(super) fn abandonable<T>(work: impl FnOnce() -> T) -> Result<T, Lost> {
    let Some(stack) = FREE.take().or_else(Stack::new) else { return Ok(work()) };
    let begun = Work::begin();
    let mut work = Some(work);
    let mut result = None;
    let mut run = || result = work.take().map(|work| work());
    let mut task = Task { work: Some(&mut run), ended: None };
    // SAFETY: the task outlives the call, which is the only one that uses it: the pointer that is left
    // behind in `TASK` is not followed again before another one is put there.
    let ended = unsafe { run_on(&stack, (&raw mut task).cast()) };
    match (ended, result) {
        (Some(Ok(())), Some(result)) => {
            begun.done();
            FREE.set(Some(stack));
            Ok(result)
        }
        (Some(Err(panic)), _) => {
            begun.done();
            FREE.set(Some(stack));
            resume_unwind(panic)
        }
        _ => {
            // Frames that never end may be pointed to from anywhere.
            std::mem::forget(stack);
            Err(begun.lost())
        }
    }
}

/// Runs a task on a stack; what it came to, nothing if it was given up.
///
/// # Safety
///
/// The task is valid for the length of the call and used by nobody else.
unsafe fn run_on(
    stack: &Stack,
    task: *mut Task<'static>,
) -> Option<Result<(), Box<dyn Any + Send>>> {
    TASK.set(task);
    // SAFETY: all zeros is a valid `ucontext_t`, which `getcontext` fills; the stack is memory of its
    // own of the length that is told; `entry` takes no arguments and returns to `here`, which lives
    // until then in this frame. Whichever way control comes back, it comes through `here`, once.
    unsafe {
        let mut here: libc::ucontext_t = std::mem::zeroed();
        let mut there: libc::ucontext_t = std::mem::zeroed();
        if libc::getcontext(&raw mut there) != 0 {
            entry();
            return (*task).ended.take();
        }
        there.uc_stack.ss_sp = stack.start.as_ptr();
        there.uc_stack.ss_size = STACK_BYTES;
        there.uc_link = &raw mut here;
        libc::makecontext(&raw mut there, entry, 0);
        WAY_OUT.set(&raw mut here);
        libc::swapcontext(&raw mut here, &raw const there);
        WAY_OUT.set(ptr::null_mut());
        (*task).ended.take()
    }
}

/// The first function on a new stack.
extern "C" fn entry() {
    let task = TASK.get();
    // SAFETY: `run_on` has put a valid task there just now.
    let work = unsafe { (*task).work.take() };
    let ended = match work {
        // Nothing may unwind out of the last frame of a stack.
        Some(work) => catch_unwind(AssertUnwindSafe(work)),
        None => Ok(()),
    };
    // SAFETY: as above; `run_on` waits for this.
    unsafe { (*task).ended = Some(ended) };
}

/// Gives up the work that this thread is doing, if it does such work; otherwise returns. For the
/// handler of a signal that the work itself has raised.
pub(super) fn abandon() {
    let way_out = WAY_OUT.replace(ptr::null_mut());
    if !way_out.is_null() {
        // SAFETY: `run_on` is waiting in the frame that this context belongs to.
        unsafe { libc::setcontext(way_out) };
    }
}

/// Memory for a stack, with addresses on both sides that cannot be touched.
struct Stack {
    start: NonNull<libc::c_void>,
}

impl Stack {
    fn new() -> Option<Stack> {
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                BELOW_BYTES + STACK_BYTES + ABOVE_BYTES,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: the range lies in the mapping that was just made.
        let usable = unsafe {
            let usable = start.byte_add(BELOW_BYTES);
            libc::mprotect(usable, STACK_BYTES, libc::PROT_READ | libc::PROT_WRITE);
            usable
        };
        NonNull::new(usable).map(|start| Stack { start })
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let all = BELOW_BYTES + STACK_BYTES + ABOVE_BYTES;
        // SAFETY: the mapping of `new`, on which nothing runs any more.
        unsafe { libc::munmap(self.start.as_ptr().byte_sub(BELOW_BYTES), all) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came of it; what LMDB would have left is nothing.
    fn abandonable<T>(work: impl FnOnce() -> T) -> Option<T> {
        super::abandonable(work).map_err(Lost::release).ok()
    }

    #[test]
    fn work_that_ends_has_a_result() {
        let mut sum = 0;
        for n in 0..100 {
            let text = n.to_string();
            assert_eq!(
                abandonable(|| {
                    sum += n;
                    text.len()
                }),
                Some(text.len())
            );
        }
        assert_eq!(sum, 4950);
    }

    #[test]
    fn work_that_is_given_up_has_none_and_the_next_one_runs() {
        for _ in 0..10 {
            let mut begun = false;
            let result = abandonable(|| {
                begun = true;
                abandon();
                unreachable!("it was given up")
            });
            assert_eq!((result, begun), (None::<()>, true));
            assert_eq!(abandonable(|| 7), Some(7));
        }
    }

    #[test]
    fn work_that_touches_memory_that_is_not_there_is_given_up() {
        let _installed = crate::kv::lmdb::fault::Guard::new(1 << 20, 1);
        for address in [8usize, 1 << 46, 0xFFFF_8000_0000_0000] {
            let nowhere = ptr::with_exposed_provenance::<u8>(address);
            // SAFETY: there is no memory at these addresses, which is the point of it.
            let read = abandonable(|| unsafe { nowhere.read_volatile() });
            assert_eq!(read, None);
            assert_eq!(abandonable(|| 7), Some(7));
        }
    }

    #[test]
    fn work_that_leaves_its_stack_is_given_up() {
        let _installed = crate::kv::lmdb::fault::Guard::new(1 << 20, 1);
        for far in [STACK_BYTES, ABOVE_BYTES - 8] {
            let written = abandonable(|| {
                let own = 0u8;
                let own = ptr::from_ref(std::hint::black_box(&own)).addr();
                let above = ptr::with_exposed_provenance_mut::<u8>(own + far);
                // SAFETY: there is no memory above the stack, which is the point of it.
                unsafe { above.write_volatile(1) };
            });
            assert_eq!(written, None);
            assert_eq!(abandonable(|| 7), Some(7));
        }
    }

    #[test]
    fn work_that_calls_itself_impossible_is_given_up() {
        let _installed = crate::kv::lmdb::fault::Guard::new(1 << 20, 1);
        assert_eq!(abandonable(|| std::process::abort()), None::<()>);
        assert_eq!(abandonable(|| 7), Some(7));
    }

    /// How a copy of this process ends that does such work.
    fn end_of(work: impl FnOnce()) -> i32 {
        let _installed = crate::kv::lmdb::fault::Guard::new(1 << 20, 1);
        // SAFETY: the child takes no lock that another thread may have held, and ends at once; its
        // status is waited for, and put in a variable of this frame.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let _given_up = abandonable(work);
                libc::_exit(0);
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            status
        }
    }

    #[test]
    fn an_abort_that_is_no_assertion_ends_the_process() {
        let spoiled_heap = end_of(|| {
            // SAFETY: it is given back once too often, which the C library finds.
            unsafe {
                let piece = std::hint::black_box(libc::malloc(64));
                libc::free(piece);
                libc::free(std::hint::black_box(piece));
            }
        });
        assert_eq!(libc::WTERMSIG(spoiled_heap), libc::SIGABRT);
        let sent = end_of(|| {
            // SAFETY: the call takes no pointers.
            unsafe { libc::kill(libc::getpid(), libc::SIGABRT) };
        });
        assert_eq!(libc::WTERMSIG(sent), libc::SIGABRT);
        assert_eq!(end_of(|| std::process::abort()), 0);
    }

    #[test]
    fn a_panic_goes_on_where_it_was_waited_for() {
        let caught = catch_unwind(|| abandonable(|| panic!("on purpose")));
        assert!(caught.is_err());
        assert_eq!(abandonable(|| 7), Some(7));
    }
}
