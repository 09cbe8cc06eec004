-- `daf`: rules of `policy` written in one line, "filters action parameters", and a list of them that
-- can be looked at and changed.
local M, G = ...

local daf = { rules = {} }

-- A name as a Lua pattern. Returns a pattern for the wire form, where a rule that the program
-- evaluates itself can be made of it: only the first label may be more than letters. Otherwise
-- nothing, and a pattern for the text without the last dot.
local MAGIC = '[%^%$%(%)%%%.%[%]%*%+%-%?]'
local function name_pattern(text)
	text = text:gsub('%.$', '')
	local lower = text:gsub('%%?.', function (token)
		return #token == 1 and token:lower() or nil
	end)
	local wire
	for label in lower:gmatch('[^.]+') do
		if not wire then
			wire = label
		elseif label:find('^[%w_-]+$') and #label <= 63 then
			wire = wire .. string.char(#label):gsub(MAGIC, '%%%0') .. label:gsub('%-', '%%-')
		else
			return nil, lower:gsub('%%?%.', '%%.') .. '$'
		end
	end
	return wire and wire .. '%z$', lower:gsub('%%?%.', '%%.') .. '$'
end

-- Fields of filters: each makes a condition { matches = function (req, query), … } of operator and
-- operand. `rule` and `client` are what the program evaluates itself.
local fields = {}

function fields.qname(operator, operand)
	if operator == '=' then
		local name = G.todname(operand)
		if not name then
			M.refuse(string.format("'%s' is not a name", operand))
		end
		local filter = G.policy.suffix(G.policy.PASS, { name })
		return {
			matches = function (req, query) return filter(req, query) ~= nil end,
			rule = function (action) return G.policy.suffix(action, { name }) end,
		}
	elseif operator == '~' then
		local wire, text = name_pattern(operand)
		if not pcall(string.find, '', text) then
			M.refuse(string.format("'%s' is not a pattern", operand))
		end
		return {
			matches = function (_, query)
				local name = G.kres.dname2str(query:name()):lower():gsub('%.$', '')
				return name:find(text) ~= nil
			end,
			rule = wire and function (action) return G.policy.pattern(action, wire) end,
		}
	end
	M.refuse(string.format('invalid operator "%s" on qname', operator))
end

local function address_field(field, kind, within)
	fields[field] = function (operator, operand)
		if operator ~= '=' then
			M.refuse(string.format('invalid operator "%s" on %s', operator, field))
		end
		return {
			matches = within(operand, 'daf'),
			client = { kind = kind, value = operand },
		}
	end
end
address_field('src', 'source', M.source_within)
address_field('dst', 'destination', M.destination_within)

-- Addresses, separated by commas and spaces.
local function addresses(words)
	local list = {}
	for address in table.concat(words, ','):gmatch('[^,]+') do
		list[#list + 1] = address
	end
	if #list == 0 then
		M.refuse('expected an address after the action')
	end
	return list
end

-- Replaces addresses at a name in the answer.
local function rewrite(words)
	local owner, rtype = G.todname(words[1] or ''), G.kres.type[words[2] or '']
	local rdata = words[3] and G.kres.str2ip(words[3])
	if not owner or not rtype or not rdata then
		M.refuse("expected 'rewrite NAME TYPE ADDRESS'")
	end
	owner = owner:lower()
	return function (_, req)
		local answer = req:ensure_answer()
		if not answer then
			return nil
		end
		local records, changed = answer:section(G.kres.section.ANSWER), false
		for _, rr in ipairs(records) do
			if rr.type == rtype and rr.owner:lower() == owner then
				rr.rdata, changed = rdata, true
			end
		end
		if changed then
			answer:clear_payload()
			answer:begin(G.kres.section.ANSWER)
			for _, rr in ipairs(records) do
				answer:put(rr.owner, rr.ttl, rr.class, rr.type, rr.rdata)
			end
		end
	end
end

-- Actions: each makes an action of policy of its parameters. The second value: whether it looks at
-- the answer, so that it comes after resolution.
local actions = {
	pass = function () return G.policy.PASS end,
	deny = function () return G.policy.DENY end,
	drop = function () return G.policy.DROP end,
	truncate = function () return G.policy.TC end,
	forward = function (words) return G.policy.FORWARD(addresses(words)) end,
	mirror = function (words) return G.policy.MIRROR(addresses(words)[1]) end,
	reroute = function (words)
		local map = {}
		for _, word in ipairs(words) do
			local from, to = word:match('^([^-]+)%-([^-]+)$')
			if not from then
				M.refuse("expected 'reroute FROM-TO'")
			end
			map[from] = to
		end
		return G.policy.REROUTE(map), true
	end,
	rewrite = function (words) return rewrite(words), true end,
}

-- What the program evaluates itself: at most one condition on the client and one on the name.
-- Returns the rule and the client; nothing if it has to be a function.
local function native_rule(groups, action)
	if #groups > 1 then
		return nil
	end
	local client, named
	for _, condition in ipairs(groups[1] or {}) do
		if condition.client and not client then
			client = condition.client
		elseif condition.rule and not named then
			named = condition
		else
			return nil
		end
	end
	return (named and named.rule or G.policy.all)(action), client
end

-- The groups joined by OR, each of conditions joined by AND.
local function function_rule(groups, action)
	return function (req, query)
		for _, group in ipairs(groups) do
			local all = true
			for _, condition in ipairs(group) do
				all = all and condition.matches(req, query)
			end
			if all then
				return action
			end
		end
	end
end

-- A line: rule, client, whether it comes after resolution.
local function parse(line)
	local words = {}
	for word in line:gmatch('%S+') do
		words[#words + 1] = word
	end
	local groups, at = {}, 1
	if fields[words[1]] then
		groups[1] = {}
		while true do
			local field = fields[words[at]]
			if not field then
				M.refuse(string.format('invalid filter "%s"', tostring(words[at])))
			elseif not words[at + 2] then
				M.refuse(string.format('expected an operator and a value after "%s"', words[at]))
			end
			local group = groups[#groups]
			group[#group + 1] = field(words[at + 1], words[at + 2])
			at = at + 3
			local joint = (words[at] or ''):upper()
			if joint == 'OR' then
				groups[#groups + 1] = {}
			elseif joint ~= 'AND' then
				break
			end
			at = at + 1
		end
	end
	local make = actions[words[at]]
	if not make then
		M.refuse(string.format('invalid action "%s"', tostring(words[at])))
	end
	local action, post = make({ unpack(words, at + 1) })
	local rule, client = native_rule(groups, action)
	return rule or function_rule(groups, action), client, post
end

-- Adds a rule; returns { rule = { id, count, cb }, info, policy }.
function daf.add(line)
	if type(line) ~= 'string' then
		M.refuse("expected daf.add('FILTER ACTION')")
	end
	local cb, client, post = parse(line)
	local entry = { info = line, policy = cb, rule = M.add_rule(cb, post, client) }
	daf.rules[#daf.rules + 1] = entry
	return entry
end

local function find(id)
	for at, entry in ipairs(daf.rules) do
		if entry.rule.id == id then
			return entry, at
		end
	end
end

-- Removes a rule; true if there was one.
function daf.del(id)
	local entry, at = find(id)
	if not entry then
		return nil
	end
	G.policy.del(id)
	table.remove(daf.rules, at)
	return true
end

-- A rule by its id.
function daf.get(id)
	return (find(id))
end

-- Has a rule apply (true), or not for a while (false).
function daf.toggle(id, active)
	local entry = find(id)
	if not entry then
		return nil
	end
	entry.rule.suspended = not active
	return true
end

function daf.disable(id) return daf.toggle(id, false) end
function daf.enable(id) return daf.toggle(id, true) end

-- Removes all rules.
function daf.clear()
	while daf.rules[1] do
		daf.del(daf.rules[1].rule.id)
	end
	return true
end

-- There is nothing to configure.
function daf.config()
end

function daf.init()
	if not G.policy then
		G.modules.load('policy')
	end
end

daf.deinit = daf.clear

return daf
