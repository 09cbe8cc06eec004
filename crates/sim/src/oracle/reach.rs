//! Which zones can be reached: found out from the hints downwards, again and again, since the
//! servers of one zone may have their names in another.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dns::{Name, Rrset, Rtype};

use super::look::{Sight, look};
use super::{BAD_SERVERS_MAX, BARREN_LOOKUPS_MAX, Oracle, Reach};
use crate::world::Manner;
use crate::zone::Zone;

/// For how long a resolver goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Endless,
    /// As long as somebody waits for an answer.
    Human,
}

impl Oracle<'_> {
    /// Is some server listed for a zone above a name that has another such zone? Asked for the one, it
    /// answers from the other, even where the delegations between them lead nowhere.
    pub(super) fn has_shortcut(&self, name: &Name) -> bool {
        ancestors(name).any(|origin| {
            self.leads_to(&origin, |other| name.is_at_or_below(other) && *other != origin)
        })
    }

    /// Has some server, of those listed for the zone and for what is above it, another zone closer to
    /// the name, to which nothing leads? It answers from that. So does one that is listed for a zone
    /// and does not have it.
    pub(super) fn is_overshadowed(&self, zone: &Zone, name: &Name) -> bool {
        ancestors(name).any(|origin| {
            let is_closer = |other: &Name| {
                name.is_at_or_below(other) && other.is_below(zone.origin()) && *other != origin
            };
            self.leads_to(&origin, is_closer)
                || self.misleads(&origin, |other| name.is_at_or_below(other))
        })
    }

    /// Has some server that is listed for a zone, but does not have it, one of these?
    fn misleads(&self, origin: &Name, wanted: impl Fn(&Name) -> bool) -> bool {
        let listed = self.listed(origin);
        let servers = listed.iter().filter_map(|at| self.world.servers.get(at));
        servers
            .filter(|server| server.zones.iter().all(|zone| zone.origin() != origin))
            .flat_map(|server| &server.zones)
            .any(|zone| wanted(zone.origin()))
    }

    /// Has some server that is listed for a zone another one of these?
    fn leads_to(&self, origin: &Name, wanted: impl Fn(&Name) -> bool) -> bool {
        let listed = self.listed(origin);
        let servers = listed.iter().filter_map(|at| self.world.servers.get(at));
        servers.flat_map(|server| &server.zones).any(|zone| wanted(zone.origin()))
    }

    /// All addresses that anybody says servers of a zone have, whether it is true or not.
    fn listed(&self, origin: &Name) -> BTreeSet<IpAddr> {
        let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
        if origin.is_root() {
            addresses.extend(self.world.hints.iter().flat_map(|(_, addresses)| addresses));
        }
        let sets = self.zones.values().filter_map(|zone| zone.set(origin, Rtype::NS));
        let hosts: BTreeSet<Name> = sets
            .flat_map(|set| set.rdatas.iter())
            .filter_map(|rdata| Name::from_wire(rdata).ok())
            .collect();
        for (host, zone) in hosts.iter().flat_map(|h| self.zones.values().map(move |z| (h, z))) {
            for set in [Rtype::A, Rtype::AAAA].iter().filter_map(|rtype| zone.set(host, *rtype)) {
                addresses.extend(set.rdatas.iter().filter_map(address));
            }
        }
        addresses
    }

    /// Finds out which zones can be reached: from the hints downwards, again and again, since the
    /// servers of one zone may have their names in another.
    pub(super) fn explore(&mut self) {
        // What takes too long is found out from what is there at all.
        for patience in [Patience::Endless, Patience::Human] {
            loop {
                let mut reach = BTreeMap::new();
                for origin in self.zones.keys() {
                    let servers = match origin.is_root() {
                        true => self.hinted(),
                        false => self.delegated(origin, patience),
                    };
                    reach.insert(origin.clone(), servers);
                }
                if reach == self.reach {
                    break;
                }
                self.reach = reach;
            }
        }
    }

    fn hinted(&self) -> Reach {
        let addresses = self.world.hints.iter().flat_map(|(_, addresses)| addresses);
        addresses.map(|at| self.quality(*at, &Name::root())).max().unwrap_or(Reach::Never)
    }

    /// How surely a zone is reached through the delegation in its parent.
    fn delegated(&self, origin: &Name, patience: Patience) -> Reach {
        let Some(above) = origin.parent() else { return Reach::Never };
        let (Some(parent), parent_reach) = self.zone_of(&above, Rtype::NS) else {
            return Reach::Never;
        };
        let Some(servers) = parent.set(origin, Rtype::NS) else { return Reach::Never };
        let mut best = Reach::Never;
        let (mut bad, mut barren) = (0, 0);
        for host in servers.rdatas.iter().filter_map(|rdata| Name::from_wire(rdata).ok()) {
            let mut hard_to_find = false;
            for rtype in [Rtype::A, Rtype::AAAA] {
                // Glue, where there is some; else the name has to be resolved.
                let glue = parent.set(&host, rtype).filter(|_| parent.cut(&host).is_some());
                let (found, surely) = match glue {
                    Some(set) => (Some(set.clone()), Reach::Surely),
                    None => self.address_set(&host, rtype),
                };
                hard_to_find |= glue.is_none()
                    && (self.zone_of(&host, rtype).1 != Reach::Surely || self.is_flawed(&host));
                let addresses = found.iter().flat_map(|set| set.rdatas.iter()).filter_map(address);
                let mut found = Reach::Never;
                for at in addresses {
                    let quality = self.quality(at, origin).min(surely);
                    bad += usize::from(quality == Reach::Never);
                    found = found.max(quality);
                }
                if found == Reach::Never && glue.is_some() && !host.is_at_or_below(origin) {
                    found = self.beyond_glue(&host, rtype, origin);
                }
                barren += usize::from(glue.is_none() && found != Reach::Surely);
                best = best.max(found);
            }
            // What goes into looking for it is missing for the others: time, look-ups, of which only a
            // few may be in vain (CVE-2020-12667), and signatures, of which only a few may fail
            // (CVE-2023-50387).
            if hard_to_find && patience == Patience::Human {
                bad += BAD_SERVERS_MAX + 1;
            }
        }
        let is_tiring = patience == Patience::Human && barren > BARREN_LOOKUPS_MAX;
        if bad > BAD_SERVERS_MAX || is_tiring {
            best = best.min(Reach::Perhaps);
        }
        best.min(parent_reach)
    }

    /// Can the zone be had from what the zone of a host says about its addresses, where the glue
    /// leads nowhere? That is looked up as long as there is time.
    fn beyond_glue(&self, host: &Name, rtype: Rtype, origin: &Name) -> Reach {
        let own = self.address_set(host, rtype).0;
        let addresses = own.iter().flat_map(|set| set.rdatas.iter()).filter_map(address);
        let best = addresses.map(|at| self.quality(at, origin)).max().unwrap_or(Reach::Never);
        best.min(Reach::Perhaps)
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
            _ => (self.by_shortcut(host, rtype), Reach::Perhaps),
        }
    }

    /// The addresses of a host that no delegation leads to, if some server may say them all the same.
    fn by_shortcut(&self, host: &Name, rtype: Rtype) -> Option<Rrset> {
        let above = |zone: &&&Zone| host.is_at_or_below(zone.origin());
        let zones: Vec<&Zone> = self.zones().collect();
        let deepest = zones.iter().filter(above).max_by_key(|zone| zone.origin().label_count())?;
        match look(deepest, host, rtype) {
            Sight::Data(set, _) if self.has_shortcut(host) => Some(set),
            _ => None,
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

/// A name and all above it.
fn ancestors(name: &Name) -> impl Iterator<Item = Name> {
    (0..=name.label_count()).map(|labels| name.suffix(labels))
}
