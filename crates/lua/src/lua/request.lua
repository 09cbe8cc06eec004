-- Requests and queries as hooks, rules and callbacks see them. Those of a request that is over raise
-- an error.
local M, G = ...
local raw = M.raw._request
local bit = require('bit')

local function wrap(name)
	return M.wrap(raw[name], M.refuse)
end
local find_query, find_keys = wrap 'query', wrap 'keys'
local get_flag, set_flag = wrap 'flag', wrap 'set_flag'
local find_cut, find_source = wrap 'cut', wrap 'source'
local apply, push_query, set_error = wrap 'apply', wrap 'push', wrap 'set_error'
local list_selected, unselect = wrap 'selected', wrap 'unselect'
local get_state, get_rank = wrap 'state', wrap 'rank'
local all_cached, has_edns, mark = wrap 'all_cached', wrap 'has_edns', wrap 'mark'
local number_of = M.wrap(raw.number)
local find_current = M.raw.current_query

-- A request is a number that the program knows, as light userdata: making one costs nothing. What is
-- remembered about it lies in a table that is made when something is. Only the request that is being
-- worked on can be used; these are it, its place, and the key of the query that a hook is about.
local running, running_slot, running_key

-- By place: { req, first = a handle of a query, queries = further ones by key, and fields }. One that
-- got no fields is used again.
local states = {}
-- How many of them have queries or tables of modules, which are to be taken out at the end.
local marked = 0

local OVER = 'the request is over, or nothing of it is being worked on now: requests, queries and '
	.. 'packets can be used in hooks and rules only, while they run'

-- Takes the fields out of the handle of a query that is over.
local function wipe(q)
	q.request, q.uid, q.sname, q.stype = nil, nil, nil, nil
	q.sclass, q.name, q.hidden = nil, nil, nil
	if rawget(q, 'extra') then
		q.extra = nil
	end
end

local function empty(state)
	if state.noted then
		marked = marked - 1
		if state.first then
			wipe(state.first)
		end
		if state.queries then
			for _, q in pairs(state.queries) do
				wipe(q)
			end
		end
		state.noted = false
	end
end

-- What is remembered about a request.
local function state_of(req)
	local state = states[running_slot]
	if state and state.req == req then
		return state
	elseif req ~= running then
		M.refuse(OVER)
	end
	if state then
		empty(state)
		if not state.has_fields then
			state.req, state.first, state.queries, state.noted = req, false, false, false
			return state
		end
	end
	state = { req = req, first = false, queries = false, noted = false, has_fields = false }
	states[running_slot] = state
	return state
end

-- Counts a request whose end the program tells.
local function note_end(state)
	if not state.noted then
		state.noted = true
		marked = marked + 1
	end
end

-- Flags: a proxy for a query, or with no key for the request. What the resolver does not know as a
-- switch of its own is kept here, for modules that talk to each other that way.

local flags_meta = { __opaque = true }
flags_meta.__index = function (flags, name)
	local note = rawget(flags, 'notes')[name]
	if note ~= nil then
		return note
	end
	return get_flag(rawget(flags, 'number'), rawget(flags, 'key'), name)
end
flags_meta.__newindex = function (flags, name, on)
	if not set_flag(rawget(flags, 'number'), rawget(flags, 'key'), name, on) then
		rawget(flags, 'notes')[name] = on
	end
end
flags_meta.__tostring = function () return 'struct kr_qflags' end

local function new_flags(number, key)
	return setmetatable({ number = number, key = key, notes = {} }, flags_meta)
end

-- Queries. Name, type and class lie in the handle itself.

local query, query_fields, query_meta = {}, {}, { __opaque = true }

query_meta.__index = function (q, key)
	if not rawget(q, 'request') then
		M.refuse('a query is used after its request: ' .. OVER)
	end
	local field = query_fields[key]
	if field then
		return field(q)
	end
	return query[key]
end
query_meta.__newindex = function (_, key)
	M.refuse(string.format("'struct kr_query' has no field '%s' that can be set", tostring(key)))
end
query_meta.__tostring = function (q)
	return string.format('query %s %s', G.kres.dname2str(q.sname), G.kres.tostring.type[q.stype])
end

-- The method `name` lies in the handles as well: rules ask for little else.
local function name_of(q)
	return q.sname
end
query.name = name_of

-- Puts the question into a packet.
function query.write(q, packet)
	packet:recycle()
	return packet:question(q.sname, q.sclass, q.stype)
end

-- The handle of a query that has one.
local function known_query(state, key)
	local first, queries = state.first, state.queries
	if first and first.hidden == key then
		return first
	end
	return queries and queries[key]
end

-- The handle of a query; `hidden` is its key.
local function make_query(req, key, uid, name, rtype, class, parent)
	local state = state_of(req)
	local known = known_query(state, key)
	if known then
		return known
	end
	local q = setmetatable({
		request = req, uid = uid, sname = name, stype = rtype, sclass = class, name = name_of,
		hidden = key,
	}, query_meta)
	if parent then
		rawset(q, 'extra', { parent = parent })
	end
	note_end(state)
	if not state.first then
		state.first = q
	else
		state.queries = state.queries or {}
		state.queries[key] = q
	end
	return q
end

local function query_of(req, which)
	local key, uid, name, rtype, class, parent = find_query(req, which)
	return key and make_query(req, key, uid, name, rtype, class, parent)
end

function query_fields.id() return 0 end

function query_fields.flags(q)
	local extra = rawget(q, 'extra')
	if not extra then
		extra = {}
		rawset(q, 'extra', extra)
	end
	extra.flags = extra.flags or new_flags(q.request, q.hidden)
	return extra.flags
end

function query_fields.parent(q)
	local extra = rawget(q, 'extra')
	local parent = extra and extra.parent
	return parent and query_of(q.request, parent)
end

function query_fields.zone_cut(q)
	local name = find_cut(q.request, q.hidden)
	return name and { name = name }
end

-- Where the request came from.

local function address_of(found)
	return found and M.socket_address(found.octets, found.port)
end

-- The headers of HTTP that `net.doh_headers` names, as far as the client sent them.
local function headers_of(found)
	local at = {}
	for i, header in ipairs(found) do
		at[i - 1] = { name = header[1], value = header[2] }
	end
	return { len = #found, cap = #found, at = at }
end

local function source_of(req)
	local found = find_source(req)
	local kind, peer = found.protocol, address_of(found.peer)
	return {
		addr = peer,
		comm_addr = peer,
		dst_addr = address_of(found.own),
		packet = G.kres.packet(found.wire),
		size = #found.wire,
		flags = {
			tcp = kind == 'tcp' or kind == 'tls' or kind == 'http', tls = kind == 'tls' or kind == 'http',
			http = kind == 'http', xdp = false,
		},
		comm_flags = { tcp = kind == 'tcp', tls = kind == 'tls', http = kind == 'http', xdp = false },
		headers = headers_of(found.headers),
	}
end

-- The sets of records that make up the response so far, as `{ len, at = { [0] = entry } }`.

local entry_meta = {}
entry_meta.__index = function (entry, key)
	if key == 'to_wire' then
		return not rawget(entry, 'removed')
	end
	return nil
end
entry_meta.__newindex = function (entry, key, value)
	if key ~= 'to_wire' or value ~= false then
		M.refuse("only 'to_wire = false' can be set")
	end
	unselect(entry.hidden.number, entry.hidden.section, entry.rr:owner(), entry.rr.type)
	rawset(entry, 'removed', true)
end

local function selected(req, section)
	local at, count = {}, 0
	for _, set in ipairs(list_selected(req, section)) do
		local rr = G.kres.rrset(set.owner, set.type, set.class, set.ttl)
		for _, rdata in ipairs(set) do
			rr:add_rdata(rdata)
		end
		at[count] = setmetatable({
			rr = rr, rank = set.rank, cached = set.cached, qry_uid = set.qry_uid, yielded = false,
			in_progress = false, dont_cache = false, hidden = { number = req, section = section },
		}, entry_meta)
		count = count + 1
	end
	return { len = count, cap = count, at = at }
end

-- Requests.

local request, fields, request_meta = {}, {}, { __opaque = true }
M.request_meta = request_meta

request_meta.__index = function (req, key)
	local method = request[key]
	if method then
		return method
	end
	local field = fields[key]
	if field then
		return field(req)
	end
	M.refuse(string.format("'struct kr_request' has no member named '%s'", tostring(key)))
end
request_meta.__newindex = function (_, key)
	M.refuse(string.format("'struct kr_request' has no member '%s' that can be set", tostring(key)))
end
request_meta.__tostring = function (req)
	local number = number_of(req)
	return number and string.format('request %05d', number % 100000) or 'null'
end

-- The query that a hook is about; in `begin` the question.
function request.current(req)
	local known = known_query(state_of(req), running_key)
	if known then
		return known
	end
	local key, uid, name, rtype, class, parent = find_current(req)
	return key and make_query(req, key, uid, name, rtype, class, parent)
end

function request.initial(req) return query_of(req, 'initial') end
function request.last(req) return query_of(req, 'last') end
function request.resolved(req) return query_of(req, 'resolved') end
request.first_resolved = request.resolved

-- A table of the module's own that lives as long as the request.
function request.vars(req)
	local state = state_of(req)
	if not state.own then
		mark(req)
		note_end(state)
		state.has_fields, state.own = true, {}
	end
	return state.own
end

function request.all_from_cache(req) return all_cached(req) end
function request.ensure_edns(req) return has_edns(req) end

-- The response, for writing; nil if none is to be sent.
function request.ensure_answer(req)
	if req.options.NO_ANSWER then
		return nil
	end
	return req.answer
end

-- RFC 8914; nil as code stands for "other error".
function request.set_extended_error(req, code, text)
	return set_error(req, code or G.kres.extended_error.OTHER, text)
end

-- Something that is resolved before the current query goes on; the hook then returns kres.YIELD.
function request.push(req, name, rtype, class, flags, _)
	local list = {}
	if type(flags) == 'string' then
		list = { flags }
	elseif type(flags) == 'table' then
		for _, flag in ipairs(flags) do
			list[#list + 1] = flag
		end
		for _, flag in ipairs(M.names(flags)) do
			if flags[flag] then
				list[#list + 1] = flag
			end
		end
	end
	local key = push_query(req, name, rtype or G.kres.type.A, class or G.kres.class.IN, list)
	return make_query(req, key, bit.rshift(key, 8), name, rtype, class or G.kres.class.IN,
		running_key)
end

-- For tables of policy: applies a described action, returns the state that follows.
function request.apply(req, description)
	return apply(req, description)
end

function request.selected_tostring(req)
	local out = {}
	for section, name in ipairs { 'answ_selected', 'auth_selected', 'add_selected' } do
		local list = selected(req, section - 1)
		for i = 0, list.len - 1 do
			local entry = list.at[i]
			out[#out + 1] = string.format('%s: rank %d, qry_uid %d\n%s', name, entry.rank,
				entry.qry_uid, entry.rr:txt_dump())
		end
	end
	return table.concat(out)
end

-- Adds a field that is made when it is first read.
local function cached_field(name, make)
	fields[name] = function (req)
		local state = state_of(req)
		local value = state[name]
		if value == nil then
			value = make(req)
			state.has_fields, state[name] = true, value
		end
		return value
	end
end

cached_field('options', function (req) return new_flags(req, nil) end)
cached_field('qsource', source_of)
cached_field('answer', function (req) return M.live_packet(req, 'answer') end)
function fields.state(req) return get_state(req) end
function fields.rank(req) return get_rank(req) end
fields.uid = number_of
fields.current_query = request.current
function fields.answ_selected(req) return selected(req, 0) end
function fields.auth_selected(req) return selected(req, 1) end
function fields.add_selected(req) return selected(req, 2) end

local function list_of(req, keys)
	local at = {}
	for i, key in ipairs(keys) do
		at[i - 1] = query_of(req, key)
	end
	return { len = #keys, cap = #keys, at = at }
end

function fields.rplan(req)
	local pending, resolved = find_keys(req)
	return {
		pending = list_of(req, pending), resolved = list_of(req, resolved), initial = req:initial(),
	}
end

M.classes.request = { methods = request, fields = fields }
M.classes.query = { methods = query, fields = query_fields }

-- The life of handles.

-- All light userdata has one table of methods; what else there is of it says that it is none.
debug.setmetatable(M.raw.budget.watch, request_meta)

-- For the program: a request whose end is to be told is over.
function M.forget_request(req, slot)
	local state = states[slot]
	if state and state.req == req then
		empty(state)
		if state.has_fields then
			states[slot] = nil
		else
			state.req, state.first, state.queries = false, false, false
		end
	end
end

-- For the other parts: before code runs that may hold handles.
local take_dead = M.wrap(raw.dead)
function M.forget_requests()
	running = nil
	if marked > 0 then
		local dead = take_dead()
		for i = 1, #dead, 2 do
			M.forget_request(dead[i], dead[i + 1])
		end
	end
end

-- For the other parts: does a hook or a rule run?
function M.is_in_hook()
	return running ~= nil
end

-- For the other parts: the request that code is about to work on.
function M.enter_request(req, slot, key)
	running, running_slot, running_key = req, slot, key
end

-- Hooks of layers. The third parameter is the packet that the hook is about.
local packets = { consume = 'reply', produce = 'reply', checkout = 'ask' }

function M.make_hook(hook, fn)
	local kind = packets[hook]
	if kind then
		return function (state, req, slot, key)
			running, running_slot, running_key = req, slot, key
			local remembered = state_of(req)
			local packet = remembered[kind]
			if not packet then
				packet = M.live_packet(req, kind)
				remembered.has_fields, remembered[kind] = true, packet
			end
			return fn(state, req, packet)
		end
	end
	if hook == 'reset' then
		return function (state, req, slot, key)
			running, running_slot, running_key = req, slot, key
			return fn(state, req)
		end
	end
	-- These are about whole requests.
	return function (state, req, slot)
		running, running_slot, running_key = req, slot, -1
		return fn(state, req)
	end
end

-- Functions of the operator in rules, by their numbers.

-- A function that asks `count` functions, the first of which has the number `first`, and then goes on
-- with another one. It is made of source so that each call in it always calls the same function, and
-- LuaJIT can make straight code of all of them, in which little is looked up twice. The loop that runs
-- once is where that code begins: other code then leads to it, instead of being made to hold a copy.
local function ask_source(first, count)
	local names, lines = {}, {}
	for i = 1, count do
		names[i] = 'f' .. i
		lines[i] = string.format('action = f%d(req, query) if action then return choose(%d, action) end',
			i, first + i - 1)
	end
	return string.format([[local others, choose, %s = ...
		return function (req, query)
			repeat
				if req == nil then return end
				local action
				%s
			until true
			return others(req, query)
		end]], table.concat(names, ', '), table.concat(lines, ' '))
end

-- So many are asked by one. More make the code too long for LuaJIT if they are long themselves; and a
-- function of Lua sees at most 60 values of others.
local ASKED_BY_ONE = 20
-- Calls after which LuaJIT compiles a loop that runs once, and a few more.
local WARM_UP = 60

local chosen
local function choose(at, action)
	chosen = action
	return at
end
local function nobody() end

-- For the program: one function for a list of numbers of functions.
function M.make_filters(numbers)
	local others = nobody
	for first = math.floor((#numbers - 1) / ASKED_BY_ONE) * ASKED_BY_ONE + 1, 1, -ASKED_BY_ONE do
		local functions = {}
		for i = first, math.min(first + ASKED_BY_ONE - 1, #numbers) do
			functions[#functions + 1] = M.kept_function(numbers[i])
		end
		local make = assert(loadstring(ask_source(first, #functions), '=kres/rules.lua'))
		others = make(others, choose, unpack(functions))
		for _ = 1, WARM_UP do
			others(nil)
		end
	end
	return others
end
-- If it were compiled the functions would be compiled as parts of it.
jit.off(M.make_filters)

-- For the program: the first of some filters that selects the request. `name`, `rtype` and `class`:
-- the question, while there is no query.
function M.run_filters(_, req, slot, key, list, name, rtype, class)
	running, running_slot, running_key = req, slot, key
	if name then
		return list(req, make_query(req, key, 0, name, rtype, class))
	end
	return list(req, request.current(req))
end

-- The same without code made for them, for lists that are too many.
function M.ask_one_by_one(numbers)
	return function (req, query)
		for i = 1, #numbers do
			local action = M.kept_function(numbers[i])(req, query)
			if action then
				return choose(i, action)
			end
		end
	end
end

-- The number of a function that a filter has just made or chosen; it has none of its own, since filters
-- may make one for each request.
local CHOSEN = 0

-- For the program: the action of that filter, described. It is carried out at once.
function M.chosen_action()
	return M.known_action(chosen, 'a function in policy.add()') or { kind = 'lua', fn = CHOSEN }
end

-- Runs a function of a rule, which another one may have asked for.
local function within(req, slot, key, fn, ...)
	local before, before_slot, before_key = running, running_slot, running_key
	running, running_slot, running_key = req, slot, key
	local function back(...)
		running, running_slot, running_key = before, before_slot, before_key
		return ...
	end
	return back(fn(...))
end

-- For the program: an action that is a function; the state that follows, or nothing.
function M.run_action(fn, state, req, slot, key)
	return within(req, slot, key, fn == CHOSEN and chosen or M.kept_function(fn), state, req)
end

-- For the program: a question that a function answers with yes or no.
function M.run_test(fn, req, slot, key)
	local test = M.kept_function(fn)
	return test and within(req, slot, key, test, req) and true or false
end
