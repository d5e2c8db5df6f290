// SPDX-License-Identifier: MIT
// Express middleware that asks RL.CHECK for each request, and answers 429 itself. Options, and what is answered when:
// docs/middleware.md. No dependency: `redis` is anything with ioredis' call(name, ...words).
"use strict";

const { randomInt, randomUUID } = require("node:crypto");
const { callerAt, nameOf } = require("./caller.js");

// For ioredis: who is away fails now rather than later, no call is sent twice, and a connection that hangs is left.
const connection = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 1000,
  socketTimeout: 1000,
};
const SANE_ID = /^[\w.-]{1,64}$/;
const LARGEST_COST = Number.MAX_SAFE_INTEGER;

// What `ask` comes to: { reply } or { error }. An answer that comes later is dropped, also if it is an error.
function within(ms, ask) {
  let timer;
  const answer = new Promise((resolve, reject) => {
    timer = setTimeout(reject, ms, new Error(`no answer within ${ms} ms`));
    Promise.resolve(ask()).then(resolve, reject);
  });
  const settled = answer.then((reply) => ({ reply }), (error) => ({ error: String(error) }));
  return settled.finally(() => clearTimeout(timer));
}

function refuse(res, status, title, members) {
  res.statusCode = status;
  res.setHeader("Content-Type", "application/problem+json");
  res.end(JSON.stringify({ type: "about:blank", title, status, ...members }));
}

function rateLimit(redis, options) {
  const { limits, limiter, prefix = "ratelimit:", cost = () => 1, ipv6Subnet = 56 } = options;
  const { key = (req) => callerAt(req.ip, ipv6Subnet), jitter, log = console.warn } = options;
  const { onFailure = "open", timeout = 100 } = options;
  if (!limits === !limiter) throw new TypeError("either limits or limiter must be given");
  if (onFailure !== "open" && onFailure !== "closed") throw new TypeError('onFailure must be "open" or "closed"');
  if (!(timeout > 0)) throw new TypeError("timeout must be more than 0");
  if (!(Number.isInteger(ipv6Subnet) && ipv6Subnet >= 1 && ipv6Subnet <= 128)) {
    throw new TypeError("ipv6Subnet must be from 1 to 128");
  }
  const tail = jitter ? ["JITTER", jitter, "HEADERS"] : ["HEADERS"];
  const about = (name) => (limiter ? [limiter, "FOR", name] : [prefix + name, ...limits.trim().split(/\s+/)]);

  function fail(res, request_id, error) {
    log(`ratelimit: failed ${onFailure} request_id=${request_id} error=${JSON.stringify(error)}`);
    if (onFailure === "open") return true;
    res.setHeader("Retry-After", String(randomInt(1, 6))); // not all at once
    refuse(res, 503, "Service Unavailable", { request_id });
    return false;
  }

  // Whether the request may go on; if not, it has been answered, or there is nobody to answer.
  async function admit(req, res) {
    const given = req.headers["x-request-id"] ?? "";
    const request_id = SANE_ID.test(given) ? given : randomUUID();
    req.headers["x-request-id"] = request_id;
    res.setHeader("X-Request-Id", request_id);
    const units = await cost(req);
    if (!(units >= 0)) throw new RangeError("cost must be 0 or more");
    if (units === 0) return true;
    const words = [...about(nameOf(await key(req))), "COST", Math.ceil(Math.min(units, LARGEST_COST)), ...tail];
    const { reply, error } = await within(timeout, () => redis.call("RL.CHECK", ...words));
    if (res.headersSent || res.destroyed) return false; // the client has left, or was answered by somebody else
    if (error) return fail(res, request_id, error);
    const [granted, , , wait, , limit] = reply;
    const fields = reply.at(-1);
    for (let i = 0; i < fields.length; i += 2) res.setHeader(fields[i], fields[i + 1]);
    if (granted > 0) return true;
    log(`ratelimit: denied request_id=${request_id} limit=${limit} wait_ms=${wait}`);
    refuse(res, 429, "Too Many Requests", { limit, wait_ms: wait < 0 ? null : wait, request_id });
    return false;
  }

  return (req, res, next) => admit(req, res).then((go) => go && next(), next);
}

module.exports = { rateLimit, callerAt, connection };
