//! The driver of a simulated world: what the daemon does with sockets and timers, done with a list
//! of events and a clock that jumps from one to the next.
//!
//! Works in turns like the daemon: inputs of one moment go in by `handle_*`, actions are drained,
//! the turn is ended, and time jumps to whatever is due next. Every turn is watched by
//! [`Invariants`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use resolve::flags::QueryFlags;
use resolve::{
    Action, Client, ExchangeFault, ExchangeId, Mono, Now, ReplyVerdict, Resolver, Settings, Target,
    TrustAnchors,
};

use crate::anchors::Anchors;
use crate::check::Invariants;
use crate::clock::Clock;
use crate::trace::{Trace, What};

/// Turns at one moment before a world counts as spinning. A turn handles one event, and a world
/// seldom has more than some dozens at once.
const TURNS_WITHOUT_TIME_MAX: usize = 100_000;

/// A question on its way to an upstream.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub id: ExchangeId,
    pub target: Target,
    pub wire: Vec<u8>,
    pub connect_timeout: Duration,
}

/// What the network does with a question.
#[derive(Clone, Debug, Default)]
pub struct Journey {
    /// Copies arrive at the server after these times; none at all is a loss.
    pub arrivals: Vec<Duration>,
    /// What reaches the resolver without the server's doing: failures and forgeries.
    pub deliveries: Vec<Delivery>,
}

impl Journey {
    /// One copy arrives.
    pub fn arrives(after: Duration) -> Journey {
        Journey { arrivals: vec![after], deliveries: Vec::new() }
    }

    /// The sender learns that it could not be sent.
    pub fn fails(after: Duration, fault: ExchangeFault) -> Journey {
        Journey { arrivals: Vec::new(), deliveries: vec![Delivery { after, reply: Err(fault) }] }
    }
}

/// Bytes on their way to the resolver, or the news that none will come.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Time it takes from now on.
    pub after: Duration,
    pub reply: Result<Vec<u8>, ExchangeFault>,
}

/// Everything beyond the resolver's sockets.
pub trait Upstreams {
    /// How a question travels.
    fn route(&mut self, now: Now, exchange: &Exchange) -> Journey;

    /// A copy of the question arrived: what is sent back, in any order. Remarks go to `notes`.
    fn serve(&mut self, now: Now, exchange: &Exchange, notes: &mut Vec<String>) -> Vec<Delivery>;
}

enum Event {
    AtServer(ExchangeId),
    AtResolver(ExchangeId, Result<Vec<u8>, ExchangeFault>),
    Request(Client, Vec<u8>),
    Gone(u64),
}

/// What a client got.
#[derive(Clone, Debug)]
pub struct Response {
    /// Time since the world began.
    pub at: Duration,
    /// The bytes; nothing if the resolver chose to be silent.
    pub wire: Option<Vec<u8>>,
}

/// A resolver in a world.
pub struct Driver<U> {
    resolver: Resolver,
    clock: Clock,
    upstreams: U,
    events: BinaryHeap<Reverse<(Mono, u64)>>,
    bodies: BTreeMap<u64, Event>,
    sequence: u64,
    open: BTreeMap<ExchangeId, Exchange>,
    responses: BTreeMap<u64, Response>,
    trace: Trace,
    invariants: Invariants,
    anchors: Anchors,
}

impl<U: Upstreams> Driver<U> {
    /// Puts a resolver into a world.
    pub fn new(resolver: Resolver, clock: Clock, upstreams: U) -> Driver<U> {
        Driver {
            resolver,
            clock,
            upstreams,
            events: BinaryHeap::new(),
            bodies: BTreeMap::new(),
            sequence: 0,
            open: BTreeMap::new(),
            responses: BTreeMap::new(),
            trace: Trace::default(),
            invariants: Invariants::default(),
            anchors: Anchors::default(),
        }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The resolver.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// The resolver, to configure it.
    pub fn resolver_mut(&mut self) -> &mut Resolver {
        &mut self.resolver
    }

    /// The world around it.
    pub fn upstreams(&self) -> &U {
        &self.upstreams
    }

    /// The world around it, to change it.
    pub fn upstreams_mut(&mut self) -> &mut U {
        &mut self.upstreams
    }

    /// The trust anchors that are kept up to date.
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// Takes over trust anchors to keep up to date, in the place of all others, and puts them in
    /// force.
    pub fn keep_anchors(&mut self, anchors: Anchors) {
        let in_force = anchors.keeper.in_force();
        self.anchors = anchors;
        self.put_anchors_in_force(in_force);
    }

    fn put_anchors_in_force(&mut self, anchors: TrustAnchors) {
        let trust_anchors = Arc::new(anchors);
        let settings = Settings { trust_anchors, ..self.resolver.settings().clone() };
        self.resolver.configure(self.clock.now(), settings);
    }

    /// What happened so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What happened so far, to add remarks or forget it.
    pub fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// Rules that were broken so far.
    pub fn invariants(&self) -> &Invariants {
        &self.invariants
    }

    /// A client asks after `delay`. Tokens must be new.
    pub fn request(&mut self, delay: Duration, client: Client, wire: Vec<u8>) {
        self.schedule(delay, Event::Request(client, wire));
    }

    /// A client goes away after `delay`.
    pub fn client_gone(&mut self, delay: Duration, token: u64) {
        self.schedule(delay, Event::Gone(token));
    }

    /// What a client got, once it got it.
    pub fn response(&self, token: u64) -> Option<&Response> {
        self.responses.get(&token)
    }

    /// Adds a remark to the trace.
    pub fn note(&mut self, text: String) {
        self.trace.push(self.clock.elapsed(), What::Note(text));
    }

    /// Runs until a client has its answer, at most for `limit`.
    pub fn run_until_answered(&mut self, token: u64, limit: Duration) -> Option<&Response> {
        let until = self.clock.now().mono + limit;
        self.run(until, |driver| driver.responses.contains_key(&token));
        self.responses.get(&token)
    }

    /// Lets time pass; everything due on the way happens at its time.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.clock.now().mono + span;
        self.run(until, |_| false);
        self.clock.advance_to(until);
    }

    /// Runs until nothing is on its way and no request waits, at most for `limit`, then checks
    /// that nothing was left behind.
    pub fn run_until_quiet(&mut self, limit: Duration) {
        let until = self.clock.now().mono + limit;
        self.run(until, Driver::is_quiet);
        self.invariants.at_rest(self.is_quiet(), self.resolver.requests(), self.open.keys());
    }

    fn is_quiet(&self) -> bool {
        let waiting = self.bodies.values().any(|event| matches!(event, Event::Request(..)));
        !waiting && self.resolver.requests() == 0 && self.open.is_empty()
    }

    /// Turns until `done`, or until nothing is due before `until`.
    fn run(&mut self, until: Mono, done: impl Fn(&Driver<U>) -> bool) {
        let mut standing = 0;
        self.end_turn();
        while !done(self) {
            let event = self.events.peek().map(|Reverse((at, _))| *at);
            let deadline = self.resolver.poll_deadline();
            let look = self.anchors.keeper.poll_deadline();
            let own = deadline.map(|(at, _)| at);
            let Some(next) = [event, own, look].into_iter().flatten().min() else { return };
            if next > until {
                return;
            }
            standing = if next > self.clock.now().mono { 0 } else { standing + 1 };
            if standing > TURNS_WITHOUT_TIME_MAX {
                let whose = deadline.map_or("none", |(_, whose)| whose);
                self.invariants.broken(format!("time stands still (deadline: {whose})"));
                return;
            }
            self.clock.advance_to(next);
            let now = self.clock.now();
            let due = deadline
                .filter(|(at, _)| *at <= now.mono && event.is_none_or(|event| *at <= event));
            if look.is_some_and(|at| at <= now.mono) {
                self.look_at_keys(now);
            } else if let Some((_, whose)) = due {
                self.trace.push(self.clock.elapsed(), What::Deadline { whose });
                self.resolver.handle_deadline(now);
            } else if let Some(Reverse((_, number))) = self.events.pop()
                && let Some(event) = self.bodies.remove(&number)
            {
                self.handle(now, event);
            }
            self.end_turn();
        }
    }

    /// Asks for the keys that anchors follow.
    fn look_at_keys(&mut self, now: Now) {
        for look in self.anchors.keeper.handle_deadline(now) {
            let (client, wire) = Anchors::question(&look);
            let what = What::Request { token: client.token, wire: wire.clone() };
            self.trace.push(self.clock.elapsed(), what);
            self.invariants.requested(client.token);
            self.resolver.handle_request_with(now, client, &wire, QueryFlags::NO_CACHE);
        }
    }

    fn handle(&mut self, now: Now, event: Event) {
        match event {
            Event::Request(client, wire) => {
                let token = client.token;
                let what = What::Request { token, wire: wire.clone() };
                self.trace.push(self.clock.elapsed(), what);
                self.invariants.requested(token);
                let mut out = Vec::new();
                if self.resolver.answer_cached(now, &client, &wire, &mut out) {
                    self.trace.push(self.clock.elapsed(), What::Hit { token });
                    self.respond(token, Some(out));
                } else {
                    self.resolver.handle_request(now, client, &wire);
                }
            }
            Event::Gone(token) => {
                self.invariants.gone(token);
                self.resolver.handle_client_gone(now, token);
            }
            Event::AtServer(id) => {
                let Some(exchange) = self.open.get(&id) else { return };
                let mut notes = Vec::new();
                let deliveries = self.upstreams.serve(now, exchange, &mut notes);
                for note in notes {
                    self.note(note);
                }
                for Delivery { after, reply } in deliveries {
                    self.schedule(after, Event::AtResolver(id, reply));
                }
            }
            Event::AtResolver(id, reply) => {
                if !self.open.contains_key(&id) {
                    return;
                }
                let input = reply.as_ref().map(Vec::as_slice).map_err(|fault| *fault);
                let failed = input.is_err();
                let verdict = self.resolver.handle_reply(now, id, input);
                self.trace.push(self.clock.elapsed(), What::Reply { id, reply, verdict });
                if failed || verdict == ReplyVerdict::Over {
                    self.open.remove(&id);
                }
            }
        }
    }

    /// Carries out what the resolver wants done and ends its turn.
    fn end_turn(&mut self) {
        let now = self.clock.now();
        while let Some(action) = self.resolver.poll_action() {
            if !self.invariants.acted() {
                return;
            }
            match action {
                Action::Respond { client, wire } => self.respond(client.token, Some(wire)),
                Action::Drop { client } => self.respond(client.token, None),
                Action::Exchange { id, target, wire, connect_timeout } => {
                    self.send(Exchange { id, target, wire, connect_timeout });
                }
                Action::Mirror { target, wire } => {
                    let summary = crate::text::summary(&wire);
                    self.note(format!("      copy to {target}: {summary}"));
                }
                Action::Cancel { id } => {
                    self.trace.push(self.clock.elapsed(), What::Cancel { id });
                    if self.open.remove(&id).is_none() {
                        self.invariants.broken(format!("exchange {} cancelled twice", id.0));
                    }
                }
            }
        }
        self.resolver.end_turn(now);
        self.invariants.turn_ended();
    }

    fn send(&mut self, exchange: Exchange) {
        let id = exchange.id;
        self.invariants.asked(id);
        let Exchange { target, wire, .. } = exchange.clone();
        self.trace.push(self.clock.elapsed(), What::Exchange { id, target, wire });
        let journey = self.upstreams.route(self.clock.now(), &exchange);
        self.open.insert(id, exchange);
        for after in journey.arrivals {
            self.schedule(after, Event::AtServer(id));
        }
        for Delivery { after, reply } in journey.deliveries {
            self.schedule(after, Event::AtResolver(id, reply));
        }
    }

    fn respond(&mut self, token: u64, wire: Option<Vec<u8>>) {
        let at = self.clock.elapsed();
        self.invariants.answered(token);
        let what = match &wire {
            Some(wire) => What::Respond { token, wire: wire.clone() },
            None => What::Drop { token },
        };
        self.trace.push(at, what);
        if Anchors::is_own(token) {
            let now = self.clock.now();
            if let Some(anchors) = self.anchors.take(now, token, wire.as_deref()) {
                self.put_anchors_in_force(anchors);
            }
            return;
        }
        self.responses.insert(token, Response { at, wire });
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((self.clock.now().mono + after, self.sequence)));
        self.bodies.insert(self.sequence, event);
    }
}
