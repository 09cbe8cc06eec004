//! Modules written in Lua that come with the program.

use lua::policy::{Action, Client, Filter};

use crate::world::{World, check_console, check_refused};

fn with(module: &str) -> World {
    let world = World::ready();
    assert_eq!(world.eval(&format!("modules.load('{module}')")), "true");
    world
}

#[test]
fn a_line_becomes_a_rule() {
    let world = with("daf");
    check_console(
        &world,
        &[
            ("daf.add('qname = example.com deny').rule.id", "0"),
            ("daf.add('qname ~ %w+.example-1.com AND src = 10.0.0.0/8 drop').rule.id", "1"),
            ("daf.add('dst = 192.0.2.51 truncate').rule.id", "2"),
            ("daf.add('src = 127.0.0.0/8 reroute 192.0.2.0/24-127.0.0.0').rule.id", "3"),
            ("daf.add('qname = a. OR qname = b. AND src = 10.0.0.1 pass').rule.id", "4"),
            ("daf.add('deny').rule.id", "5"),
            ("#daf.rules", "6"),
        ],
    );
    let rules = world.host.rules.borrow();
    let (_, first, _) = &rules[0];
    assert!(matches!((&first.filter, &first.action), (Filter::Suffix(_), Action::Deny { .. })));
    let (_, second, _) = &rules[1];
    assert_eq!(second.client, Some(Client::Source([10, 0, 0, 0].into(), 8)));
    let Filter::Pattern(pattern) = &second.filter else { panic!("{:?}", second.filter) };
    assert_eq!(pattern, b"%w+\x09example%-1\x03com%z$");
    assert_eq!(rules[2].1.client, Some(Client::Destination([192, 0, 2, 51].into(), 32)));
    assert!(rules[3].2, "rerouting looks at the answer");
    assert!(matches!(rules[4].1.filter, Filter::Lua(_)), "OR takes a function");
    assert!(matches!(rules[5].1.filter, Filter::All));
}

#[test]
fn the_rules_of_daf_are_a_list() {
    let world = with("daf");
    world.eval("one = daf.add('qname = a. deny')");
    world.eval("two = daf.add('qname = b. deny')");
    world.host.take_calls();
    check_console(
        &world,
        &[
            ("daf.get(one.rule.id).info", "'qname = a. deny'"),
            ("daf.disable(one.rule.id)", "true"),
            ("one.rule.suspended", "true"),
            ("daf.enable(one.rule.id)", "true"),
            ("one.rule.suspended", "false"),
            ("daf.del(one.rule.id)", "true"),
            ("daf.del(one.rule.id)", "nil"),
            ("daf.disable(77)", "nil"),
            ("#daf.rules", "1"),
            ("daf.clear()", "true"),
            ("#daf.rules", "0"),
        ],
    );
    assert_eq!(world.host.take_calls(), ["policy_suspend 0 true", "policy_suspend 0 false"]);
    assert!(world.host.rules.borrow().is_empty());
}

#[test]
fn a_line_that_is_wrong_says_what() {
    let world = with("daf");
    check_refused(
        &world,
        &[
            ("daf.add('qname < a deny')", "invalid operator \"<\" on qname"),
            ("daf.add('foo = bar deny')", "invalid action \"foo\""),
            ("daf.add('qname = x. frob')", "invalid action \"frob\""),
            ("daf.add('qname = x. AND deny')", "invalid filter \"deny\""),
            ("daf.add('qname = x.')", "invalid action \"nil\""),
            ("daf.add('qname =')", "expected an operator and a value"),
            ("daf.add('src = x deny')", "failed to parse subnet x"),
            ("daf.add('src = 10.0.0.1 forward foo')", "foo"),
            ("daf.add('src = 10.0.0.1 rewrite example.com A')", "expected 'rewrite NAME TYPE"),
            ("daf.add(5)", "expected daf.add"),
        ],
    );
    check_console(&world, &[("#daf.rules", "0")]);
}

#[test]
fn statistics_go_to_a_server_of_carbon() {
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let port = server.local_addr().unwrap().port();
    let world = World::ready();
    world.eval(&format!(
        "modules = {{ graphite = {{ host = '127.0.0.1', port = {port}, prefix = 'p', interval = 100 }} }}"
    ));
    world.pass(150);
    let mut octets = [0; 2000];
    let received = server.recv(&mut octets);
    let length = received.unwrap_or_else(|_| panic!("{:?}", world.host.messages.borrow()));
    let text = std::str::from_utf8(&octets[..length]).unwrap();
    let line = text.lines().next().unwrap();
    assert!(line.starts_with("p.cache."), "{line}");
    assert_eq!(line.split(' ').count(), 3, "{line}");
    assert!(length <= 1200, "{length}");
    check_refused(
        &world,
        &[
            ("graphite.config()", "expected { host ="),
            ("graphite.config({ host = 'x' })", "'x' is not an address"),
            ("graphite.config({ host = '::1', port = 0 })", "port is within"),
        ],
    );
    check_console(&world, &[("modules.unload('graphite')", "true")]);
    world.pass(1000);
}
