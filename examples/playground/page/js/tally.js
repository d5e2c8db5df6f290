// SPDX-License-Identifier: MIT
// What became of the calls, counted for all callers together and for each alone. Knows no page.

const NONE = { calls: 0, granted: 0, waiting: 0, denied: 0, longestDenialMs: 0, longestHoldMs: 0 };

const isDenied = ({ outcome }) => outcome === "denied" || outcome === "never";

function count(tally, reply) {
  ++tally.calls;
  if (isDenied(reply)) ++tally.denied;
  else ++tally.granted; // also those that wait
  if (reply.outcome === "denied") tally.longestDenialMs = Math.max(tally.longestDenialMs, reply.waitMs);
  if (reply.outcome !== "waiting") return;
  ++tally.waiting;
  tally.longestHoldMs = Math.max(tally.longestHoldMs, reply.waitMs);
}

/**
 * The most units that went on within any time of `window` nanoseconds. `grants` are `{at, units}`, all numbers BigInt.
 * What is a whole window older counts no more, as for SLIDING.
 */
export function mostWithin(grants, window) {
  const inOrder = grants.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  let sum = 0n;
  let most = 0n;
  let oldest = 0;
  for (const { at, units } of inOrder) {
    sum += units;
    for (; inOrder[oldest].at <= at - window; ++oldest) sum -= inOrder[oldest].units;
    if (sum > most) most = sum;
  }
  return most;
}

/** What one call got under a limit, at the instant at which it went on; a call that waits goes on later. */
function grantOf({ at }, { granted, waitNs, outcome }, { isPerRequest }) {
  const goesOnAt = outcome === "waiting" ? at + BigInt(waitNs) : at;
  return { at: goesOnAt, units: isPerRequest ? 1n : BigInt(granted) };
}

/** For each limit that has a window, the most that a caller was granted within it; null for a limit without one. */
function mostOf(limits, calls, replies, indices) {
  const passed = indices.filter((i) => replies[i].granted > 0);
  return limits.map((limit) =>
    limit.window === undefined
      ? null
      : mostWithin(
          passed.map((i) => grantOf(calls[i], replies[i], limit)),
          limit.window,
        ),
  );
}

/** Whose figure is the largest under limit `i`: `{units, subject}`, or null. */
function largest(callers, i) {
  let best = null;
  for (const [subject, { most }] of callers) {
    if (most[i] !== null && (best === null || most[i] > best.units)) best = { units: most[i], subject };
  }
  return best;
}

/**
 * `{all, callers}`: of each caller, by number, how many calls there were and what became of them, the longest wait that
 * a denied call was told, the longest time for which the service holds a granted call, and `most[i]`, the most units of
 * limit i that were granted within its window. `all` also has how many callers were denied and how many wait.
 */
export function tallyOf(limits, calls, replies) {
  const all = { ...NONE, callersDenied: 0, callersWaiting: 0 };
  const callers = new Map();
  const indices = new Map();
  replies.forEach((reply, i) => {
    const { subject } = calls[i];
    if (!callers.has(subject)) {
      callers.set(subject, { ...NONE });
      indices.set(subject, []);
    }
    count(callers.get(subject), reply);
    indices.get(subject).push(i);
    count(all, reply);
  });
  for (const [subject, tally] of callers) {
    tally.most = mostOf(limits, calls, replies, indices.get(subject));
    if (tally.denied > 0) ++all.callersDenied;
    if (tally.waiting > 0) ++all.callersWaiting;
  }
  all.most = limits.map((_, i) => largest(callers, i));
  return { all, callers };
}

/** The tally of somebody who may have asked nothing. */
export const tallyOfCaller = ({ limits, result }, subject) =>
  result.tally.callers.get(subject) ?? {
    ...NONE,
    most: limits.map(({ window }) => (window === undefined ? null : 0n)),
  };

/** The next call after `index` that was denied, of one caller or (null) of anybody; after the last one, the first. */
export function nextDenied({ replies }, calls, index, subject) {
  const fits = (reply, i) => isDenied(reply) && (subject === null || calls[i].subject === subject);
  const later = replies.findIndex((reply, i) => i > index && fits(reply, i));
  return later >= 0 ? later : replies.findIndex(fits);
}
