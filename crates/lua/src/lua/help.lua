-- help(): one line for each function, from the table of the program's functions.
local M, G = ...

local plain = {
	{ 'help()', 'show this help' },
	{ 'quit()', 'end the process' },
	{ 'hostname([fqdn])', 'get or set the name of this machine' },
	{ 'package_version()', 'version of the program' },
	{ 'user(name[, group])', 'give up privileges and run as this user' },
	{ 'log_level([level])', 'get or set the level of log messages' },
	{ 'log_target([target])', 'get or set where log messages go' },
	{ 'log_groups([{ groups }])', 'get or set the groups that are logged at every level' },
	{ 'verbose([true|false])', 'log at level debug (deprecated, use log_level)' },
	{ 'option(name[, value])', 'get or set a query flag for all requests' },
	{ 'mode([strict|normal|permissive])', 'get or set how strictly glue is judged' },
	{ 'reorder_RR([true|false])', 'get or set the rotation of records within RRsets' },
	{ 'resolve(name, type[, class, options, finish, init])', 'resolve a name, then call finish' },
	{ 'todname(name)', 'name in wire format' },
	{ 'tojson(value)', 'JSON text of a value' },
	{ 'fromjson(text)', 'value of a JSON text' },
	{ 'map(command[, format])', 'run a command on every instance and collect the results' },
	{ 'table_print(value)', 'a value as text, as the console shows it' },
}

local groups = { 'net', 'cache', 'modules', 'worker', 'event', 'trust_anchors', 'policy' }

function G.help()
	local out = {}
	local function line(usage, doc)
		out[#out + 1] = usage .. '\n    ' .. doc .. '\n'
	end
	for _, row in ipairs(plain) do
		line(row[1], row[2])
	end
	for _, group in ipairs(groups) do
		for _, row in ipairs(M.raw.help[group]) do
			line(group .. '.' .. row.usage, row.doc)
		end
	end
	for _, name in ipairs(G.modules.list()) do
		for _, command in ipairs(M.module_commands(name)) do
			line(name .. '.' .. command.usage, command.doc)
		end
	end
	return table.concat(out)
end

M.module_commands = M.wrap(M.raw.modules.commands)

-- Stubs for editors (LuaCATS): every table and function as they are while the program runs.

local reserved = M.set [[
	and break do else elseif end false for function if in local nil not or repeat return then true
	until while goto
]]

-- Names of parameters from 'name(a[, b])', '(true|false)', '({ list })'.
local function parameters(usage)
	local names, taken = {}, {}
	local inside = usage:match('%((.*)%)$') or ''
	for part in (inside .. ','):gmatch('([^,]*),') do
		local word = part:match('%.%.%.') or part:match('[%a_][%w_]*')
		if word and (reserved[word] or part:find('|', 1, true)) then
			word = word == 'function' and 'callback' or 'value'
		end
		if word and not taken[word] then
			taken[word] = true
			names[#names + 1] = word
		end
	end
	return table.concat(names, ', ')
end

-- Names of parameters of a function written in Lua, without the first for methods.
local function declared(fn, first)
	local names = {}
	local info = debug.getinfo(fn, 'u')
	for i = first, info.nparams or 0 do
		names[#names + 1] = debug.getlocal(fn, i)
	end
	if info.isvararg then
		names[#names + 1] = '...'
	end
	return table.concat(names, ', ')
end

-- For the program: the stubs as text.
function M.stubs()
	local out = { '---@meta kres', '-- Made of the running program; do not edit.', '' }
	local function add(...)
		out[#out + 1] = string.format(...)
	end
	for _, row in ipairs(plain) do
		add('---%s', row[2])
		add('function %s(%s) end\n', row[1]:match('^[%w_]+'), parameters(row[1]))
	end
	for _, unit in ipairs { 'kB', 'MB', 'GB', 'sec', 'second', 'min', 'minute', 'hour', 'day' } do
		add('---@type number\n%s = %d\n', unit, G[unit])
	end
	for _, group in ipairs { 'net', 'cache', 'modules', 'worker', 'event', 'trust_anchors', 'policy',
		'view', 'kres' } do
		local rows = {}
		for _, row in ipairs(M.raw.help[group] or {}) do
			rows[row.name] = row
		end
		add('---@class %s\n%s = {}\n', group, group)
		for _, name in ipairs(M.names(G[group] or M.module_tables[group])) do
			local value = (G[group] or M.module_tables[group])[name]
			local row = rows[name]
			if type(value) == 'function' then
				if row then
					add('---%s', row.doc)
				end
				add('function %s.%s(%s) end\n', group, name,
					row and parameters(row.usage) or declared(value, 1))
			elseif type(value) ~= 'string' then
				add('---@type %s\n%s.%s = nil\n', type(value) == 'cdata' and 'function' or type(value),
					group, name)
			end
		end
	end
	for _, name in ipairs(M.names(M.classes)) do
		local class = M.classes[name]
		add('---@class kres.%s', name)
		for _, field in ipairs(M.names(class.fields)) do
			add('---@field %s any', field)
		end
		add('local %s = {}\n', name)
		for _, method in ipairs(M.names(class.methods)) do
			add('function %s:%s(%s) end\n', name, method, declared(class.methods[method], 2))
		end
	end
	return table.concat(out, '\n')
end
