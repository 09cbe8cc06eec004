//! `modules`: loading, order, configuration; modules written in Lua and native ones.

use crate::world::{World, check_console, check_refused};

const COUNTER: &str = "
local M = { log = {} }
function M.init(self) M.log[#M.log + 1] = 'init ' .. tostring(self == M) end
function M.deinit(self) unloaded = tostring(self == M) end
function M.config(conf) M.log[#M.log + 1] = 'config ' .. tojson(conf) end
M.layer = { begin = function (state, req) return state end, finish = function () end }
return M
";

#[test]
fn a_lua_module_lives_through_its_hooks() {
    let world = World::new();
    world.write("kres_modules/counter.lua", COUNTER);
    check_console(
        &world,
        &[
            ("modules.load('counter')", "true"),
            ("modules.load('counter')", "true"),
            ("modules = { counter = { a = 1 } }", ""),
            ("modules = { counter = { a = 2 } }", ""),
            ("table.concat(counter.log, ', ')", "'init true, config {\"a\":1}, config {\"a\":2}'"),
            ("modules.unload('counter')", "true"),
            ("unloaded", "'true'"),
            ("counter", "nil"),
        ],
    );
    assert_eq!(world.host.take_calls(), ["module counter at 3, hooks 2", "module counter removed"]);
}

#[test]
fn a_listed_module_is_configured_with_nothing() {
    let world = World::new();
    world.write("kres_modules/counter.lua", COUNTER);
    world.eval("modules = { 'counter' }");
    check_console(&world, &[("counter.log[2]", "'config null'")]);
}

#[test]
fn order_follows_the_operators() {
    let world = World::new();
    let order = |expected: &str| {
        assert_eq!(world.host.order.borrow().join(" "), expected);
    };
    check_console(&world, &[("modules.load('hints > iterate')", "true")]);
    order("iterate hints validate cache");
    check_console(&world, &[("modules.load('view < cache')", "true")]);
    order("iterate hints validate view cache");
    check_console(&world, &[("modules = { 'policy > hints', 'stats' }", "")]);
    order("iterate hints policy validate view cache stats");
    // The others keep their order when one goes.
    check_console(&world, &[("modules.unload('hints')", "true")]);
    order("iterate policy validate view cache stats");
    check_console(&world, &[("modules.stats = nil", "")]);
    order("iterate policy validate view cache");
    assert_eq!(
        world.eval("modules.list()"),
        "{\n    'iterate',\n    'policy',\n    'validate',\n    'view',\n    'cache',\n}"
    );
}

#[test]
fn lists_come_before_configurations() {
    let world = World::with_natives(&["a", "b", "c"]);
    world.eval("modules = { c = 1, 'b', a = { x = 'y' } }");
    let calls = world.host.take_calls();
    assert_eq!(
        calls,
        [
            "module b at 3, hooks 0",
            "module a at 4, hooks 0",
            "a.config Map({\"x\": Text([121])})",
            "module c at 5, hooks 0",
            "c.config Number(1.0)",
        ]
    );
}

#[test]
fn bad_modules_are_refused() {
    let world = World::new();
    world.write("kres_modules/broken.lua", "x x");
    world.write("kres_modules/number.lua", "return 5");
    world.write("kres_modules/layer.lua", "return { layer = 5 }");
    world.write("kres_modules/noconfig.lua", "return {}");
    world.write("kres_modules/failing.lua", "return { init = function () error('boom') end }");
    check_refused(
        &world,
        &[
            ("modules.load('nonsense')", "No such file or directory: module 'nonsense'"),
            ("modules.load('hintz')", "did you mean 'hints'?"),
            ("modules = { 'nope' }", "No such file or directory: module 'nope'"),
            ("modules = { nope = {} }", "No such file or directory: module 'nope'"),
            ("modules = 'stats'", "modules is a group of settings"),
            ("modules.load()", "expected 'load(string name)'"),
            ("modules.load(5)", "expected 'load(string name)'"),
            ("modules.load('hints > nope')", "referenced module not found: 'nope'"),
            ("modules.load('hints >')", "write 'name', 'name > other' or 'name < other'"),
            ("modules.load('')", "is not the name of a module"),
            ("modules.load('broken')", "module 'broken' cannot be loaded:"),
            ("modules.load('number')", "module 'number' must return a table, it returned a number"),
            ("modules.load('layer')", "layer must be a table"),
            ("modules.load('failing')", "module 'failing' failed to initialise:"),
            ("modules = { noconfig = {} }", "module 'noconfig' has no configuration"),
            ("modules.unload()", "expected 'unload(string name)'"),
            ("modules.unload('hints')", "No such file or directory: module 'hints' is not loaded"),
        ],
    );
    assert_eq!(world.host.order.borrow().join(" "), "iterate validate cache noconfig");
}

#[test]
fn default_modules_may_be_unloaded_whether_they_are_there_or_not() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("modules.unload('ta_update')", "true"),
            ("modules.unload('priming')", "true"),
            ("pcall(modules.unload, 'refuse_nord')", "true\t-- result # 1\ntrue\t-- result # 2"),
            ("modules.unload('policy')", "true"),
            ("policy", "nil"),
            ("modules.load('policy')", "true"),
            ("type(policy.DENY)", "'function'"),
        ],
    );
}

#[test]
fn native_modules_have_commands_properties_and_a_configuration() {
    let world = World::with_natives(&["hints", "stats", "refuse_nord"]);
    world.lua.load_defaults().unwrap();
    assert_eq!(world.host.order.borrow()[3..].join(" "), "ta_update policy refuse_nord");
    world.host.take_calls();
    check_console(
        &world,
        &[
            ("modules = { hints = '/etc/hosts' }", ""),
            ("modules = { hints = { file = '/etc/hosts' } }", ""),
            ("hints.get('a.test', 5)", "{\n    'a',\n    2,\n}"),
            ("hints['b.test']", "'B.TEST'"),
            ("hints['a.test'] = '192.0.2.1'", ""),
            (
                "hints.root({['k.root-servers.net'] = {'192.0.2.1', '::1'}})['k.root-servers.net.'][2]",
                "'::1'",
            ),
            ("modules.load('stats')", "true"),
            ("stats['answer.total']", "nil"),
        ],
    );
    assert_eq!(
        world.host.take_calls(),
        [
            "module hints at 6, hooks 0",
            "hints.config Text([47, 101, 116, 99, 47, 104, 111, 115, 116, 115])",
            "hints.config Map({\"file\": Text([47, 101, 116, 99, 47, 104, 111, 115, 116, 115])})",
            "hints.get [Text([97, 46, 116, 101, 115, 116]), Number(5.0)]",
            "hints[a.test] = Text([49, 57, 50, 46, 48, 46, 50, 46, 49])",
            "root hints [(k.root-servers.net., [192.0.2.1, ::1])]",
            "module stats at 7, hooks 0",
        ]
    );
    check_refused(
        &world,
        &[("stats['x'] = 5", "module stats does not support assignment syntax sugar")],
    );
    assert!(world.eval("help()").contains("hints.get(key)\n    read a value\n"));
}

#[test]
fn root_hints_need_no_module() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("_hint_root_file('/lab/root.hints')", "''"),
            ("modules.load('hints > iterate')", "true"),
            ("hints.root_file()", "''"),
            (
                "hints.root({['k.root-servers.net'] = '192.0.2.1'})",
                "{\n    ['k.root-servers.net.'] = {\n        '192.0.2.1',\n    },\n}",
            ),
        ],
    );
    check_refused(
        &world,
        &[
            ("hints.root('x')", "expected 'root([table])'"),
            ("hints.root({['a..b'] = '192.0.2.1'})", "not a server name: 'a..b'"),
            ("hints.root({['a'] = 'x'})", "a.: 'x' is not an IP address"),
            ("hints.root({['a'] = 5})", "a.: expected an address or a list of addresses"),
            ("hints.root({['a'] = {}})", "a.: expected an address or a list of addresses"),
            ("hints.root_file('/nope')", "root hints file not found: /nope"),
            ("hints.root_file(5)", "expected 'root_file([string path])'"),
        ],
    );
}

#[test]
fn modules_are_unloaded_at_the_end() {
    let world = World::new();
    world.write("kres_modules/counter.lua", COUNTER);
    world.eval("modules.load('counter')");
    world.lua.shutdown();
    check_console(&world, &[("unloaded", "'true'")]);
}

#[test]
fn libraries_of_the_distribution_are_found() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("type(require('ffi'))", "'table'"),
            ("require('bit').bor(1, 2)", "3"),
            ("package.path:find('/usr/share/lua/5.1/?.lua', 1, true) ~= nil", "true"),
            (
                "package.cpath:find('/usr/lib/x86_64-linux-gnu/lua/5.1/?.so', 1, true) ~= nil",
                "true",
            ),
        ],
    );
    check_refused(&world, &[("require('nonexistent')", "module 'nonexistent' not found:")]);
}
