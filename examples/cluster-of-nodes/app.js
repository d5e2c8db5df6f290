// SPDX-License-Identifier: MIT
// An application node that limits its callers: Express, ioredis, and RL.CHECK. Any number of such nodes share the
// limits.
//
//   PORT=3001 REDIS_PORT=6379 node app.js
//   PORT=3001 SENTINELS=26379,26380,26381 node app.js      a primary named `limits`, found by sentinels
//
//   JITTER=10s        makes the wait of a refused caller longer at random
//   LIMITS="…"        limits of this node's own, instead of those that are stored: an instance that was deployed with them
//   LIMITER=counter   counts in this node instead, LIMIT a window of WINDOW_MS: what this example warns of
//   NODES=3           how many nodes there are, for the routes that count locally while no Redis answers
//   TIMEOUT_MS=1000   how long to wait for Redis
//
// The limits are not here. Whoever operates the service stores them before, and changes them while the nodes run:
//
//   redis-cli RL.DEFINE api:free TOKENBUCKET 20 10 1s AS rate QUOTA 1000 DAY AS daily
//   redis-cli RL.DEFINE api:paid TOKENBUCKET 200 100 1s AS rate
//   redis-cli RL.DEFINE login SLIDING 5 1m
"use strict";

const { once } = require("node:events");
const express = require("express");
const { setTimeout: sleep } = require("node:timers/promises");
const Redis = require("ioredis");
const { isMistake } = require("../express/ratelimit");
const { Lines } = require("../express/ratelimit/guard.js");
const { NodeCounter, SharedLimiter } = require("./limiters.js");

const { PORT = "3001", REDIS_PORT = "6379", SENTINELS = "", JITTER = "" } = process.env;
const { LIMITER = "shared", LIMITS = "" } = process.env;
const LIMIT = Number(process.env.LIMIT ?? 100);
const WINDOW_MS = Number(process.env.WINDOW_MS ?? 60_000);
const NODES = Number(process.env.NODES ?? 3);
const TIMEOUT_MS = Number(process.env.TIMEOUT_MS ?? 1000);
const LIMITERS = ["api:free", "api:paid", "login"];

// --- asking -----------------------------------------------------------------------------------------

// A request waits for its decision, so whoever cannot be asked must be known to be gone at once: nothing is queued, and
// nothing is sent twice, since the first may have been charged.
const IMPATIENT = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: TIMEOUT_MS,
  retryStrategy: () => 100,
  sentinelRetryStrategy: () => 100,
  reconnectOnError: (error) => error.message.startsWith("READONLY"), // it was the primary until now
};

function connect() {
  const port = (text) => ({ host: "127.0.0.1", port: Number(text) });
  const place = SENTINELS ? { sentinels: SENTINELS.split(",").map(port), name: "limits" } : port(REDIS_PORT);
  const redis = new Redis({ ...IMPATIENT, ...place });
  redis.on("error", (error) => console.error(error.message));
  return redis;
}

const redis = LIMITER === "counter" ? undefined : connect();
const limiter = redis ? new SharedLimiter(redis, { jitter: JITTER, limits: LIMITS }) : new NodeCounter(LIMIT, WINDOW_MS);

// What a route does while nobody can be asked.
const share = new NodeCounter(Math.floor(LIMIT / NODES), WINDOW_MS);
const whenNobodyAnswers = {
  closed: async () => ({ unavailable: true }), // refuses
  open: async () => ({ granted: true, fields: {} }), // lets everybody through
  local: (name, subject) => share.ask(name, subject), // counts in each node, which has its share of the limit
};

const lines = new Lines();

// A mistake, such as a limiter that is not defined, is no outage, and no reason to let anybody through: the policy of
// docs/middleware.md.
async function decide(name, subject, otherwise) {
  try {
    return await limiter.ask(name, subject);
  } catch (error) {
    const what = isMistake(error) ? "mistake closed" : `failed ${otherwise}`;
    const text = JSON.stringify(error.message);
    const line = lines.bounded(`${what} limiter=${name} error=${text}`, `${what} ${text}`);
    if (line) console.error(line);
    return isMistake(error) ? { isMistake: true } : whenNobodyAnswers[otherwise](name, subject);
  }
}

// Asks once about each limiter, before the first request, and takes nothing. Waits for Redis; a mistake ends the node.
async function ready() {
  for (const name of LIMITERS) {
    while (!(await isKnown(name))) await sleep(100);
  }
}

async function isKnown(name) {
  try {
    await limiter.askForNothing(name);
    return true;
  } catch (error) {
    if (isMistake(error)) throw error;
    return false;
  }
}

// --- answering --------------------------------------------------------------------------------------

// RFC 9457, as the middlewares of docs/middleware.md have it. `wait_ms` is an extension: Retry-After knows only whole
// seconds.
function problem(response, status, title, more = {}) {
  const type = status === 429 ? "https://iana.org/assignments/http-problem-types#quota-exceeded" : "about:blank";
  const body = { type, title, status, ...more };
  response.status(status).type("application/problem+json").end(JSON.stringify(body));
}

// limited({ by: request => [limiter, subject], otherwise: "closed" | "open" | "local" })
function limited({ by, otherwise }) {
  return async (request, response, next) => {
    const who = by(request);
    if (!who) return problem(response, 401, "Unauthorized", { detail: "Send an API key in X-Api-Key" });
    const answer = await decide(...who, otherwise);
    if (answer.isMistake) return problem(response, 500, "Internal Server Error");
    if (answer.unavailable) return problem(response.set("Retry-After", "1"), 503, "Service Unavailable");
    response.set(answer.fields);
    if (answer.granted) return next();
    const wait_ms = answer.waitMs < 0 ? null : answer.waitMs;
    problem(response, 429, "Too Many Requests", { "violated-policies": [answer.label], wait_ms });
  };
}

// A key says its plan. Yours will be looked up.
function byApiKey(request) {
  const key = request.get("X-Api-Key") ?? "";
  const plan = /^(free|paid)-./.exec(key)?.[1];
  return plan && [`api:${plan}`, key];
}

function byAccount(request) {
  const account = request.body?.account;
  return typeof account === "string" && account !== "" && ["login", account];
}

// --- the routes -------------------------------------------------------------------------------------

const app = express().disable("x-powered-by").disable("etag");
app.get("/health", (request, response) => response.send("well\n"));
app.get("/orders", limited({ by: byApiKey, otherwise: "closed" }), (request, response) => response.send("orders\n"));
app.get("/search", limited({ by: byApiKey, otherwise: "open" }), (request, response) => response.send("found\n"));
app.get("/feed", limited({ by: byApiKey, otherwise: "local" }), (request, response) => response.send("news\n"));
app.post("/login", express.json(), limited({ by: byAccount, otherwise: "closed" }), (request, response) =>
  response.send("password checked\n"),
);

async function main() {
  if (redis) await ready();
  const server = app.listen(Number(PORT), "127.0.0.1");
  server.keepAliveTimeout = 75_000; // longer than the balancer's, or it sends a request into a closed connection
  await once(server, "listening");
  console.log(`listening on ${server.address().port}`);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
