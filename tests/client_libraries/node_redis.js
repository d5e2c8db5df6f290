// SPDX-License-Identifier: MIT
// The conversation in Node.js, with node-redis: node_redis.js conversation.json SOCKET PROTOCOL. Prints JSON.
"use strict";

const { readFileSync } = require("node:fs");
const { createClient, ErrorReply, MultiErrorReply } = require("redis");

const words = (line) =>
  line.split(" ").map((word) => (word.startsWith("hex:") ? Buffer.from(word.slice(4), "hex") : word));

function plain(reply) {
  return reply instanceof ErrorReply ? { error: reply.message } : reply;
}

async function ask(client, line) {
  try {
    return await client.sendCommand(words(line));
  } catch (error) {
    if (error instanceof ErrorReply) return plain(error);
    throw error;
  }
}

// What is sent without waiting goes out together.
const askTogether = (client, lines) => Promise.all(lines.map((line) => ask(client, line)));

async function askInTransaction(client, lines) {
  const transaction = client.multi();
  for (const line of lines) transaction.addCommand(words(line));
  try {
    return await transaction.exec();
  } catch (error) {
    if (error instanceof MultiErrorReply) return error.replies.map(plain);
    throw error;
  }
}

function converse(client, { command, pipeline, transaction }) {
  if (command) return ask(client, command);
  if (pipeline) return askTogether(client, pipeline);
  return askInTransaction(client, transaction);
}

async function main(conversation, socket, protocol) {
  const client = createClient({ RESP: Number(protocol), socket: { path: socket, reconnectStrategy: false } });
  client.on("error", (error) => console.error(error.message));
  await client.connect();
  try {
    const heard = [];
    for (const step of JSON.parse(readFileSync(conversation, "utf8"))) heard.push(await converse(client, step));
    console.log(JSON.stringify(heard));
  } finally {
    client.destroy();
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
