//! The omniscient resolver: it holds all zones of a world and answers by looking, not by walking.
//!
//! It knows which zones can be reached at all: those with at least one decent server whose address
//! can be learnt. What it says is what a client must get: the response code and the answer section.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dns::{Name, Question, Rcode, Rrset, Rtype};
use resolve::Settings;

use crate::sign::{Judgement, Signing};
use crate::world::World;
use crate::zone::Zone;

mod look;
mod reach;
mod trust;

use look::{Sight, Source, look};

/// Links of a chain that must still resolve (RFC 1034 §3.6.2 asks to bound it; twelve is ours).
pub const CHAIN_LINKS_MAX: usize = 12;

/// Addresses that answer badly or not at all, and still the zone must be reached. Patience is
/// bounded (RFC 9520 §3.1): with more of them a resolver may give up before the good one's turn.
const BAD_SERVERS_MAX: usize = 1;

/// Look-ups of server addresses that lead nowhere, and still the zone must be reached. A request may
/// do a few more (CVE-2020-12667), which the zones above share.
const BARREN_LOOKUPS_MAX: usize = 3;

/// What a client must get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// This response code and exactly these sets (TTLs and signatures aside); bogus ones only for
    /// those who do not want them checked.
    Answer(Rcode, Vec<Rrset>, Judgement),
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
    signing: &'w Signing,
    zones: BTreeMap<Name, Arc<Zone>>,
    reach: BTreeMap<Name, Reach>,
    ipv4: bool,
    ipv6: bool,
}

/// Each set once, however often a chain passes it: a DNAME may make several of its links.
fn without_repeats(sets: Vec<Rrset>) -> Vec<Rrset> {
    let mut once: Vec<Rrset> = Vec::new();
    for set in sets {
        let known = |other: &Rrset| other.owner == set.owner && other.rtype == set.rtype;
        if !once.iter().any(known) {
            once.push(set);
        }
    }
    once
}

impl<'w> Oracle<'w> {
    /// Looks at a world with the eyes of a resolver that has these settings.
    pub fn new(world: &'w World, signing: &'w Signing, settings: &Settings) -> Oracle<'w> {
        let mut zones = BTreeMap::new();
        for server in world.servers.values() {
            for zone in &server.zones {
                zones.insert(zone.origin().clone(), Arc::clone(zone));
            }
        }
        let (ipv4, ipv6) = (settings.ipv4, settings.ipv6);
        let mut oracle = Oracle { world, signing, zones, reach: BTreeMap::new(), ipv4, ipv6 };
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
        let mut judgement = Judgement::Secure;
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
            doubtful |= self.is_overshadowed(zone, &name);
            let sight = look(zone, &name, question.rtype);
            doubtful |= self.is_luck(zone, &sight);
            let (rcode, judged) = match sight {
                // The alias that a DNAME makes is what a question for CNAME asks for.
                Sight::Alias(sets, source, _) if question.rtype == Rtype::CNAME => {
                    answer.extend(sets);
                    (Rcode::NOERROR, self.judge_set(zone, Rtype::CNAME, source))
                }
                Sight::Alias(sets, source, target) => {
                    answer.extend(sets);
                    judgement = judgement.max(self.judge_set(zone, Rtype::CNAME, source));
                    name = target;
                    continue;
                }
                Sight::Data(set, source) => {
                    answer.push(set);
                    (Rcode::NOERROR, self.judge_set(zone, question.rtype, source))
                }
                Sight::NoData(source) => {
                    let judged = self.judge_no_data(zone, &name, question.rtype, source);
                    (Rcode::NOERROR, judged)
                }
                Sight::NoName => {
                    doubtful |= zone.hides_absence(&name);
                    (Rcode::NXDOMAIN, self.judge_no_name(zone))
                }
                Sight::TooLong(dname) => {
                    answer.push(dname);
                    (Rcode::YXDOMAIN, self.judge_set(zone, Rtype::DNAME, Source::Exact))
                }
            };
            if doubtful {
                return Verdict::Doubtful;
            }
            return Verdict::Answer(rcode, without_repeats(answer), judgement.max(judged));
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
}
