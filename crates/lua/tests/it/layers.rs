//! Layers written in Lua, in a resolver without network: one server that answers everything.

use dns::{Class, Composer, Header, Message, Name, Rcode, Rtype, Section};
use lua::host::QueryId;
use lua::policy::{Action as PolicyAction, LuaFunction};
use resolve::layer::stack::Place;
use resolve::{
    Action, Client, ClientProtocol, Forward, ForwardKind, Hooks, Layer, Mono, Now, RequestContext,
    Resolver, ResolverParts, Settings, State, UnixTime, Via,
};

use crate::world::{World, check_console};

/// A resolver with what Lua has put into it.
struct Served {
    world: World,
    resolver: Resolver,
    now: Now,
    id: u16,
}

/// What a client is told.
struct Told {
    rcode: Rcode,
    aa: bool,
    records: Vec<String>,
    errors: Vec<u16>,
}

const CLIENT: &str = "192.0.2.9:4000";

impl Served {
    /// A module `m` with this code in front of all others; it returns its table `M`.
    fn new(code: &str) -> Served {
        let world = World::ready();
        world.write("lib/kres_modules/m.lua", &format!("local M = {{}} {code} return M"));
        let path = world.path().join("lib").display().to_string();
        world.eval(&format!("package.path = '{path}/?.lua;' .. package.path"));
        assert_eq!(world.eval("modules.load('m')"), "true");
        let mut served = Served::with(world);
        served.insert_layers();
        served
    }

    fn with(world: World) -> Served {
        let settings = Settings {
            forwards: vec![Forward {
                suffix: Name::root(),
                kind: ForwardKind::Stub,
                targets: vec![("198.51.100.1:53".parse().unwrap(), Via::Udp)],
            }],
            ..Settings::default()
        };
        let parts = ResolverParts::in_memory(settings, [7; 32], 1 << 20).unwrap();
        let unix = UnixTime::from_seconds(1_700_000_000);
        let now = Now { mono: Mono(1_000_000_000), unix };
        Served { world, resolver: Resolver::new(parts), now, id: 0 }
    }

    fn insert_layers(&mut self) {
        for layer in self.world.host.layers.take() {
            self.resolver.layers_mut().insert(Box::new(layer), Place::Last).unwrap();
        }
    }

    /// Asks and answers what the resolver asks in turn. `None`: no answer.
    fn ask_message(&mut self, name: &str, rtype: Rtype, edns: bool) -> Option<Vec<u8>> {
        self.id += 1;
        let mut header = Header { id: self.id, ..Header::default() };
        header.set_rd(true);
        let mut wire = Vec::new();
        let mut composer = Composer::new(&mut wire, header, 512);
        composer.question(&name.parse().unwrap(), rtype, Class::IN).unwrap();
        let opt = dns::edns::OptRecord::new(1232, false);
        composer.finish(edns.then_some(&opt));
        self.send(ClientProtocol::Udp, 1, &wire)
    }

    /// The answer to a message.
    fn send(&mut self, protocol: ClientProtocol, token: u64, wire: &[u8]) -> Option<Vec<u8>> {
        let (peer, local) = (CLIENT.parse().unwrap(), "192.0.2.1:53".parse().unwrap());
        let client = Client { token, peer, local, protocol };
        self.resolver.handle_request(self.now, client, wire);
        let mut answer = None;
        while let Some(action) = self.resolver.poll_action() {
            match action {
                Action::Respond { wire, .. } => answer = Some(wire),
                Action::Exchange { id, wire, .. } => {
                    let reply = upstream(&wire);
                    self.resolver.handle_reply(self.now, id, Ok(&reply));
                }
                Action::Drop { .. } | Action::Mirror { .. } | Action::Cancel { .. } => {}
            }
        }
        self.resolver.end_turn(self.now);
        answer
    }

    fn ask(&mut self, name: &str, rtype: Rtype) -> Told {
        told(&self.ask_message(name, rtype, true).unwrap())
    }

    /// The messages of the log, which a test expects.
    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.world.host.messages.borrow_mut())
    }
}

fn told(wire: &[u8]) -> Told {
    let message = Message::parse(wire).unwrap();
    let records = [Section::Answer, Section::Authority, Section::Additional];
    let records = records.into_iter().flat_map(|section| {
        message.section(section).map(|record| record.to_string()).collect::<Vec<_>>()
    });
    let edns = message.edns();
    let errors = edns.into_iter().flat_map(|edns| {
        edns.options()
            .filter(|option| option.code.0 == 15)
            .map(|option| u16::from_be_bytes([option.data[0], option.data[1]]))
    });
    Told {
        rcode: message.rcode(),
        aa: message.header().aa(),
        records: records.collect(),
        errors: errors.collect(),
    }
}

/// The server: every name has the address 203.0.113.1, names below `nx.` do not exist.
fn upstream(query: &[u8]) -> Vec<u8> {
    let message = Message::parse(query).unwrap();
    let question = message.question().unwrap();
    let mut header = Header { id: message.header().id, ..Header::default() };
    header.set_qr(true);
    header.set_ra(true);
    header.set_rd(true);
    let exists = !question.name.to_string().to_lowercase().ends_with(".nx.");
    if !exists {
        header.set_rcode_low(Rcode::NXDOMAIN);
    }
    let mut wire = Vec::new();
    let mut composer = Composer::new(&mut wire, header, 1232);
    composer.question(&question.name, question.rtype, question.class).unwrap();
    let (name, class) = (&question.name, question.class);
    if exists && question.rtype == Rtype::A {
        let rdata = std::iter::once(&[203, 0, 113, 1][..]);
        composer.records(Section::Answer, name, Rtype::A, class, 300, rdata).unwrap();
    } else {
        let soa = [&b"\0\0"[..], &[0; 20]].concat();
        let rdata = std::iter::once(&soa[..]);
        let root = Name::root();
        composer.records(Section::Authority, &root, Rtype::SOA, class, 60, rdata).unwrap();
    }
    composer.finish(None);
    wire
}

#[test]
fn hooks_run_in_the_order_of_a_request_s_life() {
    let mut served = Served::new(
        "seen = {} \
         local function hook(name) return function (state, req, pkt) \
         seen[#seen + 1] = name .. ' ' .. state .. (pkt and ' ' .. pkt:rcode() or '') end end \
         M.layer = { begin = hook 'begin', reset = hook 'reset', produce = hook 'produce', \
         checkout = hook 'checkout', consume = hook 'consume', \
         answer_finalize = hook 'answer_finalize', finish = hook 'finish' }",
    );
    let answer = served.ask("www.example.", Rtype::A);
    assert_eq!(answer.rcode, Rcode::NOERROR);
    assert!(served.log().is_empty());
    check_console(
        &served.world,
        &[(
            "table.concat(seen, ', ')",
            "'begin 2, reset 2, produce 2 0, checkout 2 0, consume 4 0, answer_finalize 4, finish 4'",
        )],
    );
}

#[test]
fn a_begin_hook_answers() {
    let mut served = Served::new(
        "M.layer = { begin = function (state, req) \
         local qry = req:current() \
         if qry.stype ~= kres.type.A or kres.dname2str(qry:name()) ~= 'local.example.' then return state end \
         local answer = req:ensure_answer() \
         if answer == nil then return nil end \
         answer:rcode(kres.rcode.NOERROR) \
         answer:aa(true) \
         answer:begin(kres.section.ANSWER) \
         answer:put(qry.sname, 900, answer:qclass(), kres.type.A, '\\192\\168\\1\\3') \
         answer:put(qry.sname, 900, answer:qclass(), kres.type.A, kres.str2ip('192.168.1.4')) \
         assert(#answer:section(kres.section.ANSWER) == 2) \
         assert(answer:rrsets(kres.section.ANSWER)[1]:rdcount() == 2) \
         assert(answer:ancount() == 2 and answer:qdcount() == 1 and answer:has_edns()) \
         req:set_extended_error(kres.extended_error.FORGED, 'TEST') \
         return kres.DONE end }",
    );
    let answer = served.ask("local.example.", Rtype::A);
    assert_eq!(
        answer.records,
        ["local.example. 900 IN A 192.168.1.3", "local.example. 900 IN A 192.168.1.4"]
    );
    assert!(answer.aa);
    assert_eq!(answer.errors, [4]);
    let other = served.ask("other.example.", Rtype::A);
    assert_eq!(other.records, ["other.example. 300 IN A 203.0.113.1"]);
    assert!(served.log().is_empty());
}

#[test]
fn a_hook_that_fails_costs_its_request_only() {
    for (hook, rcode) in [
        ("begin", Rcode::SERVFAIL),
        ("produce", Rcode::SERVFAIL),
        ("consume", Rcode::SERVFAIL),
        ("answer_finalize", Rcode::SERVFAIL),
        ("finish", Rcode::NOERROR),
    ] {
        let mut served = Served::new(&format!(
            "local count = 0 M.layer = {{ {hook} = function (state, req) count = count + 1 \
             if count == 1 then error('boom') end end }}"
        ));
        assert_eq!(served.ask("a.example.", Rtype::A).rcode, rcode, "{hook}");
        let log = served.log();
        assert_eq!(log.len(), 1, "{log:?}");
        let start = format!("[module] err module 'm', {hook}: ");
        assert!(log[0].starts_with(&start) && log[0].ends_with("boom"), "{}", log[0]);
        assert_eq!(served.ask("b.example.", Rtype::A).rcode, Rcode::NOERROR, "{hook}");
    }
}

#[test]
fn waiting_in_a_hook_is_an_error_in_clear_words() {
    let mut served = Served::new("M.layer = { begin = function () coroutine.yield(1) end }");
    assert_eq!(served.ask("a.example.", Rtype::A).rcode, Rcode::SERVFAIL);
    let log = served.log();
    assert!(
        log[0].contains("a layer cannot wait: worker.sleep() and coroutine.yield()"),
        "{log:?}"
    );
}

#[test]
fn an_endless_hook_is_stopped() {
    let mut served = Served::new(
        "M.layer = { begin = function (_, req) if req:current().stype == 1 then while true do end end end }",
    );
    served.world.lua.start_counting().unwrap();
    assert_eq!(served.ask("a.example.", Rtype::A).rcode, Rcode::SERVFAIL);
    assert!(served.log()[0].contains("stopped after 50 ms of processor time"));
    assert_eq!(served.ask("a.example.", Rtype::AAAA).rcode, Rcode::NOERROR);
}

#[test]
fn handles_are_of_no_use_after_their_request() {
    let mut served = Served::new(
        "M.layer = { begin = function (state, req) \
         kept = { req, req:current(), req:ensure_answer(), req.options, req:vars() } end, \
         consume = function (state, req, pkt) packet = pkt query = req:current() end }",
    );
    served.ask("a.example.", Rtype::A);
    let over = "can be used in hooks and rules only";
    for (use_it, error) in [
        ("kept[1]:current()", over),
        ("kept[1]:vars()", over),
        ("kept[1].qsource", over),
        ("kept[1].state", over),
        ("kept[2].stype", "a query is used after its request"),
        ("kept[2]:name()", "a query is used after its request"),
        ("kept[3]:rcode()", over),
        ("kept[3]:put('\\0', 1, 1, 1, 'abcd')", over),
        ("kept[4].NO_CACHE", over),
        ("kept[4].NO_CACHE = true", over),
        ("query.flags", "a query is used after its request"),
        ("packet:rcode()", over),
    ] {
        let text = served.world.eval_error(use_it);
        assert!(text.contains(error), "{use_it}: {text}");
    }
    // The same when another request runs.
    let code = "again = function () return pcall(function () return kept[1]:current() end) end \
                kept_old = kept";
    served.world.eval(code);
    served.ask("b.example.", Rtype::A);
    let text = served.world.eval_error("kept_old[1]:current()");
    assert!(text.contains(over), "{text}");
}

#[test]
fn the_source_of_a_request_and_its_variables() {
    let mut served = Served::new(
        "M.layer = { begin = function (state, req) \
         local source = req.qsource \
         req:vars().seen = tostring(source.addr) .. ' ' .. source.addr:family() .. ' ' \
         .. #source.addr:ip() .. ' ' .. tostring(source.dst_addr) .. ' ' .. tostring(source.flags.tcp) \
         .. ' ' .. kres.dname2str(source.packet:qname()) .. ' ' .. tostring(source.packet:rd()) end, \
         finish = function (state, req) \
         result = req:vars().seen .. ' ' .. kres.dname2str(req:resolved():name()) .. ' ' \
         .. tostring(req:resolved().flags.CACHED) .. ' ' .. req.answer:rcode() .. ' ' .. req.rank end }",
    );
    served.ask("a.example.", Rtype::A);
    assert!(served.log().is_empty());
    check_console(
        &served.world,
        &[(
            "result",
            "'192.0.2.9#4000 2 4 192.0.2.1#53 false a.example. true a.example. false 0 24'",
        )],
    );
}

#[test]
fn flags_reach_the_resolver() {
    let mut served = Served::new(
        "M.layer = { begin = function (state, req) \
         assert(req.options.NO_CACHE == false) \
         req.options.NO_CACHE = true \
         assert(req:current().flags.NO_CACHE) \
         req:current().flags.RESOLVED = true \
         assert(req:current().flags.RESOLVED) \
         local ok, err = pcall(function () return req.options.NO_CASH end) \
         assert(not ok and err:find(\"no member named 'NO_CASH'\")) end, \
         produce = function (state, req) asked = (asked or 0) + 1 \
         cached = req:current().flags.CACHED end }",
    );
    for _ in 0..3 {
        served.ask("a.example.", Rtype::A);
    }
    assert!(served.log().is_empty());
    check_console(&served.world, &[("asked", "3"), ("cached", "false")]);
}

#[test]
fn a_produce_hook_is_the_source_of_an_answer() {
    let mut served = Served::new(
        "M.layer = { produce = function (state, req, pkt) \
         local qry = req:current() \
         if qry.flags.CACHED then return state end \
         local name = kres.dname2str(qry:name()) \
         if name == 'no.example.' then pkt:rcode(kres.rcode.NXDOMAIN) return kres.DONE end \
         if name == 'half.example.' then pkt:rcode(kres.rcode.NXDOMAIN) return state end \
         if name ~= 'made.example.' then return state end \
         assert(pkt:qname() == qry:name() and pkt:qtype() == kres.type.A) \
         pkt:begin(kres.section.ANSWER) \
         pkt:put(qry:name(), 60, kres.class.IN, kres.type.A, '\\10\\0\\0\\1') \
         return kres.DONE end }",
    );
    let made = served.ask("made.example.", Rtype::A);
    assert_eq!(made.records, ["made.example. 60 IN A 10.0.0.1"]);
    assert_eq!(served.ask("no.example.", Rtype::A).rcode, Rcode::NXDOMAIN);
    let half = served.ask("half.example.", Rtype::A);
    assert_eq!(half.records, ["half.example. 300 IN A 203.0.113.1"]);
    assert!(served.log().is_empty());
}

#[test]
fn a_consume_hook_reads_what_came() {
    let mut served = Served::new(
        "M.layer = { consume = function (state, req, pkt) \
         local rr = pkt:section(kres.section.ANSWER)[1] \
         local set = req.answ_selected.at[0] \
         got = kres.rr2str(rr) .. ' ' .. pkt:qtype() .. ' ' .. tostring(pkt:qr()) \
         .. ' ' .. req.answ_selected.len .. ' ' .. set.rr:rdcount() .. ' ' .. set.rank \
         .. ' ' .. kres.dname2str(req:current().zone_cut.name) \
         if rr.rdata == '\\203\\0\\113\\1' then return kres.FAIL end end }",
    );
    assert_eq!(served.ask("a.example.", Rtype::A).rcode, Rcode::SERVFAIL);
    assert!(served.log().is_empty());
    check_console(
        &served.world,
        &[("(got:gsub('%s+', ' '))", "'a.example. 300 A 203.0.113.1 1 true 1 1 24 .'")],
    );
}

#[test]
fn a_hook_has_something_resolved_first() {
    let mut served = Served::new(
        "M.layer = { consume = function (state, req, pkt) \
         local qry = req:current() \
         if qry.parent or asked then return state end \
         asked = req:push(todname('child.example.'), kres.type.A, kres.class.IN, 'NO_CACHE', qry) \
         return kres.YIELD end, \
         finish = function (state, req) last = kres.dname2str(req:resolved():name()) end }",
    );
    let answer = served.ask("a.example.", Rtype::A);
    assert_eq!(answer.records, ["a.example. 300 IN A 203.0.113.1"]);
    assert!(served.log().is_empty(), "{:?}", served.log());
    check_console(&served.world, &[("last", "'a.example.'")]);
}

#[test]
fn the_last_hooks_see_and_change_the_answer() {
    let mut served = Served::new(
        "M.layer = { answer_finalize = function (state, req) \
         local answer = req.answer \
         if answer:rcode() ~= kres.rcode.NXDOMAIN then return end \
         answer:clear_payload() \
         answer:rcode(kres.rcode.NOERROR) \
         answer:begin(kres.section.ANSWER) \
         answer:put(answer:qname(), 1, kres.class.IN, kres.type.TXT, '\\2hi') \
         size = #answer:towire() end, \
         finish = function (state, req) text = req.answer:tostring() end }",
    );
    let answer = served.ask("a.nx.", Rtype::A);
    assert_eq!(
        (answer.rcode, answer.records),
        (Rcode::NOERROR, vec!["a.nx. 1 IN TXT \"hi\"".into()])
    );
    assert!(served.log().is_empty(), "{:?}", served.log());
    check_console(
        &served.world,
        &[("size > 30", "true"), ("text:find('status: NOERROR') ~= nil", "true")],
    );
}

#[test]
fn answers_are_not_shared_while_such_a_layer_is_there() {
    let served = Served::new("M.layer = { begin = function () end }");
    let mut resolver = served.resolver;
    assert!(!resolver.layers_mut().is_transparent());
    let without = Served::new("M.layer = {}");
    let mut resolver = without.resolver;
    assert!(resolver.layers_mut().is_transparent());
}

/// A layer that asks the functions of the operator, as the rules do.
struct Rules {
    world: std::rc::Rc<World>,
    /// Each is asked at once, as neighbouring functions among the rules are.
    lists: Vec<Vec<LuaFunction>>,
    post: bool,
}

impl Layer for Rules {
    fn name(&self) -> &str {
        "rules"
    }

    fn hooks(&self) -> Hooks {
        Hooks::BEGIN | Hooks::FINISH
    }

    fn begin(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        let lua = &self.world.lua;
        for list in &self.lists {
            let call = match lua.run_filters(list, ctx, state, false) {
                Ok(None) => continue,
                Ok(Some((at, PolicyAction::Lua(function)))) => {
                    self.world.host.calls.borrow_mut().push(format!("filter {at}"));
                    return lua.run_action(function, ctx, state, false).unwrap().unwrap_or(state);
                }
                Ok(Some((at, action))) => format!("filter {at} {action:?}"),
                Err(fault) => {
                    self.world.host.calls.borrow_mut().push(fault.to_string());
                    return State::Fail;
                }
            };
            self.world.host.calls.borrow_mut().push(call);
            break;
        }
        state
    }

    fn finish(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        let test = self.world.lua.run_test(self.lists[0][0], ctx, state);
        self.post = test.is_ok();
        state
    }
}

/// The functions of the operator that are filters of rules.
fn filters_of(world: &World) -> Vec<LuaFunction> {
    let rules = world.host.rules.borrow();
    let function = |rule: &lua::policy::Rule| match rule.filter {
        lua::policy::Filter::Lua(function) => function,
        ref other => panic!("{other:?}"),
    };
    rules.iter().map(|(_, rule, _)| function(rule)).collect()
}

#[test]
fn functions_in_rules() {
    let world = World::ready();
    world.eval(
        "policy.add(function (req, query) if query.stype == kres.type.ANY then return policy.DROP end end)",
    );
    world.eval(
        "policy.add(function (req, query) if query:name() == todname('act.example.') then \
         return function (state, req) local answer = req:ensure_answer() \
         answer:rcode(kres.rcode.REFUSED) return kres.DONE end end \
         if query:name() == todname('bad.example.') then return 5 end end)",
    );
    let filters = filters_of(&world);
    assert_eq!(filters.len(), 2);
    let world = std::rc::Rc::new(world);
    let mut served = Served::with(World::ready());
    let layer = Box::new(Rules { world: world.clone(), lists: vec![filters], post: false });
    served.resolver.layers_mut().insert(layer, Place::Before("iterate")).unwrap();
    world.host.take_calls();
    served.ask("a.example.", Rtype::A);
    assert!(world.host.take_calls().is_empty());
    served.ask("a.example.", Rtype::HINFO);
    assert!(world.host.take_calls().is_empty());
    assert_eq!(served.ask("act.example.", Rtype::A).rcode, Rcode::REFUSED);
    assert_eq!(world.host.take_calls(), ["filter 1"]);
    // What a filter makes anew for each request is not kept.
    for _ in 0..100 {
        served.ask("act.example.", Rtype::A);
    }
    world.host.take_calls();
    world.eval("policy.add(function () end)");
    assert_eq!(filters_of(&world)[2], LuaFunction(3));
    assert_eq!(served.ask("bad.example.", Rtype::A).rcode, Rcode::SERVFAIL);
    let calls = world.host.take_calls();
    assert!(calls[0].contains("expected an action such as policy.DENY"), "{calls:?}");
}

#[test]
fn tests_made_for_each_request_are_not_kept_for_ever() {
    let world = World::ready();
    world.eval(
        "seen = setmetatable({}, { __mode = 'v' }) \
         kept = function () return true end policy.DEBUG_IF(kept) \
         policy.add(function (req, query) for _ = 1, 1000 do \
         local test = function () return query end \
         seen.last, seen.first = test, seen.first or test \
         policy.DEBUG_IF(test) policy.DEBUG_IF(kept) end end)",
    );
    let lists = vec![filters_of(&world)];
    let world = std::rc::Rc::new(world);
    let mut served = Served::with(World::ready());
    let layer = Box::new(Rules { world: world.clone(), lists, post: false });
    served.resolver.layers_mut().insert(layer, Place::Before("iterate")).unwrap();
    let ask = |served: &mut Served, times: usize| {
        for _ in 0..times {
            served.ask("a.example.", Rtype::A);
        }
        world.eval("collectgarbage() collectgarbage()");
    };
    // Each request asks the function twice, at its begin and at its end.
    ask(&mut served, 49);
    check_console(&world, &[("seen.first ~= nil", "true"), ("seen.last ~= seen.first", "true")]);
    world.eval("seen.early = seen.first");
    ask(&mut served, 2);
    check_console(&world, &[("seen.early", "nil"), ("seen.last ~= nil", "true")]);
    assert!(world.host.take_calls().is_empty());
}

#[test]
fn more_lists_of_functions_than_are_kept_ready() {
    let world = World::ready();
    world.eval(
        "for i = 1, 150 do policy.add(function (req, query) \
         if query:name() == todname('n' .. i .. '.example.') then return policy.DROP end end) end",
    );
    // One function by itself, three neighbours, and so on.
    let filters = filters_of(&world);
    let lists = filters.chunk_by(|one, _| one.0 % 4 != 0).map(<[LuaFunction]>::to_vec);
    let lists: Vec<_> = lists.flat_map(|list| [vec![list[0]], list[1..].to_vec()]).collect();
    assert_eq!(lists.len(), 76);
    let world = std::rc::Rc::new(world);
    let mut served = Served::with(World::ready());
    let layer = Box::new(Rules { world: world.clone(), lists, post: false });
    served.resolver.layers_mut().insert(layer, Place::Before("iterate")).unwrap();
    world.host.take_calls();
    for _ in 0..2 {
        for (name, at) in [("n1", 0), ("n4", 2), ("n64", 2), ("n149", 0), ("n150", 0)] {
            served.ask(&format!("{name}.example."), Rtype::A);
            assert_eq!(world.host.take_calls(), [format!("filter {at} Drop")], "{name}");
        }
    }
}

#[test]
fn callbacks_of_resolve_see_their_request() {
    let mut served = Served::with(World::ready());
    let callbacks = served.world.lua.query_callbacks(|client| Some(QueryId(client.token))).unwrap();
    served.resolver.layers_mut().insert(Box::new(callbacks), Place::Before("iterate")).unwrap();
    assert!(served.resolver.layers_mut().is_transparent());
    served.world.eval(
        "resolve { name = 'a.example', type = kres.type.A, options = { 'NO_CACHE' }, \
         init = function (req) assert(req.options.NO_CACHE and not req.options.TCP) \
         req.options.TCP = true req:vars().began = kres.dname2str(req:current():name()) end, \
         finish = function (pkt, req) answer = pkt \
         said = req:vars().began .. ' ' .. tostring(req.options.TCP) .. ' ' .. req.state .. ' ' \
         .. tostring(req.qsource.addr) .. ' ' .. tostring(req:resolved().flags.NO_CACHE) end }",
    );
    let query = served.world.host.queries.borrow()[0].clone();
    let mut wire = Vec::new();
    let mut header = Header::default();
    header.set_rd(true);
    let mut composer = Composer::new(&mut wire, header, 512);
    composer.question(&query.name, query.rr_type, query.class).unwrap();
    composer.finish(None);
    let response = served.send(ClientProtocol::Internal, query.id.0, &wire).unwrap();
    // Nothing is left to be told.
    served.world.lua.handle_resolved(query.id, Some(&response));
    assert!(served.log().is_empty(), "{:?}", served.log());
    check_console(
        &served.world,
        &[
            ("said", "'a.example. true 4 nil true'"),
            ("answer:rcode()", "0"),
            ("kres.rr2str(answer:section(kres.section.ANSWER)[1]):match('%S+$')", "'203.0.113.1'"),
        ],
    );
    // An error in a callback is logged; the answer is as good as before.
    served.world.eval("resolve('b.example', kres.type.A, nil, nil, function () error('boom') end)");
    let id = served.world.host.queries.borrow()[1].id;
    assert!(served.send(ClientProtocol::Internal, id.0, &wire).is_some());
    assert!(served.log()[0].contains("boom"));
}

#[test]
fn what_hooks_ask_of_the_program_does_not_stop_them() {
    let mut served = Served::new(
        "M.layer = { finish = function () \
         event.after(10, function () later = true end) \
         cache.clear() \
         policy.add(policy.all(policy.DENY)) \
         resolve('other.example', kres.type.A) \
         modules.unload('m') end }",
    );
    served.ask("a.example.", Rtype::A);
    assert!(served.log().is_empty(), "{:?}", served.log());
    served.world.pass(20);
    check_console(&served.world, &[("later", "true")]);
    assert_eq!(served.world.host.rules.borrow().len(), 1);
    assert_eq!(served.world.host.queries.borrow().len(), 1);
}
