//! Plays a scenario: the script's servers behind the driver's network, its steps one by one.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use dns::{Composer, Header, Message, Rcode, Rtype};
use modules::policy::{PolicyLayer, ViewLayer};
use resolve::layer::local_data;
use resolve::layer::stack::Place;
use resolve::trust_anchors::keeper::Upkeep;
use resolve::{Client, ClientProtocol, ExchangeFault, Now, Resolver, ResolverParts, Via};

use super::natives;
use super::script::{Criterion, Entry, Scenario, Step, StepKind};
use crate::clock::Clock;
use crate::drive::{Delivery, Driver, Exchange, Journey, Upstreams};
use crate::text;
use crate::trace::Trace;

/// How long the client waits for an answer.
const CLIENT_PATIENCE: Duration = Duration::from_secs(5);
/// How long the resolver has to come to rest behind the last step.
const REST: Duration = Duration::from_secs(60);
/// One way between resolver and scripted servers.
const ONE_WAY: Duration = Duration::from_millis(1);
/// The resolver's own address as clients see it.
const SELF_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 127, 0, 1);
/// Where the client asks from.
const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 127, 0, 0);

/// One way to run a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variant {
    /// With minimised query names.
    pub minimize: bool,
    /// What the resolver's choices follow from: with another one it may ask another server first.
    pub chance: u8,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.minimize { "qmin" } else { "noqmin" })?;
        if self.chance > 0 { write!(f, " chance {}", self.chance) } else { Ok(()) }
    }
}

/// The ways a scenario is run: with and without minimised query names, unless it says which, and
/// each of them with so many different choices of the resolver.
pub fn variants(scenario: &Scenario, chances: u8) -> Vec<Variant> {
    let minimize = match scenario.config.query_minimization {
        Some(minimize) => vec![minimize],
        None => vec![true, false],
    };
    let each = |minimize| (0..chances).map(move |chance| Variant { minimize, chance });
    minimize.into_iter().flat_map(each).collect()
}

/// What became of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// Why it failed; empty if it passed.
    pub failures: Vec<String>,
    pub trace: Trace,
}

impl Outcome {
    /// Did everything go as scripted?
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Room for what one scenario teaches; the public harness gives two megabytes.
const STORE_BYTES: u64 = 2 * 1024 * 1024;

/// A resolver that is set as the scenario wants it.
fn resolver(scenario: &Scenario, variant: Variant) -> Result<Resolver, String> {
    let settings = scenario.config.settings(variant.minimize)?;
    let rules = scenario.config.rules()?;
    let parts = ResolverParts::in_memory(settings, [7 + variant.chance; 32], STORE_BYTES)
        .map_err(|fault| fault.to_string())?;
    let mut resolver = Resolver::new(parts);
    let layers = resolver.layers_mut();
    let inserted = layers
        .insert(Box::new(PolicyLayer::new(rules.clone())), Place::Before(local_data::NAME))
        .and_then(|()| {
            layers.insert(Box::new(ViewLayer::new(rules)), Place::After(local_data::NAME))
        });
    inserted.map_err(|fault| fault.to_string())?;
    natives::load(&scenario.config, layers)?;
    Ok(resolver)
}

/// The public template takes out what looks at the keys of anchors, since few scenarios script an
/// answer to that. Those that are about it let days pass.
fn upkeep(scenario: &Scenario) -> Upkeep {
    const DAY: u64 = 86_400;
    let passes = scenario.steps.iter().map(|step| match step.kind {
        StepKind::TimePasses(seconds) => seconds,
        _ => 0,
    });
    if passes.fold(0, u64::saturating_add) < DAY { Upkeep::None } else { Upkeep::Follow }
}

/// Runs a scenario from its first step to its last.
pub fn play(scenario: &Scenario, variant: Variant) -> Outcome {
    let resolver = match resolver(scenario, variant) {
        Ok(resolver) => resolver,
        Err(fault) => return Outcome { failures: vec![fault], trace: Trace::default() },
    };
    let script = Script::new(scenario);
    let clock = Clock::starting_at(scenario.start());
    let anchors = match scenario.config.anchors(clock.now(), upkeep(scenario)) {
        Ok(anchors) => anchors,
        Err(fault) => return Outcome { failures: vec![fault], trace: Trace::default() },
    };
    let mut driver = Driver::new(resolver, clock, script);
    driver.keep_anchors(anchors);
    let mut player = Player { driver, last: None, token: 0 };
    let mut failures = Vec::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        player.driver.upstreams_mut().current = index;
        if let Err(fault) = player.step(step) {
            failures.push(format!("step {} (line {}): {fault}", step.number, step.line));
            break;
        }
    }
    if failures.is_empty() {
        player.driver.run_until_quiet(REST);
    }
    let script = player.driver.upstreams();
    failures.extend(script.unforeseen.iter().cloned());
    if failures.is_empty() {
        failures.extend(script.unused_mandatory());
    }
    failures.extend_from_slice(player.driver.invariants().violations());
    Outcome { failures, trace: player.driver.trace().clone() }
}

struct Player<'s> {
    driver: Driver<Script<'s>>,
    /// The last answer a client got.
    last: Option<Vec<u8>>,
    token: u64,
}

impl Player<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.kind {
            StepKind::Query(entry) => self.query(entry),
            StepKind::CheckAnswer(entry) => self.check(entry),
            StepKind::TimePasses(seconds) => {
                self.driver.note(format!("{seconds} seconds pass"));
                self.driver.run_for(Duration::from_secs(*seconds));
                Ok(())
            }
            StepKind::Reply(_) | StepKind::CheckOutQuery => Ok(()),
        }
    }

    fn query(&mut self, entry: &Entry) -> Result<(), String> {
        self.token += 1;
        let tcp = entry.criteria.as_ref().is_some_and(|words| words.contains(&Criterion::Tcp));
        let client = Client {
            token: self.token,
            peer: SocketAddr::from((CLIENT_ADDRESS, 40_000)),
            local: SocketAddr::from((SELF_ADDRESS, 53)),
            protocol: if tcp { ClientProtocol::Tcp } else { ClientProtocol::Udp },
        };
        let id = 0x1000u16.wrapping_add(self.token as u16);
        let wire = entry.raw.clone().unwrap_or_else(|| entry.message.query(id));
        self.driver.request(Duration::ZERO, client, wire);
        let response = self.driver.run_until_answered(self.token, CLIENT_PATIENCE);
        self.last = response.and_then(|response| response.wire.clone());
        // What is raw may be garbage that deserves no answer.
        if self.last.is_some() || entry.raw.is_some() {
            return Ok(());
        }
        Err(format!("no answer within {} s", CLIENT_PATIENCE.as_secs()))
    }

    fn check(&self, entry: &Entry) -> Result<(), String> {
        let Some(wire) = &self.last else { return Err("there is no answer to check".into()) };
        if let Some(raw) = &entry.raw {
            if raw == wire {
                return Ok(());
            }
            return Err(format!("expected {}, got {}", text::to_hex(raw), text::to_hex(wire)));
        }
        let message = Message::parse(wire).map_err(|fault| format!("malformed answer: {fault}"))?;
        entry.matches(&message, None).map_err(|difference| difference.to_string())
    }
}

/// The scripted servers.
struct Script<'s> {
    scenario: &'s Scenario,
    /// Index of the step that is being played.
    current: usize,
    /// Addresses at which anything answers.
    bound: BTreeSet<IpAddr>,
    /// Addresses of all ranges.
    ranged: BTreeSet<IpAddr>,
    /// Entries that were used, by line.
    fired: BTreeSet<usize>,
    /// Questions that the script does not foresee.
    unforeseen: Vec<String>,
}

impl<'s> Script<'s> {
    fn new(scenario: &'s Scenario) -> Script<'s> {
        let ranged: BTreeSet<IpAddr> =
            scenario.ranges.iter().flat_map(|range| range.addresses.iter().copied()).collect();
        let mut bound = ranged.clone();
        for step in &scenario.steps {
            // One-shot replies are served from the addresses that they mention.
            if let StepKind::Reply(entry) = &step.kind {
                for record in entry.message.sections.iter().flatten() {
                    bound.extend(address(record.rtype, &record.rdata));
                }
            }
        }
        Script {
            scenario,
            current: 0,
            bound,
            ranged,
            fired: BTreeSet::new(),
            unforeseen: Vec::new(),
        }
    }

    fn unused_mandatory(&self) -> Vec<String> {
        let entries = self.scenario.ranges.iter().flat_map(|range| &range.entries);
        entries
            .filter(|entry| entry.mandatory && !self.fired.contains(&entry.line))
            .map(|entry| format!("the mandatory entry of line {} was not used", entry.line))
            .collect()
    }

    /// The entry that answers a question, if one does.
    fn find(
        &self,
        from: IpAddr,
        via: &Via,
        query: &Message<'_>,
        notes: &mut Vec<String>,
    ) -> Option<&'s Entry> {
        let number = self.scenario.steps.get(self.current).map_or(0, |step| step.number);
        // At an address that no range names, any range will do.
        let address = self.ranged.contains(&from).then_some(from);
        let eligible = self.scenario.ranges.iter().find(|range| {
            (range.from..=range.to).contains(&number)
                && address
                    .is_none_or(|at| range.addresses.is_empty() || range.addresses.contains(&at))
        });
        if let Some(range) = eligible {
            for entry in &range.entries {
                match entry.matches(query, Some(via)) {
                    Ok(()) => return Some(entry),
                    Err(difference) => {
                        notes.push(format!("      not line {}: {difference}", entry.line));
                    }
                }
            }
            return None;
        }
        let rest = self.scenario.steps.iter().filter(|step| step.number >= number);
        for step in rest {
            let StepKind::Reply(entry) = &step.kind else { continue };
            if !self.fired.contains(&entry.line) && entry.matches(query, Some(via)).is_ok() {
                return Some(entry);
            }
        }
        None
    }
}

impl Upstreams for Script<'_> {
    fn route(&mut self, _now: Now, exchange: &Exchange) -> Journey {
        let target = exchange.target.address;
        let reached = self.bound.contains(&target.ip()) && target.port() == 53;
        match exchange.target.via {
            Via::Udp | Via::Tcp if reached => Journey::arrives(ONE_WAY),
            Via::Tls(_) if reached => Journey::fails(ONE_WAY, ExchangeFault::Handshake),
            // Nothing listens at other loopback addresses and ports; elsewhere packets vanish.
            _ if target.ip().is_loopback() || self.bound.contains(&target.ip()) => {
                Journey::fails(ONE_WAY, ExchangeFault::Refused)
            }
            Via::Udp => Journey::default(),
            Via::Tcp | Via::Tls(_) => {
                Journey::fails(exchange.connect_timeout, ExchangeFault::Unreachable)
            }
        }
    }

    fn serve(&mut self, _now: Now, exchange: &Exchange, notes: &mut Vec<String>) -> Vec<Delivery> {
        let from = exchange.target.address.ip();
        let query = match Message::parse(&exchange.wire) {
            Ok(query) => query,
            Err(fault) => {
                self.unforeseen.push(format!("malformed question to {from}: {fault}"));
                return Vec::new();
            }
        };
        let mut tried = Vec::new();
        let reply = match self.find(from, &exchange.target.via, &query, &mut tried) {
            Some(entry) => {
                self.fired.insert(entry.line);
                entry.reply(&query)
            }
            None => {
                let question = text::summary(&exchange.wire);
                self.unforeseen.push(format!("{from} has nothing scripted for {question}"));
                notes.push(format!("      {from} has nothing scripted for this"));
                notes.append(&mut tried);
                Some(servfail(&query))
            }
        };
        let deliver = |wire| Delivery { after: ONE_WAY, reply: Ok(wire) };
        reply.map(deliver).into_iter().collect()
    }
}

fn servfail(query: &Message<'_>) -> Vec<u8> {
    let mut header = Header { id: query.header().id, ..Header::default() };
    header.set_qr(true);
    header.set_rd(query.header().rd());
    header.set_rcode_low(Rcode::SERVFAIL);
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, header, usize::MAX);
    if let Some(question) = query.question() {
        let _fits = composer.question(&question.name, question.rtype, question.class);
    }
    let opt = query.edns().map(|edns| dns::edns::OptRecord::new(8192, edns.dnssec_ok));
    composer.finish(opt.as_ref());
    out
}

fn address(rtype: Rtype, rdata: &[u8]) -> Option<IpAddr> {
    match rtype {
        Rtype::A => <[u8; 4]>::try_from(rdata).ok().map(IpAddr::from),
        Rtype::AAAA => <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from),
        _ => None,
    }
}
