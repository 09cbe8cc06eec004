//! The short way into Lua, for hooks: numbers go in, one number comes out, nothing is allocated.

use std::cell::{Cell, RefCell};
use std::os::raw::c_int;
use std::rc::Rc;

use dns::Question;
use mlua::ffi::{self, lua_State};
use mlua::{Function, LightUserData, Lua, Table, Value, WeakLua};

use super::budget::{Budget, Kind, Run};
use super::lent::{self, View, lend};
use crate::layer::{kept, query_key, state_number};

/// Handles of requests are light userdata: the number with this bit above it, so that none is a
/// pointer to anything.
const HANDLE: usize = 1 << 33;

/// The handle of a request, by its number.
pub(crate) fn handle(number: u32) -> LightUserData {
    LightUserData(std::ptr::without_provenance_mut(HANDLE | number as usize))
}

/// The number of the request that a handle stands for.
pub(crate) fn number_of(handle: LightUserData) -> Option<u32> {
    let address = handle.0.addr();
    (address & HANDLE != 0).then(|| u32::try_from(address & !HANDLE).ok()).flatten()
}

/// The slots of Lua's stack that a call needs: the function, its arguments, and what it calls.
const SLOTS: c_int = 20;

/// The functions that hooks call, in a table of their own: it lies at the bottom of the stack of the main
/// state, where one is found with a few instructions.
pub(super) struct Shelf {
    functions: Table,
    /// Places below `places` that nobody has.
    free: Rc<RefCell<Vec<c_int>>>,
    places: Cell<c_int>,
}

/// Where the table lies on the stack.
const SHELF: c_int = 1;
/// Room for so many functions from the beginning.
const PLACES: usize = 64;

impl Shelf {
    /// Puts an empty one at the bottom of the stack of a new state.
    pub(super) fn place(lua: &Lua) -> mlua::Result<()> {
        let functions = lua.create_table_with_capacity(PLACES, 0)?;
        lua.set_named_registry_value("kres.shelf", &functions)?;
        lua.exec_raw_lua(|raw| {
            let state = raw.state();
            // SAFETY: nothing runs in the state, and its stack has room for twenty values; the key is a
            // string that ends with zero.
            unsafe {
                if ffi::lua_gettop(state) != SHELF - 1 {
                    return Err(mlua::Error::runtime("the stack of a new state is not empty"));
                }
                ffi::lua_getfield(state, ffi::LUA_REGISTRYINDEX, c"kres.shelf".as_ptr());
                Ok(())
            }
        })?;
        lua.set_app_data(Shelf { functions, free: Rc::default(), places: Cell::new(0) });
        Ok(())
    }
}

/// A place on the shelf, free again when this is dropped; what lies there stays until it is used anew.
struct Taken {
    place: c_int,
    free: Rc<RefCell<Vec<c_int>>>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Ok(mut free) = self.free.try_borrow_mut() {
            free.push(self.place);
        }
    }
}

/// A function that hooks call, and its place on the [`Shelf`].
#[derive(Clone)]
pub(crate) struct HookFunction(Rc<Taken>);

impl HookFunction {
    /// Puts a function there until the last copy of this is dropped.
    pub(crate) fn new(lua: &Lua, function: &Function) -> mlua::Result<HookFunction> {
        let shelf = lua.app_data_ref::<Shelf>();
        let shelf = shelf.ok_or_else(|| mlua::Error::runtime("there is no place for hooks"))?;
        let free = shelf.free.borrow_mut().pop();
        let place = free.unwrap_or_else(|| {
            shelf.places.set(shelf.places.get() + 1);
            shelf.places.get()
        });
        shelf.functions.raw_seti(place as usize, function)?;
        Ok(HookFunction(Rc::new(Taken { place, free: Rc::clone(&shelf.free) })))
    }

    /// # Safety
    /// The table of the shelf lies at the given place of the state's stack, which has room for one value.
    unsafe fn push(&self, state: *mut lua_State, shelf: c_int) {
        // SAFETY: the place is taken for as long as this is there; the rest is the caller's promise.
        unsafe { ffi::lua_rawgeti_(state, shelf, self.0.place) };
    }
}

/// What a function of the prelude is called with.
#[derive(Clone, Copy)]
enum Arguments {
    /// Nothing.
    None,
    /// A request that is over, by its number, and its place.
    Over { number: u32, slot: u32 },
    /// The state, the request and its place, and the key of the query if there may be one.
    Hook { state: i32, number: u32, slot: u32, query: Option<i32> },
}

/// What a hook is given beside the state, its request and its query.
pub(crate) enum Tail<'a> {
    /// Nothing: a hook of a layer.
    Nothing,
    /// Filters of rules, and what is asked if no query has begun yet.
    Filters { list: &'a HookFunction, question: Option<&'a Question> },
}

/// The way from the program into hooks and rules written in Lua.
pub(crate) struct Door {
    /// Weak, since functions of the state hold the door.
    lua: WeakLua,
    /// The main state, for as long as the interpreter is there.
    state: Cell<*mut lua_State>,
    budget: Rc<Budget>,
    /// The prelude's function that empties the handles of a request which is over.
    forget: HookFunction,
    /// And the one that forgets that a run has been stopped.
    forget_stop: HookFunction,
}

impl Door {
    /// A way into this state.
    pub(super) fn new(
        lua: &Lua,
        budget: Rc<Budget>,
        forget: HookFunction,
        forget_stop: HookFunction,
    ) -> Door {
        let state = Cell::new(lua.exec_raw_lua(|raw| raw.state()));
        Door { lua: lua.weak(), state, budget, forget, forget_stop }
    }

    /// The interpreter ends: nothing goes through from now on.
    pub(super) fn close(&self) {
        self.state.set(std::ptr::null_mut());
    }

    /// Lends what the hook works on and calls its function with the state, slot and number of the
    /// request, the key of the query, and the tail. Returns the number that the function returns, 0
    /// for any other value. Handles of requests that have ended since are emptied before.
    #[inline]
    pub(crate) fn run_hook(
        &self,
        view: View<'_>,
        function: &HookFunction,
        tail: Tail<'_>,
    ) -> mlua::Result<i64> {
        let run = self.begin()?;
        let id = view.request.id;
        // Hooks of whole requests need not be told that they have no query.
        let is_bare = matches!(tail, Tail::Nothing) && view.query.is_none();
        let arguments = Arguments::Hook {
            state: state_number(view.state),
            number: id.number,
            slot: id.slot(),
            query: (!is_bare).then(|| query_key(view.query.as_deref())),
        };
        lend(view, || self.call(run.is_outermost(), function, arguments, &tail))
    }

    /// Begins the run of a hook.
    #[inline]
    pub(super) fn begin(&self) -> mlua::Result<Run> {
        let was_stopped = self.budget.was_stopped();
        let run = self.budget.begin(Kind::Hook);
        if was_stopped {
            self.call(run.is_outermost(), &self.forget_stop, Arguments::None, &Tail::Nothing)?;
        }
        // As many as there are marks, which requests under way carry, each one.
        while let Some((slot, number)) = kept::pop() {
            let arguments = Arguments::Over { number, slot };
            self.call(run.is_outermost(), &self.forget, arguments, &Tail::Nothing)?;
        }
        Ok(run)
    }

    /// Calls a function. `outermost`: no other Lua is under way, so what runs is the main state.
    #[inline]
    fn call(
        &self,
        outermost: bool,
        function: &HookFunction,
        arguments: Arguments,
        tail: &Tail<'_>,
    ) -> mlua::Result<i64> {
        let state = self.state.get();
        if state.is_null() {
            return Err(mlua::Error::runtime("Lua has ended"));
        }
        if outermost {
            // SAFETY: the state is there until `close`. Nothing runs in it, so the shelf is where it was
            // put, and of the forty values and more that a stack has room for hardly any is in use.
            let called = unsafe { enter(state, SHELF, function, arguments, tail) };
            return called.ok_or_else(|| self.error());
        }
        self.call_inside(function, arguments, tail)
    }

    /// Calls a function from within other Lua.
    #[cold]
    fn call_inside(
        &self,
        function: &HookFunction,
        arguments: Arguments,
        tail: &Tail<'_>,
    ) -> mlua::Result<i64> {
        let lua = self.lua.try_upgrade().ok_or_else(|| mlua::Error::runtime("Lua has ended"))?;
        let called = lua.exec_raw_lua(|raw| {
            let state = raw.state();
            // SAFETY: the stack has room for what is pushed, and is left as it was found, but for the
            // error; the shelf is pushed first. Its key is a string that ends with zero.
            unsafe {
                if ffi::lua_checkstack(state, SLOTS) == 0 {
                    return Err(mlua::Error::StackError);
                }
                ffi::lua_getfield(state, ffi::LUA_REGISTRYINDEX, c"kres.shelf".as_ptr());
                let shelf = ffi::lua_gettop(state);
                let called = enter(state, shelf, function, arguments, tail);
                ffi::lua_remove(state, shelf);
                Ok(called)
            }
        })?;
        called.ok_or_else(|| self.error())
    }

    /// The error on top of the stack, which this takes away.
    #[cold]
    fn error(&self) -> mlua::Error {
        let Some(lua) = self.lua.try_upgrade() else {
            return mlua::Error::runtime("Lua has ended");
        };
        // SAFETY: a call that failed has left its error on top of the stack.
        match lua.exec_raw_lua(|raw| unsafe { raw.pop::<Value>() }) {
            Ok(Value::Error(error)) => *error,
            Ok(other) => mlua::Error::RuntimeError(text(&other)),
            Err(error) => error,
        }
    }
}

/// Calls a function with arguments and a tail. `None`: it failed, and its error lies on top of the stack.
///
/// # Safety
/// The table of the shelf lies at that place of the stack of a state that may be used now, and the stack
/// has room for [`SLOTS`] values.
#[inline]
unsafe fn enter(
    state: *mut lua_State,
    shelf: c_int,
    function: &HookFunction,
    arguments: Arguments,
    tail: &Tail<'_>,
) -> Option<i64> {
    // SAFETY: the shelf and the room are the caller's promise. The call is protected; the strings are
    // short of memory only when the process is.
    unsafe {
        function.push(state, shelf);
        let push = |number: i64| ffi::lua_pushinteger(state, number as ffi::lua_Integer);
        let mut count = match arguments {
            Arguments::None => 0,
            Arguments::Over { number, slot } => {
                ffi::lua_pushlightuserdata(state, handle(number).0);
                push(slot.into());
                2
            }
            Arguments::Hook { state: before, number, slot, query } => {
                push(before.into());
                ffi::lua_pushlightuserdata(state, handle(number).0);
                push(slot.into());
                query.map_or(3, |key| {
                    push(key.into());
                    4
                })
            }
        };
        if let Tail::Filters { list, question } = tail {
            list.push(state, shelf);
            count += 1;
            if let Some(question) = question {
                count += push_question(state, question);
            }
        }
        if ffi::lua_pcall(state, count, 1, 0) != ffi::LUA_OK {
            return None;
        }
        let number = ffi::lua_tointeger_(state, -1);
        ffi::lua_settop(state, -2);
        Some(number as i64)
    }
}

/// What is known of a query, and a copy of its name, so that nothing is borrowed when Lua is asked for
/// memory.
struct Known {
    numbers: [i32; 4],
    parent: Option<i32>,
    name: [u8; NAME_OCTETS_MAX],
    length: usize,
}

/// Names are at most this long (RFC 1035 §2.3.4).
const NAME_OCTETS_MAX: usize = 255;

/// The query of the running hook, or the question of the request before there is one; `None` if this
/// request is not lent, or has no query any more.
fn known_current(number: u32) -> Option<Known> {
    lent::with(|view| {
        if view.request.id.number != number {
            return None;
        }
        kept::mark(view.request);
        let plan = &view.request.plan;
        let query = view.query.as_deref().or_else(|| plan.current());
        let question = &view.request.question;
        let (name, numbers, parent) = match query {
            Some(query) => {
                let key = query_key(Some(query));
                let parent = query.parent.and_then(|id| plan.query(id));
                (
                    &query.name,
                    [key, query.id.0.into(), query.rtype.0.into(), query.class.0.into()],
                    parent.map(|query| query_key(Some(query))),
                )
            }
            None if plan.pushed() > 0 => return None,
            None => {
                let (rtype, class) = (question.rtype.0.into(), question.class.0.into());
                (&question.name, [query_key(None), 0, rtype, class], None)
            }
        };
        let wire = name.as_wire();
        let mut copy = [0; NAME_OCTETS_MAX];
        copy.get_mut(..wire.len())?.copy_from_slice(wire);
        Some(Known { numbers, parent, name: copy, length: wire.len() })
    })
    .flatten()
}

/// For the prelude: key, uid, name, type, class and the key of the parent of the query that the hook of
/// a request is about; nothing if there is none.
///
/// # Safety
/// For LuaJIT alone, which calls it with a state of its own.
pub(super) unsafe extern "C-unwind" fn current_query(state: *mut lua_State) -> c_int {
    // SAFETY: LuaJIT calls this with a state of its own and room for twenty values on its stack. Lua
    // may leave by an error when memory ends; there is nothing to drop by then.
    unsafe {
        let pointer = ffi::lua_touserdata(state, 1);
        let known = number_of(LightUserData(pointer)).and_then(known_current);
        let Some(Known { numbers: [key, uid, rtype, class], parent, name, length }) = known else {
            return 0;
        };
        ffi::lua_pushinteger(state, key as ffi::lua_Integer);
        ffi::lua_pushinteger(state, uid as ffi::lua_Integer);
        ffi::lua_pushlstring(state, name.as_ptr().cast(), length);
        ffi::lua_pushinteger(state, rtype as ffi::lua_Integer);
        ffi::lua_pushinteger(state, class as ffi::lua_Integer);
        match parent {
            Some(parent) => ffi::lua_pushinteger(state, parent as ffi::lua_Integer),
            None => ffi::lua_pushnil(state),
        }
        6
    }
}

/// Name in wire form, type and class. Returns how many values that is.
///
/// # Safety
/// The state's stack has room for three values.
unsafe fn push_question(state: *mut lua_State, question: &Question) -> c_int {
    let name = question.name.as_wire();
    // SAFETY: the octets are there for as long as they are copied; the room is the caller's promise.
    unsafe {
        ffi::lua_pushlstring(state, name.as_ptr().cast(), name.len());
        ffi::lua_pushinteger(state, question.rtype.0 as ffi::lua_Integer);
        ffi::lua_pushinteger(state, question.class.0 as ffi::lua_Integer);
    }
    3
}

/// An error value as text.
fn text(value: &Value) -> String {
    value.to_string().unwrap_or_else(|_| format!("an error that is a {}", value.type_name()))
}
