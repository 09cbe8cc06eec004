-- What `kresd-host` does: asks for one type after the other and prints in words what is found.
local name, class_name, verbose = ...
local types = { select(4, ...) }
verbose = verbose ~= ''

-- How a record is told, and what is said if there is none.
local words = {
	A = { 'has address %s', 'address' },
	AAAA = { 'has IPv6 address %s', 'IPv6 address' },
	MX = { 'mail is handled by %s', 'mail handler record' },
	CNAME = { 'is an alias for %s', 'alias' },
}

-- The name that an address is looked up under.
local function reverse_name(address)
	local octets = kres.str2ip(address)
	if not octets then
		return nil
	end
	local labels = {}
	for i = #octets, 1, -1 do
		local octet = octets:byte(i)
		if #octets == 4 then
			labels[#labels + 1] = octet
		else
			labels[#labels + 1] = string.format('%x.%x', octet % 16, math.floor(octet / 16))
		end
	end
	return table.concat(labels, '.') .. (#octets == 4 and '.in-addr.arpa.' or '.ip6.arpa.')
end

local qname = name
if #types == 0 then
	local reversed = reverse_name(name)
	qname = reversed or name
	types = reversed and { 'PTR' } or { 'A', 'AAAA', 'MX' }
end
local rclass = kres.class[class_name]
if not rclass then
	error("unknown class '" .. class_name .. "'", 0)
end
for _, type_name in ipairs(types) do
	if not kres.type[type_name] then
		error("unknown type '" .. type_name .. "'", 0)
	end
end

local printed, found = {}, false

local function finish()
	__status = found and 0 or 1
	quit()
end

-- An alias is met once for each type.
local function say(line)
	if not printed[line] then
		printed[line] = true
		print(line)
	end
end

local function tell(pkt, asked)
	local suffix = verbose and (pkt:ad() and ' (secure)' or ' (insecure)') or ''
	local is_there = false
	for _, set in ipairs(pkt:rrsets(kres.section.ANSWER)) do
		local type_name = kres.tostring.type[set.type]
		-- Signatures come along, but were not asked for.
		if type_name ~= 'RRSIG' or asked == 'RRSIG' or asked == 'ANY' then
			local form = words[type_name] and words[type_name][1] or 'has ' .. type_name .. ' record %s'
			for i = 0, set:rdcount() - 1 do
				say(string.format('%s ' .. form .. '%s', kres.dname2str(set:owner()), set:tostring(i),
					suffix))
			end
			is_there = is_there or type_name == asked or asked == 'ANY'
		end
	end
	found = found or is_there
	if not is_there and (verbose or #types == 1) then
		local what = words[asked] and words[asked][2] or asked .. ' record'
		say(string.format('%s has no %s%s', qname, what, suffix))
	end
end

local function ask(number)
	local type_name = types[number]
	if not type_name then
		return finish()
	end
	-- The flag of the answer that says "secure" comes with signatures only.
	resolve(qname, kres.type[type_name], rclass, 'DNSSEC_WANT', function (pkt)
		local rcode = pkt and pkt:rcode() or kres.rcode.SERVFAIL
		if rcode ~= kres.rcode.NOERROR then
			local suffix = verbose and (pkt and pkt:ad() and ' (secure)' or ' (insecure)') or ''
			say(string.format('Host %s not found: %d(%s)%s', qname, rcode,
				kres.tostring.rcode[rcode] or 'RCODE' .. rcode, suffix))
			return finish()
		end
		tell(pkt, type_name)
		ask(number + 1)
	end)
end
ask(1)
