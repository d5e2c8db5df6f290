-- SPDX-License-Identifier: MIT
-- nginx asks RL.CHECK for each request, and answers 429 itself: no service in between. For nginx with the Lua module
-- (Debian: libnginx-mod-http-lua; or OpenResty), and nothing else; copy this file. README.md has the options.
--
--   lua_package_path "/etc/nginx/lua/?.lua;;";
--   lua_socket_log_errors off;                                  # what fails is logged here, and bounded
--   init_by_lua_block { api = require("ratelimit").new({ limits = "TOKENBUCKET 20 10 1s" }) }
--   init_worker_by_lua_block { api:ready() }
--   location / { access_by_lua_block { api:check() } proxy_pass http://service; }

local ngx, tcp, now, null = ngx, ngx.socket.tcp, ngx.now, ngx.null
local concat, floor = table.concat, math.floor

-- --- what keeps trouble small: of each worker of nginx ------------------------------------------------

local MOST_FAILURES = 5 -- in a row, and for at least the timeout: one short stall makes many calls fail at once
local PAUSE_S = 0.5
local INTERVAL_S = 10
local MOST_LINES = 100 -- an interval

-- While the breaker is open nobody waits for the server. After each pause, one call asks whether the server is back.
local Breaker = {}
Breaker.__index = Breaker

function Breaker.new(timeout_s)
  return setmetatable({ timeout_s = timeout_s, failures = 0, since = 0, is_open = false, next_try = 0 }, Breaker)
end

function Breaker:may_ask()
  if not self.is_open then return true end
  if now() < self.next_try then return false end
  self.next_try = now() + PAUSE_S
  return true
end

function Breaker:note(has_answered)
  if has_answered then
    self.failures = 0
  else
    if self.failures == 0 then self.since = now() end
    self.failures = self.failures + 1
  end
  self.is_open = self.failures >= MOST_FAILURES and now() - self.since >= self.timeout_s
  if self.is_open then self.next_try = now() + PAUSE_S end
end

-- In an interval, there is one line about a caller that is denied, or about a failure, and so many lines in all.
local Lines = {}
Lines.__index = Lines

function Lines.new()
  return setmetatable({ ends = 0, about = {}, count = 0, left_out = 0 }, Lines)
end

function Lines:write(level, line, about)
  if now() >= self.ends then self.ends, self.about, self.count = now() + INTERVAL_S, {}, 0 end
  if self.about[about] or self.count >= MOST_LINES then
    self.left_out = self.left_out + 1
    return
  end
  self.about[about], self.count = true, self.count + 1
  local more = self.left_out > 0 and " left_out=" .. self.left_out or ""
  self.left_out = 0
  ngx.log(level, "ratelimit: ", line, more)
end

-- --- asking: the protocol of Redis, over the sockets of nginx -----------------------------------------

-- What the server says of itself: that it cannot decide now. Any other error that it answers is a mistake.
local OUTAGES = {}
for word in ("LOADING BUSY MASTERDOWN READONLY CLUSTERDOWN TRYAGAIN MOVED ASK OOM MISCONF NOREPLICAS"):gmatch("%S+") do
  OUTAGES[word] = true
end

local function outage(text)
  return { text = text }
end

local function mistake(text)
  return { text = text, is_mistake = true }
end

local function said(text)
  local passes = OUTAGES[text:match("^%S+")] or text:find("^ERR max number of clients")
  return { text = text, is_mistake = not passes, is_reply = true }
end

local function encoded(words)
  local parts = { "*" .. #words .. "\r\n" }
  for _, word in ipairs(words) do
    word = tostring(word)
    parts[#parts + 1] = "$" .. #word .. "\r\n" .. word .. "\r\n"
  end
  return concat(parts)
end

-- One call has one deadline, whatever steps it is made of. Gives what the step gives, or nil and a text.
local function step(sock, deadline, name, ...)
  local left = (deadline - now()) * 1000
  if left < 1 then return nil, "timeout" end
  sock:settimeout(left)
  return sock[name](sock, ...)
end

local MOST, DEEPEST = 2 ^ 20, 3 -- no reply to RL.CHECK is longer or deeper

-- The next reply: a value, or nil and an error. An array whose element is an error does not come here.
local function read(sock, deadline, depth)
  local line, fault = step(sock, deadline, "receive", "*l")
  if not line then return nil, outage(fault) end
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "+" then return rest end
  if kind == "-" then return nil, said(rest) end
  local number = rest:find("^%-?%d+$") and tonumber(rest)
  if not number or not kind:find("[:$*]") then return nil, mistake("this is no server of Redis") end
  if kind == ":" then return number end
  if number > MOST or depth > DEEPEST then return nil, mistake("this is no reply of RL.CHECK") end
  if number < 0 then return null end
  if kind == "$" then
    local text
    text, fault = step(sock, deadline, "receive", number + 2)
    if not text then return nil, outage(fault) end
    return text:sub(1, -3)
  end
  local array = {}
  for i = 1, number do
    local value, wrong = read(sock, deadline, depth + 1)
    if wrong then return nil, wrong end
    array[i] = value
  end
  return array
end

local Server = {}
Server.__index = Server

function Server.new(o)
  local self = { host = o.host, port = o.port, timeout_s = o.timeout / 1000, idle = o.idle, size = o.connections }
  self.hello = {} -- what a new connection says first
  if o.password then self.hello[#self.hello + 1] = { "AUTH", o.user or "default", o.password } end
  if o.database ~= 0 then self.hello[#self.hello + 1] = { "SELECT", o.database } end
  -- Who signs in otherwise, or elsewhere, has connections of his own.
  local name = concat({ o.host, o.port, o.user or "", ngx.md5(o.password or ""), o.database }, "|")
  self.options = { pool = name, pool_size = o.connections, backlog = 10000 } -- who finds none free waits, to its deadline
  return setmetatable(self, Server)
end

function Server:connect(sock, deadline)
  local ok, fault
  if self.host:find("^unix:") then
    ok, fault = step(sock, deadline, "connect", self.host, self.options)
  else
    ok, fault = step(sock, deadline, "connect", self.host, self.port, self.options)
  end
  if not ok then return outage(fault) end
  if sock:getreusedtimes() > 0 then return nil end
  for _, words in ipairs(self.hello) do
    local reply, wrong = self:exchange(sock, deadline, words)
    if not reply then return wrong end
  end
  return nil
end

function Server:exchange(sock, deadline, words)
  local sent, fault = step(sock, deadline, "send", encoded(words))
  if not sent then return nil, outage(fault) end
  return read(sock, deadline, 1)
end

-- The reply, or nil and { text, is_mistake }. Nothing is sent twice, since the first may have been charged; and a
-- connection whose answer is still to come is closed, so that no other request reads it.
function Server:ask(words)
  local sock, deadline = tcp(), now() + self.timeout_s
  local wrong, reply = self:connect(sock, deadline), nil
  if wrong then
    sock:close()
    return nil, wrong
  end
  reply, wrong = self:exchange(sock, deadline, words)
  if not wrong or wrong.is_reply then
    sock:setkeepalive(self.idle, self.size)
  else
    sock:close()
  end
  return reply, wrong
end

-- --- who is asking ------------------------------------------------------------------------------------

local MOST_BYTES = 256 -- a longer key is replaced by its hash, since a subject has an end

-- Text of an IPv6 address in eight groups: the longest run of zeros, if longer than one, is `::`.
local function compressed(groups)
  local best, length, at = 0, 1, 1
  while at <= 8 do
    local run = 0
    while groups[at + run] == 0 do run = run + 1 end
    if run > length then best, length = at, run end
    at = at + run + 1
  end
  local hex = {}
  for i = 1, 8 do hex[i] = ("%x"):format(groups[i]) end
  if best == 0 then return concat(hex, ":") end
  return concat(hex, ":", 1, best - 1) .. "::" .. concat(hex, ":", best + length, 8)
end

-- The caller of an address of 4 or 16 bytes: an IPv4 address, or an IPv6 network, of which one caller has all addresses.
local function caller_at(bytes, subnet)
  if #bytes == 16 and bytes:find("^%z%z%z%z%z%z%z%z%z%z\255\255") then bytes = bytes:sub(13) end -- ::ffff:1.2.3.4
  if #bytes == 4 then return concat({ bytes:byte(1, 4) }, ".") end
  if #bytes ~= 16 then return "" end
  local groups = {}
  for i = 1, 8 do
    local high, low = bytes:byte(2 * i - 1, 2 * i)
    local zeros = 2 ^ math.max(0, math.min(16, 16 * i - subnet))
    groups[i] = floor((256 * high + low) / zeros) * zeros
  end
  return compressed(groups) .. "/" .. subnet
end

local function name_of(key)
  if key ~= nil and type(key) ~= "string" and type(key) ~= "number" then error("key must give a text or a number") end
  key = type(key) == "number" and ("%.17g"):format(key) or key or "" -- tostring keeps 14 digits
  if key == "" then return "-" end -- leaving it out is no way round the limit
  if #key <= MOST_BYTES then return key end
  return "sha1:" .. ngx.sha1_bin(key):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
end

-- --- answering ----------------------------------------------------------------------------------------

local QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"

local function json(text)
  return '"' .. text:gsub('[%c"\\]', function(char) return ("\\u%04x"):format(char:byte()) end) .. '"'
end

-- RFC 9457. `more` begins with a comma.
local function refuse(status, title, kind, more)
  local form = '{"type":%s,"title":%s,"status":%d%s,"request_id":%s}'
  local body = form:format(json(kind), json(title), status, more, json(ngx.ctx.ratelimit_request_id))
  ngx.status = status
  ngx.header["Content-Type"] = "application/problem+json"
  ngx.header["Content-Length"] = #body
  ngx.print(body)
  return ngx.exit(status)
end

local function request_id()
  local given = ngx.req.get_headers()["X-Request-Id"]
  local is_sane = type(given) == "string" and #given <= 64 and given:find("^[%w_.-]+$")
  local id = is_sane and given or ngx.var.request_id
  ngx.ctx.ratelimit_request_id = id
  ngx.req.set_header("X-Request-Id", id)
  ngx.header["X-Request-Id"] = id
  return id
end

local Limiter = {}
Limiter.__index = Limiter

function Limiter:words(key, cost)
  local words = { "RL.CHECK", self.o.limiter or self.o.prefix .. key }
  if self.o.limiter then
    words[3], words[4] = "FOR", key
  else
    for word in self.o.limits:gmatch("%S+") do words[#words + 1] = word end
  end
  for _, word in ipairs({ "COST", cost, "HEADERS" }) do words[#words + 1] = word end
  if self.o.jitter then words[#words + 1], words[#words + 2] = "JITTER", self.o.jitter end
  return words
end

-- For access_by_lua: returns if the request may go on; else it is answered.
function Limiter:check()
  local id = request_id()
  local cost = self.o.cost()
  if type(cost) ~= "number" or not (cost >= 0) then error("cost must give 0 or more") end
  if cost == 0 then return nil end
  local key = name_of(self.o.key())
  if not self.breaker:may_ask() then return self:fail(id, outage("not asked, since the server does not answer")) end
  local reply, wrong = self.server:ask(self:words(key, math.ceil(math.min(cost, 2 ^ 53 - 1))))
  self.breaker:note(not wrong or wrong.is_mistake)
  if wrong then return self:fail(id, wrong) end
  local fields = type(reply) == "table" and reply[#reply]
  if type(fields) ~= "table" or type(reply[1]) ~= "number" then return self:fail(id, mistake("this is no reply of RL.CHECK")) end
  for i = 1, #fields, 2 do ngx.header[fields[i]] = fields[i + 1] end
  local granted, limit, remaining, wait_ms, _, label = unpack(reply)
  ngx.ctx.ratelimit = { granted = granted > 0, limit = limit, remaining = remaining, wait_ms = wait_ms, label = label }
  if granted > 0 then return nil end
  return self:deny(id, key, wait_ms, label)
end

function Limiter:deny(id, key, wait_ms, label)
  local line = ("denied request_id=%s limit=%s wait_ms=%d"):format(id, json(label), wait_ms)
  self.lines:write(ngx.WARN, line, "denied " .. key)
  local wait = wait_ms < 0 and "null" or ("%d"):format(wait_ms)
  local more = (',"violated-policies":[%s],"wait_ms":%s'):format(json(label), wait)
  return refuse(429, "Too Many Requests", QUOTA_EXCEEDED, more)
end

-- An outage passes by itself, and the caller may come again. A mistake stays until somebody mends it.
function Limiter:fail(id, wrong)
  local what, choice = "failed", self.o.on_failure
  if wrong.is_mistake then what, choice = "mistake", self.o.on_mistake end
  self:report(wrong, ("%s %s request_id=%s"):format(what, choice, id), what)
  if choice == "open" then return nil end
  if wrong.is_mistake then return refuse(500, "Internal Server Error", "about:blank", "") end
  ngx.header["Retry-After"] = math.random(1, 5) -- not all at once
  return refuse(503, "Service Unavailable", "about:blank", "")
end

function Limiter:report(wrong, line, about)
  local text = wrong.text:sub(1, 300)
  self.lines:write(wrong.is_mistake and ngx.ERR or ngx.WARN, line .. " error=" .. json(text), about .. " " .. text)
end

-- For init_worker_by_lua: asks once, and takes nothing. A mistake, such as a limiter that is not defined, is in the log
-- before the first request. nginx starts all the same: it serves more than this.
function Limiter:ready()
  ngx.timer.at(0, function(is_ending)
    if is_ending or ngx.worker.id() ~= 0 then return end
    local _, wrong = self.server:ask(self:words("start-up", 0))
    if wrong then self:report(wrong, (wrong.is_mistake and "mistake" or "failed") .. " at start-up", "start-up") end
  end)
end

-- --- options ------------------------------------------------------------------------------------------

local DEFAULTS = {
  host = "127.0.0.1",
  port = 6379,
  database = 0,
  prefix = "ratelimit:",
  ipv6_subnet = 56,
  on_failure = "open",
  on_mistake = "closed",
  timeout = 100,
  connections = 50,
  idle = 60000,
  cost = function() return 1 end,
}
local KINDS = {
  limits = "string",
  limiter = "string",
  prefix = "string",
  jitter = "string",
  host = "string",
  user = "string",
  password = "string",
  on_failure = "string",
  on_mistake = "string",
  key = "function",
  cost = "function",
}
local RANGES = {
  port = { 1, 65535 },
  database = { 0, 2 ^ 31 - 1 },
  ipv6_subnet = { 1, 128 },
  timeout = { 1, 3600000 },
  connections = { 1, 65535 },
  idle = { 0, 2 ^ 31 - 1 },
}

local function must(holds, text)
  if not holds then error("ratelimit: " .. text, 0) end
end

local function check_option(name, value)
  local range = RANGES[name]
  must(range or KINDS[name], "there is no option " .. tostring(name))
  if not range then return must(type(value) == KINDS[name], name .. " must be a " .. KINDS[name]) end
  local is_inside = type(value) == "number" and value >= range[1] and value <= range[2] and value % 1 == 0
  must(is_inside, ("%s must be a whole number from %d to %d"):format(name, range[1], range[2]))
end

local function checked(options)
  local o = {}
  for name, value in pairs(DEFAULTS) do o[name] = value end
  for name, value in pairs(options) do
    check_option(name, value)
    o[name] = value
  end
  must(not o.limits ~= not o.limiter, "either limits or limiter must be given")
  for _, name in ipairs({ "on_failure", "on_mistake" }) do
    must(o[name] == "open" or o[name] == "closed", name .. ' must be "open" or "closed"')
  end
  must(o.password or not o.user, "user needs a password: without it, nobody would sign in")
  o.key = o.key or function() return caller_at(ngx.var.binary_remote_addr, o.ipv6_subnet) end
  return o
end

local function new(options)
  local o = checked(options)
  local parts = { o = o, server = Server.new(o), breaker = Breaker.new(o.timeout / 1000), lines = Lines.new() }
  return setmetatable(parts, Limiter)
end

return { new = new, caller_at = caller_at }
