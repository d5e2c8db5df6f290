// SPDX-License-Identifier: MIT
// A conversation with a server: PROGRAM conversation.json PORT MODE. Prints JSON. test_conversation.py says what the
// modes are. A program gives a function that connects, and returns { ask, pipeline, transaction, close }.
"use strict";

const { readFileSync } = require("node:fs");

const PATIENCE_MS = 500; // how long to wait for a reply in the modes "default" and "once"

const words = (line) =>
  line.split(" ").map((word) => (word.startsWith("hex:") ? Buffer.from(word.slice(4), "hex") : word));

function converse(library, { command, pipeline, transaction }) {
  if (command) return library.ask(words(command));
  if (pipeline) return library.pipeline(pipeline.map(words));
  return library.transaction(transaction.map(words));
}

// Only where connections are broken on purpose, an error that the server did not send is heard too.
async function hear(library, step, mode) {
  try {
    return await converse(library, step);
  } catch (error) {
    if (mode !== "default" && mode !== "once") throw error;
    return { error: error.message };
  }
}

async function talk(connect) {
  const [conversation, port, mode] = process.argv.slice(2);
  const library = await connect(Number(port), mode);
  const heard = [];
  for (const step of JSON.parse(readFileSync(conversation, "utf8"))) heard.push(await hear(library, step, mode));
  console.log(JSON.stringify(heard));
  library.close();
}

module.exports = {
  PATIENCE_MS,
  run: (connect) =>
    talk(connect).catch((error) => {
      console.error(error);
      process.exit(1);
    }),
};
