//! Years of key rolls of the root (RFC 5011), day by day in virtual time: the resolver follows them
//! through restarts and never stops validating.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use dns::canonical::signed_data;
use dns::dnssec::crypto::sign::KeyPair;
use dns::dnssec::{Algorithm, key_tag};
use dns::edns::OptRecord;
use dns::rdata::view::{DnskeyView, RrsigView};
use dns::{Class, Composer, Header, Message, Name, Question, Rrset, Rtype, Section};
use resolve::trust_anchors::file;
use resolve::trust_anchors::keeper::{LookFault, Upkeep};
use resolve::trust_anchors::key::KeyState;
use resolve::{Now, Resolver, ResolverParts, Settings, UnixTime};
use sim::anchors::Anchors;
use sim::clock::Clock;
use sim::drive::{Delivery, Driver, Exchange, Journey, Upstreams};
use sim::simulate::{client, query};

const DAY: u64 = 86_400;
const START: u64 = 1_700_000_000;
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const KEYS_TTL: u32 = 172_800;
const PATIENCE: Duration = Duration::from_secs(15);

/// From this day on the root publishes these keys: seed, and how.
type Schedule = &'static [(u64, &'static [(u8, How)])];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    /// Published, and signs the keys.
    Signs,
    /// Published only.
    Waits,
    /// Published with the REVOKE bit and its own signature.
    Revoked,
}

use How::{Revoked, Signs, Waits};

/// Three keys, each rolled as the root did it in 2017 to 2019: announced for three months, then
/// signing, the old one revoked three months later and gone after three more.
const THREE_ROLLS: Schedule = &[
    (0, &[(1, Signs)]),
    (20, &[(1, Signs), (2, Waits)]),
    (110, &[(1, Waits), (2, Signs)]),
    (200, &[(1, Revoked), (2, Signs)]),
    (290, &[(2, Signs)]),
    (400, &[(2, Signs), (3, Waits)]),
    (490, &[(2, Waits), (3, Signs)]),
    (580, &[(2, Revoked), (3, Signs)]),
    (670, &[(3, Signs)]),
];

/// The root, alone in its world.
struct Root {
    schedule: Schedule,
    /// Somebody else answers questions for keys in its place, with keys of his own.
    hijacked: bool,
}

fn pair(seed: u8) -> KeyPair {
    KeyPair::from_seed(Algorithm::ED25519, &[b'k', seed]).unwrap()
}

fn key_rdata(seed: u8, how: How) -> Vec<u8> {
    let revoke = if how == Revoked { DnskeyView::REVOKE } else { 0 };
    pair(seed).dnskey_rdata(DnskeyView::ZONE | DnskeyView::SEP | revoke)
}

/// The key that signs everything but the keys.
const ZONE_KEY: u8 = 0;

fn rrsig(now: u64, set: &Rrset, seed: u8, key: &[u8]) -> Vec<u8> {
    const LIFE: u64 = 10 * DAY;
    let mut rdata = set.rtype.0.to_be_bytes().to_vec();
    rdata.extend([Algorithm::ED25519.0, set.owner.label_count() as u8]);
    for number in [u64::from(set.ttl), now + LIFE, now - LIFE] {
        rdata.extend((number as u32).to_be_bytes());
    }
    rdata.extend(key_tag(key).to_be_bytes());
    rdata.push(0);
    let unsigned = [rdata.as_slice(), &[0]].concat();
    let mut data = Vec::new();
    signed_data(&RrsigView::new(&unsigned).unwrap(), set, &mut data).unwrap();
    rdata.extend(pair(seed).sign(&data).unwrap());
    rdata
}

impl Root {
    fn answer(&self, now: u64, question: &Question) -> Vec<(Rrset, Vec<Vec<u8>>)> {
        let set = |rtype, ttl, rdata: &[u8]| {
            let mut set = Rrset::new(question.name.clone(), rtype, Class::IN, ttl);
            set.rdatas.push(rdata);
            set
        };
        let zone_key = pair(ZONE_KEY).dnskey_rdata(DnskeyView::ZONE);
        let signed = |set: Rrset| {
            let signature = rrsig(now, &set, ZONE_KEY, &zone_key);
            vec![(set, vec![signature])]
        };
        match (question.name.is_root(), question.rtype) {
            (true, Rtype::DNSKEY) => {
                let day = (now - START) / DAY;
                let slot = self.schedule.iter().rev().find(|(from, _)| *from <= day);
                let published: &[(u8, How)] = match slot {
                    _ if self.hijacked => &[(9, Signs)],
                    Some((_, published)) => published,
                    None => &[],
                };
                let mut keys = set(Rtype::DNSKEY, KEYS_TTL, &zone_key);
                for (seed, how) in published {
                    keys.rdatas.push(&key_rdata(*seed, *how));
                }
                let signers = published.iter().filter(|(_, how)| *how != Waits);
                let signatures =
                    signers.map(|(seed, how)| rrsig(now, &keys, *seed, &key_rdata(*seed, *how)));
                let signatures = signatures.collect();
                vec![(keys, signatures)]
            }
            (true, Rtype::NS) => signed(set(Rtype::NS, 86_400, b"\x06rootns\x00")),
            (false, Rtype::TXT) => signed(set(Rtype::TXT, 60, b"\x02ok")),
            _ => Vec::new(),
        }
    }
}

impl Upstreams for Root {
    fn route(&mut self, _now: Now, _exchange: &Exchange) -> Journey {
        Journey::arrives(Duration::from_millis(1))
    }

    fn serve(&mut self, now: Now, exchange: &Exchange, _notes: &mut Vec<String>) -> Vec<Delivery> {
        let query = Message::parse(&exchange.wire).unwrap();
        let question = query.question().unwrap();
        let mut header = Header { id: query.header().id, ..Header::default() };
        header.set_qr(true);
        header.set_aa(true);
        let mut wire = Vec::new();
        let mut composer = Composer::new(&mut wire, header, usize::from(u16::MAX));
        composer.question(&question.name, question.rtype, question.class).unwrap();
        for (set, signatures) in self.answer(now.unix.seconds(), &question) {
            let (owner, class, ttl) = (&set.owner, set.class, set.ttl);
            let section = Section::Answer;
            composer.records(section, owner, set.rtype, class, ttl, set.rdatas.iter()).unwrap();
            let signatures = signatures.iter().map(Vec::as_slice);
            composer.records(section, owner, Rtype::RRSIG, class, ttl, signatures).unwrap();
        }
        composer.finish(Some(&OptRecord::new(1232, true)));
        vec![Delivery { after: Duration::from_millis(1), reply: Ok(wire) }]
    }
}

/// A resolver that starts on a day with a file of anchors.
fn start(day: u64, text: &str, upkeep: Upkeep, root: Root) -> Driver<Root> {
    let hints = vec![("rootns.".parse().unwrap(), vec![ADDRESS])];
    let settings =
        Settings { root_hints: Arc::new(hints), no_minimize: true, ..Settings::default() };
    let parts = ResolverParts::in_memory(settings, [day as u8; 32], 2 << 20).unwrap();
    let clock = Clock::starting_at(UnixTime::from_seconds(START + day * DAY));
    let mut anchors = Anchors::default();
    anchors.keeper.put(clock.now(), file::read_set(text).unwrap(), upkeep);
    let mut driver = Driver::new(Resolver::new(parts), clock, root);
    driver.keep_anchors(anchors);
    driver
}

/// The file that an operator starts with: the first key.
fn first_file() -> String {
    let mut set = Rrset::new(Name::root(), Rtype::DNSKEY, Class::IN, KEYS_TTL);
    set.rdatas.push(&key_rdata(1, Signs));
    set.to_string()
}

/// Is a name validated now?
fn is_secure(driver: &mut Driver<Root>, token: u64) -> bool {
    let question = Question { name: "name.".parse().unwrap(), rtype: Rtype::TXT, class: Class::IN };
    let opt = Some(OptRecord::new(1232, true));
    let wire = query(token as u16, &question, opt);
    driver.request(Duration::ZERO, client(token), wire);
    let response = driver.run_until_answered(token, PATIENCE).unwrap();
    Message::parse(response.wire.as_ref().unwrap()).unwrap().header().ad()
}

fn states(text: &str) -> Vec<(u16, KeyState)> {
    let set = file::read_set(text).unwrap();
    set.keys.iter().map(|key| (key.tag(), key.state)).collect()
}

fn tag(seed: u8) -> u16 {
    key_tag(&key_rdata(seed, Signs))
}

/// Lives from one day to another, asking a question each day. Returns the days without a validated
/// answer.
fn live(driver: &mut Driver<Root>, from: u64, to: u64) -> Vec<u64> {
    let mut dark = Vec::new();
    for day in from..to {
        if !is_secure(driver, day + 1) {
            dark.push(day);
        }
        driver.run_for(Duration::from_secs(DAY));
    }
    assert_eq!(driver.invariants().violations(), [""; 0]);
    dark
}

#[test]
fn three_rolls_through_restarts() {
    let mut text = first_file();
    let mut day = 0;
    let mut seen = Vec::new();
    // Restarts in every phase, also while a key is watched.
    for stop in [25, 33, 60, 150, 205, 240, 320, 405, 420, 500, 600, 640, 760] {
        let root = Root { schedule: THREE_ROLLS, hijacked: false };
        let mut driver = start(day, &text, Upkeep::Follow, root);
        assert_eq!(live(&mut driver, day, stop), [0; 0], "days without validation");
        if let Some(written) = driver.anchors().files.get(&Name::root()) {
            text = written.clone();
        }
        day = stop;
        seen.push((stop, states(&text)));
    }
    let (one, two, three) = (tag(1), tag(2), tag(3));
    use KeyState::{AddPend, Revoked, Valid};
    assert_eq!(
        seen,
        [
            (25, vec![(one, Valid), (two, AddPend)]),
            (33, vec![(one, Valid), (two, AddPend)]),
            (60, vec![(one, Valid), (two, Valid)]),
            (150, vec![(one, Valid), (two, Valid)]),
            (205, vec![(one, Revoked), (two, Valid)]),
            // Thirty days later it is dropped altogether.
            (240, vec![(two, Valid)]),
            (320, vec![(two, Valid)]),
            (405, vec![(two, Valid), (three, AddPend)]),
            (420, vec![(two, Valid), (three, AddPend)]),
            (500, vec![(two, Valid), (three, Valid)]),
            (600, vec![(two, Revoked), (three, Valid)]),
            (640, vec![(three, Valid)]),
            (760, vec![(three, Valid)]),
        ]
    );
}

#[test]
fn who_does_not_follow_is_told_and_goes_dark() {
    let root = Root { schedule: THREE_ROLLS, hijacked: false };
    let mut driver = start(0, &first_file(), Upkeep::Watch, root);
    let dark = live(&mut driver, 0, 130);
    let told = driver.anchors().reports.iter().position(|report| !report.drift.is_none()).unwrap();
    // Told within a day of the announcement, three months before it matters.
    assert_eq!(driver.anchors().reports[told].drift.new, [tag(2)]);
    assert!(told <= 22, "{told}");
    // Two days later than the roll at most, when the old keys have left the cache.
    let first = *dark.first().unwrap();
    assert!((110..=112).contains(&first), "{first}");
    assert!(driver.anchors().files.is_empty());
}

#[test]
fn keys_of_a_stranger_change_nothing_however_long() {
    let root = Root { schedule: THREE_ROLLS, hijacked: false };
    let mut driver = start(0, &first_file(), Upkeep::Follow, root);
    assert_eq!(live(&mut driver, 0, 10), [0; 0]);
    driver.upstreams_mut().hijacked = true;
    driver.run_for(Duration::from_secs(70 * DAY));
    assert!(!is_secure(&mut driver, 1_000));
    let reports = &driver.anchors().reports;
    let refused = reports.iter().filter(|report| report.changes.is_err()).count();
    assert!(refused > 60, "{refused}");
    assert!(matches!(reports.last().unwrap().changes, Err(LookFault::Refused(_))));
    assert!(driver.anchors().files.is_empty());
    // And when he is gone all is well.
    driver.upstreams_mut().hijacked = false;
    driver.run_for(Duration::from_secs(DAY));
    assert!(is_secure(&mut driver, 1_001));
    let set = driver.anchors().keeper.set(&Name::root()).unwrap();
    let kept: Vec<(u16, KeyState)> = set.keys.iter().map(|key| (key.tag(), key.state)).collect();
    assert_eq!(kept, [(tag(1), KeyState::Valid), (tag(2), KeyState::AddPend)]);
}
