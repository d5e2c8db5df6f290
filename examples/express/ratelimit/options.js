// SPDX-License-Identifier: MIT
// The options of docs/middleware.md: what they are unless told, and what makes no sense.
"use strict";

const { callerAt } = require("./caller.js");

// Which fields of the server an answer has; Retry-After is always one of them. `legacy` renames them.
const SEPARATE = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];
const HEADERS = {
  all: ["RateLimit-Policy", "RateLimit", ...SEPARATE],
  "draft-10": ["RateLimit-Policy", "RateLimit"],
  "draft-6": SEPARATE,
  legacy: SEPARATE,
  none: [],
};

// An option without a default is known all the same.
const defaults = {
  limits: undefined,
  limiter: undefined,
  prefix: "ratelimit:",
  key: undefined,
  ipv6Subnet: 56,
  cost: () => 1,
  onFailure: "open",
  onMistake: "closed",
  timeout: 100,
  patience: 10_000,
  jitter: undefined,
  headers: "all",
  message: undefined,
  handler: undefined,
  onDecision: undefined,
  skipSuccessfulRequests: false,
  hold: "1m",
  log: undefined,
};

function must(holds, text) {
  if (!holds) throw new TypeError(text);
}

function checked(options) {
  for (const name of Object.keys(options)) must(Object.hasOwn(defaults, name), `there is no option ${name}`);
  const o = { ...defaults, ...options };
  o.key ??= (req) => callerAt(req.ip, o.ipv6Subnet);
  must(!o.limits !== !o.limiter, "either limits or limiter must be given");
  for (const name of ["onFailure", "onMistake"]) {
    must(["open", "closed"].includes(o[name]), `${name} must be "open" or "closed"`);
  }
  must(o.timeout > 0, "timeout must be more than 0");
  const isBits = Number.isInteger(o.ipv6Subnet) && o.ipv6Subnet >= 1 && o.ipv6Subnet <= 128;
  must(isBits, "ipv6Subnet must be from 1 to 128");
  must(Object.hasOwn(HEADERS, o.headers), `headers must be one of ${Object.keys(HEADERS).join(", ")}`);
  return o;
}

// The fields to set, of those that the server gives as names and values in turn. The old X-RateLimit-Reset is a time.
function fieldsOf(flat, headers) {
  const given = {};
  for (let i = 0; i < flat.length; i += 2) given[flat[i]] = flat[i + 1];
  const names = [...HEADERS[headers], "Retry-After"].filter((name) => name in given);
  const chosen = names.map((name) => [name, given[name]]);
  if (headers !== "legacy") return chosen;
  const atUnixTime = (seconds) => String(Math.ceil(Date.now() / 1000) + Number(seconds));
  return chosen.map(([name, value]) => {
    if (name === "Retry-After") return [name, value];
    return [`X-${name}`, name === "RateLimit-Reset" ? atUnixTime(value) : value];
  });
}

module.exports = { checked, fieldsOf };
