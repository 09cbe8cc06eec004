//! One worker: the resolver with everything around it that touches the world.
//!
//! Whatever happens happens in a turn: the clock is read, the resolver is given what has come (a
//! batch of datagrams, the queries of a stream, replies, a deadline), its actions are carried out,
//! and what leaves is sent together. Tasks only wait; they call in here when something is there.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use resolve::flags::QueryFlags;
use resolve::{
    Action, Client, ClientProtocol, ExchangeFault, ExchangeId, Now, ReplyVerdict, Resolver,
    ResolverParts, Settings,
};
use store::Cache;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use transport::server::ServerLimits;

use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::doh;
use crate::fleet::Fleet;
use crate::limits::{
    CACHE_BYTES_UNTIL_OPENED, CLIENT_STREAMS_MAX, DESCRIPTORS_RESERVED, READ_BYTES,
    REPLIES_PER_SOCKET, REPLY_BYTES_MAX,
};
use crate::listeners::Listeners;
use crate::logging::{self, log};
use crate::proxied::{Passed, Proxied};
use crate::systemd::Manager;
use crate::tcp::admission::ClientStreams;
use crate::tcp::{ClientStream, StreamEnd};
use crate::tls::TlsService;
use crate::token::Token;
use crate::udp::UdpListener;
use crate::udp::mmsg::{Inbox, Outbox};
use crate::upstream::tcp::UpstreamStream;
use crate::upstream::{Upstream, tcp};

mod own;
pub(crate) use own::Headers;

/// Buffers that every turn uses and none keeps.
struct Buffers {
    inbox: Inbox,
    outbox: Outbox,
    /// Whose datagrams are in the outbox.
    outbox_of: Option<Rc<UdpListener>>,
    stream: Box<[u8]>,
    reply: Box<[u8; REPLY_BYTES_MAX]>,
    answer: Vec<u8>,
    ready: Vec<ExchangeId>,
}

/// The worker of this process.
pub(crate) struct Worker {
    pub(crate) clock: Clock,
    core: RefCell<Resolver>,
    buffers: RefCell<Buffers>,
    pub(crate) listeners: Listeners,
    pub(crate) streams: ClientStreams,
    pub(crate) tls: TlsService,
    pub(crate) proxied: Proxied,
    pub(crate) doh: doh::Connections,
    pub(crate) upstream: Upstream,
    pub(crate) alarm: Alarm,
    pub(crate) counters: Rc<Counters>,
    /// What the resolver is to be set to at the end of the turn.
    settings: RefCell<Settings>,
    settings_changed: Cell<bool>,
    /// The store was looked into outside of a turn.
    inspected: Cell<bool>,
    /// What else is to be changed in it at the end of the turn.
    changes: RefCell<Vec<Change>>,
    stream_limits: Cell<ServerLimits>,
    /// Descriptors for clients' connections and exchanges together.
    descriptors: usize,
    quitting: Rc<Notify>,
    /// Who wants to know how the process is doing.
    pub(crate) manager: Manager,
    /// Who goes on with the connections of clients.
    successor: RefCell<Option<Rc<Worker>>>,
    /// Key of the hashes of lists of names.
    pub(crate) rules_seed: (u64, u64),
    /// Answers to queries from inside the program.
    pub(crate) answers: Answers,
    /// Queries from inside the program that are under way.
    internal: Cell<usize>,
    /// Queries that tasks of the program wait for.
    own: own::Waiting,
    /// The second level of the cache.
    fleet: RefCell<Option<Rc<Fleet>>>,
}

/// A change to the resolver that waits for the end of a step.
type Change = Box<dyn FnOnce(&mut Resolver)>;

/// Answers to queries from inside the program, by the query's number.
#[derive(Default)]
pub(crate) struct Answers {
    queue: RefCell<VecDeque<(u32, Option<Vec<u8>>)>>,
    arrived: Notify,
}

impl Answers {
    fn push(&self, number: u32, wire: Option<Vec<u8>>) {
        self.queue.borrow_mut().push_back((number, wire));
        self.arrived.notify_one();
    }

    /// The next answer; `None` inside if the query was dropped.
    pub(crate) fn take(&self) -> Option<(u32, Option<Vec<u8>>)> {
        self.queue.borrow_mut().pop_front()
    }

    /// Waits until there is one.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

/// What a worker is made of.
pub(crate) struct WorkerParts {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    /// From the system's generator.
    pub(crate) seed: [u8; 32],
    /// The process's limit of open files.
    pub(crate) descriptors: u64,
    /// What the process has done so far.
    pub(crate) counters: Rc<Counters>,
    /// The end of the process was asked for.
    pub(crate) quitting: Rc<Notify>,
    /// Who wants to know how it is doing.
    pub(crate) manager: Manager,
}

impl Worker {
    /// A worker that nobody has come to yet. To be called within the runtime.
    pub(crate) fn new(parts: WorkerParts) -> io::Result<Worker> {
        let mut random = ChaCha12Rng::from_seed(parts.seed);
        let ports = ChaCha12Rng::from_rng(&mut random);
        let seed = seed_from(&mut random);
        let core = ResolverParts::in_memory(parts.settings.clone(), seed, CACHE_BYTES_UNTIL_OPENED)
            .map(Resolver::new)
            .map_err(io::Error::other)?;
        let buffers = Buffers {
            inbox: Inbox::new(),
            outbox: Outbox::new(),
            outbox_of: None,
            stream: vec![0; READ_BYTES].into_boxed_slice(),
            reply: Box::new([0; REPLY_BYTES_MAX]),
            answer: Vec::new(),
            ready: Vec::new(),
        };
        let descriptors = usize::try_from(parts.descriptors).unwrap_or(usize::MAX);
        Ok(Worker {
            clock: parts.clock,
            core: RefCell::new(core),
            buffers: RefCell::new(buffers),
            listeners: Listeners::default(),
            streams: ClientStreams::default(),
            proxied: Proxied::default(),
            doh: doh::Connections::default(),
            tls: TlsService::new(seed_from(&mut random)),
            upstream: Upstream::new(ports)?,
            alarm: Alarm::default(),
            counters: parts.counters,
            settings: RefCell::new(parts.settings),
            settings_changed: Cell::new(false),
            inspected: Cell::new(false),
            changes: RefCell::default(),
            stream_limits: Cell::default(),
            descriptors: descriptors.saturating_sub(DESCRIPTORS_RESERVED),
            quitting: parts.quitting,
            manager: parts.manager,
            successor: RefCell::default(),
            rules_seed: (random.next_u64(), random.next_u64()),
            answers: Answers::default(),
            internal: Cell::new(0),
            own: own::Waiting::default(),
            fleet: RefCell::default(),
        })
    }

    /// The clock's reading.
    pub(crate) fn now(&self) -> Now {
        self.clock.read()
    }

    /// What a client's connection may take.
    pub(crate) fn stream_limits(&self) -> ServerLimits {
        self.stream_limits.get()
    }

    /// Sets that for connections from now on.
    pub(crate) fn set_stream_limits(&self, limits: ServerLimits) {
        self.stream_limits.set(limits);
    }

    /// Connections that clients may have: with few descriptors, most are for exchanges.
    pub(crate) fn client_streams_max(&self) -> usize {
        CLIENT_STREAMS_MAX.min(self.descriptors / 4)
    }

    /// Reads the settings.
    pub(crate) fn with_settings<R>(&self, read: impl FnOnce(&Settings) -> R) -> R {
        read(&self.settings.borrow())
    }

    /// Changes the settings; the resolver learns of it at the end of the turn.
    pub(crate) fn change_settings<R>(&self, change: impl FnOnce(&mut Settings) -> R) -> R {
        self.settings_changed.set(true);
        change(&mut self.settings.borrow_mut())
    }

    /// Changes the resolver beside its settings: at once, or while a step of it is running at the
    /// end of the turn. Changes keep their order.
    pub(crate) fn change_resolver(&self, change: impl FnOnce(&mut Resolver) + 'static) {
        self.changes.borrow_mut().push(Box::new(change));
        if let Ok(mut core) = self.core.try_borrow_mut() {
            self.apply_changes(&mut core);
        }
    }

    fn apply_changes(&self, core: &mut Resolver) {
        loop {
            let changes = std::mem::take(&mut *self.changes.borrow_mut());
            if changes.is_empty() {
                return;
            }
            for change in changes {
                self.guard("change of the resolver", || change(core));
            }
        }
    }

    /// Ends the program after this turn.
    pub(crate) fn quit(&self) {
        self.quitting.notify_one();
    }

    /// The last one of those that have taken over.
    pub(crate) fn latest(self: &Rc<Self>) -> Rc<Worker> {
        let mut latest = self.clone();
        while let Some(next) = latest.successor() {
            latest = next;
        }
        latest
    }

    /// Who goes on with the connections of clients, once this worker is replaced.
    pub(crate) fn successor(&self) -> Option<Rc<Worker>> {
        self.successor.borrow().clone()
    }

    /// This worker is replaced: its connections move as soon as nothing is under way on them.
    pub(crate) fn set_successor(&self, worker: Rc<Worker>) {
        *self.successor.borrow_mut() = Some(worker);
        self.streams.wake_all();
    }

    /// A turn: gives something to the resolver and carries out what it wants. `None`: the step
    /// panicked; what it was about is lost, the rest goes on.
    pub(crate) fn turn<R>(
        self: &Rc<Self>,
        what: &str,
        step: impl FnOnce(&mut Resolver, Now) -> R,
    ) -> Option<R> {
        let mut buffers = self.buffers.borrow_mut();
        let now = self.now();
        let mut core = self.core.borrow_mut();
        let result = self.guard(what, || step(&mut core, now));
        self.end_turn(core, &mut buffers, now);
        result
    }

    /// Puts changed settings in force now, and ends the snapshot of a store that was looked into.
    pub(crate) fn apply(self: &Rc<Self>) {
        if self.settings_changed.get() || self.inspected.replace(false) {
            self.turn("settings", |_, _| ());
        }
    }

    /// Takes and answers a batch of datagrams.
    pub(crate) fn handle_datagrams(
        self: &Rc<Self>,
        listener: &Rc<UdpListener>,
    ) -> io::Result<usize> {
        let mut buffers = self.buffers.borrow_mut();
        let Buffers { inbox, outbox, outbox_of, .. } = &mut *buffers;
        let count = listener.receive(inbox)?;
        let now = self.now();
        let mut core = self.core.borrow_mut();
        let mut hits = 0;
        for datagram in inbox.datagrams() {
            let sender = listener.client(&datagram);
            let (client, query) = match self.proxied.pass(listener, &sender, datagram.bytes) {
                Passed::Plain => (sender, datagram.bytes),
                Passed::On(client, query) => (client, query),
                Passed::Refused => {
                    self.counters.dropped.add(1);
                    continue;
                }
            };
            let buffer = room(outbox, outbox_of, listener, &self.counters);
            let step = || {
                let hit = core.answer_cached(now, &client, query, buffer);
                if !hit {
                    self.take_in(&mut core, now, client, query);
                }
                hit
            };
            if self.guard("query over UDP", step) == Some(true) {
                outbox.commit(sender.peer, listener.source(&sender));
                self.proxied.take(client.token.into());
                hits += 1;
            }
        }
        self.counters.udp.add(count);
        let unchanged = hits == count && !self.settings_changed.get();
        if unchanged && self.changes.borrow().is_empty() && !core.has_work(now) {
            drop(core);
            flush(outbox, outbox_of, &self.counters);
            return Ok(count);
        }
        self.end_turn(core, &mut buffers, now);
        Ok(count)
    }

    /// Takes in a query, now or after a look into the second level of the cache.
    fn take_in(&self, core: &mut Resolver, now: Now, client: Client, wire: &[u8]) {
        let waits =
            self.fleet.borrow().as_ref().is_some_and(|fleet| fleet.ask(core, now, client, wire));
        if !waits {
            core.handle_request(now, client, wire);
        }
    }

    /// Puts another second level of the cache in the place of what there is; the old one is closed.
    pub(crate) fn set_fleet(&self, fleet: Option<Rc<Fleet>>) {
        if let Some(old) = self.fleet.replace(fleet) {
            old.close();
        }
    }

    /// The second level of the cache.
    pub(crate) fn fleet(&self) -> Option<Rc<Fleet>> {
        self.fleet.borrow().clone()
    }

    /// Reads from a client's connection and takes its queries. Returns whether the kernel has
    /// nothing more.
    pub(crate) fn handle_stream(
        self: &Rc<Self>,
        stream: &Rc<ClientStream>,
    ) -> Result<bool, StreamEnd> {
        let mut buffers = self.buffers.borrow_mut();
        let mut space = std::mem::take(&mut buffers.stream);
        let read = stream.read(&mut space);
        let result = match read {
            Ok(count) => {
                let input = space.get(..count).unwrap_or_default();
                let input = stream.strip(input, |sender| self.proxied.allows(sender));
                let taken = input.and_then(|input| {
                    let plain = stream.decrypt(self.now(), &input)?;
                    if stream.has_output() {
                        self.streams.mark(stream);
                    }
                    self.take_queries(stream, plain.as_deref().unwrap_or(&input), &mut buffers)
                });
                taken.map(|()| count < space.len())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(_) => Err(StreamEnd),
        };
        buffers.stream = space;
        result
    }

    /// Takes queries that were kept back because there was no room for them.
    pub(crate) fn handle_kept(self: &Rc<Self>, stream: &Rc<ClientStream>) -> Result<(), StreamEnd> {
        let mut buffers = self.buffers.borrow_mut();
        self.take_queries(stream, &[], &mut buffers)
    }

    fn take_queries(
        self: &Rc<Self>,
        stream: &Rc<ClientStream>,
        mut input: &[u8],
        buffers: &mut Buffers,
    ) -> Result<(), StreamEnd> {
        let now = self.now();
        let elapsed = Clock::elapsed(now);
        let client = stream.client();
        let mut core = self.core.borrow_mut();
        let outcome = loop {
            let answer = &mut buffers.answer;
            let mut session = stream.session().borrow_mut();
            let query = match session.next_message(elapsed, &mut input) {
                Ok(Some(query)) => query,
                Ok(None) => break Ok(()),
                Err(_) => break Err(StreamEnd),
            };
            let step = || {
                let hit = core.answer_cached(now, &client, query, answer);
                if !hit {
                    self.take_in(&mut core, now, client, query);
                }
                hit
            };
            self.counters.tcp.add(1);
            match self.guard("query over TCP", step) {
                Some(true) => {
                    let _too_long = session.queue_response(elapsed, answer);
                    self.streams.mark(stream);
                }
                Some(false) => {
                    // What is answered now goes out before what comes after it on the stream.
                    drop(session);
                    self.carry_out(&mut core, buffers, now);
                }
                None => session.forget_query(),
            }
        };
        self.end_turn(core, buffers, now);
        if self.streams.account(stream) { outcome } else { Err(StreamEnd) }
    }

    /// A client's connection has ended.
    pub(crate) fn forget_stream(self: &Rc<Self>, stream: &Rc<ClientStream>) {
        self.streams.remove(stream);
        let token = stream.token.get().into();
        self.turn("end of a connection", |core, now| core.handle_client_gone(now, token));
    }

    /// Takes the replies that have come over UDP. Returns whether there were any.
    pub(crate) fn handle_upstream_datagrams(self: &Rc<Self>) -> bool {
        let mut buffers = self.buffers.borrow_mut();
        let mut ready = std::mem::take(&mut buffers.ready);
        self.upstream.udp.ready(&mut ready);
        let any = !ready.is_empty();
        if any {
            let now = self.now();
            let mut core = self.core.borrow_mut();
            for id in &ready {
                self.take_replies(&mut core, now, *id, &mut buffers.reply);
            }
            self.end_turn(core, &mut buffers, now);
        }
        buffers.ready = ready;
        any
    }

    /// Takes the replies that have come although nobody waits for them yet. Returns whether there is
    /// more to look at.
    pub(crate) fn handle_unwatched(self: &Rc<Self>) -> bool {
        let mut buffers = self.buffers.borrow_mut();
        let mut ids = std::mem::take(&mut buffers.ready);
        self.upstream.udp.unwatched(&mut ids);
        let now = self.now();
        let mut core = self.core.borrow_mut();
        for id in &ids {
            self.take_replies(&mut core, now, *id, &mut buffers.reply);
        }
        let (more, lost) = self.upstream.udp.looked(&ids);
        for id in lost {
            self.upstream.udp.close(id);
            let fault = Err(ExchangeFault::NoSocket);
            self.guard("exchange without a socket", || core.handle_reply(now, id, fault));
        }
        self.end_turn(core, &mut buffers, now);
        buffers.ready = ids;
        more
    }

    fn take_replies(
        &self,
        core: &mut Resolver,
        now: Now,
        id: ExchangeId,
        buffer: &mut [u8; REPLY_BYTES_MAX],
    ) {
        for _ in 0..REPLIES_PER_SOCKET {
            let Some(received) = self.upstream.udp.receive(id, buffer) else { return };
            let reply = received.map(|length| buffer.get(..length).unwrap_or_default());
            let verdict = self.guard("reply over UDP", || core.handle_reply(now, id, reply));
            if verdict != Some(ReplyVerdict::KeepWaiting) || reply.is_err() {
                self.upstream.udp.close(id);
                return;
            }
        }
    }

    /// Takes the replies that have come on a connection to an upstream. Returns whether the
    /// kernel has nothing more.
    pub(crate) fn handle_upstream_stream(
        self: &Rc<Self>,
        stream: &UpstreamStream,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        let mut buffers = self.buffers.borrow_mut();
        let mut space = std::mem::take(&mut buffers.stream);
        let result = match read(&mut space) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                let input = space.get(..count).unwrap_or_default();
                stream.decrypt(input).map(|plain| {
                    let input = plain.as_deref().unwrap_or(input);
                    self.take_stream_replies(stream, input, &mut buffers);
                    count < space.len()
                })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        };
        buffers.stream = space;
        result
    }

    fn take_stream_replies(
        self: &Rc<Self>,
        stream: &UpstreamStream,
        mut input: &[u8],
        buffers: &mut Buffers,
    ) {
        let now = self.now();
        let mut core = self.core.borrow_mut();
        loop {
            let mut session = stream.session().borrow_mut();
            let Ok(Some((id, reply))) = session.next_reply(&mut input) else { break };
            let verdict = self.guard("reply over TCP", || core.handle_reply(now, id, Ok(reply)));
            drop(session);
            if verdict != Some(ReplyVerdict::KeepWaiting) {
                self.upstream.cancel(now, id);
            }
        }
        self.end_turn(core, buffers, now);
    }

    /// A connection to an upstream has ended.
    pub(crate) fn handle_upstream_end(
        self: &Rc<Self>,
        end: impl FnOnce(Now, &Upstream, usize) -> Vec<(ExchangeId, ExchangeFault)>,
    ) {
        let now = self.now();
        let failed = end(now, &self.upstream, self.descriptors_free());
        self.counters.failed_tcp.add(failed.len());
        self.turn("end of a connection to an upstream", |core, now| {
            for (id, fault) in failed {
                let _over = core.handle_reply(now, id, Err(fault));
            }
        });
    }

    /// Descriptors that exchanges may still use.
    fn descriptors_free(&self) -> usize {
        self.descriptors
            .saturating_sub(self.streams.len() + self.doh.len() + self.upstream.descriptors())
    }

    /// Runs a step of the resolver; a panic in it is a bug that ends one request, not the worker.
    fn guard<R>(&self, what: &str, step: impl FnOnce() -> R) -> Option<R> {
        let result = catch_unwind(AssertUnwindSafe(step));
        if result.is_err() {
            self.counters.panics.add(1);
            log!(Crit, "system", "bug: a step of the resolver panicked ({what}); service goes on");
        }
        result.ok()
    }

    /// Carries out what the resolver wants and sends what leaves.
    fn end_turn(self: &Rc<Self>, mut core: RefMut<'_, Resolver>, buffers: &mut Buffers, now: Now) {
        self.apply_changes(&mut core);
        if self.settings_changed.replace(false) {
            core.configure(now, self.settings.borrow().clone());
        }
        while let Some(line) = core.poll_log() {
            logging::write_line(line.group.tag(), line.requested, &line.text);
        }
        while let Some((group, text)) = core.poll_notice() {
            logging::write(group, logging::Level::Notice, format_args!("{text}"));
        }
        self.carry_out(&mut core, buffers, now);
        self.guard("end of a turn", || core.end_turn(now));
        if let Some(fleet) = &*self.fleet.borrow() {
            self.guard("second level of the cache", || fleet.tell(&mut core));
        }
        let deadline = self.guard("deadline", || core.poll_deadline()).flatten();
        drop(core);
        if self.settings_changed.get() || !self.changes.borrow().is_empty() {
            // Asked for by a hook that ran while the actions were carried out.
            let worker = self.clone();
            spawn_local(async move { worker.turn("changes", |_, _| ()) });
        }
        flush(&mut buffers.outbox, &mut buffers.outbox_of, &self.counters);
        for stream in self.streams.take_marked() {
            stream.flush(now);
        }
        for stream in self.upstream.tcp.take_unborn() {
            spawn_local(tcp::drive(self.clone(), stream));
        }
        self.alarm.set(deadline.map(|(at, _owner)| at));
    }

    fn carry_out(&self, core: &mut Resolver, buffers: &mut Buffers, now: Now) {
        while let Some(action) = self.guard("next action", || core.poll_action()).flatten() {
            self.perform(core, buffers, now, action);
        }
    }

    fn perform(&self, core: &mut Resolver, buffers: &mut Buffers, now: Now, action: Action) {
        match action {
            Action::Respond { client, wire } => self.respond(buffers, now, &client, &wire),
            Action::Drop { client } => self.drop_request(&client),
            Action::Exchange { id, target, wire, connect_timeout } => {
                self.counters.exchange(&target);
                let free = self.descriptors_free();
                let started = self.upstream.start(now, id, &target, wire, connect_timeout, free);
                if let Err(fault) = started {
                    self.guard("failed exchange", || core.handle_reply(now, id, Err(fault)));
                }
            }
            Action::Mirror { target, wire } => self.upstream.mirror(target, &wire),
            Action::Cancel { id } => self.upstream.cancel(now, id),
        }
    }

    fn respond(&self, buffers: &mut Buffers, now: Now, client: &Client, wire: &[u8]) {
        match Token::from(client.token) {
            Token::Listener(number) => {
                let Some(listener) = self.listeners.udp(number) else { return };
                let Buffers { outbox, outbox_of, .. } = buffers;
                let buffer = room(outbox, outbox_of, &listener, &self.counters);
                buffer.clear();
                buffer.extend_from_slice(wire);
                outbox.commit(client.peer, listener.source(client));
            }
            token @ Token::Proxied(_) => {
                let Some(route) = self.proxied.take(token) else { return };
                let Buffers { outbox, outbox_of, .. } = buffers;
                let buffer = room(outbox, outbox_of, &route.listener, &self.counters);
                buffer.clear();
                buffer.extend_from_slice(wire);
                outbox.commit(route.peer, route.source);
            }
            token @ Token::Stream { .. } => {
                let Some(stream) = self.streams.get(token) else { return };
                let answered =
                    stream.session().borrow_mut().queue_response(Clock::elapsed(now), wire);
                if answered.is_ok() {
                    self.streams.mark(&stream);
                }
                if !self.streams.account(&stream) {
                    stream.close();
                }
            }
            Token::Internal(number) => self.finish_internal(number, Some(wire.to_vec())),
            Token::Own(number) => self.finish_own(number, Some(wire.to_vec())),
        }
    }

    fn drop_request(&self, client: &Client) {
        self.counters.dropped.add(1);
        match Token::from(client.token) {
            Token::Listener(_) => {}
            token @ Token::Proxied(_) => {
                self.proxied.take(token);
            }
            token @ Token::Stream { .. } => {
                if let Some(stream) = self.streams.get(token) {
                    stream.session().borrow_mut().forget_query();
                }
            }
            Token::Internal(number) => self.finish_internal(number, None),
            Token::Own(number) => self.finish_own(number, None),
        }
    }

    fn finish_internal(&self, number: u32, wire: Option<Vec<u8>>) {
        self.internal.set(self.internal.get().saturating_sub(1));
        self.answers.push(number, wire);
    }

    fn finish_own(&self, number: u32, wire: Option<Vec<u8>>) {
        if own::is_own(number) {
            self.internal.set(self.internal.get().saturating_sub(1));
        }
        self.own.finish(number, wire);
    }

    /// Is there a client that waits for its answer?
    pub(crate) fn owes_answers(&self) -> bool {
        self.requests().is_none_or(|requests| requests > self.internal.get())
    }

    /// Starts a query from inside the program with further switches for the request; the answer
    /// comes as one of [`Worker::answers`]. It starts in a turn of its own, so this can be called
    /// in the middle of another.
    pub(crate) fn ask_with(self: &Rc<Self>, number: u32, wire: Vec<u8>, flags: QueryFlags) {
        let worker = self.clone();
        spawn_local(async move {
            let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
            let client = Client {
                token: Token::Internal(number).into(),
                peer: nobody,
                local: nobody,
                protocol: ClientProtocol::Internal,
            };
            let step = |core: &mut Resolver, now| {
                core.handle_request_with(now, client, &wire, flags);
            };
            worker.internal.set(worker.internal.get() + 1);
            worker.turn("query from inside", step);
        });
    }

    /// The resolver's cache for reading and upkeep. While a step of the resolver is running, only
    /// hooks written in Lua can reach it.
    pub(crate) fn inspect_cache<R>(&self, use_it: impl FnOnce(&mut Cache) -> R) -> Option<R> {
        match self.core.try_borrow_mut() {
            Ok(mut core) => {
                self.inspected.set(true);
                Some(use_it(&mut core.core_mut().cache))
            }
            Err(_) => lua::with_core(|core| use_it(&mut core.cache)),
        }
    }

    /// The same to take something out of it: finished answers are forgotten.
    pub(crate) fn with_cache<R>(&self, use_it: impl FnOnce(&mut Cache) -> R) -> Option<R> {
        let result = self.inspect_cache(use_it);
        self.change_resolver(|core| {
            let _forgets_answers = core.cache_mut();
        });
        result
    }

    /// What the resolver has counted, unless a step of it is running outside of Lua.
    pub(crate) fn resolver_counters(&self) -> Option<resolve::Counters> {
        let counters = self.core.try_borrow().ok().map(|core| *core.counters());
        counters.or_else(|| lua::with_core(|core| core.counters))
    }

    /// Queries that wait for their answer.
    pub(crate) fn requests(&self) -> Option<usize> {
        self.core.try_borrow().ok().map(|core| core.requests())
    }
}

/// Time since the clock's fixed point; for deadlines of things beside the resolver.
impl Worker {
    pub(crate) fn elapsed(&self) -> Duration {
        Clock::elapsed(self.now())
    }
}

/// The buffer for the next datagram of a socket; sends what is in the way.
fn room<'a>(
    outbox: &'a mut Outbox,
    owner: &mut Option<Rc<UdpListener>>,
    listener: &Rc<UdpListener>,
    counters: &Counters,
) -> &'a mut Vec<u8> {
    let same = owner.as_ref().is_some_and(|owner| Rc::ptr_eq(owner, listener));
    if !same || outbox.is_full() {
        flush(outbox, owner, counters);
        *owner = Some(listener.clone());
    }
    outbox.next_buffer()
}

/// Sends the datagrams that are collected.
fn flush(outbox: &mut Outbox, owner: &mut Option<Rc<UdpListener>>, counters: &Counters) {
    if !outbox.is_empty()
        && let Some(listener) = owner.take()
    {
        counters.lost.add(listener.send(outbox));
    }
}

fn seed_from(random: &mut ChaCha12Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    random.fill_bytes(&mut seed);
    seed
}
