// SPDX-License-Identifier: MIT
// The conversation in Node.js, with valkey-glide.
"use strict";

const { Batch, GlideClient, GlideClusterClient, Logger, ProtocolVersion, RequestError } = require("@valkey/valkey-glide");
const { PATIENCE_MS, run } = require("./talk");

Logger.init("off"); // it logs to standard output

// A map of RESP3 is a list of { key, value }.
function plain(reply) {
  if (reply instanceof RequestError) return { error: reply.message };
  if (!Array.isArray(reply)) return reply;
  const isMap = reply.length > 0 && reply.every((item) => item !== null && typeof item === "object" && "key" in item);
  return isMap ? Object.fromEntries(reply.map(({ key, value }) => [key, plain(value)])) : reply.map(plain);
}

async function ask(client, words) {
  try {
    return plain(await client.customCommand(words));
  } catch (error) {
    if (error instanceof RequestError) return plain(error);
    throw error;
  }
}

async function askTogether(client, isAtomic, commands) {
  const batch = new Batch(isAtomic);
  for (const words of commands) batch.customCommand(words);
  return (await client.exec(batch, false)).map(plain);
}

async function connect(port, mode) {
  const protocol = mode === "3" ? ProtocolVersion.RESP3 : ProtocolVersion.RESP2;
  const options = { addresses: [{ host: "127.0.0.1", port }], protocol };
  if (mode === "default" || mode === "once") options.requestTimeout = PATIENCE_MS;
  const client = await (mode === "cluster" ? GlideClusterClient : GlideClient).createClient(options);
  return {
    ask: (words) => ask(client, words),
    pipeline: (commands) => askTogether(client, false, commands),
    transaction: (commands) => askTogether(client, true, commands),
    close: () => client.close(),
  };
}

run(connect);
