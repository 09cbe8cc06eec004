-- `kres.rrset`: sets of records with one owner, type and class, outside of any message.
local M, G = ...
local raw = M.raw

local kres = G.kres
local rdata_text = M.wrap(raw.kres.rdata_text, M.refuse)
local names_equal = raw.kres.names_equal

-- One record as a line: the owner in a column of its own, the class left out.
local function line(owner, ttl, rtype, rdata)
	return string.format('%-20s\t%d\t%s\t%s', kres.dname2str(owner), ttl, kres.tostring.type[rtype],
		rdata_text(rtype, rdata))
end

function kres.rr2str(rr)
	if type(rr) ~= 'table' or type(rr.owner) ~= 'string' or type(rr.rdata) ~= 'string'
		or type(rr.type) ~= 'number' then
		M.refuse('expected a record: { owner, ttl, class, type, rdata }')
	end
	return line(rr.owner, rr.ttl or 0, rr.type, rr.rdata)
end

-- A number that a record can have.
function M.number_within(value, most, what)
	if type(value) ~= 'number' or value < 0 or value > most or value % 1 ~= 0 then
		M.refuse(string.format('%s must be a number within <0, %d>', what, most))
	end
	return value
end
local number = M.number_within

function M.wire_name(value, what)
	if type(value) ~= 'string' then
		M.refuse(what .. ' must be a name in wire format')
	end
	kres.dname2str(value)
	return value
end

-- A set is { owner, type, class, ttl, list of rdata }.
local rrset, fields = {}, {}

local function construct(owner, rtype, rclass, ttl)
	return {
		name = owner and M.wire_name(owner, 'owner'),
		type = number(rtype or 0, 65535, 'type'),
		class = number(rclass or kres.class.IN, 65535, 'class'),
		seconds = number(ttl or 0, 4294967295, 'ttl'),
		list = {},
	}
end

function fields.type(set) return set.type end
function fields.rclass(set) return set.class end
function fields._owner(set) return set.name end
function fields._ttl(set) return set.seconds end
function fields.rrs(set) return { count = #set.list } end

function rrset.owner(set) return set.name end
function rrset.ttl(set) return set.seconds end

function rrset.class(set, value)
	if value ~= nil then
		set.class = number(value, 65535, 'class')
	end
	return set.class
end

function rrset.rdcount(set)
	return #set.list
end

function rrset.add_rdata(set, rdata, length)
	if type(rdata) ~= 'string' then
		M.refuse('rdata must be a string of octets')
	end
	set.list[#set.list + 1] = rdata:sub(1, length or #rdata)
	return true
end

-- The rdata `i`, counted from 0.
local function item(set, i)
	local rdata = type(i) == 'number' and set.list[i + 1]
	if not rdata then
		M.refuse(string.format('there is no record %s in a set of %d', tostring(i), #set.list))
	end
	return rdata
end

rrset.rdata = item

function rrset.get(set, i)
	return {
		owner = set.name, ttl = set.seconds, class = set.class, type = set.type, rdata = item(set, i),
	}
end

function rrset.txt_dump(set)
	local out = {}
	for i, rdata in ipairs(set.list) do
		out[i] = line(set.name or '\0', set.seconds, set.type, rdata) .. '\n'
	end
	return table.concat(out)
end

-- The text of one rdata, or of all records.
function rrset.tostring(set, i)
	if i == nil then
		return rrset.txt_dump(set)
	end
	return rdata_text(set.type, item(set, i))
end

function rrset.txt_fields(set, i)
	return {
		owner = kres.dname2str(set.name), ttl = set.seconds,
		class = kres.tostring.class[set.class] or string.format('CLASS%d', set.class),
		type = kres.tostring.type[set.type], rdata = rdata_text(set.type, item(set, i)),
	}
end

-- The type that the signature `i` covers; nothing for what is no signature.
function rrset.type_covered(set, i)
	if set.type ~= kres.type.RRSIG then
		return
	end
	local rdata = item(set, i or 0)
	return rdata:byte(1) * 256 + rdata:byte(2)
end

-- Whether one of the signatures in `other` is for this type.
function rrset.is_covered_by(set, other)
	if other.type ~= kres.type.RRSIG then
		M.refuse('is_covered_by() expects a set of signatures')
	end
	for i = 0, other:rdcount() - 1 do
		if other:type_covered(i) == set.type then
			return true
		end
	end
	return false
end

function rrset.merge_rdata(set, other)
	-- As many as there are now: a set may be merged with itself.
	for i = 0, other:rdcount() - 1 do
		local rdata, known = other:rdata(i), false
		for _, mine in ipairs(set.list) do
			known = known or mine == rdata
		end
		if not known then
			set.list[#set.list + 1] = rdata
		end
	end
	return true
end

-- Octets that the records take in a message without compression.
function rrset.wire_size(set)
	local size = 0
	for _, rdata in ipairs(set.list) do
		size = size + #set.name + 10 + #rdata
	end
	return size
end

local wrap_set
kres.rrset, wrap_set, M.set_content = M.object_type('knot_rrset', {
	construct = construct, methods = rrset, fields = fields, text = rrset.txt_dump,
})

-- Records of a list as sets by owner, type and class.
function M.group_records(list)
	local sets, order = {}, {}
	for _, rr in ipairs(list) do
		local found
		for _, set in ipairs(sets) do
			if set.type == rr.type and set.class == rr.class
				and select(2, names_equal(set.name, rr.owner)) then
				found = set
				break
			end
		end
		if not found then
			found = construct(rr.owner, rr.type, rr.class, rr.ttl)
			sets[#sets + 1] = found
			order[#order + 1] = wrap_set(found)
		end
		found.list[#found.list + 1] = rr.rdata
	end
	return order
end

-- `kres.context()`: what of the resolver can be reached from outside of a request.

local cache_insert = M.wrap(raw.kres.cache_insert, M.refuse)

local cache = {}

-- Puts a set into the cache. Whether it was taken is not told, as ever: better data may be there.
function cache.insert(_, set, signatures, rank)
	if not M.set_content(set) then
		M.refuse('cache:insert(): expected a kres.rrset')
	end
	local inside = M.set_content(set)
	local covering = signatures and M.set_content(signatures)
	cache_insert(inside.name, inside.type, inside.class, inside.seconds, inside.list,
		covering and covering.list or {}, rank or 0)
	return true
end

function cache.commit()
	G.cache.checkpoint(true)
	return true
end

local counters = setmetatable({}, { __index = function (_, name) return G.cache.stats()[name] end })

local cache_type = M.object_type('kr_cache', {
	construct = function () return {} end, methods = cache,
	fields = { stats = function () return counters end },
	text = function () return 'struct kr_cache' end,
})
local the_cache = cache_type()
local context_type = M.object_type('kr_context', {
	construct = function () return {} end, methods = {},
	fields = { cache = function () return the_cache end },
	text = function () return 'struct kr_context' end,
})
local the_context = context_type()

function kres.context()
	return the_context
end
