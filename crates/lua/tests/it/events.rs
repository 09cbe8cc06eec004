//! Timers, watched descriptors, coroutines.

use lua::host::FdWatch;

use crate::world::{World, check_console, check_refused};

#[test]
fn a_timer_fires_once_with_its_id() {
    let world = World::ready();
    world.eval("id = event.after(200, function (e) got = e end)");
    world.pass(199);
    check_console(&world, &[("got", "nil")]);
    world.pass(1);
    check_console(&world, &[("got == id", "true"), ("event.cancel(id)", "false")]);
    assert_eq!(world.lua.next_deadline(), None);
}

#[test]
fn a_recurrent_event_fires_at_once_and_then_by_its_interval() {
    let world = World::ready();
    world.eval("n = 0 id = event.recurrent(1 * sec, function () n = n + 1 end)");
    check_console(&world, &[("n", "0")]);
    world.pass(0);
    check_console(&world, &[("n", "1")]);
    world.pass(3000);
    check_console(
        &world,
        &[("n", "4"), ("event.cancel(id)", "true"), ("event.cancel(id)", "false")],
    );
    world.pass(3000);
    check_console(&world, &[("n", "4")]);
}

#[test]
fn rescheduling_moves_an_event_and_keeps_it_alive() {
    let world = World::ready();
    world.eval(
        "interval = 64 n = 0 \
         event.after(interval, function (ev) n = n + 1 interval = interval / 2 \
         if interval >= 1 then event.reschedule(ev, interval) end end)",
    );
    world.pass(64 + 32 + 16);
    check_console(&world, &[("n", "3")]);
    world.pass(100);
    check_console(&world, &[("n", "7"), ("event.reschedule(12345, 5)", "false")]);
    assert_eq!(world.lua.next_deadline(), None);
}

#[test]
fn an_error_ends_its_event_only() {
    let world = World::ready();
    world.eval("n = 0 event.recurrent(10, function () n = n + 1 error('boom') end)");
    world.eval("event.after(20, function () ok = true end)");
    world.pass(100);
    check_console(&world, &[("n", "1"), ("ok", "true"), ("worker.pid", "4242")]);
    let messages = world.host.messages.borrow();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].starts_with("[system] err error: [string"), "{}", messages[0]);
    assert!(messages[0].ends_with("]:1: boom"), "{}", messages[0]);
}

#[test]
fn an_event_may_cancel_itself() {
    let world = World::ready();
    world.eval("n = 0 event.recurrent(10, function (e) n = n + 1 event.cancel(e) end)");
    world.pass(100);
    check_console(&world, &[("n", "1")]);
}

#[test]
fn what_is_over_already_is_due_at_once_and_for_ever_never() {
    let world = World::ready();
    world.eval("n = 0 event.after(-100, function () n = n + 1 end)");
    world.eval("event.after(1/0, function () n = n + 10 end)");
    world.pass(1);
    check_console(&world, &[("n", "1")]);
}

#[test]
fn bad_events_are_refused() {
    let world = World::ready();
    check_refused(
        &world,
        &[
            ("event.after('x')", "expected 'after(number timeout, function)'"),
            ("event.after(1)", "expected 'after(number timeout, function)'"),
            ("event.recurrent(0, print)", "expected 'recurrent(number interval, function)'"),
            ("event.recurrent(-1, print)", "expected 'recurrent(number interval, function)'"),
            ("event.after(0/0, print)", "expected 'after(number timeout, function)'"),
            ("event.after(1, 'x')", "expected 'after(number timeout, function)'"),
            ("event.recurrent({}, print)", "expected 'recurrent(number interval, function)'"),
            ("event.reschedule()", "expected 'reschedule(number event, number timeout)'"),
            ("event.reschedule(1, 'x')", "expected 'reschedule(number event, number timeout)'"),
            ("event.cancel()", "expected 'cancel(number event)'"),
            ("event.cancel('x')", "expected 'cancel(number event)'"),
            ("event.socket('x', print)", "expected 'socket(number fd, function)'"),
            ("event.socket(5)", "expected 'socket(number fd, function)'"),
            ("event.socket(-1, print)", "couldn't start event poller"),
        ],
    );
}

#[test]
fn a_watched_descriptor_calls_back() {
    let world = World::ready();
    world.eval("id = event.socket(7, function (e, status, n) got = {e == id, status, n} end)");
    assert_eq!(world.host.watches.borrow()[0].1, 7);
    world.lua.handle_readable(FdWatch(1), 0);
    check_console(
        &world,
        &[("unpack(got)", "true\t-- result # 1\n0\t-- result # 2\n1\t-- result # 3")],
    );
    check_console(&world, &[("event.cancel(id)", "true"), ("event.cancel(id)", "false")]);
    assert_eq!(world.host.take_calls(), ["unwatch 1"]);
    world.eval("got = nil");
    world.lua.handle_readable(FdWatch(1), 0);
    check_console(&world, &[("got", "nil")]);
}

#[test]
fn a_hundred_thousand_timers_take_turns() {
    let world = World::ready();
    world.eval("n = 0 for i = 1, 100000 do event.after(i % 100, function () n = n + 1 end) end");
    world.host.now.set(world.host.now.get() + 100);
    world.lua.handle_deadline();
    // One turn does not run them all.
    let first: u64 = world.eval("n").parse().unwrap();
    assert!(first > 0 && first < 10_000, "{first}");
    world.pass(0);
    check_console(&world, &[("n", "100000")]);
    assert_eq!(world.lua.next_deadline(), None);
}

#[test]
fn coroutines_sleep_without_stopping_anything() {
    let world = World::ready();
    world.eval(
        "said = {} \
         function async(name, seconds) said[#said + 1] = name .. ' before' \
         worker.sleep(seconds) said[#said + 1] = name .. ' after' end \
         worker.coroutine(function () async('#1', 5) end) \
         worker.coroutine(function () async('#2', 3) end)",
    );
    check_console(&world, &[("#said", "0")]);
    world.pass(0);
    // Those started last run first.
    check_console(&world, &[("table.concat(said, ', ')", "'#2 before, #1 before'")]);
    world.pass(3000);
    check_console(&world, &[("said[3]", "'#2 after'"), ("said[4]", "nil")]);
    world.pass(2000);
    check_console(&world, &[("said[4]", "'#1 after'")]);
    assert_eq!(world.lua.next_deadline(), None);
}

#[test]
fn an_error_in_a_coroutine_is_logged() {
    let world = World::ready();
    world.eval("worker.coroutine(function () worker.sleep(0.01) error('boom') end)");
    world.pass(100);
    let messages = world.host.messages.borrow();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("error in coroutine:"), "{}", messages[0]);
    assert!(messages[0].contains("boom"), "{}", messages[0]);
}

#[test]
fn sleeping_outside_of_a_coroutine_blocks_for_a_while_only() {
    let world = World::ready();
    check_console(&world, &[("worker.sleep(0.001)", "")]);
    check_refused(
        &world,
        &[
            ("worker.sleep('x')", "expected worker.sleep(number seconds)"),
            ("worker.sleep(-1)", "expected worker.sleep(number seconds)"),
            ("worker.sleep(3600)", "0 to 60 seconds"),
            ("worker.coroutine(5)", "expected worker.coroutine(function)"),
        ],
    );
}

#[test]
fn a_hundred_thousand_coroutines_leave_nothing_behind() {
    let world = World::ready();
    world.eval(
        "n = 0 for i = 1, 100000 do \
         worker.coroutine(function () worker.sleep(0.01) n = n + 1 end) end",
    );
    world.pass(1000);
    check_console(&world, &[("n", "100000")]);
    assert_eq!(world.lua.next_deadline(), None);
    world.eval("collectgarbage() collectgarbage()");
    let kilobytes: f64 = world.eval("collectgarbage('count')").parse().unwrap();
    assert!(kilobytes < 20_000.0, "{kilobytes} kB in use");
}

#[test]
fn coroutines_beyond_the_bound_begin_in_their_order_when_others_end() {
    let world = World::ready();
    world.eval("worker.coroutines(100)");
    world.eval(
        "begun, ended = {}, 0 \
         for i = 1, 1000 do worker.coroutine(function () begun[#begun + 1] = i \
         worker.sleep(0.5) ended = ended + 1 if i % 3 == 0 then error('boom') end end) end",
    );
    let state = "local c = worker.coroutines() return c.alive .. ' ' .. c.waiting .. ' ' .. c.most";
    let state = format!("(function () {state} end)()");
    check_console(&world, &[(&state, "'100 900 100'"), ("#begun", "0")]);
    world.pass(0);
    check_console(&world, &[("#begun", "100"), (&state, "'100 900 100'")]);
    world.pass(500);
    world.pass(0);
    check_console(&world, &[("#begun", "200"), ("ended", "100"), (&state, "'100 800 100'")]);
    // Those that were there at once run last first, the others follow in groups.
    check_console(&world, &[("math.max(unpack(begun, 101, 200))", "200")]);
    world.eval("worker.coroutines(350)");
    world.pass(0);
    world.pass(0);
    check_console(&world, &[("#begun", "450"), (&state, "'350 550 350'")]);
    world.pass(60_000);
    check_console(&world, &[("ended", "1000"), (&state, "'0 0 350'")]);
    world.eval("worker.coroutine(function () ended = 'one more' end)");
    world.pass(0);
    check_console(&world, &[("ended", "'one more'")]);
    let refused = "expected worker.coroutines(number from 1 to 1000000)";
    check_refused(
        &world,
        &[
            ("worker.coroutines(0)", refused),
            ("worker.coroutines(0/0)", refused),
            ("worker.coroutines('many')", refused),
        ],
    );
}

#[test]
fn coroutines_begin_from_within_others() {
    let world = World::ready();
    world.eval("worker.coroutines(3)");
    world.eval(
        "count = 0 \
         function grow(depth) count = count + 1 worker.sleep(0.001) \
         if depth > 0 then for _ = 1, 2 do \
         worker.coroutine(function () grow(depth - 1) end) end end end \
         worker.coroutine(function () grow(9) end)",
    );
    world.pass(60_000);
    check_console(&world, &[("count", "1023"), ("worker.coroutines().alive", "0")]);
    assert_eq!(world.lua.next_deadline(), None);
}

/// Kilobytes that Lua holds after full collections.
fn kilobytes(world: &World) -> f64 {
    world.eval("collectgarbage()");
    world.eval("collectgarbage()");
    world.eval("collectgarbage('count')").parse().unwrap()
}

#[test]
fn many_events_and_coroutines_leave_nothing_behind() {
    let world = World::ready();
    world.lua.start_counting().unwrap();
    world.eval("fired, woken = 0, 0");
    let round = |number: u32| {
        world.eval(
            "local left = 100 \
             local function some() for i = 1, 1000 do \
             event.after(i % 97 * 10, function () fired = fired + 1 end) end \
             for i = 1, 100 do worker.coroutine(function () worker.sleep(i % 7 / 10) \
             worker.sleep(i % 3 / 10) woken = woken + 1 end) end \
             left = left - 1 if left > 0 then event.after(0, some) end end some()",
        );
        world.pass(60_000);
        let counts = [number * 100_000, number * 10_000].map(|count| count.to_string());
        check_console(&world, &[("fired", &counts[0]), ("woken", &counts[1])]);
        assert_eq!(world.lua.next_deadline(), None, "round {number}");
        kilobytes(&world)
    };
    // The first round grows tables that stay.
    let after_one = round(1);
    let after_two = round(2);
    // Forty octets that stay for each event would be four megabytes.
    assert!(after_two < after_one + 3000.0, "{after_one} kB, then {after_two} kB");
    assert!(world.host.messages.borrow().is_empty(), "{:?}", world.host.messages.borrow());
}
