-- What `kresctl` and the prompt on a terminal ask of a process beside commands: `__control`.
local M, G = ...
local raw = M.raw

local control = {}
G.__control = control

local now = M.wrap(raw._general.now)
local started = now()

-- Names are completed in tables this deep.
local DEPTH = 8
-- So many are offered at most.
local OFFERS = 200

-- Keys of a table that may follow `.`, those of its metatable's `__index` included.
local function members(value, names, depth)
	if type(value) ~= 'table' or depth == 0 then
		return
	end
	for key in next, value do
		if type(key) == 'string' and key:find('^[%a_][%w_]*$') then
			names[key] = true
		end
	end
	local meta = debug.getmetatable(value)
	members(type(meta) == 'table' and rawget(meta, '__index') or nil, names, depth - 1)
end

-- A member without calling anything that a module may have put there.
local function member(value, key, depth)
	if type(value) ~= 'table' or depth == 0 then
		return nil
	end
	local found = rawget(value, key)
	if found == nil then
		local meta = debug.getmetatable(value)
		found = member(type(meta) == 'table' and rawget(meta, '__index') or nil, key, depth - 1)
	end
	return found
end

-- The names that the last word of a line may be meant to become, a line each: what stands in front
-- of them stays. The first line is the position of the word, counted from 0.
function control.complete(line)
	local from, path = line:match('()([%a_][%w_.:]*)$')
	if not from then
		from, path = #line + 1, ''
	end
	local value, depth = G, DEPTH
	local prefix = path
	while true do
		local key, rest = prefix:match('^([%w_]*)[.:](.*)$')
		if not key or depth == 0 then
			break
		end
		from, prefix, depth = from + #key + 1, rest, depth - 1
		value = member(value, key, DEPTH)
	end
	local names = {}
	members(value, names, DEPTH)
	local offers = {}
	for _, name in ipairs(M.names(names)) do
		local hidden = name:sub(1, 1) == '_' and prefix == ''
		if not hidden and name:sub(1, #prefix) == prefix and #offers < OFFERS then
			local kind = type(member(value, name, DEPTH))
			offers[#offers + 1] = name .. (kind == 'function' and '(' or '')
		end
	end
	return from - 1 .. '\n' .. table.concat(offers, '\n')
end

-- Whether more lines could make a command of this.
function control.incomplete(text)
	return M.incomplete(text) and 'yes' or 'no'
end

-- The values of an expression, or of statements that return something, as JSON.
function control.json(text)
	local chunk, err = loadstring('return ' .. text .. '\n', text)
	if not chunk then
		chunk, err = loadstring(text, text)
	end
	if not chunk then
		error(err, 0)
	end
	return G.tojson((chunk()))
end

-- Steps of a reload that several processes take together: 'prepare', 'commit', 'abandon'.
control.reload = M.wrap(raw.worker.reload)
local reload_state = M.wrap(raw.worker.reload_state)

-- How far it is: a word, and in the next lines why it has failed.
function control.reload_state()
	local word, fault = reload_state()
	return word .. '\n' .. (fault or '')
end

-- What this process is and does, as a table.
function control.state()
	local stats = G.worker.stats()
	local endpoints = {}
	for _, endpoint in ipairs(G.net.list()) do
		endpoints[#endpoints + 1] = {
			kind = endpoint.kind,
			protocol = endpoint.transport.protocol,
			address = endpoint.transport.ip or endpoint.transport.path,
			port = endpoint.transport.port,
		}
	end
	local state = {
		id = G.worker.id,
		pid = G.worker.pid,
		workers = G.worker.count,
		version = G.package_version(),
		reloads = select(3, reload_state()),
		seconds = math.floor((now() - started) / 1000),
		queries = stats.queries,
		waiting = stats.concurrent,
		dropped = stats.dropped,
		memory = stats.rss,
		endpoints = endpoints,
		modules = G.modules.list(),
		log_level = G.log_level(),
	}
	if G.cache.current_storage then
		local counted = G.cache.stats()
		state.cache = {
			storage = G.cache.current_storage,
			size = G.cache.current_size,
			entries = counted.count_entries,
			usage_percent = counted.usage_percent,
		}
	end
	return state
end

-- A number of seconds as days, hours, minutes and seconds.
local function span(seconds)
	local days = math.floor(seconds / 86400)
	local clock = string.format('%02d:%02d:%02d', math.floor(seconds / 3600) % 24,
		math.floor(seconds / 60) % 60, seconds % 60)
	return days > 0 and days .. ' d ' .. clock or clock
end

-- The same as text.
function control.status()
	local state = control.state()
	local out = {}
	local function line(...)
		out[#out + 1] = string.format(...)
	end
	local group = state.workers > 1 and string.format(', one of %d workers', state.workers) or ''
	line('instance %s: process %d%s, version %s', state.id, state.pid, group, state.version)
	line('    serving    since %s with this configuration, reloaded %d times, log level %s',
		span(state.seconds), state.reloads, state.log_level)
	line('    queries    %d so far, %d under way, %d dropped', state.queries, state.waiting,
		state.dropped)
	if state.cache then
		line('    cache      %s: %d entries, %.1f %% of %d MB', state.cache.storage,
			state.cache.entries, state.cache.usage_percent, state.cache.size / G.MB)
	else
		line('    cache      none is open')
	end
	line('    memory     %.1f MB', state.memory / G.MB)
	for _, endpoint in ipairs(state.endpoints) do
		local place = endpoint.port and string.format('%s@%d', endpoint.address, endpoint.port)
			or endpoint.address
		line('    endpoint   %s (%s, %s)', place, endpoint.kind, endpoint.protocol)
	end
	line('    modules    %s', table.concat(state.modules, ', '))
	return table.concat(out, '\n')
end
