//! What the console answers, octet for octet, and how it takes its input.

use lua::console::{Session, SessionState};

use crate::world::{World, check_console, check_refused};

#[test]
fn values_print_as_lua_literals() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("1+1", "2"),
            ("\"text\"", "'text'"),
            ("nil", "nil"),
            ("true", "true"),
            ("", ""),
            ("1e15", "1e+15"),
            ("1/3", "0.33333333333333"),
            ("'a\\nb\\t\\0\\200\\'\"\\\\'", "'a\nb\t\\000\\200\\039\"\\092'"),
            ("{1,2}", "{\n    1,\n    2,\n}"),
            ("{a=1,b={c=2}}", "{\n    ['a'] = 1,\n    ['b'] = {\n        ['c'] = 2,\n    },\n}"),
            ("{1,nil,3}", "{\n    1,\n    [3] = 3,\n}"),
            ("{[0]='a','b'}", "{\n    [0] = 'a',\n    [1] = 'b',\n}"),
            (
                "{[true]=1,[2]=2,[10]=3,['2']=4,B=5,a=6}",
                "{\n    [true] = 1,\n    [2] = 2,\n    [10] = 3,\n    ['2'] = 4,\n    ['B'] = 5,\n    \
             ['a'] = 6,\n}",
            ),
            ("{[{1}]={}}", "{\n    [{\n        1,\n    }] = {\n    },\n}"),
            ("1, nil", "1\t-- result # 1\nnil\t-- result # 2"),
            ("(function () end)()", ""),
            ("5LL", "5LL"),
            ("table_print({1})", "'{\n    1,\n}'"),
            ("table_print()", "nil"),
        ],
    );
}

#[test]
fn tables_seen_before_are_not_shown_again() {
    let world = World::ready();
    world.eval("t = {} t.t = t");
    let shown = world.eval("t");
    assert!(shown.starts_with("{\n--[[ missing cannot print 't' = 'table: 0x"), "{shown}");
    assert!(shown.ends_with("' (value: cyclic reference) ]]\n}"), "{shown}");
}

#[test]
fn functions_print_with_their_parameters() {
    let world = World::ready();
    world.eval("f = function (a, b, ...) end");
    assert!(world.eval("f").starts_with("function (a, b, ...): 0x"));
    assert!(world.eval("{f = f}").contains("['f'] = function f(a, b, ...): 0x"));
    assert!(world.eval("print").starts_with("function (?): builtin#"));
    for native in ["event.after", "event.cancel", "modules.load", "net.listen"] {
        assert!(world.eval(native).starts_with("function (?): 0x"), "{native}");
    }
}

#[test]
fn statements_answer_their_last_text() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("x = 5", ""),
            ("x", "5"),
            ("local y = 3", ""),
            ("return 7", "7"),
            ("if true then return 'yes' end", "yes"),
            ("return 1, 2", "2"),
            ("return {}", ""),
            ("worker.pid -- with a comment", "4242"),
            ("undefined_variable", "nil"),
        ],
    );
}

#[test]
fn errors_are_texts() {
    let world = World::ready();
    check_console(
        &world,
        &[
            ("error('x', 0)", "x"),
            ("error()", ""),
            ("error({})", ""),
            ("error(setmetatable({}, {__tostring = function () return 'custom' end}))", "custom"),
            ("error('x')", "[string \"error('x')\"]:1: x"),
            (
                "undefined_function()",
                "[string \"undefined_function()\"]:1: attempt to call global 'undefined_function' \
             (a nil value)",
            ),
            (
                "net.lisen('127.0.0.1')",
                "[string \"net.lisen('127.0.0.1')\"]:1: attempt to call field 'lisen' (a nil value), \
             did you mean 'listen'?",
            ),
            ("select(2, pcall(mode, 'x')):match('unsupported.*')", "'unsupported mode: x'"),
            ("type(select(2, pcall(cache.open, 'x')))", "'string'"),
        ],
    );
    check_refused(
        &world,
        &[
            ("foo(", "unexpected symbol near '<eof>'"),
            ("1+", "unexpected symbol near '1'"),
            (")", "unexpected symbol near ')'"),
        ],
    );
    // The process lives on.
    assert_eq!(world.eval("worker.pid"), "4242");
}

#[test]
fn a_session_takes_lines_and_chunks() {
    let world = World::ready();
    let mut session = Session::new(false);
    let mut out = Vec::new();
    let state = world.lua.handle_console(
        &mut session,
        b"1+1\nfunction f()\n  return 7\nend\nf()\nfoo(\n\n__binary\nf()\nfoo(\n",
        &mut out,
    );
    assert_eq!(state, SessionState::Open);
    let text = String::from_utf8(out).unwrap();
    let expected = "2\n> \n> 7\n> [string \"foo(...\"]:2: unexpected symbol near '<eof>'\n> \
                    \0\0\0\x017\0\0\0\x31[string \"foo(\"]:1: unexpected symbol near '<eof>'";
    assert_eq!(text, expected);
}

#[test]
fn commands_are_logged_by_their_outcome() {
    let world = World::ready();
    let mut session = Session::new(false);
    let mut out = Vec::new();
    world.lua.handle_console(&mut session, b"1+1\nerror('x', 0)\n", &mut out);
    assert_eq!(
        *world.host.messages.borrow(),
        ["[contrl] warning > error('x', 0)", "[contrl] warning x"]
    );
    world.host.messages.borrow_mut().clear();
    world.eval("log_level('debug')");
    world.lua.handle_console(&mut session, b"1+1\n", &mut out);
    assert_eq!(*world.host.messages.borrow(), ["[contrl] debug > 1+1", "[contrl] debug 2"]);
}
