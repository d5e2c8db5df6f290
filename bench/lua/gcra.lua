-- SPDX-License-Identifier: MIT
-- GCRA as redis_rate (Go) does it: a string holds the time at which the bucket will be full again, in seconds since
-- 2017 with a fraction.
-- KEYS[1] the subject; ARGV: burst, calls a period, period in seconds, cost.
-- Returns {granted, calls left, seconds to wait or -1, seconds until full}; the last two are texts.
local burst, cost = tonumber(ARGV[1]), tonumber(ARGV[4])
local interval = tonumber(ARGV[3]) / tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] - 1483228800 + time[2] / 1000000

local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local then_full_at = full_at + cost * interval
local room = now + burst * interval - then_full_at
if room < 0 then
  return {0, 0, tostring(-room), tostring(full_at - now)}
end
local reset = then_full_at - now
if reset > 0 then
  redis.call('SET', KEYS[1], then_full_at, 'EX', math.ceil(reset))
end
return {cost, room / interval, '-1', tostring(reset)}
