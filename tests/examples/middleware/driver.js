// SPDX-License-Identifier: MIT
// For each line of standard input, options as JSON, a server with the Express middleware; prints {"port": ...} or
// {"error": ...}. conftest.py says what its application does.
"use strict";

const { appendFileSync } = require("node:fs");
const { once } = require("node:events");
const { createInterface } = require("node:readline");
const express = require("express");
const Redis = require("ioredis");
const { rateLimit, connection } = require(process.argv[2]);

const KEYS = {
  true: (req) => req.headers["x-key"],
  later: async (req) => req.headers["x-key"],
  object: () => ({}),
};

function options({ log, key, cost, ...others }) {
  if (key) others.key = KEYS[key];
  if (cost) others.cost = (req) => Number(req.headers["x-cost"] ?? 1);
  return { ...others, log: (line) => appendFileSync(log, `${line}\n`) };
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
  app.get("/", (req, res) => {
    note(`served ${req.headers["x-request-id"]}`);
    res.send("hello");
  });
  app.use((error, req, res, next) => res.status(500).send(error.message));
  return app;
}

async function serve({ redis: port, ...others }) {
  const redis = new Redis({ ...connection, port, host: "127.0.0.1", lazyConnect: true });
  redis.on("error", () => {}); // the middleware logs them
  const limit = rateLimit(redis, options(others));
  await redis.connect().catch(() => {}); // who cannot be reached is what a test is about
  const server = application(limit, others.log).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: server.address().port };
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await serve(JSON.parse(line)).catch((error) => ({ error: error.message }))));
  }
  process.exit();
}

main();
