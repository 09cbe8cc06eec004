//! Functions that stand alone: names, JSON, logging, settings, trust anchors, queries, map().

use lua::host::{PeerReply, QueryId};

use crate::world::{World, check_console, check_refused};

#[test]
fn units_and_environment() {
    let world = World::ready();
    check_console(
        &world,
        &[
            (
                "kB, MB, GB",
                "1024\t-- result # 1\n1048576\t-- result # 2\n1073741824\t-- result # 3",
            ),
            ("5*hour", "18000000"),
            ("sec == second and min == minute and day == 24*hour", "true"),
            ("env.PATH == os.getenv('PATH')", "true"),
            ("env.NO_SUCH_VARIABLE", "nil"),
            ("env[1]", "nil"),
            ("env.FOO = 'x'", ""),
            ("env.FOO", "'x'"),
            ("os.getenv('FOO')", "nil"),
            ("env = { BAR = 'y' }", ""),
            ("env.FOO .. env.BAR", "'xy'"),
        ],
    );
}

#[test]
fn the_machine_and_the_program() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("hostname()", "'host.test'"),
            ("hostname('r1.example')", "'r1.example'"),
            ("hostname()", "'r1.example'"),
            ("package_version()", "'0.1.0'"),
            ("user('nobody')", "true"),
            ("user('nobody', 'nogroup')", "true"),
            ("worker.id", "'4242'"),
            ("worker.pid", "4242"),
            ("worker.count", "1"),
            ("worker.stats().queries", "7"),
            ("worker.info().pid", "4242"),
            ("worker.control_path:match('/control/$')", "'/control/'"),
            ("worker = { mine = 5 }", ""),
            ("worker.mine + worker.pid", "4247"),
            ("quit()", ""),
        ],
    );
    assert!(world.host.quit.get());
    check_refused(
        &world,
        &[
            ("hostname('a', 'b')", "hostname takes at most one parameter: (\"fqdn\")"),
            ("hostname({})", "hostname takes at most one parameter"),
            ("user()", "user(user[, group])"),
            ("user('a', 'b', 'c')", "user(user[, group])"),
            ("user('nosuch')", "invalid user name"),
            ("user('nobody', 'nosuch')", "invalid group name"),
        ],
    );
}

#[test]
fn json_there_and_back() {
    let world = World::ready();
    check_console(
        &world,
        &[
            (
                "tojson({ key1 = 'value1', key2 = { subkey1 = 1 } })",
                "'{\"key1\":\"value1\",\"key2\":{\"subkey1\":1}}'",
            ),
            ("tojson({1, 2, {}})", "'[1,2,{}]'"),
            ("tojson(nil)", "'null'"),
            ("tojson(-0)", "'-0'"),
            ("kres.dname2str('\\3com')", "'com.'"),
            ("kres.dname2str('\\3com\\0')", "'com.'"),
            ("require('kluautil').list_dir('/no/such')", "{\n}"),
            ("trust_anchors.negative", "nil"),
            ("verbose(1)", "true"),
            ("verbose(false)", "false"),
            ("tojson(print)", "'null'"),
            ("tojson()", "'null'"),
            ("tojson('a\"b')", "'\"a\\092\"b\"'"),
            ("fromjson('{\"a\":[1,null,3]}').a[2]", "3"),
            ("fromjson('{\"a\":1.5e3,\"b\":true}').a", "1500"),
            ("fromjson(tojson(worker.stats())).queries", "7"),
        ],
    );
    check_refused(
        &world,
        &[
            ("t = {} t.t = t tojson(t)", "the table is cyclic or nested too deeply"),
            ("fromjson()", "a JSON string is required"),
            ("fromjson({})", "a JSON string is required"),
            ("fromjson('{')", "invalid JSON string"),
            ("fromjson('')", "invalid JSON string"),
        ],
    );
}

#[test]
fn names_and_addresses() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("todname('example.com')", "'\\007example\\003com\\000'"),
            ("todname('a.B')", "'\\001a\\001b\\000'"),
            ("#todname('a.b')", "5"),
            ("todname('a..b')", "nil"),
            ("todname('')", "nil"),
            ("todname('.')", "'\\000'"),
            ("todname(5)", ""),
            ("kres.str2dname('x')", "'\\001x\\000'"),
            ("kres.dname2str('\\3com\\0')", "'com.'"),
            ("kres.dname2str(todname('a\\\\.b.c'))", "'a\\092.b.c.'"),
            ("kres.dname2str()", ""),
            ("kres.dname2wire('\\3com\\0')", "'\\003com\\000'"),
            ("kres.str2ip('192.0.2.1')", "'\\192\\000\\002\\001'"),
            ("#kres.str2ip('::1')", "16"),
            ("kres.str2ip('x')", "nil"),
            ("kres.type.AAAA", "28"),
            ("kres.type.TYPE65280", "65280"),
            ("kres.type.NOSUCH", "nil"),
            ("kres.tostring.type[28]", "'AAAA'"),
            ("kres.tostring.type[65280]", "'TYPE65280'"),
            ("kres.class.IN", "1"),
            ("kres.rcode.NXDOMAIN", "3"),
            ("kres.section.ADDITIONAL", "2"),
            ("kres.DONE", "4"),
        ],
    );
    check_refused(
        &world,
        &[
            ("kres.dname2str('com')", "not a name in wire format"),
            ("kres.dname2str(5)", "expected 'dname2str(string name in wire format)'"),
        ],
    );
}

#[test]
fn helper_module() {
    let world = World::ready();
    world.write("a", "");
    world.eval("k = require('kluautil')");
    check_console(
        &world,
        &[
            ("k.kr_table_pack(1, nil, 3)", "{\n    1,\n    [3] = 3,\n    ['n'] = 3,\n}"),
            ("k.kr_table_unpack({1, nil, n = 2})", "1\t-- result # 1\nnil\t-- result # 2"),
            ("k.kr_table_len({1, 2, a = 3})", "3"),
            (&format!("k.list_dir('{}')", world.path().display()), "{\n    'a',\n}"),
        ],
    );
}

#[test]
fn settings_and_flags() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("mode()", "'normal'"),
            ("mode('strict')", "true"),
            ("mode()", "'strict'"),
            ("reorder_RR()", "true"),
            ("reorder_RR(false)", "false"),
            ("option('REORDER_RR')", "false"),
            ("option('no_cache')", "false"),
            ("option('NO_CACHE', true)", "true"),
            ("option('NO_CACHE')", "true"),
            ("debugging.assertion_abort", "false"),
            ("debugging.assertion_abort = true", ""),
        ],
    );
    check_refused(
        &world,
        &[
            ("mode('wrong')", "unsupported mode: wrong"),
            ("mode(5)", "unsupported mode: 5"),
            ("reorder_RR('x')", "ERROR: invalid option value: x"),
            ("option('NO_CACHE', 'x')", "ERROR: invalid option value: x"),
            ("option('NOT_AN_OPTION')", "'struct kr_qflags' has no member named 'NOT_AN_OPTION'"),
            ("option('NO_CACH')", "did you mean 'NO_CACHE'?"),
            ("option()", "expected 'option(string name"),
            ("debugging.nosuch = 1", "debugging.nosuch is not known"),
        ],
    );
    assert_eq!(world.eval("mode()"), "'strict'");
}

#[test]
fn logging_by_level_group_and_target() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("log_level()", "'notice'"),
            ("log('a %d', 1)", ""),
            ("ffi = require('ffi')", ""),
            ("ffi.C.LOG_GRP_STATISTICS", "20"),
            ("ffi.C.KR_RANK_SECURE", "32"),
            ("log_info(ffi.C.LOG_GRP_STATISTICS, 'unseen')", ""),
            ("log_warn(ffi.C.LOG_GRP_STATISTICS, 'x %s', 'y')", ""),
            ("log_groups({'statis', 'cache'})", "{\n    'cache',\n    'statis',\n}"),
            ("log_debug(ffi.C.LOG_GRP_STATISTICS, 'seen')", ""),
            ("log_groups({})", "{\n}"),
            ("log_level('debug')", "'debug'"),
            ("verbose()", "true"),
            ("verbose(false)", "false"),
            ("log_level()", "'notice'"),
            ("log_target()", "'stderr'"),
            ("log_target('stdout')", "'stdout'"),
        ],
    );
    assert_eq!(
        *world.host.messages.borrow(),
        [
            "[module] notice a 1",
            "[statis] warning x y",
            "[statis] debug seen",
            "[system] warning deprecation WARNING: use log_level() instead of verbose()",
        ]
    );
    check_refused(
        &world,
        &[
            ("log_level('nonsense')", "unknown log level 'nonsense', known are crit, err, warning"),
            ("log_level('a', 'b')", "takes at most one parameter"),
            ("log_target('x')", "unknown log target 'x'"),
            ("log_groups({'nonsense'})", "unknown log group 'nonsense'"),
            ("log_groups('x')", "takes a table of string groups as parameter or nothing"),
            ("log_groups({5})", "takes a table of string groups"),
            ("log('a %d', 'x')", "bad argument #2 to 'format'"),
            ("log()", "bad argument #1 to 'format'"),
            ("log_info('x', 'y')", "the first parameter must be a log group"),
            ("ffi.C.NO_SUCH_SYMBOL", "missing declaration for symbol"),
        ],
    );
}

#[test]
fn trust_anchors_positive_and_negative() {
    let world = World::new();
    check_console(
        &world,
        &[
            (
                "trust_anchors.summary()",
                "'No valid trust anchors, DNSSEC validation is disabled\n'",
            ),
            ("trust_anchors.add('. 3600 IN DS 20326 8 2 E06D')", ""),
            ("trust_anchors.summary()", "'. 3600 IN DS 20326 8 2 E06D\n'"),
            ("trust_anchors.set_insecure({'bad.boy', 'example.com'})", ""),
            ("trust_anchors.insecure", "{\n    'bad.boy',\n    'example.com',\n}"),
            ("trust_anchors.summary('bad.boy')", "'bad.boy. is negative trust anchor\n'"),
            ("trust_anchors.summary('x.')", "'x. has no explicit trust anchors\n'"),
            ("trust_anchors.set_insecure({})", ""),
            ("trust_anchors.insecure", "{\n}"),
            ("trust_anchors.remove('.')", "true"),
            ("trust_anchors.remove('.')", "false"),
            ("trust_anchors.remove('a..b')", "false"),
            ("trust_anchors.remove(5)", "false"),
            ("trust_anchors.add_file('root.key', true)", ""),
            ("trust_anchors.hold_down_time", "2592000000"),
            ("trust_anchors.keep_removed", "0"),
            ("trust_anchors.refresh_time", "nil"),
            ("trust_anchors.hold_down_time = 2*sec", ""),
            ("trust_anchors = { keep_removed = 1 }", ""),
            ("trust_anchors.hold_down_time + trust_anchors.keep_removed", "2001"),
            ("trust_anchors.refresh_time = nil", ""),
        ],
    );
    world.eval("trust_anchors.add('. 3600 IN DS 20326 8 2 E06D')");
    check_refused(
        &world,
        &[
            ("trust_anchors.add('nonsense')", "ERROR: [ ta ] .add() failed: empty TA set"),
            ("trust_anchors.add(5)", ".add() failed: expected 'add(string record)'"),
            (
                "trust_anchors.add_file('/nope/x', true)",
                "ERROR: [ ta ] ERROR: failed to read anchors from '/nope/x'",
            ),
            ("trust_anchors.add_file()", "expected 'add_file(string keyfile"),
            (
                "trust_anchors.set_insecure('x')",
                "parameter must be list of domain names (e.g. {\"a.test\", \"b.example\"})",
            ),
            ("trust_anchors.set_insecure({'a..b'})", "not a domain name: 'a..b'"),
            ("trust_anchors.set_insecure({{}})", "not a domain name"),
            ("trust_anchors.insecure = {}", "trust_anchors.insecure cannot be assigned"),
            (
                "trust_anchors.file = 'x'",
                "trust_anchors.file was removed, use trust_anchors.add_file()",
            ),
            ("trust_anchors.config('x')", "trust_anchors.config was removed"),
            ("trust_anchors.hold_down_time = 'x'", "must be a number, 0 or larger"),
            ("trust_anchors.hold_down_time = -1", "must be a number, 0 or larger"),
            ("trust_anchors.foo = 1", "trust_anchors.foo is not known"),
            ("trust_anchors.hold_dwon_time = 1", "did you mean 'hold_down_time'?"),
            ("trust_anchors = { foo = 1 }", "trust_anchors.foo is not known"),
        ],
    );
}

#[test]
fn queries_are_started_and_finished() {
    let world = World::ready();
    check_console(
        &world,
        &[
            (
                "resolve('example.com', kres.type.AAAA, kres.class.IN, 0, function (pkt) got = pkt end)",
                "true",
            ),
            ("resolve('.', kres.type.DNSKEY, kres.class.IN, 'NO_CACHE')", "true"),
            ("resolve('a.', 1, 1, {'NO_CACHE', 'TCP'})", "true"),
            (
                "resolve{name = 'b.', type = kres.type.NS, options = { NO_CACHE = true }, init = function () end}",
                "true",
            ),
            ("resolve('c.')", "true"),
            ("worker.resolve == resolve", "true"),
        ],
    );
    {
        let queries = world.host.queries.borrow();
        let shown: Vec<String> = queries
            .iter()
            .map(|query| {
                let flags: Vec<&str> = query.flags.iter().map(|flag| flag.name()).collect();
                format!("{} {} {} {:?}", query.name, query.rr_type, query.class, flags)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "example.com. AAAA IN []",
                ". DNSKEY IN [\"NO_CACHE\"]",
                "a. A IN [\"TCP\", \"NO_CACHE\"]",
                "b. NS IN [\"NO_CACHE\"]",
                "c. A IN []",
            ]
        );
        assert!(queries[0].wants_answer && !queries[1].wants_answer);
    }
    world.lua.handle_resolved(QueryId(1), None);
    world.lua.handle_resolved(QueryId(2), None);
    check_console(&world, &[("got", "nil")]);
    check_refused(
        &world,
        &[
            (
                "resolve('a..b', 1)",
                "ERROR: failure in worker.resolve(); probably invalid qname \"a..b\"",
            ),
            ("resolve()", "probably invalid qname \"nil\""),
            ("resolve{type = 1}", "probably invalid qname \"nil\""),
            ("resolve('a.', 70000)", "worker.resolve(): invalid type"),
            ("resolve('a.', 1, 'x')", "worker.resolve(): invalid class"),
            ("resolve('a.', 1, 1, 'BOGUS')", "'struct kr_qflags' has no member named 'BOGUS'"),
            ("resolve('a.', 1, 1, 5)", "expected options as a string or a list of strings"),
            ("resolve('a.', 1, 1, 0, 5)", "finish must be a function"),
        ],
    );
}

#[test]
fn an_error_in_a_callback_is_logged() {
    let world = World::ready();
    world.eval("resolve('a.', 1, 1, 0, function () error('boom', 0) end)");
    world.lua.handle_resolved(QueryId(1), None);
    assert_eq!(*world.host.messages.borrow(), ["[system] err error: boom"]);
}

#[test]
fn map_asks_every_instance() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("map('1+1')", "{\n    2,\n    ['n'] = 1,\n}"),
            ("map('nil')", "{\n    ['n'] = 1,\n}"),
            ("map('\"x\"', 'strings')", "{\n    'x',\n    ['n'] = 1,\n}"),
            ("map 'worker.id'", "{\n    '4242',\n    ['n'] = 1,\n}"),
            (
                "map('require(\"kluautil\").kr_table_pack(pcall(error, \"a\\\\nb\"))')",
                "{\n    {\n        false,\n        'a\nb',\n        ['n'] = 2,\n    },\n    ['n'] = 1,\n}",
            ),
        ],
    );
    // What another instance would answer to the same question.
    let question = world.host.take_calls()[0].strip_prefix("ask ").unwrap().to_owned();
    let reply = world.lua.eval_line(question.as_bytes()).unwrap();
    world
        .host
        .peers
        .borrow_mut()
        .push(PeerReply { socket: "/run/control/2".into(), reply: Ok(reply) });
    check_console(&world, &[("map('1+1')", "{\n    2,\n    2,\n    ['n'] = 2,\n}")]);
    let error = "ERROR: error when executing map() command on control socket";
    check_refused(
        &world,
        &[
            ("map()", "ERROR: map() command must be a string"),
            ("map(5)", "ERROR: map() command must be a string"),
            ("map('')", "ERROR: map() command must be non-empty"),
            ("map('1', 'x')", "ERROR: map() output format must be luaobj or strings"),
            ("map('1', 'strings')", "ERROR: map() protocol error"),
            ("map('1,2')", "ERROR: unexpected number of return values in map() response: only"),
            (
                "map('a\\nb')",
                "ERROR: map() command cannot contain literal \\n, escape it with \\010",
            ),
            ("map('x(')", "ERROR: failure when compiling map() command: "),
            (
                "map('1, 2')",
                "only single return value is allowed, use kluautil.kr_table_pack() helper",
            ),
            ("map('error(\"x\")')", error),
            ("map('print')", "returned values cannot be serialized"),
        ],
    );
    world.host.peers.borrow_mut()[0].reply = Err("connection refused".into());
    check_refused(
        &world,
        &[(
            "map('1+1')",
            "on control socket /run/control/2: connection refused. command execution state is now \
         undefined!",
        )],
    );
    world.host.peers.borrow_mut()[0].reply = Ok(b"garbage(".to_vec());
    check_refused(&world, &[("map('1+1')", "unexpected reply: garbage(")]);
}

#[test]
fn help_names_every_group() {
    let world = World::ready();
    let help = world.eval("help()");
    for line in [
        "help()",
        "net.listen(addresses",
        "cache.clear(",
        "event.after(ms, function)",
        "trust_anchors.add_file(",
        "worker.sleep(seconds)",
        "modules.load(name)",
        "policy.add(rule",
    ] {
        assert!(help.contains(line), "{line} is not in {help}");
    }
}

#[test]
fn anchors_are_kept_up_to_date() {
    let world = World::new();
    world.eval("trust_anchors.add('. 3600 IN DS 20326 8 2 E06D')");
    world.eval("modules.load('ta_update')");
    check_console(
        &world,
        &[
            ("ta_update.hold_down_time", "2592000000"),
            ("ta_update.refresh_time", "nil"),
            ("ta_update.refresh_time = 0.5 * sec", ""),
            ("trust_anchors.refresh_time", "500"),
            ("trust_anchors.keysets['\\0'].managed", "false"),
            ("trust_anchors.keysets['\\0'][1].state", "'AddPend'"),
            ("trust_anchors.keysets['\\0'][1].timer", "9"),
            ("trust_anchors.keysets['\\0'].filename", "'root.keys'"),
            ("trust_anchors.keysets['\\4test\\0']", "nil"),
            ("trust_anchors.key_state.Valid", "'Valid'"),
            ("ta_update.start('\\0', true)", ""),
            ("trust_anchors.keysets['\\0'].managed", "true"),
            ("type(ta_update.tracked['\\0'].event)", "'number'"),
            ("ta_update.stop('\\0')", ""),
            ("ta_update.tracked['\\0']", "nil"),
            ("ta_update.start('\\0', true)", ""),
            ("modules.unload('ta_update')", "true"),
            ("ta_update", "nil"),
            ("trust_anchors.keysets['\\0'].managed", "false"),
            ("trust_anchors.add_file('root.keys')", ""),
            ("type(ta_update)", "'table'"),
        ],
    );
    check_refused(
        &world,
        &[
            ("ta_update.start('\\12nonexistent')", "TA must be configured first"),
            ("ta_update.start(5)", "expected 'start(string zonename, boolean managed)'"),
            ("ta_update.hold_down_time = 'x'", "must be a number, 0 or larger"),
        ],
    );
}

#[test]
fn outdated_anchors_are_told_to_the_configuration() {
    let world = World::new();
    world.eval("modules.load('ta_update')");
    world.lua.handle_anchors_outdated("root.keys");
    assert!(
        world.host.messages.borrow().iter().any(|message| message
            .contains("you need to update package with trust anchors in \"root.keys\"")),
        "{:?}",
        world.host.messages.borrow()
    );
    world.eval(
        "files = {} ta_update.cb_unmanagedkey_change = function (f) files[#files + 1] = f end",
    );
    world.lua.handle_anchors_outdated("root.keys");
    assert_eq!(world.eval("files[1]"), "'root.keys'");
    world.eval("ta_update.cb_unmanagedkey_change = function (f) error('mine') end");
    world.lua.handle_anchors_outdated("root.keys");
    assert!(world.host.messages.borrow().iter().any(|message| message.contains("mine")));
}

#[test]
fn stubs_for_editors_tell_what_is_there() {
    let world = World::ready();
    let stubs = world.lua.stubs().unwrap();
    expect_test::expect_file!["../../../../docs/kres.d.lua"].assert_eq(&stubs);
    // What is told is there: the stubs themselves are Lua, and none of their names is unknown.
    let path = world.write("stubs.lua", &stubs);
    let load = format!("loadfile('{}') ~= nil", path.display());
    check_console(&world, &[(load.as_str(), "true")]);
    for line in stubs.lines().filter(|line| line.starts_with("function ")) {
        let name = line.trim_start_matches("function ").split('(').next().unwrap();
        if !name.contains(':') && !name.starts_with("view.") {
            assert_eq!(world.eval(&format!("{name} ~= nil")), "true", "{name}");
        }
    }
}

#[test]
fn what_modules_for_older_versions_call_is_there() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("kres.mk_qflags('NO_CACHE').NO_CACHE", "true"),
            ("kres.mk_qflags({'STUB', 'NO_CACHE'}).NO_CACHE", "true"),
            ("kres.mk_qflags().NO_CACHE", "false"),
            ("#kres.pkt_t(kres.packet(512)):towire()", "12"),
            ("kres.tostring.extended_eror[15]", "'BLOCKED'"),
            ("eval_cmd('1+1')", "'2'"),
            ("eval_cmd('1+1', true)", "2"),
            ("eval_cmd('x = 5')", ""),
            ("x", "5"),
            ("select('#', eval_cmd('return 1, 2'))", "2"),
            ("resolve('a.example.', kres.type.A, kres.class.IN, kres.mk_qflags('STUB'))", "true"),
        ],
    );
    check_refused(
        &world,
        &[
            ("kres.mk_qflags('X')", "has no member named 'X'"),
            ("kres.mk_qflags({NO_CACHE = true})", "cannot be indexed"),
            ("kres.mk_qflags(5)", "table expected"),
            ("kres.pkt_t(5)", "expected a packet"),
            ("kres.request_t()", "expected a request"),
            ("kres.sockaddr_t('127.0.0.1')", "expected a struct sockaddr"),
            ("eval_cmd()", "expected eval_cmd(string command)"),
            ("eval_cmd('1 +')", "unexpected symbol"),
            ("eval_cmd('error(\\'boom\\')')", "boom"),
        ],
    );
    let flags = world.host.queries.borrow()[0].flags;
    assert!(flags.has(lua::flags::QueryFlag::Stub));
}
