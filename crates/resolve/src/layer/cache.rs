//! The cache as a layer: `produce` looks whether the answer is known, `consume` keeps what was
//! learnt. What may be believed was decided before; here it only matters that data that nobody
//! vouched for (glue, referrals) answers no client.
//!
//! Looking is in [`peek`], what follows from validated proofs of absence in [`synthesis`]
//! (RFC 8198) and what denials of one zone share in [`shared_proof`], keeping in [`stash`].

mod peek;
mod ranges;
mod shared_proof;
mod stash;
mod synthesis;

pub(crate) use shared_proof::SharedProof;
use store::cache::Rank;

use super::{Hooks, Layer, QueryContext, iterate};
use crate::extended_error::Verdict;
use crate::flags::QueryFlags;
use crate::limits::ALIASES_MAX;
use crate::query::{Outcome, Purpose};
use crate::state::State;
use crate::trace;

/// The name in the stack.
pub const NAME: &str = "cache";

/// The layer; the store itself is in [`crate::core::Core`].
#[derive(Debug, Default)]
pub struct CacheLayer;

impl Layer for CacheLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::PRODUCE | Hooks::CONSUME
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn produce(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if state != State::Produce || ctx.query.cache_tried {
            return state;
        }
        ctx.query.cache_tried = true;
        if ctx.query.flags.contains(QueryFlags::NO_CACHE) {
            return state;
        }
        if let Some((reply, outcome)) = peek::peek(ctx) {
            trace!(ctx, Cache, "=> satisfied by cache: {}", reply.rcode);
            ctx.query.aliases += u8::from(matches!(outcome, Outcome::Alias { .. }));
            if ctx.query.aliases > ALIASES_MAX {
                ctx.request.bound.get_or_insert("too many aliases");
                return State::Fail;
            }
            ctx.query.reply = Some(reply);
            ctx.query.outcome = Some(outcome);
            return State::Consume;
        }
        let (failures, query) = (&ctx.core.failures, &*ctx.query);
        let failing = if ctx.request.checking_disabled() {
            failures.is_failing_unchecked(&query.name, query.rtype, ctx.now.mono)
        } else {
            failures.is_failing(&query.name, query.rtype, ctx.now.mono)
        };
        if failing {
            trace!(ctx, Cache, "=> failed a moment ago");
            ctx.core.counters.failures_cached += 1;
            let told = Verdict::FailedBefore.told();
            // Beside that, the client is told what was wrong.
            let (name, rtype) = (&ctx.query.name, ctx.query.rtype);
            if let Some(reason) = ctx.core.failures.bogus_reason(name, rtype) {
                ctx.request.bogus.get_or_insert(reason);
            }
            ctx.request.response.add_extended_error(told.code, told.tag);
            return State::Fail;
        }
        state
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if state == State::Fail {
            return state;
        }
        // What came from here needs not go back.
        let is_known = ctx.query.reply.as_ref().is_some_and(|reply| !reply.is_fresh());
        if is_known && ctx.query.outcome.is_some() {
            return state;
        }
        let (Some(reply), Some(outcome)) = (ctx.query.reply.take(), ctx.query.outcome.take())
        else {
            return state;
        };
        stash::stash(ctx, &reply, &outcome);
        ctx.query.reply = Some(reply);
        ctx.query.outcome = Some(outcome);
        state
    }
}

/// Which ranks may answer a question. What nobody has validated serves those who validate
/// themselves, and names that no trust anchor covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Standard {
    checking_disabled: bool,
    is_stub: bool,
    is_covered: bool,
    is_address: bool,
}

impl Standard {
    fn of(ctx: &QueryContext<'_>) -> Standard {
        let query = &*ctx.query;
        let anchors = &ctx.core.settings.trust_anchors;
        let is_stub = iterate::is_stub(ctx);
        Standard {
            checking_disabled: query.flags.contains(QueryFlags::DNSSEC_CD) || is_stub,
            is_stub,
            is_covered: anchors.closest_for(&query.name, query.rtype).is_some(),
            is_address: matches!(query.purpose, Purpose::Address { beyond_glue: false, .. }),
        }
    }

    fn admits(self, rank: Rank) -> bool {
        if !rank.is_auth() {
            return self.is_address && !rank.is_bogus();
        }
        let is_validated = rank.is_secure() || rank.is_insecure();
        is_validated || self.checking_disabled || (!self.is_covered && !rank.is_bogus())
    }
}
