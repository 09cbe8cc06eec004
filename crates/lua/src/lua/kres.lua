-- The table `kres`: constants and conversions, and the helper module `kluautil`.
local M, G = ...
local raw = M.raw

local kres = {}
G.kres = kres

-- Names to numbers and, under `kres.tostring`, numbers to names.
kres.tostring = {}
for name, value in pairs(raw.constants) do
	kres[name] = value
	if type(value) == 'table' then
		local back = {}
		for word, number in pairs(value) do
			back[number] = word
		end
		kres.tostring[name] = back
	end
end

-- RFC 3597: TYPE65280 and the like.
setmetatable(kres.type, {
	__index = function (_, key)
		local number = type(key) == 'string' and tonumber(key:match('^TYPE(%d+)$'))
		return number and number <= 65535 and number or nil
	end,
})
setmetatable(kres.tostring.type, {
	__index = function (_, number)
		return type(number) == 'number' and string.format('TYPE%d', number) or nil
	end,
})
kres.str2dname = M.wrap(raw.kres.str2dname)
kres.dname2str = M.wrap(raw.kres.dname2str)
kres.str2ip = M.wrap(raw.kres.str2ip)

-- Names in wire format are plain strings here; a name that ends early is refused.
function kres.dname2wire(name)
	if name == nil then
		return nil
	end
	kres.dname2str(name)
	return name
end

local parse_rdata = M.wrap(raw.kres.parse_rdata, M.refuse)
function kres.parse_rdata(lines)
	if type(lines) ~= 'table' then
		M.refuse('a table of string(s) is expected')
	end
	local parsed = {}
	for i, line in ipairs(lines) do
		parsed[i] = parse_rdata(line)
	end
	return parsed
end

package.loaded.kres = kres

local kluautil = {}
package.loaded.kluautil = kluautil

function kluautil.kr_table_pack(...)
	return { n = select('#', ...), ... }
end

function kluautil.kr_table_unpack(t)
	return unpack(t, 1, t.n)
end

function kluautil.kr_table_len(t)
	if type(t) ~= 'table' then
		return nil
	end
	local count = 0
	for _ in pairs(t) do
		count = count + 1
	end
	return count
end

kluautil.list_dir = M.wrap(raw._general.list_dir)
