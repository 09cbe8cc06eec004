-- `net`: the functions of the program, interfaces by name, and assignments.
local M, G = ...
local raw = M.raw

local net = M.group('net', M.set 'declare_kind')
G.net = net
net.tls_server = net.tls

local declare_kind = M.wrap(raw.net.declare_kind)
M.endpoint_kinds = {}
function net.register_endpoint_kind(kind, callback)
	if callback ~= nil and type(callback) ~= 'function' then
		M.fail('net.register_endpoint_kind: expected a function')
	end
	declare_kind(kind, callback ~= nil)
	M.endpoint_kinds[kind] = callback
end

local function family(flag)
	return {
		get = function () return not G.option(flag) end,
		set = function (key, value)
			if type(value) ~= 'boolean' then
				M.fail('net.' .. key .. ' must be true or false')
			end
			G.option(flag, not value)
		end,
	}
end
local switches = { ipv4 = family('NO_IPV4'), ipv6 = family('NO_IPV6') }

local function known_names()
	local names = M.names(net)
	names[#names + 1] = 'ipv4'
	names[#names + 1] = 'ipv6'
	return names
end

setmetatable(net, {
	__index = function (_, key)
		if switches[key] then
			return switches[key].get()
		end
		return net.interfaces()[key]
	end,
	__newindex = function (_, key, value)
		if switches[key] then
			return switches[key].set(key, value)
		elseif type(key) == 'number' then
			return net.listen(value)
		end
		-- An address as key, a port as value: how a tree of keys and values spells it.
		local port = tonumber(value)
		if type(key) == 'string' and port and key:find('^[%x:.%%%w]+$') and key:find('[.:]') then
			return net.listen(key, port)
		elseif type(value) == 'string' or type(value) == 'table' then
			local interface = net.interfaces()[key]
			if interface or key == 'listen' then
				return net.listen(value)
			end
		end
		M.unknown_key('net', key, known_names())
	end,
})

-- `net = { … }`: a list of addresses, and settings by name.
M.assign_net = function (value)
	for _, address in ipairs(value) do
		net.listen(address)
	end
	for _, key in ipairs(M.names(value)) do
		local known = rawget(net, key)
		if known ~= nil then
			M.fail(string.format('net.%s is a function: call net.%s(...)', key, key))
		end
		net[key] = value[key]
	end
end
