//! `net`: what it asks of the process and what it refuses.

use crate::world::{World, check_console, check_refused};

#[test]
fn addresses_come_as_text_list_or_interface() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("net.listen('127.0.0.1')", "true"),
            ("net.listen({'127.0.0.2', '::1'}, 5353)", "true"),
            ("net.listen(net.lo, 5354)", "true"),
            ("net.listen(net.lo.addr, 5355)", "true"),
            ("net.listen({addr = '192.0.2.9'}, 5356)", "true"),
            ("net.listen('127.0.0.1', 853)", "true"),
            ("net.listen('127.0.0.2', nil, {kind = 'tls'})", "true"),
            ("net.listen('127.0.0.3', 443, {kind = 'doh', freebind = true})", "true"),
            ("net.listen('/run/kres/http', nil, {kind = 'webmgmt'})", "true"),
            ("net.listen('fe80::1%eth0', 5357)", "true"),
            ("net.listen('127.0.0.4', '5358')", "true"),
        ],
    );
    assert_eq!(
        world.host.take_calls(),
        [
            "listen dns 127.0.0.1@53",
            "listen dns 127.0.0.2@5353",
            "listen dns ::1@5353",
            "listen dns 127.0.0.1@5354",
            "listen dns ::1@5354",
            "listen dns 127.0.0.1@5355",
            "listen dns ::1@5355",
            "listen dns 192.0.2.9@5356",
            "listen tls 127.0.0.1@853",
            "listen tls 127.0.0.2@853",
            "listen doh2 127.0.0.3@443",
            "listen webmgmt /run/kres/http",
            "listen dns fe80::1@5357",
            "listen dns 127.0.0.4@5358",
        ]
    );
}

#[test]
fn bad_endpoints_are_refused() {
    let world = World::ready();
    check_refused(
        &world,
        &[
            ("net.listen()", "expected one to three arguments; usage:\nnet.listen("),
            ("net.listen(1, 2, 3, 4)", "expected one to three arguments"),
            ("net.listen('127.0.0.1', 'x')", "wrong type of second parameter (port number)"),
            ("net.listen('127.0.0.1', {})", "wrong type of second parameter (port number)"),
            ("net.listen('127.0.0.1', 99999)", "port 99999 is not within <0, 65535>"),
            ("net.listen('127.0.0.1', -2)", "port -2 is not within"),
            ("net.listen('127.0.0.1', 53.5)", "port 53.5 is not within"),
            ("net.listen('127.0.0.1', 53, 5)", "wrong type of third parameter (table expected)"),
            ("net.listen('127.0.0.1', 53, {kind = 5})", "option 'kind' must be a string"),
            ("net.listen('127.0.0.1', 53, {knid = 'dns'})", "unknown option 'knid'"),
            ("net.listen('127.0.0.1', 53, {kind = 'nonsense'})", "kind 'nonsense' is not handled"),
            ("net.listen(5)", "bad type for address"),
            ("net.listen(nil)", "bad type for address"),
            ("net.listen(net.nosuch)", "bad type for address"),
            ("net.listen({5})", "bad type for address"),
            ("t = {} t[1] = t net.listen(t)", "bad type for address"),
            ("net.listen('x')", "'x' is not a valid IP address"),
            ("net.listen('127.0.0.1%lo')", "is not a valid IP address"),
            ("net.listen('fe80::1%nosuch')", "is not a valid IP address"),
            ("net.listen('/run/x')", "kind 'dns' cannot be served on a path"),
            ("net.listen('/run/x', nil, {kind = 'tls'})", "kind 'tls' cannot be served on a path"),
            ("net.listen('203.0.113.1')", "bind to 203.0.113.1@53"),
        ],
    );
    assert!(world.host.take_calls().is_empty());
}

#[test]
fn one_call_opens_all_or_nothing() {
    let world = World::ready();
    check_refused(
        &world,
        &[("net.listen({'127.0.0.1', '203.0.113.1'}, 5353)", "203.0.113.1@5353")],
    );
    assert_eq!(
        world.host.take_calls(),
        ["listen dns 127.0.0.1@5353", "close 127.0.0.1@5353 Some(5353)"]
    );
    assert_eq!(world.eval("net.list()"), "{\n}");
}

#[test]
fn repeating_an_endpoint_is_an_error_and_leaves_it_open() {
    let world = World::ready();
    check_console(&world, &[("net.listen('127.0.0.1', 5353)", "true")]);
    check_refused(&world, &[("net.listen('127.0.0.1', 5353)", "127.0.0.1@5353")]);
    check_console(&world, &[("#net.list()", "2")]);
}

#[test]
fn endpoints_are_listed_by_address_and_port() {
    let world = World::ready();
    world.eval("net.listen('::1', 5353) net.listen('127.0.0.1', 853)");
    world.eval("net.listen('/run/kres/control/1', nil, {kind = 'control'})");
    assert_eq!(
        world.eval("net.list()"),
        "{
    {
        ['kind'] = 'control',
        ['transport'] = {
            ['family'] = 'unix',
            ['path'] = '/run/kres/control/1',
            ['protocol'] = 'stream',
        },
    },
    {
        ['kind'] = 'tls',
        ['transport'] = {
            ['family'] = 'inet4',
            ['freebind'] = false,
            ['ip'] = '127.0.0.1',
            ['port'] = 853,
            ['protocol'] = 'tcp',
        },
    },
    {
        ['kind'] = 'dns',
        ['transport'] = {
            ['family'] = 'inet6',
            ['freebind'] = false,
            ['ip'] = '::1',
            ['port'] = 5353,
            ['protocol'] = 'udp',
        },
    },
    {
        ['kind'] = 'dns',
        ['transport'] = {
            ['family'] = 'inet6',
            ['freebind'] = false,
            ['ip'] = '::1',
            ['port'] = 5353,
            ['protocol'] = 'tcp',
        },
    },
}"
    );
}

#[test]
fn closing_says_whether_there_was_anything() {
    let world = World::ready();
    world.eval("net.listen('127.0.0.1', 5353) net.listen('127.0.0.1', 5354)");
    check_console(
        &world,
        &[
            ("net.close('127.0.0.1', 5353)", "true"),
            ("net.close('127.0.0.1', 5353)", "false"),
            ("net.close('127.0.0.1')", "true"),
            // Without a port it is true in any case.
            ("net.close('127.0.0.1')", "true"),
            ("net.close('nowhere')", "true"),
            ("net.close('nowhere', 53)", "false"),
        ],
    );
    let usage = "expected 'close(string addr, [number port])'";
    check_refused(
        &world,
        &[
            ("net.close()", usage),
            ("net.close({})", usage),
            ("net.close('127.0.0.1', 99999)", usage),
            ("net.close('127.0.0.1', 'x')", usage),
        ],
    );
}

#[test]
fn assignments_are_settings() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("net.ipv6", "true"),
            ("net.ipv6 = false", ""),
            ("net.ipv6", "false"),
            ("option('NO_IPV6')", "true"),
            ("net = { '127.0.0.5', '::5', ipv4 = false }", ""),
            ("net.ipv4", "false"),
            ("net['127.0.0.6'] = 5353", ""),
            ("net['::6'] = '5354'", ""),
            ("net.lo.addr[1]", "'127.0.0.1'"),
            ("net.eth0.mac", "'02:00:00:ab:00:01'"),
            ("net.nosuch", "nil"),
        ],
    );
    let calls = world.host.take_calls();
    for listen in ["127.0.0.5@53", "::5@53", "127.0.0.6@5353", "::6@5354"] {
        assert!(calls.contains(&format!("listen dns {listen}")), "{listen}: {calls:?}");
    }
    check_refused(
        &world,
        &[
            ("net.ipv6 = 0", "net.ipv6 must be true or false"),
            ("net.ipv6 = nil", "net.ipv6 must be true or false"),
            ("net.ipv5 = true", "net.ipv5 is not known, did you mean 'ipv4'?"),
            ("net = 5", "net is a group of settings"),
            ("net = { bufsize = 4096 }", "net.bufsize is a function: call net.bufsize(...)"),
        ],
    );
}

#[test]
fn sizes_and_times_have_bounds() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("net.bufsize()", "1232\t-- result # 1\n1232\t-- result # 2"),
            ("net.bufsize(1400)", ""),
            ("net.bufsize()", "1400\t-- result # 1\n1400\t-- result # 2"),
            ("net.bufsize(4096, 1232)", ""),
            ("net.bufsize()", "4096\t-- result # 1\n1232\t-- result # 2"),
            ("net.tcp_pipeline()", "100"),
            ("net.tcp_pipeline(50)", "50"),
            ("net.tcp_pipeline('x')", "50"),
            ("net.tcp_in_idle()", "10000"),
            ("net.tcp_in_idle(5000)", "true"),
            ("net.tls_handshake_timeout()", "6000"),
            ("net.tls_handshake_timeout(1)", "true"),
            ("net.tls_padding()", "true"),
            ("net.tls_padding(64)", "true"),
            ("net.tls_padding()", "64"),
            ("net.tls_padding(1)", "true"),
            ("net.tls_padding()", "false"),
        ],
    );
    check_refused(
        &world,
        &[
            ("net.bufsize(511)", "bufsize must be within <512, 65535>"),
            ("net.bufsize(65536)", "bufsize must be within <512, 65535>"),
            ("net.bufsize('x')", "bufsize must be within"),
            ("net.bufsize(4096, 1)", "bufsize must be within"),
            ("net.tcp_pipeline(-1)", "tcp_pipeline must be within <0, 65535>"),
            ("net.tcp_pipeline(65536)", "tcp_pipeline must be within <0, 65535>"),
            ("net.tcp_in_idle(0)", "has to be positive number"),
            ("net.tls_handshake_timeout('x')", "has to be positive number"),
            ("net.tls_padding(4097)", "between <0, 4096>"),
            ("net.tls_padding('x')", "between <0, 4096>"),
            ("net.tls_padding(-1)", "between <0, 4096>"),
        ],
    );
}

#[test]
fn outgoing_addresses_can_be_set_and_reset() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("net.outgoing_v4()", "nil"),
            ("net.outgoing_v4('192.0.2.1')", "true"),
            ("net.outgoing_v4()", "'192.0.2.1'"),
            ("net.outgoing_v4(nil)", "nil"),
            ("net.outgoing_v4()", "nil"),
            ("net.outgoing_v6('2001:db8::1')", "true"),
            ("net.outgoing_v6()", "'2001:db8::1'"),
        ],
    );
    check_refused(
        &world,
        &[
            ("net.outgoing_v4('x')", "net.outgoing_vX: failed to parse the address"),
            ("net.outgoing_v4('::1')", "net.outgoing_vX: failed to parse the address"),
            ("net.outgoing_v6('192.0.2.1')", "net.outgoing_vX: failed to parse the address"),
            ("net.outgoing_v4(5)", "net.outgoing_vX takes one address string parameter or nil"),
        ],
    );
}

#[test]
fn tls_is_set_by_files_and_secrets() {
    let world = World::ready();
    let short = world.write("short", "x");
    let long = world.write("long", &"x".repeat(32));
    check_console(
        &world,
        &[
            ("net.tls()", ""),
            ("net.tls('/good/c.pem', '/good/k.pem')", "true"),
            ("net.tls().cert_file", "'/good/c.pem'"),
            ("net.tls().key_file", "'/good/k.pem'"),
            ("net.tls_sticket_secret()", "true"),
            ("net.tls_sticket_secret(('x'):rep(32))", "true"),
            (&format!("net.tls_sticket_secret_file('{}')", long.display()), "true"),
        ],
    );
    check_refused(
        &world,
        &[
            ("net.tls('a')", "net.tls takes two parameters: (\"cert_file\", \"key_file\")"),
            ("net.tls('a', 'b', 'c')", "net.tls takes two parameters"),
            ("net.tls('a', 5)", "net.tls takes two parameters"),
            ("net.tls('a', 'b')", "a: no such file"),
            ("net.tls_sticket_secret('x')", "the secret is shorter than 32 bytes"),
            ("net.tls_sticket_secret(5)", "takes one parameter: (\"secret string\")"),
            ("net.tls_sticket_secret_file()", "takes one parameter: (\"file name\")"),
            ("net.tls_sticket_secret_file('')", "empty file name"),
            ("net.tls_sticket_secret_file('/nope')", "can't open file '/nope': No such file"),
            (
                &format!("net.tls_sticket_secret_file('{}')", short.display()),
                "is shorter than 32 bytes",
            ),
        ],
    );
    // What was set before the refusals stays.
    assert_eq!(world.eval("net.tls().cert_file"), "'/good/c.pem'");
}

#[test]
fn upstreams_are_authenticated_or_declared_insecure() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("net.tls_client()", "{\n}"),
            ("net.tls_client({'192.0.2.1', hostname = 'dns.test', ca_file = '/dev/null'})", ""),
            ("net.tls_client({'2001:db8::1@5853', insecure = true})", ""),
            ("net.tls_client()[1][1]", "'192.0.2.1#00853'"),
            ("net.tls_client()[1].hostname", "'dns.test'"),
            ("net.tls_client()[2][1]", "'2001:db8::1#05853'"),
            ("net.tls_client()[2].insecure", "true"),
            ("net.tls_client_clear('192.0.2.1')", "true"),
        ],
    );
    check_refused(
        &world,
        &[
            ("net.tls_client(5)", "takes one parameter"),
            ("net.tls_client({})", "the first item must be an IP address"),
            ("net.tls_client({'x', insecure = true})", "'x' is not a valid IP address"),
            ("net.tls_client({'192.0.2.1'})", "no way to authenticate and not set as insecure"),
            ("net.tls_client({'192.0.2.1', ca_file = 'x'})", "needs a 'hostname'"),
            (
                "net.tls_client({'192.0.2.1', insecure = true, hostname = 'x'})",
                "set as insecure but provided authentication config",
            ),
            ("net.tls_client({'192.0.2.1', hostnmae = 'x'})", "invalid TLS parameter: hostnmae"),
            ("net.tls_client_clear('192.0.2.1')", "no parameters are set for '192.0.2.1'"),
            ("net.tls_client_clear('x')", "invalid IP address"),
        ],
    );
}

#[test]
fn proxies_headers_and_kinds() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("net.proxy_allowed()", "{\n}"),
            ("net.proxy_allowed({'192.0.2.77/24', '::1'})", ""),
            ("net.proxy_allowed()", "{\n    '192.0.2.0/24',\n    '::1/128',\n}"),
            ("net.proxy_allowed('192.0.2.1')", ""),
            ("net.proxy_allowed()", "{\n    '192.0.2.1/32',\n}"),
            ("net.doh_headers({'user-agent'})", ""),
            ("net.doh_headers()", "{\n    'user-agent',\n}"),
            ("net.register_endpoint_kind('echo', function () end)", ""),
            ("net.listen('127.0.0.1', 7, {kind = 'echo'})", "true"),
            ("net.register_endpoint_kind('echo')", ""),
            ("net.bpf_set(3)", "true"),
            ("net.bpf_clear()", "true"),
        ],
    );
    check_refused(
        &world,
        &[
            ("net.proxy_allowed({'x'})", "'x' is not an address or network"),
            ("net.proxy_allowed({'192.0.2.1/33'})", "is not an address or network"),
            ("net.proxy_allowed(5)", "takes one parameter"),
            ("net.doh_headers(5)", "takes one parameter"),
            ("net.register_endpoint_kind('echo')", "attempt to unregister unknown kind 'echo'"),
            ("net.register_endpoint_kind('echo', 5)", "expected a function"),
            ("net.bpf_set('x')", "takes one parameter"),
        ],
    );
}
