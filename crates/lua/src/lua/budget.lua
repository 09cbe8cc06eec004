-- A bound on how long Lua runs at a time, so that no function keeps the process from its work. The
-- program counts ticks of processor time and calls `overrun` when there were too many.
local M, G = ...
local ffi, bit = require('ffi'), require('bit')

-- Shared with the program: ticks that are left, the bound, and whether the run was stopped.
local budget = M.raw.budget
local watch = ffi.cast('uint32_t *', budget.watch)

local stopped

local function why()
	return string.format('stopped after %d ms of processor time', watch[1] * budget.tick_ms)
end

-- For the program: called by a hook when a run is beyond its bound.
function M.overrun()
	if watch[0] ~= 0 then
		return -- The run that was too long ended just before it could be stopped.
	end
	watch[2] = 1
	stopped = stopped or why()
	error(stopped, 2)
end

-- For the other parts: from here on there is as much time as for a `kind` of run.
function M.prolong_run(kind)
	local bound = budget[kind]
	watch[1], watch[0], watch[2] = bound, bound, 0
	stopped = nil
end

-- For the other parts: what follows is a `kind` of run of its own, outside of any request.
function M.begin_run(kind)
	M.forget_requests()
	M.prolong_run(kind)
end

-- For the program: a run has been stopped, and now there is another.
function M.forget_stop()
	watch[2] = 0
	stopped = nil
end

-- Compiled code sees the hook that stops it only in a LuaJIT that was built so, as ours is and that of a
-- distribution may not be. Then each trace begins with a load of the octet that says whether there is
-- a hook; in a loop that does nothing there is no other octet.
local U8, TYPE = 16, 31 -- the type of an octet, and the bits of a type, in the code of a trace
local function compiled_code_stops()
	local util = require('jit.util')
	local sum = 0
	for i = 1, 1000 do -- so often that it is compiled
		sum = sum + i
	end
	local trace = util.traceinfo(1)
	for at = 1, trace and trace.nins or 0 do
		local _, kind = util.traceir(1, at)
		if kind and bit.band(kind, TYPE) == U8 then
			return true
		end
	end
	return false
end
if not compiled_code_stops() then
	jit.off()
	jit.flush()
end

-- Catching the error does not help: it is raised again.
local plain_pcall, plain_xpcall = pcall, xpcall
local plain_resume = coroutine.resume
local function pass(ok, ...)
	if not ok and not stopped and watch[2] ~= 0 then
		-- It was raised where even the text could not be made: the stack was full.
		stopped = why()
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
		return stopped or watch[2] ~= 0 and err or handler(err)
	end
	return pass(plain_xpcall(fn, type(handler) == 'function' and handle or handler, ...))
end

function G.coroutine.resume(...)
	return pass(plain_resume(...))
end

-- For the other parts: calls that end a run and see its error.
M.pcall, M.xpcall, M.resume = plain_pcall, plain_xpcall, plain_resume
