//! Handles that outlive their request: which ones there may be, so that the prelude can empty them.
//!
//! Fields of queries lie in their handles, where reading them costs nothing; the price is that
//! somebody has to take them out again. A mark goes with each request that has such handles, and
//! when the request is dropped, whatever became of it, its number is noted here.

use std::cell::RefCell;

use resolve::Request;

thread_local! {
    /// Requests that are over, by slot and number.
    static OVER: RefCell<Vec<(u32, u32)>> = const { RefCell::new(Vec::new()) };
}

/// Goes with a request; notes its end.
#[derive(Debug)]
struct Mark {
    slot: u32,
    number: u32,
}

impl Drop for Mark {
    fn drop(&mut self) {
        // At the end of the thread there is nobody left to be told.
        let _thread_ends = OVER.try_with(|over| {
            if let Ok(mut over) = over.try_borrow_mut() {
                over.push((self.slot, self.number));
            }
        });
    }
}

/// Notes the end of this request when it comes.
pub(crate) fn mark(request: &mut Request) {
    let is_marked = request.kept.iter().any(|kept| kept.is::<Mark>());
    if !is_marked {
        let mark = Mark { slot: request.id.slot(), number: request.id.number };
        request.kept.push(Box::new(mark));
    }
}

/// One of the marked requests that have ended: slot and number.
pub(crate) fn pop() -> Option<(u32, u32)> {
    OVER.with(|over| over.try_borrow_mut().ok()?.pop())
}

/// The marked requests that have ended since the last call.
pub(crate) fn take_over() -> Vec<(u32, u32)> {
    OVER.with(|over| over.try_borrow_mut().map(|mut over| std::mem::take(&mut *over)))
        .unwrap_or_default()
}
