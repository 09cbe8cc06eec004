//! What Lua costs a request, counted in instructions: `cargo xtask bench count`. Each scenario is a
//! whole request that one layer ends; the first one enters no Lua, and the others are to be held
//! against it.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a broken benchmark should stop")]

use std::hint::black_box;
use std::rc::Rc;

use dns::{Class, Composer, Header, Rtype};
use lua::Interpreter;
use lua::policy::{Filter, LuaFunction};
use resolve::layer::stack::Place;
use resolve::{
    Action, Client, ClientProtocol, Hooks, Layer, Mono, Now, RequestContext, Resolver,
    ResolverParts, Settings, State, UnixTime,
};
use xtask::counts::{Scenario, main as run};

#[path = "../tests/it/recording.rs"]
#[expect(dead_code, reason = "the tests look at more of it")]
mod recording;

use recording::RecordingHost;

fn main() {
    run(&[
        Scenario { name: "lua.request.no-lua", repeat: no_lua },
        Scenario { name: "lua.request.empty-begin", repeat: empty_begin },
        Scenario { name: "lua.request.begin-reads-question", repeat: begin_reads_question },
        Scenario { name: "lua.request.1-rule", repeat: one_rule },
        Scenario { name: "lua.request.100-rules", repeat: hundred_rules },
    ]);
}

fn no_lua(repetitions: usize) {
    Bench::new("").repeat(repetitions);
}

fn empty_begin(repetitions: usize) {
    Bench::new("layer('return state')").repeat(repetitions);
}

fn begin_reads_question(repetitions: usize) {
    let code = "layer([[local query = req:current()
        if query.stype == kres.type.AAAA and query:name() == 'x' then return kres.FAIL end
        return state]])";
    Bench::new(code).repeat(repetitions);
}

fn one_rule(repetitions: usize) {
    Bench::new("rules(1)").repeat(repetitions);
}

/// As operators write them: a name and a type.
fn hundred_rules(repetitions: usize) {
    Bench::new("rules(100)").repeat(repetitions);
}

const HELPERS: &str = "
    function layer(code)
        package.preload['kres_modules.bench'] = function ()
            local begin = loadstring('return function (state, req) ' .. code .. ' end')()
            return { layer = { begin = begin } }
        end
        modules.load('bench')
    end
    function rules(count)
        for i = 1, count do
            loadstring('local name = todname(\"host' .. i .. '.example.\")' .. [[
                policy.add(function (req, query)
                    if query.stype == kres.type.A and query:name() == name then
                        return policy.DENY
                    end
                end)]])()
        end
    end
";

/// A resolver with what the code put into it, which answers each question with REFUSED.
struct Bench {
    resolver: Resolver,
    now: Now,
    wire: Vec<u8>,
}

impl Bench {
    fn new(code: &str) -> Bench {
        let directory = std::env::temp_dir();
        let host = Rc::new(RecordingHost::new(&directory));
        let lua = Rc::new(Interpreter::new(host.clone()).unwrap());
        lua.load_defaults().unwrap();
        for code in [HELPERS, code] {
            lua.eval_line(code.as_bytes()).expect("code that runs");
        }
        lua.start_counting().unwrap();
        let parts = ResolverParts::in_memory(Settings::default(), [7; 32], 1 << 20).unwrap();
        let mut resolver = Resolver::new(parts);
        let functions: Vec<LuaFunction> = host
            .rules
            .borrow()
            .iter()
            .filter_map(|(_, rule, _)| match rule.filter {
                Filter::Lua(function) => Some(function),
                _ => None,
            })
            .collect();
        for layer in host.layers.take() {
            resolver.layers_mut().insert(Box::new(layer), Place::Last).unwrap();
        }
        let rules = Rules { lua, functions };
        resolver.layers_mut().insert(Box::new(rules), Place::Last).unwrap();
        let now = Now { mono: Mono(1_000_000_000), unix: UnixTime(1_700_000_000_000) };
        let mut header = Header { id: 7, ..Header::default() };
        header.set_rd(true);
        let mut wire = Vec::new();
        let mut composer = Composer::new(&mut wire, header, 512);
        composer.question(&"www.example.".parse().unwrap(), Rtype::A, Class::IN).unwrap();
        composer.finish(None);
        Bench { resolver, now, wire }
    }

    fn repeat(&mut self, repetitions: usize) {
        let client = Client {
            token: 1,
            peer: ([10, 0, 0, 1], 4242).into(),
            local: ([192, 0, 2, 53], 53).into(),
            protocol: ClientProtocol::Udp,
        };
        for _ in 0..repetitions {
            self.now.mono.0 += 10_000;
            self.resolver.handle_request(self.now, client, black_box(&self.wire));
            while let Some(action) = self.resolver.poll_action() {
                assert!(matches!(action, Action::Respond { .. }));
            }
            self.resolver.end_turn(self.now);
        }
    }
}

/// The functions of rules, and the end of every request.
struct Rules {
    lua: Rc<Interpreter>,
    functions: Vec<LuaFunction>,
}

impl Layer for Rules {
    fn name(&self) -> &str {
        "rules"
    }

    fn hooks(&self) -> Hooks {
        Hooks::BEGIN
    }

    fn begin(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if !self.functions.is_empty() {
            let chosen = self.lua.run_filters(&self.functions, ctx, state, false);
            assert_eq!(chosen, Ok(None));
        }
        ctx.request.response.rcode = dns::Rcode::REFUSED;
        State::Done
    }
}
