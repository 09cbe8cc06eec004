-- `graphite`: sends statistics to servers that speak the plain text protocol of Carbon, over UDP or
-- TCP, with sockets of the C library that never wait.
local M, G = ...
local ffi = require('ffi')

local graphite = {}

if not G.stats then
	G.modules.load('stats')
end

local settings = {}
-- The socket towards each server, or nothing while there is none, in the order of the servers.
local sockets = {}
local timer

pcall(ffi.cdef, [[
	struct kres_sockaddr_in { uint16_t family; uint16_t port; uint8_t address[4]; uint8_t zero[8]; };
	struct kres_sockaddr_in6 {
		uint16_t family; uint16_t port; uint32_t flow; uint8_t address[16]; uint32_t scope;
	};
	int socket(int domain, int type, int protocol);
	int connect(int fd, const void *address, unsigned length);
	long send(int fd, const void *data, unsigned long length, int flags);
	int close(int fd);
]])

-- Numbers of Linux: SOCK_STREAM or SOCK_DGRAM, with SOCK_NONBLOCK and SOCK_CLOEXEC.
local INET, INET6, STREAM, DATAGRAM, UNBLOCKED = 2, 10, 1, 2, 0x800 + 0x80000
-- MSG_DONTWAIT and MSG_NOSIGNAL; EINPROGRESS.
local SEND_FLAGS, IN_PROGRESS = 0x40 + 0x4000, 115
-- The most octets in one datagram: below any common MTU.
local DATAGRAM_BYTES = 1200

local function log(level, text)
	M.log('GRAPHITE', level, text)
end

local function address_of(host, port)
	local octets = G.kres.str2ip(host)
	if not octets then
		M.refuse(string.format("graphite: '%s' is not an address", tostring(host)))
	end
	local is_v4 = #octets == 4
	local address = ffi.new(is_v4 and 'struct kres_sockaddr_in' or 'struct kres_sockaddr_in6')
	address.family = is_v4 and INET or INET6
	ffi.copy(ffi.cast('uint8_t *', address) + 2, string.char(math.floor(port / 256), port % 256), 2)
	ffi.copy(address.address, octets, #octets)
	return address, is_v4 and INET or INET6
end

local function open(server)
	local fd = ffi.C.socket(server.family, (settings.tcp and STREAM or DATAGRAM) + UNBLOCKED, 0)
	if fd < 0 then
		return nil
	end
	local result = ffi.C.connect(fd, server.address, ffi.sizeof(server.address))
	if result ~= 0 and ffi.errno() ~= IN_PROGRESS then
		ffi.C.close(fd)
		return nil
	end
	return fd
end

local function close_all()
	for at, fd in pairs(sockets) do
		ffi.C.close(fd)
		sockets[at] = nil
	end
end

-- Octets to a server. A broken connection is closed, and opened anew at the next interval.
local function send(at, server, octets)
	local fd = sockets[at]
	if not fd then
		fd = open(server)
		sockets[at] = fd
		if not fd then
			return log('info', 'cannot connect to ' .. server.text)
		end
		log('debug', 'connecting to ' .. server.text)
		if settings.tcp then
			return -- The connection is there by the next interval.
		end
	end
	if ffi.C.send(fd, octets, #octets, SEND_FLAGS) ~= #octets and settings.tcp then
		log('info', 'lost the connection to ' .. server.text)
		ffi.C.close(fd)
		sockets[at] = nil
	end
end

-- Adds lines `PREFIX.KEY VALUE TIME` for numbers.
local function add_lines(lines, prefix, numbers, now)
	for key, value in pairs(numbers) do
		if type(value) == 'number' then
			lines[#lines + 1] = string.format('%s.%s %s %d\n', prefix, key, value, now)
		end
	end
end

-- The lines in pieces that fit into datagrams; all of them in one for TCP.
local function pieces(lines)
	if settings.tcp then
		return { table.concat(lines) }
	end
	local list, part, size = {}, {}, 0
	for _, line in ipairs(lines) do
		if size + #line > DATAGRAM_BYTES and size > 0 then
			list[#list + 1] = table.concat(part)
			part, size = {}, 0
		end
		part[#part + 1], size = line, size + #line
	end
	list[#list + 1] = table.concat(part)
	return list
end

local function publish()
	local now, lines, prefix = os.time(), {}, ''
	if graphite.prefix ~= '' then
		prefix = tostring(graphite.prefix) .. '.'
	end
	add_lines(lines, prefix .. 'cache', G.cache.stats(), now)
	add_lines(lines, prefix .. 'worker', G.worker.stats(), now)
	if G.stats then
		add_lines(lines, prefix:gsub('%.$', ''), G.stats.list() or {}, now)
	end
	for _, octets in ipairs(pieces(lines)) do
		for at, server in ipairs(settings.servers) do
			send(at, server, octets)
		end
	end
end

local function stop()
	if timer then
		G.event.cancel(timer)
		timer = nil
	end
	close_all()
end

-- { host = address or list, port = 2003, prefix, interval = 5 * sec, tcp = false }
function graphite.config(value)
	value = value or {}
	if type(value) ~= 'table' or not value.host then
		M.refuse("graphite: expected { host = 'ADDRESS' }")
	end
	local port = tonumber(value.port or 2003)
	local interval = tonumber(value.interval or 5 * G.sec)
	if not port or port < 1 or port > 65535 or not interval or interval < 1 then
		M.refuse('graphite: port is within <1, 65535>, interval in milliseconds')
	end
	local servers = {}
	for at, host in ipairs(type(value.host) == 'table' and value.host or { value.host }) do
		local address, family = address_of(host, port)
		servers[at] = { address = address, family = family, text = host .. '@' .. port }
	end
	stop()
	settings = { servers = servers, tcp = value.tcp == true }
	graphite.prefix = value.prefix or string.format('kresd.%s.%s', G.hostname(), G.worker.id)
	graphite.interval = interval
	timer = G.event.recurrent(interval, publish)
	return 0
end

graphite.deinit = stop

return graphite
