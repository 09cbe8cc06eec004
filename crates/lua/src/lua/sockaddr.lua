-- Socket addresses: structures of C that scripts are given, hand to functions of `ffi.C` and ask for
-- their parts. Each owns its memory.
local M, G = ...
local ffi, bit = require('ffi'), require('bit')

-- As large as an address of IPv6; that of IPv4 is the beginning of it.
ffi.cdef [[
struct sockaddr { uint16_t sa_family; uint8_t sa_data[26]; };
void *malloc(size_t size);
void free(void *pointer);
const char *inet_ntop(int family, const void *octets, char *text, uint32_t room);
int inet_pton(int family, const char *text, void *octets);
]]
local library = ffi.C
local sockaddr, pointer = ffi.typeof('struct sockaddr'), ffi.typeof('struct sockaddr *')

-- By family: where the octets of the address begin in `sa_data`, behind the port, how many there are,
-- and how long the whole structure is.
local INET, INET6 = 2, 10
local families = {
	[INET] = { at = 2, octets = 4, whole = 16 },
	[INET6] = { at = 6, octets = 16, whole = 28 },
}
local TEXT_ROOM = 46

local function layout(address)
	if not (ffi.istype(sockaddr, address) or ffi.istype(pointer, address)) or address == nil then
		M.refuse('expected a struct sockaddr')
	end
	return families[address.sa_family]
end

-- An address as scripts are given it.
function G.kres.sockaddr_t(address)
	layout(address)
	return address
end

local methods = {}
function methods.family(address) return address.sa_family end
function methods.len(address)
	local family = layout(address)
	return family and family.octets or -22
end
function methods.ip(address)
	local family = layout(address)
	return family and ffi.string(address.sa_data + family.at, family.octets) or nil
end
function methods.port(address)
	layout(address)
	return address.sa_data[0] * 256 + address.sa_data[1]
end

ffi.metatype(sockaddr, {
	__index = methods,
	__tostring = function (address)
		local family, text = layout(address), ffi.new('char[?]', TEXT_ROOM)
		if not family or library.inet_ntop(address.sa_family, address.sa_data + family.at, text,
			TEXT_ROOM) == nil then
			return 'an address of no family that is known'
		end
		return ffi.string(text) .. '#' .. methods.port(address)
	end,
})

local function set_port(address, port)
	address.sa_data[0], address.sa_data[1] = bit.rshift(port, 8), bit.band(port, 255)
end

-- For the other parts: one of octets and a port.
function M.socket_address(octets, port)
	local address = ffi.new(sockaddr)
	address.sa_family = #octets == 4 and INET or INET6
	ffi.copy(address.sa_data + families[address.sa_family].at, octets, #octets)
	set_port(address, port)
	return address
end

local functions = M.c_functions

function functions.kr_straddr_family(text)
	return text ~= nil and ffi.string(text):find(':', 1, true) and INET6 or INET
end

-- To be freed by the caller, as memory of C is. NULL for what is no address.
function functions.kr_straddr_socket(text, port)
	text = text ~= nil and ffi.string(text):match('^[^%%]*') or ''
	local family = functions.kr_straddr_family(text)
	local made = ffi.new(sockaddr)
	made.sa_family = family
	if library.inet_pton(family, text, made.sa_data + families[family].at) ~= 1 then
		return nil
	end
	set_port(made, tonumber(port) or 0)
	local room = ffi.cast(pointer, library.malloc(ffi.sizeof(sockaddr)))
	if room ~= nil then
		ffi.copy(room, made, ffi.sizeof(sockaddr))
	end
	return room
end

-- 0 for equal ones.
function functions.kr_sockaddr_cmp(left, right)
	local family, other = layout(left), layout(right)
	if not family or family ~= other or left:ip() ~= right:ip() or left:port() ~= right:port() then
		return -14
	end
	return 0
end

function functions.kr_sockaddr_len(address)
	local family = layout(address)
	return family and family.whole or -22
end
function functions.kr_inaddr(address)
	local family = layout(address)
	return family and ffi.cast('const char *', address.sa_data + family.at) or nil
end
functions.kr_inaddr_family, functions.kr_inaddr_len = methods.family, methods.len
functions.kr_inaddr_port = methods.port
