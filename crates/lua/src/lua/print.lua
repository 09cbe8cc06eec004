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
		params = { M.natives[fn] or '?' }
	end
	local address = tostring(fn):gsub('^function: ', '')
	return string.format('function %s(%s): %s', name ~= nil and tostring(name) or '',
		table.concat(params, ', '), address)
end

function M.is_native(fn)
	return M.natives[fn] or debug.getinfo(fn, 'S').what == 'C'
end

-- Keys by type, then by value.
local function before(a, b)
	local kind = type(a)
	if kind ~= type(b) then
		return kind < type(b)
	elseif kind == 'number' or kind == 'string' then
		return a < b
	elseif kind == 'boolean' then
		return not a and b
	end
	return tostring(a) < tostring(b)
end

local of_value

-- `seen` holds the tables shown so far: each is shown once, also where that makes no cycle.
local function of_table(t, indent, name, seen)
	local meta = debug.getmetatable(t)
	if type(meta) == 'table' and rawget(meta, '__opaque') then
		return tostring(t) -- an object, not a table of settings
	end
	if seen[t] then
		return string.format("--[[ missing cannot print '%s' = '%s' (value: cyclic reference) ]]",
			tostring(name), tostring(t)), true
	end
	seen[t] = true
	local shown = type(meta) == 'table' and rawget(meta, '__shown')
	shown = shown and shown(t) or t
	local keys = {}
	for key in next, shown do
		keys[#keys + 1] = key
	end
	table.sort(keys, before)
	local deeper = indent .. INDENT
	local out = { '{' }
	-- Items 1 to n need no key as long as nothing sorts before them.
	local in_list = true
	for i, key in ipairs(keys) do
		in_list = in_list and key == i
		local text, missing = of_value(rawget(shown, key), deeper, key, seen)
		if missing then
			out[#out + 1] = text
		elseif in_list then
			out[#out + 1] = deeper .. text .. ','
		else
			local label = of_value(key, deeper, tostring(key), seen)
			out[#out + 1] = string.format('%s[%s] = %s,', deeper, label, text)
		end
	end
	out[#out + 1] = indent .. '}'
	return table.concat(out, '\n')
end

function of_value(value, indent, name, seen)
	local kind = type(value)
	if kind == 'string' then
		return quoted(value)
	elseif kind == 'table' then
		return of_table(value, indent, name, seen)
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
