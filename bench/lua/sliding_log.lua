-- SPDX-License-Identifier: MIT
-- A sliding log on a sorted set, as the tutorials write it: one member per call, its time in microseconds as the score.
-- KEYS[1] the subject; ARGV: limit, window in milliseconds.  Returns {granted, calls left}.
-- Two calls in one microsecond would share a member; a real service appends something unique and pays for it.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - window * 1000)
local used = redis.call('ZCARD', KEYS[1])
if used >= limit then
  return {0, 0}
end
redis.call('ZADD', KEYS[1], now, now)
redis.call('PEXPIRE', KEYS[1], window)
return {1, limit - used - 1}
