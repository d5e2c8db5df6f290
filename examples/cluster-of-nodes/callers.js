// SPDX-License-Identifier: MIT
// Many callers at once who do as they are told: who is refused comes back when the answer says so, until it is served.
//
//   node callers.js http://127.0.0.1:8080/orders free-crowd 1000 retry-after|wait_ms
//
//   retry-after   after the whole seconds of the field Retry-After
//   wait_ms       after the milliseconds in the body
//
// Prints JSON: how many requests it took, how long until all were served, and how many were told to come back after so
// many tenths of a second when they were first refused.
"use strict";

const http = require("node:http");
const { setTimeout: sleep } = require("node:timers/promises");

const [url, key, count, obeyed] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });

function ask() {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, headers: { "X-Api-Key": key } }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part) => (body += part));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    request.on("error", reject);
  });
}

const waitTold = ({ headers, body }) =>
  obeyed === "wait_ms" ? JSON.parse(body).wait_ms : Number(headers["retry-after"]) * 1000;

const toldAtFirst = {};

async function call() {
  for (let requests = 1; ; requests++) {
    const answer = await ask();
    if (answer.status === 200) return requests;
    if (answer.status !== 429) throw new Error(`${answer.status}: ${answer.body}`);
    const wait = waitTold(answer);
    const tenth = Math.floor(wait / 100);
    if (requests === 1) toldAtFirst[tenth] = (toldAtFirst[tenth] ?? 0) + 1;
    await sleep(wait);
  }
}

async function main() {
  const started = performance.now();
  const tries = await Promise.all(Array.from({ length: Number(count) }, call));
  const requests = tries.reduce((sum, each) => sum + each, 0);
  console.log(JSON.stringify({ requests, seconds: (performance.now() - started) / 1000, toldAtFirst }));
  agent.destroy();
}

main();
