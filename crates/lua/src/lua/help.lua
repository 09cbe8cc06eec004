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
	{ 'map(command)', 'run a command on every instance and collect the results' },
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
