// SPDX-License-Identifier: MIT
// Who may go on: two ways to answer the same question, with the same answer.
//
//   const answer = await limiter.ask("api:free", "a caller");
//
//   answer.granted   whether the request may go on
//   answer.label     the limit that decided
//   answer.waitMs    refused: how long until it would be granted
//   answer.fields    fields of the HTTP response, as names and values
"use strict";

// The usual counter: a window of the clock, in the memory of this node. It knows nothing of the other nodes.
class NodeCounter {
  constructor(limit, windowMs) {
    this.limit = limit;
    this.windowMs = windowMs;
    this.window = 0;
    this.used = new Map();
  }

  async ask(limiter, subject) {
    const now = Date.now();
    const window = Math.floor(now / this.windowMs);
    if (window !== this.window) {
      this.window = window;
      this.used.clear();
    }
    const name = `${limiter} ${subject}`;
    const used = this.used.get(name) ?? 0;
    const granted = used < this.limit;
    if (granted) this.used.set(name, used + 1);
    return this.answer(granted, (window + 1) * this.windowMs - now, this.limit - used - (granted ? 1 : 0));
  }

  answer(granted, leftMs, remaining) {
    const seconds = Math.ceil(leftMs / 1000);
    const fields = {
      "RateLimit-Policy": `"node";q=${this.limit};w=${Math.ceil(this.windowMs / 1000)}`,
      RateLimit: `"node";r=${remaining};t=${seconds}`,
    };
    if (!granted) fields["Retry-After"] = String(seconds);
    return { granted, label: "node", waitMs: granted ? 0 : leftMs, fields };
  }
}

// The same question to Redis or Valkey. The limits are stored there (RL.DEFINE), so all nodes have the same ones, and
// the server writes the fields of the response. With `limits`, a node has its own instead, and each caller is a key.
class SharedLimiter {
  constructor(redis, { jitter, limits } = {}) {
    this.redis = redis;
    this.limits = limits ? limits.split(" ") : undefined;
    this.options = jitter ? ["JITTER", jitter, "HEADERS"] : ["HEADERS"];
  }

  async ask(limiter, subject) {
    const about = this.limits ? [`${limiter}:${subject}`, ...this.limits] : [limiter, "FOR", subject];
    const reply = await this.redis.call("RL.CHECK", ...about, ...this.options);
    const [granted, , , waitMs, , label, names] = reply;
    const fields = {};
    for (let i = 0; i < names.length; i += 2) fields[names[i]] = names[i + 1];
    return { granted: granted > 0, label, waitMs, fields };
  }

  // The same question, which takes nothing.
  async askForNothing(limiter) {
    await this.redis.call("RL.CHECK", limiter, "FOR", "start-up", "COST", 0, ...this.options);
  }
}

module.exports = { NodeCounter, SharedLimiter };
