//! What the console answers, octet for octet.

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
            ("{1,2}", "{\n    1,\n    2,\n}"),
        ],
    );
    check_refused(&world, &[("foo(", "unexpected symbol near")]);
}
