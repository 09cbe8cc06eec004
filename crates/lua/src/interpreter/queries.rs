//! Queries that Lua started, as requests of the resolver: `resolve()` with its flags, `init` and
//! `finish`.

use std::rc::Rc;

use mlua::Function;
use resolve::{Client, ClientProtocol, Hooks, Layer, RequestContext, State};

use super::budget::{Budget, Kind};
use super::call::handle;
use super::lent::{View, lend};
use super::{Interpreter, InterpreterError, message};
use crate::host::{Host, LogLevel, QueryId};
use crate::layer::{Phase, query_key};

/// The layer that runs callbacks of `resolve()` while their request begins and ends. It looks at
/// requests from inside only, so it does not keep answers from being shared.
pub struct QueryCallbacks {
    host: Rc<dyn Host>,
    budget: Rc<Budget>,
    begin: Function,
    end: Function,
    id_of: fn(&Client) -> Option<QueryId>,
}

impl QueryCallbacks {
    /// The name in the stack.
    pub const NAME: &'static str = "resolve()";

    fn id(&self, ctx: &RequestContext<'_>) -> Option<QueryId> {
        let client = &ctx.request.client;
        (client.protocol == ClientProtocol::Internal).then(|| (self.id_of)(client)).flatten()
    }

    fn report(&self, result: mlua::Result<()>) {
        if let Err(error) = result {
            self.host.log("system", LogLevel::Err, &format!("error: {}", message(&error)));
        }
    }
}

impl Interpreter {
    /// The layer for queries that Lua started, to be put in front of all others. `id_of` reads the
    /// number of the query from its client.
    pub fn query_callbacks(
        &self,
        id_of: fn(&Client) -> Option<QueryId>,
    ) -> Result<QueryCallbacks, InterpreterError> {
        let begin = self.internals.get("begin_query")?;
        let end = self.internals.get("end_query")?;
        let (host, budget) = (Rc::clone(&self.state.host), Rc::clone(&self.state.budget));
        Ok(QueryCallbacks { host, budget, begin, end, id_of })
    }
}

impl Layer for QueryCallbacks {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::BEGIN | Hooks::FINISH
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn begin(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if let Some(id) = self.id(ctx) {
            let _run = self.budget.begin(Kind::Callback);
            let view = View::of_request(ctx, Phase::Begin, state);
            let (slot, request) = (view.request.id.slot(), handle(view.request.id.number));
            let key = query_key(view.query.as_deref());
            self.report(lend(view, || self.begin.call((id.0, request, slot, key))));
        }
        state
    }

    fn finish(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if let Some(id) = self.id(ctx) {
            let wire = (!ctx.request.response.silent).then(|| ctx.response_wire());
            let _run = self.budget.begin(Kind::Callback);
            let view = View::of_request(ctx, Phase::Finish, state);
            let (slot, request) = (view.request.id.slot(), handle(view.request.id.number));
            let key = query_key(view.query.as_deref());
            let octets = wire.map(mlua::BString::from);
            self.report(lend(view, || self.end.call((id.0, request, slot, key, octets))));
        }
        state
    }
}
