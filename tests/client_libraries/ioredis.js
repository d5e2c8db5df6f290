// SPDX-License-Identifier: MIT
// The conversation in Node.js, with ioredis: ioredis.js conversation.json SOCKET PROTOCOL. Prints JSON.
"use strict";

const { readFileSync } = require("node:fs");
const Redis = require("ioredis");

const words = (line) =>
  line.split(" ").map((word) => (word.startsWith("hex:") ? Buffer.from(word.slice(4), "hex") : word));

const plain = (error) => ({ error: error.message });

async function ask(redis, line) {
  try {
    return await redis.call(...words(line));
  } catch (error) {
    if (error instanceof Redis.ReplyError) return plain(error);
    throw error;
  }
}

// pipeline: what redis.pipeline() or redis.multi() gave.
async function askTogether(pipeline, lines) {
  for (const line of lines) pipeline.call(...words(line));
  const replies = await pipeline.exec();
  return replies.map(([error, reply]) => (error ? plain(error) : reply));
}

function converse(redis, { command, pipeline, transaction }) {
  if (command) return ask(redis, command);
  if (pipeline) return askTogether(redis.pipeline(), pipeline);
  return askTogether(redis.multi(), transaction);
}

async function main(conversation, socket, protocol) {
  const redis = new Redis({ path: socket, maxRetriesPerRequest: 1 });
  redis.on("error", (error) => console.error(error.message));
  try {
    if (protocol !== "2") await redis.call("HELLO", protocol); // ioredis 5 has no option for it
    const heard = [];
    for (const step of JSON.parse(readFileSync(conversation, "utf8"))) heard.push(await converse(redis, step));
    console.log(JSON.stringify(heard));
  } finally {
    redis.disconnect();
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
