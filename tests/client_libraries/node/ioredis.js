// SPDX-License-Identifier: MIT
// The conversation in Node.js, with ioredis.
"use strict";

const Redis = require("ioredis");
const { PATIENCE_MS, run } = require("./talk");

const plain = (error) => ({ error: error.message });

async function ask(redis, words) {
  try {
    return await redis.call(...words);
  } catch (error) {
    if (error instanceof Redis.ReplyError) return plain(error);
    throw error;
  }
}

// batch: what redis.pipeline() or redis.multi() gave.
async function askTogether(batch, commands) {
  for (const words of commands) batch.call(...words);
  const replies = await batch.exec();
  return replies.map(([error, reply]) => (error ? plain(error) : reply));
}

const OPTIONS = {
  2: { protocol: 2 },
  3: { protocol: 3, replyMapping: "resp3" },
  prefix: { keyPrefix: "app:" },
  default: { commandTimeout: PATIENCE_MS },
  once: { commandTimeout: PATIENCE_MS, maxRetriesPerRequest: 0 },
};

async function connect(port, mode) {
  const redis =
    mode === "cluster" ? new Redis.Cluster([{ host: "127.0.0.1", port }]) : new Redis(port, OPTIONS[mode]);
  redis.on("error", (error) => console.error(error.message));
  return {
    ask: (words) => ask(redis, words),
    pipeline: (commands) => askTogether(redis.pipeline(), commands),
    transaction: (commands) => askTogether(redis.multi(), commands),
    close: () => redis.disconnect(),
  };
}

run(connect);
