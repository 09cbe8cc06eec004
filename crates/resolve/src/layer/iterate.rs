//! The iterator: walks from a zone cut to the answer (RFC 1034 §5.3.3).
//!
//! Before a message it decides what to ask and whom ([`plan_message`], in `iterate/ask.rs`); after
//! one it says what the reply means ([`Iterate::consume`], in `iterate/classify.rs`, with one file
//! for each kind of reply). It does not send, store or validate.

mod alias;
mod ask;
mod classify;
mod cut;
mod glue;
mod minimize;
mod negative;
mod referral;
mod scrub;

pub use ask::{Plans, plan_message};
pub(crate) use cut::is_stub;

use super::{Hooks, Layer, QueryContext};
use crate::flags::QueryFlags;
use crate::state::State;

/// The name in the stack.
pub const NAME: &str = "iterate";

/// The layer; all its state is in the queries.
#[derive(Debug, Default)]
pub struct Iterate;

impl Layer for Iterate {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::PRODUCE | Hooks::CONSUME
    }

    fn produce(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if ctx.query.cut.is_none() && ctx.query.flags.contains(QueryFlags::ALWAYS_CUT) {
            ctx.query.cut = Some(cut::find(ctx));
        }
        if state == State::Produce && glue::answers(ctx) { State::Consume } else { state }
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        // What the cache or local data says has its meaning already.
        if state == State::Fail || ctx.query.outcome.is_some() {
            return state;
        }
        classify::classify(ctx)
    }
}
