// A short conversation of ioredis with the server at the socket given: replies, an error, a pipeline, a transaction.
// Prints what it heard as JSON.
"use strict";

const Redis = require("ioredis");

async function converse(redis) {
  const heard = {};
  heard.call = await redis.call("RL.TOKENBUCKET", "bucket", 20, 10, "1s", "COST", 3);
  heard.denied = await redis.call("RL.TOKENBUCKET", "bucket", 20, 10, "1s", "COST", 20);
  heard.label = await redis.call("RL.CHECK", "labelled", "FIXED", 10, "60s", "AS", "logins");
  heard.missing = await redis.call("RL.PEEK", "nobody");
  heard.error = await redis.call("RL.FIXED", "bad", 0, "60s").catch((error) => error.message);

  const pipelined = await redis
    .pipeline()
    .call("RL.FIXED", "pipelined", 3, "60s", "COST", 2)
    .call("RL.FIXED", "pipelined", 3, "60s", "COST", 2)
    .call("RL.FIXED", "pipelined", 3, "60s", "COST", "two")
    .exec();
  heard.pipeline = pipelined.map(([error, reply]) => (error ? error.message : reply));

  const decided = await redis
    .multi()
    .call("RL.FIXED", "decided", 3, "60s", "COST", 2)
    .call("RL.FIXED", "decided", 3, "60s")
    .call("RL.FIXED", "decided", 3, "60s")
    .exec();
  heard.transaction = decided.map(([error, reply]) => (error ? error.message : reply));

  const info = await redis.call("RL.INFO", "decided");
  const limits = info[info.indexOf("limits") + 1];
  heard.info = limits[0][limits[0].indexOf("limit") + 1];
  return heard;
}

async function main() {
  const redis = new Redis({ path: process.argv[2], maxRetriesPerRequest: 1 });
  try {
    console.log(JSON.stringify(await converse(redis)));
  } finally {
    redis.disconnect();
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
