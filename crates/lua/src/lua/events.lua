-- `event`: callbacks of timers and of watched file descriptors, by the id of their event.
local M, G = ...
local raw = M.raw

local after, recurrent = M.wrap(raw.event.after), M.wrap(raw.event.recurrent)
local reschedule, cancel = M.wrap(raw.event.reschedule), M.wrap(raw.event.cancel)
local socket, unwatch = M.wrap(raw.event.socket), M.wrap(raw.event.unwatch)

-- Callbacks of timers, each in a function that holds it. Tables that change while LuaJIT marks what is in
-- use are looked through once more at the end of it, all in one go; with a million callbacks in tables that
-- stops everything for longer than clients like to wait. What a function holds is not. The functions of
-- neighbouring ids are made together and dropped together, so that their table does not change.
local TOGETHER = raw.ids_together
local function new_holder()
	local held
	return function (set, callback)
		if not set then
			return held
		end
		held = callback
	end
end
local holders, newest = {}, nil
-- The same goes for tables that are new in such a table. One that is in a variable is looked at by and by.
local newest_among
local function is_empty(among)
	for i = 0, TOGETHER - 1 do
		if among[i]() then
			return false
		end
	end
	return true
end
local function hold(id, callback)
	local first, at = math.floor(id / TOGETHER), id % TOGETHER
	local among = holders[first]
	if not among then
		-- The last ids may have gone to events that are no timers.
		if newest and holders[newest] and is_empty(holders[newest]) then
			holders[newest] = nil
		end
		among, newest = {}, first
		for i = 0, TOGETHER - 1 do
			among[i] = new_holder()
		end
		holders[first], newest_among = among, among
	end
	among[at](true, callback)
	return id
end
local function held(id)
	local among = holders[math.floor(id / TOGETHER)]
	return among and among[id % TOGETHER]()
end
local function forget(id, all)
	local first = math.floor(id / TOGETHER)
	local among = holders[first]
	if all then
		newest_among = holders[first] ~= newest_among and newest_among or nil
		holders[first] = nil
	elseif among then
		among[id % TOGETHER](true, nil)
	end
end
local watches = {}    -- watch of the program, by event
local watched = {}    -- { event, callback }, by watch

local event = {}
G.event = event

function event.after(ms, callback)
	return hold(after(ms, callback), callback)
end

function event.recurrent(ms, callback)
	return hold(recurrent(ms, callback), callback)
end

event.reschedule = reschedule

function event.cancel(id)
	local watch = watches[id]
	if watch then
		watches[id], watched[watch] = nil, nil
		return unwatch(watch)
	end
	local was, all = cancel(id)
	if was then
		forget(math.floor(tonumber(id)), all)
	end
	return was
end

function event.socket(fd, callback)
	local id, watch = socket(fd, callback)
	watches[id], watched[watch] = watch, { id, callback }
	return id
end

for _, name in ipairs { 'after', 'recurrent', 'cancel', 'socket' } do
	M.native(event[name])
end

-- Runs a callback; an error is logged and ends its event.
local function run(id, callback, ...)
	M.begin_run('callback')
	local ok, err = M.xpcall(callback, M.explain, id, ...)
	if not ok then
		M.log('SYSTEM', 'err', 'error: ' .. M.describe(err))
		event.cancel(id)
	end
end

-- For the program: the timer `id` is due.
function M.fire_timer(id)
	local callback = held(id)
	if callback then
		run(id, callback)
	end
end

-- For the program: the timer `id` is over, and with `all` everything that it was held with.
M.forget_timer = forget

-- For the program: a watched descriptor is readable (status 0) or broken (negative).
function M.fire_watch(watch, status, events)
	local entry = watched[watch]
	if entry then
		run(entry[1], entry[2], status, events)
	end
end
