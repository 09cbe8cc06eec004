//! `policy` and `view`: rules on their way to the process.

use lua::flags::{QueryFlag, QueryFlags};
use lua::policy::{Action, AnswerRecords, Client, Filter, LuaFunction, Rule};

use crate::world::{World, check_console, check_refused};

/// The rule that a statement adds.
#[track_caller]
fn rule(world: &World, statement: &str) -> Rule {
    let before = world.host.rules.borrow().len();
    world.eval(statement);
    let rules = world.host.rules.borrow();
    assert_eq!(rules.len(), before + 1, "{statement}: {}", world.eval(statement));
    rules[before].1.clone()
}

/// The action of `policy.all(action)`.
#[track_caller]
fn action(world: &World, text: &str) -> Action {
    rule(world, &format!("policy.add(policy.all({text}))")).action
}

#[test]
fn filters_become_data() {
    let world = World::ready();
    let names = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(rule(&world, "policy.add(policy.all(policy.PASS))").filter, Filter::All);
    assert_eq!(
        rule(&world, "policy.add(policy.suffix(policy.DENY, policy.todnames({'a', 'b.C'})))")
            .filter,
        Filter::Suffix(names(&["a", "b.c"]))
    );
    assert_eq!(
        rule(&world, "policy.add(policy.domains(policy.DENY, {todname('x.y')}))").filter,
        Filter::Domains(names(&["x.y"]))
    );
    assert_eq!(
        rule(&world, "policy.add(policy.suffix_common(policy.DENY, {'\\1a\\2cz\\0'}, '\\2cz\\0'))")
            .filter,
        Filter::Suffix(names(&["a.cz"]))
    );
    assert_eq!(
        rule(&world, "policy.add(policy.pattern(policy.DENY, '\\4bad[0-9]\\2cz'))").filter,
        Filter::Pattern(b"\x04bad[0-9]\x02cz".to_vec())
    );
    let zone = world.write("rpz.zone", "");
    assert_eq!(
        rule(&world, &format!("policy.add(policy.rpz(policy.DENY, '{}'))", zone.display())).filter,
        Filter::Rpz { path: zone, watch: true }
    );
    let own = rule(&world, "policy.add(function (state, req) return policy.PASS end)");
    assert_eq!(own.filter, Filter::Lua(LuaFunction(1)));
}

#[test]
fn actions_become_data() {
    let world = World::ready();
    let deny = |message: Option<&str>, extended_error| Action::Deny {
        message: message.map(str::to_owned),
        extended_error,
    };
    assert_eq!(action(&world, "policy.DENY"), deny(None, 15));
    assert_eq!(action(&world, "policy.DENY_MSG('no')"), deny(Some("no"), 15));
    assert_eq!(
        action(&world, "policy.DENY_MSG('no', kres.extended_error.CENSORED)"),
        deny(Some("no"), 16)
    );
    for (text, expected) in [
        ("PASS", Action::Pass),
        ("DROP", Action::Drop),
        ("REFUSE", Action::Refuse),
        ("NO_ANSWER", Action::NoAnswer),
        ("TC", Action::Truncate),
        ("DEBUG_ALWAYS", Action::DebugAlways),
        ("DEBUG_CACHE_MISS", Action::DebugCacheMiss),
        ("QTRACE", Action::QTrace),
        ("REQTRACE", Action::ReqTrace),
        ("IPTRACE", Action::IpTrace),
    ] {
        assert_eq!(action(&world, &format!("policy.{text}")), expected);
    }
    assert_eq!(
        action(&world, "policy.FLAGS({'NO_CACHE', 'TCP'}, 'NO_EDNS')"),
        Action::Flags {
            set: [QueryFlag::NoCache, QueryFlag::Tcp].into_iter().collect(),
            clear: QueryFlags::NONE.with(QueryFlag::NoEdns, true),
        }
    );
    assert_eq!(
        action(
            &world,
            "policy.ANSWER({ [kres.type.A] = { rdata = kres.str2ip('192.0.2.1'), ttl = 300 }, \
             [kres.type.TXT] = { rdata = {'\\1a', '\\1b'} } }, true)"
        ),
        Action::Answer {
            records: vec![
                AnswerRecords { rr_type: dns::Rtype::A, ttl: 300, rdata: vec![vec![192, 0, 2, 1]] },
                AnswerRecords {
                    rr_type: dns::Rtype::TXT,
                    ttl: 1,
                    rdata: vec![b"\x01a".to_vec(), b"\x01b".to_vec()],
                },
            ],
            nodata: true,
        }
    );
    assert_eq!(
        action(
            &world,
            "policy.REROUTE({['192.0.2.0/24'] = '127.0.0.0', ['192.0.2.8/29'] = '10.0.0.0'})"
        ),
        Action::Reroute(vec![
            ("192.0.2.8".parse().unwrap(), 29, "10.0.0.0".parse().unwrap()),
            ("192.0.2.0".parse().unwrap(), 24, "127.0.0.0".parse().unwrap()),
        ])
    );
    assert_eq!(
        action(&world, "policy.MIRROR('192.0.2.1@5300')"),
        Action::Mirror("192.0.2.1:5300".parse().unwrap())
    );
    assert_eq!(action(&world, "function (state, req) end"), Action::Lua(LuaFunction(1)));
    assert_eq!(
        action(&world, "policy.DEBUG_IF(function (req) end)"),
        Action::DebugIf(LuaFunction(2))
    );
}

/// Digests as base64 text.
const PINS: [&str; 2] = [
    "g1PpXsxqPchz2tH6w9kcvVXqzQ0QclhInFP2+VWOqic=",
    "ev1xcdU++dY9BlcX0QoKeaUftvXQvNIz/PCss1Z/3ek=",
];

#[test]
fn forwarding_targets() {
    let world = World::ready();
    let addresses = |action: Action| match action {
        Action::Forward(targets) | Action::Stub(targets) => {
            targets.iter().map(|target| target.address.to_string()).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(addresses(action(&world, "policy.FORWARD('192.0.2.1')")), ["192.0.2.1:53"]);
    assert_eq!(
        addresses(action(&world, "policy.STUB({'192.0.2.1@5300', '2001:db8::1'})")),
        ["192.0.2.1:5300", "[2001:db8::1]:53"]
    );
    let [one, other] = PINS;
    let statement = format!(
        "policy.TLS_FORWARD({{{{'192.0.2.1', hostname = 'dns.test', ca_file = '/dev/null'}}, \
         {{'192.0.2.2@8853', pin_sha256 = {{'{one}', '{other}'}}}}}})"
    );
    let Action::Forward(targets) = action(&world, &statement) else { panic!("no forwarding") };
    assert_eq!(targets[0].address.to_string(), "192.0.2.1:853");
    let tls = targets[0].tls.as_ref().unwrap();
    assert_eq!(tls.hostname.as_deref(), Some("dns.test"));
    assert_eq!(targets[1].address.to_string(), "192.0.2.2:8853");
    assert_eq!(targets[1].tls.as_ref().unwrap().pins_sha256, PINS);
}

#[test]
fn views_are_rules_for_some_clients() {
    let world = World::ready();
    world.eval("modules.load('view')");
    assert_eq!(
        rule(&world, "view:addr('192.0.2.77/24', policy.all(policy.REFUSE))").client,
        Some(Client::Source("192.0.2.0".parse().unwrap(), 24))
    );
    assert_eq!(
        rule(&world, "view:addr('::1', policy.all(policy.REFUSE), true)").client,
        Some(Client::Destination("::1".parse().unwrap(), 128))
    );
    assert_eq!(
        rule(&world, "view:tsig('\\8testkey1\\0', policy.all(policy.REFUSE))").client,
        Some(Client::Tsig("testkey1".parse().unwrap()))
    );
    assert_eq!(
        rule(&world, "view:tsig('\\5mykey', policy.all(policy.REFUSE))").client,
        Some(Client::Tsig("mykey".parse().unwrap())),
        "as the manual writes it"
    );
    check_console(
        &world,
        &[
            ("#policy.rules", "0"),
            ("#view.src", "1"),
            ("#view.dst", "1"),
            ("#view.key['\\5mykey']", "1"),
            ("view:tsig('\\5mykey', policy.all(policy.PASS))", ""),
            ("#view.key['\\5mykey']", "2"),
            ("view.src[1][1] .. ' ' .. view.src[1][2][2] .. ' ' .. view.src[1][3]", "'2 2 24'"),
            ("view.dst[1][1] .. ' ' .. view.dst[1][2][15] .. ' ' .. view.dst[1][3]", "'10 1 128'"),
            ("type(view.src[1][4]) .. ' ' .. view.src[1].count", "'function 0'"),
        ],
    );
    check_refused(
        &world,
        &[
            ("view:addr('x', policy.all(policy.DENY))", "failed to parse subnet x"),
            ("view:addr('192.0.2.0/33', policy.all(policy.DENY))", "failed to parse subnet"),
            ("view:addr('192.0.2.1')", "expected a rule"),
            ("view:addr(5, policy.all(policy.DENY))", "expected view:addr(subnet, rule)"),
            ("view:tsig('testkey', policy.all(policy.DENY))", "must be in wire format"),
        ],
    );
}

#[test]
fn a_rule_is_a_table_with_its_count() {
    let world = World::ready();
    world.eval("r = policy.add(policy.all(policy.PASS)) q = policy:add(policy.all(policy.DENY))");
    check_console(
        &world,
        &[
            ("r.id", "0"),
            ("q.id", "1"),
            ("q.count", "10"),
            ("type(q.cb)", "'function'"),
            ("#policy.rules", "2"),
            ("policy.add(policy.all(policy.TC), true).id", "2"),
            ("#policy.postrules", "1"),
            ("policy.del(0)", "true"),
            ("policy.del(0)", "false"),
            ("policy.rules[1].id", "1"),
            ("policy:del(1)", "true"),
            ("policy.del('x')", "false"),
        ],
    );
    assert!(world.host.rules.borrow()[0].2, "the rule that is left is a post-rule");
    assert!(world.eval("policy.postrules").contains("['count'] = 20,"));
}

#[test]
fn filters_are_functions_too() {
    let world = World::ready();
    world.eval("query = { name = function () return todname('www.Example.com') end }");
    world.eval("function is(filter) return filter(0, query) == policy.DENY end");
    check_console(
        &world,
        &[
            ("is(policy.all(policy.DENY))", "true"),
            ("is(policy.suffix(policy.DENY, policy.todnames({'com'})))", "true"),
            ("is(policy.suffix(policy.DENY, policy.todnames({'.'})))", "true"),
            ("is(policy.suffix(policy.DENY, policy.todnames({'ww.example.com', 'om'})))", "false"),
            ("is(policy.domains(policy.DENY, policy.todnames({'example.com'})))", "false"),
            ("is(policy.domains(policy.DENY, policy.todnames({'www.EXAMPLE.com'})))", "true"),
            ("is(policy.pattern(policy.DENY, '\\7exam[a-z]*'))", "true"),
            ("is(policy.slice(function () return 2 end, policy.PASS, policy.DENY))", "true"),
        ],
    );
}

#[test]
fn bad_rules_are_refused() {
    let world = World::ready();
    check_refused(
        &world,
        &[
            ("policy.add()", "expected a rule such as policy.all(policy.DENY), got nothing"),
            ("policy.add(5)", "got a number"),
            ("policy.all()", "policy.all: expected an action such as policy.DENY, got nothing"),
            ("policy.all('DENY')", "got a string"),
            ("policy.suffix(policy.DENY, 'x')", "expected a list of names, use policy.todnames()"),
            ("policy.suffix(policy.DENY, {5})", "item 1 is a number, not a name"),
            (
                "policy.add(policy.suffix(policy.DENY, {'example.com'}))",
                "item 1 is not a name in wire format; use todname() or policy.todnames()",
            ),
            ("policy.domains(policy.DENY)", "expected a list of names"),
            ("policy.todnames('x')", "policy.todnames: expected a list of names"),
            ("policy.todnames({'a', 'b..'})", "policy.todnames: 'b..' is not a name"),
            ("policy.pattern(policy.DENY)", "policy.pattern: expected a pattern"),
            ("policy.pattern(policy.DENY, '[')", "policy.pattern: "),
            ("policy.rpz(policy.DENY, '/nope')", "failed to open /nope: No such file or directory"),
            ("policy.rpz(policy.DENY)", "expected the path of a zone file"),
            ("policy.FORWARD()", "policy.FORWARD takes an address or a list of addresses"),
            ("policy.FORWARD('x')", "target 'x' is not a valid IP address"),
            ("policy.FORWARD({})", "policy.FORWARD takes an address"),
            ("policy.FORWARD('192.0.2.1@x')", "is not a valid IP address"),
            ("policy.FORWARD({'::1','::2','::3','::4','::5'})", "at most 4 addresses"),
            ("policy.STUB(5)", "policy.STUB takes an address"),
            ("policy.MIRROR({'::1', '::2'})", "policy.MIRROR takes one address"),
            ("policy.TLS_FORWARD('x')", "TLS_FORWARD argument must be a non-empty table"),
            ("policy.TLS_FORWARD({})", "TLS_FORWARD argument must be a non-empty table"),
            ("policy.TLS_FORWARD({{'192.0.2.1'}})", "no way to authenticate"),
            ("policy.TLS_FORWARD({'192.0.2.1'})", "each target must be a table"),
            (
                "policy.TLS_FORWARD({{'::1', pin_sha256 = 'YQ=='}})",
                "not a valid pin_sha256: 'YQ=='",
            ),
            (
                "policy.TLS_FORWARD({{'::1', hostname = 'x', ca_file = '/nope'}})",
                "failed to import certificate file '/nope': No such file or directory",
            ),
            (
                "policy.TLS_FORWARD({{'::1', insecure = true}, {'0::1', insecure = true}})",
                "cannot have two targets at [::1]:853",
            ),
            ("policy.FLAGS('NO_CACH')", "no member named 'NO_CACH', did you mean 'NO_CACHE'?"),
            ("policy.DENY_MSG(5)", "DENY_MSG: expected a message"),
            ("policy.DENY_MSG(('x'):rep(256))", "message too long"),
            ("policy.DENY_MSG('x', -1)", "the extended error must be a number"),
            ("policy.ANSWER('x')", "policy.ANSWER: expected"),
            ("policy.ANSWER({A = {}})", "keys must be record types"),
            ("policy.ANSWER({[1] = {rdata = 5}})", "rdata must be a string or a list of strings"),
            ("policy.ANSWER({[1] = {rdata = '', ttl = -1}})", "ttl must be a number"),
            ("policy.REROUTE('x')", "policy.REROUTE: expected"),
            ("policy.REROUTE({['x'] = '192.0.2.1'})", "'x' is not a network"),
            ("policy.REROUTE({['192.0.2.0/24'] = '::1'})", "are not of one family"),
            ("policy.DEBUG_IF(5)", "policy.DEBUG_IF: expected a function"),
            ("policy.slice(5)", "policy.slice: expected a function"),
        ],
    );
    assert!(world.host.rules.borrow().is_empty());
}

#[test]
fn rules_of_a_list_of_one_s_own() {
    let world = World::ready();
    world.eval(
        "list = { \
         { cb = function () end }, \
         { cb = function () return function () return 1 end end, suspended = true }, \
         { cb = function (_, query) return query == 'asked' and function () end end, count = 2 }, \
         { cb = function () return function (state) return state + 2 end end } }",
    );
    check_console(
        &world,
        &[
            ("policy.evaluate(list, {}, 'asked', 2)", "4"),
            ("policy.evaluate(list, {}, 'other', 6)", "8"),
            ("list[3].count", "3"),
            ("list[4].count", "2"),
            ("#policy.special_names", "0"),
        ],
    );
}
