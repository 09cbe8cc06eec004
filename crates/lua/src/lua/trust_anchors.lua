-- `trust_anchors`: the functions of the program, tunables, and words for what is gone.
local M, G = ...
local raw = M.raw

local anchors = M.group('trust_anchors', M.set 'tunable get_insecure keysets track untrack')
G.trust_anchors = anchors
package.loaded.trust_anchors = anchors

local tunable = M.wrap(raw.trust_anchors.tunable)
local get_insecure = M.wrap(raw.trust_anchors.get_insecure)

-- Where the root's anchors come from when a file of them has to be made.
anchors.bootstrap_url = 'https://data.iana.org/root-anchors/root-anchors.xml'
anchors.bootstrap_ca = '/etc/kres/icann-ca.pem'

local add_file = M.wrap(raw.trust_anchors.add_file, M.panic, '[ ta ] ERROR: ')
function anchors.add_file(path, readonly)
	-- The module that keeps them up to date comes back if it was unloaded.
	if not G.ta_update and G.modules then
		G.modules.load('ta_update')
	end
	return add_file(path, readonly, anchors.bootstrap_url, anchors.bootstrap_ca)
end
anchors.add = M.wrap(raw.trust_anchors.add, M.panic, '[ ta ] .add() failed: ')

-- The states of RFC 5011, which are their own names.
anchors.key_state = {}
for state in pairs(M.set 'Start AddPend Valid Missing Revoked Removed') do
	anchors.key_state[state] = state
end
local keysets = M.wrap(raw.trust_anchors.keysets)

local tunables = M.set 'hold_down_time refresh_time keep_removed'
local defaults = { hold_down_time = 30 * G.day, keep_removed = 0 }

-- A time or number of RFC 5011, also for the module `ta_update`.
function M.get_anchor_tunable(key)
	local value = tunable(key)
	if value == nil then
		value = defaults[key]
	end
	return value
end
M.set_anchor_tunable, M.anchor_tunables = tunable, tunables

-- How long ago each was removed does not matter, what to use instead does.
local removed = {
	file = 'use trust_anchors.add_file()',
	config = 'use trust_anchors.add_file()',
	negative = 'use trust_anchors.set_insecure()',
	keyfile_default = 'use trust_anchors.add_file()',
}

local function upgrade(key)
	M.panic('Configuration upgrade required: trust_anchors.' .. key .. ' was removed, ' .. removed[key])
end

function anchors.config()
	upgrade('config')
end

-- The set as the operator wrote it, as long as nothing else has changed it.
local given
local set_insecure = M.wrap(raw.trust_anchors.set_insecure, M.refuse)
function anchors.set_insecure(list)
	set_insecure(list)
	given = {}
	for i, name in ipairs(list) do
		given[i] = name
	end
end

local function insecure()
	local now = get_insecure()
	return given and #given == #now and given or now
end

local names = M.names(anchors)
for name in pairs(tunables) do
	names[#names + 1] = name
end
names[#names + 1] = 'insecure'
names[#names + 1] = 'keysets'

setmetatable(anchors, {
	__index = function (_, key)
		if tunables[key] then
			return M.get_anchor_tunable(key)
		elseif key == 'insecure' then
			return insecure()
		elseif key == 'keysets' then
			return keysets()
		end
		return nil
	end,
	__newindex = function (_, key, value)
		if tunables[key] then
			tunable(key, value)
		elseif key == 'insecure' then
			M.fail('trust_anchors.insecure cannot be assigned, use trust_anchors.set_insecure()')
		elseif removed[key] then
			upgrade(key)
		else
			M.unknown_key('trust_anchors', key, names)
		end
	end,
	__shown = function (t)
		local copy = { insecure = insecure(), keysets = keysets() }
		for key, value in pairs(t) do
			copy[key] = value
		end
		return copy
	end,
})
