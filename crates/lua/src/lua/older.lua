-- What modules and scripts for Knot Resolver call beside what its manual names: conversions of pointers
-- from versions in which hooks were given pointers, flags as a C structure, commands as a function.
local M, G = ...
local ffi = require('ffi')

-- Hooks are given what these conversions return.
local function passed(what, kinds)
	return function (value)
		if not kinds[type(value)] then
			M.refuse('expected a ' .. what)
		end
		return value
	end
end
G.kres.request_t = passed('request', M.set 'userdata table')
G.kres.pkt_t = passed('packet', M.set 'cdata table')

-- The flags of queries as a structure, all of them false.
local fields = {}
for i, name in ipairs(M.raw.flags) do
	fields[i] = 'bool ' .. name .. ';'
end
ffi.cdef('struct kr_qflags { ' .. table.concat(fields, ' ') .. ' };')
local flags_type = ffi.typeof('struct kr_qflags')

-- A structure with these flags set: a name or a list of names.
function G.kres.mk_qflags(names)
	local flags = flags_type()
	for _, name in pairs(type(names) == 'string' and { names } or names or {}) do
		flags[name] = true
	end
	return flags
end

-- The names of the flags that are set in such a structure; nothing for other values.
function M.names_of_flags(flags)
	if not ffi.istype(flags_type, flags) then
		return nil
	end
	local names = {}
	for _, name in ipairs(M.raw.flags) do
		if flags[name] then
			names[#names + 1] = name
		end
	end
	return names
end

-- The table of names of extended errors, spelled as scripts have it, too.
G.kres.tostring.extended_eror = G.kres.tostring.extended_error

-- Runs a command as a console does. Returns its values as they are shown, or with `as_they_are` as they
-- are.
function G.eval_cmd(line, as_they_are)
	if type(line) ~= 'string' and type(line) ~= 'number' then
		M.refuse('expected eval_cmd(string command)')
	end
	local before, behind = 'return table_print(', '\n)'
	if as_they_are then
		before, behind = 'return ', ''
	end
	local chunk = loadstring(before .. line .. behind, line)
	if not chunk then
		local why
		chunk, why = loadstring(line, line)
		if not chunk then
			error(why, 0)
		end
	end
	return chunk()
end

-- Nothing about them can be said; to say so is no error.
M.module_tables.workarounds = { config = function () end }
