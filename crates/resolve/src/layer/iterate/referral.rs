//! Referrals: another zone below this one, and the addresses that come with it (RFC 1034 §4.2.1).

use std::net::IpAddr;

use dns::{Name, Rtype};
use store::cache::entry::SignedSet;

use super::super::QueryContext;
use super::cut;
use crate::flags::QueryFlags;
use crate::limits::SERVERS_MAX;
use crate::query::Ask;
use crate::reply::Reply;
use crate::selection::is_usable_address;
use crate::settings::GlueMode;
use crate::zone_cut::{Lookup, ZoneCut};

/// The NS set that refers to a zone properly below `apex` and at or above the name asked for.
pub(super) fn referring<'r>(reply: &'r Reply, apex: &Name, ask: &Ask) -> Option<&'r SignedSet> {
    reply.authority.iter().find(|signed| {
        signed.set.rtype == Rtype::NS
            && signed.set.owner.is_below(apex)
            && ask.name.is_at_or_below(&signed.set.owner)
            // The parent answers for DS itself (RFC 4035 §3.1.4.1).
            && !(ask.rtype == Rtype::DS && signed.set.owner == ask.name)
    })
}

/// The zone that an NS set refers to, with the glue that may be believed.
pub(super) fn zone(
    ctx: &mut QueryContext<'_>,
    reply: &Reply,
    ns: &SignedSet,
    parent: &Name,
) -> ZoneCut {
    let mut names: Vec<Name> =
        ns.set.rdatas.iter().filter_map(|rdata| Name::from_wire(rdata).ok()).collect();
    // A random sample and not the first ones: a sender must not choose whom we see.
    if names.len() > SERVERS_MAX {
        ctx.core.chance.sample(&mut names, SERVERS_MAX);
        names.truncate(SERVERS_MAX);
    }
    let mut zone = ZoneCut::new(ns.set.owner.clone());
    for name in names {
        zone.add_server(name);
    }
    for signed in &reply.additional {
        if is_believed_glue(ctx, &signed.set.owner, &zone.name, parent) {
            let addresses = glue(ctx, signed);
            if addresses.is_empty() {
                continue;
            }
            zone.add_addresses(&signed.set.owner, addresses);
            if let Some(server) = zone.name_server_mut(&signed.set.owner) {
                match signed.set.rtype {
                    Rtype::A => server.ipv4 = Lookup::Glue,
                    _ => server.ipv6 = Lookup::Glue,
                }
            }
        }
    }
    zone
}

/// Is an address of this server believed when the servers of `parent` send it with a referral to
/// `child`? (The three modes of `mode()`.)
pub(super) fn is_believed_glue(
    ctx: &QueryContext<'_>,
    server: &Name,
    child: &Name,
    parent: &Name,
) -> bool {
    match glue_mode(ctx) {
        GlueMode::Strict => server.is_at_or_below(child),
        GlueMode::Normal => server.is_at_or_below(parent),
        GlueMode::Permissive => true,
    }
}

/// The glue mode in force for a query.
pub(super) fn glue_mode(ctx: &QueryContext<'_>) -> GlueMode {
    if ctx.query.flags.contains(QueryFlags::STRICT) {
        GlueMode::Strict
    } else if ctx.query.flags.contains(QueryFlags::PERMISSIVE) {
        GlueMode::Permissive
    } else {
        ctx.core.settings.glue_mode
    }
}

/// The usable addresses of a set.
fn glue(ctx: &QueryContext<'_>, signed: &SignedSet) -> Vec<IpAddr> {
    if !matches!(signed.set.rtype, Rtype::A | Rtype::AAAA) {
        return Vec::new();
    }
    let allow_local = ctx.query.flags.contains(QueryFlags::ALLOW_LOCAL);
    signed
        .set
        .rdatas
        .iter()
        .filter_map(cut::address)
        .filter(|address| is_usable_address(*address, allow_local))
        .collect()
}
