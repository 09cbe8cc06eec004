//! Whole configurations and the calls that they come to.

use std::time::Duration;

use lua::policy::{Action, Filter};

use crate::world::World;

/// Every call is among those that the configuration came to.
#[track_caller]
fn check_calls(world: &World, expected: &[&str]) {
    let calls = world.host.take_calls();
    for call in expected {
        assert!(calls.iter().any(|made| made == call), "{call} is not in {calls:#?}");
    }
}

#[test]
fn the_bench_configuration_reaches_the_process() {
    let world = World::new();
    world.lua.load_defaults().unwrap();
    world
        .configure(
            "net.ipv6 = false
             net.listen('127.0.0.1', 5300, { kind = 'dns' })
             net.listen('127.0.0.1', 5301, { kind = 'tls' })
             net.listen('127.0.0.1', 5302, { kind = 'doh2' })
             net.tls('/good/tls.crt', '/good/tls.key')
             modules = { 'hints > iterate' }
             hints.root_file('/lab/root.hints')
             trust_anchors.remove('.')
             trust_anchors.add('. 3600 IN DS 20326 8 2 E06D44B8')
             option('ALLOW_LOCAL', true)
             log_level('err')
             cache.open(64 * MB, 'lmdb:///lab/cache')",
        )
        .unwrap();
    world.lua.finish_config().unwrap();
    assert_eq!(world.eval("modules.list()[2]"), "'hints'");
    check_calls(
        &world,
        &[
            "flag NO_IPV6 true",
            "listen dns 127.0.0.1@5300",
            "listen tls 127.0.0.1@5301",
            "listen doh2 127.0.0.1@5302",
            "root hints file Some(\"/lab/root.hints\")",
            "anchors remove .",
            "flag ALLOW_LOCAL true",
            "cache open 67108864 lmdb:///lab/cache",
        ],
    );
    assert_eq!(world.eval("trust_anchors.summary()"), "'. 3600 IN DS 20326 8 2 E06D44B8\n'");
}

/// The statements that scenario harnesses write, in their order.
#[test]
fn a_scenario_configuration_reaches_the_process() {
    let world = World::new();
    world.lua.load_defaults().unwrap();
    world
        .configure(
            r"net = { '127.0.0.53' }
              net.outgoing_v4('127.0.0.53')
              net.bufsize(4096)
              modules = {'stats', 'policy', 'hints'}
              policy.add(policy.all(policy.DEBUG_ALWAYS))
              policy.add(policy.suffix(policy.PASS, {todname('test.')}))
              policy.add(policy.all(policy.FORWARD('192.0.2.8')))
              cache.size = 2*MB
              hints.root({['k.root-servers.net'] = '193.0.14.129'})
              option('NO_MINIMIZE', true)
              option('ALLOW_LOCAL', false)
              mode('permissive')
              trust_anchors.remove('.')
              trust_anchors.add_file('/lab/ta/example..key')
              trust_anchors.set_insecure({
              'nta.test',
              })
              net.ipv6 = false
              net.ipv4 = true
              cache.min_ttl(0)
              cache.max_ttl(3600)
              modules.load( 'dns64')
              dns64.config('fe80::21b:aabb:0:0')
              hints['www.example.net'] = '192.0.2.1'
              modules.load( 'renumber')
              renumber.config({{'192.0.2.0/24','198.51.100.0'}})
              policy:add(policy.suffix(policy.DENY, {todname('deny.test')}))
              policy:add(policy.pattern(policy.DENY, '\8example[0-8]\2cz'))
              policy:add(policy.suffix_common(policy.DROP, policy.todnames({'a.cz','b.cz'}), todname('cz')))
              modules.load( 'view')
              view:addr('127.0.0.0/8', policy.all(policy.REFUSE))
              modules = { 'workarounds < iterate' }
              if ta_update then
                      modules.unload('ta_update')
              end
              if detect_time_skew then
                      modules.unload('detect_time_skew')
              end
              assert(help() ~= nil)
              assert(worker.id ~= nil)
              assert(cache.count() == 0)
              assert(cache.stats() ~= nil)
              assert(cache.backends() ~= nil)
              assert(worker.stats() ~= nil)
              assert(net.interfaces() ~= nil)
              assert(net.list()[1].transport.ip == '127.0.0.53')
              assert(#modules.list() > 0)
              ev = event.recurrent(1 * sec, function (ev) return 1 end)
              event.cancel(ev)
              ev = event.after(0, function (ev) return 1 end)",
        )
        .unwrap();
    world.lua.finish_config().unwrap();
    check_calls(
        &world,
        &[
            "listen dns 127.0.0.53@53",
            "outgoing_v4 Some(127.0.0.53)",
            "bufsize 4096 4096",
            "cache open 2097152 lmdb://",
            "root hints [(k.root-servers.net., [193.0.14.129])]",
            "flag NO_MINIMIZE true",
            "flag ALLOW_LOCAL false",
            "mode permissive",
            "anchors remove .",
            "anchors file /lab/ta/example..key readonly=false",
            "insecure [nta.test.]",
            "flag NO_IPV6 true",
            "flag NO_IPV4 false",
            "ttl 0 86400",
            "ttl 0 3600",
        ],
    );
    let rules = world.host.rules.borrow();
    assert_eq!(rules.len(), 7);
    assert_eq!(rules[0].1.action, Action::DebugAlways);
    assert_eq!(rules[1].1.filter, Filter::Suffix(vec!["test.".parse().unwrap()]));
    let Action::Forward(targets) = &rules[2].1.action else { panic!("{:?}", rules[2]) };
    assert_eq!(targets[0].address.to_string(), "192.0.2.8:53");
    assert_eq!(rules[4].1.filter, Filter::Pattern(b"\x08example[0-8]\x02cz".to_vec()));
    assert!(rules[6].1.client.is_some());
    drop(rules);
    // The timer that was left runs, the canceled one does not.
    world.pass(10_000);
    assert_eq!(world.lua.next_deadline(), None);
    assert_eq!(world.eval("modules.list()[1]"), "'workarounds'");
}

#[test]
fn modules_that_are_not_there_are_named_in_the_log_once() {
    let world = World::new();
    world
        .configure(
            "modules = { 'dns64', 'hints' }
             dns64.config('64:ff9b::')
             dns64.config('64:ff9b::')
             hints['a.test'] = '192.0.2.1'",
        )
        .unwrap();
    let messages = world.host.messages.borrow();
    assert_eq!(
        *messages,
        [
            "[system] notice module 'dns64' is not part of this program: loading it has no effect",
            "[system] notice module 'hints' is not part of this program: loading it has no effect",
            "[system] notice module 'dns64' is not part of this program: dns64.config() has no effect",
            "[system] notice module 'hints' is not part of this program: \
         setting hints.a.test has no effect",
        ]
    );
}

#[test]
fn what_the_configuration_leaves_open_is_filled_in() {
    let world = World::new();
    world.lua.load_defaults().unwrap();
    world.configure("-- nothing").unwrap();
    world.lua.finish_config().unwrap();
    check_calls(
        &world,
        &[
            "listen dns 127.0.0.1@53",
            "listen dns ::1@53",
            "listen tls 127.0.0.1@853",
            "listen tls ::1@853",
            "cache open 104857600 lmdb://",
        ],
    );
    assert!(world.eval("trust_anchors.summary()").contains("20326"));
}

#[test]
fn examples_of_the_manual_run() {
    let world = World::new();
    world
        .configure(
            "if hostname() == 'host.test' then
                 net.listen(net.eth0.addr[1], 5353)
             else
                 net = { '127.0.0.1', net.eth1.addr[1] }
             end
             for name, addr_list in pairs(net.interfaces()) do
                 net.listen(addr_list, 5400)
             end
             local addrpref = '192.0.2'
             for name, addr_list in pairs(net.interfaces()) do
                 for k, v in pairs(addr_list['addr']) do
                     if string.sub(v, 1, string.len(addrpref)) == addrpref then
                         net.listen(v, 5500)
                     end
                 end
             end
             user('nobody')
             cache.size = 100*MB
             trust_anchors.add_file('root.key')
             trust_anchors.hold_down_time = 30 * day
             trust_anchors.refresh_time = 10 * sec
             trust_anchors.keep_removed = 0
             local ffi = require('ffi')
             stats = {}
             stats.list = function () return { ['answer.total'] = 100, ['answer.slow'] = 0 } end
             function speed_monitor()
                 local previous = stats.list()
                 return function (evid)
                     local now = { ['answer.total'] = 200, ['answer.slow'] = 50 }
                     local total_increment = now['answer.total'] - previous['answer.total']
                     local slow_increment = now['answer.slow'] - previous['answer.slow']
                     if slow_increment / total_increment > 0.05 then
                         log_warn(ffi.C.LOG_GRP_STATISTICS, 'WARNING! More than 5 %% of queries was slow!')
                     end
                     previous = now
                 end
             end
             local monitor_id = event.recurrent(1 * minute, speed_monitor())",
        )
        .unwrap();
    check_calls(
        &world,
        &[
            "listen dns 192.0.2.2@5353",
            "listen dns 127.0.0.1@5400",
            "listen dns ::1@5400",
            "listen dns fe80::1@5400",
            "listen dns 192.0.2.2@5500",
            "user nobody None",
            "anchors file root.key readonly=false",
        ],
    );
    assert_eq!(world.eval("trust_anchors.hold_down_time"), "2592000000");
    world.pass(1);
    assert!(
        world
            .host
            .messages
            .borrow()
            .iter()
            .any(|line| line == "[statis] warning WARNING! More than 5 % of queries was slow!")
    );
}

#[test]
fn a_wrong_line_is_shown_with_its_place() {
    let world = World::new();
    let check = |text: &str, expected: &str| {
        assert_eq!(world.configure(text).unwrap_err(), expected, "{text}");
    };
    check(
        "cache.size = 20*MB\nnet.lisen('127.0.0.1')",
        "config:2: attempt to call field 'lisen' (a nil value), did you mean 'listen'?
    2 | net.lisen('127.0.0.1')
      |     ^^^^^",
    );
    check(
        "net.listen('127.0.0.1', 53\nmode('strict')",
        "config:2: ')' expected (to close '(' at line 1) near 'mode'
    2 | mode('strict')
      | ^^^^",
    );
    check(
        "error('boom')",
        "config:1: boom
    1 | error('boom')
      | ^^^^^^^^^^^^^",
    );
    check(
        "mode('wrong')",
        "config:1: unsupported mode: wrong
    1 | mode('wrong')
      | ^^^^^^^^^^^^^",
    );
    check(
        "net.listen('203.0.113.9', 53)",
        "error occurred here (config filename:lineno is at the bottom, if config is involved):
stack traceback:
\tconfig:1: in main chunk
ERROR: bind to 203.0.113.9@53: address in use
    1 | net.listen('203.0.113.9', 53)
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    );
}

#[test]
fn a_missing_file_is_an_error() {
    let world = World::new();
    let error = world.lua.run_config(&world.path().join("nope")).unwrap_err().to_string();
    assert!(error.ends_with("nope: No such file or directory"), "{error}");
}

#[test]
fn an_overwritten_function_is_an_error() {
    let world = World::new();
    world.configure("net.bufsize = 4096").unwrap();
    let error = world.lua.finish_config().unwrap_err().to_string();
    assert_eq!(
        error,
        "net.bufsize is a function and was overwritten by a number: call net.bufsize(...)"
    );
}

#[test]
fn every_error_shows_its_line_and_what_was_meant() {
    for (line, words) in [
        ("cache.sise = 5", &["did you mean 'size'", "2 | cache.sise = 5", "| ^^^^^^^^^^\n"][..]),
        ("x = = '\u{1b}[31m'", &["2 | x = = '?[31m'"]),
        ("cache.size = 'x'", &["must be a number", "2 | cache.size = 'x'", "^^^"]),
        ("modules = { 'hint' }", &["did you mean 'hints'", "2 | modules", "|              ^^^^"]),
        ("modules = { 'policy > iterat' }", &["did you mean 'iterate'", "^^^^^^"]),
        ("require('no.such')", &["config:2: module 'no.such' not found", "|          ^^^^^^^"]),
        ("dofile('/no/such')", &["config:2: cannot open /no/such", "2 | dofile"]),
        ("error({ code = 5 })", &["config:2: ", "2 | error"]),
        ("trust_anchors.add('x')", &["config:2: ", "2 | trust_anchors.add('x')"]),
        ("f(1,\n\n", &["config:5: ", "2 | f(1,"]),
        ("local function f()\n  net.ipv6 = 1\nend\nf()", &["3 |   net.ipv6 = 1", "true or false"]),
    ] {
        let world = World::ready();
        let told = world.configure(&format!("x = 1\n{line}\n")).unwrap_err() + "\n";
        for word in words {
            assert!(told.contains(word), "{line}: no '{word}' in\n{told}");
        }
    }
}

#[test]
fn a_configuration_that_does_not_end_is_stopped_with_its_line() {
    let world = World::ready();
    world.lua.bound_configuration(Duration::from_millis(100)).unwrap();
    let text = "local n = 0\nwhile true do\n\tn = n + 1\nend\n";
    let error = world.configure(text).unwrap_err();
    assert!(error.contains("stopped after 100 ms of processor time"), "{error}");
    // Either line of the loop.
    assert!(error.contains(":2: stopped") || error.contains(":3: stopped"), "{error}");
    assert!(error.contains("      | ") && error.contains('^'), "{error}");
    assert_eq!(world.configure("done = true"), Ok(()));
}
