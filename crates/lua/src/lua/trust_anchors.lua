-- `trust_anchors`: the functions of the program, tunables, and words for what is gone.
local M, G = ...
local raw = M.raw

local anchors = M.group('trust_anchors', M.set 'tunable get_insecure')
G.trust_anchors = anchors
package.loaded.trust_anchors = anchors

local tunable = M.wrap(raw.trust_anchors.tunable)
local get_insecure = M.wrap(raw.trust_anchors.get_insecure)

anchors.add_file = M.wrap(raw.trust_anchors.add_file, M.panic, '[ ta ] ERROR: ')
anchors.add = M.wrap(raw.trust_anchors.add, M.panic, '[ ta ] .add() failed: ')

local tunables = M.set 'hold_down_time refresh_time keep_removed'
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

setmetatable(anchors, {
	__index = function (_, key)
		if tunables[key] then
			return tunable(key)
		elseif key == 'insecure' then
			return insecure()
		elseif removed[key] then
			upgrade(key)
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
		local copy = { insecure = insecure() }
		for key, value in pairs(t) do
			copy[key] = value
		end
		return copy
	end,
})
