#!lua name=ratelimit
-- SPDX-License-Identifier: MIT
-- The main commands of the module as functions, for servers that load no modules: FCALL rl_check, rl_tokenbucket, ...
-- Same arguments, same replies, same decisions; docs/functions.md says what is left out.
--
-- A Lua number is a double, which is exact for integers up to 2^53. Everything here is such a whole number: units,
-- microseconds, and the ticks of a bucket. A limit that could lead beyond is refused, so nothing else checks for it.
--
-- A key is a hash: the text of its limits in the field `limits`, the state of the first limit in the field `1`, and so
-- on. A state that is missing or empty is one that was never used.

local MOST = 2 ^ 53 - 1
local MOST_32 = 2 ^ 32 - 1
local MOST_TICKS = 2 ^ 52 -- of a bucket, so that the sum of two is exact, too
local MOST_IN_LOG = 100000
local MOST_LIMITS = 8
local MOST_KEYS = 64
local LONGEST_MS = 3650 * 86400000
local NEVER = 1 / 0 -- the library `math` is there in calls only, not yet while this is loaded

-- --- the clock -------------------------------------------------------------------------------------------------------

-- Microseconds since 1970; each call reads it once. Tests load this library with another clock in its place.
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- --- whole numbers ---------------------------------------------------------------------------------------------------

-- floor(a / b) is exact below 2^53: a quotient that is no whole number is at least 1/b away from the next one, and the
-- rounding of a double moves it by less.
local function floor_div(a, b)
  return math.floor(a / b)
end

local function ceil_div(a, b)
  local quotient = floor_div(a, b)
  return quotient * b < a and quotient + 1 or quotient
end

local function greatest_common_divisor(a, b)
  while b > 0 do
    a, b = b, a % b
  end
  return a
end

-- floor(a * b / c) and the rest, where the product may be beyond 2^53: a long division by octal digits of a.
-- For a < 2^33 and b <= c < 2^49, since then 15 * c < 2^53.
local function multiply_divide(a, b, c)
  local quotient, rest, digit = 0, 0, 8 ^ 10
  while digit >= 1 do
    local sum = rest * 8 + floor_div(a, digit) % 8 * b
    quotient, rest, digit = quotient * 8 + floor_div(sum, c), sum % c, digit / 8
  end
  return quotient, rest
end

-- --- errors ----------------------------------------------------------------------------------------------------------

local WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'

local fault -- the error reply of this call, if there is one

-- Ends the call with an error reply; `register` catches it. What `error` carries does not matter.
local function fail(text)
  fault = text
  error(text, 0)
end

-- So many numbers of a stored state; nothing if there is none. Any client may write a hash: what we would never have
-- written is no state.
local function numbers(text, count)
  local found = {}
  for word in string.gmatch(text, '%d+') do
    found[#found + 1] = tonumber(word)
  end
  if #found > 0 and (#found ~= count or math.max(unpack(found)) > MOST) then
    fail(WRONG_TYPE)
  end
  return unpack(found)
end

-- All digits of a whole number; tostring keeps 14.
local function digits_of(number)
  return string.format('%.0f', number)
end

-- --- algorithms ------------------------------------------------------------------------------------------------------
--
-- Each is a table of the same functions. `load` makes a state as of now from the stored text: what has ended is gone,
-- and what is of a clock that was ahead counts as of now, of which its second result tells. All others ask or change
-- such a state. `wait` is a pair: whole microseconds, and nanoseconds of the next one, by which waits are compared.

-- Level: how much is used, in ticks of 1/rate microseconds. A unit is `unit` ticks: period / refill is unit / rate in
-- lowest terms, so nothing is ever rounded. The text is when the bucket is full again: microseconds, and a part of one.
local Bucket = {}

function Bucket.load(limit, text, now)
  local whole, part = numbers(text, 2)
  if not whole or whole < now then
    return { level = 0 }, false
  end
  local most = limit.size * limit.unit
  local is_ahead = whole - now > floor_div(most, limit.rate)
  local level = is_ahead and most or (whole - now) * limit.rate + part
  return { level = math.min(level, most) }, is_ahead or level > most
end

function Bucket.save(limit, state, now)
  return string.format('%.0f %.0f', now + floor_div(state.level, limit.rate), state.level % limit.rate)
end

function Bucket.used(limit, state)
  return ceil_div(state.level, limit.unit)
end

function Bucket.wait(limit, state, cost)
  local ticks = math.max(state.level + cost * limit.unit - limit.size * limit.unit, 0)
  return floor_div(ticks, limit.rate), ceil_div(ticks % limit.rate * 1000, limit.rate)
end

function Bucket.turn_ms(limit, state)
  return limit.is_queue and Bucket.reset_ms(limit, state) or 0
end

function Bucket.reset_ms(limit, state)
  return ceil_div(state.level, limit.rate * 1000)
end

function Bucket.take(limit, state, cost)
  state.level = state.level + cost * limit.unit
end

function Bucket.give_back(limit, state, units)
  state.level = math.max(state.level - math.min(units, limit.size) * limit.unit, 0)
end

-- A window, from the first grant or of the clock. The text is its end, and the units used in it.
local Window = {}

function Window.load(limit, text, now)
  local newest = now + limit.window - (limit.is_aligned and now % limit.window or 0)
  local ends, used = numbers(text, 2)
  if not ends or ends <= now then
    return { ends = newest, used = 0, now = now }, false
  end
  return { ends = math.min(ends, newest), used = used, now = now }, ends > newest
end

function Window.save(_, state)
  return state.used == 0 and '' or string.format('%.0f %.0f', state.ends, state.used)
end

function Window.used(_, state)
  return state.used
end

function Window.wait(limit, state, cost)
  return cost <= limit.size - state.used and 0 or state.ends - state.now, 0
end

function Window.reset_ms(_, state)
  return state.used == 0 and 0 or ceil_div(state.ends - state.now, 1000)
end

function Window.take(_, state, cost)
  state.used = state.used + cost
end

function Window.give_back(_, state, units)
  state.used = math.max(state.used - units, 0)
end

-- Two counters, of this window of the clock and of the one before, of which the share counts that is still inside.
-- The text is when the window began that was charged last, the units used before it, and those used in it.
local Counters = {}

function Counters.load(limit, text, now)
  local begin = now - now % limit.window
  local start, previous, current = numbers(text, 3)
  local state = { begin = begin, previous = 0, current = 0, now = now }
  if not start then
    return state, false
  elseif start == begin then
    state.previous, state.current = previous, current
  elseif start > begin then
    state.current = math.max(current, math.min(previous + current, limit.size))
  elseif start == begin - limit.window then
    state.previous = current
  end
  return state, start > begin
end

function Counters.save(_, state)
  if state.previous == 0 and state.current == 0 then
    return ''
  end
  return string.format('%.0f %.0f %.0f', state.begin, state.previous, state.current)
end

function Counters.used(limit, state)
  local left = limit.window - (state.now - state.begin)
  local whole, rest = multiply_divide(state.previous, left, limit.window)
  return state.current + whole + (rest > 0 and 1 or 0)
end

-- How far into a window those used before it count for no more than `room`. The room is cut to them, and the window
-- divided by them beforehand, so that multiply_divide can do it.
local function until_they_fit(before, room, window)
  if before <= room then
    return 0, 0
  end
  local share, rest = multiply_divide(room, window % before, before)
  local covered = room * floor_div(window, before) + share
  local nanoseconds = floor_div(rest * 1000, before)
  if nanoseconds == 0 then
    return window - covered, 0
  end
  return window - covered - 1, 1000 - nanoseconds
end

function Counters.wait(limit, state, cost)
  local room, begin, before = limit.size - state.current - cost, state.begin, state.previous
  if room < 0 then -- not in this window
    room, begin, before = limit.size - cost, begin + limit.window, state.current
  end
  local whole, nanoseconds = until_they_fit(before, room, limit.window)
  local wait = begin + whole - state.now
  if wait < 0 then
    return 0, 0
  end
  return wait, nanoseconds
end

function Counters.reset_ms(limit, state)
  local windows = state.current > 0 and 2 or state.previous > 0 and 1 or 0
  return windows == 0 and 0 or ceil_div(state.begin + windows * limit.window - state.now, 1000)
end

function Counters.take(_, state, cost)
  state.current = state.current + cost
end

function Counters.give_back(_, state, units)
  local of_current = math.min(units, state.current)
  state.current = state.current - of_current
  state.previous = math.max(state.previous - (units - of_current), 0)
end

-- The exact log. An entry is an instant, and how many units were taken up to it since the log began. So what is used is
-- the difference of two entries, and any instant is found by halving. An entry is a field of the hash, `1:7` for the
-- seventh of the first limit; the newest entry is in the text. So a call writes a few fields, however long the log is.
-- The text has the numbers of the oldest entry that is a field, of the first that counts, and of the newest; the units
-- taken before the first; and the newest entry. Totals stay exact for three years of the fastest limit in full use.
local Log = {}
local MOST_DROPPED = 16 -- fields in one call

-- The coarsest of 1, 2, 5, 10, 20, ... microseconds that is no coarser than a part in 2^26 of the window. Instants are
-- rounded up to it, as the module does, so that grants that are close together share an entry.
local function grid_of(window)
  local grid, decade = 1, 1
  while true do
    for _, factor in ipairs({ 1, 2, 5 }) do
      if factor * decade * 2 ^ 26 > window then
        return grid
      end
      grid = factor * decade
    end
    decade = decade * 10
  end
end

local function field_of(state, number)
  return state.place .. ':' .. digits_of(number)
end

local function entry(state, number)
  if number == state.newest then
    return state.at, state.total
  end
  return numbers(redis.call('HGET', state.key, field_of(state, number)) or fail(WRONG_TYPE), 2)
end

-- The first entry of which this is true: it is true of all that are newer. One more than the newest, if of none.
local function first_entry(state, is_it)
  local low, high = state.first, state.newest + 1
  while low < high do
    local middle = floor_div(low + high, 2)
    if is_it(entry(state, middle)) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

-- Entries of a clock that was ahead become one entry of now.
local function merge_later(state)
  state.newest = first_entry(state, function(at)
    return at > state.tick
  end)
  state.at = state.tick
end

-- From here on, entries that have left the window are forgotten, whatever the clock does.
local function forget_ended(state)
  state.kept, state.before_kept = state.first, state.before
end

function Log.load(limit, text, now, key, place)
  local state = { key = key, place = place, now = now, tick = ceil_div(now, limit.grid) * limit.grid, changed = {} }
  state.oldest, state.first, state.newest, state.before, state.at, state.total = 1, 1, 0, 0, 0, 0
  if text and string.find(text, '%d') then
    state.oldest, state.first, state.newest, state.before, state.at, state.total = numbers(text, 6)
  end
  forget_ended(state)
  local is_ahead = state.at > state.tick
  if is_ahead then
    merge_later(state)
  end
  state.first = first_entry(state, function(at)
    return at + limit.window > now
  end)
  if state.first > state.kept then
    local _, before = entry(state, state.first - 1)
    state.before = before
  end
  return state, is_ahead
end

function Log.save(_, state, _, fields)
  local dropped = {}
  while state.oldest < state.kept and state.oldest < state.newest and #dropped < MOST_DROPPED do
    dropped[#dropped + 1] = field_of(state, state.oldest)
    state.oldest = state.oldest + 1
  end
  if #dropped > 0 then
    redis.call('HDEL', state.key, unpack(dropped))
  end
  for _, word in ipairs(state.changed) do
    fields[#fields + 1] = word
  end
  local entries = string.format('%.0f %.0f %.0f', state.oldest, state.kept, state.newest)
  return entries .. string.format(' %.0f %.0f %.0f', state.before_kept, state.at, state.total)
end

function Log.used(_, state)
  return state.total - state.before
end

function Log.wait(limit, state, cost)
  local too_many = Log.used(limit, state) + cost - limit.size
  if too_many <= 0 then
    return 0, 0
  end
  local last_to_leave = first_entry(state, function(_, total)
    return total - state.before >= too_many
  end)
  return entry(state, last_to_leave) + limit.window - state.now, 0
end

function Log.reset_ms(limit, state)
  return Log.used(limit, state) == 0 and 0 or ceil_div(state.at + limit.window - state.now, 1000)
end

function Log.take(limit, state, cost)
  if Log.used(limit, state) == 0 or state.at < state.tick then
    if state.newest > 0 then
      state.changed = { field_of(state, state.newest), string.format('%.0f %.0f', state.at, state.total) }
    end
    state.newest = state.newest + 1
  end
  state.at, state.total = state.tick, state.total + cost
  forget_ended(state)
end

-- The newest entries go first. Their fields stay, and are written anew when the log gets there again.
function Log.give_back(limit, state, units)
  local total = state.total - math.min(units, Log.used(limit, state))
  local newest, at = state.first - 1, 0
  if total > state.before then
    newest = first_entry(state, function(_, until_then)
      return until_then >= total
    end)
    at = entry(state, newest)
  end
  state.newest, state.at, state.total = newest, at, total
  forget_ended(state)
end

-- --- limits of a call ------------------------------------------------------------------------------------------------

-- The words of a call, read from left to right.
local Words = {}
Words.__index = Words

function Words.of(arguments, before)
  return setmetatable({ arguments = arguments, at = 1, before = before }, Words)
end

function Words:is_at_end()
  return self.at > #self.arguments
end

function Words:next(name, requirement)
  if self:is_at_end() then
    fail('ERR ' .. name .. ' is missing: it must be ' .. requirement .. (self.hint or ''))
  end
  self.at = self.at + 1
  return self.arguments[self.at - 1]
end

function Words:take(keyword)
  if self:is_at_end() or string.upper(self.arguments[self.at]) ~= keyword then
    return false
  end
  self.at = self.at + 1
  return true
end

-- As the server reads integers: no sign, no leading zero.
local function integer_of(word)
  local is_one = #word <= 16 and (word == '0' or string.find(word, '^[1-9]%d*$'))
  return is_one and tonumber(word) or nil
end

function Words:integer(name, least, most)
  local requirement = 'an integer from ' .. digits_of(least) .. ' to ' .. digits_of(most)
  local number = integer_of(self:next(name, requirement))
  if not number or number < least or number > most then
    fail('ERR ' .. name .. ' must be ' .. requirement)
  end
  return number
end

local MS_OF = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000, [''] = 1000 }
local A_DURATION = 'a duration from 1ms to 3650d, such as 500ms, 10s, 1m, 2h or 1d; without a unit, seconds'

function Words:duration_us(name)
  local digits, unit = string.match(self:next(name, A_DURATION), '^(%d+)(%a*)$')
  local number = digits and MS_OF[unit] and integer_of(digits)
  if not number or number < 1 or number > floor_div(LONGEST_MS, MS_OF[unit]) then
    fail('ERR ' .. name .. ' must be ' .. A_DURATION)
  end
  return number * MS_OF[unit] * 1000
end

function Words:label()
  local requirement = '1 to 64 visible ASCII characters other than " and \\'
  local label = self:next('label', requirement)
  if label == '' or #label > 64 or string.find(label, '[^!-~]') or string.find(label, '["\\]') then
    fail('ERR label must be ' .. requirement)
  end
  return label
end

local function read_bucket(call, limit, rate_name, empties)
  limit.algorithm, limit.is_queue = Bucket, rate_name == 'leak'
  limit.size = call:integer('capacity', 0, MOST_32)
  local refill = call:integer(rate_name, 1, MOST_32)
  local period = call:duration_us('period')
  local divisor = greatest_common_divisor(period, refill)
  limit.unit, limit.rate = period / divisor, refill / divisor
  if limit.size * limit.unit > LONGEST_MS * 1000 * limit.rate then
    fail('ERR ' .. rate_name .. ' must be large enough for the bucket to ' .. empties .. ' within 3650d')
  elseif limit.size * limit.unit > MOST_TICKS then
    fail('ERR capacity is too large for a function to count exactly: choose a smaller one, a shorter period, or a '
      .. rate_name .. ' that has a larger divisor in common with the period in microseconds')
  end
  limit.text = string.format('%.0f %.0f %.0fms', limit.size, refill, period / 1000)
end

-- What a limit that ends too early is told to be.
local HINTS = {
  TOKENBUCKET = 'TOKENBUCKET capacity refill period, such as TOKENBUCKET 20 10 1s',
  LEAKYBUCKET = 'LEAKYBUCKET capacity leak period, such as LEAKYBUCKET 20 10 1s',
  FIXED = 'FIXED limit window, such as FIXED 100 1m',
  SLIDING = 'SLIDING limit window, such as SLIDING 100 1m',
}

local READERS = {}

function READERS.TOKENBUCKET(call, limit)
  read_bucket(call, limit, 'refill', 'refill from empty')
end

function READERS.LEAKYBUCKET(call, limit)
  read_bucket(call, limit, 'leak', 'run empty')
end

function READERS.FIXED(call, limit)
  limit.algorithm = Window
  limit.size = call:integer('limit', 0, MOST)
  limit.window = call:duration_us('window')
  limit.text = string.format('%.0f %.0fms', limit.size, limit.window / 1000)
  limit.option = 'ALIGNED'
end

function READERS.SLIDING(call, limit)
  limit.algorithm = Log
  limit.size = call:integer('limit', 0, MOST_32)
  limit.window = call:duration_us('window')
  limit.grid = grid_of(limit.window)
  limit.text = string.format('%.0f %.0fms', limit.size, limit.window / 1000)
  limit.option = 'APPROX'
end

-- A limit that begins with this keyword, which was taken.
local function read_limit(call, keyword)
  local limit = { keyword = keyword }
  call.hint = '; write ' .. HINTS[keyword]
  READERS[keyword](call, limit)
  call.hint = nil
  limit.text = keyword .. ' ' .. limit.text
  return limit
end

local function take_option_of_limit(call, limit)
  if limit.option and call:take(limit.option) then
    if limit.has_option then
      fail('ERR ' .. limit.option .. ' is given twice')
    end
    limit.has_option, limit.is_aligned = true, limit.option == 'ALIGNED'
    limit.algorithm = limit.option == 'APPROX' and Counters or limit.algorithm
    limit.text = limit.text .. ' ' .. limit.option
  elseif call:take('AS') then
    if limit.label then
      fail('ERR label is given twice')
    end
    limit.label = call:label()
  else
    return false
  end
  return true
end

-- The name of each limit in the reply, if each is of another key: what is there already gets the first number that
-- makes it another name.
local function number_limits(limits)
  local seen = {}
  for _, limit in ipairs(limits) do
    local name, number = limit.label or string.lower(limit.keyword), 1
    limit.name = name
    while seen[limit.name] do
      number = number + 1
      limit.name = name .. '-' .. number
    end
    seen[limit.name] = true
  end
end

-- The name of each limit in the reply: what AS gives, else that of the algorithm, the second of its kind with -2.
local function name_limits(limits)
  local seen, kinds = {}, {}
  for _, limit in ipairs(limits) do
    local kind = string.lower(limit.keyword)
    kinds[kind] = (kinds[kind] or 0) + (limit.label and 0 or 1)
    limit.name = limit.label or (kinds[kind] == 1 and kind or kind .. '-' .. kinds[kind])
    if seen[limit.name] then
      fail('ERR label must be different for each limit of a call')
    end
    seen[limit.name] = true
  end
end

-- What a key stores as the text of its limits.
local function text_of(limits)
  local texts = {}
  for index, limit in ipairs(limits) do
    texts[index] = limit.text .. (limit.label and ' AS ' .. limit.label or '')
  end
  return table.concat(texts, ' ')
end

local function take_limit(call, limits)
  for keyword in pairs(READERS) do
    if call:take(keyword) then
      limits[#limits + 1] = read_limit(call, keyword)
      return true
    end
  end
  return false
end

-- What can be said of the limits only when all options were read.
local function check_limits(limits, are_of_keys)
  if #limits > (are_of_keys and MOST_KEYS or MOST_LIMITS) then
    fail('ERR limits must be at most ' .. (are_of_keys and MOST_KEYS or MOST_LIMITS))
  end
  for _, limit in ipairs(limits) do
    if limit.algorithm == Log and limit.size > MOST_IN_LOG then
      fail('ERR limit must be an integer from 0 to ' .. MOST_IN_LOG .. ' for SLIDING without APPROX')
    end
  end
  if are_of_keys then
    number_limits(limits)
  else
    name_limits(limits)
  end
end

-- The rest of a call: all its limits, its cost, and whether a part will do. `options` says which of these may be there.
local function read_options(call, limits, options)
  local request, given = { limits = limits, cost = 1, is_partial = false }, {}
  local function take_once(keyword)
    local is_taken = options[keyword] and call:take(keyword)
    if is_taken and given[keyword] then
      fail('ERR ' .. keyword .. ' is given twice')
    end
    given[keyword] = given[keyword] or is_taken
    return is_taken
  end
  while not call:is_at_end() do
    local last = limits[#limits]
    if take_once('COST') then
      request.cost = call:integer('COST', 0, MOST)
    elseif take_once('PARTIAL') then
      request.is_partial = true
    elseif not (last and take_option_of_limit(call, last) or options.limits and take_limit(call, limits)) then
      fail('ERR syntax error at argument ' .. call.before + call.at .. ': expected ' .. options.expected)
    end
  end
  check_limits(limits, options.are_of_keys)
  request.text = text_of(limits)
  return request
end

-- The same words mean the same, so a call that was read is remembered. What is remembered is never changed. No valid
-- word has a space in it; so words that look alike when they are joined, and are as many, are the same words.
local known, known_count = {}, 0
local MOST_KNOWN = 1000

local function read_once(name, arguments, read)
  local call = name .. ' ' .. #arguments .. ' ' .. table.concat(arguments, ' ')
  local request = known[call]
  if not request then
    request = read(Words.of(arguments, 1))
    if known_count == MOST_KNOWN then
      known, known_count = {}, 0
    end
    known[call], known_count = request, known_count + 1
  end
  return request
end

local function read_stored(text)
  return read_once('the limits of a key', { text }, function()
    local arguments = {}
    for word in string.gmatch(text, '%S+') do
      arguments[#arguments + 1] = word
    end
    return read_options(Words.of(arguments, 0), {}, { limits = true, expected = 'a limit' })
  end)
end

-- --- a key -----------------------------------------------------------------------------------------------------------

-- The fields of a key; what is no hash, or a hash of somebody else, is left alone.
local function fields_of(key, fields)
  local found = redis.pcall('HMGET', key, unpack(fields))
  if found.err then
    fail(WRONG_TYPE)
  end
  if not found[1] and redis.call('EXISTS', key) == 1 then
    fail(WRONG_TYPE)
  end
  return found
end

local function load_states(key, request, texts, now)
  local account = { key = key, limits = request.limits, text = request.text, states = {}, ahead = {}, now = now }
  for index, limit in ipairs(request.limits) do
    account.states[index], account.ahead[index] = limit.algorithm.load(limit, texts[index] or '', now, key, index)
  end
  return account
end

-- What the key stores, under the limits that it stores; nothing, if it stores none.
local function stored_account(key, now)
  local text = fields_of(key, { 'limits' })[1]
  if not text then
    return nil
  end
  local is_ours, request = pcall(read_stored, text)
  if not is_ours or #request.limits == 0 then -- a field of this name in a hash of somebody else
    fail(WRONG_TYPE)
  end
  local texts = {}
  for index = 1, #request.limits do
    texts[index] = redis.call('HGET', key, index)
  end
  return load_states(key, request, texts, now)
end

-- Where a limit begins that the key was not asked under before: of the old limits of its kind, or else of all, that
-- counts which counts most; at most the size counts as used, as if it were taken now. So a change gives nobody more.
local function carry_over(limit, state, old)
  local most, most_of_its_kind = 0, nil
  for index, other in ipairs(old.limits) do
    local used = other.algorithm.used(other, old.states[index])
    most = math.max(most, used)
    if other.algorithm == limit.algorithm then
      most_of_its_kind = math.max(most_of_its_kind or 0, used)
    end
  end
  local used = math.min(most_of_its_kind or most, limit.size)
  if used > 0 then
    limit.algorithm.take(limit, state, used)
  end
end

-- The limits of a call take the place of those that the key stores. What is the same limit keeps its state.
local function changed_account(key, request, now)
  local old = stored_account(key, now)
  local account = load_states(key, request, {}, now)
  account.is_changed = true
  for index, limit in ipairs(request.limits) do
    local same
    for place, other in ipairs(old.limits) do
      same = same or (other.text == limit.text and limit.algorithm ~= Log and place)
    end
    if same then
      account.states[index] = old.states[same]
    else
      carry_over(limit, account.states[index], old)
    end
  end
  return account
end

-- The states of a key under the limits of a call.
local function account_of(key, request, now)
  local fields = { 'limits' }
  for index = 1, #request.limits do
    fields[index + 1] = index
  end
  local found = fields_of(key, fields)
  if found[1] and found[1] ~= request.text then
    return changed_account(key, request, now)
  end
  local account = load_states(key, request, { unpack(found, 2) }, now)
  account.is_new = not found[1]
  return account
end

-- Writes these states, by their places, or all; and until when the key is needed.
local function store(account, chosen)
  local longest_ms, fields = 0, {}
  if account.is_changed then
    redis.call('DEL', account.key)
  end
  if account.is_changed or account.is_new then
    fields = { 'limits', account.text }
  end
  for index, limit in ipairs(account.limits) do
    local state = account.states[index]
    longest_ms = math.max(longest_ms, limit.algorithm.reset_ms(limit, state))
    if not chosen or account.is_changed or chosen[index] then
      local text = limit.algorithm.save(limit, state, account.now, fields)
      fields[#fields + 1], fields[#fields + 2] = index, text
    end
  end
  if longest_ms == 0 then
    redis.call('DEL', account.key)
    return
  end
  redis.call('HSET', account.key, unpack(fields))
  redis.call('PEXPIREAT', account.key, ceil_div(account.now, 1000) + longest_ms)
end

-- --- decisions -------------------------------------------------------------------------------------------------------

local function remaining_of(limit, state)
  return math.max(limit.size - limit.algorithm.used(limit, state), 0)
end

-- The first of the limits with the fewest units left.
local function fewest(account)
  local bound, least
  for index, limit in ipairs(account.limits) do
    local remaining = remaining_of(limit, account.states[index])
    if not least or remaining < least then
      bound, least = index, remaining
    end
  end
  return bound, least
end

-- The first of the limits that refuse this cost, with the longest wait; none, if all would grant it.
local function refusal_of(account, cost)
  local bound, longest, longest_part = nil, -1, -1
  for index, limit in ipairs(account.limits) do
    local whole, part = NEVER, 0
    if limit.size > 0 and cost <= limit.size then
      whole, part = limit.algorithm.wait(limit, account.states[index], cost)
    end
    local refuses = whole > 0 or part > 0
    if refuses and (whole > longest or (whole == longest and part > longest_part)) then
      bound, longest, longest_part = index, whole, part
    end
  end
  if not bound then
    return nil
  end
  return bound, longest == NEVER and -1 or ceil_div(longest + (longest_part > 0 and 1 or 0), 1000)
end

-- How long a call waits for its turn that is granted now.
local function turn_of(account, cost)
  local longest_ms = 0
  for index, limit in ipairs(account.limits) do
    if limit.is_queue and cost > 0 then
      longest_ms = math.max(longest_ms, limit.algorithm.turn_ms(limit, account.states[index]))
    end
  end
  return longest_ms
end

-- What is granted, the limit that denies, and the wait. Takes nothing yet.
local function decide(account, request)
  local cost = request.cost
  local bound, wait_ms = refusal_of(account, cost)
  if bound and cost > 0 and request.is_partial then
    local _, least = fewest(account)
    cost = math.max(math.min(cost, least), 1)
    bound, wait_ms = refusal_of(account, cost)
  end
  if bound then
    return { granted = 0, bound = bound, wait_ms = wait_ms }
  end
  return { granted = cost, wait_ms = turn_of(account, cost) }
end

local function take(account, cost)
  for index, limit in ipairs(cost > 0 and account.limits or {}) do
    limit.algorithm.take(limit, account.states[index], cost)
  end
end

local function reply_of(account, verdict)
  local bound = verdict.bound or fewest(account)
  local limit, state = account.limits[bound], account.states[bound]
  local reset_ms = limit.algorithm.reset_ms(limit, state)
  return { verdict.granted, limit.size, remaining_of(limit, state), verdict.wait_ms, reset_ms, limit.name }
end

-- A denied call takes nothing, and writes only what makes its wait come true: states of a clock that was ahead, and
-- those of limits that are new to the key.
local function store_denied(account)
  local must_store = account.is_changed
  for _, is_ahead in ipairs(account.ahead) do
    must_store = must_store or is_ahead
  end
  if must_store then
    store(account, account.ahead)
  end
end

local function store_all(accounts, verdict)
  for _, account in ipairs(accounts) do
    if verdict.granted > 0 then
      store(account)
    elseif verdict.bound and verdict.wait_ms ~= -1 then
      store_denied(account)
    end
  end
end

local function check(key, request)
  local account = account_of(key, request, now_us())
  local verdict = decide(account, request)
  take(account, verdict.granted)
  store_all({ account }, verdict)
  return reply_of(account, verdict)
end

-- One limit for each key. They decide like the limits of one key, and each is stored in its own.
local function check_all(keys, request)
  local now, accounts, all = now_us(), {}, { limits = request.limits, states = {} }
  for index, key in ipairs(keys) do
    local limit = request.limits[index]
    accounts[index] = account_of(key, { limits = { limit }, text = text_of({ limit }) }, now)
    all.states[index] = accounts[index].states[1]
  end
  local verdict = decide(all, request)
  take(all, verdict.granted)
  store_all(accounts, verdict)
  return reply_of(all, verdict)
end

-- --- functions -------------------------------------------------------------------------------------------------------

local NO_LIMITS = 'NOLIMITS this call names no limits: name one, such as TOKENBUCKET 20 10 1s'
local A_LIMIT = 'a limit (TOKENBUCKET, LEAKYBUCKET, FIXED or SLIDING and its numbers)'
local OF_A_LIMIT = 'ALIGNED (FIXED), APPROX (SLIDING), AS label'

-- Registers a function of several keys: faults become the error reply.
local function register_for_keys(name, flags, answer)
  redis.register_function({
    function_name = name,
    flags = flags,
    callback = function(keys, arguments)
      fault = nil
      local is_well, reply = pcall(answer, keys, arguments)
      if is_well then
        return reply
      elseif fault then
        return redis.error_reply(fault)
      end
      error(reply, 0)
    end,
  })
end

local function register(name, flags, answer)
  register_for_keys(name, flags, function(keys, arguments)
    if #keys ~= 1 then
      fail('ERR ' .. name .. ' takes one key')
    end
    return answer(keys[1], arguments)
  end)
end

local function register_shorthand(name, keyword)
  local options = { COST = true, PARTIAL = true, expected = OF_A_LIMIT .. ', COST n or PARTIAL' }
  local function read(call)
    return read_options(call, { read_limit(call, keyword) }, options)
  end
  register(name, {}, function(key, arguments)
    local reply = check(key, read_once(name, arguments, read))
    reply[6] = nil
    return reply
  end)
end

register_shorthand('rl_tokenbucket', 'TOKENBUCKET')
register_shorthand('rl_leakybucket', 'LEAKYBUCKET')
register_shorthand('rl_fixed', 'FIXED')
register_shorthand('rl_sliding', 'SLIDING')

local OF_CHECK = A_LIMIT .. ', COST n, PARTIAL; after a limit: ' .. OF_A_LIMIT

local function read_check(call)
  return read_options(call, {}, { limits = true, COST = true, PARTIAL = true, expected = OF_CHECK })
end

register('rl_check', {}, function(key, arguments)
  local request = read_once('rl_check', arguments, read_check)
  if #request.limits == 0 then
    fail(NO_LIMITS)
  end
  return check(key, request)
end)

local OF_CHECK_ALL = A_LIMIT .. ' or COST n; after a limit: ' .. OF_A_LIMIT

local function read_check_all(call)
  return read_options(call, {}, { limits = true, COST = true, are_of_keys = true, expected = OF_CHECK_ALL })
end

register_for_keys('rl_checkall', {}, function(keys, arguments)
  local request, seen = read_once('rl_checkall', arguments, read_check_all), {}
  if #request.limits == 0 then
    fail(NO_LIMITS)
  elseif #request.limits ~= #keys then
    fail('ERR limits must be given once for each key')
  end
  for _, key in ipairs(keys) do
    if seen[key] then
      fail('ERR the same key is given twice: give all its limits to one call of rl_check instead')
    end
    seen[key] = true
  end
  return check_all(keys, request)
end)

local OF_PEEK = A_LIMIT .. ', COST n; after a limit: ' .. OF_A_LIMIT

local function read_peek(call)
  return read_options(call, {}, { limits = true, COST = true, expected = OF_PEEK })
end

-- What rl_check would answer, and what is left now. A call without limits goes by those that the key has; null if none.
register('rl_peek', { 'no-writes' }, function(key, arguments)
  local request, now, account = read_once('rl_peek', arguments, read_peek), now_us(), nil
  if #request.limits > 0 then
    account = account_of(key, request, now)
  else
    account = stored_account(key, now)
  end
  return account and reply_of(account, decide(account, request)) or false
end)

local NOTHING_MORE = { expected = 'the end of the call' }

-- Gives units back, never above full; answers how many. Works without memory, since it makes nothing larger.
register('rl_refund', { 'allow-oom' }, function(key, arguments)
  local call = Words.of(arguments, 1)
  local units = call:integer('n', 1, MOST)
  read_options(call, {}, NOTHING_MORE)
  local account, most, changed, is_used = stored_account(key, now_us()), 0, {}, false
  for index, limit in ipairs(account and account.limits or {}) do
    local state = account.states[index]
    local used = limit.algorithm.used(limit, state)
    limit.algorithm.give_back(limit, state, units)
    changed[index], is_used = used > 0, is_used or used > 0
    most = math.max(most, used - limit.algorithm.used(limit, state))
  end
  if is_used then
    store(account, changed)
  end
  return most
end)

-- Forgets what is used; answers whether there was anything.
register('rl_reset', { 'allow-oom' }, function(key, arguments)
  read_options(Words.of(arguments, 1), {}, NOTHING_MORE)
  local account = stored_account(key, now_us())
  for index, limit in ipairs(account and account.limits or {}) do
    if limit.algorithm.reset_ms(limit, account.states[index]) > 0 then
      redis.call('DEL', key)
      return 1
    end
  end
  return 0
end)
