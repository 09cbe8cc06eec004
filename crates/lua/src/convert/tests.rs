//! Numbers as Lua prints them, and tables there and back.

use mlua::{Lua, Value};

use super::{from_data, lua_number, to_data};
use crate::data::Data;

#[test]
fn numbers_print_as_in_lua() {
    let lua = Lua::new();
    let tostring: mlua::Function = lua.globals().get("tostring").unwrap();
    for number in [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        1.0 / 3.0,
        100.0,
        1e10,
        1e13,
        1e14,
        1e15,
        123456789012.0,
        9007199254740992.0,
        1e300,
        1e-5,
        1e-4,
        0.00012345,
        1.5e-9,
        2.5,
        86400.0,
        -12.75,
        99999999999999.0,
        999999999999999.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ] {
        let expected: String = tostring.call(number).unwrap();
        assert_eq!(lua_number(number), expected);
    }
}

#[test]
fn tables_survive_the_way_there_and_back() {
    let lua = Lua::new();
    let value: Value =
        lua.load("return {1, 'two', {three = true, four = {4}}, [4] = print}").eval().unwrap();
    let data = to_data(&value).unwrap();
    let Data::List(items) = &data else { panic!("not a list: {data:?}") };
    assert_eq!(items[1].as_text(), Some("two"));
    assert_eq!(items[2].get("three"), Some(&Data::Bool(true)));
    assert_eq!(items[3], Data::Nil);
    let back = to_data(&from_data(&lua, &data).unwrap()).unwrap();
    let Data::List(back) = back else { panic!("not a list") };
    assert_eq!(back, items[..3]);
}

#[test]
fn a_cyclic_table_is_refused() {
    let lua = Lua::new();
    let value: Value = lua.load("local t = {} t.t = t return t").eval().unwrap();
    assert!(to_data(&value).is_err());
}
