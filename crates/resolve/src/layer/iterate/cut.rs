//! Where to begin: the deepest zone whose servers are known, from forwarding rules, the store, or
//! the root hints.

use std::net::IpAddr;

use dns::{Name, NameKey, Rdatas, Rtype};
use smallvec::SmallVec;
use store::cache::entry::Body;
use store::cache::lent::Records;

use super::super::QueryContext;
use crate::flags::QueryFlags;
use crate::limits::SERVERS_MAX;
use crate::query::{KnownCut, Purpose};
use crate::root_hints;
use crate::settings::{Forward, ForwardKind};
use crate::zone_cut::{Lookup, NameServer, Servers, StoredDs, ZoneCut};

/// Servers whose addresses are looked up in the store for one zone at first; the others only if
/// these are of no use (NRDelegation: a thousand servers must not cost a thousand look-ups).
const SERVERS_LOOKED_UP: usize = 4;

/// Glue that ended longer ago than this is no reason to ask a parent again, in seconds: the usual TTL
/// of a delegation.
const LOST_GLUE_AGE_MAX: u32 = 2 * 24 * 3600;

/// The zone to ask for the current query.
pub(super) fn find(ctx: &mut QueryContext<'_>) -> ZoneCut {
    if let Some(cut) = forwarded(ctx) {
        return cut;
    }
    // DS belongs to the parent side of a cut (RFC 4035 §3.1.4.1).
    let is_ds = ctx.query.rtype == Rtype::DS && !ctx.query.name.is_root();
    let mut found = match ctx.query.known_cuts.take() {
        Some(cuts) => cuts,
        None if ctx.query.flags.contains(QueryFlags::NO_CACHE) => Vec::new(),
        None => known_cuts(ctx),
    };
    if is_ds {
        found.retain(|cut| cut.name != ctx.query.name);
    }
    if let Some(cut) = usable(ctx, &found) {
        return cut;
    }
    // Nobody can be asked at the first one that was passed: the others, too.
    let has_more = found.last().is_some_and(|cut| !cut.name.is_root());
    if has_more && !ctx.query.flags.contains(QueryFlags::NO_CACHE) {
        found = known_cuts(ctx);
        found.retain(|cut| !is_ds || cut.name != ctx.query.name);
    }
    closest(ctx, &found)
}

/// The zone to ask in the place of one whose servers are known to the store by name only, or by a part
/// of their addresses: glue has gone, and another referral of the parent may bring it. `None` if there
/// is no such hope.
pub(super) fn find_above(ctx: &mut QueryContext<'_>, zone: &ZoneCut) -> Option<ZoneCut> {
    let from_store = ctx.query.referrals == 0 && !zone.is_forward() && !zone.name.is_root();
    let mut inside =
        zone.name_servers().iter().filter(|server| server.name.is_at_or_below(&zone.name));
    if !from_store || !inside.any(|server| server.addresses.is_empty() || has_lost(ctx, server)) {
        return None;
    }
    let mut found = known_cuts(ctx);
    found.retain(|cut| zone.name.is_below(&cut.name));
    Some(closest(ctx, &found))
}

/// Had a server addresses of a family that nothing is known of any more? What came in one referral
/// need not end together: better data may have been there of one of them.
fn has_lost(ctx: &mut QueryContext<'_>, server: &NameServer) -> bool {
    let (ipv4, ipv6) = families(ctx);
    let now = ctx.now.unix.seconds();
    [(ipv4, server.ipv4, Rtype::A), (ipv6, server.ipv6, Rtype::AAAA)].into_iter().any(
        |(wanted, lookup, rtype)| {
            wanted && lookup == Lookup::Open && {
                let old = ctx.core.cache.peek_stale(now, &server.name, rtype, LOST_GLUE_AGE_MAX);
                old.is_some_and(|hit| matches!(hit.body, Body::Records { .. }))
            }
        },
    )
}

/// The first of some zone cuts that can be asked, or the root.
fn closest(ctx: &mut QueryContext<'_>, found: &[KnownCut]) -> ZoneCut {
    if let Some(cut) = usable(ctx, found) {
        return cut;
    }
    let primed = found.last().filter(|cut| cut.name.is_root());
    root(ctx, primed.map_or_else(Vec::new, |cut| names(&cut.servers)))
}

fn names(servers: &Rdatas) -> Vec<Name> {
    servers.iter().filter_map(|rdata| Name::from_wire(rdata).ok()).collect()
}

/// The first of some zone cuts below the root that can be asked.
fn usable(ctx: &mut QueryContext<'_>, found: &[KnownCut]) -> Option<ZoneCut> {
    for KnownCut { name, servers, ds } in found {
        if name.is_root() {
            break;
        }
        let names = servers.iter().filter_map(|rdata| Name::from_wire(rdata).ok());
        let mut servers: Vec<NameServer> = names.map(NameServer::new).collect();
        ctx.core.chance.sample(&mut servers, SERVERS_MAX);
        servers.truncate(SERVERS_MAX);
        let mut cut = ZoneCut::new(name.clone());
        (cut.servers, cut.ds) = (Servers::Authoritative(servers), *ds);
        fill_from_cache(ctx, &mut cut, SERVERS_LOOKED_UP);
        if is_usable(ctx, &cut) {
            return Some(cut);
        }
    }
    None
}

/// The zone cuts that the store knows at and above the name of the query, deepest first.
fn known_cuts(ctx: &mut QueryContext<'_>) -> Vec<KnownCut> {
    let mut found = Vec::new();
    ctx.core.cache.walk(ctx.now.unix.seconds(), &ctx.query.name, 0, |at, hit| {
        if let Some(Body::Records { rdatas, .. }) = hit.ns.map(|hit| hit.body) {
            let ds = StoredDs::Unknown;
            found.push(KnownCut { name: at.clone(), servers: rdatas, ds });
        }
        true
    });
    found
}

/// The root zone: its servers as the root itself named them (RFC 8109), as far as their addresses
/// are known, or else as the hints say.
fn root(ctx: &mut QueryContext<'_>, primed: Vec<Name>) -> ZoneCut {
    let mut cut = ZoneCut::new(Name::root());
    for name in primed.into_iter().take(SERVERS_MAX) {
        cut.add_server(name);
    }
    fill_from_cache(ctx, &mut cut, SERVERS_MAX);
    if let Servers::Authoritative(servers) = &mut cut.servers {
        servers.retain(|server| !server.addresses.is_empty());
        if !servers.is_empty() {
            return cut;
        }
    }
    let hints = &ctx.core.settings.root_hints;
    let builtin = root_hints::builtin();
    let hints = if hints.is_empty() { builtin } else { hints };
    for (name, addresses) in hints {
        cut.add_server(name.clone());
        cut.add_addresses(name, addresses.iter().copied());
    }
    for server in cut.name_servers_mut() {
        (server.ipv4, server.ipv6) = (Lookup::Done, Lookup::Done);
    }
    cut
}

fn forwarded(ctx: &QueryContext<'_>) -> Option<ZoneCut> {
    let forward = rule(ctx)?;
    Some(ZoneCut::forward(
        forward.suffix.clone(),
        forward.kind,
        std::sync::Arc::new(forward.targets.clone()),
    ))
}

/// The forwarding rule for the current query: the request's own, or the closest of the settings.
fn rule<'a>(ctx: &'a QueryContext<'_>) -> Option<&'a Forward> {
    match &ctx.request.forward {
        Some(forward) => Some(&**forward),
        None => ctx
            .core
            .settings
            .forwards
            .iter()
            .filter(|forward| ctx.query.name.is_at_or_below(&forward.suffix))
            .max_by_key(|forward| forward.suffix.len()),
    }
}

/// Does the current query go to a stub, whose answers are not validated?
pub(crate) fn is_stub(ctx: &QueryContext<'_>) -> bool {
    let is_stub = |forward: &Forward| forward.kind == ForwardKind::Stub;
    ctx.query.flags.contains(QueryFlags::STUB) || rule(ctx).is_some_and(is_stub)
}

/// Adds addresses that the store knows, for so many servers that have none yet.
pub(super) fn fill_from_cache(ctx: &mut QueryContext<'_>, cut: &mut ZoneCut, servers_max: usize) {
    let (ipv4, ipv6) = families(ctx);
    let mut reader = ctx.core.cache.reader(ctx.now.unix.seconds());
    let mut found = 0;
    for at in 0..cut.name_servers().len() {
        let Some(server) = cut.name_servers_mut().get_mut(at) else { break };
        if found >= servers_max {
            break;
        }
        if !server.addresses.is_empty() {
            continue;
        }
        let key = NameKey::of(&server.name);
        let mut addresses = SmallVec::<[IpAddr; 4]>::new();
        for (wanted, rtype, lookup) in
            [(ipv4, Rtype::A, &mut server.ipv4), (ipv6, Rtype::AAAA, &mut server.ipv6)]
        {
            if !wanted || *lookup == Lookup::Done {
                continue;
            }
            let Some(lent) = reader.find(&key, rtype) else { continue };
            let before = addresses.len();
            let records = lent.records();
            addresses.extend(records.iter().flat_map(Records::iter).filter_map(address));
            // What was cut off while it was read is not what was vouched for.
            if !reader.is_intact() {
                addresses.truncate(before);
                continue;
            }
            *lookup = match records {
                Some(_) if !lent.rank().is_auth() => Lookup::Glue,
                _ => Lookup::Done,
            };
        }
        if !addresses.is_empty() {
            found += 1;
            cut.add_addresses_of(at, addresses);
        }
    }
}

/// Can anybody be asked about the zone, now or after a look-up elsewhere? The addresses of servers
/// inside the zone come from its parent.
pub(super) fn is_usable(ctx: &QueryContext<'_>, cut: &ZoneCut) -> bool {
    let is_usable = |server: &NameServer| {
        let is_inside = server.name.is_at_or_below(&cut.name);
        !server.addresses.is_empty()
            || (!is_inside && next_lookup(ctx, cut, server, Lookup::Open).is_some())
    };
    cut.is_forward() || cut.name_servers().iter().any(is_usable)
}

/// The type of the next address look-up for a server, of those that have come so far, if there is
/// one that makes sense.
pub(super) fn next_lookup(
    ctx: &QueryContext<'_>,
    cut: &ZoneCut,
    server: &NameServer,
    so_far: Lookup,
) -> Option<Rtype> {
    // Whoever looks for one server inside a zone cannot be helped by another one inside it whose
    // address is not known either.
    let is_address = matches!(ctx.query.purpose, Purpose::Address { .. });
    if is_address
        && server.name.is_at_or_below(&cut.name)
        && ctx.query.name.is_at_or_below(&cut.name)
        && cut.name_servers().iter().all(|server| server.addresses.is_empty())
    {
        return None;
    }
    let (ipv4, ipv6) = families(ctx);
    [(ipv4, server.ipv4, Rtype::A), (ipv6, server.ipv6, Rtype::AAAA)]
        .into_iter()
        .find(|(wanted, lookup, rtype)| {
            *wanted && *lookup == so_far && !ctx.is_asked_already(&server.name, *rtype)
        })
        .map(|(.., rtype)| rtype)
}

/// The address families that may be used for this query.
pub(super) fn families(ctx: &QueryContext<'_>) -> (bool, bool) {
    let settings = &ctx.core.settings;
    let flags = ctx.query.flags;
    (
        settings.ipv4 && !flags.contains(QueryFlags::NO_IPV4),
        settings.ipv6 && !flags.contains(QueryFlags::NO_IPV6),
    )
}

/// The address in the rdata of A or AAAA.
pub(super) fn address(rdata: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(rdata) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from)
}
