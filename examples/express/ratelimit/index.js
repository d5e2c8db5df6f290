// SPDX-License-Identifier: MIT
// Express middleware that asks RL.CHECK for each request, and answers 429 itself. Options, and what is answered when:
// docs/middleware.md.
"use strict";

const { randomInt, randomUUID } = require("node:crypto");
const { setTimeout: sleep } = require("node:timers/promises");
const { callerAt, nameOf } = require("./caller.js");
const { Lines } = require("./guard.js");
const { checked, fieldsOf } = require("./options.js");
const { Server, connection, clusterConnection, isMistake } = require("./server.js");

const SANE_ID = /^[\w.-]{1,64}$/;
const LARGEST_COST = Number.MAX_SAFE_INTEGER;
const QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded";

// RFC 9457
function refuse(res, status, title, members, type = "about:blank") {
  res.statusCode = status;
  res.setHeader("Content-Type", "application/problem+json");
  res.end(JSON.stringify({ type, title, status, ...members }));
  return false;
}

const valueFor = (option, req) => (typeof option === "function" ? option(req) : option);

class Middleware {
  constructor(redis, options) {
    this.o = checked(options);
    this.server = new Server(redis, this.o.timeout);
    this.lines = new Lines();
    this.tail = this.o.jitter ? ["JITTER", this.o.jitter, "HEADERS"] : ["HEADERS"];
  }

  log(line, about, otherwise = console.warn) {
    const bounded = this.lines.bounded(`ratelimit: ${line}`, about);
    if (bounded) (this.o.log ?? otherwise)(bounded);
  }

  // --- the question ---

  // The key and the words that say whose limits these are.
  about(name, limits, limiter) {
    const given = limiter || limits;
    if (typeof given !== "string" || !given.trim()) throw new TypeError("limits and limiter must give a text");
    return limiter ? [limiter, "FOR", name] : [this.o.prefix + name, ...limits.trim().split(/\s+/)];
  }

  async question(req) {
    const units = await this.o.cost(req);
    if (!(units >= 0)) throw new RangeError("cost must be 0 or more");
    if (units === 0) return undefined;
    const name = nameOf(await this.o.key(req));
    const limiter = await valueFor(this.o.limiter, req);
    const about = this.about(name, await valueFor(this.o.limits, req), limiter);
    return { name, limiter, about, units: Math.ceil(Math.min(units, LARGEST_COST)) };
  }

  // An estimate is held while the request is served, if a successful one costs nothing in the end.
  words({ about: [key, ...rest], units }) {
    const reserve = ["RL.RESERVE", key, this.o.hold];
    return [...(this.o.skipSuccessfulRequests ? reserve : ["RL.CHECK", key]), ...rest, "COST", units, ...this.tail];
  }

  // --- the answer ---

  // True if the request may go on. Otherwise it has been answered, or there is nobody to answer.
  async admit(req, res, next) {
    const given = req.headers["x-request-id"] ?? "";
    const request_id = SANE_ID.test(given) ? given : randomUUID();
    req.headers["x-request-id"] = request_id;
    res.setHeader("X-Request-Id", request_id);
    const question = await this.question(req);
    if (!question) return true;
    const answer = await this.server.ask(...this.words(question));
    if (res.headersSent || res.destroyed) return false; // the client has left, or was answered by somebody else
    if (answer.error) return this.fail(req, res, request_id, answer, question);
    const [granted, limit, remaining, waitMs, resetMs, label, id] = answer.reply;
    req.rateLimit = { granted: granted > 0, limit, remaining, waitMs, resetMs, label };
    this.o.onDecision?.(req, { limiter: question.limiter, ...req.rateLimit });
    for (const [field, value] of fieldsOf(answer.reply.at(-1), this.o.headers)) res.setHeader(field, value);
    if (granted === 0) return this.deny(req, res, next, request_id, question.name);
    if (this.o.skipSuccessfulRequests) res.once("close", () => this.settle(res, question, id, request_id));
    return true;
  }

  deny(req, res, next, request_id, name) {
    const { label, waitMs } = req.rateLimit;
    this.log(`denied request_id=${request_id} limit=${label} wait_ms=${waitMs}`, `denied ${name}`);
    res.statusCode = 429;
    if (this.o.handler) return Promise.resolve(this.o.handler(req, res, next)).then(() => false);
    const about = { "violated-policies": [label], wait_ms: waitMs < 0 ? null : waitMs, request_id };
    if (this.o.message) about.detail = this.o.message;
    return refuse(res, 429, "Too Many Requests", about, QUOTA_EXCEEDED);
  }

  // An outage passes by itself, and the caller may come again. A mistake stays until somebody mends it.
  fail(req, res, request_id, { error, isMistake }, { limiter }) {
    const [what, choice] = isMistake ? ["mistake", this.o.onMistake] : ["failed", this.o.onFailure];
    const line = `${what} ${choice} request_id=${request_id} error=${JSON.stringify(error)}`;
    this.log(line, `${what} ${error}`, isMistake ? console.error : console.warn);
    this.o.onDecision?.(req, { limiter, failure: isMistake ? "mistake" : "outage", choice });
    if (choice === "open") return true;
    if (isMistake) return refuse(res, 500, "Internal Server Error", { request_id });
    res.setHeader("Retry-After", String(randomInt(1, 6))); // not all at once
    return refuse(res, 503, "Service Unavailable", { request_id });
  }

  // After the response: what the request costs in the end. If it was not answered, it was not successful.
  async settle(res, { about: [key, ...rest], units }, id, request_id) {
    const actual = res.writableFinished && res.statusCode < 400 ? 0 : units;
    const { error, isMistake } = await this.server.ask("RL.SETTLE", key, id, actual, ...rest);
    if (!error) return;
    const line = `unsettled request_id=${request_id} error=${JSON.stringify(error)}`;
    this.log(line, `unsettled ${error}`, isMistake ? console.error : console.warn);
  }

  // --- before the first request ---

  // Asks once, and takes nothing: a mistake is thrown. Waits for a server that is away; in the end, onFailure applies.
  async ready() {
    const isKnown = ![this.o.limits, this.o.limiter].some((given) => typeof given === "function");
    const about = this.about("start-up", ...(isKnown ? [this.o.limits, this.o.limiter] : ["FIXED 1 1s"]));
    const end = performance.now() + this.o.patience;
    let answer = await this.askForNothing(about);
    while (answer.error && !answer.isMistake && performance.now() < end) {
      await sleep(100);
      answer = await this.askForNothing(about);
    }
    if (!answer.error) return;
    const [what, choice] = answer.isMistake ? ["mistake", this.o.onMistake] : ["failed", this.o.onFailure];
    if (choice === "closed") throw new Error(`ratelimit: ${answer.error}`);
    const line = `${what} ${choice} at start-up error=${JSON.stringify(answer.error)}`;
    this.log(line, "start-up", answer.isMistake ? console.error : console.warn);
  }

  // By the commands of a request, so that a right that is missing is found too. A limit that is closed holds nothing,
  // and gives no id.
  async askForNothing(about) {
    const answer = await this.server.askAtOnce(...this.words({ about, units: 0 }));
    if (answer.error || !this.o.skipSuccessfulRequests) return answer;
    return this.server.askAtOnce("RL.SETTLE", about[0], answer.reply[6] ?? "none", 0, ...about.slice(1));
  }
}

function rateLimit(redis, options) {
  const middleware = new Middleware(redis, options);
  const handle = (req, res, next) => middleware.admit(req, res, next).then((go) => go && next(), next);
  return Object.assign(handle, { ready: () => middleware.ready() });
}

module.exports = { rateLimit, callerAt, connection, clusterConnection, isMistake };
