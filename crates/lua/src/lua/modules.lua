-- `modules`: loading, order, configuration, and the tables of native modules.
local M, G = ...
local raw = M.raw

local modules = {}
G.modules = modules

local is_native = M.wrap(raw.modules.is_native)
local load_native = M.wrap(raw.modules.load_native)
local insert, remove = M.wrap(raw.modules.insert), M.wrap(raw.modules.remove)
local commands, call = M.wrap(raw.modules.commands), M.wrap(raw.modules.call)
local config, get, set = M.wrap(raw.modules.config), M.wrap(raw.modules.get), M.wrap(raw.modules.set)
modules.list = M.wrap(raw.modules.list)

-- Modules that configurations name and that this program is to bring one day. Statements about them
-- are accepted, and the log says that they have no effect.
local announced = M.set [[
	bogus_log detect_time_jump detect_time_skew dns64 dnstap edns_keepalive etcd
	experimental_dot_auth extended_error hints http nsid policy predict priming
	rebinding refuse_nord renumber serve_stale stats ta_sentinel ta_signal_query ta_update view
	watchdog workarounds
]]

-- Loaded before the configuration, as far as the program brings them.
M.default_modules = {
	'ta_update', 'ta_signal_query', 'policy', 'priming', 'detect_time_skew', 'detect_time_jump',
	'ta_sentinel', 'edns_keepalive', 'refuse_nord', 'watchdog', 'extended_error',
}

-- Modules written in Lua that come with the program are compiled when they are loaded.
for name, source in pairs(raw.bundled) do
	package.preload['kres_modules.' .. name] = function ()
		return assert(loadstring(source, '=kres/' .. name .. '.lua'))(M, G)
	end
end

-- Tables that other parts of the prelude make for a module, by its name.
M.module_tables = {}
-- The layers of modules written in Lua, by name: { hook = function }.
M.layers = {}
-- The tables of loaded modules, by name.
local loaded = {}

local function position(name)
	for i, other in ipairs(modules.list()) do
		if other == name then
			return i
		end
	end
end

-- 'name', 'name > other' or 'name < other'.
local function parse(spec)
	if type(spec) ~= 'string' then
		M.fail("expected 'load(string name)'")
	end
	local name, operator, reference = spec:match('^%s*(%S+)%s+([<>])%s+(%S+)%s*$')
	if name then
		return name, operator, reference
	end
	name = spec:match('^%s*([^%s<>]+)%s*$')
	if not name then
		M.fail(string.format("'%s' is not the name of a module; write 'name', 'name > other' or "
			.. "'name < other'", spec))
	end
	return name
end

-- The table of a native module: its commands, `config`, and its properties as keys.
local function native_table(name)
	local t = M.module_tables[name] or {}
	for _, command in ipairs(commands(name)) do
		local key = command.name
		if rawget(t, key) == nil then
			rawset(t, key, key == 'config' and function (value)
				local result = config(name, value)
				if result ~= nil then
					return result
				end
			end or M.native(function (...)
				return call(name, key, ...)
			end, 'arg'))
		end
	end
	return setmetatable(t, getmetatable(t) or {
		__index = function (_, key)
			if type(key) ~= 'string' then
				return nil
			end
			local sweet, value = get(name, key)
			if sweet then
				return value
			end
		end,
		__newindex = function (_, key, value)
			if not set(name, tostring(key), value) then
				M.fail('module ' .. name .. ' does not support assignment syntax sugar')
			end
		end,
	})
end

-- The table of an announced module: everything may be said about it.
local function announced_table(name)
	local told = {}
	local function tell(what)
		if not told[what] then
			told[what] = true
			M.log('SYSTEM', 'notice', string.format(
				"module '%s' is not part of this program: %s has no effect", name, what))
		end
	end
	tell('loading it')
	return setmetatable(M.module_tables[name] or {}, {
		__index = function (_, key)
			return function ()
				tell(string.format('%s.%s()', name, tostring(key)))
			end
		end,
		__newindex = function (_, key)
			tell(string.format('setting %s.%s', name, tostring(key)))
		end,
	})
end

local hooks = { 'begin', 'reset', 'consume', 'produce', 'checkout', 'answer_finalize', 'finish' }

local function load_lua(name, operator, reference, found)
	if type(found) ~= 'table' then
		M.fail(string.format("module '%s' must return a table, it returned a %s", name, type(found)))
	end
	local present
	if found.layer ~= nil then
		if type(found.layer) ~= 'table' then
			M.fail(string.format("module '%s': layer must be a table", name))
		end
		present = {}
		for _, hook in ipairs(hooks) do
			if type(found.layer[hook]) == 'function' then
				present[hook] = M.make_hook(hook, found.layer[hook])
			end
		end
		M.layers[name] = found.layer
	end
	insert(name, operator, reference, present)
	if found.init then
		local ok, err = xpcall(found.init, M.explain, found)
		if not ok then
			remove(name)
			M.layers[name] = nil
			M.fail(string.format("module '%s' failed to initialise: %s", name, M.describe(err)))
		end
	end
	return found
end

function modules.load(spec)
	local name, operator, reference = parse(spec)
	if reference and not position(reference) then
		M.fail(string.format("referenced module not found: '%s'%s", reference,
			M.did_you_mean(reference, modules.list())))
	end
	if loaded[name] or position(name) then
		return true
	end
	local t
	if is_native(name) then
		load_native(name, operator, reference)
		t = native_table(name)
	else
		local ok, found = pcall(require, 'kres_modules.' .. name)
		if ok then
			t = load_lua(name, operator, reference, found)
		elseif not tostring(found):find("module 'kres_modules." .. name .. "' not found:", 1, true) then
			M.fail(string.format("module '%s' cannot be loaded: %s", name, M.describe(found)))
		elseif announced[name] then
			t = announced_table(name)
			insert(name, operator, reference)
		else
			M.fail(string.format("No such file or directory: module '%s' is neither a part of this "
				.. 'program nor kres_modules/%s.lua in package.path%s', name, name,
				M.did_you_mean(name, M.names(announced))))
		end
	end
	loaded[name] = t
	G[name] = t
	return true
end

function modules.unload(name)
	if type(name) ~= 'string' then
		M.fail("expected 'unload(string name)'")
	end
	if not position(name) then
		-- A default module that the program does not bring is as good as unloaded.
		for _, default in ipairs(M.default_modules) do
			if name == default and not is_native(name) then
				return true
			end
		end
		M.fail(string.format("No such file or directory: module '%s' is not loaded", name))
	end
	local t = loaded[name]
	if t and type(rawget(t, 'deinit')) == 'function' then
		local ok, err = xpcall(t.deinit, M.explain, t)
		if not ok then
			M.log('SYSTEM', 'err', string.format("module '%s': %s", name, M.describe(err)))
		end
	end
	remove(name)
	loaded[name], M.layers[name] = nil, nil
	if G[name] == t then
		G[name] = nil
	end
	package.loaded['kres_modules.' .. name] = nil
	return true
end

-- Loads a module and configures it, also one that is loaded already.
local function configure(spec, value)
	modules.load(spec)
	local name = parse(spec)
	local t = loaded[name]
	local apply = t and t.config
	if apply then
		apply(value)
	elseif value ~= nil then
		M.fail(string.format("module '%s' has no configuration", name))
	end
end

setmetatable(modules, {
	__newindex = function (_, key, value)
		if type(key) == 'number' then
			local name = parse(value)
			local known = loaded[name]
			modules.load(value)
			-- A module named without configuration is configured with nothing, once.
			if not known and loaded[name] and rawget(loaded[name], 'config') and not is_native(name) then
				loaded[name].config(nil)
			end
		elseif value == nil or value == false then
			modules.unload(key)
		else
			configure(key, value)
		end
	end,
})

-- `modules = { … }`: first what is listed, then what has a configuration, by name.
M.assign_modules = function (value)
	for _, spec in ipairs(value) do
		modules[#modules + 1] = spec
	end
	for _, key in ipairs(M.names(value)) do
		modules[key] = value[key]
	end
end

M.native(modules.load)
M.native(modules.unload)

-- For the program: before the configuration.
function M.load_default_modules()
	for _, name in ipairs(M.default_modules) do
		if is_native(name) or package.preload['kres_modules.' .. name] then
			modules.load(name)
		end
	end
end

-- For the program: before the end.
function M.unload_all()
	local names = modules.list()
	for i = #names, 1, -1 do
		if loaded[names[i]] then
			pcall(modules.unload, names[i])
		end
	end
end
