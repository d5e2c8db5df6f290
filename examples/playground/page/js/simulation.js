// SPDX-License-Identifier: MIT
// One list of limits after the other meets the same traffic. Here is only the order of events; the core decides.

import { MODES } from "./core.js";
import { tallyOf } from "./tally.js";

/** A session that calls arrive at, and whose holders let go of their leases. */
class Run {
  #session;
  #options;
  #held = []; // leases that will be released, in the order of time

  constructor(session, options) {
    this.#session = session;
    this.#options = options;
  }

  releaseUntil(at) {
    while (this.#held.length > 0 && this.#held[0].end <= at) {
      const { subject, id, end } = this.#held.shift();
      this.#session.release(subject, id, end);
    }
  }

  check(call) {
    this.releaseUntil(call.at);
    const { mode, longestWait, held } = this.#options;
    const reply = this.#session.check(call.subject, call.at, call.cost, MODES[mode], longestWait);
    const goesOnAt = call.at + BigInt(Math.max(reply.waitMs, 0)) * 1_000_000n;
    if (reply.id !== "" && held > 0n) this.#hold({ subject: call.subject, id: reply.id, end: goesOnAt + held });
    return reply;
  }

  #hold(lease) {
    const place = this.#held.findIndex(({ end }) => end > lease.end);
    this.#held.splice(place < 0 ? this.#held.length : place, 0, lease);
  }
}

/** Calls `work(session, run)` with a session of its own. */
function inSession(core, contender, options, work) {
  const session = core.open(contender.text);
  try {
    return work(session, new Run(session, options));
  } finally {
    session.close();
  }
}

/** What became of a call: granted at once, told to wait for its turn, denied until later, or never to be granted. */
export function outcomeOf(reply, call, mode) {
  if (reply.waitMs === -1) return "never";
  const isGranted = reply.granted > 0 || (call.cost === 0 && reply.waitMs === 0);
  if (!isGranted) return "denied";
  return reply.waitMs > 0 && mode !== "FORCE" ? "waiting" : "granted"; // FORCE: how long the debt lasts
}

/** So many instants, from the beginning of the traffic to its end. */
export function instantsOf({ start, end }, count) {
  return Array.from({ length: count }, (_, i) => start + ((end - start) * BigInt(i)) / BigInt(count - 1));
}

/**
 * All calls meet the limits. `used[i]` is the course of what counts under limit i for one subject: `{at, used}` at each
 * of `instants`, and before and after each of the subject's calls. `tally` counts what became of all calls (tally.js).
 */
export function simulate(core, contender, traffic, options, { subject, instants }) {
  return inSession(core, contender, options, (session, run) => {
    const used = contender.limits.map(() => []);
    const note = (at) => used.forEach((course, i) => course.push({ at, used: session.status(subject, i, at).used }));
    let next = 0;
    const noteUntil = (at) => {
      for (; next < instants.length && instants[next] < at; ++next) {
        run.releaseUntil(instants[next]);
        note(instants[next]);
      }
      run.releaseUntil(at);
    };
    const replies = traffic.calls.map((call) => {
      noteUntil(call.at);
      if (call.subject === subject) note(call.at);
      const reply = run.check(call);
      if (call.subject === subject) note(call.at);
      return { ...reply, outcome: outcomeOf(reply, call, options.mode) };
    });
    noteUntil(traffic.end + 1n);
    return { replies, used, tally: tallyOf(contender.limits, traffic.calls, replies) };
  });
}

/** The calls of one subject until `index`, or until an instant: no other's calls change how its limits stand. */
const ownCalls = (calls, subject, isUntil) => calls.filter((call, i) => call.subject === subject && isUntil(call, i));

/**
 * The call of that index, as the server would answer it, with its HTTP fields. All calls of its subject before it come
 * again; leases are numbered for the subject alone.
 */
export function replyInFull(core, contender, traffic, options, index) {
  return inSession(core, contender, options, (session, run) => {
    let reply;
    const { subject } = traffic.calls[index];
    for (const call of ownCalls(traffic.calls, subject, (_, i) => i <= index)) reply = run.check(call);
    const label = contender.limits[reply.binding].label;
    return {
      ...reply,
      label,
      fields: session.httpFields(),
      outcome: outcomeOf(reply, traffic.calls[index], options.mode),
    };
  });
}

/** How each limit stands for a subject at an instant, once all calls up to it have been decided. */
export function statusesAt(core, contender, traffic, options, subject, at) {
  return inSession(core, contender, options, (session, run) => {
    for (const call of ownCalls(traffic.calls, subject, (call) => call.at <= at)) run.check(call);
    run.releaseUntil(at);
    return contender.limits.map(({ label, size }, i) => ({ label, size, ...session.status(subject, i, at) }));
  });
}
