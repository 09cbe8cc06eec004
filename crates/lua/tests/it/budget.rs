//! Runs of Lua that do not end by themselves.

use crate::world::{World, check_console, check_refused};

/// As a started process is, with counting on.
fn started() -> World {
    let world = World::ready();
    world.lua.start_counting().unwrap();
    world
}

#[test]
fn an_endless_command_is_stopped() {
    let world = started();
    check_refused(
        &world,
        &[
            ("while true do end", "stopped after 2000 ms of processor time"),
            ("while true do pcall(function () while true do end end) end", "stopped after"),
            (
                "while true do coroutine.resume(coroutine.create(function () while true do end end)) end",
                "stopped after",
            ),
            // Each error runs the function again, as its own handler.
            ("local function f() xpcall(f, f) while true do end end f()", "stopped after"),
            ("local function f() return xpcall(f, f) end while true do f() end", "stopped after"),
        ],
    );
    check_console(
        &world,
        &[("1+1", "2"), ("pcall(error, 'x')", "false\t-- result # 1\n'x'\t-- result # 2")],
    );
}

#[test]
fn code_is_compiled_and_stopped_nevertheless() {
    // LuaJIT was built so that compiled code looks at hooks; see `.cargo/config.toml`.
    let world = started();
    check_console(&world, &[("(jit.status())", "true")]);
    let counting = "compiled = 0 jit.attach(function (what) \
                    if what == 'stop' then compiled = compiled + 1 end end, 'trace')";
    world.eval(counting);
    check_refused(&world, &[("while true do end", "stopped after 2000 ms of processor time")]);
    check_console(&world, &[("compiled > 0", "true")]);
}

#[test]
fn an_endless_callback_is_stopped_and_named_in_the_log() {
    let world = started();
    world.eval("event.recurrent(10, function () while true do end end)");
    world.eval("event.after(20, function () went_on = true end)");
    world.pass(100);
    check_console(&world, &[("went_on", "true")]);
    let messages = world.host.messages.borrow();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].starts_with("[system] err error: [string \"event.recurrent("));
    assert!(messages[0].contains("stopped after 500 ms of processor time"), "{}", messages[0]);
}

#[test]
fn an_endless_coroutine_is_stopped() {
    let world = started();
    world.eval("worker.coroutine(function () worker.sleep(0.01) while true do end end)");
    world.pass(100);
    let messages = world.host.messages.borrow();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains("stopped after"), "{}", messages[0]);
}

#[test]
fn a_loop_compiled_by_the_configuration_is_stopped_too() {
    let world = World::ready();
    world
        .configure(
            "function spin(n) local s = 0 for i = 1, n do s = s + i % 7 end return s end spin(1e7)",
        )
        .unwrap();
    world.lua.start_counting().unwrap();
    check_refused(&world, &[("spin(1e12)", "stopped after")]);
    assert_eq!(world.eval("spin(1e5) > 0"), "true");
}

#[test]
fn many_slow_callbacks_do_not_fill_one_turn() {
    let world = started();
    world.eval("ran = 0");
    world.eval(
        "for _ = 1, 200 do event.after(10, function () ran = ran + 1 \
         local s = 0 for i = 1, 1e6 do s = s + i end end) end",
    );
    world.host.now.set(world.host.now.get() + 20);
    world.lua.handle_deadline();
    let ran: u32 = world.eval("ran").parse().unwrap();
    assert!((1..200).contains(&ran), "{ran}");
    world.pass(1000);
    check_console(&world, &[("ran", "200")]);
}
