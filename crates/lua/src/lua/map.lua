-- map(): the same command on every instance, and the results as one table.
local M, G = ...
local raw = M.raw

local ask_peers = M.wrap(raw._general.ask_peers)

-- A value as a Lua expression in one line, for the way between instances.
local function serialize(value, path, open)
	local kind = type(value)
	if kind == 'string' then
		return (string.format('%q', value):gsub('\\?[\n\r%z]', { ['\\\n'] = '\\010', ['\n'] = '\\010',
			['\r'] = '\\013', ['\0'] = '\\000' }))
	elseif kind == 'number' then
		if value ~= value then
			return '0/0'
		elseif value == math.huge or value == -math.huge then
			return value > 0 and '1/0' or '-1/0'
		end
		return string.format('%.17g', value)
	elseif kind == 'boolean' or kind == 'nil' then
		return tostring(value)
	elseif kind ~= 'table' or open[value] then
		error(string.format('returned values cannot be serialized: %s is a %s', path,
			kind == 'table' and 'cyclic table' or kind), 0)
	end
	open[value] = true
	local out = {}
	for key, item in pairs(value) do
		out[#out + 1] = '[' .. serialize(key, path .. ' key', open) .. ']='
			.. serialize(item, path .. '.' .. tostring(key), open)
	end
	open[value] = nil
	return '{' .. table.concat(out, ',') .. '}'
end

-- A command is an expression, or statements that return something.
local function compile(command)
	local chunk = loadstring('return ' .. command .. '\n', command)
	if chunk then
		return chunk
	end
	local err
	chunk, err = loadstring(command, command)
	return chunk, err
end

-- Runs a command here: an expression that says { ok, result or message }.
local function run_here(command)
	local chunk, err = compile(command)
	if not chunk then
		return serialize({ ok = false, message = err }, 'result', {})
	end
	local function collect(ok, ...)
		if not ok then
			return { ok = false, message = M.describe((...)) }
		elseif select('#', ...) ~= 1 then
			return { ok = false, whole = true, message = 'unexpected number of return values in map() '
				.. 'response: only single return value is allowed, use kluautil.kr_table_pack() helper' }
		end
		return { ok = true, value = (...) }
	end
	local result = collect(xpcall(chunk, M.explain))
	local ok, text = pcall(serialize, result, 'result', {})
	if not ok then
		text = serialize({ ok = false, message = text }, 'result', {})
	end
	return text
end

-- What other instances are asked to call.
G.__map_call = run_here

function G.map(command, format)
	if type(command) ~= 'string' then
		M.panic('map() command must be a string')
	elseif command == '' then
		M.panic('map() command must be non-empty')
	elseif command:find('\n', 1, true) then
		M.panic('map() command cannot contain literal \\n, escape it with \\010')
	end
	if format ~= nil and format ~= 'luaobj' and format ~= 'strings' then
		M.panic('map() output format must be luaobj or strings')
	end
	local _, err = compile(command)
	if err then
		M.panic('failure when compiling map() command: ' .. err)
	end
	local results = { n = 0 }
	local function take(path, text)
		local chunk = text and loadstring('return ' .. text)
		local ok, reply = false, nil
		if chunk then
			ok, reply = pcall(setfenv(chunk, {}))
		end
		-- From another instance the expression comes as a printed string.
		if ok and type(reply) == 'string' then
			chunk = loadstring('return ' .. reply)
			ok, reply = pcall(chunk and setfenv(chunk, {}) or error)
		end
		if not ok or type(reply) ~= 'table' then
			reply = { ok = false, message = 'unexpected reply: ' .. tostring(text) }
		end
		if reply.whole then
			M.panic(tostring(reply.message))
		elseif not reply.ok then
			M.panic(string.format('error when executing map() command on control socket %s: %s. '
				.. 'command execution state is now undefined!', path, tostring(reply.message)))
		end
		if format == 'strings' and type(reply.value) ~= 'string' then
			M.panic('map() protocol error, value returned by follower does not look like a string')
		end
		results.n = results.n + 1
		results[results.n] = reply.value
	end
	take(G.worker.control_path .. G.worker.pid, run_here(command))
	for _, peer in ipairs(ask_peers('__map_call(' .. string.format('%q', command) .. ')')) do
		if peer.error then
			take(peer.path, serialize({ ok = false, message = peer.error }, 'error', {}))
		else
			take(peer.path, peer.text)
		end
	end
	return results
end
