-- Objects that are C structures to scripts and tables inside: their type is 'cdata',
-- `ffi.istype(kres.rrset, rr)` tells them apart, and `#packet` works, which tables could not have.
local M, G = ...
local raw = M.raw
local ffi = require('ffi')

-- The most objects of a type at a time, the range of their numbers.
local NUMBERS = 2 ^ 32

-- A type `struct NAME`. `parts`: construct(...) returns the table inside, methods get it as their
-- first argument, fields are functions of it, text and length describe it. Returns the type, a
-- function that makes an object of a table, one that returns the table of an object, and one that
-- forgets it.
function M.object_type(type_name, parts)
	ffi.cdef(string.format('struct %s { uint32_t number; };', type_name))
	local contents, last = {}, 0
	local ctype = ffi.typeof('struct ' .. type_name)

	local function content(object)
		return ffi.istype(ctype, object) and contents[object.number] or nil
	end

	local function wrap(inside)
		repeat
			last = (last + 1) % NUMBERS
		until not contents[last]
		local object = ffi.new(ctype)
		object.number = last
		contents[last] = inside
		return object
	end

	M.classes[type_name:match('_(%a+)$')] = parts
	local methods = {}
	for key, method in pairs(parts.methods) do
		methods[key] = function (object, ...)
			local inside = content(object)
			if not inside then
				M.refuse(string.format('%s: expected a struct %s', key, type_name))
			end
			return method(inside, ...)
		end
	end

	ffi.metatype(ctype, {
		__new = function (_, ...) return wrap(parts.construct(...)) end,
		__gc = function (object) contents[object.number] = nil end,
		__index = function (object, key)
			local method = methods[key]
			if method then
				return method
			end
			local field = parts.fields[key]
			if field then
				return field(contents[object.number])
			end
			M.refuse(string.format("'struct %s' has no member named '%s'", type_name, tostring(key)))
		end,
		__newindex = function (_, key)
			M.refuse(string.format("'struct %s' has no member '%s' that can be set", type_name,
				tostring(key)))
		end,
		__tostring = function (object) return parts.text(contents[object.number]) end,
		__len = parts.length and function (object)
			return parts.length(contents[object.number])
		end,
	})
	local function release(object)
		contents[object.number] = nil
	end
	return ctype, wrap, content, release
end

-- `ffi.C`: the C library as ever, and functions that scripts for Knot Resolver call by their names.
local library = ffi.C
local functions = {}
M.c_functions = functions

local now = M.wrap(raw._general.now)
function functions.kr_now()
	return ffi.new('uint64_t', now())
end

-- The header of an answer of our own: no records, AA set.
function functions.kr_pkt_make_auth_header(packet)
	packet:clear_payload()
	packet:ad(false)
	packet:aa(true)
	return 0
end

-- Imports a zone file, as the module prefill does: { zone_file, origin, zonemd, downgrade, cb,
-- cb_param }. 0 when it has begun, -1 for one that is refused at once; `cb(state, param)` is called in the
-- end, with a state below 0 if it went wrong.
function functions.zi_zone_import(config)
	local path = config.zone_file
	if type(path) == 'cdata' then
		path = ffi.string(path)
	end
	local function done(kept, fault)
		if kept then
			M.log('PREFILL', 'info', string.format("zone file '%s': %d sets imported", path, kept))
		else
			M.log('PREFILL', 'err', string.format("zone file '%s': %s", path, fault))
		end
		if config.cb then
			config.cb(kept and 0 or -1, config.cb_param)
		end
	end
	local ok, fault = pcall(M.import_zone, done, path,
		config.origin and G.kres.str2dname(config.origin), config.zonemd, config.downgrade)
	if not ok then
		M.log('PREFILL', 'err', string.format("zone file '%s': %s", path, fault))
		return -1
	end
	return 0
end

-- Messages as the library of Knot DNS makes them.
function functions.knot_pkt_new(octets, length, _)
	if octets == nil then
		return G.kres.packet(math.max(length, 512))
	end
	local ok, packet = pcall(G.kres.packet, ffi.string(octets, length))
	return ok and packet or nil
end
function functions.knot_pkt_parse(packet, _)
	return packet ~= nil and 0 or -22
end
function functions.knot_pkt_free(packet)
	M.free_packet(packet)
end

local proxy = newproxy(true)
local meta = getmetatable(proxy)
meta.__index = function (_, name)
	return functions[name] or library[name]
end
meta.__newindex = function (_, name, value)
	library[name] = value
end
ffi.C = proxy

-- `kres.lru(capacity[, type])`: a table that forgets what was not used for longest.

local lru = {}
lru.__index = lru

-- A key as a string; `length` for pointers to octets.
local function key_of(key, length)
	if type(key) == 'cdata' then
		return ffi.string(key, length)
	end
	return length and key:sub(1, length) or key
end

-- What is in use is in one of two halves. When the newer one is full, it becomes the older one,
-- and what was the older one is forgotten.
local function put(cache, key, value)
	if cache.newer[key] == nil then
		if cache.count >= cache.half then
			cache.older, cache.newer, cache.count = cache.newer, {}, 0
		end
		cache.count = cache.count + 1
	end
	cache.newer[key] = value
end

function lru.set(cache, key, value, length)
	put(cache, key_of(key, length), value)
	return true
end

-- The value of a key; `allocate` makes one of the given type where there is none.
function lru.get(cache, key, length, allocate)
	key = key_of(key, length)
	local value = cache.newer[key]
	if value == nil then
		value = cache.older[key]
		if value == nil and allocate and cache.value_type then
			value = ffi.new(cache.value_type)
		end
		if value ~= nil then
			put(cache, key, value)
		end
	end
	return value
end

lru.get_ref = lru.get

function G.kres.lru(capacity, value_type)
	if type(capacity) ~= 'number' or capacity < 1 then
		M.refuse('expected kres.lru(number of entries)')
	end
	return setmetatable({
		half = math.ceil(capacity / 2), newer = {}, older = {}, count = 0, value_type = value_type,
	}, lru)
end
