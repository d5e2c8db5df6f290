-- SPDX-License-Identifier: MIT
-- The token bucket of upstash/ratelimit (TypeScript): a hash holds the tokens and the time of the last refill; tokens
-- come in whole intervals. The client tells the time.
-- KEYS[1] the subject; ARGV: capacity, interval in ms, tokens an interval, now in ms, cost.
-- Returns {tokens left, or -1 if denied; when the next ones come, in ms}.
local capacity, interval, refill = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now, cost = tonumber(ARGV[4]), tonumber(ARGV[5])
local bucket = redis.call('HMGET', KEYS[1], 'refilled', 'tokens')
local refilled, tokens = tonumber(bucket[1]) or now, tonumber(bucket[2]) or capacity

local intervals = math.max(0, math.floor((now - refilled) / interval))
tokens = math.min(capacity, tokens + intervals * refill)
refilled = refilled + intervals * interval
if tokens < cost then
  return {-1, refilled + interval}
end
tokens = tokens - cost
redis.call('HSET', KEYS[1], 'refilled', refilled, 'tokens', tokens)
redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil((capacity - tokens) / refill) * interval))
return {tokens, refilled + interval}
