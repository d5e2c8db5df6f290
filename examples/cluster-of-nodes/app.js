// SPDX-License-Identifier: MIT
// An application node that limits its callers: Express, ioredis, and RL.CHECK. Any number of such nodes share the
// limits.
//
//   PORT=3001 REDIS_PORT=6379 node app.js
//   PORT=3001 SENTINELS=26379,26380,26381 node app.js      a primary named `limits`, found by sentinels
//
//   JITTER=10s        makes the wait of a refused caller longer at random
//   LIMITER=counter   counts in this node instead, LIMIT a window of WINDOW_MS: what this example warns of
//   NODES=3           how many nodes there are, for the routes that count locally while no Redis answers
//
// The limits are not here. Whoever operates the service stores them, and changes them while the nodes run:
//
//   redis-cli RL.DEFINE api:free TOKENBUCKET 20 10 1s AS rate QUOTA 1000 DAY AS daily
//   redis-cli RL.DEFINE api:paid TOKENBUCKET 200 100 1s AS rate
//   redis-cli RL.DEFINE login SLIDING 5 1m
"use strict";

const { once } = require("node:events");
const express = require("express");
const Redis = require("ioredis");
const { NodeCounter, SharedLimiter } = require("./limiters.js");

const { PORT = "3001", REDIS_PORT = "6379", SENTINELS = "", JITTER = "", LIMITER = "shared" } = process.env;
const LIMIT = Number(process.env.LIMIT ?? 100);
const WINDOW_MS = Number(process.env.WINDOW_MS ?? 60_000);
const NODES = Number(process.env.NODES ?? 3);

// --- asking -----------------------------------------------------------------------------------------

// A request waits for its decision, so whoever cannot be asked must be known to be gone at once: nothing is queued, and
// nothing is sent twice, since the first may have been charged.
const IMPATIENT = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: 1000,
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
const limiter = redis ? new SharedLimiter(redis, { jitter: JITTER }) : new NodeCounter(LIMIT, WINDOW_MS);

// What a route does while nobody can be asked.
const share = new NodeCounter(Math.floor(LIMIT / NODES), WINDOW_MS);
const whenNobodyAnswers = {
  closed: async () => ({ unavailable: true }), // refuses
  open: async () => ({ granted: true, fields: {} }), // lets everybody through
  local: (name, subject) => share.ask(name, subject), // counts in each node, which has its share of the limit
};

// A mistake of ours, such as a limiter that is not defined, is no reason to let anybody through.
const isMistake = (error) => /^(ERR|NOLIMITS|WRONGTYPE|NOPERM|NOAUTH)/.test(error.message);

async function decide(name, subject, otherwise) {
  try {
    return await limiter.ask(name, subject);
  } catch (error) {
    if (isMistake(error)) throw error;
    return whenNobodyAnswers[otherwise](name, subject);
  }
}

// --- answering --------------------------------------------------------------------------------------

// RFC 9457. `wait_ms` is an extension: Retry-After knows only whole seconds.
function problem(response, status, title, more = {}) {
  const type = status === 429 ? "https://iana.org/assignments/http-problem-types#quota-exceeded" : "about:blank";
  const body = { type, title, status, ...more };
  response.status(status).type("application/problem+json").end(JSON.stringify(body));
}

// limited({ by: request => [limiter, subject], otherwise: "closed" | "open" | "local" })
function limited({ by, otherwise }) {
  return async (request, response, next) => {
    const who = by(request);
    if (!who) return problem(response, 401, "Who are you? Send an API key in X-Api-Key");
    const answer = await decide(...who, otherwise);
    if (answer.unavailable) {
      return problem(response.set("Retry-After", "1"), 503, "The limits cannot be looked up");
    }
    response.set(answer.fields);
    if (answer.granted) return next();
    const about = { detail: `Try again in ${answer.waitMs} ms`, wait_ms: answer.waitMs };
    problem(response, 429, "Too many requests", { ...about, "violated-policies": [answer.label] });
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
  if (redis) await once(redis, "ready");
  const server = app.listen(Number(PORT), "127.0.0.1");
  server.keepAliveTimeout = 75_000; // longer than the balancer's, or it sends a request into a closed connection
  await once(server, "listening");
  console.log(`listening on ${server.address().port}`);
}

main();
