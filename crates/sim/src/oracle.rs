//! The omniscient resolver: it holds all zones of a world and answers by looking, not by walking.
//!
//! It knows which zones can be reached at all: those with at least one decent server whose address
//! can be learnt. What it says is what a client must get: the response code and the answer section.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use dns::{Class, Name, Question, Rcode, Rrset, Rtype};
use resolve::Settings;

use crate::world::{Manner, Server, World};
use crate::zone::Zone;

/// Links of a chain that must still resolve (RFC 1034 §3.6.2 asks to bound it; twelve is ours).
pub const CHAIN_LINKS_MAX: usize = 12;

/// Addresses that answer badly or not at all, and still the zone must be reached. Patience is
/// bounded (RFC 9520 §3.1): with more of them a resolver may give up before the good one's turn.
const BAD_SERVERS_MAX: usize = 1;

/// What a client must get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// This response code and exactly these sets (TTLs aside).
    Answer(Rcode, Vec<Rrset>),
    /// Nobody who could say is to be reached: SERVFAIL.
    Unreachable,
    /// A chain that is too long or goes round in circles: SERVFAIL.
    Endless,
    /// Depends on luck or taste: some way leads to servers of doubtful manners.
    Doubtful,
}

/// How surely a zone is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Reach {
    Never,
    Perhaps,
    Surely,
}

/// All zones of a world.
pub struct Oracle<'w> {
    world: &'w World,
    zones: BTreeMap<Name, Arc<Zone>>,
    reach: BTreeMap<Name, Reach>,
    ipv4: bool,
    ipv6: bool,
}

impl<'w> Oracle<'w> {
    /// Looks at a world with the eyes of a resolver that has these settings.
    pub fn new(world: &'w World, settings: &Settings) -> Oracle<'w> {
        let mut zones = BTreeMap::new();
        for server in world.servers.values() {
            for zone in &server.zones {
                zones.insert(zone.origin().clone(), Arc::clone(zone));
            }
        }
        let (ipv4, ipv6) = (settings.ipv4, settings.ipv6);
        let mut oracle = Oracle { world, zones, reach: BTreeMap::new(), ipv4, ipv6 };
        oracle.explore();
        oracle
    }

    /// The zones.
    pub fn zones(&self) -> impl Iterator<Item = &Zone> {
        self.zones.values().map(Arc::as_ref)
    }

    /// What a client that asks must get.
    pub fn verdict(&self, question: &Question) -> Verdict {
        let mut name = question.name.clone();
        let mut answer: Vec<Rrset> = Vec::new();
        let mut doubtful = false;
        let mut seen = BTreeSet::new();
        loop {
            if !seen.insert(name.clone()) || seen.len() > CHAIN_LINKS_MAX + 1 {
                return if doubtful { Verdict::Doubtful } else { Verdict::Endless };
            }
            let (zone, reach) = self.zone_of(&name, question.rtype);
            doubtful |= reach == Reach::Perhaps;
            let Some(zone) = zone.filter(|_| reach != Reach::Never) else {
                doubtful |= self.has_shortcut(&name);
                return if doubtful { Verdict::Doubtful } else { Verdict::Unreachable };
            };
            let rcode = match look(zone, &name, question.rtype) {
                // The alias that a DNAME makes is what a question for CNAME asks for.
                Sight::Alias(sets, _) if question.rtype == Rtype::CNAME => {
                    answer.extend(sets);
                    Rcode::NOERROR
                }
                Sight::Alias(sets, target) => {
                    answer.extend(sets);
                    name = target;
                    continue;
                }
                Sight::Data(set) => {
                    answer.push(set);
                    Rcode::NOERROR
                }
                Sight::NoData => Rcode::NOERROR,
                Sight::NoName => Rcode::NXDOMAIN,
                Sight::TooLong(dname) => {
                    answer.push(dname);
                    Rcode::YXDOMAIN
                }
            };
            if doubtful {
                return Verdict::Doubtful;
            }
            return Verdict::Answer(rcode, answer);
        }
    }

    /// The zone that a name's data of a type are in, and how surely it is reached.
    fn zone_of(&self, name: &Name, rtype: Rtype) -> (Option<&Zone>, Reach) {
        let mut origin = Name::root();
        let mut surely = Reach::Surely;
        loop {
            let reach = self.reach.get(&origin).copied().unwrap_or(Reach::Never);
            surely = surely.min(reach);
            let Some(zone) = self.zones.get(&origin).filter(|_| surely != Reach::Never) else {
                return (None, surely);
            };
            match zone.cut(name) {
                Some(cut) if !(rtype == Rtype::DS && cut == name) => origin = cut.clone(),
                _ => return (Some(zone.as_ref()), surely),
            }
        }
    }

    /// Has some server two zones above a name? Asked for the upper one, it answers from the lower
    /// one, even where the delegations between them lead nowhere.
    fn has_shortcut(&self, name: &Name) -> bool {
        let above = |server: &&Server| {
            let zones = server.zones.iter();
            zones.filter(|zone| name.is_at_or_below(zone.origin())).count() > 1
        };
        self.world.servers.values().any(|server| above(&server))
    }

    /// Finds out which zones can be reached: from the hints downwards, again and again, since the
    /// servers of one zone may have their names in another.
    fn explore(&mut self) {
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
            Some(Sight::Data(set)) => (Some(set), reach),
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

/// What is seen at a name.
enum Sight {
    Data(Rrset),
    NoData,
    NoName,
    /// The sets that lead on, and whereto.
    Alias(Vec<Rrset>, Name),
    /// The name made by this DNAME would be too long.
    TooLong(Rrset),
}

/// Looks at a name inside its zone: DNAME above it, then itself, then the wildcard.
fn look(zone: &Zone, name: &Name, rtype: Rtype) -> Sight {
    let apex = zone.origin().label_count();
    let above = (apex..name.label_count()).map(|count| name.suffix(count));
    let dname = above.filter_map(|owner| zone.set(&owner, Rtype::DNAME)).next();
    if let Some(dname) = dname {
        let to = dname.rdatas.iter().next().and_then(|rdata| Name::from_wire(rdata).ok());
        let target = to.map(|to| name.substitute(&dname.owner, &to));
        let Some(Ok(Some(target))) = target else { return Sight::TooLong(dname.clone()) };
        let mut alias = Rrset::new(name.clone(), Rtype::CNAME, Class::IN, dname.ttl);
        alias.rdatas.push(target.as_wire());
        return Sight::Alias(vec![dname.clone(), alias], target);
    }
    let source = if zone.exists(name) {
        name.clone()
    } else {
        let closest = (apex..name.label_count()).rev().map(|count| name.suffix(count));
        let mut encloser = closest.filter(|above| zone.exists(above) || above == zone.origin());
        let wildcard = encloser.next().and_then(|encloser| encloser.wildcard_child());
        match wildcard.filter(|wildcard| zone.node(wildcard).is_some()) {
            Some(wildcard) => wildcard,
            None => return Sight::NoName,
        }
    };
    let owned = |set: &Rrset| Rrset { owner: name.clone(), ..set.clone() };
    if let Some(set) = zone.set(&source, rtype) {
        return Sight::Data(owned(set));
    }
    let alias = zone.set(&source, Rtype::CNAME).and_then(|set| {
        let target = Name::from_wire(set.rdatas.iter().next()?).ok()?;
        Some(Sight::Alias(vec![owned(set)], target))
    });
    alias.unwrap_or(Sight::NoData)
}

fn address(rdata: &[u8]) -> Option<IpAddr> {
    match rdata.len() {
        4 => <[u8; 4]>::try_from(rdata).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from),
    }
}
