-- SPDX-License-Identifier: MIT
-- The sliding window of upstash/ratelimit (TypeScript): a counter for this window and one for the window before, of
-- which the share counts that is still inside. The client tells the time, and names both keys by it.
-- KEYS[1] the counter of this window, KEYS[2] that of the one before; ARGV: limit, now and window in ms, cost.
-- Returns {calls left, or -1 if denied; limit}.
local limit, now, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
local before = tonumber(redis.call('GET', KEYS[2]) or 0)
local still_inside = math.floor(before * (1 - now % window / window))

if used + still_inside >= limit then
  return {-1, limit}
end
used = redis.call('INCRBY', KEYS[1], cost)
if used == cost then
  redis.call('PEXPIRE', KEYS[1], 2 * window + 1000)
end
return {limit - used - still_inside, limit}
