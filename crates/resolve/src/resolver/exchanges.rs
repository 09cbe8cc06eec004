//! Sending and receiving for requests: exchanges by number, and rounds that several requests share.
//!
//! When two requests would ask the same servers the same question, the second one follows the
//! first: it sends nothing and is handed the same reply (RFC 5452 §5; 500 clients, one message). It
//! never waits for anything but the exchanges of the first, so requests cannot wait for each other
//! in a circle.

use std::collections::VecDeque;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

use dns::{Message, Name, Rcode, Rtype};
use hashbrown::HashMap;

use super::Resolver;
use crate::action::{Action, ExchangeFault, ExchangeId, ReplyVerdict, Via};
use crate::exchange::{self, Manner, ReplyFault, match_header, match_question};
use crate::flags::QueryFlags;
use crate::keyed::Keyed;
use crate::limits::{
    CONNECT_TIME_MAX, NEAR_MISSES_MAX, REQUESTS_MAX, SENDS_OPEN_MAX, SOCKET_RETRY, SOCKETS_SCARCE,
};
use crate::query::{Ask, Planned, Query, Round, Sent};
use crate::reply::{Reply, Source};
use crate::request::{Request, RequestId};
use crate::settings::ForwardKind;
use crate::time::Now;
use crate::trace::{Group, Origin};
use crate::zone_cut::{Servers, ZoneCut};

/// What makes two rounds the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RoundKey {
    /// Of all that follows, by the resolver's key: a round is looked for several times.
    hash: u64,
    pub(crate) name: Name,
    pub(crate) rtype: Rtype,
    zone: Name,
    /// Everything else that changes what is sent or to whom.
    manner: u32,
}

impl RoundKey {
    /// Is a query in this round?
    fn is_of(&self, query: &Query, wishes: RoundWishes) -> bool {
        let (Some(round), Some(cut)) = (&query.round, &query.cut) else { return false };
        self.rtype == round.ask.rtype
            && self.manner == round_manner(query, cut, wishes)
            && self.name == round.ask.name
            && self.zone == cut.name
    }
}

impl Hash for RoundKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Passes on the hash that a key brings with it.
#[derive(Clone, Copy, Default)]
pub(super) struct Brought(u64);

impl Hasher for Brought {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A round under way.
#[derive(Debug)]
pub(super) struct Shared {
    leader: RequestId,
    followers: Vec<RequestId>,
    /// The last good reply, for the followers.
    reply: Option<Reply>,
}

pub(super) type Rounds = HashMap<RoundKey, Shared, BuildHasherDefault<Brought>>;

/// Exchanges that may still be answered.
#[derive(Default)]
pub(super) struct Exchanges {
    open: HashMap<ExchangeId, RequestId, foldhash::fast::FixedState>,
    last: u64,
    /// Requests that could not send for want of a socket, the first of them first. They may have
    /// gone on otherwise in the meantime.
    starved: VecDeque<RequestId>,
    /// Exchanges that have ended since the last of them was served: so many sockets came free.
    released: usize,
}

impl Exchanges {
    fn begin(&mut self, request: RequestId) -> ExchangeId {
        self.last += 1;
        let id = ExchangeId(self.last);
        self.open.insert(id, request);
        id
    }

    /// An exchange is over; false if it was before.
    fn end(&mut self, id: ExchangeId) -> bool {
        let was_open = self.open.remove(&id).is_some();
        self.released += usize::from(was_open);
        was_open
    }
}

impl Resolver {
    /// Sends the message that is planned for the current query, or joins a request that does.
    pub(super) fn send_planned(&mut self, now: Now, request: &mut Request) {
        let (id, wishes) = (request.id, RoundWishes::of(request));
        let Some(query) = request.plan.current_mut() else { return };
        let Some(planned) = query.round.as_mut().and_then(|round| round.next.take()) else {
            return;
        };
        let Some(key) = round_key(query, wishes, self.round_hash) else { return };
        match self.rounds.get_mut(&key) {
            Some(shared) if shared.leader != id => {
                shared.followers.push(id);
                self.core.counters.upstream_joined += 1;
                if let Some(round) = &mut query.round {
                    round.follows = true;
                }
                request.following = Some(key);
                return;
            }
            Some(_) => {}
            None => {
                let shared = Shared { leader: id, followers: Vec::new(), reply: None };
                self.rounds.insert(key.clone(), shared);
                request.following = Some(key);
            }
        }
        self.send(now, request, planned);
    }

    fn send(&mut self, now: Now, request: &mut Request, planned: Planned) {
        let traced = self.core.log.everything || request.flags.contains(QueryFlags::TRACE);
        let (id, dnssec_ok) = (request.id, request.dnssec_ok());
        let checking_disabled = request.checking_disabled();
        let Some(query) = request.plan.current_mut() else { return };
        let (query_id, depth) = (query.id.0, query.depth);
        let forward = query.cut.as_ref().and_then(forward_kind);
        let vary_case = !query.flags.contains(QueryFlags::NO_0X20) && forward.is_none();
        let Some(round) = &mut query.round else { return };
        let manner = Manner {
            recursion_desired: forward.is_some(),
            // Full resolution wants all records whatever the other side thinks of them.
            checking_disabled: forward != Some(ForwardKind::Stub) || checking_disabled,
            vary_case,
            edns: planned.edns.then(|| {
                let size = self.core.settings.udp_size_upstream;
                (size, forward != Some(ForwardKind::Stub) || dnssec_ok)
            }),
            padded: matches!(planned.target.via, Via::Tls(_)),
        };
        let (wire, message_id, name) = exchange::compose(&round.ask, manner, &mut self.core.chance);
        if traced {
            let zone = query.cut.as_ref().map(|cut| cut.name.clone()).unwrap_or_else(Name::root);
            let requested = request.flags.contains(QueryFlags::TRACE);
            let origin = Origin { request: id.number, query: query_id, depth, requested };
            let (address, proto) = (planned.target.address, proto(&planned.target.via));
            self.core.log.write(
                &mut request.trace.held,
                Group::Resolve,
                origin,
                format_args!(
                    "=> id: '{message_id:05}' querying: '{}'@'{address}' zone cut: '{zone}' \
                     qname: '{name}' qtype: '{}' proto: '{proto}'",
                    planned.server, round.ask.rtype,
                ),
            );
        }
        self.count_sent(&planned);
        self.core.servers.on_send(planned.target.address, now.mono);
        if round.open.len() >= SENDS_OPEN_MAX {
            // The oldest has had its time.
            let oldest = round.open.remove(0);
            self.exchanges.end(oldest.exchange);
            self.actions.push_back(Action::Cancel { id: oldest.exchange });
        }
        let exchange = self.exchanges.begin(id);
        let tried = round.tried_mut(planned.target.address);
        match planned.target.via {
            Via::Udp => tried.udp += 1,
            Via::Tcp | Via::Tls(_) => {
                tried.tcp += 1;
                tried.wants_tcp = false;
            }
        }
        round.sends += 1;
        round.open.push(Sent {
            exchange,
            target: planned.target.clone(),
            id: message_id,
            name,
            at: now.mono,
            retry_at: now.mono + planned.timeout,
            late: false,
            near_misses: 0,
        });
        request.budget.messages += 1;
        self.actions.push_back(Action::Exchange {
            id: exchange,
            target: planned.target,
            wire,
            connect_timeout: CONNECT_TIME_MAX,
        });
    }

    fn count_sent(&mut self, planned: &Planned) {
        let counters = &mut self.core.counters;
        let target = &planned.target;
        let family = if target.address.is_ipv4() {
            &mut counters.upstream_ipv4
        } else {
            &mut counters.upstream_ipv6
        };
        *family += 1;
        *match target.via {
            Via::Udp => &mut counters.upstream_udp,
            Via::Tcp => &mut counters.upstream_tcp,
            Via::Tls(_) => &mut counters.upstream_tls,
        } += 1;
    }

    /// Bytes or a fault for an exchange.
    pub(super) fn receive(
        &mut self,
        now: Now,
        id: ExchangeId,
        reply: Result<&[u8], ExchangeFault>,
    ) -> ReplyVerdict {
        let Some(owner) = self.exchanges.open.get(&id).copied() else {
            return ReplyVerdict::Over;
        };
        let Some(mut request) = self.take(owner) else {
            self.exchanges.end(id);
            return ReplyVerdict::Over;
        };
        let verdict = match reply {
            Ok(bytes) => self.receive_bytes(now, &mut request, id, bytes),
            Err(fault) => self.receive_fault(now, &mut request, id, fault),
        };
        match verdict {
            Received::NearMiss | Received::Starved => self.put_back(request),
            Received::TryTcp | Received::Over => self.advance(now, request),
        }
        match verdict {
            Received::TryTcp | Received::NearMiss => ReplyVerdict::KeepWaiting,
            Received::Over | Received::Starved => ReplyVerdict::Over,
        }
    }

    fn receive_fault(
        &mut self,
        now: Now,
        request: &mut Request,
        id: ExchangeId,
        fault: ExchangeFault,
    ) -> Received {
        if fault == ExchangeFault::NoSocket {
            self.exchanges.open.remove(&id);
            return self.starve(now, request, id);
        }
        self.exchanges.end(id);
        request.budget.undelivered = request.budget.undelivered.saturating_add(1);
        if let Some(sent) = remove_sent(request, id)
            && !sent.late
        {
            let rest = rest(self);
            self.core.servers.on_silence(&sent.target, sent.at, now, rest);
        }
        Received::Over
    }

    /// No socket is to be had, which is our own trouble and says nothing about the server: takes
    /// back that the message was sent. A request with nothing else under way waits for a socket.
    fn starve(&mut self, now: Now, request: &mut Request, id: ExchangeId) -> Received {
        self.core.sockets_scarce_until = now.mono + SOCKETS_SCARCE;
        let Some(sent) = remove_sent(request, id) else { return Received::Over };
        let number = request.id;
        let Some(round) = request.plan.current_mut().and_then(|query| query.round.as_mut()) else {
            return Received::Over;
        };
        let tried = round.tried_mut(sent.target.address);
        match sent.target.via {
            Via::Udp => tried.udp = tried.udp.saturating_sub(1),
            Via::Tcp | Via::Tls(_) => {
                tried.tcp = tried.tcp.saturating_sub(1);
                tried.wants_tcp = true;
            }
        }
        round.sends = round.sends.saturating_sub(1);
        round.wake_at = Some(now.mono + SOCKET_RETRY);
        if round.open.is_empty() {
            round.starved = true;
            // Without room in the queue the time to try again will do.
            if self.exchanges.starved.len() < REQUESTS_MAX {
                self.exchanges.starved.push_back(number);
            }
        }
        Received::Starved
    }

    /// Lets as many of those who wait for a socket try again as have come free.
    pub(super) fn feed_starved(&mut self, now: Now) {
        while self.exchanges.released > 0 {
            let Some(id) = self.exchanges.starved.pop_front() else {
                self.exchanges.released = 0;
                return;
            };
            let Some(mut request) = self.take(id) else { continue };
            let round = request.plan.current_mut().and_then(|query| query.round.as_mut());
            if round.is_some_and(|round| end_starvation(now, round)) {
                self.exchanges.released -= 1;
                self.advance(now, request);
            } else {
                self.put_back(request);
            }
        }
    }

    fn receive_bytes(
        &mut self,
        now: Now,
        request: &mut Request,
        id: ExchangeId,
        bytes: &[u8],
    ) -> Received {
        request.budget.received += bytes.len();
        let Some(query) = request.plan.current_mut() else { return Received::Over };
        let Some(round) = &mut query.round else { return Received::Over };
        let Some(at) = round.open.iter().position(|sent| sent.exchange == id) else {
            self.exchanges.end(id);
            return Received::Over;
        };
        match read_reply(&round.open[at], &round.ask, bytes) {
            Err(fault) => {
                self.core.counters.near_misses += 1;
                self.note_near_miss(request, id, fault)
            }
            Ok(truncated_or_reply) => {
                self.exchanges.end(id);
                let sent = round.open.remove(at);
                let after = now.mono.since(sent.at);
                self.core.servers.on_reply(sent.target.address, now, after);
                match truncated_or_reply {
                    // RFC 7766 §5: what does not fit is asked for over TCP.
                    None => round.tried_mut(sent.target.address).wants_tcp = true,
                    Some(reply) => {
                        let shared =
                            request.following.as_ref().and_then(|key| self.rounds.get_mut(key));
                        if let Some(shared) = shared.filter(|s| !s.followers.is_empty()) {
                            shared.reply = Some(reply.clone());
                        }
                        query.reply = Some(reply);
                    }
                }
                Received::Over
            }
        }
    }

    /// Something arrived that is not the reply. Over UDP the slot stays open, and the question is
    /// asked once more over TCP; a stream that carries nonsense is done with.
    fn note_near_miss(
        &mut self,
        request: &mut Request,
        id: ExchangeId,
        fault: ReplyFault,
    ) -> Received {
        let Some(query) = request.plan.current_mut() else { return Received::Over };
        let Some(round) = &mut query.round else { return Received::Over };
        let Some(sent) = round.open.iter_mut().find(|sent| sent.exchange == id) else {
            return Received::Over;
        };
        sent.near_misses += 1;
        let first = sent.near_misses == 1;
        let exhausted = sent.near_misses >= NEAR_MISSES_MAX;
        let (address, udp) = (sent.target.address, sent.target.via == Via::Udp);
        if !udp || exhausted {
            self.exchanges.end(id);
            round.open.retain(|sent| sent.exchange != id);
            round.tried_mut(address).useless += 1;
            round.useless += 1;
            return Received::Over;
        }
        if self.core.log.everything {
            let origin = Origin {
                request: request.id.number,
                query: query.id.0,
                depth: query.depth,
                requested: false,
            };
            self.core.log.write(
                &mut request.trace.held,
                Group::Resolve,
                origin,
                format_args!("<= not a reply from '{address}': {fault:?}"),
            );
        }
        let tried = round.tried_mut(address);
        if first && tried.tcp == 0 {
            tried.wants_tcp = true;
            return Received::TryTcp;
        }
        Received::NearMiss
    }

    /// Marks what was waited for long enough; false if nothing has to be done about the request.
    pub(super) fn mark_late(&mut self, now: Now, request: &mut Request) -> bool {
        let rest = rest(self);
        let Some(round) = request.plan.current_mut().and_then(|query| query.round.as_mut()) else {
            return false;
        };
        let mut any = false;
        for sent in &mut round.open {
            if !sent.late && sent.retry_at <= now.mono {
                sent.late = true;
                any = true;
                self.core.counters.upstream_timeouts += 1;
                self.core.servers.on_silence(&sent.target, sent.at, now, rest);
            }
        }
        if round.wake_at.is_some_and(|at| at <= now.mono) {
            any |= end_starvation(now, round) || round.open.iter().all(|sent| sent.late);
            round.wake_at = None;
        }
        any
    }

    /// After a step: if the round that the request led or followed is over, cancels what is still
    /// open and hands the reply to the followers.
    pub(super) fn leave_finished_rounds(&mut self, now: Now, request: &mut Request) {
        for id in request.plan.take_abandoned() {
            self.exchanges.end(id);
            self.actions.push_back(Action::Cancel { id });
        }
        let Some(key) = &request.following else { return };
        let wishes = RoundWishes::of(request);
        let same = request
            .plan
            .current()
            .is_some_and(|query| query.reply.is_none() && key.is_of(query, wishes));
        if same {
            return;
        }
        let gave_up = std::mem::take(&mut request.gave_up);
        if let Some(key) = request.following.take() {
            self.leave_round(now, request.id, &key, gave_up);
        }
    }

    /// A request has no interest in a round any more.
    fn leave_round(&mut self, now: Now, id: RequestId, key: &RoundKey, gave_up: bool) {
        // Nearly always it is the only one.
        let Some(mut shared) = self.rounds.remove(key) else { return };
        if shared.leader != id {
            shared.followers.retain(|follower| *follower != id);
            self.rounds.insert(key.clone(), shared);
            return;
        }
        for follower in shared.followers {
            let Some(mut request) = self.take(follower) else { continue };
            request.following = None;
            if let Some(query) = request.plan.current_mut() {
                if let Some(round) = &mut query.round {
                    round.follows = false;
                    // What the leader could not get from all servers nobody else tries again.
                    round.exhausted = gave_up;
                }
                query.reply = shared.reply.clone().filter(|_| !gave_up);
            }
            self.advance(now, request);
        }
    }

    /// Gives up everything that a request waits for.
    pub(super) fn abandon_exchanges(&mut self, now: Now, request: &mut Request) {
        let mut open = request.plan.take_abandoned();
        let rounds = request.plan.queries().filter_map(|query| query.round.as_ref());
        open.extend(rounds.flat_map(|round| round.open.iter().map(|sent| sent.exchange)));
        for id in open {
            if self.exchanges.end(id) {
                self.actions.push_back(Action::Cancel { id });
            }
        }
        if let Some(key) = &request.following {
            self.leave_round(now, request.id, key, request.gave_up);
        }
    }
}

/// Ends the wait for a socket; false if the round does not wait for one.
fn end_starvation(now: Now, round: &mut Round) -> bool {
    if !std::mem::take(&mut round.starved) {
        return false;
    }
    round.wake_at = None;
    if round.sends == 0 {
        // What came before the first message was no time of the servers.
        round.began = now.mono;
    }
    true
}

/// What came of bytes or a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Received {
    /// The exchange is over.
    Over,
    /// Not the reply; ask over TCP as well.
    TryTcp,
    /// Not the reply; nothing new to do.
    NearMiss,
    /// There was no socket to send with.
    Starved,
}

/// How long a dead server is left alone at first.
fn rest(resolver: &Resolver) -> std::time::Duration {
    std::time::Duration::from_millis(u64::from(resolver.core.settings.ns_timeout_ms))
}

/// The reply to a message, if that is what the bytes are; nothing if it has to be asked for again over
/// TCP.
fn read_reply(sent: &Sent, ask: &Ask, bytes: &[u8]) -> Result<Option<Reply>, ReplyFault> {
    match_header(sent, bytes)?;
    let message = Message::parse(bytes).map_err(ReplyFault::Malformed)?;
    match_question(sent, ask, &message)?;
    if is_truncated(&message, &sent.target.via) {
        return Ok(None);
    }
    let source = Source::Upstream { address: sent.target.address, via: sent.target.via.clone() };
    Reply::from_message(&message, source).map(Some).map_err(|_| ReplyFault::Oversized)
}

fn remove_sent(request: &mut Request, id: ExchangeId) -> Option<Sent> {
    let round = request.plan.current_mut()?.round.as_mut()?;
    let at = round.open.iter().position(|sent| sent.exchange == id)?;
    Some(round.open.remove(at))
}

/// Has the reply to be asked for again over TCP? Over a stream TC makes it useless.
fn is_truncated(message: &Message<'_>, via: &Via) -> bool {
    *via == Via::Udp && message.header().tc() && message.rcode() != Rcode::FORMERR
}

fn forward_kind(cut: &ZoneCut) -> Option<ForwardKind> {
    match &cut.servers {
        Servers::Authoritative(_) => None,
        Servers::Forward { kind, .. } => Some(*kind),
    }
}

/// What a client wants that decides whom its questions may be shared with.
#[derive(Clone, Copy)]
struct RoundWishes {
    dnssec_ok: bool,
    /// What is bogus ends a round for those who check and not for those who do not (RFC 6840 §5.9).
    unchecked: bool,
}

impl RoundWishes {
    fn of(request: &Request) -> RoundWishes {
        let dnssec_ok = request.edns.is_some_and(|edns| edns.dnssec_ok);
        RoundWishes { dnssec_ok, unchecked: request.checking_disabled() }
    }
}

/// The key of the round that a query is in.
fn round_key(query: &Query, wishes: RoundWishes, keyed: Keyed) -> Option<RoundKey> {
    let (round, cut) = (query.round.as_ref()?, query.cut.as_ref()?);
    let (name, rtype, zone) = (&round.ask.name, round.ask.rtype, &cut.name);
    let manner = round_manner(query, cut, wishes);
    let mut hasher = keyed.build_hasher();
    name.hash(&mut hasher);
    zone.hash(&mut hasher);
    hasher.write_u64(u64::from(rtype.0) << 32 | u64::from(manner));
    let hash = hasher.finish();
    Some(RoundKey { hash, name: name.clone(), rtype, zone: zone.clone(), manner })
}

/// What changes a round beside its question and its zone.
fn round_manner(query: &Query, cut: &ZoneCut, wishes: RoundWishes) -> u32 {
    let sent_flags = QueryFlags::TCP
        | QueryFlags::NO_EDNS
        | QueryFlags::NO_IPV4
        | QueryFlags::NO_IPV6
        | QueryFlags::NO_0X20;
    let stub = forward_kind(cut) == Some(ForwardKind::Stub);
    (query.flags & sent_flags).bits()
        | u32::from(cut.is_forward()) << 31
        | u32::from(stub && wishes.dnssec_ok) << 30
        | u32::from(wishes.unchecked || query.flags.contains(QueryFlags::DNSSEC_CD)) << 29
}

fn proto(via: &Via) -> &'static str {
    match via {
        Via::Udp => "udp",
        Via::Tcp => "tcp",
        Via::Tls(_) => "tls",
    }
}
