-- SPDX-License-Identifier: MIT
-- GCRA on a string: the key holds the theoretical arrival time of the next call, in microseconds.
-- KEYS[1] the subject; ARGV: burst, calls per second, cost.  Returns {granted, calls left}.
local burst, rate, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local interval = 1000000 / rate
local tolerance = interval * burst
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local tat = math.max(tonumber(redis.call('GET', KEYS[1])) or now, now)
local new_tat = tat + interval * cost
if new_tat - now > tolerance then
  return {0, 0}
end
redis.call('SET', KEYS[1], string.format('%.0f', new_tat), 'PX', math.ceil((new_tat - now) / 1000))
return {cost, math.floor((tolerance - (new_tat - now)) / interval)}
