-- Values as text for people: a Lua literal where there is one, keys sorted, nested tables indented.
local M, G = ...

local INDENT = '    '

-- Octets that are not printable, quotes and backslashes as \DDD.
local function quoted(text)
	return "'" .. text:gsub("[%c\127-\255'\\]", function (c)
		if c == '\n' or c == '\t' then
			return c
		end
		return string.format('\\%03d', c:byte())
	end) .. "'"
end

-- A function with its parameters and address; `name` is the key it is found under.
local function of_function(fn, name)
	local info = debug.getinfo(fn, 'u')
	local params = {}
	if info and info.nparams then
		for i = 1, info.nparams do
			params[i] = debug.getlocal(fn, i) or '?'
		end
		if info.isvararg and not M.is_native(fn) then
			params[#params + 1] = '...'
		end
	end
	if M.is_native(fn) then
		params = { '?' }
	end
	local address = tostring(fn):gsub('^function: ', '')
	return string.format('function %s(%s): %s', name and tostring(name) or '',
		table.concat(params, ', '), address)
end

function M.is_native(fn)
	return debug.getinfo(fn, 'S').what == 'C'
end

local rank = { boolean = 1, number = 2, string = 3 }
local function before(a, b)
	local ra, rb = rank[type(a)] or 4, rank[type(b)] or 4
	if ra ~= rb then
		return ra < rb
	elseif ra == 1 then
		return not a and b
	elseif ra == 4 then
		return tostring(a) < tostring(b)
	end
	return a < b
end

local of_value

local function of_table(t, indent, name, open)
	if open[t] then
		return string.format("--[[ missing cannot print '%s' = '%s' (value: cyclic reference) ]]",
			tostring(name), tostring(t)), true
	end
	open[t] = true
	local meta = getmetatable(t)
	local shown = type(meta) == 'table' and meta.__shown and meta.__shown(t) or t
	local deeper = indent .. INDENT
	local out = { '{' }
	-- Items 1 to n without gaps need no key.
	local length = 0
	while rawget(shown, length + 1) ~= nil do
		length = length + 1
	end
	local keys = {}
	for key in pairs(shown) do
		local item = type(key) == 'number' and key >= 1 and key <= length and key % 1 == 0
		if not item then
			keys[#keys + 1] = key
		end
	end
	table.sort(keys, before)
	local function add(prefix, key, value)
		local text, missing = of_value(value, deeper, key, open)
		out[#out + 1] = missing and text or (deeper .. prefix .. text .. ',')
	end
	for i = 1, length do
		add('', i, rawget(shown, i))
	end
	for _, key in ipairs(keys) do
		add('[' .. of_value(key, deeper, nil, open) .. '] = ', key, rawget(shown, key))
	end
	out[#out + 1] = indent .. '}'
	open[t] = nil
	return table.concat(out, '\n')
end

function of_value(value, indent, name, open)
	local kind = type(value)
	if kind == 'string' then
		return quoted(value)
	elseif kind == 'table' then
		return of_table(value, indent, name, open)
	elseif kind == 'function' then
		return of_function(value, name)
	end
	return tostring(value)
end

-- All values as text; several are numbered. Nothing for no values at all.
function G.table_print(...)
	local count = select('#', ...)
	if count == 0 then
		return nil
	elseif count == 1 then
		return (of_value((...), '', nil, {}))
	end
	local out = {}
	for i = 1, count do
		out[i] = of_value((select(i, ...)), '', nil, {}) .. '\t-- result # ' .. i
	end
	return table.concat(out, '\n')
end
