-- SPDX-License-Identifier: MIT
-- A fixed window on a counter: the first call of a window sets its end.
-- KEYS[1] the subject; ARGV: limit, window in milliseconds.  Returns {granted, calls left}.
local used = redis.call('INCR', KEYS[1])
if used == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local limit = tonumber(ARGV[1])
if used > limit then
  return {0, 0}
end
return {1, limit - used}
