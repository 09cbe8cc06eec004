-- `predict`: which questions come back at the same time of the day. What is about to expire is the
-- program's matter; here is what is learnt from the module stats, if that is asked for.
local M, G = ...

local predict = {}
M.module_tables.predict = predict

-- Questions kept for one window; stats has no more.
local QUESTIONS_MAX = 5000

-- Minutes, and windows: for scripts to look at and to change.
predict.window, predict.period = 15, 24
local timer
-- Questions by window of the period, as sets of 'TYPE name'.
local seen = {}
local epoch

-- The window of the period that it is now, from 1.
local function current_epoch()
	local now = os.date('*t')
	local window, period = tonumber(predict.window) or 15, tonumber(predict.period) or 24
	return math.floor((now.hour * 60 + now.min) / math.max(window, 1)) % math.max(period, 1) + 1
end

-- The questions of the window that ends. Returns how many of them are new in it.
local function learn()
	local before, questions, learned, count = seen[epoch] or {}, {}, 0, 0
	for _, entry in ipairs(G.stats.frequent() or {}) do
		if count < QUESTIONS_MAX then
			local question = entry.type .. ' ' .. entry.name
			learned = learned + (before[question] and 0 or 1)
			count = count + 1
			questions[question] = true
		end
	end
	G.stats.clear_frequent()
	seen[epoch] = questions
	return learned
end

-- For scripts and the timer: what was seen is kept, and what is expected is asked.
function predict.process()
	local learned = learn()
	epoch = current_epoch()
	local queued = 0
	for question in pairs(seen[epoch] or {}) do
		local rtype, name = question:match('^(%S+) (.*)$')
		if predict.refresh(name, rtype) then
			queued = queued + 1
		end
	end
	G.stats.set('predict.epoch ' .. epoch)
	G.stats.set('predict.queue ' .. queued)
	G.stats.set('predict.learned ' .. learned)
end

local function stop()
	if timer then
		G.event.cancel(timer)
		timer = nil
	end
	seen = {}
end

-- { window = 15 (minutes), period = 24 (windows; 0 learns nothing) }
function predict.config(value)
	if value ~= nil and type(value) ~= 'table' then
		M.refuse('predict: expected { window = 15, period = 24 }')
	end
	value = value or {}
	local minutes, windows = tonumber(value.window or 15), tonumber(value.period or 24)
	if not minutes or minutes < 1 or not windows or windows < 0 or windows % 1 ~= 0 then
		M.refuse('predict: window is a number of minutes, period one of windows')
	end
	stop()
	predict.window, predict.period = minutes, windows
	if windows == 0 then
		return
	end
	if not G.stats then
		G.modules.load('stats')
	end
	epoch = current_epoch()
	timer = G.event.recurrent(minutes * G.minute, predict.process)
end

predict.deinit = stop
