//! The interpreter: one LuaJIT state with the language in it, and the doors for the program.
//!
//! Here and in the folder is all `unsafe` of the crate: a state with `ffi` and C modules can break
//! every promise of Rust, and that is what configurations of this kind are allowed to do.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};

use crate::bindings::{self, State};
use crate::console::{Outcome, Session, SessionState};
use crate::host::{FdWatch, Host, ListenAddress, LogLevel, QueryId};
use crate::timers::{IDS_TOGETHER, Over, Timers};
use budget::{Budget, Kind};
pub use budget::{CONFIGURATION_ANEW, CONFIGURATION_FIRST};
use call::{Door, HookFunction, Shelf};
pub use queries::QueryCallbacks;
use rules::FilterLists;
pub use rules::{RuleFault, is_in_hook, with_core};

pub(crate) mod budget;
pub(crate) mod call;
mod defaults;
pub(crate) mod lent;
mod queries;
mod rules;

/// A file of `src/lua` as bytecode.
macro_rules! compiled {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bytecode"))
    };
}
/// The prelude: the language as files of Lua, in the order of their loading. They are compiled when
/// the program is built (`build.rs`): compiling them took more than half of a start.
const PRELUDE: [&[u8]; 24] = [
    compiled!("budget"),
    compiled!("print"),
    compiled!("basics"),
    compiled!("kres"),
    compiled!("objects"),
    compiled!("sockaddr"),
    compiled!("rrset"),
    compiled!("packet"),
    compiled!("request"),
    compiled!("events"),
    compiled!("net"),
    compiled!("cache"),
    compiled!("trust_anchors"),
    compiled!("ta_update"),
    compiled!("worker"),
    compiled!("map"),
    compiled!("modules"),
    compiled!("hints"),
    compiled!("policy"),
    compiled!("predict"),
    compiled!("older"),
    compiled!("help"),
    compiled!("control"),
    compiled!("sandbox"),
];

/// Modules written in Lua that come with the program, by name.
const BUNDLED: [(&str, &str); 3] = [
    ("daf", include_str!("bundled/daf/daf.lua")),
    ("graphite", include_str!("bundled/graphite/graphite.lua")),
    ("prefill", include_str!("bundled/prefill/prefill.lua")),
];

/// Where distributions keep Lua modules for version 5.1 of the language, beside what LuaJIT knows.
const LUA_PATHS: &str = "/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/?/init.lua;\
                         /usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua";
/// The same for modules written in C.
const LUA_CPATHS: &str = "/usr/local/lib/lua/5.1/?.so;/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;\
                          /usr/lib/aarch64-linux-gnu/lua/5.1/?.so;/usr/lib/lua/5.1/?.so";

/// The log group of commands.
const CONTROL: &str = "contrl";

/// How many timers fire in one turn, unless a tick of the budget ends it before; the rest waits for the
/// next, after the network had its turn.
const TIMERS_PER_TURN: usize = 250;

/// Why the interpreter could not do what the program asked.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// The configuration is wrong; the text has the place, the reason and, where known, a hint.
    #[error("{0}")]
    Config(String),
    /// The interpreter itself is broken (out of memory, or the prelude does not load).
    #[error("Lua: {0}")]
    Lua(#[from] mlua::Error),
}

/// LuaJIT's translator into machine code, paused if it runs at all.
struct Translator(Option<Function>);

impl Translator {
    fn pause(lua: &Lua) -> mlua::Result<Translator> {
        let jit: Table = lua.globals().get("jit")?;
        if !jit.get::<Function>("status")?.call::<bool>(())? {
            return Ok(Translator(None));
        }
        jit.get::<Function>("off")?.call::<()>(())?;
        Ok(Translator(Some(jit.get("on")?)))
    }

    fn go_on(self) -> mlua::Result<()> {
        self.0.map_or(Ok(()), |on| on.call(()))
    }
}

/// One LuaJIT state with the language in it.
pub struct Interpreter {
    lua: Lua,
    state: Rc<State>,
    internals: Table,
    eval: Function,
    incomplete: Function,
    fire_timer: Function,
    forget_timer: Function,
    fire_watch: Function,
    finish_query: Function,
    run_filters: HookFunction,
    run_action: Function,
    run_test: Function,
    make_filters: Function,
    ask_one_by_one: Function,
    chosen_action: Function,
    door: Rc<Door>,
    filter_lists: RefCell<FilterLists>,
    /// Why the default trust anchors could not be loaded; it matters if the configuration leaves
    /// them as they are.
    anchors_fault: RefCell<Option<String>>,
    /// How long a file of the configuration may take.
    configuration_bound: Cell<Option<Duration>>,
}

impl Interpreter {
    /// Makes a state and loads the language into it. Nothing is configured yet.
    pub fn new(host: Rc<dyn Host>) -> Result<Self, InterpreterError> {
        // SAFETY: all libraries include `ffi`, `debug` and C modules, which can corrupt memory when
        // misused. Configurations are programs of the operator and run with the operator's trust.
        let lua = unsafe { Lua::unsafe_new_with(StdLib::ALL, LuaOptions::new()) };
        // What the prelude makes stays, and its loops run once: neither collecting nor translating
        // them into machine code pays.
        lua.gc_stop();
        let translator = Translator::pause(&lua)?;
        Shelf::place(&lua)?;
        let state = Rc::new(State {
            host,
            budget: Rc::new(Budget::new(&lua)),
            door: OnceCell::new(),
            timers: RefCell::new(Timers::default()),
            last_query: Cell::new(0),
            next_rule: Cell::new(0),
        });
        set_paths(&lua, state.host.as_ref())?;
        let raw = bindings::register(&lua, &state)?;
        raw.raw_set("ids_together", IDS_TOGETHER)?;
        raw.raw_set("bundled", lua.create_table_from(BUNDLED)?)?;
        // SAFETY: the function keeps to the rules of those that LuaJIT calls; see there.
        let current_query = unsafe { lua.create_c_function(call::current_query)? };
        raw.raw_set("current_query", current_query)?;
        raw.raw_set("budget", state.budget.describe(&lua)?)?;
        let globals = lua.globals();
        let support: &[u8] = compiled!("support");
        let internals: Table = lua.load(support).call((raw, globals.clone()))?;
        for chunk in PRELUDE {
            lua.load(chunk).call::<()>((internals.clone(), globals.clone()))?;
        }
        budget::register(&lua, internals.get("overrun")?)?;
        let forget = HookFunction::new(&lua, &internals.get("forget_request")?)?;
        let forget_stop = HookFunction::new(&lua, &internals.get("forget_stop")?)?;
        let door = Rc::new(Door::new(&lua, Rc::clone(&state.budget), forget, forget_stop));
        state.door.set(Rc::clone(&door)).unwrap_or_default();
        translator.go_on()?;
        lua.gc_restart();
        Ok(Self {
            eval: internals.get("eval")?,
            incomplete: internals.get("incomplete")?,
            fire_timer: internals.get("fire_timer")?,
            forget_timer: internals.get("forget_timer")?,
            fire_watch: internals.get("fire_watch")?,
            finish_query: internals.get("finish_query")?,
            run_filters: HookFunction::new(&lua, &internals.get("run_filters")?)?,
            run_action: internals.get("run_action")?,
            run_test: internals.get("run_test")?,
            make_filters: internals.get("make_filters")?,
            ask_one_by_one: internals.get("ask_one_by_one")?,
            chosen_action: internals.get("chosen_action")?,
            door,
            filter_lists: RefCell::default(),
            anchors_fault: RefCell::new(None),
            configuration_bound: Cell::new(None),
            lua,
            state,
            internals,
        })
    }

    /// Loads the default modules and trust anchors, before the configuration. Not called for
    /// `-c -`.
    pub fn load_defaults(&self) -> Result<(), InterpreterError> {
        self.internals
            .get::<Function>("load_default_modules")?
            .call::<()>(())
            .map_err(|error| InterpreterError::Config(message(&error)))?;
        if let Err(error) = self.host().anchors_load_default() {
            *self.anchors_fault.borrow_mut() = Some(error.to_string());
        }
        Ok(())
    }

    /// Runs a configuration file. On an error the process must not start.
    pub fn run_config(&self, path: &Path) -> Result<(), InterpreterError> {
        let text = path.to_string_lossy();
        let name = text.strip_prefix("./").unwrap_or(&text);
        let run: Function = self.internals.get("run_file")?;
        let bound = self.configuration_bound.get();
        let _run = bound.map(|most| self.state.budget.begin(Kind::Configuration(most)));
        let (ok, error): (bool, Option<mlua::LuaString>) = run.call((text.as_ref(), name))?;
        match ok {
            true => Ok(()),
            false => Err(InterpreterError::Config(
                error.map(|error| error.to_string_lossy()).unwrap_or_default(),
            )),
        }
    }

    /// Runs one command of a console: an expression, whose values are printed, or statements.
    /// `Ok` and `Err` carry the text of the answer.
    pub fn eval_line(&self, line: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let _run = self.state.budget.begin(Kind::Command);
        let answer =
            self.lua.create_string(line).and_then(|line| self.eval.call::<(bool, Value)>(line));
        match answer {
            Ok((ok, text)) => {
                let text = match text {
                    Value::String(text) => text.as_bytes().to_vec(),
                    _ => Vec::new(),
                };
                if ok { Ok(text) } else { Err(text) }
            }
            Err(error) => Err(message(&error).into_bytes()),
        }
    }

    /// Takes input of a console or control socket and appends replies to `out`. Commands and their
    /// replies are logged in group `contrl`: at level debug, failed ones at level warning.
    pub fn handle_console(
        &self,
        session: &mut Session,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> SessionState {
        session.handle_input(input, out, &mut |command, may_continue| {
            if may_continue && self.is_incomplete(command) {
                return Outcome::Incomplete;
            }
            let answer = self.eval_line(command);
            let level = if answer.is_ok() { LogLevel::Debug } else { LogLevel::Warning };
            if self.host().log_enabled(CONTROL, level) {
                let log = |text: &[u8]| {
                    self.host().log(CONTROL, level, &String::from_utf8_lossy(text));
                };
                log(&[b"> ", command].concat());
                log(answer.as_deref().unwrap_or_else(|text| text));
            }
            answer.map_or_else(Outcome::Failed, Outcome::Good)
        })
    }

    /// Whether a chunk of Lua ends too early: what is there is right, as far as it goes.
    fn is_incomplete(&self, chunk: &[u8]) -> bool {
        self.lua
            .create_string(chunk)
            .and_then(|chunk| self.incomplete.call::<bool>(chunk))
            .unwrap_or(false)
    }

    /// When [`Self::handle_deadline`] is to be called next, on the clock of
    /// [`crate::host::Process::now_ms`].
    pub fn next_deadline(&self) -> Option<u64> {
        self.state.timers.borrow().next_deadline()
    }

    /// Runs what is due. At most so many callbacks that the loop goes on soon; what is left keeps
    /// `next_deadline()` in the past.
    pub fn handle_deadline(&self) {
        let (now, ticks) = (self.host().now_ms(), self.state.budget.ticks());
        // What these callbacks start for at once is for the next turn.
        let newest = self.state.timers.borrow().newest();
        for _ in 0..TIMERS_PER_TURN {
            if self.state.budget.ticks() != ticks {
                break;
            }
            let due = self.state.timers.borrow_mut().take_due(now, newest);
            let Some(id) = due else { break };
            let _run = self.state.budget.begin(Kind::Callback);
            self.enter(self.fire_timer.call::<()>(id));
            let over = self.state.timers.borrow_mut().settle(id);
            if let Some(over) = over {
                self.enter(self.forget_timer.call::<()>((id, over == Over::All)));
            }
        }
    }

    /// Tells Lua that a watched descriptor is readable (`status` 0) or broken (a negative number).
    pub fn handle_readable(&self, watch: FdWatch, status: i32) {
        let _run = self.state.budget.begin(Kind::Callback);
        self.enter(self.fire_watch.call::<()>((watch.0, status, 1)));
    }

    /// Tells Lua that a query which it started is over; `answer` is the response message, nothing
    /// if there is none.
    pub fn handle_resolved(&self, id: QueryId, answer: Option<&[u8]>) {
        let _run = self.state.budget.begin(Kind::Callback);
        let packet = answer.map(|wire| self.lua.create_string(wire)).transpose();
        self.enter(packet.and_then(|packet| self.finish_query.call::<()>((id.0, packet))));
    }

    /// Tells Lua how the import of a zone has ended: how many sets were kept, or why none were.
    pub fn handle_imported(&self, number: u64, result: &Result<u64, String>) {
        let _run = self.state.budget.begin(Kind::Callback);
        let (kept, fault) = match result {
            Ok(kept) => (Some(*kept), None),
            Err(fault) => (None, Some(fault.as_str())),
        };
        let tell = self.internals.get::<Function>("zone_imported");
        self.enter(tell.and_then(|tell| tell.call::<()>((number, kept, fault))));
    }

    /// Tells Lua that trust anchors from a file that is only read are no longer what their zone
    /// publishes.
    pub fn handle_anchors_outdated(&self, file: &str) {
        let _run = self.state.budget.begin(Kind::Callback);
        let tell = self.internals.get::<Function>("anchors_outdated");
        self.enter(tell.and_then(|tell| tell.call::<()>(file)));
    }

    /// Stubs of all tables and functions for editors (LuaCATS), made of the running tables.
    pub fn stubs(&self) -> Result<String, InterpreterError> {
        Ok(self.internals.get::<Function>("stubs")?.call(())?)
    }

    /// Unloads all modules, which may write what they want to keep.
    pub fn shutdown(&self) {
        self.enter(
            self.internals.get::<Function>("unload_all").and_then(|unload| unload.call::<()>(())),
        );
    }

    fn host(&self) -> &dyn Host {
        self.state.host.as_ref()
    }

    /// Logs what a door of the prelude did not catch itself.
    fn enter(&self, result: mlua::Result<()>) {
        if let Err(error) = result {
            self.host().log("system", LogLevel::Err, &format!("error: {}", message(&error)));
        }
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        self.door.close();
    }
}

/// The text of an error as Lua raised it, without the trace that mlua adds.
pub(crate) fn message(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::RuntimeError(text) => text.clone(),
        mlua::Error::CallbackError { cause, .. } => message(cause),
        other => other.to_string(),
    };
    // An error of the prelude has its trace in the middle, that of mlua is at the end.
    match text.rfind("\nstack traceback:") {
        Some(at) if !text[at..].contains("\nERROR: ") => text[..at].to_owned(),
        _ => text,
    }
}

/// Appends the places of distributions to the search paths, behind those from the environment.
fn set_paths(lua: &Lua, host: &dyn Host) -> mlua::Result<()> {
    let package: Table = lua.globals().get("package")?;
    let mut first = String::new();
    if let Some(directory) = host.library_directory() {
        let directory = directory.display();
        first = format!("{directory}/?.lua;{directory}/?/init.lua;");
    }
    let path: String = package.get("path")?;
    package.set("path", format!("{first}{path};{LUA_PATHS}"))?;
    let path: String = package.get("cpath")?;
    package.set("cpath", format!("{path};{LUA_CPATHS}"))
}
