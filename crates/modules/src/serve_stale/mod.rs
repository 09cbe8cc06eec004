//! `serve_stale`: answers that have expired are better than none (RFC 8767).
//!
//! When a client has waited for some time, or nobody can be reached, what the store still holds is
//! taken although its time is over. A name that had to be answered like that is answered at once
//! for some seconds: clients should not wait again for servers that are known to be silent.
//!
//! Expired answers carry an extended error, so they are never kept as finished answers and the
//! layer is transparent for all others.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use dns::{Class, ExtendedErrorCode, Name, Rcode, Rdatas, Rrset, Rtype};
use hashbrown::HashMap;
use resolve::flags::QueryFlags;
use resolve::keyed::Keyed;
use resolve::limits::ALIASES_MAX;
use resolve::reply::{Reply, Source};
use resolve::{Hooks, Layer, Mono, Outcome, Purpose, QueryContext, State, trace};
use store::cache::entry::{Body, SignedSet};
use store::cache::{Hit, Rank};

use crate::{Environment, Module, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "serve_stale";

/// How long a client waits for fresh data first (RFC 8767 §5, client response timer), and a bit
/// less: the answer is to leave within that time.
const TIMEOUT_MS: u32 = 1_700;
/// Longest such time that makes sense.
const TIMEOUT_MS_MAX: f64 = 60_000.0;
/// How old data may be after its time, in seconds (RFC 8767 §5: one to three days).
const STALE_SECONDS: u32 = 24 * 3600;
/// TTL of such answers, in seconds, as 5.6 has it; RFC 8767 §4 recommends 30.
const STALE_TTL: u32 = 1;
/// A name whose servers were silent is answered at once for so long (RFC 8767 §5, failure recheck
/// timer).
const RECHECK: Duration = Duration::from_secs(30);
/// Names remembered for that.
const REMEMBERED_MAX: usize = 8_192;

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    let timeout = Rc::new(Cell::new(TIMEOUT_MS));
    Box::new(ServeStale { timeout, keys: Rc::new(Cell::new((0, 0))) })
}

struct ServeStale {
    timeout: Rc<Cell<u32>>,
    keys: Rc<Cell<(u64, u64)>>,
}

impl Module for ServeStale {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(ServeStaleLayer {
            timeout: self.timeout.clone(),
            keys: self.keys.clone(),
            silent: None,
        }))
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        self.keys.set((env.random(), env.random()));
        Ok(())
    }

    fn get(&mut self, _env: &dyn Environment, property: &str) -> Option<Value> {
        (property == "timeout").then(|| Value::Number(self.timeout.get().into()))
    }

    fn set(
        &mut self,
        _env: &dyn Environment,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        if property != "timeout" {
            return Some(Err(Refusal::new(format!("serve_stale has no property '{property}'"))));
        }
        let ms = value.as_number().filter(|ms| (0.0..=TIMEOUT_MS_MAX).contains(ms));
        Some(match ms {
            Some(ms) => {
                self.timeout.set(ms as u32);
                Ok(())
            }
            None => Err(Refusal::new("serve_stale.timeout takes milliseconds, up to a minute")),
        })
    }
}

/// Questions whose servers were silent a moment ago, in bounded memory.
struct Silent {
    until: HashMap<(Name, Rtype), Mono, Keyed>,
    order: VecDeque<(Name, Rtype)>,
}

impl Silent {
    fn new(keys: (u64, u64)) -> Silent {
        Silent { until: HashMap::with_hasher(Keyed(keys.0, keys.1)), order: VecDeque::new() }
    }

    fn has(&self, name: &Name, rtype: Rtype, now: Mono) -> bool {
        !self.until.is_empty()
            && self.until.get(&(name.clone(), rtype)).is_some_and(|until| now < *until)
    }

    fn note(&mut self, name: &Name, rtype: Rtype, now: Mono) {
        let key = (name.clone(), rtype);
        if let Some(until) = self.until.get_mut(&key) {
            // Not longer while it lasts: somebody has to look again at its end.
            if *until <= now {
                *until = now + RECHECK;
            }
            return;
        }
        if self.order.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.until.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.until.insert(key, now + RECHECK);
    }
}

struct ServeStaleLayer {
    timeout: Rc<Cell<u32>>,
    keys: Rc<Cell<(u64, u64)>>,
    silent: Option<Silent>,
}

impl Layer for ServeStaleLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::PRODUCE | Hooks::CHECKOUT
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn produce(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if state != State::Produce
            || ctx.query.reply.is_some()
            || ctx.query.class != Class::IN
            || ctx.query.flags.contains(QueryFlags::NO_CACHE)
            || ctx.query.purpose == Purpose::Trust
        {
            return state;
        }
        if self.is_due(ctx) { self.answer(ctx, state) } else { state }
    }

    /// Somebody has to be asked: if there is something to fall back on, the request is looked at
    /// again in time.
    fn checkout(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        let at = self.deadline(ctx);
        if ctx.request.wake_at.is_none() && at > ctx.now.mono {
            let asked = asked_by_client(ctx);
            if find(ctx, asked).is_some() {
                ctx.request.wake_at = Some(at);
            }
        }
        state
    }
}

/// The question for whose sake the current query is there, unless that is itself.
fn asked_by_client(ctx: &QueryContext<'_>) -> Option<(Name, Rtype)> {
    let mut above = ctx.query.parent;
    let mut asked = None;
    while let Some(query) = above.and_then(|id| ctx.request.plan.query(id)) {
        asked = Some((query.name.clone(), query.rtype));
        above = query.parent;
    }
    asked
}

impl ServeStaleLayer {
    fn deadline(&self, ctx: &QueryContext<'_>) -> Mono {
        ctx.request.began + Duration::from_millis(self.timeout.get().into())
    }

    fn is_due(&self, ctx: &QueryContext<'_>) -> bool {
        let now = ctx.now.mono;
        let (name, rtype) = (&ctx.query.name, ctx.query.rtype);
        ctx.query.unreachable
            || now >= self.deadline(ctx)
            || ctx.core.failures.is_failing(name, rtype, now)
            || self.silent.as_ref().is_some_and(|silent| silent.has(name, rtype, now))
    }

    fn answer(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        let Some((reply, outcome)) = find(ctx, None) else {
            return self.give_way(ctx, state);
        };
        trace!(ctx, Cache, "=> nobody answers in time, using expired data");
        let (name, rtype) = (ctx.query.name.clone(), ctx.query.rtype);
        let silent = self.silent.get_or_insert_with(|| Silent::new(self.keys.get()));
        silent.note(&name, rtype, ctx.now.mono);
        let code = if outcome == Outcome::NxDomain {
            ExtendedErrorCode::STALE_NXDOMAIN_ANSWER
        } else {
            ExtendedErrorCode::STALE_ANSWER
        };
        ctx.query.aliases += u8::from(matches!(outcome, Outcome::Alias { .. }));
        if ctx.query.aliases > ALIASES_MAX {
            ctx.request.bound.get_or_insert("too many aliases");
            return State::Fail;
        }
        ctx.request.response.add_extended_error(code, "6Q6X");
        ctx.query.reply = Some(reply);
        ctx.query.outcome = Some(outcome);
        State::Consume
    }

    /// A sub-query that waits gives up if what the client has asked can be had.
    fn give_way(&self, ctx: &mut QueryContext<'_>, state: State) -> State {
        let is_waiting = ctx.now.mono >= self.deadline(ctx);
        match asked_by_client(ctx).filter(|_| is_waiting).and_then(|asked| find(ctx, Some(asked))) {
            Some(_) => State::Fail,
            None => state,
        }
    }
}

/// What the store has about a question, the current one if none is given, expired or not: the
/// records, or an alias, or that there is nothing.
fn find(ctx: &mut QueryContext<'_>, question: Option<(Name, Rtype)>) -> Option<(Reply, Outcome)> {
    let now = ctx.now.unix.seconds();
    let (name, rtype) = question.unwrap_or_else(|| (ctx.query.name.clone(), ctx.query.rtype));
    let is_covered = ctx.core.settings.trust_anchors.closest_for(&name, rtype).is_some();
    let unchecked = ctx.request.checking_disabled() || ctx.query.flags.contains(QueryFlags::STUB);
    let is_good = |hit: &Hit| {
        let is_validated = hit.rank.is_secure() || hit.rank.is_insecure();
        let is_address = matches!(ctx.query.purpose, Purpose::Address { beyond_glue: false, .. });
        let stands = is_validated || unchecked || (!is_covered && !hit.rank.is_bogus());
        (hit.rank.is_auth() && stands) || (is_address && !hit.rank.is_bogus())
    };
    let cache = &mut ctx.core.cache;
    let exact = cache.peek_stale(now, &name, rtype, STALE_SECONDS).filter(&is_good);
    if let Some(hit) = exact.filter(has_soa) {
        return Some(reply(hit, &name, rtype));
    }
    let apex = cache.peek_apex(now, &name, STALE_SECONDS);
    if let Some(hit) = apex.cname.filter(|hit| rtype != Rtype::CNAME && is_good(hit)) {
        let Body::Records { rdatas, .. } = &hit.body else { return None };
        let target = Name::from_wire(rdatas.iter().next()?).ok()?;
        let (reply, _) = reply(hit, &name, Rtype::CNAME);
        return Some((reply, Outcome::Alias { target }));
    }
    apex.nxdomain.filter(is_good).map(|hit| reply(hit, &name, rtype))
}

/// Is it more than what came with a referral?
fn has_soa(hit: &Hit) -> bool {
    match &hit.body {
        Body::NoData { proofs } => {
            proofs.is_empty() || proofs.iter().any(|signed| signed.set.rtype == Rtype::SOA)
        }
        Body::Records { .. } | Body::NxDomain { .. } => true,
    }
}

fn reply(hit: Hit, name: &Name, rtype: Rtype) -> (Reply, Outcome) {
    let mut reply = Reply { rank: hit.rank, ..Reply::new(Source::Cache, Rcode::NOERROR) };
    let old = |mut signed: SignedSet| {
        signed.set.ttl = STALE_TTL;
        signed
    };
    let outcome = match hit.body {
        Body::Records { rdatas, signatures, proofs } => {
            reply.answer.push(expired(name, rtype, rdatas, signatures, hit.rank));
            reply.authority.extend(proofs.into_iter().map(old));
            Outcome::Answer
        }
        Body::NoData { proofs } => {
            reply.authority.extend(proofs.into_iter().map(old));
            Outcome::NoData
        }
        Body::NxDomain { proofs } => {
            reply.rcode = Rcode::NXDOMAIN;
            reply.authority.extend(proofs.into_iter().map(old));
            Outcome::NxDomain
        }
    };
    (reply, outcome)
}

fn expired(name: &Name, rtype: Rtype, rdatas: Rdatas, signatures: Rdatas, rank: Rank) -> SignedSet {
    let set = Rrset { rdatas, ..Rrset::new(name.clone(), rtype, Class::IN, STALE_TTL) };
    SignedSet { set, signatures, rank }
}
