// SPDX-License-Identifier: MIT
// The playground without a browser. Reads JSON from standard input and writes JSON:
//   answers   {limits, calls} -> the core's answer to each call: {at, subject, cost, mode, wait} or {at, subject, release}
//   shown     {limits, calls, mode, wait} -> what the page shows of each call: the command and the reply
//   log       {text} -> the calls of a log
//   most      {grants, window} -> the most units within any such time
//   texts     {limits, durations} -> what the reader makes of them
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [page, question] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${page}/js/${name}`));
const { loadCore, MODES } = await load("core.js");
const { replyInFull, simulate } = await load("simulation.js");
const { mostWithin } = await load("tally.js");
const { commandText, replyText, responseText, wordsOfCall } = await load("text.js");
const core = await loadCore(readFileSync(`${page}/core.wasm`));
const asked = JSON.parse(readFileSync(0, "utf8"));

function answers({ limits, calls }) {
  const { limits: read, error } = core.readLimits(limits);
  if (error) throw new Error(error);
  const session = core.open(limits);
  return calls.map((call) => {
    const at = BigInt(call.at);
    if (call.release) return session.release(call.subject, call.release, at);
    const reply = session.check(call.subject, at, call.cost, MODES[call.mode], BigInt(call.wait));
    return { ...reply, label: read[reply.binding].label, fields: session.httpFields() };
  });
}

function shown({ limits, calls, mode, wait }) {
  const contender = { ...core.readLimits(limits), text: limits };
  const longestWait = mode === "MAXWAIT" ? core.readDuration(wait).ns : 0n;
  const options = { mode, wait, longestWait, held: 0n };
  const subjects = ["ann", "b b", 'c"c'];
  const traffic = { calls: calls.map((call) => ({ ...call, at: BigInt(call.at) })), subjects };
  traffic.start = traffic.calls[0].at;
  traffic.end = traffic.calls.at(-1).at;
  const { replies } = simulate(core, contender, traffic, options, { subject: 0, instants: [] });
  return traffic.calls.map((call, i) => {
    const reply = replyInFull(core, contender, traffic, options, i);
    if (reply.waitMs !== replies[i].waitMs) throw new Error(`call ${i} is answered in two ways`);
    const words = wordsOfCall(contender, call, subjects[call.subject], options, reply.id);
    return {
      command: commandText(words),
      reply: replyText(reply, contender.haveLeases),
      response: responseText(reply),
    };
  });
}

function log({ text, subject, conditions }) {
  const read = core.readLog(text, subject, conditions);
  return { ...read, calls: read.calls.map(({ at, subject, cost }) => [String(at), read.subjects[subject], cost]) };
}

const most = ({ grants, window }) =>
  Number(
    mostWithin(
      grants.map(([at, units]) => ({ at: BigInt(at), units: BigInt(units) })),
      BigInt(window),
    ),
  );

const texts = ({ limits, durations }) => ({
  limits: limits.map((text) => core.readLimits(text)),
  durations: durations.map((text) => core.readDuration(text).error ?? null),
});

const withoutBigInt = (_, value) => (typeof value === "bigint" ? String(value) : value);
process.stdout.write(JSON.stringify({ answers, shown, log, most, texts }[question](asked), withoutBigInt));
