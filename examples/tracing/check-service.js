// SPDX-License-Identifier: MIT
// Express middleware that asks examples/check-service over HTTP. The instrumentation of HTTP adds `traceparent` to the
// question.
"use strict";

const http = require("node:http");
const { describe } = require("./limiter-span.js");

const agent = new http.Agent({ keepAlive: true });

// The status and the answer of a request with JSON.
function post(url, body, timeout) {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeout);
    const headers = { "Content-Type": "application/json" };
    const request = http.request(url, { method: "POST", headers, agent, signal }, async (response) => {
      try {
        const parts = await response.toArray();
        resolve({ status: response.statusCode, headers: response.headers, answer: JSON.parse(Buffer.concat(parts)) });
      } catch (error) {
        reject(error);
      }
    });
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });
}

// What an answer means: a decision; or why there is none, and what holds then. No answer at all counts as an outage.
function decisionOf({ status, answer }) {
  if (status === undefined) return { failure: "outage", choice: "open" };
  if (status === 503) return { failure: "outage", choice: "closed" }; // so it was told: without_server
  if (status !== 200 && status !== 429) return { failure: "mistake", choice: "closed" };
  if (answer.failure) return { failure: "outage", choice: answer.allowed ? "open" : "closed" };
  const { label, remaining } = answer;
  return { label, granted: answer.allowed, remaining, waitMs: answer.wait_ms ?? -1 };
}

function refuse(res, status, retryAfter) {
  if (retryAfter) res.set("Retry-After", retryAfter);
  res.sendStatus(status);
}

function askService(url, { limiter, key, timeout = 100 }) {
  return async (req, res, next) => {
    const asked = await post(`${url}/check`, { limiter, subject: key(req) || "-" }, timeout).catch(() => ({}));
    const decision = decisionOf(asked);
    describe({ limiter, ...decision });
    if (decision.granted || decision.choice === "open") return next();
    return refuse(res, decision.failure === "mistake" ? 500 : asked.status, asked.headers["retry-after"]);
  };
}

module.exports = { askService };
