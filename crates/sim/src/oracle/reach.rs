//! Which zones can be reached: found out from the hints downwards, again and again, since the
//! servers of one zone may have their names in another.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dns::{Name, Rrset, Rtype};

use super::look::{Sight, look};
use super::{BAD_SERVERS_MAX, Oracle, Reach};
use crate::world::{Manner, Server};
use crate::zone::Zone;

impl Oracle<'_> {
    /// Has some server two zones above a name? Asked for the upper one, it answers from the lower
    /// one, even where the delegations between them lead nowhere.
    pub(super) fn has_shortcut(&self, name: &Name) -> bool {
        let above = |server: &&Server| {
            let zones = server.zones.iter();
            zones.filter(|zone| name.is_at_or_below(zone.origin())).count() > 1
        };
        self.world.servers.values().any(|server| above(&server))
    }

    /// Has some server of the zone another one closer to the name, that nothing delegates to? It
    /// answers from that.
    pub(super) fn is_overshadowed(&self, zone: &Zone, name: &Name) -> bool {
        let both = |server: &Server| {
            let closer = |other: &Name| name.is_at_or_below(other) && other.is_below(zone.origin());
            let mut origins = server.zones.iter().map(|zone| zone.origin());
            server.zones.iter().any(|own| own.origin() == zone.origin()) && origins.any(closer)
        };
        self.world.servers.values().any(both)
    }

    /// Finds out which zones can be reached: from the hints downwards, again and again, since the
    /// servers of one zone may have their names in another.
    pub(super) fn explore(&mut self) {
        loop {
            let mut reach = BTreeMap::new();
            for origin in self.zones.keys() {
                let servers = match origin.is_root() {
                    true => self.hinted(),
                    false => self.delegated(origin),
                };
                reach.insert(origin.clone(), servers);
            }
            if reach == self.reach {
                return;
            }
            self.reach = reach;
        }
    }

    fn hinted(&self) -> Reach {
        let addresses = self.world.hints.iter().flat_map(|(_, addresses)| addresses);
        addresses.map(|at| self.quality(*at, &Name::root())).max().unwrap_or(Reach::Never)
    }

    /// How surely a zone is reached through the delegation in its parent.
    fn delegated(&self, origin: &Name) -> Reach {
        let Some(above) = origin.parent() else { return Reach::Never };
        let (Some(parent), parent_reach) = self.zone_of(&above, Rtype::NS) else {
            return Reach::Never;
        };
        let Some(servers) = parent.set(origin, Rtype::NS) else { return Reach::Never };
        let mut best = Reach::Never;
        let mut bad = 0;
        for host in servers.rdatas.iter().filter_map(|rdata| Name::from_wire(rdata).ok()) {
            for rtype in [Rtype::A, Rtype::AAAA] {
                // Glue, where there is some; else the name has to be resolved.
                let glue = parent.set(&host, rtype).filter(|_| parent.cut(&host).is_some());
                let (found, surely) = match glue {
                    Some(set) => (Some(set.clone()), Reach::Surely),
                    None => self.address_set(&host, rtype),
                };
                let addresses = found.iter().flat_map(|set| set.rdatas.iter()).filter_map(address);
                for at in addresses {
                    let quality = self.quality(at, origin).min(surely);
                    bad += usize::from(quality == Reach::Never);
                    best = best.max(quality);
                }
            }
        }
        if bad > BAD_SERVERS_MAX {
            best = best.min(Reach::Perhaps);
        }
        best.min(parent_reach)
    }

    /// The addresses of a host, without following aliases (RFC 2181 §10.3).
    fn address_set(&self, host: &Name, rtype: Rtype) -> (Option<Rrset>, Reach) {
        let (zone, reach) = self.zone_of(host, rtype);
        match zone.map(|zone| look(zone, host, rtype)) {
            // What may be bogus may not be used.
            Some(Sight::Data(set, _)) if self.is_flawed(host) => {
                (Some(set), reach.min(Reach::Perhaps))
            }
            Some(Sight::Data(set, _)) => (Some(set), reach),
            _ => (None, Reach::Never),
        }
    }

    /// Can the zone be had from an address?
    fn quality(&self, at: IpAddr, origin: &Name) -> Reach {
        if at.is_ipv4() && !self.ipv4 || at.is_ipv6() && !self.ipv6 {
            return Reach::Never;
        }
        let Some(server) = self.world.servers.get(&at) else { return Reach::Never };
        if !server.zones.iter().any(|zone| zone.origin() == origin) {
            return Reach::Never;
        }
        match server.manner {
            // No signatures without EDNS.
            Manner::NoEdns | Manner::IgnoresEdns if self.is_signed(origin) => Reach::Perhaps,
            Manner::Proper
            | Manner::NoEdns
            | Manner::IgnoresEdns
            | Manner::AlwaysTruncates
            | Manner::FoldsCase => Reach::Surely,
            Manner::SilentOnUdp | Manner::SilentOnTcp => Reach::Perhaps,
            Manner::Silent
            | Manner::Says(_)
            | Manner::RefersUp
            | Manner::Empty
            | Manner::ClosesStreams => Reach::Never,
        }
    }
}

fn address(rdata: &[u8]) -> Option<IpAddr> {
    match rdata.len() {
        4 => <[u8; 4]>::try_from(rdata).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from),
    }
}
