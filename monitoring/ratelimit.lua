#!lua flags=no-writes,allow-stale,allow-cross-slot-keys
-- SPDX-License-Identifier: MIT
--
-- What Prometheus is told about ratelimit. The Redis exporter (-script ratelimit.lua) runs this script at each scrape,
-- and makes a sample of each name and value in its reply. prometheus.yml, beside this file, turns such a name
--   ratelimit_calls_total limiter=api:free result=denied
-- into the metric
--   ratelimit_calls_total{limiter="api:free", result="denied"}
--
-- The script only reads: INFO, RL.LIMITERS, RL.INFO, RL.TOP. What it may not read is left out and counted: if a script
-- fails, the exporter takes the whole server for dead. docs/monitoring.md lists the metrics.

-- Settings.
local limiters = {} -- such as { 'api:free', 'api:paid' }; empty: look for them, among the first keys of the database
local pattern = '*' -- look for those with such names, as in SCAN MATCH
local most_limiters = 100 -- show so many
local most_keys = 5000 -- look at so many keys, about; if there are more, ratelimit_scrape_cut may be 1
local top = 5 -- ranks of those denied most, and of those nearest to a limit; 0: none
local with_subjects = false -- true: ranks carry names. Each new name is a new series, which Prometheus keeps for weeks
local of_replicas = false -- true: show the limiters of a replica too, and count them twice in every sum
local longest_name = 200 -- bytes; of a longer name the beginning and a digest are shown

-- --- samples ----------------------------------------------------------------------------------------

local samples = {}
local failures = 0

-- The length of the character of UTF-8 that begins here, or nil (RFC 3629, section 4).
local function character(text, at)
  local first, second = text:byte(at, at + 1)
  if first < 0x80 then
    return 1
  end
  local length = first >= 0xF0 and 4 or first >= 0xE0 and 3 or 2
  local rest = text:sub(at + 1, at + length - 1)
  if first < 0xC2 or first > 0xF4 or #rest < length - 1 or rest:find('[^\128-\191]') then
    return nil
  end
  local too_long = first == 0xE0 and second < 0xA0 or first == 0xF0 and second < 0x90
  local no_character = first == 0xED and second > 0x9F or first == 0xF4 and second > 0x8F
  return not too_long and not no_character and length or nil
end

local function percent(byte)
  return ('%%%02X'):format(byte:byte())
end

-- A name may have any bytes. Blanks, control bytes, `%` and what is not UTF-8 are written as in a URL: %20.
local function encoded(text)
  if not text:find('[^!-$&-~]') then
    return text
  end
  local parts, at = {}, 1
  while at <= #text do
    local length = character(text, at)
    local piece = text:sub(at, at + (length or 1) - 1)
    parts[#parts + 1] = (not length or piece:find('^[%c %%]$')) and percent(piece) or piece
    at = at + #piece
  end
  return table.concat(parts)
end

-- label('limiter', 'api:free') is what follows the name of a metric.
local function label(name, text)
  if #text > longest_name then
    text = encoded(text:sub(1, longest_name)) .. '~' .. redis.sha1hex(text):sub(1, 12)
  else
    text = encoded(text)
  end
  return ' ' .. name .. '=' .. text
end

-- Nothing is added for a value that is no number. A counter that has stopped ends in `+`, which is left out.
local function add(metric, value)
  local number = type(value) == 'number' and ('%.17g'):format(value) or tostring(value):match('^%-?[%d.]+')
  if number then
    samples[#samples + 1] = metric
    samples[#samples + 1] = number
  end
end

-- The reply, or nil after an error. A limiter that is named above may live on another node of a cluster.
local function ask(...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then
    return reply
  end
  if not reply.err:find('non local key', 1, true) then
    failures = failures + 1
  end
  return nil
end

-- A map is sent as names and values in turn.
local function map(flat)
  local fields = {}
  for i = 1, #(flat or {}), 2 do
    fields[flat[i]] = flat[i + 1]
  end
  return fields
end

-- --- the server -------------------------------------------------------------------------------------

-- Fields of INFO ratelimit, and the metrics that they become; ratelimit_server_ stands before each.
local fields = {
  uptime_seconds = 'uptime_seconds',
  debug = 'debug',
  checks_granted = 'checks_total result=granted',
  checks_denied = 'checks_total result=denied',
  checks_would_deny = 'checks_total result=would_deny',
  checks_near = 'near_limit_total',
  checks_forced = 'forced_total',
  units_granted = 'units_granted_total',
  units_refunded = 'units_refunded_total',
  refunds = 'refunds_total',
  reservations = 'reservations_total',
  settlements = 'settlements_total',
  errors = 'errors_total',
  keys_compact = 'keys form=compact',
  keys_single = 'keys form=single',
  keys_dense = 'keys form=dense',
  limiters = 'limiters',
  subjects = 'subjects',
  memory_bytes = 'memory_bytes',
  different_limits = 'different_limits',
  keys_with_pending_changes = 'keys_with_pending_changes',
  longest_sweep_step_us = 'longest_sweep_step_seconds',
  effects_are_written = 'effects_are_written',
  states_kept_after_premature_expiry = 'states_kept_after_premature_expiry',
}

-- Fields with several values: algorithm_fixed:granted=7,denied=2 and command_rl.check:calls=9,errors=0.
local parts = {
  algorithm = { granted = 'decisions_total result=granted', denied = 'decisions_total result=denied' },
  command = { calls = 'command_calls_total', errors = 'command_errors_total' },
}

local function add_of_server(metric, value)
  add('ratelimit_server_' .. metric, value)
end

local function add_parts(field, values)
  local kind, name = field:match('^(%l+)_(.+)$')
  for part, value in values:gmatch('(%l+)=(%d+)') do
    local metric = parts[kind] and parts[kind][part]
    if metric then
      add_of_server(metric .. label(kind, name), value)
    end
  end
end

-- How often a call named no limits, and its key stored none: somebody has lost a limiter. The server counts its errors.
local function add_missing_limiters()
  local count = (ask('INFO', 'errorstats') or ''):match('errorstat_NOLIMITS:count=(%d+)')
  add_of_server('no_limits_errors_total', count or 0)
end

-- Returns how many limiters there are, or nil if the module is not loaded.
local function add_server()
  local there_are
  for field, value in (ask('INFO', 'ratelimit') or ''):gmatch('ratelimit_([^:\r\n]+):([^\r\n]*)') do
    if fields[field] then
      add_of_server(fields[field], field:find('_us$') and tonumber(value) / 1e6 or value)
    elseif field == 'version' then
      add_of_server('info' .. label('version', value), 1)
    else
      add_parts(field, value)
    end
    there_are = field == 'limiters' and tonumber(value) or there_are or 0
  end
  return there_are
end

-- --- limiters ---------------------------------------------------------------------------------------

local keys_a_step = 1000

-- Some names of limiters, and whether there may be more. They are those that RL.LIMITERS names first: the order is that
-- of SCAN, and stays the same until many keys come or go.
local function find_limiters(there_are)
  local names, found, cursor = {}, {}, '0'
  for _ = 1, most_keys / keys_a_step do
    local reply = ask('RL.LIMITERS', cursor, 'MATCH', pattern, 'COUNT', keys_a_step) or { '0', {} }
    cursor = reply[1]
    for _, name in ipairs(reply[2]) do
      if not found[name] then
        if #names == most_limiters then
          return names, true
        end
        names[#names + 1] = name
      end
      found[name] = true
    end
    if cursor == '0' or #names == there_are then
      return names, false
    end
  end
  return names, true
end

local results = { 'granted', 'denied', 'would_deny' }

local function add_results(metric, of, counters)
  for _, result in ipairs(results) do
    add(metric .. of .. ' result=' .. result, counters[result])
  end
end

local function add_top(metric, of, name, ...)
  for rank, entry in ipairs(top > 0 and ask('RL.TOP', name, top, ...) or {}) do
    add(metric .. of .. ' rank=' .. rank .. (with_subjects and label('subject', entry[1]) or ''), entry[2])
  end
end

local function add_limiter(name)
  local reply = ask('RL.INFO', name)
  if not reply then
    return
  end
  local info, of = map(reply), label('limiter', name)
  add_results('ratelimit_calls_total', of, info)
  add('ratelimit_near_limit_calls_total' .. of, info.near)
  add('ratelimit_counting_since_timestamp_seconds' .. of, info.since_ms and info.since_ms / 1000)
  add('ratelimit_subjects' .. of, info.subjects)
  add('ratelimit_memory_bytes' .. of, info.memory)
  add('ratelimit_on_trial' .. of, info.shadow)
  add('ratelimit_exceptions' .. of, info.exceptions)
  for _, limit in ipairs(info.limits or {}) do
    limit = map(limit)
    add('ratelimit_limit' .. of .. label('label', limit.label), limit.size)
  end
  for _, counters in ipairs(info.counters or {}) do
    counters = map(counters)
    local of_limit = of .. label('label', counters.label)
    add_results('ratelimit_checks_total', of_limit, counters)
    add('ratelimit_near_limit_total' .. of_limit, counters.near)
  end
  add_top('ratelimit_top_denied', of, name)
  add_top('ratelimit_top_near_limit', of, name, 'NEAR')
end

-- --- the reply --------------------------------------------------------------------------------------

-- The names that are to be shown, and whether there are more.
local function choose_limiters(there_are)
  if not of_replicas and (ask('INFO', 'replication') or ''):find('role:slave', 1, true) then
    return {}, false
  elseif #limiters > 0 then
    return limiters, false
  end
  return find_limiters(there_are)
end

local there_are = add_server()
add('ratelimit_up', there_are and 1 or 0)
if there_are then
  add_missing_limiters()
  local names, cut = choose_limiters(there_are)
  for _, name in ipairs(names) do
    add_limiter(name)
  end
  add('ratelimit_scrape_cut', cut and 1 or 0)
end
add('ratelimit_scrape_errors', failures)
return samples
