-- What `kresd-query` does: asks, then runs the script.
local name, type_name, class_name, script = ...

local rtype, rclass = kres.type[type_name], kres.class[class_name]
if not rtype then
	error("unknown type '" .. type_name .. "'", 0)
elseif not rclass then
	error("unknown class '" .. class_name .. "'", 0)
end
local chunk, fault = loadstring('local pkt, req = ...; ' .. script, '=script')
if not chunk then
	error(fault, 0)
end

-- So that the zone cut of the name is known.
option('ALWAYS_CUT', true)
resolve(name, rtype, rclass, 0, function (pkt, req)
	local ok, err = pcall(chunk, pkt, req)
	if not ok then
		io.stderr:write('kresd-query: ', tostring(err), '\n')
	end
	__status = ok and 0 or 1
	quit()
end)
