//! What proofs teach about other names (RFC 8198), in zones whose names are as odd as they may be: every
//! octet, either case, wildcards within, cuts, aliases and empty non-terminals. The oracle looks at the
//! zone; the resolver mostly has only what it was told about gaps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dns::edns::OptRecord;
use dns::{Class, Name, Question, Rcode, Rtype};
use resolve::Action;
use sim::dice::Dice;
use sim::drive::Driver;
use sim::net::Network;
use sim::oracle::Oracle;
use sim::sign::{Absence, Plan, Signing};
use sim::signed::{SignedWorld, open, plan};
use sim::simulate::{Conditions, START, Wishes, client, compare, query};

use crate::validation::ask;

const WORLDS: u64 = 150;
const OWNERS: usize = 14;
const QUESTIONS: usize = 120;
/// Of a thousand questions, those that cost nothing at least: otherwise nothing is tested.
const SYNTHESIZED_PER_MILLE: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(30);

/// Labels that sort in surprising ways, or are special somewhere.
const LABELS: [&[u8]; 16] = [
    b"\x00",
    b"\x00a",
    b"\x01",
    b"!",
    b"*",
    b"**",
    b".",
    b"A",
    b"a\x00",
    b"ab",
    b"\\",
    b"~",
    b"\x7f",
    b"\x80",
    b"\xc4\x80",
    b"\xff",
];
const TYPES: [Rtype; 8] =
    [Rtype::A, Rtype::TXT, Rtype::CNAME, Rtype::DS, Rtype::NS, Rtype::NSEC, Rtype::SOA, Rtype::MX];

fn random_name(dice: &mut Dice, zone: &Name) -> Name {
    let labels = 1 + dice.below(3);
    (0..labels).fold(zone.clone(), |name, _| {
        let label = LABELS[dice.below(LABELS.len())];
        name.prepend(label).unwrap_or(name)
    })
}

/// What stands at a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Alias,
    Renaming,
    Unsigned,
    Signed,
}

fn random_kind(dice: &mut Dice, owner: &Name) -> Kind {
    match dice.below(10) {
        0 | 1 => Kind::Alias,
        // Neither cuts nor DNAMEs are made from wildcards (RFC 4592 §4.2, §4.4).
        2 if !owner.is_wildcard() => Kind::Renaming,
        3 if !owner.is_wildcard() => Kind::Unsigned,
        4 if !owner.is_wildcard() => Kind::Signed,
        _ => Kind::Data,
    }
}

fn random_absence(dice: &mut Dice) -> Absence {
    let salt = [&[][..], &[0xab, 0xcd]][dice.below(2)].to_vec();
    let iterations = dice.below(2) as u16;
    match dice.below(5) {
        0..3 => Absence::Nsec,
        which => Absence::Nsec3 { salt, iterations, opt_out: which == 4 },
    }
}

/// A zone with one thing at each owner, and nothing below cuts and DNAMEs.
fn random_zone(dice: &mut Dice, zone: &Name) -> BTreeMap<Name, Kind> {
    let mut all = BTreeMap::<Name, Kind>::new();
    let host = zone.prepend(b"ns").unwrap();
    for _ in 0..OWNERS {
        let owner = random_name(dice, zone);
        let kind = random_kind(dice, &owner);
        let ends = |kind: Kind| !matches!(kind, Kind::Data | Kind::Alias);
        let is_below = all.iter().any(|(other, kind)| owner.is_below(other) && ends(*kind));
        let is_above = all.keys().any(|other| other.is_below(&owner)) && ends(kind);
        if !is_below && !is_above && owner != host {
            all.entry(owner).or_insert(kind);
        }
    }
    all
}

/// The same name in random case.
fn mixed_case(dice: &mut Dice, name: &Name) -> Name {
    name.labels().collect::<Vec<_>>().iter().rev().fold(Name::root(), |above, label| {
        let turn = |byte: &u8| if dice.chance(500) { byte.to_ascii_uppercase() } else { *byte };
        above.prepend(&label.iter().map(turn).collect::<Vec<u8>>()).unwrap()
    })
}

/// Names of the zone, and around them.
fn random_question(dice: &mut Dice, zone: &Name, owners: &[Name]) -> Question {
    let owner = owners.get(dice.below(owners.len())).unwrap_or(zone);
    let label = LABELS[dice.below(LABELS.len())];
    let name = match dice.below(6) {
        0 => random_name(dice, zone),
        1 => owner.clone(),
        2 => owner.prepend(label).unwrap_or_else(|_| owner.clone()),
        3 => owner.parent().and_then(|above| above.prepend(label).ok()).unwrap(),
        4 => {
            let first = owner.labels().next().unwrap_or(b"x");
            let successor = [first, b"\x00"].concat();
            owner.parent().and_then(|above| above.prepend(&successor).ok()).unwrap()
        }
        _ => owner.parent().unwrap_or_else(|| owner.clone()),
    };
    let name = if name.is_at_or_below(zone) { name } else { zone.clone() };
    let rtype = TYPES[dice.below(TYPES.len())];
    Question { name: mixed_case(dice, &name), rtype, class: Class::IN }
}

/// Asks in the world of a seed. Returns what went wrong, the questions, and how many cost nothing.
fn run(seed: u64) -> (Vec<String>, u64, u64) {
    let mut dice = Dice::new(seed);
    let zone: Name = "z".parse().unwrap();
    let absence = random_absence(&mut dice);
    let zone_plan = Plan { absence: absence.clone(), ..plan() };
    let kinds = random_zone(&mut dice, &zone);
    let owners: Vec<Name> = kinds.keys().cloned().chain([zone.clone()]).collect();
    let mut text = String::new();
    for (owner, kind) in &kinds {
        let target = &owners[dice.below(owners.len())];
        text += &match kind {
            Kind::Data => format!("{owner} A 192.0.2.1\n{owner} TXT \"data\"\n"),
            Kind::Alias => format!("{owner} CNAME {target}\n"),
            Kind::Renaming => format!("{owner} DNAME away.\n"),
            Kind::Unsigned | Kind::Signed => String::new(),
        };
    }
    let mut world = SignedWorld::new().unwrap();
    let mut plans = BTreeMap::from([(Name::root(), plan()), (zone.clone(), zone_plan.clone())]);
    world.zone("z.", Some(zone_plan), &text).unwrap();
    for (owner, kind) in &kinds {
        let child = match kind {
            Kind::Signed => Some(plan()),
            Kind::Unsigned => None,
            _ => continue,
        };
        world.zone(&owner.to_string(), child.clone(), "a A 192.0.2.2\n* TXT child\n").unwrap();
        plans.extend(child.map(|child| (owner.clone(), child)));
    }
    let (settings, world) = world.build().unwrap();
    let signing = Signing { plans, anchor: Some(Vec::new()) };
    let oracle = Oracle::new(&world, &signing, &settings);
    let mut driver = open(settings, world.clone(), seed).unwrap();
    let mut failures = Vec::new();
    let conditions = Conditions { lossy: false, validating: true };
    for token in 1..=QUESTIONS as u64 {
        let question = random_question(&mut dice, &zone, &owners);
        let opt = dice.chance(700).then(|| OptRecord::new(4096, dice.chance(700)));
        let wishes = Wishes { opt, authentic: true, unchecked: false };
        driver.request(Duration::ZERO, client(token), wishes.query(token as u16, &question));
        driver.run_until_answered(token, PATIENCE);
        driver.run_until_quiet(PATIENCE);
        let wire = driver.response(token).and_then(|response| response.wire.clone());
        // The oracle knows of no NSEC; whoever asks for it gets it or a proof.
        if question.rtype == Rtype::NSEC {
            continue;
        }
        let verdict = oracle.verdict(&question);
        if let Err(fault) = compare(&verdict, wire.as_deref(), &wishes, conditions) {
            let Question { name, rtype, .. } = &question;
            failures.push(format!("seed {seed} {absence:?}, {token}: {name} {rtype}: {fault}"));
        }
    }
    failures.extend_from_slice(driver.invariants().violations());
    let synthesized = driver.resolver().counters().synthesized;
    let questions: Vec<Question> =
        (0..QUESTIONS).map(|_| random_question(&mut dice, &zone, &owners)).collect();
    for elapsed in [0, 7] {
        driver.run_for(Duration::from_secs(elapsed));
        let apart = at_once(&mut driver, &questions, false);
        let together = at_once(&mut driver, &questions, true);
        for ((question, one), other) in questions.iter().zip(apart).zip(together) {
            if one != other {
                let Question { name, rtype, .. } = question;
                failures.push(format!("seed {seed} {absence:?}: {name} {rtype}: one of a turn"));
            }
        }
    }
    (failures, QUESTIONS as u64, synthesized)
}

/// What the resolver says without asking anybody, to each question in a turn of its own or to all in
/// one: what a turn remembers of proofs must not show.
pub(crate) fn at_once(
    driver: &mut Driver<Network>,
    questions: &[Question],
    in_one_turn: bool,
) -> Vec<Option<Vec<u8>>> {
    let now = driver.now();
    let resolver = driver.resolver_mut();
    let mut said = Vec::new();
    for (question, token) in questions.iter().zip(10_000..) {
        resolver.handle_request(now, client(token), &query(7, question, None));
        let mut answer = None;
        while let Some(action) = resolver.poll_action() {
            if let Action::Respond { wire, .. } = action {
                answer = Some(wire);
            }
        }
        said.push(answer);
        if !in_one_turn {
            resolver.end_turn(now);
        }
    }
    resolver.end_turn(now);
    said
}

#[test]
fn proofs_say_about_odd_names_what_is_true() {
    let (mut failures, mut questions, mut synthesized) = (Vec::new(), 0, 0);
    for seed in 0..WORLDS {
        let (faults, asked, free) = run(seed);
        failures.extend(faults);
        (questions, synthesized) = (questions + asked, synthesized + free);
    }
    let shown: BTreeSet<&String> = failures.iter().take(40).collect();
    assert!(failures.is_empty(), "{}: {shown:#?}", failures.len());
    println!("{synthesized} of {questions} questions answered by proofs of others");
    assert!(synthesized * 1000 / questions >= SYNTHESIZED_PER_MILLE, "{synthesized}");
}

/// A proof is no better than its signature, whatever the TTLs say (RFC 4035 §5.3.3).
#[test]
fn what_proofs_teach_ends_with_their_signatures() {
    const LIFE: u32 = 60;
    let nsec3 = Absence::Nsec3 { salt: Vec::new(), iterations: 0, opt_out: false };
    for absence in [Absence::Nsec, nsec3] {
        let mut world = SignedWorld::new().unwrap();
        let expiration = START as u32 + LIFE;
        let short = Plan { absence: absence.clone(), expiration, ..plan() };
        world.zone("zone.", Some(short), "b A 192.0.2.1\n*.w TXT star\n").unwrap();
        let mut driver = world.open().unwrap();
        let names =
            ["c.zone. A", "a.zone. A", "zz.zone. A", "x.w.zone. TXT", "b.zone. TXT", "w.zone. A"];
        for text in names {
            assert!(ask(&mut driver, "DO", text).ad, "{text}");
        }
        let others = ["d.zone. A", "ab.zone. A", "y.w.zone. TXT", "b.zone. MX", "w.zone. MX"];
        for text in others {
            assert!(ask(&mut driver, "DO", text).ad, "{text} {absence:?}");
        }
        driver.run_for(Duration::from_secs(u64::from(LIFE) + 10));
        for text in names.iter().chain(&others) {
            let got = ask(&mut driver, "DO", text);
            assert_eq!((got.rcode, got.ad), (Rcode::SERVFAIL, false), "{text} {absence:?}");
        }
    }
}
