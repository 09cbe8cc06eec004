//! `cache`: opening, limits, clearing in rounds.

use crate::world::{World, check_console, check_refused};

#[test]
fn opening_and_assigning() {
    let world = World::new();
    check_console(
        &world,
        &[
            ("cache.current_size", "nil"),
            ("cache.close()", ""),
            ("cache.open(10*MB)", "true"),
            ("cache.current_size", "10485760"),
            ("cache.current_storage", "'lmdb://'"),
            ("cache.storage = 'lmdb:///tmp/x'", ""),
            ("cache.current_size", "10485760"),
            ("cache.size = 20*MB", ""),
            ("cache.size", "20971520"),
            ("cache.current_storage", "'lmdb:///tmp/x'"),
            ("cache = { size = 30*MB, storage = 'lmdb://.' }", ""),
            ("cache.current_storage", "'lmdb://.'"),
            ("cache.backends()", "{\n    ['lmdb'] = true,\n}"),
            ("cache.fssize()", "1073741824"),
            ("cache.checkpoint(true)", "true"),
            ("cache.checkpoint().monotime", "61447960"),
            (
                "cache.checkpoint().walltime",
                "{\n    ['sec'] = 1795372993,\n    ['usec'] = 602000,\n}",
            ),
            (
                "cache.get('example.com')",
                "{
    {
        ['exists'] = true,
        ['rank'] = 'secure',
        ['ttl'] = 60,
        ['type'] = 'A',
    },
}",
            ),
            ("cache.close()", "true"),
            ("cache.close()", ""),
        ],
    );
    let closed = "no cache is open yet, use cache.open() or cache.size, etc.";
    check_refused(
        &world,
        &[
            ("cache.count()", closed),
            ("cache.stats()", closed),
            ("cache.clear()", closed),
            ("cache.max_ttl()", closed),
            ("cache.get('x')", closed),
        ],
    );
}

#[test]
fn what_cannot_be_a_cache_is_refused() {
    let world = World::ready();
    let usage = "expected 'open(number max_size, string config = \"\")'";
    check_refused(
        &world,
        &[
            ("cache.open()", usage),
            ("cache.open('x')", usage),
            ("cache.open(10*MB, 5)", usage),
            ("cache.open(100)", "invalid cache size specified"),
            ("cache.open(2^60)", "invalid cache size specified"),
            ("cache.open(0/0)", "invalid cache size specified"),
            ("cache.open(10*MB, 'bogus://')", "unsupported cache backend"),
            ("cache.storage = 'bogus://'", "unsupported cache backend"),
            ("cache.storage = 5", "cache.storage must be a string"),
            ("cache.size = 'x'", "cache.size must be a number"),
            ("cache.storage", "cache.storage can only be set, read cache.current_storage"),
            ("cache.nosuch", "cache.nosuch is not known"),
            ("cache.foo = 1", "cache.foo is not known"),
            ("cache.szie = 1", "cache.szie is not known, did you mean 'size'?"),
            ("cache = { foo = 1 }", "cache.foo is not known"),
            ("cache = 5", "cache is a group of settings"),
            ("cache.get(5)", "expected 'cache.get(string name)'"),
            ("cache.get('bad..name')", "incorrect name passed"),
            ("cache.checkpoint('x')", "cache.checkpoint() takes"),
            ("cache.checkpoint(false)", "cache.checkpoint() takes"),
        ],
    );
    // All refused: the old one is still open.
    assert_eq!(world.eval("cache.current_size"), "20971520");
}

#[test]
fn ttl_bounds_hold_each_other() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("cache.max_ttl()", "86400"),
            ("cache.max_ttl(172800)", "172800"),
            ("cache.min_ttl()", "5"),
            ("cache.min_ttl(10)", "10"),
            ("cache.min_ttl(0)", "0"),
            ("cache.min_ttl(172800)", "172800"),
            ("cache.max_ttl(172800)", "172800"),
            ("cache.ns_tout()", "1000"),
            ("cache.ns_tout(2000)", "2000"),
        ],
    );
    let low = "max_ttl must be larger than minimum TTL, and in range <1, 2147483647>";
    let high = "min_ttl must be smaller than maximum TTL, and in range <0, 2147483647>";
    check_refused(
        &world,
        &[
            ("cache.max_ttl(172799)", low),
            ("cache.max_ttl(0)", low),
            ("cache.max_ttl(-1)", low),
            ("cache.max_ttl(4294967296)", low),
            ("cache.max_ttl('x')", "expected 'max_ttl(number ttl)'"),
            ("cache.min_ttl(172801)", high),
            ("cache.min_ttl(-1)", high),
            ("cache.min_ttl({})", "expected 'min_ttl(number ttl)'"),
            ("cache.ns_tout(0)", "invalid interval specified, it must be in range > 0"),
            ("cache.ns_tout('x')", "expected 'cache.ns_tout(interval in ms)'"),
        ],
    );
}

#[test]
fn clearing_everything_or_one_name() {
    let world = World::ready();
    world.host.entries.set(76);
    check_console(
        &world,
        &[
            ("cache.clear()", "{\n    ['count'] = 76,\n}"),
            ("cache.clear('.')", "{\n    ['count'] = 0,\n}"),
            (
                "cache.clear('www.example.com.', true)",
                "{
    ['count'] = 1,
    ['not_apex'] = 'to clear proofs of non-existence call cache.clear(\\039.\\039)',
    ['round'] = 1,
    ['subtree'] = '.',
}",
            ),
            ("cache.clear('www.example.com.', true, kres.type.A)", "{\n    ['count'] = 1,\n}"),
        ],
    );
    *world.host.apex.borrow_mut() = "example.com".parse().unwrap();
    assert_eq!(
        world.eval("cache.clear('example.com')"),
        "{\n    ['count'] = 0,\n    ['round'] = 1,\n}"
    );
}

#[test]
fn clearing_a_large_subtree_goes_on_by_itself() {
    let world = World::ready();
    world.eval("log_level('info')");
    world.host.entries.set(350);
    *world.host.apex.borrow_mut() = "test".parse().unwrap();
    assert_eq!(
        world.eval("cache.clear('test.')"),
        "{
    ['chunk_limit'] = 'chunk size limit reached; the default callback will continue \
         asynchronously',
    ['count'] = 100,
    ['round'] = 1,
}"
    );
    world.pass(100);
    assert_eq!(world.host.entries.get(), 0);
    assert_eq!(
        *world.host.messages.borrow(),
        ["[cache ] info asynchronous cache.clear('test.', false) finished"]
    );
}

#[test]
fn a_callback_of_ones_own_is_called_after_each_round() {
    let world = World::ready();
    world.host.entries.set(5);
    world.eval("seen = {}");
    world.eval(
        "function again(name, exact, rr_type, chunk, callback, prev, ret) \
         seen[#seen + 1] = ret.count \
         if ret.chunk_limit then cache.clear(name, exact, rr_type, chunk, callback, ret) end \
         return { more = ret.round } end",
    );
    assert_eq!(world.eval("cache.clear('test.', false, nil, 2, again).more"), "1");
    assert_eq!(world.eval("table.concat(seen, ' ')"), "'2 2 1'");
    // What it returns is all that the caller gets.
    world.host.entries.set(5);
    assert_eq!(world.eval("cache.clear('test.', false, nil, 2, again).count"), "nil");
    assert_eq!(world.eval("cache.clear('test.', false, nil, 2, function () end)"), "");
}

#[test]
fn bad_clears_are_refused() {
    let world = World::ready();
    check_refused(
        &world,
        &[
            ("cache.clear('bad..name')", "incorrect name passed"),
            ("cache.clear(5)", "incorrect name passed"),
            ("cache.clear('com.', 'x')", "incorrect exact_name passed"),
            ("cache.clear('com.', false, kres.type.A)", "only supported with exact_name"),
            ("cache.clear('com.', true, kres.type.A, 5)", "not supported with rr_type"),
            ("cache.clear('com.', true, 70000)", "incorrect rr_type passed"),
            ("cache.clear('com.', false, nil, 0)", "chunk_size has to be a positive integer"),
            ("cache.clear('com.', false, nil, 'x')", "chunk_size has to be a positive integer"),
            ("cache.clear('com.', false, nil, 5, 5)", "incorrect callback passed"),
        ],
    );
}

#[test]
fn a_zone_is_imported_beside_everything_else() {
    let world = World::ready();
    world.eval("log_level('info')");
    let import = "require('ffi').C.zi_zone_import { zone_file = 'good.zone', downgrade = true, \
                  cb = function (state, param) told = state .. param end, cb_param = 'x' }";
    assert_eq!(world.eval(import), "0");
    assert_eq!(world.eval(import), "0");
    assert_eq!(world.eval("cache.zone_import('other.zone')"), "true");
    check_console(&world, &[("told", "nil")]);
    let begun = world.host.imports.take();
    assert_eq!(begun.len(), 3);
    world.lua.handle_imported(begun[1], &Ok(3));
    check_console(&world, &[("told", "'0x'")]);
    world.lua.handle_imported(begun[0], &Err("DNSKEY: none".into()));
    check_console(&world, &[("told", "'-1x'")]);
    world.lua.handle_imported(begun[2], &Ok(9));
    assert_eq!(
        *world.host.messages.borrow(),
        [
            "[prefil] info zone file 'good.zone': 3 sets imported",
            "[prefil] err zone file 'good.zone': DNSKEY: none",
            "[cache ] notice zone file 'other.zone': 9 sets imported",
        ]
    );
}

#[test]
fn what_is_no_zone_is_refused_at_once() {
    let world = World::ready();
    check_refused(&world, &[("cache.zone_import('bad.zone')", "no SOA record")]);
    check_refused(&world, &[("cache.zone_import(5)", "expected 'cache.zone_import(path")]);
    let import = "require('ffi').C.zi_zone_import { zone_file = 'bad.zone' }";
    check_console(&world, &[(import, "-1")]);
}
