//! The short way into Lua, for hooks: numbers go in, one number comes out, nothing is allocated.

use std::os::raw::c_int;
use std::rc::Rc;

use dns::Question;
use mlua::ffi::{self, lua_State};
use mlua::{Function, IntoLua, Table, Value, WeakLua};

use super::budget::{Budget, Kind};
use super::lent::{View, lend};
use crate::layer::{kept, query_key, state_number};

/// The slots of Lua's stack that a call needs: the function, its arguments, and what it calls.
const SLOTS: c_int = 20;

/// What a hook is given beside the state, its request and its query.
pub(crate) enum Tail<'a> {
    /// Nothing: a hook of a layer.
    Nothing,
    /// Filters of rules, and what is asked if no query has begun yet.
    Filters { list: &'a Table, question: Option<&'a Question> },
}

/// The way from the program into hooks and rules written in Lua.
pub(crate) struct Door {
    /// Weak, since functions of the state hold the door.
    lua: WeakLua,
    budget: Rc<Budget>,
    /// The prelude's function that empties the handles of a request which is over.
    forget: Function,
}

impl Door {
    /// A way into this state.
    pub(super) fn new(lua: WeakLua, budget: Rc<Budget>, forget: Function) -> Door {
        Door { lua, budget, forget }
    }

    /// Lends what the hook works on and calls its function with the state, slot and number of the
    /// request, the key of the query, and the tail. Returns the number that the function returns,
    /// nothing for any other value. Handles of requests that have ended since are emptied before.
    pub(crate) fn run_hook(
        &self,
        view: View<'_>,
        function: &Function,
        tail: Tail<'_>,
    ) -> mlua::Result<Option<i64>> {
        let _run = self.budget.begin(Kind::Hook);
        // As many as there are marks, which requests under way carry, each one.
        while let Some((slot, number)) = kept::pop() {
            self.call(&self.forget, &[slot.into(), number.into()], &Tail::Nothing)?;
        }
        let id = view.request.id;
        let arguments = [
            state_number(view.state).into(),
            id.slot().into(),
            id.number.into(),
            query_key(view.query.as_deref()).into(),
        ];
        lend(view, || self.call(function, &arguments, &tail))
    }

    fn call(
        &self,
        function: &Function,
        numbers: &[i64],
        tail: &Tail<'_>,
    ) -> mlua::Result<Option<i64>> {
        let lua = self.lua.try_upgrade().ok_or_else(|| mlua::Error::runtime("Lua has ended"))?;
        lua.exec_raw_lua(|raw| {
            let state = raw.state();
            // SAFETY: the stack has room for what is pushed and is left as it was found. The call
            // is protected; the strings are short of memory only when the process is.
            unsafe {
                if ffi::lua_checkstack(state, SLOTS) == 0 {
                    return Err(mlua::Error::StackError);
                }
                let top = ffi::lua_gettop(state);
                function.push_into_stack(raw)?;
                for number in numbers {
                    ffi::lua_pushinteger(state, *number as ffi::lua_Integer);
                }
                if let Tail::Filters { list, question } = tail {
                    list.push_into_stack(raw)?;
                    if let Some(question) = question {
                        push_question(state, question);
                    }
                }
                let arguments = ffi::lua_gettop(state) - top - 1;
                if ffi::lua_pcall(state, arguments, 1, 0) == ffi::LUA_OK {
                    let is_number = ffi::lua_type(state, -1) == ffi::LUA_TNUMBER;
                    let number = is_number.then(|| ffi::lua_tointeger(state, -1) as i64);
                    ffi::lua_settop(state, top);
                    return Ok(number);
                }
                let error = raw.pop::<Value>();
                ffi::lua_settop(state, top);
                Err(match error? {
                    Value::Error(error) => *error,
                    other => mlua::Error::RuntimeError(text(&other)),
                })
            }
        })
    }
}

/// Name in wire form, type and class.
///
/// # Safety
/// The state's stack has room for three values.
unsafe fn push_question(state: *mut lua_State, question: &Question) {
    let name = question.name.as_wire();
    // SAFETY: the octets are there for as long as they are copied; the room is the caller's promise.
    unsafe {
        ffi::lua_pushlstring(state, name.as_ptr().cast(), name.len());
        ffi::lua_pushinteger(state, question.rtype.0 as ffi::lua_Integer);
        ffi::lua_pushinteger(state, question.class.0 as ffi::lua_Integer);
    }
}

/// An error value as text.
fn text(value: &Value) -> String {
    value.to_string().unwrap_or_else(|_| format!("an error that is a {}", value.type_name()))
}
