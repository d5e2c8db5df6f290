// SPDX-License-Identifier: MIT
// A service with two limited paths: /orders asks the server itself by the middleware of examples/express, /reports asks a
// check service. README.md starts it.
"use strict";

const express = require("express");
const Redis = require("ioredis");
const { rateLimit, connection } = require("../express/ratelimit");
const { askService } = require("./check-service.js");
const { describe } = require("./limiter-span.js");

const redis = new Redis(process.env.REDIS_URL ?? "redis://localhost:6379", connection);
redis.on("error", (error) => console.error(`redis: ${error.message || error.code}`));

const key = (req) => req.get("X-Api-Key"); // checked by something before this
const timeout = Number(process.env.TIMEOUT_MS ?? 100);
const onDecision = (req, decision) => describe(decision);
const limit = rateLimit(redis, { limiter: "api:orders", key, timeout, onDecision });
const service = process.env.CHECK_SERVICE ?? "http://localhost:8081";

const app = express();
app.use("/orders", limit);
app.use("/reports", askService(service, { limiter: "api:reports", key, timeout }));
app.get("/orders", (req, res) => res.send("orders\n"));
app.get("/reports", (req, res) => res.send("reports\n"));

const server = app.listen(process.env.PORT ?? 3000, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
