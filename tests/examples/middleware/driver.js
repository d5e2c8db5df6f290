// SPDX-License-Identifier: MIT
// For each line of standard input, options as JSON, a server with the Express middleware; prints {"port": ...} or
// {"error": ...}. conftest.py says what its application does.
"use strict";

const { appendFileSync } = require("node:fs");
const { once } = require("node:events");
const { createInterface } = require("node:readline");
const express = require("express");
const Redis = require("ioredis");
const { rateLimit, connection, clusterConnection } = require(process.argv[2]);

const KEYS = {
  true: (req) => req.headers["x-key"],
  later: async (req) => req.headers["x-key"],
  object: () => ({}),
};

const PLANS = { free: "FIXED 1 1h AS free", paid: "FIXED 3 1h AS paid" };

const DECIDED = ["limiter", "granted", "limit", "remaining", "waitMs", "resetMs", "label", "failure", "choice"];

function options({ log, key, cost, plans, handler, onDecision, ...others }) {
  if (key) others.key = KEYS[key];
  if (cost) others.cost = (req) => Number(req.headers["x-cost"] ?? 1);
  if (plans) others.limits = async (req) => PLANS[req.headers["x-plan"]];
  if (handler) others.handler = (req, res) => res.status(418).send(`denied by ${req.rateLimit.label}`);
  const note = (line) => appendFileSync(log, `${line}\n`);
  const observe = (req, decided) => {
    const values = DECIDED.map((name) => decided[name] ?? null);
    note(`decided ${req.headers["x-request-id"]} ${JSON.stringify(values)}`);
  };
  if (onDecision) others.onDecision = observe;
  return { ...others, log: note };
}

function application(limit, log) {
  const note = (line) => appendFileSync(log, `${line}\n`);
  const app = express();
  app.use((req, res, next) => {
    res.on("close", () => res.writableFinished || note("gone"));
    next();
  });
  app.use((req, res, next) => {
    const value = req.headers["x-address"];
    if (value !== undefined) Object.defineProperty(req, "ip", { value });
    next();
  });
  app.use(limit);
  app.get("/own", (req, res) => res.set("RateLimit-Limit", "own").send("own"));
  app.get("/login", (req, res) => res.status(Number(req.headers["x-status"])).send("tried"));
  app.get("/decision", (req, res) => {
    const { granted, limit, remaining, waitMs, resetMs, label } = req.rateLimit ?? {};
    res.json(req.rateLimit ? [granted, limit, remaining, waitMs, resetMs, label] : null);
  });
  app.get("/", (req, res) => {
    note(`served ${req.headers["x-request-id"]}`);
    res.send("hello");
  });
  app.use((error, req, res, next) => res.status(500).send(error.message));
  return app;
}

function connect({ redis: port, login = "", cluster, sentinels, keyPrefix, enableAutoPipelining }) {
  const [username, password] = login.split(":");
  const known = login ? { username, password } : {};
  const node = { host: "127.0.0.1", port };
  if (cluster) {
    const redisOptions = { ...clusterConnection.redisOptions, ...known };
    const own = { keyPrefix, enableAutoPipelining, redisOptions };
    return new Redis.Cluster([node], { ...clusterConnection, ...own });
  }
  const own = { keyPrefix, enableAutoPipelining, ...known };
  if (!sentinels) return new Redis({ ...connection, ...own, ...node });
  const places = sentinels.map((place) => ({ host: "127.0.0.1", port: place }));
  return new Redis({ ...connection, ...own, sentinels: places, name: "limits" });
}

// Whether there is a connection, or is none in the end.
const settled = (redis) =>
  new Promise((resolve) => {
    for (const event of ["ready", "error", "close"]) redis.once(event, resolve);
  });

async function serve({ redis: port, login, cluster, sentinels, keyPrefix, enableAutoPipelining, ready, ...others }) {
  const redis = connect({ redis: port, login, cluster, sentinels, keyPrefix, enableAutoPipelining });
  redis.on("error", () => {}); // the middleware logs them
  try {
    const limit = rateLimit(redis, options(others));
    await (ready ? limit.ready() : settled(redis));
    const server = application(limit, others.log).listen(0, "127.0.0.1");
    await once(server, "listening");
    return { port: server.address().port };
  } catch (error) {
    redis.disconnect();
    throw error;
  }
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await serve(JSON.parse(line)).catch((error) => ({ error: error.message }))));
  }
  process.exit();
}

main();
