-- `hints`: what belongs to the resolver itself and needs no module, the root servers.
local M, G = ...
local raw = M.raw

local root_file = M.wrap(raw._settings.root_hints_file)

M.module_tables.hints = {
	root = M.wrap(raw._settings.root_hints),
	root_file = root_file,
}

G._hint_root_file = root_file
