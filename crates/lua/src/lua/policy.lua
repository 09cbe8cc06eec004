-- `policy` and `view`: rules are Lua functions that carry a description of themselves; what is
-- described is evaluated by the program, what is not is a function of the operator.
local M, G = ...
local raw = M.raw
local ffi = require('ffi')

local policy = {}
local view = {}

local add_rule, del_rule = M.wrap(raw.policy.add, M.refuse), M.wrap(raw.policy.del)
local hits, suspend = M.wrap(raw.policy.hits), M.wrap(raw.policy.suspend)
local check_action = M.wrap(raw.policy.check_action, M.refuse)

-- What a filter or an action means: { kind = …, … } by function.
local filters = setmetatable({}, { __mode = 'k' })
local actions = setmetatable({}, { __mode = 'k' })

-- Functions of the operator, by number, for the program to call. They are kept for good, so who makes
-- new ones for each request is told so.
local functions, numbers, last = {}, {}, 0
local FUNCTIONS_MAX = 1000000
local kept = 0
function M.keep_function(fn)
	if not numbers[fn] then
		if kept >= FUNCTIONS_MAX then
			M.refuse('policy: a million functions are known; make actions and filters once, outside of filters')
		end
		kept, last = kept + 1, last + 1
		functions[last], numbers[fn] = fn, last
	end
	return numbers[fn]
end

-- A function that one request needs until its end, made while it is worked on: so many of them are kept,
-- more than there are requests at a time.
local PASSING_MAX = 100000
local passing, at = {}, 0
local function pass_function(fn)
	if numbers[fn] or not M.is_in_hook() then
		return M.keep_function(fn)
	end
	at, last = at % PASSING_MAX + 1, last + 1
	if passing[at] then
		functions[passing[at]] = nil
	end
	passing[at], functions[last] = last, fn
	return last
end

function M.kept_function(number)
	return functions[number]
end

-- The description of an action; nothing if it is a function of the operator.
local function known_action(action, what)
	if type(action) ~= 'function' then
		M.refuse(string.format('%s: expected an action such as policy.DENY, got %s', what,
			action == nil and 'nothing' or 'a ' .. type(action)))
	end
	return actions[action]
end
M.known_action = known_action

-- An action as its description.
local function describe_action(action, what)
	return known_action(action, what) or { kind = 'lua', fn = M.keep_function(action) }
end

-- Actions.

-- The state that follows an action, for code that calls it: action(state, req).
local function act(description, fn)
	actions[fn] = description
	return fn
end

local function request_action(kind)
	local description = { kind = kind }
	return act(description, function (state, req)
		return M.apply_action(description, state, req)
	end)
end

-- Applies a described action to a request from within Lua: the state that follows, or nothing for an
-- action after which the next rule is tried.
function M.apply_action(description, state, req)
	if req == nil then
		M.refuse('a policy action is called with (state, request)')
	end
	return req:apply(description)
end

for name, kind in pairs {
	PASS = 'pass', DENY = 'deny', DROP = 'drop', REFUSE = 'refuse', NO_ANSWER = 'no_answer', TC = 'tc',
	DEBUG_ALWAYS = 'debug_always', DEBUG_CACHE_MISS = 'debug_cache_miss', QTRACE = 'qtrace',
	REQTRACE = 'reqtrace', IPTRACE = 'iptrace',
} do
	policy[name] = request_action(kind)
	-- Shown as those of 5.6 are.
	if name ~= 'TC' and not name:find('^DEBUG') then
		M.native(policy[name], name == 'PASS' and 'state, _' or '_, req')
	end
end

-- An action with parameters, checked at once.
local function made(description)
	check_action(description)
	return act(description, function (state, req)
		return M.apply_action(description, state, req)
	end)
end

function policy.DENY_MSG(msg, extended_error)
	return M.native(made { kind = 'deny', message = msg, extended_error = extended_error }, '_, req')
end

function policy.ANSWER(rtable, nodata)
	if type(rtable) ~= 'table' then
		M.refuse('policy.ANSWER: expected { [type] = { rdata =, ttl = } }')
	end
	return M.native(made { kind = 'answer', records = rtable, nodata = nodata == true }, '_, req')
end

function policy.FORWARD(target)
	return made { kind = 'forward', targets = target }
end

function policy.STUB(target)
	return made { kind = 'stub', targets = target }
end

function policy.TLS_FORWARD(targets)
	return made { kind = 'tls_forward', targets = targets }
end

function policy.MIRROR(target)
	return made { kind = 'mirror', targets = target }
end

local function flag_list(value)
	if type(value) == 'string' then
		return { value }
	end
	return value
end

function policy.FLAGS(opts_set, opts_clear)
	local flags = made { kind = 'flags', set = flag_list(opts_set), clear = flag_list(opts_clear) }
	return M.native(flags, '_, req')
end

function policy.REROUTE(tbl)
	return made { kind = 'reroute', map = tbl }
end

function policy.DEBUG_IF(test)
	if type(test) ~= 'function' then
		M.refuse('policy.DEBUG_IF: expected a function')
	end
	return made { kind = 'debug_if', fn = pass_function(test) }
end

-- Filters. Each is also a function (state, query) that returns its action or nothing, so that
-- filters of the operator can be built from them.

local function filter(description, action, what, matches)
	describe_action(action, what)
	local function rule(_, query)
		if matches(query) then
			return action
		end
		return nil
	end
	filters[rule] = { filter = description, action = action }
	return rule
end

function policy.all(action)
	local rule = filter({ kind = 'all' }, action, 'policy.all', function () return true end)
	return M.native(rule, '_, _')
end

local function name_list(names, what)
	if type(names) ~= 'table' then
		M.refuse(what .. ': expected a list of names, use policy.todnames()')
	end
	local list = {}
	for i, name in ipairs(names) do
		if type(name) ~= 'string' then
			M.refuse(string.format('%s: item %d is a %s, not a name', what, i, type(name)))
		end
		list[i] = name
	end
	return list
end

-- The names above and including `name`, wire format.
local function suffixes(name)
	return function (_, at)
		if at == nil then
			return 1, name
		end
		local next_at = at + name:byte(at) + 1
		if name:byte(at) == 0 or next_at > #name then
			return nil
		end
		return next_at, name:sub(next_at)
	end
end

function policy.suffix(action, zone_list)
	local names = name_list(zone_list, 'policy.suffix')
	local set
	return filter({ kind = 'suffix', names = names }, action, 'policy.suffix', function (query)
		if not set then
			set = {}
			for _, name in ipairs(names) do
				set[name:lower()] = true
			end
		end
		for _, suffix in suffixes(query:name():lower()) do
			if set[suffix] then
				return true
			end
		end
		return false
	end)
end

-- The common suffix only made the search faster; here it is fast already.
function policy.suffix_common(action, suffix_list, common_suffix)
	if common_suffix ~= nil and type(common_suffix) ~= 'string' then
		M.refuse('policy.suffix_common: expected the common suffix as a name')
	end
	return policy.suffix(action, suffix_list)
end

function policy.domains(action, dname_list)
	local names = name_list(dname_list, 'policy.domains')
	local set
	return filter({ kind = 'domains', names = names }, action, 'policy.domains', function (query)
		if not set then
			set = {}
			for _, name in ipairs(names) do
				set[name:lower()] = true
			end
		end
		return set[query:name():lower()] ~= nil
	end)
end

function policy.pattern(action, pattern)
	if type(pattern) ~= 'string' then
		M.refuse('policy.pattern: expected a pattern, got ' .. type(pattern))
	end
	local valid, why = pcall(string.find, '', pattern)
	if not valid then
		M.refuse('policy.pattern: ' .. tostring(why))
	end
	return filter({ kind = 'pattern', pattern = pattern }, action, 'policy.pattern', function (query)
		return query:name():lower():find(pattern) ~= nil
	end)
end

function policy.rpz(action, path, watch)
	if type(path) ~= 'string' then
		M.refuse('policy.rpz: expected the path of a zone file')
	end
	local file, why = io.open(path, 'r')
	if not file then
		M.refuse(string.format('policy.rpz: failed to open %s', why))
	end
	file:close()
	return filter({ kind = 'rpz', path = path, watch = watch ~= false }, action, 'policy.rpz',
		function () return false end)
end

-- Spreads names over several actions: slice_func(name, n) says which, from 1.
function policy.slice(slice_func, ...)
	local count = select('#', ...)
	if type(slice_func) ~= 'function' or count == 0 then
		M.refuse('policy.slice: expected a function and at least one action')
	end
	local list = { ... }
	for i = 1, count do
		describe_action(list[i], 'policy.slice')
	end
	return function (_, query)
		return list[slice_func(query:name(), count)]
	end
end

-- By a hash of the registrable domain and a seed; the seed changes every week by default.
function policy.slice_randomize_psl(seed)
	local ok, psl = pcall(require, 'psl')
	if not ok then
		M.refuse('lua-psl is required for policy.slice_randomize_psl()')
	end
	local list = psl.latest and psl.latest() or psl.builtin()
	local salt = tostring(seed or math.floor(os.time() / (3600 * 24 * 7)))
	return function (name, length)
		local text = G.kres.dname2str(name):gsub('%.$', '')
		local domain = list:registrable_domain(text) or text
		local hash = 5381
		for i = 1, #domain do
			hash = (hash * 33 + domain:byte(i)) % 4294967296
		end
		for i = 1, #salt do
			hash = (hash * 33 + salt:byte(i)) % 4294967296
		end
		return 1 + hash % length
	end
end

-- Text to wire format, in place; what is no name is left out.
function policy.todnames(names)
	if type(names) ~= 'table' then
		M.refuse('policy.todnames: expected a list of names')
	end
	local kept = {}
	for i, name in ipairs(names) do
		local wire = type(name) == 'string' and G.todname(name) or nil
		if not wire then
			M.refuse(string.format("policy.todnames: '%s' is not a name", tostring(name)))
		end
		kept[i] = wire
	end
	for i, wire in ipairs(kept) do
		names[i] = wire
	end
	return names
end

-- Several actions, one after the other: the first that ends the evaluation is the last.
function policy.COMBINE(list)
	if type(list) ~= 'table' or #list == 0 then
		M.refuse('policy.COMBINE: expected a list of actions')
	end
	for _, action in ipairs(list) do
		known_action(action, 'policy.COMBINE')
	end
	return function (state, req)
		for _, action in ipairs(list) do
			local next_state = action(state, req)
			if next_state ~= nil then
				return next_state
			end
		end
	end
end

-- Rules.

policy.rules, policy.postrules = {}, {}
-- The program answers for special-use names itself, behind the rules of the operator; nothing is here to
-- be taken out.
policy.special_names = {}

-- A rule as the operator sees it: { id, cb, count }.
local rule_meta = {
	__index = function (rule, key)
		if key == 'count' then
			return hits(rawget(rule, 'id'))
		elseif key == 'suspended' then
			return rawget(rule, 'is_suspended')
		end
		return nil
	end,
	__newindex = function (rule, key, value)
		if key ~= 'suspended' then
			return rawset(rule, key, value)
		end
		rawset(rule, 'is_suspended', value == true)
		suspend(rawget(rule, 'id'), value == true)
	end,
	__shown = function (rule)
		return {
			id = rawget(rule, 'id'), cb = rawget(rule, 'cb'), count = rule.count,
			suspended = rawget(rule, 'is_suspended'),
		}
	end,
}

local function describe_rule(rule, client)
	local known = filters[rule]
	if known then
		return {
			client = client,
			filter = known.filter,
			action = describe_action(known.action, 'policy.add'),
		}
	end
	return {
		client = client,
		filter = { kind = 'lua', fn = M.keep_function(rule) },
		action = { kind = 'pass' },
	}
end

-- A rule is a function, made by one of the filters or by the operator.
local function checked(rule, what)
	if type(rule) ~= 'function' then
		M.refuse(string.format('%s: expected a rule such as policy.all(policy.DENY), got %s', what,
			rule == nil and 'nothing' or 'a ' .. type(rule)))
	end
	return rule
end

-- `client`: which clients it is for, described; other modules use that.
local function add(rule, postrule, client)
	postrule = postrule == true
	local id = add_rule(describe_rule(checked(rule, 'policy.add'), client),
		postrule and 'after' or 'before')
	local entry = setmetatable({ id = id, cb = rule }, rule_meta)
	local list = postrule and policy.postrules or policy.rules
	list[#list + 1] = entry
	return entry
end

M.add_rule = add

function policy.add(rule, postrule, third)
	if rule == policy then -- called as policy:add(rule)
		rule, postrule = postrule, third
	end
	return add(rule, postrule)
end

-- Tries rules of a list of one's own, for code that asks for them: the state that follows, or nothing.
function policy.evaluate(rules, req, query, state)
	for _, rule in ipairs(rules) do
		local action = not rule.suspended and rule.cb(req, query)
		if action then
			-- Those of the program count themselves.
			if getmetatable(rule) ~= rule_meta then
				rule.count = (rule.count or 0) + 1
			end
			local next_state = action(state, req)
			if next_state then
				return next_state
			end
		end
	end
end

function policy.del(id, second)
	if id == policy then
		id = second
	end
	for _, list in ipairs { policy.rules, policy.postrules } do
		for i, entry in ipairs(list) do
			if entry.id == id then
				table.remove(list, i)
				return del_rule(id)
			end
		end
	end
	return false
end

package.preload['kres_modules.policy'] = function () return policy end
M.module_tables.policy = policy

-- view: the same rules, for some clients. The lists are for those who look; what counts is with the
-- program.

view.key, view.src, view.dst = {}, {}, {}

-- What else is known of the rules of clients, by their entries.
local view_rules = setmetatable({}, { __mode = 'k' })
local view_meta = {
	__index = function (entry, key)
		return view_rules[entry][key]
	end,
}

local function add_view(client, rule)
	local id = add_rule(describe_rule(checked(rule, 'view'), client), 'view')
	return setmetatable({ id = id, cb = rule }, rule_meta)
end

-- An entry is { family, octets, bits, rule }; its `id` and `count` are known, too.
function view.addr(_, subnet, rule, dst)
	if type(subnet) ~= 'string' then
		M.refuse('expected view:addr(subnet, rule)')
	end
	local known = add_view({ kind = dst and 'destination' or 'source', value = subnet }, rule)
	local network = M.network_of(subnet, 'view')
	local octets = ffi.new('char[16]')
	ffi.copy(octets, network.octets, #network.octets)
	local entry = { #network.octets == 4 and 2 or 10, octets, network.bits, rule }
	view_rules[setmetatable(entry, view_meta)] = known
	local list = dst and view.dst or view.src
	list[#list + 1] = entry
	return entry
end

function view.tsig(_, key, rule)
	if type(key) ~= 'string' then
		M.refuse('expected view:tsig(key name in wire format, rule)')
	end
	add_view({ kind = 'tsig', value = key }, rule)
	local rules = view.key[key] or {}
	rules[#rules + 1], view.key[key] = rule, rules
end

-- Is an address, as octets, in a network?
local function is_within(octets, network)
	local bits = network.bits
	if not octets or #octets ~= #network.octets then
		return false
	end
	local whole = math.floor(bits / 8)
	if octets:sub(1, whole) ~= network.octets:sub(1, whole) then
		return false
	end
	local rest = bits % 8
	if rest == 0 then
		return true
	end
	local shift = 2 ^ (8 - rest)
	return math.floor(octets:byte(whole + 1) / shift)
		== math.floor(network.octets:byte(whole + 1) / shift)
end

local function network_of(subnet, what)
	local address, bits = tostring(subnet):match('^([^/]+)/?(%d*)$')
	local octets = address and G.kres.str2ip(address)
	if not octets then
		M.refuse(string.format("%s: failed to parse subnet %s", what, tostring(subnet)))
	end
	local most = #octets * 8
	return { octets = octets, bits = math.min(tonumber(bits) or most, most) }
end

M.network_of = network_of

-- Functions of a request that say whether its client, or the address that it asked, is in a network.
local function within(side, subnet, what)
	local network = network_of(subnet, what)
	return function (req)
		local address = req.qsource[side]
		return address ~= nil and is_within(address:ip(), network)
	end
end
function M.source_within(subnet, what) return within('addr', subnet, what) end
function M.destination_within(subnet, what) return within('dst_addr', subnet, what) end

-- Rules to build others from: the action for clients in a network, for addresses of ours in one.
local function client_rule(action, test)
	return function (req, _)
		if test(req) then
			return action
		end
	end
end
function view.rule_src(action, subnet)
	return client_rule(action, M.source_within(subnet, 'view.rule_src'))
end
function view.rule_dst(action, subnet)
	return client_rule(action, M.destination_within(subnet, 'view.rule_dst'))
end

package.preload['kres_modules.view'] = function () return view end
M.module_tables.view = view
