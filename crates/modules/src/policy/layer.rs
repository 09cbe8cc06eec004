//! The layers that apply the rules.

use std::rc::Rc;

use resolve::flags::QueryFlags;
use resolve::trace::TraceCondition;
use resolve::{Client, Hooks, Layer, QueryContext, RequestContext, State};

use super::evaluate::{Helpers, Subject, evaluate};
use super::rule::FunctionId;
use super::{Entry, List, Rules, dump};

/// The name of [`PolicyLayer`] in the stack and in `modules.list()`.
pub const POLICY: &str = "policy";
/// The name of [`ViewLayer`] in the stack and in `modules.list()`.
pub const VIEW: &str = "view";

/// Applies the rules for everybody, at the beginning and at the end of requests.
pub struct PolicyLayer {
    rules: Rules,
}

impl PolicyLayer {
    /// The layer with these rules.
    pub fn new(rules: Rules) -> PolicyLayer {
        PolicyLayer { rules }
    }

    /// Does a trace that was kept back go to the log?
    fn wants_trace(&self, ctx: &mut RequestContext<'_>) -> bool {
        let functions = self.rules.functions();
        let conditions = ctx.request.trace.conditions.clone();
        conditions.into_iter().any(|condition| match condition {
            TraceCondition::CacheMiss => !ctx.request.cached,
            TraceCondition::Function(number) => functions
                .as_ref()
                .is_some_and(|functions| functions.test(FunctionId(number), ctx) == Ok(true)),
        })
    }
}

fn is_over(state: State) -> bool {
    matches!(state, State::Done | State::Fail)
}

impl Layer for PolicyLayer {
    fn name(&self) -> &str {
        POLICY
    }

    fn hooks(&self) -> Hooks {
        Hooks::BEGIN | Hooks::CONSUME | Hooks::ANSWER_FINALIZE | Hooks::FINISH
    }

    fn is_transparent(&self) -> bool {
        // What a rule does depends on the question, or the request is marked.
        true
    }

    fn begin(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if is_over(state) {
            return state;
        }
        let entries = self.rules.entries(List::Before);
        let mut subject = Subject::new(self.rules.seed());
        try_rules(&self.rules, &entries, List::Before, &mut subject, ctx, state).unwrap_or(state)
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if ctx.request.trace.replies {
            dump::reply(ctx);
        }
        state
    }

    fn answer_finalize(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if state == State::Fail {
            return state;
        }
        let entries = self.rules.entries(List::After);
        let mut subject = Subject::new(self.rules.seed());
        try_rules(&self.rules, &entries, List::After, &mut subject, ctx, state).unwrap_or(state)
    }

    fn finish(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if ctx.request.trace.response {
            dump::response(ctx);
        }
        if let Some(held) = ctx.request.trace.held.take() {
            if self.wants_trace(ctx) {
                ctx.core.log.release(held);
            } else {
                ctx.request.flags -= QueryFlags::TRACE;
            }
        }
        state
    }
}

/// Applies the rules for some clients.
pub struct ViewLayer {
    rules: Rules,
}

impl ViewLayer {
    /// The layer with these rules.
    pub fn new(rules: Rules) -> ViewLayer {
        ViewLayer { rules }
    }
}

impl Layer for ViewLayer {
    fn name(&self) -> &str {
        VIEW
    }

    fn hooks(&self) -> Hooks {
        Hooks::BEGIN
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn sees_clients(&self) -> bool {
        true
    }

    fn client_tag(&self, client: &Client) -> Option<u32> {
        self.rules.client_tag(client.peer.ip(), client.local.ip())
    }

    fn begin(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if is_over(state) {
            return state;
        }
        let entries = self.rules.entries(List::View);
        let mut subject = Subject::new(self.rules.seed());
        try_rules(&self.rules, &entries, List::View, &mut subject, ctx, state).unwrap_or(state)
    }
}

/// Tries the rules of a list, unless there are none.
fn try_rules(
    rules: &Rules,
    entries: &[Rc<Entry>],
    list: List,
    subject: &mut Subject,
    ctx: &mut RequestContext<'_>,
    state: State,
) -> Option<State> {
    if entries.is_empty() {
        return None;
    }
    let functions = rules.functions();
    let helpers = Helpers { functions: functions.as_deref(), list };
    evaluate(entries, subject, helpers, ctx, state)
}
