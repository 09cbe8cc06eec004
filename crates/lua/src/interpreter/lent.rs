//! The request that a hook works on, lent to Lua while the hook runs.
//!
//! A hook is given references that live as long as its call. Lua has handles instead, plain tables
//! with the number of their request; what is done through one of them looks here for the request of
//! that number. Outside of a hook there is nothing to find, so a handle that was kept finds nothing
//! either. One place for each thread, since a thread has one interpreter and runs one hook at a time.

use std::cell::Cell;
use std::ptr::NonNull;

use resolve::core::Core;
use resolve::{Now, Query, QueryContext, Request, RequestContext, State};

use crate::layer::Phase;

/// What is lent, as a pointer: the lifetime of the references ends with [`lend`].
type Lent = NonNull<View<'static>>;

thread_local! {
    static LENT: Cell<Option<Lent>> = const { Cell::new(None) };
}

/// What a hook works with, as functions called from Lua see it.
pub(crate) struct View<'a> {
    /// The time of this turn.
    pub(crate) now: Now,
    /// The hook that runs. Rules count as `begin`, those after resolution as `finish`.
    pub(crate) phase: Phase,
    /// The state that the hook was given.
    pub(crate) state: State,
    pub(crate) core: &'a mut Core,
    pub(crate) request: &'a mut Request,
    /// The query of the hook; `begin`, `answer_finalize` and `finish` have none.
    pub(crate) query: Option<&'a mut Query>,
}

impl<'a> View<'a> {
    /// The view of a hook of a request.
    pub(crate) fn of_request(
        ctx: &'a mut RequestContext<'_>,
        phase: Phase,
        state: State,
    ) -> View<'a> {
        View { now: ctx.now, phase, state, core: ctx.core, request: ctx.request, query: None }
    }

    /// The view of a hook of a query.
    pub(crate) fn of_query(ctx: &'a mut QueryContext<'_>, phase: Phase, state: State) -> View<'a> {
        let query = Some(&mut *ctx.query);
        View { now: ctx.now, phase, state, core: ctx.core, request: ctx.request, query }
    }
}

/// Puts back what was lent before, also when the call in between panics.
struct Restore(Option<Lent>);

impl Drop for Restore {
    fn drop(&mut self) {
        LENT.set(self.0);
    }
}

/// Lends a request to Lua while `run` runs.
#[inline]
pub(crate) fn lend<R>(mut view: View<'_>, run: impl FnOnce() -> R) -> R {
    let lent: Lent = NonNull::from(&mut view).cast();
    let _restore = Restore(LENT.replace(Some(lent)));
    run()
}

/// Uses what is lent; `None` if nothing is, or if it is in use further up the stack.
pub(crate) fn with<R>(use_it: impl FnOnce(View<'_>) -> R) -> Option<R> {
    // Taken away while it is used, so that nobody else can have it at the same time.
    let mut lent = LENT.take()?;
    let _restore = Restore(Some(lent));
    // SAFETY: `lend` made the pointer of a view which it holds, without using it, until its call ends,
    // and what is lent vanishes with that call. Nobody else has made a reference of it: it was taken
    // out above and is put back when this function returns. The references in the view are handed on
    // for as long as this call only, whatever the type says.
    let view = unsafe { lent.as_mut() };
    let View { now, phase, state, core, request, query } = view;
    let query = query.as_deref_mut();
    Some(use_it(View { now: *now, phase: *phase, state: *state, core, request, query }))
}

/// Is a hook running?
pub(crate) fn is_lent() -> bool {
    let lent = LENT.take();
    LENT.set(lent);
    lent.is_some()
}
