//! The rim of the core: four inputs, one queue of actions, one deadline.
//!
//! A driver works in turns. In each turn it reads the clock once, calls any number of `handle_*`
//! with that reading, drains [`Resolver::poll_action`] until `None`, calls [`Resolver::end_turn`],
//! and sleeps until something arrives or [`Resolver::poll_deadline`] is due. The same inputs, seed
//! and store give the same actions.
//!
//! This file owns the requests and says when they are worked on; [`crate::driver`] does the work,
//! `resolver/exchanges.rs` sends and receives.

mod answers;
mod exchanges;
mod fleet;
mod intake;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dns::dnssec::GoodSignatures;
use dns::{ExtendedErrorCode, Rcode};
use hashbrown::HashMap;
use slab::Slab;
use smallvec::SmallVec;
use store::cache::{Cache, TtlBounds};
use store::kv::{StoreError, memory};

use crate::action::{Action, ExchangeFault, ExchangeId, ReplyVerdict};
use crate::answer_cache::{AnswerCache, AnswerCacheLimits};
use crate::chance::Chance;
use crate::client::Client;
use crate::core::Core;
use crate::counters::Counters;
use crate::driver::{self, Progress};
use crate::extended_error::Verdict;
use crate::failures::Failures;
use crate::flags::QueryFlags;
use crate::keyed::Keyed;
use crate::known_zones::KnownZones;
use crate::layer::cache::CacheLayer;
use crate::layer::cache::SharedProof;
use crate::layer::iterate::Iterate;
use crate::layer::local_data::LocalData;
use crate::layer::refuse_nord::RefuseNord;
use crate::layer::stack::{LayerStack, Place};
use crate::layer::validate::Validate;
use crate::limits::{COMMIT_BUSY_REQUESTS, COMMIT_DELAY, COMMIT_ENTRIES};
use crate::query::Round;
use crate::request::{Request, RequestId};
use crate::response;
use crate::selection::Servers;
use crate::settings::Settings;
use crate::suspects::{Suspects, question_number};
use crate::time::{Mono, Now};
use crate::timers::Timers;
use crate::trace::{Log, LogLine};
pub(crate) use exchanges::RoundKey;
use exchanges::{Exchanges, Rounds};

/// What a resolver is made of.
pub struct ResolverParts {
    pub settings: Settings,
    /// Seed of everything random: ids, 0x20, exploration, rotation, hash keys. From the operating
    /// system's generator in the daemon, fixed in tests.
    pub seed: [u8; 32],
    /// Where answers are kept.
    pub cache: Cache,
}

impl ResolverParts {
    /// A resolver that keeps what it learns in `bytes` of memory.
    pub fn in_memory(settings: Settings, seed: [u8; 32], bytes: u64) -> Result<Self, StoreError> {
        let cache = Cache::new(Box::new(memory::new(bytes)?), TtlBounds::default());
        Ok(ResolverParts { settings, seed, cache })
    }
}

/// A request in its slot. Empty while it is worked on.
struct Slot {
    request: Option<Box<Request>>,
    /// The timer that was set for it last.
    armed: Option<Mono>,
}

/// One per worker process.
pub struct Resolver {
    core: Core,
    layers: LayerStack,
    answers: AnswerCache,
    requests: Slab<Slot>,
    request_number: u32,
    exchanges: Exchanges,
    rounds: Rounds,
    /// Hashes the keys of those.
    round_hash: Keyed,
    timers: Timers,
    actions: VecDeque<Action>,
    /// Requests under way by client network.
    clients: HashMap<u64, u32, Keyed>,
    /// Since when something learnt waits to be committed.
    unsaved_since: Option<Mono>,
    /// The store's generation when a question was taken in last.
    generation: u64,
    /// Who is told which question is being worked on.
    suspects: Option<Box<dyn Suspects>>,
}

impl Resolver {
    /// A resolver without requests.
    pub fn new(parts: ResolverParts) -> Resolver {
        let mut chance = Chance::new(parts.seed);
        let key = Keyed(chance.key(), chance.key());
        let answers = (chance.key(), chance.key());
        let mut layers = LayerStack::new();
        let mut push = |layer| {
            // At the end there is always a place.
            let _inserted = layers.insert(layer, Place::Last);
        };
        push(Box::new(RefuseNord) as Box<dyn crate::layer::Layer>);
        push(Box::<LocalData>::default());
        push(Box::new(Iterate));
        push(Box::new(Validate));
        push(Box::new(CacheLayer));
        let mut resolver = Resolver {
            core: Core {
                settings: Arc::new(Settings::default()),
                cache: parts.cache,
                servers: Servers::new(key),
                sockets_scarce_until: Mono::default(),
                failures: Failures::new(key),
                zones: KnownZones::new(key),
                signatures: GoodSignatures::new((key.0, key.1)),
                shared_proof: SharedProof::default(),
                chance,
                counters: Counters::default(),
                log: Log::default(),
                notices: VecDeque::new(),
            },
            layers,
            answers: AnswerCache::new(answers, AnswerCacheLimits::default()),
            requests: Slab::new(),
            request_number: 0,
            exchanges: Exchanges::default(),
            rounds: Rounds::default(),
            round_hash: key,
            timers: Timers::default(),
            actions: VecDeque::new(),
            clients: HashMap::with_hasher(key),
            unsaved_since: None,
            generation: 0,
            suspects: None,
        };
        resolver.put_in_force(parts.settings);
        resolver
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.core.settings
    }

    /// Puts other settings in force. Requests under way keep what they have decided.
    pub fn configure(&mut self, _now: Now, settings: Settings) {
        self.put_in_force(settings);
    }

    fn put_in_force(&mut self, settings: Settings) {
        self.core.cache.set_bounds(TtlBounds { min: settings.ttl_min, max: settings.ttl_max });
        self.core.log.everything = settings.trace;
        self.answers.set_rotation(settings.reorder_rr);
        self.answers.clear();
        self.core.zones.clear();
        self.core.settings = Arc::new(settings);
    }

    /// A message from a client. Ends, now or later, in exactly one `Respond` or `Drop`.
    pub fn handle_request(&mut self, now: Now, client: Client, wire: &[u8]) {
        self.handle_request_with(now, client, wire, QueryFlags::empty());
    }

    /// [`Resolver::handle_request`] with further switches for this request, for questions from
    /// inside the program.
    pub fn handle_request_with(
        &mut self,
        now: Now,
        client: Client,
        wire: &[u8],
        flags: QueryFlags,
    ) {
        self.core.counters.requests += 1;
        self.follow_generation();
        let Some(mut request) = self.take_in(now, client, wire) else { return };
        request.flags |= flags;
        if let Some(suspects) = &self.suspects
            && suspects.is_condemned(number_of(&**suspects, &mut request))
        {
            request.response.rcode = Rcode::REFUSED;
            request.response.add_extended_error(ExtendedErrorCode::PROHIBITED, "QRNT");
            return self.end(now, request, true);
        }
        let mut mirrors = SmallVec::<[SocketAddr; 1]>::new();
        self.work(now, request, |now, core, layers, request| {
            let progress = driver::begin(now, core, layers, request);
            mirrors = std::mem::take(&mut request.mirrors);
            progress
        });
        for target in mirrors {
            self.actions.push_back(Action::Mirror { target, wire: wire.to_vec() });
        }
        self.feed_starved(now);
    }

    /// A client went away (its connection closed): its requests need no answer any more. The
    /// tokens are compared; `Respond` and `Drop` are not emitted for them after this.
    pub fn handle_client_gone(&mut self, now: Now, token: u64) {
        self.actions.retain(|action| match action {
            Action::Respond { client, .. } | Action::Drop { client } => client.token != token,
            Action::Exchange { .. } | Action::Cancel { .. } | Action::Mirror { .. } => true,
        });
        let gone: Vec<usize> = self
            .requests
            .iter()
            .filter(|(_, slot)| {
                slot.request.as_ref().is_some_and(|request| request.client.token == token)
            })
            .map(|(at, _)| at)
            .collect();
        for at in gone {
            if let Some(mut request) = self.requests.get_mut(at).and_then(|s| s.request.take()) {
                request.response.silent = true;
                self.end(now, request, false);
            }
        }
        self.feed_starved(now);
    }

    /// Bytes that arrived for an exchange, or why none will.
    pub fn handle_reply(
        &mut self,
        now: Now,
        id: ExchangeId,
        reply: Result<&[u8], ExchangeFault>,
    ) -> ReplyVerdict {
        let verdict = self.receive(now, id, reply);
        self.feed_starved(now);
        verdict
    }

    /// The deadline that [`Resolver::poll_deadline`] named is due. Calling it early does nothing.
    pub fn handle_deadline(&mut self, now: Now) {
        while let Some((at, id)) = self.timers.first().filter(|(at, _)| *at <= now.mono) {
            self.timers.pop();
            let Some(slot) = self.requests.get_mut(id.slot as usize) else { continue };
            if slot.armed != Some(at) {
                continue;
            }
            slot.armed = None;
            let Some(request) = slot.request.take_if(|request| request.id == id) else { continue };
            self.wake(now, request);
        }
        self.feed_starved(now);
    }

    /// The next effect to carry out.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next line of trace.
    pub fn poll_log(&mut self) -> Option<LogLine> {
        self.core.log.take()
    }

    /// The next message for the log of the program, with its group.
    pub fn poll_notice(&mut self) -> Option<(&'static str, String)> {
        self.core.notices.pop_front()
    }

    /// When to call [`Resolver::handle_deadline`], and who asked for it.
    pub fn poll_deadline(&self) -> Option<(Mono, &'static str)> {
        let request = self.timers.first().map(|(at, _)| (at, "request"));
        let store = self.unsaved_since.map(|since| (since + COMMIT_DELAY, "store"));
        request.into_iter().chain(store).min()
    }

    /// Is there anything that a turn must not end without? Not after queries that finished answers
    /// were given for, as a rule: then [`Resolver::end_turn`] may be left out.
    pub fn has_work(&self, now: Now) -> bool {
        let Core { servers, cache, log, notices, .. } = &self.core;
        !self.actions.is_empty()
            || !log.is_empty()
            || !notices.is_empty()
            || servers.has_news(now)
            || cache.pending() > 0
    }

    /// Ends a turn: what was learnt is committed to the store. Under load that waits a moment for the
    /// turns that follow, since a transaction costs much the same for one entry and for many.
    pub fn end_turn(&mut self, now: Now) {
        let is_busy = self.requests.len() >= COMMIT_BUSY_REQUESTS;
        let Core { servers, cache, counters, .. } = &mut self.core;
        let told = servers.tell(cache, now);
        let pending = cache.pending();
        let since = self.unsaved_since.filter(|_| pending > 0).unwrap_or(now.mono);
        let waits = is_busy
            && (1..COMMIT_ENTRIES).contains(&pending)
            && now.mono.since(since) < COMMIT_DELAY;
        self.unsaved_since = waits.then_some(since);
        let ended = if waits { cache.rest() } else { cache.end_turn() };
        counters.store_errors += u64::from(told.and(ended).is_err());
        self.drop_overtaken_timers();
    }

    /// Commits what waits for more to come, for the end of the process.
    pub fn save(&mut self) {
        self.unsaved_since = None;
        self.core.counters.store_errors += u64::from(self.core.cache.end_turn().is_err());
    }

    /// Requests that wait for their answer.
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// Forgets finished answers, since they rest on what the caller has changed.
    pub fn forget_answers(&mut self) {
        self.answers.clear();
    }

    /// The layers, to add and remove some.
    pub fn layers_mut(&mut self) -> &mut LayerStack {
        &mut self.layers
    }

    /// The cache, for the commands that look into it and clear it. Finished answers are
    /// forgotten, and so is the trust of zones, since they may rest on what the caller is about to
    /// change.
    pub fn cache_mut(&mut self) -> &mut Cache {
        self.answers.clear();
        self.core.zones.clear();
        self.core.shared_proof.forget();
        &mut self.core.cache
    }

    /// Tells these from now on which question is being worked on.
    pub fn set_suspects(&mut self, suspects: Box<dyn Suspects>) {
        self.suspects = Some(suspects);
    }

    /// Forgets all that was found out: finished answers, the trust of zones, what failed, and what is
    /// known about servers. The store is the caller's to clear.
    pub fn forget_everything(&mut self) {
        self.answers.clear();
        self.core.zones.clear();
        self.core.failures.clear();
        self.core.servers.clear();
    }

    /// When any worker has taken something out of the store, what rests on it is found out anew.
    fn follow_generation(&mut self) {
        let generation = self.core.cache.kv().generation();
        if std::mem::replace(&mut self.generation, generation) != generation {
            self.core.zones.clear();
            self.core.failures.clear();
        }
    }

    /// What all layers share, for modules that need it between requests.
    pub fn core_mut(&mut self) -> &mut Core {
        // The caller may put another store there.
        self.core.shared_proof.forget();
        &mut self.core
    }

    /// Works on a request with one of the driver's functions, and then sends, waits or ends as that
    /// says. A panic in there costs this request and nothing else.
    fn work(
        &mut self,
        now: Now,
        mut request: Box<Request>,
        step: impl FnOnce(Now, &mut Core, &mut LayerStack, &mut Request) -> Progress,
    ) {
        if let Some(suspects) = &self.suspects {
            suspects.begin(number_of(&**suspects, &mut request));
        }
        let (core, layers) = (&mut self.core, &mut self.layers);
        let progress = catch_unwind(AssertUnwindSafe(|| step(now, core, layers, &mut request)));
        self.leave_finished_rounds(now, &mut request);
        match progress {
            Ok(Progress::Wait) => self.put_back(request),
            Ok(Progress::Send) => {
                self.send_planned(now, &mut request);
                self.put_back(request);
            }
            Ok(Progress::Over) => self.end(now, request, true),
            Err(_) => self.end_panicked(now, request),
        }
        if let Some(suspects) = &self.suspects {
            suspects.end();
        }
    }

    fn advance(&mut self, now: Now, request: Box<Request>) {
        self.work(now, request, driver::advance);
    }

    /// A timer of the request went off.
    fn wake(&mut self, now: Now, mut request: Box<Request>) {
        if now.mono >= request.deadline {
            driver::fail(&mut self.core, &mut request, Verdict::TimeOut);
            return self.end(now, request, true);
        }
        let is_wanted = request.wake_at.take_if(|at| *at <= now.mono).is_some();
        if self.mark_late(now, &mut request) || is_wanted {
            self.advance(now, request);
        } else {
            self.put_back(request);
        }
    }

    fn put_back(&mut self, request: Box<Request>) {
        let due = due(&request);
        let id = request.id;
        let Some(slot) = self.requests.get_mut(id.slot as usize) else { return };
        slot.request = Some(request);
        if slot.armed.is_none_or(|armed| due < armed) {
            slot.armed = Some(due);
            self.timers.arm(due, id);
        }
    }

    /// Takes entries off the top of the timers that nobody waits for any more, so that the process
    /// does not wake up for them.
    fn drop_overtaken_timers(&mut self) {
        while let Some((at, id)) = self.timers.first() {
            let slot = self.requests.get_mut(id.slot as usize).filter(|s| s.armed == Some(at));
            let Some(slot) = slot else {
                self.timers.pop();
                continue;
            };
            let Some(request) = slot.request.as_ref().filter(|request| request.id == id) else {
                self.timers.pop();
                continue;
            };
            let due = due(request);
            if due <= at {
                return;
            }
            self.timers.pop();
            slot.armed = Some(due);
            self.timers.arm(due, id);
        }
    }

    /// Composes the response of a request, sends it and forgets the request.
    fn end(&mut self, now: Now, mut request: Box<Request>, respond: bool) {
        let (core, layers) = (&mut self.core, &mut self.layers);
        if respond {
            let finalized = catch_unwind(AssertUnwindSafe(|| {
                driver::finalize(now, core, layers, &mut request);
            }));
            if finalized.is_err() {
                return self.end_panicked(now, request);
            }
            self.note_result(now, &request);
            if request.response.silent || request.flags.contains(QueryFlags::NO_ANSWER) {
                self.core.counters.dropped += 1;
                self.actions.push_back(Action::Drop { client: request.client });
            } else {
                let core = &mut self.core;
                let wire = response::compose(&request, &core.settings, &mut core.chance);
                self.keep_answer(now, &mut request, &wire);
                self.respond(request.client, wire);
            }
        }
        let (core, layers) = (&mut self.core, &mut self.layers);
        let finished = catch_unwind(AssertUnwindSafe(|| {
            driver::finish(now, core, layers, &mut request);
        }));
        if finished.is_err() {
            self.core.counters.panics += 1;
        }
        self.forget(now, request);
    }

    fn end_panicked(&mut self, now: Now, request: Box<Request>) {
        self.core.counters.panics += 1;
        self.core.counters.servfail += 1;
        let wire = response::servfail(&request, &self.core.settings);
        self.respond(request.client, wire);
        self.forget(now, request);
    }

    fn respond(&mut self, client: Client, wire: Vec<u8>) {
        self.core.counters.responses += 1;
        self.actions.push_back(Action::Respond { client, wire });
    }

    fn forget(&mut self, now: Now, mut request: Box<Request>) {
        self.forget_client(&request.client);
        let slot = request.id.slot as usize;
        if self.requests.contains(slot) {
            self.requests.remove(slot);
        }
        self.abandon_exchanges(now, &mut request);
    }

    /// Takes a request out of its slot to work on it.
    fn take(&mut self, id: RequestId) -> Option<Box<Request>> {
        self.requests.get_mut(id.slot as usize)?.request.take_if(|request| request.id == id)
    }
}

/// When a request has to be looked at again.
fn due(request: &Request) -> Mono {
    let retry = |round: &Round| {
        let open = round.open.iter().filter(|sent| !sent.late);
        open.map(|sent| sent.retry_at).chain(round.wake_at).min()
    };
    request
        .plan
        .current()
        .and_then(|query| query.round.as_deref())
        .and_then(retry)
        .into_iter()
        .chain(request.wake_at)
        .fold(request.deadline, Mono::min)
}

/// The number of a request's question.
fn number_of(suspects: &dyn Suspects, request: &mut Request) -> u64 {
    if request.suspect == 0 {
        let question = &request.question;
        request.suspect = question_number(suspects.key(), &question.name, question.rtype);
    }
    request.suspect
}
