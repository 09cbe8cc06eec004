//! The next message of a query: which zone, what to ask, whom, and what has to be found out first.

use std::net::SocketAddr;

use dns::{Class, Name, Rtype};
use smallvec::SmallVec;
use store::cache::entry::SignedSet;

use super::super::QueryContext;
use super::{cut, minimize};
use crate::action::Via;
use crate::flags::QueryFlags;
use crate::limits::{
    ADDRESS_LOOKUPS_BARREN_MAX, ADDRESS_LOOKUPS_MAX, LATE_TIME_MAX, MESSAGES_MAX,
    RECEIVED_BYTES_MAX, ROUND_TIME_MAX, SERVERS_MAX, TIMEOUT_MIN,
};
use crate::query::{Outcome, Planned, Purpose, Query, Round};
use crate::selection::{Candidate, Scope, choose, is_usable_address};
use crate::trace;
use crate::zone_cut::{Lookup, Servers, ZoneCut};

/// The port of DNS.
const DNS_PORT: u16 = 53;

/// What has to happen next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plans {
    /// `query.round.next` is to be sent.
    Send,
    /// Everything that can be sent was sent; a reply may still come.
    Wait,
    /// Children were pushed.
    Children,
    /// Nobody is left to ask.
    Nothing,
}

/// Plans the next message of the current query.
pub fn plan_message(ctx: &mut QueryContext<'_>) -> Plans {
    take_deliveries(ctx);
    if ctx.query.cut.is_none() {
        let found = cut::find(ctx);
        trace!(ctx, Iterate, "zone cut '{}'", found.name);
        ctx.query.cut = Some(found);
    }
    let Some(mut zone) = ctx.query.cut.take() else { return Plans::Nothing };
    let mut plans = plan_with(ctx, &mut zone);
    // Each time a zone further up, so this ends at the root at the latest.
    if plans == Plans::Nothing
        && ctx.request.bound.is_none()
        && let Some(above) = cut::find_above(ctx, &zone)
    {
        trace!(ctx, Iterate, "no way to '{}', back to '{}'", zone.name, above.name);
        ctx.request.plan.abandon_round(ctx.query);
        zone = above;
        plans = plan_with(ctx, &mut zone);
    }
    ctx.query.cut = Some(zone);
    plans
}

fn plan_with(ctx: &mut QueryContext<'_>, zone: &mut ZoneCut) -> Plans {
    if ctx.query.round.is_none() {
        let ask = minimize::next_ask(ctx.query, zone);
        ctx.query.round = Some(Box::new(Round::new(ask, ctx.now.mono)));
    }
    let Some(mut round) = ctx.query.round.take() else { return Plans::Nothing };
    let plans = next_in_round(ctx, zone, &mut round);
    ctx.query.round = Some(round);
    if plans == Plans::Children {
        ctx.request.plan.abandon_round(ctx.query);
    }
    plans
}

fn next_in_round(ctx: &mut QueryContext<'_>, zone: &mut ZoneCut, round: &mut Round) -> Plans {
    if round.follows {
        return Plans::Wait;
    }
    let is_waiting = round.open.iter().any(|sent| !sent.late);
    let time_is_up = ctx.now.mono.since(round.began) >= ROUND_TIME_MAX;
    if round.exhausted || time_is_up {
        return if is_waiting && !round.exhausted { Plans::Wait } else { Plans::Nothing };
    }
    // One socket for each question, as long as there are not enough.
    if ctx.now.mono < ctx.core.sockets_scarce_until && !round.open.is_empty() {
        round.wake_at = Some(ctx.core.sockets_scarce_until);
        return Plans::Wait;
    }
    if ctx.request.budget.messages >= MESSAGES_MAX
        || ctx.request.budget.received >= RECEIVED_BYTES_MAX
    {
        ctx.request.bound.get_or_insert("too many messages");
        return if is_waiting { Plans::Wait } else { Plans::Nothing };
    }
    if choose_target(ctx, zone, round, false) {
        return Plans::Send;
    }
    if is_waiting {
        return Plans::Wait;
    }
    // What the store knows about servers that were not looked up yet costs no message.
    cut::fill_from_cache(ctx, zone, SERVERS_MAX);
    if choose_target(ctx, zone, round, false) {
        return Plans::Send;
    }
    if look_up_address(ctx, zone) {
        return Plans::Children;
    }
    if choose_target(ctx, zone, round, true) {
        return Plans::Send;
    }
    if is_worth_waiting(ctx, round) { Plans::Wait } else { Plans::Nothing }
}

/// Nobody is left to ask, but may somebody still answer? Layers that can help out come first, and
/// whoever looks for the address of a server has others to turn to.
fn is_worth_waiting(ctx: &QueryContext<'_>, round: &mut Round) -> bool {
    let until = round.began + LATE_TIME_MAX;
    let is_wanted = ctx.query.unreachable && ctx.query.is_for_client();
    if !is_wanted || round.open.is_empty() || ctx.now.mono >= until {
        return false;
    }
    round.wake_at = Some(until);
    true
}

/// Plans a message to one of the servers whose addresses are known. `last`: also to those that were
/// of no use already.
fn choose_target(
    ctx: &mut QueryContext<'_>,
    zone: &ZoneCut,
    round: &mut Round,
    last: bool,
) -> bool {
    let candidates = candidates(ctx, zone);
    let force_tcp = ctx.query.flags.contains(QueryFlags::TCP);
    let core = &mut *ctx.core;
    if round.tried.is_empty() {
        for candidate in &candidates {
            core.servers.learn(&mut core.cache, ctx.now, candidate.address);
        }
    }
    let now = ctx.now.mono;
    let Some(choice) =
        choose(&core.servers, &mut core.chance, now, round, &candidates, Scope { force_tcp, last })
    else {
        return false;
    };
    let server = zone
        .name_servers()
        .get(choice.server)
        .map_or_else(Name::root, |server| server.name.clone());
    let no_edns = round.tried(choice.target.address).is_some_and(|tried| tried.no_edns);
    let edns = !no_edns && !ctx.query.flags.contains(QueryFlags::NO_EDNS);
    trace!(
        ctx,
        Select,
        "choosing: '{server}'@'{}' with timeout {} ms zone cut: '{}'",
        choice.target.address,
        choice.timeout.as_millis(),
        zone.name
    );
    // Not longer than what is left of the round, but long enough for somebody near to answer.
    let left = ROUND_TIME_MAX.saturating_sub(now.since(round.began)).max(TIMEOUT_MIN);
    let timeout = choice.timeout.min(left);
    round.next = Some(Planned { target: choice.target, timeout, server, edns });
    true
}

fn candidates(ctx: &QueryContext<'_>, zone: &ZoneCut) -> SmallVec<[Candidate; 6]> {
    let (ipv4, ipv6) = cut::families(ctx);
    let allowed = |address: &SocketAddr| if address.is_ipv4() { ipv4 } else { ipv6 };
    match &zone.servers {
        Servers::Forward { targets, .. } => targets
            .iter()
            .filter(|(address, _)| allowed(address))
            .map(|(address, via)| Candidate { address: *address, via: via.clone(), server: 0 })
            .collect(),
        Servers::Authoritative(servers) => {
            // Whoever wrote a loopback address into the hints meant it; one in glue is an attack.
            let allow_local =
                zone.name.is_root() || ctx.query.flags.contains(QueryFlags::ALLOW_LOCAL);
            servers
                .iter()
                .enumerate()
                .flat_map(|(at, server)| server.addresses.iter().map(move |ip| (at, *ip)))
                .filter(|(_, ip)| is_usable_address(*ip, allow_local))
                .map(|(server, ip)| Candidate {
                    address: SocketAddr::new(ip, DNS_PORT),
                    via: Via::Udp,
                    server,
                })
                .filter(|candidate| allowed(&candidate.address))
                .collect()
        }
    }
}

/// Pushes a child for the address of one server whose address is not known, or known from glue that
/// was of no use: the glue may be out of date, and the zone that the server is in knows better. One
/// at a time: a delegation to a thousand names must not become a thousand messages to somebody else's
/// servers (NXNSAttack).
fn look_up_address(ctx: &mut QueryContext<'_>, zone: &mut ZoneCut) -> bool {
    let budget = &ctx.request.budget;
    if budget.barren_lookups >= ADDRESS_LOOKUPS_BARREN_MAX
        || budget.address_lookups >= ADDRESS_LOOKUPS_MAX
    {
        ctx.request.bound.get_or_insert("too many name servers without address");
        return false;
    }
    // Whoever has been asked in vain would be asked again for the addresses inside the zone.
    let all_in_vain = !candidates(ctx, zone).is_empty();
    let lookups = |so_far: Lookup| -> SmallVec<[(usize, Rtype); SERVERS_MAX]> {
        zone.name_servers()
            .iter()
            .enumerate()
            .filter(|(_, server)| !(all_in_vain && server.name.is_at_or_below(&zone.name)))
            .filter_map(|(at, server)| Some((at, cut::next_lookup(ctx, zone, server, so_far)?)))
            .collect()
    };
    let mut open = lookups(Lookup::Open);
    let beyond_glue = open.is_empty() && all_in_vain;
    if beyond_glue {
        open = lookups(Lookup::Glue);
    }
    let Some((at, rtype)) = open.get(ctx.core.chance.below(open.len())).copied() else {
        return false;
    };
    let Some(server) = zone.name_servers_mut().get_mut(at) else { return false };
    match rtype {
        Rtype::A => server.ipv4 = Lookup::Done,
        _ => server.ipv6 = Lookup::Done,
    }
    let name = server.name.clone();
    ctx.request.budget.address_lookups += 1;
    ctx.request.budget.barren_lookups += 1;
    ctx.query.lookups += 1;
    let purpose = Purpose::Address { server: name.clone(), beyond_glue };
    ctx.push_child(Query::new(name, rtype, Class::IN, purpose)).is_ok()
}

/// Takes the addresses that children found.
fn take_deliveries(ctx: &mut QueryContext<'_>) {
    let Some(zone) = &mut ctx.query.cut else { return };
    ctx.query.deliveries.retain(|delivery| {
        let Purpose::Address { server, beyond_glue } = &delivery.purpose else { return true };
        if delivery.outcome == Some(Outcome::Answer) {
            // What an alias leads to is not the server's (RFC 2181 §10.3).
            let is_own = |signed: &&SignedSet| {
                signed.set.rtype == delivery.rtype && signed.set.owner == *server
            };
            let found = delivery
                .answer
                .iter()
                .filter(is_own)
                .flat_map(|signed| signed.set.rdatas.iter().filter_map(cut::address));
            if *beyond_glue {
                zone.add_own_addresses(server, found);
            } else {
                zone.add_addresses(server, found);
            }
        }
        false
    });
}
