//! `kres.packet`, `kres.rrset` and records as text.

use dns::{Class, Composer, Header, Name, Rcode, Rtype, Section};
use lua::host::QueryId;

use crate::world::{World, check_console, check_refused};

/// A response with one answer.
fn response() -> Vec<u8> {
    let name: Name = "www.example.com".parse().unwrap();
    let mut header = Header { id: 7, ..Header::default() };
    header.set_qr(true);
    header.set_rd(true);
    header.set_rcode_low(Rcode::NOERROR);
    let mut wire = Vec::new();
    let mut composer = Composer::new(&mut wire, header, 512);
    composer.question(&name, Rtype::A, Class::IN).unwrap();
    for last in [1, 2] {
        let rdata = [192, 0, 2, last];
        let one = std::iter::once(&rdata[..]);
        composer.records(Section::Answer, &name, Rtype::A, Class::IN, 300, one).unwrap();
    }
    composer.finish(None);
    wire
}

#[test]
fn the_manual_s_callback_reads_an_answer() {
    let world = World::ready();
    world.eval("lines = {}");
    world.eval(
        "resolve('www.example.com', kres.type.A, kres.class.IN, 0, function (pkt, req) \
         if pkt:rcode() == kres.rcode.NOERROR then \
         local records = pkt:section(kres.section.ANSWER) \
         for i = 1, #records do local rr = records[i] \
         if rr.type == kres.type.A then lines[#lines + 1] = 'record: ' .. kres.rr2str(rr) end end \
         else lines[1] = 'rcode: ' .. pkt:rcode() end end)",
    );
    world.lua.handle_resolved(QueryId(1), Some(&response()));
    check_console(
        &world,
        &[(
            "table.concat(lines, '|')",
            "'record: www.example.com.    \t300\tA\t192.0.2.1|record: www.example.com.    \
         \t300\tA\t192.0.2.2'",
        )],
    );
}

#[test]
fn a_failed_query_has_no_packet() {
    let world = World::ready();
    world.eval("resolve('a.', 1, 1, 0, function (pkt, req) got = { pkt, type(req) } end)");
    world.lua.handle_resolved(QueryId(1), None);
    check_console(&world, &[("got[1]", "nil"), ("got[2]", "'table'")]);
    assert!(world.host.messages.borrow().is_empty());
}

#[test]
fn a_packet_is_made_and_read() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("p = kres.packet(512)", ""),
            ("p:question(todname('a.b'), kres.class.IN, kres.type.A)", "true"),
            ("p:qname()", "'\\001a\\001b\\000'"),
            ("p:qtype()", "1"),
            ("p:qclass()", "1"),
            ("p:rcode()", "0"),
            ("p:rcode(3)", "3"),
            ("p:aa()", "false"),
            ("p:aa(true)", "true"),
            ("p:tc()", "false"),
            ("p:opcode()", "0"),
            ("p:id(7)", "7"),
            ("p:begin(kres.section.ANSWER)", "true"),
            ("p:put(todname('a.b'), 300, kres.class.IN, kres.type.A, '\\1\\2\\3\\4')", "true"),
            (
                "p:section(kres.section.ANSWER)",
                "{
    {
        ['class'] = 1,
        ['owner'] = '\\001a\\001b\\000',
        ['rdata'] = '\\001\\002\\003\\004',
        ['ttl'] = 300,
        ['type'] = 1,
    },
}",
            ),
            ("p:rrsets(kres.section.ANSWER)", "{\n    a.b.                \t300\tA\t1.2.3.4\n,\n}"),
            (
                "tostring(p)",
                "';; ->>HEADER<<- opcode: QUERY; status: NXDOMAIN; id: 7
;; Flags: aa  QUERY: 1; ANSWER: 1; AUTHORITY: 0; ADDITIONAL: 0

;; QUESTION SECTION
a.b.\t\tA

;; ANSWER SECTION
a.b.                \t300\tA\t1.2.3.4
'",
            ),
            (
                "p:towire()",
                "'\\000\\007\\004\\003\\000\\001\\000\\001\\000\\000\\000\\000\\001a\\001b\\000\\000\\001\\000\
             \\001\\192\\012\\000\\001\\000\\001\\000\\000\\001,\\000\\004\\001\\002\\003\\004'",
            ),
            ("p.size", "37"),
            ("p.max_size", "512"),
            ("kres.packet(p:towire()):towire() == p:towire()", "true"),
            ("kres.packet(p:towire()):rcode()", "3"),
            ("kres.packet(#p:towire(), p:towire()):ancount()", "1"),
            ("#p", "37"),
            ("p:remaining_bytes()", "475"),
            ("select('#', p:put(nil, 0, 0, 0, ''))", "2"),
            ("require('ffi').istype(kres.packet, p)", "true"),
            ("tonumber(require('ffi').C.kr_pkt_make_auth_header(p))", "0"),
            ("p:ancount()", "0"),
            ("p:recycle()", "true"),
            ("p.size", "12"),
        ],
    );
    check_refused(
        &world,
        &[
            ("kres.packet('x')", "not a DNS message"),
            ("kres.packet(5)", "a packet has at least 12 octets"),
            ("kres.packet({})", "size must be a number"),
            ("p:id(70000)", "id must be a number within <0, 65535>"),
            ("p:question('com', 1, 1)", "not a name in wire format"),
            ("p:begin(3)", "section must be a number within <0, 2>"),
        ],
    );
}

#[test]
fn a_full_packet_takes_no_more() {
    let world = World::ready();
    world.eval("p = kres.packet(64) n = 0");
    world.eval(
        "while p:put(todname('a.b'), 300, kres.class.IN, kres.type.A, '\\1\\2\\3\\4') do n = n + 1 end",
    );
    check_console(&world, &[("n", "3"), ("p.size <= 64", "true")]);
}

#[test]
fn sets_of_records() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("r = kres.rrset(todname('a.'), kres.type.A, kres.class.IN, 300)", ""),
            ("r:add_rdata('\\1\\2\\3\\4', 4)", "true"),
            ("r:add_rdata('\\5\\6\\7\\8zzz', 4)", "true"),
            ("r:rdcount()", "2"),
            ("r:owner()", "'\\001a\\000'"),
            ("r:ttl()", "300"),
            ("r:ttl(5)", "300"),
            ("r:class()", "1"),
            ("r.type", "1"),
            ("r:rdata(1)", "'\\005\\006\\007\\008'"),
            ("r:get(0).rdata", "'\\001\\002\\003\\004'"),
            ("r:tostring(0)", "'1.2.3.4'"),
            ("r", "a.                  \t300\tA\t1.2.3.4\na.                  \t300\tA\t5.6.7.8\n"),
            ("r:wire_size()", "34"),
            ("r:merge_rdata(r)", "true"),
            ("r:rdcount()", "2"),
            ("type(r)", "'cdata'"),
            ("require('ffi').istype(kres.rrset, r)", "true"),
            ("require('ffi').istype(kres.packet, r)", "false"),
            ("s = kres.rrset(todname('a.'), kres.type.RRSIG, kres.class.IN, 0)", ""),
            ("s:add_rdata('\\0\\1', 2)", "true"),
            ("s:type_covered(0) == r.type and r:is_covered_by(s)", "true"),
            ("r:txt_fields(1).rdata", "'5.6.7.8'"),
            (
                "kres.rr2str({owner = todname('example.com.'), ttl = 300, class = 1, type = 15, \
             rdata = '\\0\\10\\1b\\0'})",
                "'example.com.        \t300\tMX\t10 b.'",
            ),
            ("kres.parse_rdata({'A 192.0.2.1', 'TXT \"a b\"'})[2]", "'\\003a b'"),
        ],
    );
    check_refused(
        &world,
        &[
            ("kres.rr2str(5)", "expected a record"),
            ("kres.rr2str({})", "expected a record"),
            ("r:get(2)", "there is no record 2 in a set of 2"),
            ("r.nosuch", "'struct knot_rrset' has no member named 'nosuch'"),
            ("r.rdcount(5)", "expected a struct knot_rrset"),
            ("r.ttl = 5", "that can be set"),
            ("kres.rrset('x', 1, 1, 1)", "not a name in wire format"),
            ("kres.rrset(todname('a'), 70000, 1, 1)", "type must be a number"),
            ("kres.parse_rdata('A 192.0.2.1')", "a table of string(s) is expected"),
            ("kres.parse_rdata({'x'})", "failed to parse line: x"),
            ("kres.parse_rdata({'A x'})", "failed to parse line: A x"),
        ],
    );
}

#[test]
fn objects_go_with_what_holds_them() {
    let world = World::ready();
    world.eval("for i = 1, 20000 do local r = kres.rrset(todname('a.'), 1, 1, i) end");
    world.eval("kept = {} for i = 1, 100 do kept[i] = kres.rrset(todname('a.'), 1, 1, i) end");
    world.eval("collectgarbage() collectgarbage()");
    world.eval("sum = 0 for i = 1, 100 do sum = sum + kept[i]:ttl() end");
    check_console(&world, &[("sum", "5050"), ("collectgarbage('count') < 20000", "true")]);
}

#[test]
fn a_table_that_forgets() {
    let world = World::ready();
    world.eval("lru = kres.lru(8)");
    world.eval("for i = 1, 100 do lru:set('key' .. i, i) lru:get('key1') end");
    check_console(
        &world,
        &[
            ("lru:get('key100')", "100"),
            ("lru:get('key1')", "1"),
            ("lru:get('key50')", "nil"),
            ("lru:set(require('ffi').cast('char *', 'pointer'), 7, 5)", "true"),
            ("lru:get('point')", "7"),
            ("lru:get('none', 4, true)", "nil"),
            ("type(kres.lru(2, 'int[1]'):get_ref('x', 1, true))", "'cdata'"),
            ("tonumber(require('ffi').C.kr_now())", "1000"),
            ("type(require('ffi').C)", "'userdata'"),
        ],
    );
    check_refused(&world, &[("kres.lru()", "expected kres.lru(number of entries)")]);
}

#[test]
fn records_go_into_the_cache() {
    let world = World::ready();
    world.eval(
        "c = kres.context().cache r = kres.rrset(todname('a.'), 1, 1, 5) r:add_rdata('abcd', 4)",
    );
    check_console(
        &world,
        &[
            ("type(c)", "'cdata'"),
            ("c:insert(r, nil, require('ffi').C.KR_RANK_SECURE)", "true"),
            ("c:insert(r, nil, require('bit').bor(require('ffi').C.KR_RANK_AUTH, 8))", "true"),
            ("c:commit()", "true"),
            ("c.stats.read ~= nil", "true"),
        ],
    );
    assert_eq!(
        world.host.take_calls(),
        ["cache insert a. A secure", "cache insert a. A insecure+auth"]
    );
    check_refused(
        &world,
        &[
            ("c:insert(5)", "expected a kres.rrset"),
            ("c:insert(r, nil, 3)", "there is no such rank"),
        ],
    );
}
