//! Functions that the operator wrote into rules, called from the layer that evaluates them, and
//! what the program can reach while such a function or a hook runs.

use mlua::{Table, Value};
use resolve::core::Core;
use resolve::{RequestContext, State};

use super::call::{self, HookFunction, Tail};
use super::lent::{self, View, lend};
use super::{Interpreter, message};
use crate::bindings::{self, Call};
use crate::layer::{Phase, explain_yield, kept, query_key, state_from, state_number};
use crate::policy::{Action, LuaFunction};

/// Lists of filters that are kept ready: neighbouring functions among the rules make one.
const FILTER_LISTS_MAX: usize = 64;
/// When so many others were asked for, those that are kept are perhaps of rules that are gone: making code
/// for the present ones costs no more than asking the others so often did.
const OTHER_LISTS_MAX: u32 = 100_000;

/// Lists of numbers with the function that asks them, and how often others were asked for.
pub(super) type FilterLists = (Vec<(Box<[LuaFunction]>, HookFunction)>, u32);

/// A function of a rule raised an error or returned something that is no action; the text says
/// what. It is for the log; the request fails.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RuleFault(pub String);

impl From<mlua::Error> for RuleFault {
    fn from(error: mlua::Error) -> RuleFault {
        let text = message(&error);
        RuleFault(explain_yield(&text).unwrap_or(text))
    }
}

/// The hook that rules count as: before resolution, or after it.
fn phase(post: bool) -> Phase {
    if post { Phase::Finish } else { Phase::Begin }
}

impl Interpreter {
    /// Asks filters of the operator, in their order, until one selects the request. Returns its
    /// place in the list and the action. `post`: the rules after resolution. One call for many
    /// filters costs little more than one for one.
    pub fn run_filters(
        &self,
        functions: &[LuaFunction],
        ctx: &mut RequestContext<'_>,
        state: State,
        post: bool,
    ) -> Result<Option<(usize, Action)>, RuleFault> {
        let list = self.filter_list(functions)?;
        // Before the first query a filter looks at the question.
        let plan = &ctx.request.plan;
        let has_begun = post || plan.pushed() > 0 || plan.current().is_some();
        let question = (!has_begun).then(|| ctx.request.question.clone());
        if question.is_some() {
            kept::mark(ctx.request);
        }
        let view = View::of_request(ctx, phase(post), state);
        let tail = Tail::Filters { list: &list, question: question.as_ref() };
        let at = usize::try_from(self.door.run_hook(view, &self.run_filters, tail)?).unwrap_or(0);
        let Some(at) = at.checked_sub(1) else { return Ok(None) };
        let action: Table = self.chosen_action.call(())?;
        let call = Call { lua: &self.lua, host: self.state.host.as_ref(), state: &self.state };
        let action = bindings::parse_action(&call, &action)
            .map_err(|failure| RuleFault(failure.to_string()))?;
        Ok(Some((at, action)))
    }

    /// The functions themselves as one, made once for each list of numbers that is in use. Lists that find
    /// no place are asked one by one.
    fn filter_list(&self, functions: &[LuaFunction]) -> Result<HookFunction, RuleFault> {
        let (lists, others) = &mut *self.filter_lists.borrow_mut();
        if let Some((_, list)) = lists.iter().find(|(known, _)| **known == *functions) {
            return Ok(list.clone());
        }
        let numbers = self.lua.create_sequence_from(functions.iter().map(|function| function.0))?;
        if *others >= OTHER_LISTS_MAX {
            *others = 0;
            lists.clear();
        }
        if lists.len() >= FILTER_LISTS_MAX {
            *others += 1;
            return Ok(HookFunction::new(&self.lua, &self.ask_one_by_one.call(numbers)?)?);
        }
        let list = HookFunction::new(&self.lua, &self.make_filters.call(numbers)?)?;
        lists.push((functions.into(), list.clone()));
        Ok(list)
    }

    /// Runs an action that the operator wrote. Returns the state that follows; nothing if the next
    /// rule is to be tried.
    pub fn run_action(
        &self,
        function: LuaFunction,
        ctx: &mut RequestContext<'_>,
        state: State,
        post: bool,
    ) -> Result<Option<State>, RuleFault> {
        let (slot, request) = (ctx.request.id.slot(), call::handle(ctx.request.id.number));
        let view = View::of_request(ctx, phase(post), state);
        let key = query_key(view.query.as_deref());
        let _run = self.door.begin()?;
        let run =
            || self.run_action.call::<Value>((function.0, state_number(state), request, slot, key));
        let next = lend(view, run)?;
        Ok((!next.is_nil()).then(|| state_from(&next, state)))
    }

    /// Asks a function of the operator a question about a request at its end
    /// (`policy.DEBUG_IF`).
    pub fn run_test(
        &self,
        function: LuaFunction,
        ctx: &mut RequestContext<'_>,
        state: State,
    ) -> Result<bool, RuleFault> {
        let (slot, request) = (ctx.request.id.slot(), call::handle(ctx.request.id.number));
        let view = View::of_request(ctx, Phase::Finish, state);
        let key = query_key(view.query.as_deref());
        let _run = self.door.begin()?;
        let run = || self.run_test.call::<bool>((function.0, request, slot, key));
        Ok(lend(view, run)?)
    }
}

/// Uses what the layers of the resolver share, if a hook or rule written in Lua is running on this
/// thread: the way of a host's method to the cache while the resolver itself is in use. `None`: no
/// hook runs, the resolver can be reached as usual.
pub fn with_core<R>(use_it: impl FnOnce(&mut Core) -> R) -> Option<R> {
    lent::with(|view| use_it(view.core))
}

/// Is a hook or rule written in Lua running on this thread? Then what needs the whole resolver has
/// to wait until the hook is over.
pub fn is_in_hook() -> bool {
    lent::is_lent()
}
