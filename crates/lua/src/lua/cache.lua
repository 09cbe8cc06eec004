-- `cache`: the functions of the program, clearing in rounds, and assignments.
local M, G = ...
local raw = M.raw

local cache = M.group('cache',
	M.set 'current clear_everything clear_name clear_subtree closest_apex import_zone')
G.cache = cache

local current = M.wrap(raw.cache.current)
local clear_everything = M.wrap(raw.cache.clear_everything)
cache.clear_everything = clear_everything
local clear_name = M.wrap(raw.cache.clear_name)
local clear_subtree = M.wrap(raw.cache.clear_subtree)
local closest_apex = M.wrap(raw.cache.closest_apex)

-- Zone files into the cache. That takes its time, which clients do not wait for: what is wrong at first
-- sight is raised at once, and `done(kept, fault)` is told in the end how many sets were kept, or why none.
local import_zone = M.wrap(raw.cache.import_zone, M.panic)
local importing = {}

function M.import_zone(done, path, ...)
	importing[import_zone(path, ...)] = done
end

-- For the program: an import is over.
function M.zone_imported(number, kept, fault)
	local done = importing[number]
	importing[number] = nil
	M.begin_run('callback')
	local ok, err = M.xpcall(done, M.explain, kept, fault)
	if not ok then
		M.log('SYSTEM', 'err', 'error: ' .. M.describe(err))
	end
end

-- As the module prefill does it. Returns true when it has begun; the log tells how it ended.
function cache.zone_import(path)
	if type(path) ~= 'string' then
		M.fail("expected 'cache.zone_import(path to a zone file)'")
	end
	M.import_zone(function (kept, fault)
		if kept then
			M.log('CACHE', 'notice', string.format("zone file '%s': %d sets imported", path, kept))
		else
			M.log('CACHE', 'err', string.format("zone file '%s': %s", path, fault))
		end
	end, path)
	return true
end

local CHUNK_SIZE = 100
local DEFAULT_SIZE = 100 * G.MB

-- What `cache.size` and `cache.storage` do; either may be left out.
local function open(size, storage)
	local now_size, now_storage = current()
	if size ~= nil and type(size) ~= 'number' then
		M.fail('cache.size must be a number of bytes')
	end
	if storage ~= nil and type(storage) ~= 'string' then
		M.fail("cache.storage must be a string such as 'lmdb://'")
	end
	return cache.open(size or now_size or DEFAULT_SIZE, storage or now_storage or 'lmdb://')
end

-- The round after the first, and all that follow, until nothing is left.
local function next_round(name, exact_name, rr_type, chunk_size, callback, prev_state, state)
	if state.count < 0 or not state.chunk_limit then
		M.log('CACHE', 'info', string.format("asynchronous cache.clear('%s', %s) finished",
			name, tostring(exact_name)))
		return
	end
	G.event.after(1, function ()
		local again = callback == next_round and nil or callback
		cache.clear(name, exact_name, rr_type, chunk_size, again, state)
	end)
end

function cache.clear(name, exact_name, rr_type, chunk_size, callback, prev_state)
	if name == nil or (name == '.' and not exact_name) then
		return { count = clear_everything() }
	end
	if type(name) ~= 'string' or not G.kres.str2dname(name) then
		M.refuse('cache.clear(): incorrect name passed')
	end
	if exact_name == nil then
		exact_name = false
	elseif type(exact_name) ~= 'boolean' then
		M.refuse('cache.clear(): incorrect exact_name passed')
	end
	if rr_type ~= nil then
		if not exact_name then
			M.refuse('cache.clear(): specifying rr_type only supported with exact_name')
		elseif chunk_size ~= nil or callback ~= nil then
			M.refuse('cache.clear(): chunk_size and callback parameters not supported with rr_type')
		end
		-- A name and a type are one key, whether or not it was there.
		clear_name(name, rr_type)
		return { count = 1 }
	end
	chunk_size = chunk_size or CHUNK_SIZE
	if type(chunk_size) ~= 'number' or chunk_size <= 0 then
		M.refuse('cache.clear(): chunk_size has to be a positive integer')
	end
	if callback ~= nil and type(callback) ~= 'function' then
		M.refuse('cache.clear(): incorrect callback passed')
	end
	callback = callback or next_round

	local result = { round = (prev_state and prev_state.round or 0) + 1 }
	local apex, is_name = closest_apex(name)
	if not is_name then
		result.not_apex = string.format("to clear proofs of non-existence call cache.clear('%s')", apex)
		result.subtree = apex
	end
	if exact_name then
		result.count = clear_name(name)
	else
		result.count = clear_subtree(name, chunk_size)
		if result.count >= chunk_size then
			result.chunk_limit = callback == next_round
				and 'chunk size limit reached; the default callback will continue asynchronously'
				or 'chunk size limit reached'
		end
	end
	-- A callback of the caller's says itself what comes of it.
	if callback ~= next_round then
		return callback(name, exact_name, rr_type, chunk_size, callback, prev_state, result)
	end
	-- The default callback reports the end only of what went on for several rounds.
	if result.chunk_limit or prev_state then
		next_round(name, exact_name, rr_type, chunk_size, callback, prev_state, result)
	end
	return result
end

local names = M.names(cache)
for _, name in ipairs { 'size', 'storage', 'current_size', 'current_storage' } do
	names[#names + 1] = name
end

setmetatable(cache, {
	__index = function (_, key)
		local size, storage = current()
		if key == 'current_size' or key == 'size' then
			return size
		elseif key == 'current_storage' then
			return storage
		elseif key == 'storage' then
			M.fail('cache.storage can only be set, read cache.current_storage')
		end
		M.unknown_key('cache', key, names)
	end,
	__newindex = function (_, key, value)
		if key == 'size' then
			if value == nil then
				M.fail("expected 'open(number max_size, string config = \"\")'")
			end
			open(value, nil)
		elseif key == 'storage' then
			open(nil, value)
		else
			M.unknown_key('cache', key, names)
		end
	end,
})

M.assign_cache = function (value)
	for _, key in ipairs(M.names(value)) do
		if key ~= 'size' and key ~= 'storage' then
			M.unknown_key('cache', key, { 'size', 'storage' })
		end
	end
	if value.size ~= nil or value.storage ~= nil then
		open(value.size, value.storage)
	end
end
