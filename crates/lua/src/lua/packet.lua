-- `kres.packet`: messages, outside of any request and of a request under way.
local M, G = ...
local raw = M.raw
local bit = require('bit')

local kres = G.kres
local compose = M.wrap(raw.kres.compose_packet, M.refuse)
local parse = M.wrap(raw.kres.parse_packet, M.refuse)
local names_equal = raw.kres.names_equal
local number, name = M.number_within, M.wire_name

local live = raw._request
local live_head, live_set = M.wrap(live.packet_head, M.refuse), M.wrap(live.packet_set, M.refuse)
local live_question = M.wrap(live.packet_question, M.refuse)
local live_section = M.wrap(live.packet_section, M.refuse)
local live_put, live_clear = M.wrap(live.packet_put, M.refuse), M.wrap(live.packet_clear, M.refuse)
local live_wire, live_edns = M.wrap(live.packet_wire, M.refuse), M.wrap(live.packet_edns, M.refuse)

local packet = {}
local packet_meta = {}

-- Messages of a request under way: the same methods, but what they read and write is there.
local live_meta = {}

local fields = {
	size = function (p) return #p:towire() end,
	max_size = function (p) return rawget(p, 'limit') end,
	wire = function (p) return p:towire() end,
}
packet_meta.__index = function (p, key)
	local method = packet[key]
	if method then
		return method
	end
	local field = fields[key]
	return field and field(p) or nil
end

-- A new message with room for `what` octets, or the message that these octets are (which may
-- follow the room, as `kres.packet(#wire, wire)`).
local function construct(what, wire)
	wire = type(what) == 'string' and what or wire
	if wire ~= nil then
		local p = parse(wire)
		p.limit = math.max(type(what) == 'number' and what or #wire, 512)
		p.section_number = 0
		return setmetatable(p, packet_meta)
	end
	local size = number(what, 65535, 'size')
	if size < 12 then
		M.refuse('a packet has at least 12 octets')
	end
	return setmetatable({
		msg_id = math.random(0, 65535), flags = 0, code = 0, limit = size, section_number = 0,
		[0] = {}, {}, {},
	}, packet_meta)
end

-- Reads, or with a second parameter writes, one bit of the flags.
local function flag(mask)
	return function (p, value)
		if value ~= nil then
			p.flags = value and bit.bor(p.flags, mask) or bit.band(p.flags, 65535 - mask)
			p.octets = nil
			return true
		end
		return bit.band(p.flags, mask) ~= 0
	end
end
packet.qr, packet.aa, packet.tc, packet.rd = flag(0x8000), flag(0x0400), flag(0x0200), flag(0x0100)
packet.ra, packet.ad, packet.cd = flag(0x0080), flag(0x0020), flag(0x0010)

function packet.id(p, value)
	if value ~= nil then
		p.msg_id = number(value, 65535, 'id')
		p.octets = nil
	end
	return p.msg_id
end

-- The response code; what is above four bits is part of EDNS and can only be read.
function packet.rcode(p, value)
	if value ~= nil then
		p.code = number(value, 15, 'rcode')
		p.flags = bit.bor(bit.band(p.flags, 0xfff0), value)
		p.octets = nil
	end
	return p.code
end

function packet.opcode(p, value)
	if value ~= nil then
		number(value, 15, 'opcode')
		p.flags = bit.bor(bit.band(p.flags, 0x87ff), bit.lshift(value, 11))
		p.octets = nil
	end
	return bit.band(bit.rshift(p.flags, 11), 15)
end

function packet.question(p, qname, qclass, qtype)
	if getmetatable(p) == live_meta then
		local q = asked(p)
		if not q or q.type ~= qtype or q.class ~= qclass or not select(2, names_equal(q.name, qname)) then
			M.refuse('the question of a request stays as it is')
		end
		return true
	end
	p.octets = nil
	p.question_ = {
		name = name(qname, 'name'), class = number(qclass, 65535, 'class'),
		type = number(qtype, 65535, 'type'),
	}
	return true
end

local function asked(p)
	if getmetatable(p) == live_meta then
		return live_question(p.number, p.kind)
	end
	return rawget(p, 'question_') or rawget(p, 'question')
end

function packet.qname(p)
	local q = asked(p)
	return q and q.name
end

function packet.qtype(p)
	local q = asked(p)
	return q and q.type or 0
end

function packet.qclass(p)
	local q = asked(p)
	return q and q.class or 0
end

function packet.begin(p, section)
	number(section, 2, 'section')
	if section < p.section_number then
		M.refuse('cannot add records to an earlier section')
	end
	p.section_number = section
	return true
end

function packet.put(p, owner, ttl, rclass, rtype, rdata)
	if type(owner) ~= 'string' or type(rdata) ~= 'string' then
		return nil, { code = -22, text = 'owner and rdata must be strings of octets' }
	end
	if getmetatable(p) == live_meta then
		return live_put(p.number, p.kind, p.section_number, name(owner, 'owner'), ttl, rclass, rtype, rdata)
	end
	local list = p[p.section_number]
	list[#list + 1] = {
		owner = name(owner, 'owner'), ttl = number(ttl, 4294967295, 'ttl'),
		class = number(rclass, 65535, 'class'), type = number(rtype, 65535, 'type'), rdata = rdata,
	}
	p.octets = nil
	local fits = pcall(p.towire, p)
	if not fits then
		list[#list] = nil
		return false
	end
	return true
end

function packet.put_rr(p, set)
	for i = 0, set:rdcount() - 1 do
		local rr = set:get(i)
		if not p:put(rr.owner, rr.ttl, rr.class, rr.type, rr.rdata) then
			return false
		end
	end
	return true
end

local function clear(p)
	p[0], p[1], p[2], p.section_number, p.octets = {}, {}, {}, 0, nil
	return true
end
packet.clear_payload = clear

-- A message to be used anew: question and records are gone.
function packet.recycle(p)
	if getmetatable(p) ~= live_meta then
		p.question_, p.edns = nil, nil
		rawset(p, 'question', nil)
	end
	p.flags, p.code = 0, 0
	return clear(p)
end

function packet.section(p, section)
	local list = {}
	for i, rr in ipairs(p[section]) do
		list[i] = { owner = rr.owner, ttl = rr.ttl, class = rr.class, type = rr.type, rdata = rr.rdata }
	end
	return list
end

function packet.rrsets(p, section)
	return M.group_records(p[section])
end

-- The record `i` of a section, counted from 0, as a set of its own.
function packet.get(p, section, i)
	local rr = p[section][i + 1]
	if not rr then
		return nil
	end
	return M.group_records({ rr })[1]
end

function packet.parse(p)
	return p:qname() ~= nil
end

local function edns_of(p)
	if getmetatable(p) == live_meta then
		return live_edns(p.number, p.kind)
	end
	return rawget(p, 'edns')
end

function packet.has_edns(p)
	return edns_of(p) ~= nil
end

function packet.dobit(p)
	local edns = edns_of(p)
	return edns ~= nil and edns.dnssec_ok
end

function packet.has_wire()
	return true
end

function packet.qdcount(p)
	return asked(p) and 1 or 0
end
function packet.ancount(p) return #p[0] end
function packet.nscount(p) return #p[1] end
function packet.arcount(p) return #p[2] + (packet.has_edns(p) and 1 or 0) end

function packet.remaining_bytes(p)
	return p.max_size - p.size
end

function packet.resize(p, size)
	p.limit = number(size, 65535, 'size')
	return true
end

function packet.towire(p)
	if getmetatable(p) == live_meta then
		return live_wire(p.number, p.kind)
	end
	if not rawget(p, 'octets') then
		p.octets = compose({
			msg_id = p.msg_id, flags = p.flags, question = asked(p), [0] = p[0], p[1], p[2],
		}, p.limit)
	end
	return p.octets
end

local titles = { [0] = 'ANSWER', 'AUTHORITY', 'ADDITIONAL' }
function packet.tostring(p)
	local set = {}
	for _, flag_name in ipairs { 'qr', 'aa', 'tc', 'rd', 'ra', 'ad', 'cd' } do
		if packet[flag_name](p) then
			set[#set + 1] = flag_name
		end
	end
	local q = asked(p)
	local out = { string.format(';; ->>HEADER<<- opcode: %s; status: %s; id: %d\n;; Flags: %s  '
		.. 'QUERY: %d; ANSWER: %d; AUTHORITY: %d; ADDITIONAL: %d\n\n',
		kres.tostring.opcode[p:opcode()] or p:opcode(), kres.tostring.rcode[p.code] or p.code,
		p.msg_id, table.concat(set, ' '), q and 1 or 0, #p[0], #p[1], #p[2]) }
	if q then
		out[#out + 1] = string.format(';; QUESTION SECTION\n%s\t\t%s\n', kres.dname2str(q.name),
			kres.tostring.type[q.type])
	end
	for section = 0, 2 do
		if #p[section] > 0 then
			out[#out + 1] = '\n;; ' .. titles[section] .. ' SECTION\n'
			for _, rr in ipairs(p[section]) do
				out[#out + 1] = kres.rr2str(rr) .. '\n'
			end
		end
	end
	return table.concat(out)
end

local wrap_packet
kres.packet, wrap_packet, M.packet_content, M.free_packet = M.object_type('knot_pkt', {
	construct = construct, methods = packet, fields = fields, text = packet.tostring,
	length = function (p) return #p:towire() end,
})

local heads = { msg_id = 1, flags = 2, code = 3 }
live_meta.__index = function (p, key)
	if heads[key] then
		return (select(heads[key], live_head(p.number, p.kind)))
	elseif type(key) == 'number' then
		return live_section(p.number, p.kind, key)
	end
	return packet_meta.__index(p, key)
end
live_meta.__newindex = function (p, key, value)
	if key == 'flags' or key == 'code' then
		live_set(p.number, p.kind, key, value)
	elseif type(key) == 'number' then
		live_clear(p.number, p.kind, key)
	end
end

-- A message of a request: 'answer', 'reply' or 'ask'.
function M.live_packet(req, kind)
	return wrap_packet(setmetatable(
		{ number = req, kind = kind, section_number = 0, limit = 65535 }, live_meta))
end
