-- A bound on how long Lua runs at a time, counted in instructions, so that no function keeps the
-- process from its work.
--
-- Instructions are counted by a hook, and compiled code calls no hooks; therefore the compiler is
-- turned off when the configuration has been read. What C functions do counts as one instruction.
local M, G = ...

-- So many instructions between two looks: about a millisecond.
local STEP = 100000

-- Bounds in instructions by what runs; a thousand million take some ten seconds.
local BOUNDS = {
	command = 200e6,  -- of a console: the operator waits for it
	callback = 50e6,  -- of a timer, a descriptor, a query
	hook = 5e6,       -- of a layer: a client waits for it
}

local spent, bound = 0, math.huge
local stopped

local function look()
	spent = spent + STEP
	if spent > bound then
		stopped = stopped or string.format('stopped after %d million instructions', bound / 1e6)
		error(stopped, 2)
	end
end

-- For the other parts: what follows is a `kind` of run of its own.
function M.begin_run(kind)
	M.forget_requests()
	spent, bound, stopped = 0, BOUNDS[kind], nil
end

-- The same for hooks, which run for each request.
local HOOK = BOUNDS.hook
function M.begin_hook()
	spent, bound, stopped = 0, HOOK, nil
end

-- Makes hooks of functions (state, req): `live` and `open` are the handles of requests, see there.
-- Here, so that nothing has to be called for the bound.
function M.hook_maker(live, open)
	return function (fn)
		return function (state, slot, number, key)
			spent, bound, stopped = 0, HOOK, nil
			local req = live[slot]
			if not req or req.number ~= number then
				req = open(slot, number)
			end
			req.key = key
			return fn(state, req)
		end
	end
end

-- For the program: the configuration has been read.
function M.start_counting()
	jit.off()
	jit.flush()
	debug.sethook(look, '', STEP)
end

-- An error takes longer than its few instructions tell, above all one that fills the stack: a
-- function that is its own error handler would otherwise run for ages.
local ERROR, OVERFLOW = 1000, 1000000
local function charge(err)
	local is_overflow = type(err) == 'string' and (err:find('stack overflow', 1, true)
		or err:find('error in error handling', 1, true))
	spent = spent + (is_overflow and OVERFLOW or ERROR)
	if spent > bound then
		stopped = stopped or string.format('stopped after %d million instructions', bound / 1e6)
	end
end

-- Catching the error does not help: it is raised again.
local plain_pcall, plain_xpcall = pcall, xpcall
local plain_resume = coroutine.resume
local function pass(ok, ...)
	if not ok then
		charge((...))
	end
	if stopped then
		error(stopped, 0)
	end
	return ok, ...
end

function G.pcall(...)
	return pass(plain_pcall(...))
end

function G.xpcall(fn, handler, ...)
	local function handle(err)
		charge(err)
		return stopped or handler(err)
	end
	return pass(plain_xpcall(fn, type(handler) == 'function' and handle or handler, ...))
end

function G.coroutine.resume(...)
	return pass(plain_resume(...))
end

-- For the other parts: calls that end a run and see its error.
M.pcall, M.xpcall, M.resume = plain_pcall, plain_xpcall, plain_resume
