//! A small world for hand-made troubles: a root, two top-level zones, and whatever a test puts into
//! them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::edns::OptRecord;
use dns::{Class, Message, Name, Question, Rcode, Rtype};
use resolve::{Resolver, ResolverParts, Settings, UnixTime};
use sim::clock::Clock;
use sim::dice::Dice;
use sim::drive::Driver;
use sim::net::Network;
use sim::simulate::{client, query};
use sim::trace::Detail;
use sim::world::{Manner, Server, World};
use sim::zone::Zone;

/// Bytes of the resolver's store.
const STORE_BYTES: u64 = 4 * 1024 * 1024;
/// Longest wait of a client.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the root, net. and org. are served.
pub(crate) const ROOT: &str = "192.0.2.1";
pub(crate) const NET: &str = "192.0.2.2";
pub(crate) const ORG: &str = "192.0.2.3";

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::from_text(text.as_bytes(), &Name::root()).unwrap()
}

pub(crate) fn question(text: &str) -> Question {
    let (owner, rtype) = text.split_once(' ').unwrap();
    Question { name: name(owner), rtype: rtype.parse().unwrap(), class: Class::IN }
}

/// A world in the making: zone text by origin, servers by address.
pub(crate) struct Town {
    zones: BTreeMap<String, String>,
    servers: Vec<(String, Vec<String>, Manner)>,
    pub(crate) settings: Settings,
}

/// What one question cost and brought.
pub(crate) struct Result {
    pub(crate) rcode: Rcode,
    /// Addresses in the answer, in text.
    pub(crate) addresses: Vec<String>,
    pub(crate) extended_errors: usize,
    /// Time until the answer.
    pub(crate) time: Duration,
    /// Questions that went upstream, except to the root and the top-level zones.
    pub(crate) cost: usize,
    /// Everything that happened, for a failing test.
    pub(crate) story: String,
}

impl Town {
    /// The root, net. and org., each with one server.
    pub(crate) fn new() -> Town {
        let mut town =
            Town { zones: BTreeMap::new(), servers: Vec::new(), settings: Settings::default() };
        town.zone(".", &[ROOT], "@ NS ns.root.\n ns.root. A 192.0.2.1");
        town.zone("net.", &[NET], "@ NS ns\n ns A 192.0.2.2");
        town.zone("org.", &[ORG], "@ NS ns\n ns A 192.0.2.3");
        town.text(".", "net. NS ns.net.\n ns.net. A 192.0.2.2");
        town.text(".", "org. NS ns.org.\n ns.org. A 192.0.2.3");
        town
    }

    /// A zone and where it is served.
    pub(crate) fn zone(&mut self, origin: &str, addresses: &[&str], text: &str) {
        let soa = "@ SOA ns admin 1 3600 600 86400 60";
        self.zones.insert(origin.into(), format!("{soa}\n{text}"));
        for at in addresses {
            self.servers.push(((*at).into(), vec![origin.into()], Manner::Proper));
        }
    }

    /// More records for a zone.
    pub(crate) fn text(&mut self, origin: &str, text: &str) {
        let zone = self.zones.get_mut(origin).unwrap();
        zone.push('\n');
        zone.push_str(text);
    }

    /// A delegation in net. to servers with glue.
    pub(crate) fn delegate(&mut self, child: &str, servers: &[(&str, &str)]) {
        for (host, at) in servers {
            let rtype = if at.contains(':') { "AAAA" } else { "A" };
            self.text("net.", &format!("{child} NS {host}\n {host} {rtype} {at}"));
        }
    }

    /// A server that behaves in some way.
    pub(crate) fn manner(&mut self, at: &str, manner: Manner) {
        self.servers.push((at.into(), Vec::new(), manner));
    }

    /// Opens the gates.
    pub(crate) fn open(self) -> Driver<Network> {
        let mut world = World::default();
        let zones: BTreeMap<String, Arc<Zone>> = self
            .zones
            .into_iter()
            .map(|(origin, text)| {
                let zone = Zone::from_text(name(&origin), &text).unwrap();
                (origin, Arc::new(zone))
            })
            .collect();
        for (at, origins, manner) in self.servers {
            let server: &mut Server = world.servers.entry(address(&at)).or_default();
            server.zones.extend(origins.iter().map(|origin| Arc::clone(&zones[origin])));
            if manner != Manner::Proper {
                server.manner = manner;
            }
        }
        world.hints.push((name("ns.root."), vec![address(ROOT)]));
        let root_hints = Arc::new(world.hints.clone());
        let settings = Settings { root_hints, ..self.settings };
        let parts = ResolverParts::in_memory(settings, [3; 32], STORE_BYTES).unwrap();
        let clock = Clock::starting_at(UnixTime::from_seconds(1_700_000_000));
        Driver::new(Resolver::new(parts), clock, Network::new(world, Dice::new(1)))
    }
}

/// Questions that went upstream, except to the root and the top-level zones.
pub(crate) fn cost(driver: &Driver<Network>) -> usize {
    let network = driver.upstreams();
    let known: usize = [ROOT, NET, ORG].iter().map(|at| network.asked(address(at))).sum();
    network.asked_in_all() - known
}

/// Asks one question and waits for the answer and for quiet.
#[track_caller]
pub(crate) fn ask(driver: &mut Driver<Network>, token: u64, text: &str) -> Result {
    let (start, before) = (driver.now().mono, cost(driver));
    let began = driver.trace().entries().len();
    let wire = query(token as u16, &question(text), Some(OptRecord::new(1232, false)));
    driver.request(Duration::ZERO, client(token), wire);
    let answered = driver.run_until_answered(token, PATIENCE).is_some();
    assert!(answered, "{text}: no answer\n{}", driver.trace().render(Detail::Lines));
    let time = driver.now().mono.since(start);
    driver.run_until_quiet(PATIENCE);
    let violations = driver.invariants().violations();
    assert!(violations.is_empty(), "{violations:?}");
    let response = driver.response(token).unwrap();
    let wire = response.wire.as_deref().unwrap();
    let message = Message::parse(wire).unwrap();
    let mut story = sim::trace::Trace::default();
    for (at, what) in &driver.trace().entries()[began..] {
        story.push(*at, what.clone());
    }
    Result {
        rcode: message.rcode(),
        addresses: message
            .answer()
            .filter(|record| record.rtype() == Rtype::A)
            .map(|record| sim::text::rdata_to_text(Rtype::A, &record.rdata()))
            .collect(),
        extended_errors: message.edns().map_or(0, |edns| edns.extended_errors().count()),
        time,
        cost: cost(driver) - before,
        story: story.render(Detail::Lines),
    }
}
