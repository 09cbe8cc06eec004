-- `ta_update`: the module that lets trust anchors follow their zones' keys (RFC 5011). The work is
-- the program's; this is its face.
local M, G = ...
local raw = M.raw

local track = M.wrap(raw.trust_anchors.track, M.panic, '[ta_update] ')
local untrack = M.wrap(raw.trust_anchors.untrack)

-- Anchors that are only read are not what their zone publishes; a configuration may put a function
-- of its own in the place of this one.
local function warn(file)
	M.log('TAUPDATE', 'warning', string.format(
		'you need to update package with trust anchors in "%s" before it breaks', file))
end

-- The module while it is loaded.
local current

-- For the program.
function M.anchors_outdated(file)
	if not current then
		return
	end
	M.begin_run('callback')
	local ok, err = M.xpcall(current.cb_unmanagedkey_change, M.explain, file)
	if not ok then
		M.log('TAUPDATE', 'err', M.describe(err))
	end
end

-- Zones by their names in wire form whose keys are looked at.
local function tracked()
	local found, number = {}, 0
	for zone, set in pairs(G.trust_anchors.keysets) do
		number = number + 1
		if set.tracked then
			found[zone] = { event = number }
		end
	end
	return found
end

local function make()
	local update = { cb_unmanagedkey_change = warn }

	-- Looks at the keys of a zone at once and then again and again.
	function update.start(zone, managed)
		if type(zone) ~= 'string' then
			M.panic("[ta_update] expected 'start(string zonename, boolean managed)'")
		end
		track(zone, managed)
	end

	function update.stop(zone)
		untrack(zone)
	end

	function update.deinit()
		for zone in pairs(tracked()) do
			untrack(zone)
		end
		current = nil
	end

	current = update
	return setmetatable(update, {
		__index = function (_, key)
			if M.anchor_tunables[key] then
				return M.get_anchor_tunable(key)
			elseif key == 'tracked' then
				return tracked()
			end
			return nil
		end,
		__newindex = function (t, key, value)
			if M.anchor_tunables[key] then
				M.set_anchor_tunable(key, value)
			else
				rawset(t, key, value)
			end
		end,
	})
end

package.preload['kres_modules.ta_update'] = make
