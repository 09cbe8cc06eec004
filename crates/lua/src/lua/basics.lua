-- Units, logging, environment and the functions that stand alone.
local M, G = ...
local raw = M.raw

G.kB, G.MB, G.GB = 1024, 1024 * 1024, 1024 * 1024 * 1024
G.sec, G.second = 1000, 1000
G.min, G.minute = 60 * 1000, 60 * 1000
G.hour, G.day = 60 * 60 * 1000, 24 * 60 * 60 * 1000

-- Environment variables; what is written stays in the table.
G.env = setmetatable({}, {
	__index = function (_, name)
		return type(name) == 'string' and os.getenv(name) or nil
	end,
})

for _, name in ipairs { 'hostname', 'package_version', 'user', 'quit', 'tojson', 'fromjson' } do
	G[name] = M.wrap(raw._general[name])
end
for _, name in ipairs { 'log_level', 'log_target', 'log_groups' } do
	G[name] = M.wrap(raw._log[name])
end
G.mode = M.wrap(raw._settings.mode, M.refuse)
local option = M.wrap(raw._settings.option, function (text)
	M.refuse(text, true)
end)
function G.option(name, value)
	if value ~= nil and type(value) ~= 'boolean' then
		M.panic('invalid option value: ' .. tostring(value))
	end
	return option(name, value)
end
G.todname = M.wrap(raw.kres.str2dname)

function G.reorder_RR(value)
	return G.option('REORDER_RR', value)
end

-- The switch of older versions: on is the level debug, off is notice.
function G.verbose(on)
	if type(on) == 'boolean' or type(on) == 'number' then
		M.log('SYSTEM', 'warning', 'deprecation WARNING: use log_level() instead of verbose()')
		G.log_level(on and 'debug' or 'notice')
	end
	return G.log_level() == 'debug'
end

G.LOG_CRIT, G.LOG_ERR, G.LOG_WARNING = M.levels.crit, M.levels.err, M.levels.warning
G.LOG_NOTICE, G.LOG_INFO, G.LOG_DEBUG = M.levels.notice, M.levels.info, M.levels.debug

local function logger(level)
	return function (group, fmt, ...)
		if type(group) ~= 'number' and type(group) ~= 'cdata' then
			error('the first parameter must be a log group (ffi.C.LOG_GRP_*), got ' .. type(group), 2)
		end
		local text = string.format(fmt, ...)
		raw._log.write(tonumber(group), level, text)
	end
end
G.log_error = logger(M.levels.err)
G.log_warn = logger(M.levels.warning)
G.log_notice = logger(M.levels.notice)
G.log_info = logger(M.levels.info)
G.log_debug = logger(M.levels.debug)

-- The same at level debug, for a request and for a query.
function G.log_req(_req, _uid, _indent, group, fmt, ...)
	return G.log_debug(group, fmt, ...)
end
function G.log_qry(_query, group, fmt, ...)
	return G.log_debug(group, fmt, ...)
end

function G.log(fmt, ...)
	M.log('MODULE', 'notice', string.format(fmt, ...))
end

-- An error of the configuration without a place in the prelude.
function G.panic(fmt, ...)
	M.panic(string.format(fmt, ...))
end

-- Numbers of log groups as C constants, for `ffi.C.LOG_GRP_*`.
local ffi = require('ffi')
G.ffi = nil -- a library like any other: require('ffi')
local constants = {}
for name, number in pairs(raw.log_groups) do
	constants[#constants + 1] = string.format('%s = %d', name, number)
end
ffi.cdef('enum kres_log_group { ' .. table.concat(constants, ', ') .. ' };')
local ranks = {}
for name, number in pairs(raw.constants.rank) do
	ranks[#ranks + 1] = string.format('KR_RANK_%s = %d', name, number)
end
ffi.cdef('enum kres_rank { ' .. table.concat(ranks, ', ') .. ' };')

-- Failed internal checks are logged and end their request only; these keys are kept for scripts.
local debugging = { assertion_abort = false, assertion_fork = 5 * G.minute }
G.debugging = setmetatable({}, {
	__index = function (_, key)
		local value = debugging[key]
		if value == nil then
			M.panic('invalid debugging option: ' .. tostring(key))
		end
		return value
	end,
	__newindex = function (_, key, value)
		if debugging[key] == nil then
			M.unknown_key('debugging', key, M.names(debugging))
		end
		debugging[key] = value
	end,
})
