-- What the other parts of the prelude share: errors with their place, wrapped functions, hints.
-- Called with: the functions of the program by group, the table of real globals.
local raw, G = ...
-- `classes`: methods and fields of objects that scripts are given, by the name of their class.
local M = { raw = raw, globals = G, classes = {} }

local BLOCK = 'error occurred here (config filename:lineno is at the bottom, if config is involved):\n'

-- Lines of a traceback without those of the prelude itself.
function M.traceback(level)
	local kept = {}
	for line in debug.traceback('', level + 1):gmatch('[^\n]+') do
		local ours = line:find('^\tkres/') or line:find('^\t%[builtin')
			or line:find("^\t%[C%]: in function '[%w_]*xpcall'$")
		if not ours then
			kept[#kept + 1] = line
		end
	end
	return table.concat(kept, '\n')
end

-- Three ways to raise an error. Scripts match on their texts, so which function raises which way is
-- a part of the language.

-- What the process refuses: a block with the place of the call.
function M.fail(text)
	error(BLOCK .. M.traceback(2) .. '\nERROR: ' .. text, 0)
end

-- What helpers of the language refuse: "ERROR: …".
function M.panic(text)
	error('ERROR: ' .. text, 0)
end

-- What checks of arguments refuse: "file:line: …", the line of the caller; `only_in_files`: not for what
-- was typed into a console.
function M.refuse(text, only_in_files)
	local level = 2
	while true do
		local info = debug.getinfo(level, 'Sl')
		if not info or only_in_files and info.source:find('^[^@=]') then
			error(text, 0)
		elseif info.currentline > 0 and not info.short_src:find('^kres/') then
			error(info.short_src .. ':' .. info.currentline .. ': ' .. text, 0)
		end
		level = level + 1
	end
end

-- A function of the program returns true and values, or false and a message. This makes one that
-- raises the message in one of the three ways, by default the first, with words before it.
-- It counts as a function of the program itself where functions are shown: with these words as its
-- parameters.
M.natives = setmetatable({}, { __mode = 'k' })
function M.native(fn, parameters)
	M.natives[fn] = parameters or '?'
	return fn
end
function M.wrap(call, raise, prefix)
	raise, prefix = raise or M.fail, prefix or ''
	local function answer(ok, ...)
		if ok then
			return ...
		end
		raise(prefix .. (...))
	end
	local function wrapped(...)
		return answer(call(...))
	end
	M.native(wrapped)
	return wrapped
end

-- The group `name` of the program, its functions wrapped. Names in `hidden` are left out.
function M.group(name, hidden)
	local group = {}
	for key, call in pairs(raw[name]) do
		if not (hidden and hidden[key]) then
			group[key] = M.wrap(call)
		end
	end
	return group
end

-- A set of words.
function M.set(words)
	local set = {}
	for word in words:gmatch('%S+') do
		set[word] = true
	end
	return set
end

-- The keys of a table that are strings, sorted.
function M.names(t)
	local names = {}
	for key in pairs(t) do
		if type(key) == 'string' then
			names[#names + 1] = key
		end
	end
	table.sort(names)
	return names
end

-- ", did you mean 'x'?" or nothing.
function M.did_you_mean(word, names)
	local found = M.nearest(word, names)
	return found and (", did you mean '" .. found .. "'?") or ''
end

-- An error about an unknown key of a group.
function M.unknown_key(group, key, names)
	M.fail(string.format('%s.%s is not known%s', group, tostring(key),
		M.did_you_mean(tostring(key), names)))
end

-- Writes to the log: by the name of a group (LOG_GRP_*) and of a level.
local levels = { crit = 2, err = 3, warning = 4, notice = 5, info = 6, debug = 7 }
M.levels = levels
function M.log(group, level, text)
	raw._log.write(raw.log_groups['LOG_GRP_' .. group], levels[level], text)
end

function M.nearest(word, names)
	local _, found = raw._general.nearest(word, names)
	return found
end

return M
