-- SPDX-License-Identifier: MIT
-- The counter of rate-limiter-flexible (Node.js): a window that begins with the first call. The client compares the
-- count with its limit, so denied calls count, too.
-- KEYS[1] the subject; ARGV: cost, window in seconds.  Returns {calls counted, ms left of the window}.
redis.call('SET', KEYS[1], 0, 'EX', ARGV[2], 'NX')
local used = redis.call('INCRBY', KEYS[1], ARGV[1])
return {used, redis.call('PTTL', KEYS[1])}
