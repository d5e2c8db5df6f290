// SPDX-License-Identifier: MIT
// The conversation in Node.js, with node-redis.
"use strict";

const { createClient, createCluster, ErrorReply, MultiErrorReply } = require("redis");
const { PATIENCE_MS, run } = require("./talk");

const plain = (reply) => (reply instanceof ErrorReply ? { error: reply.message } : reply);

async function ask(send, words) {
  try {
    return await send(words);
  } catch (error) {
    if (error instanceof ErrorReply) return plain(error);
    throw error;
  }
}

async function askInTransaction(client, commands) {
  const transaction = client.multi();
  for (const words of commands) transaction.addCommand(words);
  try {
    return await transaction.exec();
  } catch (error) {
    if (error instanceof MultiErrorReply) return error.replies.map(plain);
    throw error;
  }
}

const OPTIONS = {
  2: { RESP: 2 },
  3: { RESP: 3 },
  default: { commandOptions: { timeout: PATIENCE_MS }, socket: { socketTimeout: PATIENCE_MS } },
};

async function connect(port, mode) {
  const url = `redis://127.0.0.1:${port}`;
  const client = mode === "cluster" ? createCluster({ rootNodes: [{ url }] }) : createClient({ url, ...OPTIONS[mode] });
  client.on("error", (error) => console.error(error.message));
  await client.connect();
  // In a cluster, the key goes first: it tells the node.
  const send = (words) =>
    mode === "cluster" ? client.sendCommand(words[1], false, words) : client.sendCommand(words);
  return {
    ask: (words) => ask(send, words),
    // What is sent without waiting goes out together.
    pipeline: (commands) => Promise.all(commands.map((words) => ask(send, words))),
    transaction: (commands) => askInTransaction(client, commands),
    close: () => client.destroy(),
  };
}

run(connect);
