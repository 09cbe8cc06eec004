//! A module written in Lua, as the resolver's stack of layers sees it.
//!
//! Only the hooks that the module has are entered. A hook is a closure of the prelude around the
//! module's function: it finds the handle of the request. What
//! the function does with the handle reaches the request through what is lent (`interpreter/lent.rs`).

use std::fmt;
use std::rc::Rc;

use dns::Rcode;
use mlua::Value;
use resolve::{Hooks, Layer, QueryContext, RequestContext, State};

use crate::host::{Host, LogLevel};
use crate::interpreter::call::{Door, HookFunction, Tail};
use crate::interpreter::lent::View;

pub(crate) mod answered;
pub(crate) mod kept;

/// The log group of errors in hooks.
const GROUP: &str = "module";

/// The hooks of a layer that a Lua module may implement, in the order of a request's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// A request has come.
    Begin,
    /// A sub-query starts.
    Reset,
    /// A reply has come.
    Consume,
    /// A query is to be made.
    Produce,
    /// A query leaves, its target is known.
    Checkout,
    /// The response is complete.
    AnswerFinalize,
    /// The request is over.
    Finish,
}

impl Phase {
    /// All hooks.
    pub const ALL: [Self; 7] = [
        Self::Begin,
        Self::Reset,
        Self::Consume,
        Self::Produce,
        Self::Checkout,
        Self::AnswerFinalize,
        Self::Finish,
    ];

    /// The field of the module's `layer` table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Reset => "reset",
            Self::Consume => "consume",
            Self::Produce => "produce",
            Self::Checkout => "checkout",
            Self::AnswerFinalize => "answer_finalize",
            Self::Finish => "finish",
        }
    }

    fn hook(self) -> Hooks {
        match self {
            Self::Begin => Hooks::BEGIN,
            Self::Reset => Hooks::RESET,
            Self::Consume => Hooks::CONSUME,
            Self::Produce => Hooks::PRODUCE,
            Self::Checkout => Hooks::CHECKOUT,
            Self::AnswerFinalize => Hooks::ANSWER_FINALIZE,
            Self::Finish => Hooks::FINISH,
        }
    }
}

/// A state as Lua code writes it (`kres.DONE` and the like).
pub(crate) fn state_number(state: State) -> i32 {
    match state {
        State::Consume => 1,
        State::Produce => 2,
        State::Done => 4,
        State::Fail => 8,
        State::Yield => 16,
    }
}

/// The state that a hook returned; whatever is not one of the numbers leaves the state as it was.
pub(crate) fn state_from(value: &Value, before: State) -> State {
    let number = match value {
        Value::Integer(number) => *number,
        Value::Number(number) => *number as i64,
        _ => return before,
    };
    state_of(number, before)
}

/// The state with this number; any other number leaves the state as it was.
fn state_of(number: i64, before: State) -> State {
    match number {
        1 => State::Consume,
        2 => State::Produce,
        4 => State::Done,
        8 => State::Fail,
        16 => State::Yield,
        _ => before,
    }
}

/// Which query a hook is about, as a number for Lua: negative for the question of a request that
/// has no query yet.
pub(crate) fn query_key(query: Option<&resolve::Query>) -> i32 {
    query.map_or(-1, |query| i32::from(query.id.0) << 8 | i32::from(query.aliases))
}

/// The hooks of one Lua module.
#[derive(Clone)]
pub struct LuaLayer {
    module: String,
    phases: Vec<Phase>,
    functions: [Option<HookFunction>; Phase::ALL.len()],
    door: Rc<Door>,
    host: Rc<dyn Host>,
}

impl fmt::Debug for LuaLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LuaLayer")
            .field("module", &self.module)
            .field("phases", &self.phases)
            .finish_non_exhaustive()
    }
}

impl LuaLayer {
    /// The layer of a module with these hooks, closures of the prelude.
    pub(crate) fn new(
        module: String,
        hooks: impl IntoIterator<Item = (Phase, HookFunction)>,
        door: Rc<Door>,
        host: Rc<dyn Host>,
    ) -> Self {
        let mut functions = [const { None }; Phase::ALL.len()];
        for (phase, function) in hooks {
            functions[phase as usize] = Some(function);
        }
        let has = |phase: &Phase| functions[*phase as usize].is_some();
        let phases = Phase::ALL.into_iter().filter(has).collect();
        Self { module, phases, functions, door, host }
    }

    /// The name of the module.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Which hooks exist. A phase that is not among them never enters Lua.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Runs a hook. `Err`: it raised an error, which has been logged.
    fn run(&self, view: View<'_>) -> Result<State, ()> {
        let (phase, state) = (view.phase, view.state);
        let Some(function) = &self.functions[phase as usize] else { return Ok(state) };
        match self.door.run_hook(view, function, Tail::Nothing) {
            Ok(next) => Ok(state_of(next, state)),
            Err(error) => {
                self.report(phase, &error);
                Err(())
            }
        }
    }

    fn report(&self, phase: Phase, error: &mlua::Error) {
        let text = crate::interpreter::message(error);
        let text = explain_yield(&text).unwrap_or(text);
        let (module, hook) = (&self.module, phase.name());
        self.host.log(GROUP, LogLevel::Err, &format!("module '{module}', {hook}: {text}"));
    }

    fn run_for_request(
        &self,
        ctx: &mut RequestContext<'_>,
        phase: Phase,
        state: State,
    ) -> Result<State, ()> {
        self.run(View::of_request(ctx, phase, state))
    }

    fn run_for_query(&self, ctx: &mut QueryContext<'_>, phase: Phase, state: State) -> State {
        self.run(View::of_query(ctx, phase, state)).unwrap_or(State::Fail)
    }
}

/// A layer cannot wait: what LuaJIT says about that, in words that help.
pub(crate) fn explain_yield(text: &str) -> Option<String> {
    text.contains("attempt to yield across C-call boundary").then(|| {
        "a layer cannot wait: worker.sleep() and coroutine.yield() have no place in a hook; start \
         the work with event.after(0, …) or worker.coroutine(…)"
            .to_owned()
    })
}

/// The response of a request whose hook failed.
fn fail(ctx: &mut RequestContext<'_>) {
    ctx.request.response.clear_records();
    ctx.request.response.authoritative = false;
    ctx.request.response.rcode = Rcode::SERVFAIL;
}

impl Layer for LuaLayer {
    fn name(&self) -> &str {
        &self.module
    }

    fn hooks(&self) -> Hooks {
        self.phases.iter().fold(Hooks::empty(), |all, phase| all | phase.hook())
    }

    /// Nobody knows what a function of the operator depends on. Without any hook it depends on
    /// nothing.
    fn is_transparent(&self) -> bool {
        self.phases.is_empty()
    }

    fn begin(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        self.run_for_request(ctx, Phase::Begin, state).unwrap_or_else(|()| {
            fail(ctx);
            State::Fail
        })
    }

    fn reset(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        self.run_for_query(ctx, Phase::Reset, state)
    }

    fn produce(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        let had_reply = ctx.query.reply.is_some();
        let next = self.run_for_query(ctx, Phase::Produce, state);
        if had_reply { next } else { answered::settle(ctx, next) }
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        self.run_for_query(ctx, Phase::Consume, state)
    }

    fn checkout(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        self.run_for_query(ctx, Phase::Checkout, state)
    }

    fn answer_finalize(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        self.run_for_request(ctx, Phase::AnswerFinalize, state).unwrap_or_else(|()| {
            fail(ctx);
            State::Fail
        })
    }

    fn finish(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        self.run_for_request(ctx, Phase::Finish, state).unwrap_or(State::Fail)
    }
}
