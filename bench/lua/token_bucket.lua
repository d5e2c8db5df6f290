-- SPDX-License-Identifier: MIT
-- A token bucket on a hash, as most services write it: the tokens as a float, the time of the last call beside them.
-- KEYS[1] the subject; ARGV: capacity, tokens per second, cost.  Returns {granted, whole tokens left}.
local capacity, rate, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'last')
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

local tokens = tonumber(bucket[1]) or capacity
local last = tonumber(bucket[2]) or now
tokens = math.min(capacity, tokens + math.max(0, now - last) * rate)

local granted = 0
if tokens >= cost then
  tokens = tokens - cost
  granted = cost
end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'last', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(capacity / rate * 1000))
return {granted, math.floor(tokens)}
