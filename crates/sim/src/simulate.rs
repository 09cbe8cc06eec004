//! One random world, start to end: questions go to a resolver, and what clients get is compared
//! with what the oracle sees.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::dnssec::Voucher;
use dns::edns::OptRecord;
use dns::{Class, Message, Name, Question, Rcode, Rrset, Rtype};
use resolve::{
    Client, ClientProtocol, GlueMode, Resolver, ResolverParts, Settings, TrustAnchors, UnixTime,
};

use crate::clock::Clock;
use crate::dice::Dice;
use crate::drive::Driver;
use crate::generate::generate;
use crate::net::{Link, Network};
use crate::oracle::{Oracle, Verdict};
use crate::rpl::Scripted;
use crate::sign::Judgement;
use crate::text;
use crate::trace::Trace;
use crate::world::World;

/// Questions asked in one world.
pub const QUESTIONS: usize = 24;
/// Longest time a client may wait for its answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Upstream questions that one client's question may cost at most.
const EXCHANGES_MAX: usize = 100;
/// Wall time at which worlds begin, in seconds since 1970.
pub const START: u64 = 1_700_000_000;

/// What became of one world.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    /// What went wrong; empty if nothing did.
    pub failures: Vec<String>,
    /// What happened from the first question to the last.
    pub trace: Trace,
    /// Client questions and upstream questions.
    pub questions: usize,
    pub exchanges: usize,
    /// Questions that were answered by what proofs say about other names.
    pub synthesized: u64,
}

impl Report {
    /// The line that says how to see a failure again.
    pub fn reproduce(&self) -> String {
        format!("cargo xtask sim --seed {:#x} -v", self.seed)
    }
}

/// A client that asks over UDP.
pub fn client(token: u64) -> Client {
    Client {
        token,
        peer: SocketAddr::from(([198, 51, 100, 7], 40_000)),
        local: SocketAddr::from(([198, 51, 100, 1], 53)),
        protocol: ClientProtocol::Udp,
    }
}

/// A client's query with RD set.
pub fn query(id: u16, question: &Question, opt: Option<OptRecord>) -> Vec<u8> {
    Wishes { opt, ..Wishes::default() }.query(id, question)
}

/// What a client wants besides an answer.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub opt: Option<OptRecord>,
    /// AD: to be told whether the answer is authentic (RFC 6840 §5.7).
    pub authentic: bool,
    /// CD: the answer unchecked (RFC 4035 §3.2.2).
    pub unchecked: bool,
}

impl Wishes {
    fn random(dice: &mut Dice) -> Wishes {
        Wishes {
            opt: dice.chance(700).then(|| OptRecord::new(1232, dice.chance(400))),
            authentic: dice.chance(300),
            unchecked: dice.chance(100),
        }
    }

    /// With DNSSEC records?
    fn dnssec(&self) -> bool {
        self.opt.as_ref().is_some_and(|opt| opt.dnssec_ok)
    }

    /// The message with RD set.
    pub fn query(&self, id: u16, question: &Question) -> Vec<u8> {
        let opt = self.opt.clone();
        let mut query = Scripted { question: Some(question.clone()), opt, ..Scripted::default() };
        query.header.set_rd(true);
        query.header.set_ad(self.authentic);
        query.header.set_cd(self.unchecked);
        query.query(id)
    }
}

/// What holds for all answers of a world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// Datagrams get lost, so giving up is allowed.
    pub lossy: bool,
    /// The resolver validates.
    pub validating: bool,
}

/// Room for what one world teaches.
const STORE_BYTES: u64 = 2 * 1024 * 1024;

/// Makes the world of a seed and asks in it, with the root's key as trust anchor if the resolver is
/// to validate and the world is signed.
pub fn simulate(seed: u64, validate: bool) -> Report {
    ask_in_world(seed, validate, |_, _| Vec::new())
}

/// The same for a validating resolver, which is then asked for many names that are not there, and
/// after that for those around them that are: what it has learnt about gaps must not hide anything.
pub fn simulate_gaps(seed: u64) -> Report {
    ask_in_world(seed, true, gaps_and_names)
}

/// Questions for what is not there, before questions for what is.
const GAPS_MAX: usize = 48;
const NAMES_MAX: usize = 48;

fn gaps_and_names(dice: &mut Dice, world: &World) -> Vec<Question> {
    let zones = world.servers.values().flat_map(|server| &server.zones);
    let all: BTreeSet<&Name> =
        zones.flat_map(|zone| zone.nodes().map(|(owner, _)| owner)).collect();
    let types = [Rtype::A, Rtype::TXT, Rtype::MX, Rtype::DS, Rtype::NS, Rtype::AAAA, Rtype::CNAME];
    let ask = |dice: &mut Dice, name: Name| {
        let rtype = types[dice.below(types.len())];
        Question { name, rtype, class: Class::IN }
    };
    let (mut gaps, mut names) = (Vec::new(), Vec::new());
    for &owner in &all {
        // Right before, right behind and below.
        let first = owner.labels().next().unwrap_or(b"x");
        let label = match dice.below(4) {
            0 => [first, b"0"].concat(),
            1 => [b"0", first].concat(),
            2 => b"zz".to_vec(),
            _ => b"*".to_vec(),
        };
        let above = if dice.chance(600) { owner.parent() } else { None };
        if let Ok(gap) = above.as_ref().unwrap_or(owner).prepend(&label) {
            gaps.push(ask(dice, gap));
        }
        names.push(ask(dice, owner.clone()));
    }
    dice.shuffle(&mut gaps);
    dice.shuffle(&mut names);
    gaps.truncate(GAPS_MAX);
    names.truncate(NAMES_MAX);
    gaps.extend(names);
    gaps
}

fn ask_in_world(
    seed: u64,
    validate: bool,
    more: impl FnOnce(&mut Dice, &World) -> Vec<Question>,
) -> Report {
    let mut generated = generate(seed, QUESTIONS);
    let mut dice = Dice::new(seed ^ 0x5349_4d55_4c41_5445);
    let mut settings = settings(&mut dice, &generated.world.hints);
    if let Some(key) = generated.signing.anchor.as_ref().filter(|_| validate) {
        let mut anchors = TrustAnchors::new();
        anchors.add(&Name::root(), Voucher::Key(key.clone()));
        settings.trust_anchors = Arc::new(anchors);
    }
    let lossy = dice.chance(300);
    let parts = match ResolverParts::in_memory(settings.clone(), dice.seed(), STORE_BYTES) {
        Ok(parts) => parts,
        Err(fault) => {
            let failures = vec![fault.to_string()];
            let trace = Trace::default();
            return Report { seed, failures, trace, questions: 0, exchanges: 0, synthesized: 0 };
        }
    };
    let mut network = Network::new(generated.world.clone(), dice.fork());
    network.link = Link {
        latency: Duration::from_millis(dice.between(1, 60) as u64),
        jitter: Duration::from_millis(dice.between(0, 20) as u64),
        loss: if lossy { 80 } else { 0 },
        duplicates: if lossy { 50 } else { 0 },
    };
    let clock = Clock::starting_at(UnixTime::from_seconds(START));
    let mut driver = Driver::new(Resolver::new(parts), clock, network);
    let oracle = Oracle::new(&generated.world, &generated.signing, &settings);
    let mut failures = Vec::new();
    let conditions = Conditions { lossy, validating: !settings.trust_anchors.is_empty() };
    generated.questions.extend(more(&mut dice, &generated.world));
    let asked = ask_all(&generated.questions, &mut driver, &mut dice, &mut failures);
    driver.run_until_quiet(PATIENCE);
    for (token, question, wishes) in asked {
        let Some(response) = driver.response(token) else {
            failures.push(format!("{}: no answer at all", describe(question)));
            continue;
        };
        let verdict = oracle.verdict(question);
        if let Err(fault) = compare(&verdict, response.wire.as_deref(), &wishes, conditions) {
            failures.push(format!("client {token}, {}: {fault}", describe(question)));
        }
    }
    failures.extend_from_slice(driver.invariants().violations());
    if !failures.is_empty() {
        let plans = generated.signing.plans.iter();
        let flaws = plans.filter_map(|(origin, plan)| Some((origin, plan.wrong?, &plan.absence)));
        failures.extend(flaws.map(|(origin, wrong, absence)| {
            format!("(zone {origin} is signed with {wrong:?}, {absence:?})")
        }));
    }
    Report {
        seed,
        failures,
        trace: driver.trace().clone(),
        questions: generated.questions.len(),
        exchanges: driver.invariants().exchanges(),
        synthesized: driver.resolver().counters().synthesized,
    }
}

/// Asks, mostly one after the other, sometimes some at once. Returns what was asked by whom.
fn ask_all<'q>(
    questions: &'q [Question],
    driver: &mut Driver<Network>,
    dice: &mut Dice,
    failures: &mut Vec<String>,
) -> Vec<(u64, &'q Question, Wishes)> {
    let mut asked = Vec::with_capacity(questions.len());
    for (question, token) in questions.iter().zip(1..) {
        let wishes = Wishes::random(dice);
        let wire = wishes.query(token as u16, question);
        driver.request(Duration::ZERO, client(token), wire);
        asked.push((token, question, wishes));
        if dice.chance(700) {
            let before = driver.invariants().exchanges();
            driver.run_until_answered(token, PATIENCE);
            let cost = driver.invariants().exchanges() - before;
            if asked.len() == 1 && cost > EXCHANGES_MAX {
                failures.push(format!("{} cost {cost} exchanges", describe(question)));
            }
        }
        if dice.chance(100) {
            driver.run_for(Duration::from_secs(dice.between(1, 4000) as u64));
        }
    }
    asked
}

fn describe(question: &Question) -> String {
    format!("{} {}", question.name, question.rtype)
}

fn settings(dice: &mut Dice, hints: &[(Name, Vec<std::net::IpAddr>)]) -> Settings {
    let glue = [GlueMode::Normal, GlueMode::Normal, GlueMode::Permissive];
    Settings {
        glue_mode: glue[dice.below(glue.len())],
        ipv6: dice.chance(800),
        no_minimize: dice.chance(300),
        no_0x20: dice.chance(100),
        root_hints: Arc::new(hints.to_vec()),
        ..Settings::default()
    }
}

/// Compares what a client got with what it must get.
pub fn compare(
    verdict: &Verdict,
    got: Option<&[u8]>,
    wishes: &Wishes,
    conditions: Conditions,
) -> Result<(), String> {
    let Some(wire) = got else { return Err("silence instead of an answer".into()) };
    let message = Message::parse(wire).map_err(|fault| format!("malformed answer: {fault}"))?;
    let header = message.header();
    let rcode = message.rcode();
    if !header.qr() || !header.rd() || !header.ra() || header.cd() != wishes.unchecked {
        return Err(format!("flags [{}]", text::flags(header)));
    }
    let judgement = match verdict {
        Verdict::Answer(_, _, judgement) if conditions.validating => *judgement,
        _ => Judgement::Insecure,
    };
    let authentic = judgement == Judgement::Secure && (wishes.authentic || wishes.dnssec());
    let failed = rcode == Rcode::SERVFAIL;
    let (want, sets) = match verdict {
        Verdict::Doubtful => return Ok(()),
        _ if conditions.lossy && failed => return Ok(()),
        Verdict::Unreachable | Verdict::Endless if failed => return Ok(()),
        Verdict::Unreachable | Verdict::Endless => {
            return Err(format!("expected SERVFAIL ({verdict:?}), got {}", text::summary(wire)));
        }
        Verdict::Answer(..) if judgement == Judgement::Bogus && !wishes.unchecked => {
            let got = text::summary(wire);
            return if failed { Ok(()) } else { Err(format!("bogus, and the client got {got}")) };
        }
        Verdict::Answer(rcode, sets, _) => (*rcode, sets),
    };
    // Those who do not want to be checked for may get what is not checked yet.
    let unchecked = wishes.unchecked && !header.ad();
    if header.ad() != authentic && !unchecked {
        return Err(format!("{judgement:?}, and AD is {}: {}", header.ad(), text::summary(wire)));
    }
    if header.tc() {
        // Cut off: nothing more to compare but the code.
        return if rcode == want { Ok(()) } else { Err(format!("{rcode} with TC")) };
    }
    let wanted = records(sets.iter());
    let mut found: Vec<String> = message
        .answer()
        .filter(|record| !(wishes.dnssec() && record.rtype() == Rtype::RRSIG))
        .map(|record| line(&record.owner(), record.rtype(), &record.rdata()))
        .collect();
    found.sort();
    if rcode == want && found == wanted {
        return Ok(());
    }
    let list = |records: &[String]| records.join("; ");
    Err(format!("expected {want} [{}], got {rcode} [{}]", list(&wanted), list(&found)))
}

fn records<'s>(sets: impl Iterator<Item = &'s Rrset>) -> Vec<String> {
    let mut lines: Vec<String> = sets
        .flat_map(|set| set.rdatas.iter().map(|rdata| line(&set.owner, set.rtype, rdata)))
        .collect();
    lines.sort();
    lines
}

/// A record without its TTL, in lower case.
fn line(owner: &Name, rtype: Rtype, rdata: &[u8]) -> String {
    let mut rdata = rdata.to_vec();
    dns::rdata::canonicalize(rtype, &mut rdata);
    let owner = owner.to_lowercase();
    format!("{owner} {} {rtype} {}", Class::IN, text::rdata_to_text(rtype, &rdata))
}
