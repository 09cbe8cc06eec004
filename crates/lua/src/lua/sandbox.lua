-- The outermost part: assignments to groups, error texts, and the doors for the program.
local M, G = ...

-- Groups that an assignment extends instead of replacing.
local function merge(group)
	return function (value)
		for key, item in pairs(value) do
			G[group][key] = item
		end
	end
end
local assign = {
	net = M.assign_net,
	cache = M.assign_cache,
	modules = M.assign_modules,
	worker = merge 'worker',
	trust_anchors = merge 'trust_anchors',
	env = merge 'env',
	debugging = merge 'debugging',
}

-- These groups stand beside the table of globals, so that an assignment to one is noticed; all
-- other names are found in it at once.
local groups = {}
for key in pairs(assign) do
	groups[key] = rawget(G, key)
	G[key] = nil
end
setmetatable(G, {
	__index = groups,
	__newindex = function (_, key, value)
		local extend = assign[key]
		if not extend then
			rawset(G, key, value)
		elseif type(value) ~= 'table' then
			M.fail(string.format('%s is a group of settings: assign a table, %s = { … }', key, key))
		else
			extend(value)
		end
	end,
})
G._G = G

-- Error values.

-- An error value as text.
function M.describe(err)
	if type(err) == 'string' then
		return err
	elseif err == nil then
		return 'nil'
	end
	return tostring(err)
end

-- An error value as a console shows it: a table that is no text stays silent.
function M.show_error(err)
	local meta = debug.getmetatable(err)
	if err == nil or type(err) == 'table' and not (type(meta) == 'table' and meta.__tostring) then
		return ''
	end
	return M.describe(err)
end

-- All names that a word in an error may have been meant for.
local function all_names()
	local names = M.names(G)
	for _, name in ipairs(M.names(groups)) do
		names[#names + 1] = name
	end
	local groups = G.modules.list()
	for _, group in ipairs { 'net', 'cache', 'modules', 'worker', 'event', 'trust_anchors', 'kres' } do
		groups[#groups + 1] = group
	end
	for _, group in ipairs(groups) do
		for _, name in ipairs(type(G[group]) == 'table' and M.names(G[group]) or {}) do
			names[#names + 1] = name
		end
	end
	return names
end

-- For xpcall: adds the nearest known name to "attempt to call field 'lisen' (a nil value)".
function M.explain(err)
	if type(err) ~= 'string' then
		return err
	end
	local word = err:match("^[^\n]*attempt to %a+ %a+ '([%w_]+)' %(a nil value%)$")
	if word then
		return err .. M.did_you_mean(word, all_names())
	end
	return err
end

-- For the program: whether more lines could make a chunk of this.
function M.incomplete(text)
	if loadstring('return table_print(' .. text .. '\n)') then
		return false
	end
	local function ends_early(chunk, err)
		return not chunk and err:find("near '<eof>'$") ~= nil
	end
	return not loadstring(text) and (ends_early(loadstring(text)) or ends_early(loadstring('return ' .. text)))
end

-- For the program: a command from a console. Returns whether it went well, and the text.
function M.eval(line)
	local chunk = loadstring('return table_print(' .. line .. '\n)', line)
	local shown = chunk ~= nil
	if not chunk then
		local err
		chunk, err = loadstring(line, line)
		if not chunk then
			return false, err
		end
	end
	local function finish(ok, ...)
		if not ok then
			return false, M.show_error((...))
		elseif shown then
			return true, (...) or ''
		end
		-- Statements may return something: the last value, if it is text already.
		local count = select('#', ...)
		local last = count > 0 and select(count, ...) or ''
		local kind = type(last)
		return true, (kind == 'string' or kind == 'number') and tostring(last) or ''
	end
	M.begin_run('command')
	return finish(M.xpcall(chunk, M.explain))
end

-- So many calls deep a configuration is looked for.
local FRAMES = 100

-- The line of a file that is being run, in the innermost call that is written there.
local function line_of(name)
	for level = 3, FRAMES do
		local info = debug.getinfo(level, 'Sl')
		if not info then
			return nil
		elseif info.source == '@' .. name and info.currentline > 0 then
			return info.currentline
		end
	end
end

-- For the program: a configuration file. Returns whether it went well, and what went wrong.
function M.run_file(path, name)
	local file, why = io.open(path, 'r')
	if not file then
		return false, why
	end
	local text = file:read('*a')
	file:close()
	if not text then
		return false, path .. ': cannot be read'
	end
	-- A first line for the shell is not Lua.
	text = text:gsub('^#[^\n]*', '')
	local chunk, err = loadstring(text, '@' .. name)
	if not chunk then
		return false, M.show_source(err, text, name)
	end
	local place, at = '', nil
	local ok, result = M.xpcall(chunk, function (e)
		at = line_of(name)
		if type(e) == 'string' and not e:find('\nstack traceback:', 1, true) then
			local trace = M.traceback(2)
			local _, frames = trace:gsub('\n\t[^%[]', '')
			-- One frame of Lua says no more than the message does.
			place = frames > 1 and '\n' .. trace or ''
		end
		return M.explain(e)
	end)
	if ok then
		return true
	end
	return false, M.show_source(M.describe(result), text, name, at) .. place
end

-- Where in a line the words are that a message is about: from, to.
local function find_word(line, message)
	local words = { message:match("near '([^']+)'$") }
	for lead, word in message:gmatch("([^']*)'([^']+)'") do
		if not lead:find('did you mean $') then
			words[#words + 1] = word
		end
	end
	words[#words + 1] = message:match('([%w_]+%.[%w_]+) is not known')
	for _, word in ipairs(words) do
		local from, to = line:find(word, 1, true)
		if from then
			return from, to
		end
	end
	local from, to = line:find('%S.*%S')
	if not from then
		from, to = line:find('%S')
	end
	return from, to
end

-- Longest part of a line that is shown, and how much of it may be before the mark.
local SHOWN, BEFORE = 160, 80

-- A line as a terminal can take it, cut around the words from .. to; and where they are then.
local function showable(line, from, to)
	line = line:gsub('[%z\1-\8\11-\31\127]', '?')
	if #line <= SHOWN then
		return line, from, to
	end
	local first = math.max(1, from - BEFORE)
	local shown = line:sub(first, first + SHOWN - 1)
	return shown, from - first + 1, math.min(to - first + 1, #shown)
end

-- Shows the line that an error names, or the line `at` where it was raised, and a mark under the word
-- that it is about.
function M.show_source(err, text, name, at)
	local number, message = err:match('^' .. name:gsub('%p', '%%%0') .. ':(%d+): (.*)$')
	if not number then
		if not at then
			return err
		end
		-- A block has the place in its trace.
		number, message = at, err
		if not err:find('\nERROR: ', 1, true) then
			err = string.format('%s:%d: %s', name, at, err)
		end
	end
	local lines = {}
	for line in (text .. '\n'):gmatch('(.-)\r?\n') do
		lines[#lines + 1] = line
	end
	-- What is missing at the end belongs to where it began, or to what was there last.
	number = tonumber(number)
	while number > 0 and not (lines[number] or ''):find('%S') do
		number = tonumber(message:match('at line (%d+)')) or number - 1
		message = ''
	end
	local line = lines[number]
	if not line then
		return err
	end
	local from, to
	line, from, to = showable(line, find_word(line, message))
	local lead = line:sub(1, from - 1):gsub('[^\t]', ' ')
	return string.format('%s\n%5d | %s\n      | %s%s', err, number, line, lead, ('^'):rep(to - from + 1))
end

-- For the program: what is wrong when a function of a group has been overwritten by a value.
local functions = {}
for _, group in ipairs { 'net', 'cache', 'event', 'trust_anchors', 'modules' } do
	for _, name in ipairs(M.names(G[group])) do
		if type(rawget(G[group], name)) == 'function' then
			functions[#functions + 1] = { group, name }
		end
	end
end
function M.check_groups()
	for _, place in ipairs(functions) do
		local group, name = place[1], place[2]
		local value = rawget(G[group] or {}, name)
		if value ~= nil and type(value) ~= 'function' then
			return string.format('%s.%s is a function and was overwritten by a %s: call %s.%s(...)',
				group, name, type(value), group, name)
		end
	end
end

return M
