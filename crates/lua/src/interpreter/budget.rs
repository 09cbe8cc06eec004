//! A bound on how long Lua runs at a time, in processor time, so that no function keeps the process
//! from its work.
//!
//! While Lua runs, nothing is counted: a timer on the processor time of the loop's thread ticks, an
//! idle process has no ticks, and a tick that finds a run beyond its bound installs a hook. That
//! hook calls `overrun` of the prelude at the next instruction, which raises the error. Compiled code
//! looks for hooks, too, if LuaJIT was built for it; if not, the prelude turns the compiler off.

use std::os::raw::{c_int, c_void};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use mlua::ffi::{self, lua_Debug, lua_State};
use mlua::{LightUserData, Lua};

/// Between two ticks, in nanoseconds of processor time.
const TICK_NS: i64 = 5_000_000;

/// Ticks for a hook of a layer or a rule: a client waits for it. 50 ms is beyond any sensible one.
const HOOK_TICKS: u32 = 10;
/// Ticks for what a timer, a descriptor or a query calls; the prelude begins new runs inside.
const CALLBACK_TICKS: u32 = 100;
/// Ticks for a command of a console: the operator waits for it.
const COMMAND_TICKS: u32 = 400;
/// How much processor time a configuration gets that is read while clients are served, who wait
/// meanwhile.
pub const CONFIGURATION_ANEW: Duration = Duration::from_millis(2500);
/// The same for the one that a process starts with: nobody waits yet, and a list of millions of names
/// takes a small machine its time. The service manager gives up a little later.
pub const CONFIGURATION_FIRST: Duration = Duration::from_secs(60);
/// No run is under way.
const IDLE: u32 = u32::MAX;

/// The signal of the timer: the one that is meant for processor time.
const SIGNAL: c_int = libc::SIGVTALRM;

/// The prelude's function in the registry that raises the error of a run beyond its bound.
const OVERRUN: &std::ffi::CStr = c"kres.overrun";

/// What runs, which decides how long it may.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A file of a configuration, with its bound.
    Configuration(Duration),
    /// A command of a console.
    Command,
    /// What a timer, a descriptor or a query calls.
    Callback,
    /// A hook of a layer or a rule.
    Hook,
}

/// What the signal handler looks at. The prelude sees the first three as an array of numbers.
#[repr(C)]
#[derive(Debug)]
struct Watch {
    /// Ticks until the run is stopped, or [`IDLE`].
    left: AtomicU32,
    /// The bound of the run in ticks, for the message.
    bound: AtomicU32,
    /// Not 0 once the run has been stopped.
    stopped: AtomicU32,
    /// Ticks so far; the number goes round.
    ticks: AtomicU32,
    state: AtomicPtr<lua_State>,
}

impl Watch {
    /// One tick of the timer. Async-signal-safe.
    fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
        let left = self.left.load(Ordering::Relaxed);
        match left {
            IDLE => {}
            0 => {
                let state = self.state.load(Ordering::Relaxed);
                if !state.is_null() {
                    // SAFETY: the state lives until `state` is emptied, and this is its thread. A
                    // hook is the one thing that LuaJIT lets a signal handler set.
                    unsafe { ffi::lua_sethook(state, Some(stop), ffi::LUA_MASKCOUNT, 1) };
                }
            }
            left => self.left.store(left - 1, Ordering::Relaxed),
        }
    }
}

/// The bound of one interpreter, and its timer once it is started.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Never freed: a signal that is on its way would find it.
    watch: &'static Watch,
    timer: std::cell::Cell<Option<libc::timer_t>>,
}

impl Budget {
    /// A budget for this state, without ticks so far.
    pub(super) fn new(lua: &Lua) -> Budget {
        let watch = Box::leak(Box::new(Watch {
            left: AtomicU32::new(IDLE),
            bound: AtomicU32::new(0),
            stopped: AtomicU32::new(0),
            ticks: AtomicU32::new(0),
            state: AtomicPtr::new(std::ptr::null_mut()),
        }));
        watch.state.store(lua.exec_raw_lua(|raw| raw.state()), Ordering::Relaxed);
        Budget { watch, timer: std::cell::Cell::new(None) }
    }

    /// What the prelude needs: where `left`, `bound` and `stopped` are, and the bounds.
    pub(super) fn describe(&self, lua: &Lua) -> mlua::Result<mlua::Table> {
        let table = lua.create_table()?;
        let watch: *const Watch = self.watch;
        table.raw_set("watch", LightUserData(watch.cast_mut().cast::<c_void>()))?;
        table.raw_set("tick_ms", TICK_NS / 1_000_000)?;
        table.raw_set("command", COMMAND_TICKS)?;
        table.raw_set("callback", CALLBACK_TICKS)?;
        Ok(table)
    }

    /// A number that changes with each tick: after one, a turn of callbacks has taken long enough.
    pub(super) fn ticks(&self) -> u32 {
        self.watch.ticks.load(Ordering::Relaxed)
    }

    /// Has a run been stopped, and the prelude not been told to forget it?
    pub(super) fn was_stopped(&self) -> bool {
        self.watch.stopped.load(Ordering::Relaxed) != 0
    }

    /// Begins a run, which ends with what is returned. Within another run nothing begins.
    pub(crate) fn begin(&self, kind: Kind) -> Run {
        let watch = self.watch;
        let is_outermost = watch.left.load(Ordering::Relaxed) == IDLE;
        if is_outermost {
            let ticks = match kind {
                Kind::Configuration(most) => {
                    let ticks = most.as_nanos() / u128::from(TICK_NS.unsigned_abs());
                    u32::try_from(ticks).unwrap_or(IDLE - 1)
                }
                Kind::Command => COMMAND_TICKS,
                Kind::Callback => CALLBACK_TICKS,
                Kind::Hook => HOOK_TICKS,
            };
            watch.bound.store(ticks, Ordering::Relaxed);
            watch.left.store(ticks, Ordering::Relaxed);
        }
        Run { watch, is_outermost }
    }

    /// Starts the timer, for the thread that calls.
    pub(super) fn start(&self) -> std::io::Result<()> {
        if self.timer.get().is_none() {
            self.timer.set(Some(start_timer(self.watch)?));
        }
        Ok(())
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.watch.left.store(IDLE, Ordering::Relaxed);
        self.watch.state.store(std::ptr::null_mut(), Ordering::Relaxed);
        if let Some(timer) = self.timer.take() {
            // SAFETY: the timer was made by `start_timer` and is deleted once.
            unsafe { libc::timer_delete(timer) };
        }
    }
}

/// A run under way.
pub(crate) struct Run {
    watch: &'static Watch,
    is_outermost: bool,
}

impl Run {
    /// Is there no other run around this one?
    pub(super) fn is_outermost(&self) -> bool {
        self.is_outermost
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.is_outermost {
            self.watch.left.store(IDLE, Ordering::Relaxed);
        }
    }
}

/// Makes the function that raises the error known to the hook.
pub(super) fn register(lua: &Lua, overrun: mlua::Function) -> mlua::Result<()> {
    lua.set_named_registry_value(&OVERRUN.to_string_lossy(), overrun)
}

/// The hook of a run beyond its bound.
///
/// # Safety
/// For LuaJIT alone, which calls it with a state of its own.
unsafe extern "C-unwind" fn stop(state: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: LuaJIT calls this with a state of its own and room for a C function on its stack. The
    // function raises an error, which leaves nothing behind here: there is nothing to drop.
    unsafe {
        ffi::lua_sethook(state, None, 0, 0);
        ffi::lua_getfield(state, ffi::LUA_REGISTRYINDEX, OVERRUN.as_ptr());
        ffi::lua_call(state, 0, 0);
    }
}

/// A timer that ticks while the calling thread uses the processor.
fn start_timer(watch: &'static Watch) -> std::io::Result<libc::timer_t> {
    let check = |result: c_int| match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    };
    let watch: *const Watch = watch;
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_tick;
    // SAFETY: the structures are plain data for which zero is a value, and filled in as the calls
    // ask for; the handler has the type that SA_SIGINFO asks for; `watch` lives for ever.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        check(libc::sigemptyset(&mut action.sa_mask))?;
        check(libc::sigaction(SIGNAL, &action, std::ptr::null_mut()))?;
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = SIGNAL;
        event.sigev_notify_thread_id = libc::gettid();
        event.sigev_value.sival_ptr = watch.cast_mut().cast::<c_void>();
        let mut timer: libc::timer_t = std::ptr::null_mut();
        check(libc::timer_create(libc::CLOCK_THREAD_CPUTIME_ID, &mut event, &mut timer))?;
        let tick = libc::timespec { tv_sec: 0, tv_nsec: TICK_NS };
        let spec = libc::itimerspec { it_interval: tick, it_value: tick };
        check(libc::timer_settime(timer, 0, &spec, std::ptr::null_mut()))?;
        Ok(timer)
    }
}

/// The signal handler.
extern "C" fn on_tick(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands a valid structure; only signals of our timers carry a value, which
    // is a `Watch` that is never freed.
    unsafe {
        if (*info).si_code == libc::SI_TIMER {
            let watch = (*info).si_value().sival_ptr.cast::<Watch>();
            (*watch).tick();
        }
    }
}
