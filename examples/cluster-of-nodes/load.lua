-- SPDX-License-Identifier: MIT
-- For wrk: requests of many callers, by API key. Behind `--` come path and key of each, in turn.
--
-- At random and not in turn: nodes are taken in turn, and each caller would always come to the same one.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("seed", threads)
end

local requests = {}

function init(args)
  math.randomseed(seed)
  for i = 1, #args, 2 do
    requests[#requests + 1] = wrk.format("GET", args[i], { ["X-Api-Key"] = args[i + 1] })
  end
end

function request()
  return requests[math.random(#requests)]
end
