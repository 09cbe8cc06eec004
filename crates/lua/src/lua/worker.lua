-- `worker`: who this process is, coroutines that sleep without stopping anything, queries, map().
local M, G = ...
local raw = M.raw

local worker = { vars = {} }
G.worker = worker

local identity = M.wrap(raw.worker.identity)
worker.id, worker.pid, worker.count, worker.cwd, worker.control_path = identity()
worker.stats = M.wrap(raw.worker.stats)

local reload = M.wrap(raw.worker.reload)
function worker.reload()
	return reload()
end

function worker.info()
	local info = worker.stats()
	info.pid = worker.pid
	return info
end

-- Coroutines. A task runs on the program's own timers; as soon as the library cqueues is loaded,
-- tasks move to a controller of that library, which in turn is driven by the same timers.

local SLEEP, MOVE = {}, {}
local running           -- the task that runs on our own timers
local starting          -- a list of functions that have not run yet: { function, after }
local start_event
local controller

-- LuaJIT looks through every coroutine alive in one go at the end of each cycle of its collector, up to 0.2
-- microseconds each, and everything waits. With so many that stays well below 10 ms. More functions are
-- taken and begin, in their order, when others end.
local most_alive = 25000
local MOST_ALIVE_MAX = 1000000
-- And so many of those, a bound on what a runaway script can hold.
local WAITING_MAX = 1000000
local alive, waiting_count = 0, 0
-- Waiting functions in pieces of a list, { functions, after }: a large table would be looked through in one
-- go as well, whenever it has changed.
local PIECE = 64
local first_piece, last_piece, taken = nil, nil, 0

local function cqueues()
	return package.loaded.cqueues
end

local function report(err)
	M.log('SYSTEM', 'err', 'error in coroutine: ' .. M.describe(err))
end

-- One step of the cqueues controller, and the wish to be called again.
local function step_controller()
	local again = controller
	if again.timer then
		G.event.cancel(again.timer)
		again.timer = nil
	end
	local ok, err, _, failed = again.cq:step(0)
	if not ok then
		report(failed and debug.traceback(failed, tostring(err)) or err)
	end
	local timeout = again.cq:timeout()
	if timeout then
		again.timer = G.event.after(math.ceil(timeout * 1000), step_controller)
	end
end

local function start_controller()
	if not controller then
		local cq = cqueues().new()
		controller = { cq = cq }
		controller.watch = G.event.socket(cq:pollfd(), step_controller)
	end
	return controller.cq
end

-- Has the controller look at what has changed, in the next turn.
local function kick_controller()
	if controller.timer then
		G.event.reschedule(controller.timer, 0)
	else
		controller.timer = G.event.after(0, step_controller)
	end
end

-- `worker.bg_worker.cq`: the controller itself, for tasks of one's own.
setmetatable(worker, {
	__index = function (_, key)
		if key ~= 'bg_worker' or not cqueues() and not pcall(require, 'cqueues') then
			return nil
		end
		local cq = start_controller()
		kick_controller()
		return { cq = cq }
	end,
})

local start_some
local function begin(fn)
	alive = alive + 1
	starting = { fn, starting }
	start_event = start_event or G.event.after(0, start_some)
end

local function wait(fn)
	if waiting_count >= WAITING_MAX then
		M.refuse('too many coroutines')
	end
	waiting_count = waiting_count + 1
	if not last_piece or #last_piece[1] == PIECE then
		local piece = { {} }
		if last_piece then
			last_piece[2] = piece
		else
			first_piece, taken = piece, 0
		end
		last_piece = piece
	end
	local functions = last_piece[1]
	functions[#functions + 1] = fn
end

-- As many of those that wait as there is room for.
local function begin_waiting()
	while waiting_count > 0 and alive < most_alive do
		taken = taken + 1
		local fn = first_piece[1][taken]
		waiting_count = waiting_count - 1
		if taken == PIECE or waiting_count == 0 then
			first_piece, taken = first_piece[2], 0
			last_piece = first_piece and last_piece
		end
		begin(fn)
	end
end

-- A task is over, or somebody else's.
local function left()
	alive = alive - 1
	begin_waiting()
end

-- Runs a task until it sleeps, moves or ends.
local function resume(task, ...)
	if cqueues() then
		start_controller():attach(task)
		left()
		return kick_controller()
	end
	M.begin_run('callback')
	running = task
	local ok, wish, seconds = M.resume(task, ...)
	running = nil
	if not ok then
		report(debug.traceback(task, M.describe(wish)))
	elseif coroutine.status(task) == 'dead' then
		return left()
	elseif wish == SLEEP then
		G.event.after(math.ceil(seconds * 1000), function ()
			return resume(task)
		end)
		return
	elseif wish == MOVE then
		return resume(task)
	else
		report('a coroutine yielded without worker.sleep(), it will not be resumed')
	end
	return left()
end

-- Those started last run first, so many in a turn that the process goes on with its other work.
local STARTS_PER_TURN = 250
function start_some()
	start_event = nil
	for _ = 1, STARTS_PER_TURN do
		local first = starting
		if not first then
			return
		end
		starting = first[2]
		resume(coroutine.create(first[1]))
	end
	if starting then
		start_event = start_event or G.event.after(0, start_some)
	end
end

function worker.coroutine(fn)
	if type(fn) ~= 'function' then
		M.refuse('expected worker.coroutine(function)')
	end
	if cqueues() then
		start_controller():wrap(fn)
		return kick_controller()
	elseif alive < most_alive then
		return begin(fn)
	end
	return wait(fn)
end

-- How many coroutines are alive and wait to begin, and how many may be alive, which a number changes.
function worker.coroutines(most)
	if most ~= nil then
		if type(most) ~= 'number' or not (most >= 1 and most <= MOST_ALIVE_MAX) then
			M.refuse('expected worker.coroutines(number from 1 to ' .. MOST_ALIVE_MAX .. ')')
		end
		most_alive = math.floor(most)
		begin_waiting()
	end
	return { alive = alive, waiting = waiting_count, most = most_alive }
end

local block = M.wrap(raw.worker.block)
function worker.sleep(timeout)
	local seconds = timeout
	if type(seconds) ~= 'number' or seconds ~= seconds or seconds < 0 then
		M.refuse('expected worker.sleep(number seconds)')
	end
	local task = coroutine.running()
	if task and task == running then
		coroutine.yield(SLEEP, seconds)
	elseif cqueues() and cqueues().running() then
		cqueues().sleep(seconds)
	else
		block(seconds)
	end
end

-- A task that loads cqueues goes on under its control. Only the outermost call can leave: inside
-- of a file that is being loaded nothing can yield.
local plain_require, depth = require, 0
local function finish_require(ok, ...)
	depth = depth - 1
	if not ok then
		error((...), 0)
	end
	local task = coroutine.running()
	if depth == 0 and task and task == running and cqueues() then
		coroutine.yield(MOVE)
	end
	return ...
end
function G.require(name)
	depth = depth + 1
	-- Parts of cqueues can be loaded without the whole, but need its controller.
	if type(name) == 'string' and name:find('^cqueues%.') and not cqueues() then
		M.pcall(plain_require, 'cqueues')
	end
	return finish_require(M.pcall(plain_require, name))
end

-- Queries.

local start_query = M.wrap(raw._general.resolve, function (text)
	-- An unknown flag is a slip in an argument.
	return (text:find("^'struct ") and M.refuse or M.panic)(text, true)
end)
local waiting = {}

-- Flags given as 'A', { 'A', 'B' }, { A = true } or 0.
local function flag_list(options)
	if options == nil or options == 0 then
		return {}
	elseif type(options) == 'string' then
		return { options }
	elseif M.names_of_flags(options) then
		return M.names_of_flags(options)
	elseif type(options) ~= 'table' then
		M.panic('expected options as a string or a list of strings')
	end
	local flags = {}
	for i, name in ipairs(options) do
		flags[i] = name
	end
	for _, name in ipairs(M.names(options)) do
		if options[name] then
			flags[#flags + 1] = name
		end
	end
	return flags
end

-- The same flags, if all of them are known.
local option = raw._settings.option
local function known_flags(flags)
	for _, flag in ipairs(flags) do
		local ok, text = option(flag)
		if not ok then
			M.refuse(string.format("'struct kr_qflags' has no member named '%s'%s", tostring(flag),
				text:match(', did you mean.*$') or ''), true)
		end
	end
	return flags
end

-- Starts a query; `octets` is its message if that was prepared.
local function start(octets, qname, qtype, qclass, options, finish, init)
	if type(qname) == 'table' then
		local t = qname
		qname, qtype, qclass, options = t.name, t.type, t.class, t.options
		finish, init = t.finish, t.init
	end
	local flags = known_flags(flag_list(options))
	for name, callback in pairs { finish = finish, init = init } do
		if type(callback) ~= 'function' then
			M.panic('worker.resolve(): ' .. name .. ' must be a function')
		end
	end
	local id = start_query(qname, qtype, qclass, flags, finish ~= nil, octets)
	if finish or init or #flags > 0 then
		waiting[id] = { finish = finish, init = init, flags = flags }
	end
	return true
end

function worker.resolve(qname, qtype, qclass, options, finish, init)
	return start(nil, qname, qtype, qclass, options, finish, init)
end
G.resolve = worker.resolve

-- A prepared query, started as it is.
function worker.resolve_pkt(pkt, options, finish, init)
	if pkt == nil then
		return false
	elseif not M.packet_content(pkt) or not pkt:qname() then
		M.panic('worker.resolve_pkt(): expected a packet with a question')
	end
	return start(pkt:towire(), G.kres.dname2str(pkt:qname()), pkt:qtype(), pkt:qclass(), options,
		finish, init)
end

-- A callback of a query, whose request may be the one that is worked on; its error is logged.
local function call_back(fn, ...)
	M.prolong_run('callback')
	local ok, err = M.xpcall(fn, M.explain, ...)
	if not ok then
		M.log('SYSTEM', 'err', 'error: ' .. M.describe(err))
	end
end

-- For the program: the request of the query `id` begins.
function M.begin_query(id, req, slot, key)
	local query = waiting[id]
	if not query then
		return
	end
	M.enter_request(req, slot, key)
	for _, flag in ipairs(query.flags) do
		req.options[flag] = true
	end
	if query.init then
		call_back(query.init, req)
	end
	if not query.finish then
		waiting[id] = nil
	end
end

-- For the program: that request ends; `octets` is the answer, nothing if there is none.
function M.end_query(id, req, slot, key, octets)
	local query = waiting[id]
	waiting[id] = nil
	if query and query.finish then
		M.enter_request(req, slot, key)
		call_back(query.finish, octets and G.kres.packet(octets) or nil, req)
	end
end

-- What a callback may still ask of a request that is gone.
local function gone_request(packet)
	local vars = {}
	return {
		answer = packet,
		options = {},
		vars = function () return vars end,
		current = function () return nil end,
		resolved = function () return nil end,
	}
end

-- For the program: the query `id` is over. Only a request that ended in an unusual way has not
-- told its callback before.
function M.finish_query(id, octets)
	M.begin_run('callback')
	local query = waiting[id]
	waiting[id] = nil
	if query and query.finish then
		local packet = octets and G.kres.packet(octets) or nil
		call_back(query.finish, packet, gone_request(packet))
	end
end
