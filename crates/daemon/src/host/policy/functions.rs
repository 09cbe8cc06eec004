//! Functions of the operator that rules call: the way from the rules to the interpreter.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use lua::policy::LuaFunction;
use lua::{Interpreter, RuleFault};
use modules::policy::{Action, FunctionFault, FunctionId, Functions, List};
use resolve::{RequestContext, State};

use super::convert;
use crate::logging::log;
use crate::program::Program;

/// Runs functions once the program is there; requests do not come before.
pub(super) struct LuaFunctions {
    program: Rc<RefCell<Weak<Program>>>,
}

impl LuaFunctions {
    pub(super) fn new(program: Rc<RefCell<Weak<Program>>>) -> LuaFunctions {
        LuaFunctions { program }
    }

    fn run<R>(
        &self,
        run: impl FnOnce(&Interpreter) -> Result<R, RuleFault>,
    ) -> Result<R, FunctionFault> {
        let program = self.program.borrow().upgrade();
        let Some(program) = program else {
            return Err(FunctionFault("the configuration is still being read".to_owned()));
        };
        run(&program.interpreter).map_err(|fault| {
            log!(Err, "policy", "a function of a rule failed: {fault}");
            FunctionFault(fault.0)
        })
    }
}

fn lua_function(function: FunctionId) -> LuaFunction {
    LuaFunction(function.0)
}

impl Functions for LuaFunctions {
    fn filter(
        &self,
        functions: &[FunctionId],
        ctx: &mut RequestContext<'_>,
        state: State,
        list: List,
    ) -> Result<Option<(usize, Action)>, FunctionFault> {
        let functions: Vec<LuaFunction> = functions.iter().copied().map(lua_function).collect();
        let post = list == List::After;
        let found = self.run(|lua| lua.run_filters(&functions, ctx, state, post))?;
        Ok(found.map(|(at, action)| (at, convert::action(&action))))
    }

    fn action(
        &self,
        function: FunctionId,
        ctx: &mut RequestContext<'_>,
        state: State,
        list: List,
    ) -> Result<Option<State>, FunctionFault> {
        let post = list == List::After;
        self.run(|lua| lua.run_action(lua_function(function), ctx, state, post))
    }

    fn test(
        &self,
        function: FunctionId,
        ctx: &mut RequestContext<'_>,
    ) -> Result<bool, FunctionFault> {
        let failed = ctx.request.response.rcode == dns::Rcode::SERVFAIL;
        let state = if failed { State::Fail } else { State::Done };
        self.run(|lua| lua.run_test(lua_function(function), ctx, state))
    }
}
