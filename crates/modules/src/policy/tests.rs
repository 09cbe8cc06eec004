//! Rules on their way through a resolver: each filter, each action, their order, and what may be
//! shared.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use dns::edns::OptRecord;
use dns::message::Section;
use dns::{Class, Composer, ExtendedErrorCode, Header, Message, Name, Rcode, Rdatas, Rtype};
use resolve::flags::QueryFlags;
use resolve::layer::local_data;
use resolve::layer::stack::Place;
use resolve::{
    Action as Effect, Client as Asker, ClientProtocol, Forward, ForwardKind, Mono, Now,
    RequestContext, Resolver, ResolverParts, Settings, State, UnixTime, Via,
};

use super::layer::POLICY;
use super::names::NameSet;
use super::pattern::Pattern;
use super::*;

const SEED: Seed = (11, 12);

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn names(texts: &[&str]) -> Arc<NameSet> {
    let names: Vec<Name> = texts.iter().map(|text| name(text)).collect();
    Arc::new(NameSet::from_names(SEED, &names).expect("few names"))
}

fn suffix(texts: &[&str]) -> Filter {
    Filter::Suffix(names(texts))
}

fn deny() -> Action {
    Action::Deny { message: None, extended_error: ExtendedErrorCode::BLOCKED }
}

fn addresses(texts: &[&str], nodata: bool) -> Action {
    let mut rdatas = Rdatas::new();
    for text in texts {
        let address: std::net::Ipv4Addr = text.parse().expect("an address");
        rdatas.push(&address.octets());
    }
    let records = vec![AnswerRecords { rtype: Rtype::A, ttl: 300, rdatas }];
    Action::Answer { records, nodata }
}

fn network(text: &str) -> Network {
    let (address, length) = text.split_once('/').expect("a network");
    Network::new(address.parse().expect("an address"), length.parse().expect("a length"))
}

/// A resolver with rules; nothing is ever reached over the network.
struct World {
    resolver: Resolver,
    rules: Rules,
    next: u32,
    /// Where questions were sent.
    asked: Vec<(SocketAddr, String)>,
    /// Every question to these is answered with one address.
    upstream: Option<SocketAddr>,
    /// Answers that were given without asking the layers.
    shared: usize,
    mirrored: Vec<SocketAddr>,
}

/// What came back.
#[derive(Debug)]
struct Told {
    rcode: Rcode,
    aa: bool,
    tc: bool,
    records: Vec<String>,
    errors: Vec<u16>,
}

impl World {
    fn new() -> World {
        let parts = ResolverParts::in_memory(Settings::default(), [5; 32], 1 << 20).expect("room");
        let mut resolver = Resolver::new(parts);
        let rules = Rules::new(SEED);
        let layers = resolver.layers_mut();
        layers
            .insert(Box::new(PolicyLayer::new(rules.clone())), Place::Before(local_data::NAME))
            .expect("a place");
        layers
            .insert(Box::new(ViewLayer::new(rules.clone())), Place::After(local_data::NAME))
            .expect("a place");
        World {
            resolver,
            rules,
            next: 0,
            asked: Vec::new(),
            upstream: None,
            shared: 0,
            mirrored: Vec::new(),
        }
    }

    fn add_to(
        &mut self,
        list: List,
        client: Option<Client>,
        filter: Filter,
        action: Action,
    ) -> RuleId {
        let id = RuleId(self.next);
        self.next += 1;
        self.rules.add(id, list, Rule { client, filter, action });
        self.resolver.forget_answers();
        id
    }

    fn add(&mut self, filter: Filter, action: Action) -> RuleId {
        self.add_to(List::Before, None, filter, action)
    }

    fn after(&mut self, filter: Filter, action: Action) -> RuleId {
        self.add_to(List::After, None, filter, action)
    }

    fn view(&mut self, client: Client, filter: Filter, action: Action) -> RuleId {
        self.add_to(List::View, Some(client), filter, action)
    }

    fn now() -> Now {
        Now { mono: Mono(1_000_000_000), unix: UnixTime::from_seconds(1_700_000_000) }
    }

    /// Asks as a client would. `None`: no answer (yet).
    fn ask_from(&mut self, from: &str, question: &str, stream: bool) -> Option<Told> {
        let wire = query(question, None);
        self.ask_wire(from, &wire, stream)
    }

    fn ask_wire(&mut self, from: &str, wire: &[u8], stream: bool) -> Option<Told> {
        let client = Asker {
            token: 1,
            peer: SocketAddr::new(from.parse().expect("an address"), 4000),
            local: SocketAddr::from(([192, 0, 2, 53], 53)),
            protocol: if stream { ClientProtocol::Tcp } else { ClientProtocol::Udp },
        };
        let mut out = Vec::new();
        if self.resolver.answer_cached(World::now(), &client, wire, &mut out) {
            self.shared += 1;
            return Some(told(&out));
        }
        self.resolver.handle_request(World::now(), client, wire);
        let answer = self.carry_out();
        self.resolver.end_turn(World::now());
        answer
    }

    /// Carries out what the resolver wants; the answer, if one left.
    fn carry_out(&mut self) -> Option<Told> {
        let mut answer = None;
        while let Some(effect) = self.resolver.poll_action() {
            match effect {
                Effect::Respond { wire, .. } => answer = Some(told(&wire)),
                Effect::Exchange { id, target, wire, .. } => {
                    let question = Message::parse(&wire).expect("a message").question();
                    let question = question.expect("a question");
                    let asked = format!("{} {}", question.name, question.rtype).to_lowercase();
                    self.asked.push((target.address, asked));
                    if self.upstream == Some(target.address) {
                        self.resolver.handle_reply(World::now(), id, Ok(&reply_to(&wire)));
                    }
                }
                Effect::Mirror { target, .. } => self.mirrored.push(target),
                Effect::Drop { .. } | Effect::Cancel { .. } => {}
            }
        }
        answer
    }

    fn ask(&mut self, question: &str) -> Option<Told> {
        self.ask_from("198.51.100.7", question, false)
    }

    #[track_caller]
    fn rcode(&mut self, question: &str) -> Rcode {
        self.ask(question).expect("an answer").rcode
    }

    /// Is the question asked of a server, as if there were no rules?
    fn is_resolved(&mut self, question: &str) -> bool {
        let waiting = self.resolver.requests();
        self.ask(question).is_none() && self.resolver.requests() > waiting
    }

    fn log(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.resolver.poll_log()).map(|line| line.text).collect()
    }
}

fn query(question: &str, key: Option<&str>) -> Vec<u8> {
    let (owner, rtype) = question.split_once(' ').unwrap_or((question, "A"));
    let mut header = Header { id: 7, ..Header::default() };
    header.set_rd(true);
    let mut wire = Vec::new();
    let mut composer = Composer::new(&mut wire, header, 4096);
    composer
        .question(&name(owner), rtype.parse().expect("a type"), Class::IN)
        .expect("room for a question");
    if let Some(key) = key {
        // Algorithm, time, fudge, an empty MAC, original id, no error, nothing else.
        let rdata = [&b"\0"[..], &[0; 8], &[0, 0], &[0, 7], &[0, 0], &[0, 0]].concat();
        let rdatas = std::iter::once(rdata.as_slice());
        composer
            .records(Section::Additional, &name(key), Rtype::TSIG, Class::ANY, 0, rdatas)
            .expect("room for a signature");
        composer.finish(None);
    } else {
        composer.finish(Some(&OptRecord::new(4096, false)));
    }
    wire
}

/// What an upstream says: one address, whatever the name.
fn reply_to(query: &[u8]) -> Vec<u8> {
    let query = Message::parse(query).expect("a message");
    let question = query.question().expect("a question");
    let mut header = Header { id: query.header().id, ..Header::default() };
    header.set_qr(true);
    header.set_rd(true);
    header.set_ra(true);
    let mut wire = Vec::new();
    let mut composer = Composer::new(&mut wire, header, 4096);
    composer.question(&question.name, question.rtype, question.class).expect("room");
    let rdatas = std::iter::once(&[192, 0, 2, 7][..]);
    composer
        .records(Section::Answer, &question.name, Rtype::A, Class::IN, 60, rdatas)
        .expect("room");
    composer.finish(None);
    wire
}

fn told(wire: &[u8]) -> Told {
    let message = Message::parse(wire).expect("a message");
    let sections = message.answer().chain(message.authority()).chain(message.additional());
    let errors = message.edns().map(|edns| edns.extended_errors().map(|(code, _)| code.0));
    Told {
        rcode: message.rcode(),
        aa: message.header().aa(),
        tc: message.header().tc(),
        records: sections.map(|record| record.to_string()).collect(),
        errors: errors.into_iter().flatten().collect(),
    }
}

#[test]
fn without_rules_everything_is_resolved() {
    let mut world = World::new();
    assert!(world.is_resolved("www.example"));
    assert_eq!(world.rcode("x.test"), Rcode::NXDOMAIN, "a special-use name");
}

#[test]
fn filters_select() {
    let mut world = World::new();
    world.add(suffix(&["a.example", "b.example"]), Action::Refuse);
    world.add(Filter::Domains(names(&["c.example"])), Action::Refuse);
    for question in ["a.example", "x.B.example", "C.example"] {
        assert_eq!(world.rcode(question), Rcode::REFUSED, "{question}");
    }
    for question in ["example", "ca.example", "x.c.example"] {
        assert!(world.is_resolved(question), "{question}");
    }
    world.add(Filter::All, Action::Refuse);
    assert_eq!(world.rcode("ca.example"), Rcode::REFUSED);
}

#[test]
fn patterns_see_the_wire_format_in_lower_case() {
    let mut world = World::new();
    world
        .add(Filter::Pattern(Pattern::new(b"\x04bad%d\x02cz").expect("a pattern")), Action::Refuse);
    assert_eq!(world.rcode("www.BAD7.cz"), Rcode::REFUSED);
    assert!(world.is_resolved("www.badd.cz"));
}

#[test]
fn the_first_rule_that_decides_wins_and_all_that_apply_are_counted() {
    let mut world = World::new();
    let chain = world.add(
        Filter::All,
        Action::Flags { set: QueryFlags::NO_0X20, clear: QueryFlags::REORDER_RR },
    );
    let pass = world.add(suffix(&["good.test"]), Action::Pass);
    let deny = world.add(suffix(&["test"]), deny());
    let late = world.add(suffix(&["test"]), Action::Refuse);
    assert!(world.is_resolved("good.test"), "also a special-use name");
    assert_eq!(world.rcode("bad.test"), Rcode::NXDOMAIN);
    let hits = |world: &World| [chain, pass, deny, late].map(|id| world.rules.hits(id));
    assert_eq!(hits(&world), [2, 1, 1, 0]);
    assert!(world.rules.remove(deny));
    assert!(!world.rules.remove(deny));
    assert_eq!(world.rcode("bad.test"), Rcode::REFUSED);
    assert_eq!(hits(&world), [3, 1, 0, 1]);
}

#[test]
fn denials_say_why() {
    let mut world = World::new();
    world.add(suffix(&["a"]), deny());
    world.add(
        Filter::All,
        Action::Deny {
            message: Some("because".into()),
            extended_error: ExtendedErrorCode::CENSORED,
        },
    );
    let told = world.ask("X.a").expect("an answer");
    assert_eq!((told.rcode, told.aa, told.errors), (Rcode::NXDOMAIN, true, vec![15]));
    assert_eq!(told.records, ["X.a. 10800 IN SOA X.a. nobody.invalid. 1 3600 1200 604800 10800"]);
    let told = world.ask("x.b").expect("an answer");
    assert_eq!(told.errors, [16]);
    assert_eq!(told.records[1], "explanation.invalid. 10800 IN TXT \"because\"");
}

#[test]
fn other_ends() {
    let mut world = World::new();
    world.add(suffix(&["drop"]), Action::Drop);
    world.add(suffix(&["refuse"]), Action::Refuse);
    world.add(suffix(&["silent"]), Action::NoAnswer);
    world.add(suffix(&["tc"]), Action::Truncate);
    world.add(suffix(&["tc"]), deny());
    world.add(
        suffix(&["flag"]),
        Action::Flags { set: QueryFlags::NO_ANSWER, clear: QueryFlags::empty() },
    );
    world.add(suffix(&["flag"]), deny());
    let told = world.ask("drop").expect("an answer");
    assert_eq!((told.rcode, told.aa, told.errors), (Rcode::SERVFAIL, false, vec![18]));
    let told = world.ask("refuse").expect("an answer");
    assert_eq!((told.rcode, told.aa, told.errors), (Rcode::REFUSED, false, vec![18]));
    assert!(world.ask("silent").is_none() && world.asked.is_empty());
    assert!(world.ask("flag").is_none() && world.asked.is_empty());
    let told = world.ask("tc").expect("an answer");
    assert_eq!((told.rcode, told.tc, told.records.len()), (Rcode::NOERROR, true, 0));
    world.asked.clear();
    assert!(world.ask_from("198.51.100.7", "tc", true).is_none(), "over a stream it passes");
    assert!(!world.asked.is_empty());
    assert_eq!(world.rules.hits(RuleId(4)), 0);
}

#[test]
fn own_answers() {
    let mut world = World::new();
    world.add(suffix(&["a"]), addresses(&["192.0.2.1", "192.0.2.2"], false));
    world.add(suffix(&["b"]), addresses(&["192.0.2.1"], true));
    let told = world.ask("X.a").expect("an answer");
    assert_eq!((told.rcode, told.aa, &*told.errors), (Rcode::NOERROR, true, &[4][..]));
    let mut records = told.records;
    records.sort();
    assert_eq!(records, ["X.a. 300 IN A 192.0.2.1", "X.a. 300 IN A 192.0.2.2"]);
    assert!(world.is_resolved("x.a AAAA"), "the next rule");
    let told = world.ask("x.b AAAA").expect("an answer");
    assert_eq!((told.rcode, told.aa), (Rcode::NOERROR, true));
    assert_eq!(told.records, ["x.b. 1 IN SOA x.b. nobody.invalid. 1 3600 1200 604800 10800"]);
    assert_eq!([RuleId(0), RuleId(1)].map(|id| world.rules.hits(id)), [1, 1]);
}

#[test]
fn forwarding_and_stubs_ask_the_given_servers() {
    for kind in [ForwardKind::Forward, ForwardKind::Stub] {
        let mut world = World::new();
        let target = SocketAddr::from(([203, 0, 113, 1], 5353));
        let forward = Forward { suffix: Name::root(), kind, targets: vec![(target, Via::Udp)] };
        world.add(suffix(&["test"]), Action::Forward(Arc::new(forward)));
        world.add(Filter::All, Action::Refuse);
        assert!(world.is_resolved("www.test"), "also a special-use name");
        assert_eq!(world.asked, [(target, "www.test. a".to_owned())], "{kind:?}");
        assert_eq!(world.rcode("www.example"), Rcode::REFUSED);
    }
}

#[test]
fn copies_go_out_for_every_request() {
    let mut world = World::new();
    let target = SocketAddr::from(([203, 0, 113, 1], 53));
    world.add(suffix(&["a"]), Action::Mirror(target));
    world.add(suffix(&["a"]), addresses(&["192.0.2.1"], false));
    for _ in 0..3 {
        assert_eq!(world.rcode("x.a"), Rcode::NOERROR);
    }
    assert_eq!(world.mirrored, [target; 3]);
}

#[test]
fn rules_behind_the_answer_change_it() {
    let mut world = World::new();
    world.add(suffix(&["a", "b"]), addresses(&["192.0.2.55", "198.51.100.1"], true));
    let map = vec![
        (network("192.0.2.48/28"), "10.9.8.0".parse::<IpAddr>().expect("an address")),
        (network("192.0.2.0/24"), "127.0.0.0".parse().expect("an address")),
    ];
    world.after(suffix(&["a"]), Action::Reroute(map));
    world.after(suffix(&["b"]), deny());
    world.after(suffix(&["c"]), Action::Refuse);
    let mut records = world.ask("a").expect("an answer").records;
    records.sort();
    assert_eq!(records, ["a. 300 IN A 10.9.8.7", "a. 300 IN A 198.51.100.1"]);
    let told = world.ask("b").expect("an answer");
    assert_eq!(told.rcode, Rcode::NXDOMAIN);
    assert!(told.records.iter().all(|record| record.contains("SOA")), "{told:?}");
    world.add(suffix(&["c"]), Action::Drop);
    assert_eq!(world.rcode("c"), Rcode::SERVFAIL, "failed requests are left alone");
}

#[test]
fn a_zone_is_replaced_as_a_whole() {
    let zone =
        |text: &str| Arc::new(Zone::read(text.as_bytes(), SEED, &mut |_| {}).expect("a zone"));
    let mut world = World::new();
    let id = world.add(Filter::rpz(None), Action::Refuse);
    assert!(world.is_resolved("bad"), "nothing is read yet");
    let first = "bad CNAME .\n*.bad CNAME *.\nok.bad CNAME rpz-passthru.\nhost A 192.0.2.1\n";
    assert!(world.rules.replace_zone(id, zone(first)));
    assert_eq!(world.rcode("bad"), Rcode::REFUSED);
    assert_eq!(world.rcode("x.bad"), Rcode::NOERROR);
    assert!(world.is_resolved("ok.bad"));
    assert_eq!(world.ask("host").expect("an answer").records, ["host. 3600 IN A 192.0.2.1"]);
    assert_eq!(world.rcode("host AAAA"), Rcode::NOERROR);
    assert_eq!(world.rules.hits(id), 5);
    assert!(world.rules.replace_zone(id, zone("other CNAME .\n")));
    assert!(world.is_resolved("bad"));
    assert_eq!(world.rcode("other"), Rcode::REFUSED);
    assert!(!world.rules.replace_zone(RuleId(77), zone("")));
}

#[test]
fn views_see_the_client() {
    let mut world = World::new();
    let ours = Client::Destination(network("192.0.2.53/32"));
    world.view(ours, suffix(&["x"]), Action::Drop);
    world.view(Client::Source(network("10.0.0.0/8")), suffix(&["x"]), Action::Refuse);
    world.view(Client::Source(network("10.1.0.0/16")), suffix(&["y"]), Action::Refuse);
    let rcode = |world: &mut World, from: &str, question: &str| {
        world.ask_from(from, question, false).map(|told| told.rcode)
    };
    assert_eq!(rcode(&mut world, "10.2.3.4", "x"), Some(Rcode::REFUSED), "clients come first");
    assert_eq!(rcode(&mut world, "::ffff:10.2.3.4", "x"), Some(Rcode::REFUSED), "mapped");
    assert_eq!(rcode(&mut world, "11.2.3.4", "x"), Some(Rcode::SERVFAIL));
    assert_eq!(rcode(&mut world, "10.1.3.4", "y"), Some(Rcode::REFUSED));
    assert_eq!(rcode(&mut world, "10.2.3.4", "y"), None, "it is resolved");
    world.add(suffix(&["x"]), deny());
    assert_eq!(rcode(&mut world, "10.2.3.4", "x"), Some(Rcode::NXDOMAIN), "policy comes first");
}

#[test]
fn views_see_the_name_of_the_key() {
    let mut world = World::new();
    world.view(Client::Tsig(name("mykey")), Filter::All, Action::Refuse);
    let mut ask = |key: Option<&str>| world.ask_wire("10.0.0.1", &query("x.y", key), false);
    assert_eq!(ask(Some("MyKey")).expect("an answer").rcode, Rcode::REFUSED);
    assert!(ask(Some("other")).is_none());
    assert!(ask(None).is_none());
}

/// What functions of the operator did and what they are to return.
#[derive(Default)]
struct Scripted {
    calls: RefCell<Vec<String>>,
}

impl Functions for Scripted {
    fn filter(
        &self,
        functions: &[FunctionId],
        ctx: &mut RequestContext<'_>,
        _state: State,
        _list: List,
    ) -> Result<Option<(usize, Action)>, FunctionFault> {
        let asked = &ctx.request.question.name;
        let numbers: Vec<u32> = functions.iter().map(|function| function.0).collect();
        self.calls.borrow_mut().push(format!("{numbers:?} {asked}"));
        if let Some(at) = numbers.iter().position(|number| *number == 3) {
            return Err(FunctionFault(format!("no such luck at {at}")));
        }
        let denied = *asked == name("denied");
        let at = numbers.iter().position(|number| *number == 1);
        Ok(at.filter(|_| denied).map(|at| (at, deny())))
    }

    fn action(
        &self,
        function: FunctionId,
        ctx: &mut RequestContext<'_>,
        _state: State,
        _list: List,
    ) -> Result<Option<State>, FunctionFault> {
        match function.0 {
            1 => {
                ctx.request.response.rcode = Rcode::NOTAUTH;
                Ok(Some(State::Done))
            }
            _ => Ok(None),
        }
    }

    fn test(
        &self,
        function: FunctionId,
        _ctx: &mut RequestContext<'_>,
    ) -> Result<bool, FunctionFault> {
        Ok(function.0 == 1)
    }
}

#[test]
fn functions_of_the_operator_are_asked() {
    let mut world = World::new();
    let functions = Rc::new(Scripted::default());
    world.rules.set_functions(functions.clone());
    world.add(Filter::Function(FunctionId(7)), Action::Pass);
    let id = world.add(Filter::Function(FunctionId(1)), Action::Pass);
    world.add(suffix(&["act"]), Action::Function(FunctionId(2)));
    world.add(suffix(&["act"]), Action::Function(FunctionId(1)));
    assert_eq!(world.rcode("denied"), Rcode::NXDOMAIN);
    assert_eq!(world.rcode("act"), Rcode::NOTAUTH);
    assert_eq!(*functions.calls.borrow(), ["[7, 1] denied.", "[7, 1] act."]);
    assert_eq!(world.rules.hits(id), 1);
    world.add(Filter::Function(FunctionId(3)), Action::Pass);
    assert_eq!(world.rcode("broken"), Rcode::SERVFAIL);
}

#[test]
fn traces_are_written_if_they_are_wanted() {
    let mut world = World::new();
    world.rules.set_functions(Rc::new(Scripted::default()));
    world.add(suffix(&["always"]), Action::DebugAlways);
    world.add(suffix(&["miss"]), Action::DebugCacheMiss);
    world.add(suffix(&["yes"]), Action::DebugIf(FunctionId(1)));
    world.add(suffix(&["no"]), Action::DebugIf(FunctionId(2)));
    world.add(suffix(&["ip"]), Action::IpTrace);
    world.add(Filter::All, Action::Refuse);
    for (question, expected) in
        [("always", true), ("miss", false), ("yes", true), ("no", false), ("none", false)]
    {
        world.rcode(question);
        let log = world.log();
        assert_eq!(!log.is_empty(), expected, "{question}: {log:?}");
        if expected {
            let all = log.join("\n");
            assert!(all.contains("request packet:") && all.contains("answer packet:"), "{all}");
        }
    }
    world.rcode("ip");
    let log = world.log().join("\n");
    assert!(log.contains("arrived from 198.51.100.7#04000 to 192.0.2.53#00053 (UDP)"), "{log}");
}

/// A world in which everything is forwarded to an upstream that answers.
fn served() -> World {
    let mut world = World::new();
    let target = SocketAddr::from(([203, 0, 113, 1], 53));
    world.upstream = Some(target);
    let targets = vec![(target, Via::Udp)];
    let forward = Forward { suffix: Name::root(), kind: ForwardKind::Stub, targets };
    world.add(Filter::All, Action::Forward(Arc::new(forward)));
    world
}

#[test]
fn finished_answers_are_shared_and_their_rules_counted() {
    let mut world = served();
    for count in 1..=5 {
        let told = world.ask("www.example").expect("an answer");
        assert_eq!(told.records.len(), 1, "{told:?}");
        assert_eq!(world.rules.hits(RuleId(0)), count);
    }
    assert_eq!(world.asked.len(), 1);
    // One comes from upstream, one from the store.
    assert_eq!(world.shared, 3);
}

#[test]
fn what_is_done_for_each_request_is_not_shared() {
    for action in [
        Action::Mirror(SocketAddr::from(([203, 0, 113, 2], 53))),
        Action::DebugAlways,
        Action::DebugCacheMiss,
        Action::QTrace,
        Action::IpTrace,
        Action::Function(FunctionId(2)),
        Action::Truncate,
    ] {
        let mut world = World::new();
        world.rules.set_functions(Rc::new(Scripted::default()));
        world.add(suffix(&["www.example"]), action.clone());
        let target = SocketAddr::from(([203, 0, 113, 1], 53));
        world.upstream = Some(target);
        let targets = vec![(target, Via::Udp)];
        let forward = Forward { suffix: Name::root(), kind: ForwardKind::Stub, targets };
        let settings = Settings { forwards: vec![forward], ..Settings::default() };
        world.resolver.configure(World::now(), settings);
        for _ in 0..4 {
            world.ask_from("198.51.100.7", "www.example", true).expect("an answer");
            world.ask_from("198.51.100.7", "other.example", true).expect("an answer");
        }
        assert_eq!(world.shared, 2, "{action:?}: only what no such rule applies to");
        assert_eq!(world.rules.hits(RuleId(0)), 4);
    }
}

#[test]
fn clients_of_different_networks_share_nothing() {
    let mut world = served();
    // Behind the rules for everybody nothing of `view` would be asked: this one goes before them.
    let rules = world.rules.clone();
    let layers = world.resolver.layers_mut();
    layers.insert(Box::new(ViewLayer::new(rules)), Place::Before(POLICY)).expect("a place");
    world.view(Client::Source(network("10.0.0.0/8")), suffix(&["example"]), Action::Refuse);
    for from in ["198.51.100.7", "192.0.2.1", "198.51.100.8", "192.0.2.1"] {
        let told = world.ask_from(from, "www.example", false).expect("an answer");
        assert_eq!(told.rcode, Rcode::NOERROR, "{from}");
    }
    assert!(world.shared > 0);
    let told = world.ask_from("10.1.1.1", "www.example", false).expect("an answer");
    assert_eq!(told.rcode, Rcode::REFUSED);
    world.rules.remove(RuleId(1));
    let told = world.ask_from("10.1.1.1", "www.example", false).expect("an answer");
    assert_eq!(told.rcode, Rcode::NOERROR);
}

#[test]
fn an_alias_is_followed() {
    let mut world = World::new();
    let text = b"www.example 60 CNAME landing.example.\n";
    let zone = Arc::new(Zone::read(text, SEED, &mut |_| {}).expect("a zone"));
    world.add(Filter::rpz(Some(zone)), deny());
    let target = SocketAddr::from(([203, 0, 113, 1], 53));
    world.upstream = Some(target);
    let targets = vec![(target, Via::Udp)];
    let forward = Forward { suffix: Name::root(), kind: ForwardKind::Stub, targets };
    let forward = Action::Forward(Arc::new(forward));
    world.add(Filter::All, forward);
    // The alias decides, so the rule behind it does not forward.
    assert!(world.ask("www.example").is_none());
    world.rules.remove(RuleId(1));
    let told = world.ask("www.example CNAME").expect("an answer");
    assert_eq!(told.records, ["www.example. 60 IN CNAME landing.example."]);
    assert!(told.aa);
    let mut settings = Settings::default();
    let targets = vec![(target, Via::Udp)];
    settings.forwards = vec![Forward { suffix: Name::root(), kind: ForwardKind::Stub, targets }];
    world.resolver.configure(World::now(), settings);
    let told = world.ask_from("198.51.100.9", "www.example", false).expect("an answer");
    assert_eq!(
        told.records,
        ["www.example. 60 IN CNAME landing.example.", "landing.example. 60 IN A 192.0.2.7"]
    );
}
