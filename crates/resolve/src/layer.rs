//! What a layer is, and the life of a request as layers see it.
//!
//! A request passes a stack of layers: `iterate`, `validate`, `cache`, and whatever modules add
//! before, between or behind them. The driver knows *when* to call *which* hook and nothing about
//! DNS; layers know about DNS and nothing about scheduling.
//!
//! **A question from the cache.** A request arrives. Every layer's [`Layer::begin`] may look at it
//! and end it (a policy that refuses, a hint that answers). If none does, its question becomes the
//! first query of the plan, and each layer's [`Layer::reset`] is told that a query begins. Now
//! [`Layer::produce`] is called from top to bottom with [`State::Produce`]: who knows the answer
//! puts a reply into the query and returns [`State::Consume`]. Here it is `cache`. The reply goes
//! through [`Layer::consume`] from top to bottom: `iterate` says what it means (an
//! [`Outcome`](crate::query::Outcome)), `validate` sees that it was validated before, `cache` does
//! not store it again. The query is settled: its records go into the response, and since the plan
//! is empty now, [`Layer::answer_finalize`] is called for the last touches and [`Layer::finish`] to
//! say goodbye. `finish` is called for every request, whatever became of it.
//!
//! **A question that has to be asked.** This time nobody knows the answer in `produce`. `iterate`
//! has found the zone to ask, what to ask (RFC 9156) and whom, and has planned the next message in
//! the query's round. If all hooks leave the state at [`State::Produce`], the driver calls
//! [`Layer::checkout`], the last word now that the target is known, and sends. Time passes; other
//! requests are served. A reply is matched (RFC 5452 §9) before anybody sees it, then it passes
//! `consume` as above. A referral leaves the query unresolved with a new zone cut, so `produce`
//! comes again. If nothing arrives in time, `produce` comes again too, and `iterate` plans another
//! target.
//!
//! **A layer that needs to know more** pushes child queries with
//! [`QueryContext::push_child`] and returns [`State::Yield`]. The children are worked off, each with
//! all hooks; then the same hook of the same layer is called again for the parent, with what the
//! children brought in `query.deliveries`. In `consume` the layers above are not called twice.
//!
//! **A layer that gives up** returns [`State::Fail`]. `produce`, `consume` and `checkout` of the
//! others are not called any more for this query. If it was a child, its parent goes on without it;
//! if it was the client's question, the response becomes SERVFAIL unless a layer says otherwise in
//! `answer_finalize`.
//!
//! HINT: the smallest layer is in `layer/refuse_nord.rs`.

use std::fmt;

use dns::Name;

use crate::answer_cache::AnswerHit;
use crate::client::Client;
use crate::core::Core;
use crate::flags::QueryFlags;
use crate::plan::PlanFull;
use crate::query::{Query, QueryId};
use crate::request::Request;
use crate::state::State;
use crate::time::Now;
use crate::trace::{Group, Origin};

pub mod cache;
pub mod iterate;
pub mod local_data;
pub mod refuse_nord;
pub mod stack;
pub mod validate;

bitflags::bitflags! {
    /// The hooks that a layer implements; the others are never called.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
    pub struct Hooks: u8 {
        const BEGIN = 1;
        const RESET = 2;
        const PRODUCE = 4;
        const CONSUME = 8;
        const CHECKOUT = 16;
        const ANSWER_FINALIZE = 32;
        const FINISH = 64;
        const HIT = 128;
    }
}

/// A part of the resolver's behaviour. Every hook of a request gets the state as the layer before left it and
/// returns the state that the next one gets; returning it unchanged means "not my business".
pub trait Layer {
    /// What the stack and the configuration call it.
    fn name(&self) -> &str;

    /// The hooks it implements, asked once when it is inserted.
    fn hooks(&self) -> Hooks;

    /// May an answer that passed this layer once be given to other clients without asking it
    /// again? No for layers that look at the client, change their mind, or do something for every
    /// request; while one of those is in the stack, every request goes through all layers. A layer
    /// that can tell which requests it treats like that is transparent and clears
    /// [`Request::shareable`] of those.
    fn is_transparent(&self) -> bool {
        false
    }

    /// Does what the layer decides depend on who asks, in a way that [`Layer::client_tag`] can tell?
    /// Asked once when it is inserted. Such a layer may be transparent all the same.
    fn sees_clients(&self) -> bool {
        false
    }

    /// Clients with the same tag are treated alike; finished answers are shared among them. Without
    /// a tag nothing is shared with the client. Asked for every query if [`Layer::sees_clients`].
    fn client_tag(&self, _client: &Client) -> Option<u32> {
        Some(0)
    }

    /// A request has come. [`State::Done`]: the response is complete; [`State::Fail`]: SERVFAIL
    /// unless the response says otherwise.
    fn begin(&mut self, _ctx: &mut RequestContext<'_>, state: State) -> State {
        state
    }

    /// A query begins.
    fn reset(&mut self, _ctx: &mut QueryContext<'_>, state: State) -> State {
        state
    }

    /// Something has to be found out for the current query.
    fn produce(&mut self, _ctx: &mut QueryContext<'_>, state: State) -> State {
        state
    }

    /// The current query was told something.
    fn consume(&mut self, _ctx: &mut QueryContext<'_>, state: State) -> State {
        state
    }

    /// A message is about to be sent; `query.round` says where and what.
    fn checkout(&mut self, _ctx: &mut QueryContext<'_>, state: State) -> State {
        state
    }

    /// The response has its records.
    fn answer_finalize(&mut self, _ctx: &mut RequestContext<'_>, state: State) -> State {
        state
    }

    /// The request is over.
    fn finish(&mut self, _ctx: &mut RequestContext<'_>, state: State) -> State {
        state
    }

    /// A client was given a finished answer, past all other hooks. For layers that count or report
    /// and are transparent otherwise; this is the shortest path there is, so it must cost nothing
    /// that can be avoided.
    fn hit(&mut self, _now: Now, _client: &Client, _hit: &AnswerHit) {}
}

/// What hooks of a request work with.
pub struct RequestContext<'a> {
    pub now: Now,
    pub core: &'a mut Core,
    pub request: &'a mut Request,
}

impl RequestContext<'_> {
    /// Does somebody want to read the trace?
    pub fn is_traced(&self) -> bool {
        is_traced(self.core, self.request)
    }

    /// Writes a line of trace; use [`crate::trace!`].
    pub fn write_trace(&mut self, group: Group, text: fmt::Arguments<'_>) {
        let request = &mut *self.request;
        let origin = Origin {
            request: request.id.number,
            query: 0,
            depth: 0,
            requested: request.flags.contains(QueryFlags::TRACE),
        };
        self.core.log.write(&mut request.trace.held, group, origin, text);
    }

    /// The response as it would leave now.
    pub fn response_wire(&mut self) -> Vec<u8> {
        crate::response::compose(self.request, &self.core.settings, &mut self.core.chance)
    }
}

/// What hooks of a query work with. The query is out of the request's plan meanwhile.
pub struct QueryContext<'a> {
    pub now: Now,
    pub core: &'a mut Core,
    pub request: &'a mut Request,
    pub query: &'a mut Query,
}

impl QueryContext<'_> {
    /// Pushes a query that has to be resolved before the current one; the hook then returns
    /// [`State::Yield`]. The child inherits the switches of the request.
    pub fn push_child(&mut self, mut child: Query) -> Result<QueryId, PlanFull> {
        child.flags |= self.request.flags;
        let pushed = self.request.plan.push_child(self.query, child);
        if pushed.is_err() {
            self.request.bound.get_or_insert("too many queries");
        }
        pushed
    }

    /// Does a query that waits for this one (or this one) ask the same? Then asking again would
    /// wait for itself.
    pub fn is_asked_already(&self, name: &Name, rtype: dns::Rtype) -> bool {
        let same = |query: &Query| query.name == *name && query.rtype == rtype;
        if same(self.query) {
            return true;
        }
        let mut parent = self.query.parent;
        while let Some(query) = parent.and_then(|id| self.request.plan.query(id)) {
            if same(query) {
                return true;
            }
            parent = query.parent;
        }
        false
    }

    /// Does somebody want to read the trace?
    pub fn is_traced(&self) -> bool {
        is_traced(self.core, self.request)
    }

    /// Writes a line of trace; use [`crate::trace!`].
    pub fn write_trace(&mut self, group: Group, text: fmt::Arguments<'_>) {
        let request = &mut *self.request;
        let origin = Origin {
            request: request.id.number,
            query: self.query.id.0,
            depth: self.query.depth,
            requested: request.flags.contains(QueryFlags::TRACE),
        };
        self.core.log.write(&mut request.trace.held, group, origin, text);
    }
}

fn is_traced(core: &Core, request: &Request) -> bool {
    core.log.everything || request.flags.contains(QueryFlags::TRACE)
}
