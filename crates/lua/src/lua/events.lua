-- `event`: callbacks of timers and of watched file descriptors, by the id of their event.
local M, G = ...
local raw = M.raw

local after, recurrent = M.wrap(raw.event.after), M.wrap(raw.event.recurrent)
local reschedule, cancel = M.wrap(raw.event.reschedule), M.wrap(raw.event.cancel)
local socket, unwatch = M.wrap(raw.event.socket), M.wrap(raw.event.unwatch)

-- Callbacks of timers, by event, spread over many tables: one of a million entries would be copied as a
-- whole when it grows, and looked through as a whole when memory is collected.
local SPREAD = 1024
local callbacks = {}
for i = 0, SPREAD - 1 do
	callbacks[i] = {}
end
local watches = {}    -- watch of the program, by event
local watched = {}    -- { event, callback }, by watch

local event = {}
G.event = event

function event.after(ms, callback)
	local id = after(ms, callback)
	callbacks[id % SPREAD][id] = callback
	return id
end

function event.recurrent(ms, callback)
	local id = recurrent(ms, callback)
	callbacks[id % SPREAD][id] = callback
	return id
end

event.reschedule = reschedule

function event.cancel(id)
	local watch = watches[id]
	if watch then
		watches[id], watched[watch] = nil, nil
		return unwatch(watch)
	end
	-- What is no id the program refuses.
	local among = type(id) == 'number' and callbacks[id % SPREAD]
	if among then
		among[id] = nil
	end
	return cancel(id)
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
	local callback = callbacks[id % SPREAD][id]
	if callback then
		run(id, callback)
	end
end

-- For the program: the timer `id` is over.
function M.forget_timer(id)
	callbacks[id % SPREAD][id] = nil
end

-- For the program: a watched descriptor is readable (status 0) or broken (negative).
function M.fire_watch(watch, status, events)
	local entry = watched[watch]
	if entry then
		run(entry[1], entry[2], status, events)
	end
end
