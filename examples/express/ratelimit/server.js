// SPDX-License-Identifier: MIT
// How a command reaches the server, by ioredis; and which of its errors are mistakes. For another library, change this
// file.
"use strict";

const { Command } = require("ioredis");
const { Breaker } = require("./guard.js");

// For new Redis(…, connection): a server that is away fails the call now rather than later, no call is sent twice, and
// a connection that hangs is left.
const connection = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 1000,
  socketTimeout: 1000,
};
// The same for new Redis.Cluster(nodes, clusterConnection). Without a queue, calls to a node that is being connected to
// would fail; that there is no queue for a whole cluster that is away, #send sees to.
const clusterConnection = {
  enableOfflineQueue: true,
  retryDelayOnFailover: 0, // such a call may have been charged
  clusterRetryStrategy: () => 100,
  redisOptions: connection,
};

// ioredis knows the keys only of Redis' own commands: one of a module goes to any node of a cluster, and has no prefix.
class KeyedCommand extends Command {
  constructor(name, key, words, prefix = "") {
    super(name, [`${prefix}${key}`, ...words], { replyEncoding: "utf8" });
  }

  getKeys() {
    return [this.args[0]];
  }
}

// What the server says of itself: that it cannot decide now. Any other error that it answers is a mistake.
const OUTAGES = [
  ...["LOADING", "BUSY", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK"],
  ...["OOM", "MISCONF", "NOREPLICAS", "ERR max number of clients"],
];

const isMistake = ({ name, message }) =>
  name === "ReplyError" && !OUTAGES.some((outage) => message === outage || message.startsWith(`${outage} `));

// An error has a text, though some have none of their own.
const textOf = (error) => error.message || error.code || error.errors?.map(textOf).join(", ") || String(error);

// Why a client has no connection: a better reason than that there is none. One for all middlewares of a client.
const troubles = new WeakMap();

function troubleOf(redis) {
  if (!troubles.has(redis)) {
    const trouble = { error: undefined };
    redis.on?.("error", (error) => (trouble.error = error.lastNodeError ?? error)); // of a cluster: what a node said
    redis.on?.("ready", () => (trouble.error = undefined));
    troubles.set(redis, trouble);
  }
  return troubles.get(redis);
}

class Server {
  #redis;
  #timeout;
  #breaker;
  #trouble;

  constructor(redis, timeout) {
    this.#redis = redis;
    this.#timeout = timeout;
    this.#breaker = new Breaker(timeout);
    this.#trouble = troubleOf(redis);
  }

  // What `ask` comes to: { reply }, or { error } and whether it is a mistake. A reply that comes later is dropped.
  async ask(...words) {
    if (!this.#breaker.mayAsk()) return { error: "not asked, since the server does not answer", isMistake: false };
    return this.askAtOnce(...words);
  }

  // The same, whatever was before.
  async askAtOnce(name, key, ...words) {
    let timer;
    const answer = new Promise((resolve, reject) => {
      timer = setTimeout(reject, this.#timeout, new Error(`no answer within ${this.#timeout} ms`));
      Promise.resolve(this.#send(name, key, words)).then(resolve, reject);
    });
    try {
      const reply = await answer;
      this.#breaker.note(true);
      return { reply };
    } catch (failure) {
      const error = failure.name === "ReplyError" ? failure : (this.#trouble.error ?? failure);
      this.#breaker.note(isMistake(error));
      return { error: textOf(error), isMistake: isMistake(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  #send(name, key, words) {
    const { isCluster, status } = this.#redis;
    if (isCluster && status !== "ready") throw new Error(`no connection to the cluster: ${status}`);
    return this.#redis.sendCommand(new KeyedCommand(name, key, words, this.#redis.options?.keyPrefix));
  }
}

module.exports = { Server, connection, clusterConnection, isMistake };
