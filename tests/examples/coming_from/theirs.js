// SPDX-License-Identifier: MIT
// Drives a limiter for Node.js: theirs.js PORT LIBRARY LIMIT WINDOW_MS, and the calls as JSON on standard input. A call
// is a cost, or null for "the window ends here", or [milliseconds since 1970, cost] for those whose client tells the
// time. Prints what each call was granted, as JSON.
"use strict";
const { once } = require("node:events");
const { text } = require("node:stream/consumers");
const Redis = require("ioredis");

const [port, library, limit, windowMs] = [process.argv[2], process.argv[3], ...process.argv.slice(4).map(Number)];
const redis = new Redis(Number(port));
const window = `${windowMs} ms`;

function flexible() {
  const { RateLimiterRedis } = require("rate-limiter-flexible");
  const limiter = new RateLimiterRedis({ storeClient: redis, points: limit, duration: windowMs / 1000 });
  return async (cost) => {
    try {
      await limiter.consume("theirs", cost);
      return cost;
    } catch (refused) {
      if (refused instanceof Error) throw refused;
      return 0;
    }
  };
}

async function express() {
  const application = require("express")();
  const store = new (require("rate-limit-redis").RedisStore)({ sendCommand: (...words) => redis.call(...words) });
  application.use(require("express-rate-limit").rateLimit({ windowMs, limit, store }));
  application.get("/", (_, response) => response.send("hello"));
  const server = application.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  const address = `http://127.0.0.1:${server.address().port}/`;
  return async () => ((await fetch(address, { headers: { connection: "close" } })).status === 200 ? 1 : 0);
}

// Their client speaks REST to their own server, and their scripts have a flag that Redis and Valkey refuse.
const FLAG = /^#!lua flags=allow-key-locking\n/;

function upstash(kind) {
  const { Ratelimit } = require("@upstash/ratelimit");
  const client = {
    evalsha: () => Promise.reject(new Error("NOSCRIPT: the text comes next")),
    eval: (script, keys, words) => redis.eval(script.replace(FLAG, ""), keys.length, ...keys, ...words),
  };
  const limiters = {
    fixed: () => Ratelimit.fixedWindow(limit, window),
    sliding: () => Ratelimit.slidingWindow(limit, window),
    bucket: () => Ratelimit.tokenBucket(limit, window, limit),
  };
  const limiter = new Ratelimit({ redis: client, limiter: limiters[kind](), ephemeralCache: false });
  return async (cost) => ((await limiter.limit("theirs", { rate: cost })).success ? cost : 0);
}

const MAKERS = {
  "rate-limiter-flexible": flexible,
  "express-rate-limit": express,
  "upstash-fixed": () => upstash("fixed"),
  "upstash-sliding": () => upstash("sliding"),
  "upstash-bucket": () => upstash("bucket"),
};

async function endWindow() {
  for (const key of await redis.keys("*theirs*")) await redis.pexpire(key, 1);
  while ((await redis.keys("*theirs*")).length > 0);
}

async function main() {
  const ask = await MAKERS[library]();
  const granted = [];
  for (const call of JSON.parse(await text(process.stdin))) {
    if (call === null) {
      await endWindow();
      continue;
    }
    const [at, cost] = Array.isArray(call) ? call : [null, call];
    if (at !== null) Date.now = () => at;
    granted.push(await ask(cost));
  }
  console.log(JSON.stringify(granted));
  process.exit(0);
}

main();
