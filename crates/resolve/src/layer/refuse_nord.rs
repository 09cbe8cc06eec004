//! Refuses questions without RD: a resolver is no authority, and looking into its cache is a way
//! to spy on its users (RFC 8906 §3.1.1 does not ask for more than an answer).

use dns::{ExtendedErrorCode, Rcode};

use super::{Hooks, Layer, RequestContext};
use crate::state::State;

/// The name in the stack and in `modules.list()`.
pub const NAME: &str = "refuse_nord";

/// The layer; it has no state.
#[derive(Debug, Default)]
pub struct RefuseNord;

impl Layer for RefuseNord {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::BEGIN
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn begin(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if state == State::Fail || state == State::Done || ctx.request.header.rd() {
            return state;
        }
        ctx.request.response.rcode = Rcode::REFUSED;
        ctx.request.response.add_extended_error(ExtendedErrorCode::NOT_AUTHORITATIVE, "CAMN");
        State::Done
    }
}
