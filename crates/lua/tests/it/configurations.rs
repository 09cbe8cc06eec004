//! Whole configurations and the calls that they come to.

use crate::world::World;

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
    let calls = world.host.take_calls();
    for expected in [
        "flag NO_IPV6 true",
        "listen dns 127.0.0.1@5300",
        "listen tls 127.0.0.1@5301",
        "listen doh2 127.0.0.1@5302",
        "root hints file Some(\"/lab/root.hints\")",
        "anchors remove .",
        "flag ALLOW_LOCAL true",
        "cache open 67108864 lmdb:///lab/cache",
    ] {
        assert!(calls.iter().any(|call| call == expected), "{expected}: {calls:#?}");
    }
    assert_eq!(world.eval("trust_anchors.summary()"), "'. 3600 IN DS 20326 8 2 E06D44B8\n'");
}
