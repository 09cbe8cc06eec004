//! Random worlds: delegations, servers good and bad, and zones full of the things that go wrong in
//! resolvers. Everything follows from the seed.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use dns::{Class, Name, Question, Rcode, Rtype};

use crate::dice::Dice;
use crate::sign::Signing;
use crate::world::{Manner, Server, World};
use crate::zone::{TTL, Zone};

mod signing;

/// Labels of names: few, so that generated names meet each other.
const LABELS: [&str; 8] = ["a", "b", "c", "mail", "ns", "www", "x-y", "Big"];
/// Top-level labels; none of them is a special-use name.
const TOPS: [&str; 5] = ["alpha", "beta", "gamma", "delta", "omega"];
/// Types of generated records.
const TYPES: [Rtype; 4] = [Rtype::A, Rtype::AAAA, Rtype::TXT, Rtype::MX];
/// Types that are asked for.
const QUESTION_TYPES: [Rtype; 9] = [
    Rtype::A,
    Rtype::A,
    Rtype::AAAA,
    Rtype::TXT,
    Rtype::MX,
    Rtype::NS,
    Rtype::SOA,
    Rtype::CNAME,
    Rtype::DS,
];

/// Of a thousand DNAMEs, those whose target leaves hardly any room for what they rename.
const LONG_DNAMES: usize = 250;
/// How long such a target is made at least, in octets.
const LONG_TARGET: usize = 250;

/// A world and what can be asked in it.
pub struct Generated {
    pub world: World,
    pub signing: Signing,
    /// Questions worth asking, in order.
    pub questions: Vec<Question>,
}

/// A zone in the making.
struct Draft {
    zone: Zone,
    /// Addresses of its servers.
    servers: Vec<IpAddr>,
    parent: Option<usize>,
}

struct Generator {
    dice: Dice,
    drafts: Vec<Draft>,
    next_address: u32,
    world: World,
}

/// A name below another, so long that only short names can be put below it.
fn lengthened(mut name: Name) -> Name {
    while let Some(left) = LONG_TARGET.checked_sub(name.len() + 1) {
        match name.prepend(&[b'l'; 63][..left.clamp(1, 63)]) {
            Ok(longer) => name = longer,
            Err(_) => break,
        }
    }
    name
}

/// Makes the world of a seed.
pub fn generate(seed: u64, questions: usize) -> Generated {
    let mut generator = Generator {
        dice: Dice::new(seed),
        drafts: Vec::new(),
        next_address: 0,
        world: World::default(),
    };
    generator.root();
    generator.delegations();
    for index in 0..generator.drafts.len() {
        generator.contents(index);
    }
    generator.remove_occluded();
    let questions = (0..questions).map(|_| generator.question()).collect();
    let signing = generator.sign();
    Generated { world: generator.serve(), signing, questions }
}

fn name(text: &str) -> Name {
    Name::from_text(text.as_bytes(), &Name::root()).unwrap_or_else(|_| Name::root())
}

impl Generator {
    /// A fresh address; some are IPv6.
    fn address(&mut self) -> IpAddr {
        self.next_address += 1;
        let number = self.next_address;
        if self.dice.chance(250) {
            IpAddr::V6(Ipv6Addr::from(
                0x2a00_0000_0000_0000_0000_0000_0000_0000 | u128::from(number),
            ))
        } else {
            IpAddr::V4(Ipv4Addr::from(0x0500_0000 | number))
        }
    }

    fn add_address(&mut self, index: usize, host: &Name, address: IpAddr) {
        let zone = &mut self.drafts[index].zone;
        match address {
            IpAddr::V4(address) => zone.add(host, Rtype::A, TTL, &address.octets()),
            IpAddr::V6(address) => zone.add(host, Rtype::AAAA, TTL, &address.octets()),
        }
    }

    fn start_zone(&mut self, origin: Name, parent: Option<usize>) -> usize {
        let mut zone = Zone::new(origin.clone());
        let mut soa = Vec::new();
        for label in [b"ns".as_slice(), b"admin"] {
            soa.extend_from_slice(
                origin.prepend(label).unwrap_or_else(|_| origin.clone()).as_wire(),
            );
        }
        for number in [1, 3600, 600, 86_400, 300u32] {
            soa.extend_from_slice(&number.to_be_bytes());
        }
        zone.add(&origin, Rtype::SOA, TTL, &soa);
        self.drafts.push(Draft { zone, servers: Vec::new(), parent });
        self.drafts.len() - 1
    }

    fn root(&mut self) {
        let root = self.start_zone(Name::root(), None);
        for label in ["a", "b"] {
            let host = name(&format!("{label}.rootservers."));
            let address = self.address();
            self.drafts[root].zone.add(&Name::root(), Rtype::NS, TTL, host.as_wire());
            self.add_address(root, &host, address);
            self.drafts[root].servers.push(address);
            self.world.hints.push((host, vec![address]));
            self.world.servers.insert(address, Server::default());
        }
    }

    fn delegations(&mut self) {
        let mut tops = TOPS.to_vec();
        self.dice.shuffle(&mut tops);
        for top in &tops[..self.dice.between(2, 4)] {
            self.delegate(0, name(&format!("{top}.")), true);
        }
        for _ in 0..self.dice.between(3, 8) {
            let parent = self.dice.between(1, self.drafts.len() - 1);
            let origin = self.drafts[parent].zone.origin().clone();
            if origin.label_count() > 3 {
                continue;
            }
            let label = LABELS[self.dice.below(LABELS.len())];
            let Ok(mut child) = origin.prepend(label.as_bytes()) else { continue };
            if self.dice.chance(200) {
                // A cut two labels down: an empty non-terminal in the parent.
                child = child.prepend(b"deep").unwrap_or(child);
            }
            let taken = |draft: &Draft| {
                let other = draft.zone.origin();
                other.label_count() > origin.label_count()
                    && (other.is_at_or_below(&child) || child.is_at_or_below(other))
            };
            if !self.drafts.iter().any(taken) {
                self.delegate(parent, child, false);
            }
        }
    }

    /// A zone with its servers, delegated in its parent.
    fn delegate(&mut self, parent: usize, origin: Name, decent: bool) {
        let child = self.start_zone(origin.clone(), Some(parent));
        for number in 0..self.dice.between(1, 3) {
            let own = origin.prepend(format!("ns{number}").as_bytes());
            // The host's name: in the zone itself, or in any earlier zone but the root.
            let (home, host) = match own {
                Ok(own) if decent || child <= 2 || self.dice.chance(600) => (child, own),
                _ => {
                    let home = self.dice.between(1, child - 1);
                    let label = format!("ns{number}-{child}");
                    let base = self.drafts[home].zone.origin().clone();
                    (home, base.prepend(label.as_bytes()).unwrap_or(base))
                }
            };
            self.drafts[parent].zone.add(&origin, Rtype::NS, TTL, host.as_wire());
            self.drafts[child].zone.add(&origin, Rtype::NS, TTL, host.as_wire());
            // Glue, except that some is missing.
            let above = self.drafts[parent].zone.origin();
            let glue = host.is_at_or_below(above) && home != parent;
            let glue = glue && (decent || !self.dice.chance(150));
            for _ in 0..self.dice.between(1, 2) {
                let address = self.server(decent && number == 0);
                self.add_address(home, &host, address);
                if glue {
                    self.add_address(parent, &host, address);
                }
                self.drafts[child].servers.push(address);
            }
        }
    }

    /// The address of a server, old or new, of any manners unless it has to be decent.
    fn server(&mut self, decent: bool) -> IpAddr {
        let known: Vec<IpAddr> = self.world.servers.keys().copied().collect();
        if !decent
            && self.dice.chance(150)
            && let Some(address) = self.dice.pick(&known)
        {
            return *address;
        }
        let address = self.address();
        let manner = match self.dice.below(40) {
            _ if decent => Manner::Proper,
            0 | 1 => Manner::Silent,
            2 => Manner::Says(Rcode::REFUSED),
            3 => Manner::Says(Rcode::SERVFAIL),
            4 => Manner::RefersUp,
            5 => Manner::NoEdns,
            6 => Manner::IgnoresEdns,
            7 => Manner::AlwaysTruncates,
            8 => Manner::FoldsCase,
            9 => Manner::Empty,
            10 => Manner::Says(Rcode::NOTIMP),
            _ => Manner::Proper,
        };
        self.world.servers.insert(address, Server { manner, ..Server::default() });
        address
    }

    /// A name at some depth below an origin.
    fn name_below(&mut self, origin: &Name) -> Name {
        let mut name = origin.clone();
        for _ in 0..self.dice.between(1, 3) {
            let label = LABELS[self.dice.below(LABELS.len())];
            name = name.prepend(label.as_bytes()).unwrap_or(name);
        }
        name
    }

    /// A name somewhere: in a zone, or at a name that owns something.
    fn name_anywhere(&mut self) -> Name {
        let index = self.dice.below(self.drafts.len());
        let zone = &self.drafts[index].zone;
        let owners: Vec<Name> = zone.nodes().map(|(owner, _)| owner.clone()).collect();
        let origin = zone.origin().clone();
        match self.dice.pick(&owners) {
            Some(owner) if self.dice.below(10) < 7 => owner.clone(),
            _ => self.name_below(&origin),
        }
    }

    fn contents(&mut self, index: usize) {
        let origin = self.drafts[index].zone.origin().clone();
        let amount = if index == 0 { 1 } else { self.dice.between(2, 12) };
        for _ in 0..amount {
            let mut owner = self.name_below(&origin);
            if index > 0 && self.dice.chance(150) {
                owner = owner.parent().and_then(|above| above.wildcard_child()).unwrap_or(owner);
            }
            if index > 0 && self.dice.chance(80) {
                owner = origin.clone();
            }
            let alone = self.drafts[index].zone.node(&owner).is_none();
            let aliased = self.drafts[index].zone.set(&owner, Rtype::CNAME).is_some();
            let target = self.name_anywhere();
            let is_long = self.dice.chance(LONG_DNAMES);
            let kind = self.dice.below(10);
            let zone = &mut self.drafts[index].zone;
            match kind {
                0..=3 if alone && owner != origin => {
                    zone.add(&owner, Rtype::CNAME, TTL, target.as_wire());
                }
                4 if alone && owner != origin && !owner.is_wildcard() => {
                    let target = if is_long { lengthened(target) } else { target };
                    zone.add(&owner, Rtype::DNAME, TTL, target.as_wire());
                }
                _ if aliased => {}
                _ => self.data(index, &owner, &target),
            }
        }
    }

    fn data(&mut self, index: usize, owner: &Name, target: &Name) {
        let rtype = TYPES[self.dice.below(TYPES.len())];
        for _ in 0..self.dice.between(1, 3) {
            let word = self.dice.word();
            let rdata = match rtype {
                Rtype::A => [&[203, 0], word.to_be_bytes().as_slice()].concat(),
                Rtype::AAAA => [
                    &[0x2a, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                    word.to_be_bytes().as_slice(),
                ]
                .concat(),
                Rtype::MX => [word.to_be_bytes().as_slice(), target.as_wire()].concat(),
                _ => {
                    // Some are too large for a datagram.
                    let length = if self.dice.chance(100) { 250 } else { 12 };
                    let text = vec![b'a' + (word % 26) as u8; length];
                    [&[length as u8], text.as_slice(), &[2], &word.to_be_bytes()].concat()
                }
            };
            self.drafts[index].zone.add(owner, rtype, TTL, &rdata);
        }
    }

    /// Removes what lies below a DNAME (RFC 6672 §2.4) or a cut: only glue may.
    fn remove_occluded(&mut self) {
        for draft in &mut self.drafts {
            let origin = draft.zone.origin().clone();
            let dnames: Vec<Name> = draft
                .zone
                .nodes()
                .filter(|(_, node)| node.set(Rtype::DNAME).is_some())
                .map(|(owner, _)| owner.clone())
                .collect();
            let hosts: BTreeSet<Name> = draft
                .zone
                .nodes()
                .filter_map(|(_, node)| node.set(Rtype::NS))
                .flat_map(|set| {
                    set.rdatas
                        .iter()
                        .filter_map(|rdata| Name::from_wire(rdata).ok())
                        .collect::<Vec<_>>()
                })
                .collect();
            let mut gone = Vec::new();
            for (owner, node) in draft.zone.nodes() {
                let renamed = dnames.iter().any(|dname| owner.is_below(dname));
                let cut = draft.zone.cut(owner).is_some_and(|cut| cut != owner);
                let glue = hosts.contains(owner);
                for set in node.sets() {
                    let address = matches!(set.rtype, Rtype::A | Rtype::AAAA);
                    let at_cut = draft.zone.cut(owner) == Some(owner)
                        && *owner != origin
                        && !matches!(set.rtype, Rtype::NS | Rtype::DS)
                        && !(glue && address);
                    if renamed || at_cut || cut && !(glue && address) {
                        gone.push((owner.clone(), set.rtype));
                    }
                }
            }
            for (owner, rtype) in gone {
                draft.zone.remove(&owner, rtype);
            }
        }
    }

    fn question(&mut self) -> Question {
        let mut name = self.name_anywhere();
        if self.dice.chance(250) {
            name = self.name_below(&name.clone());
        }
        let rtype = QUESTION_TYPES[self.dice.below(QUESTION_TYPES.len())];
        Question { name, rtype, class: Class::IN }
    }

    /// Puts the zones onto their servers; here and there a server lacks its zone.
    fn serve(mut self) -> World {
        for index in 0..self.drafts.len() {
            let zone = Arc::new(self.drafts[index].zone.clone());
            let decent = self.drafts[index].parent.is_none_or(|parent| parent == 0);
            for (number, address) in self.drafts[index].servers.clone().into_iter().enumerate() {
                let lame = !(decent && number == 0) && self.dice.chance(60);
                let Some(server) = self.world.servers.get_mut(&address).filter(|_| !lame) else {
                    continue;
                };
                if !server.zones.iter().any(|known| known.origin() == zone.origin()) {
                    server.zones.push(Arc::clone(&zone));
                }
            }
        }
        self.world
    }
}

#[cfg(test)]
mod tests {
    use resolve::Settings;

    use super::*;
    use crate::oracle::{Oracle, Verdict};

    fn is_alias(set: &dns::Rrset) -> bool {
        matches!(set.rtype, Rtype::CNAME | Rtype::DNAME)
    }

    #[test]
    fn worlds_follow_from_their_seed_and_hold_every_kind_of_answer() {
        let (mut answers, mut missing, mut aliases, mut unreachable) = (0, 0, 0, 0);
        for seed in 0..100 {
            let (world, again) = (generate(seed, 10), generate(seed, 10));
            assert_eq!(world.questions, again.questions);
            let oracle = Oracle::new(&world.world, &world.signing, &Settings::default());
            for question in &world.questions {
                match oracle.verdict(question) {
                    Verdict::Answer(_, sets, _) if sets.iter().any(is_alias) => aliases += 1,
                    Verdict::Answer(Rcode::NXDOMAIN, ..) => missing += 1,
                    Verdict::Answer(..) => answers += 1,
                    Verdict::Unreachable => unreachable += 1,
                    Verdict::Endless | Verdict::Doubtful => {}
                }
            }
        }
        let counts = (answers, missing, aliases, unreachable);
        assert!(answers > 300 && missing > 100 && aliases > 50 && unreachable > 10, "{counts:?}");
    }
}
