// SPDX-License-Identifier: MIT
// A service with a limit of five requests at once and one a second for each address: README.md.
"use strict";

const express = require("express");
const Redis = require("ioredis");
const { rateLimit, connection } = require("./ratelimit");

const redis = new Redis(process.env.REDIS_URL ?? "redis://localhost:6379", connection);
redis.on("error", (error) => console.error(`redis: ${error.message || error.code}`)); // ioredis connects again

const limit = rateLimit(redis, { limits: "TOKENBUCKET 5 1 1s" });
const app = express();
app.use(limit);
app.get("/", (req, res) => res.send("hello\n"));

async function main() {
  await limit.ready(); // asks once: the limits make sense, and the server is there
  const server = app.listen(process.env.PORT ?? 3000, () => console.log(`http://localhost:${server.address().port}/`));
}

if (require.main === module) main(); // a test of the service takes the parts below, and listens itself

module.exports = { app, limit, redis };
