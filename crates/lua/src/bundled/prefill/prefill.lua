-- `prefill`: fetches the root zone over HTTPS from time to time, checks it and puts it into the cache.
local M, G = ...

local prefill = {}

-- Where the zone lies between two downloads, in the run directory.
local FILE = 'root.zone'
-- Seconds: the shortest interval, the pause after a failure, and the time for a download.
local INTERVAL_MIN, RETRY, TIMEOUT = 3600, 600, 60
-- The most octets of a zone; the root's has about two million.
local BYTES_MAX = 64 * 1024 * 1024

local settings, timer

local function log(level, ...)
	M.log('PREFILL', level, string.format(...))
end

-- Certificate authorities: those of the file, or the system's.
local function tls_context(ca_file)
	local tls = require('http.tls')
	local context = tls.new_client_context()
	context:setVerify(require('openssl.ssl.context').VERIFY_PEER)
	if ca_file then
		local store = require('openssl.x509.store').new()
		store:add(ca_file)
		context:setStore(store)
	end
	return context
end

-- Downloads to a file, in a coroutine; nothing, or what went wrong.
local function download(url, path, ca_file)
	local found, request = pcall(require, 'http.request')
	if not found then
		return 'downloading needs the library lua-http'
	end
	local req = request.new_from_uri(url)
	req.ctx = tls_context(ca_file)
	local headers, stream = req:go(TIMEOUT)
	if not headers then
		return tostring(stream)
	elseif headers:get(':status') ~= '200' then
		return 'status ' .. tostring(headers:get(':status'))
	end
	local body, fault = stream:get_body_as_string(TIMEOUT)
	if not body then
		return tostring(fault)
	elseif #body > BYTES_MAX then
		return 'the file is too large'
	end
	-- The old file stays until the new one is complete.
	local file, why = io.open(path .. '.new', 'w')
	if not file then
		return why
	end
	local written, failed = file:write(body)
	file:close()
	if not written then
		return failed
	end
	local renamed, reason = os.rename(path .. '.new', path)
	return not renamed and reason or nil
end

-- Puts the file into the cache and tells whether that went well.
local function import(done)
	local function ended(kept, fault)
		if kept then
			log('info', 'root zone imported: %d sets', kept)
		else
			log('err', "importing '%s' failed: %s", FILE, tostring(fault))
		end
		return done(kept ~= nil)
	end
	local ok, fault = pcall(M.import_zone, ended, FILE, '\0', false, false)
	if not ok then
		ended(nil, fault)
	end
end

local again

local function plan(seconds)
	if timer then
		G.event.cancel(timer)
	end
	log('debug', 'the next refresh is in %d seconds', seconds)
	timer = G.event.after(seconds * G.sec, function ()
		timer = nil
		again()
	end)
end

-- A download and an import; then the next one.
again = function ()
	local now = settings
	G.worker.coroutine(function ()
		local ok, fault = pcall(download, now.url, FILE, now.ca_file)
		if settings ~= now then
			return -- Configured anew in between.
		end
		if not ok or fault then
			log('err', 'downloading %s failed: %s; the next attempt is in %d seconds', now.url,
				tostring(fault), RETRY)
			return plan(RETRY)
		end
		import(function (kept)
			if settings == now then
				plan(kept and now.interval or RETRY)
			end
		end)
	end)
end

local function checked(zones)
	if type(zones) ~= 'table' then
		M.refuse("prefill: expected { ['.'] = { url = 'https://…' } }")
	end
	for zone in pairs(zones) do
		if zone ~= '.' then
			M.refuse('prefill: only the root zone can be imported')
		end
	end
	local root = zones['.']
	if type(root) ~= 'table' or type(root.url) ~= 'string' or not root.url:find('^https://') then
		M.refuse("prefill: url has to begin with 'https://'")
	end
	local interval = tonumber(root.interval or 86400)
	if not interval or interval < INTERVAL_MIN then
		M.refuse(string.format('prefill: interval is a number of seconds, at least %d', INTERVAL_MIN))
	end
	if root.ca_file ~= nil then
		local file, why = io.open(tostring(root.ca_file), 'r')
		if not file then
			M.refuse('prefill: ca_file: ' .. why)
		end
		file:close()
	end
	return { url = root.url, interval = interval, ca_file = root.ca_file }
end

local file_modified = M.wrap(M.raw._general.file_modified)

-- { ['.'] = { url, interval = 86400, ca_file } }; nothing ends it.
function prefill.config(zones)
	if timer then
		G.event.cancel(timer)
		timer = nil
	end
	settings = zones and checked(zones) or nil
	if not settings then
		return
	end
	-- After the configuration: the cache may be opened later in it.
	timer = G.event.after(0, function ()
		timer = nil
		local modified = file_modified(FILE)
		local age = modified and os.time() - modified
		if not age or age < 0 or age >= settings.interval then
			return again()
		end
		local now = settings
		import(function (kept)
			if settings ~= now then
				return -- Configured anew in between.
			elseif kept then
				return plan(now.interval - age)
			end
			again()
		end)
	end)
end

function prefill.deinit()
	settings = nil
	if timer then
		G.event.cancel(timer)
		timer = nil
	end
end

return prefill
