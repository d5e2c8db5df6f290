// SPDX-License-Identifier: MIT
// Traffic: who calls when, at what cost. Each kind is a row: its fields, for the page and the link, and a function that
// makes the calls as pairs of milliseconds from the start and a caller.

import { randomOf } from "./random.js";

export const MOST_CALLS = 5000;
export const DRAWN_STEPS = 24;
export const MOST_DRAWN = 20; // calls in a step
export const START = "2027-01-16T12:00:00Z"; // a full hour, so that windows of the clock begin there

const YEAR_S = 31_536_000;
const SECOND = 1_000_000_000n; // nanoseconds

const field = (name, label, value, min, max, step = "any") => ({ name, label, value, min, max, step });
const length = field("seconds", "Length, in seconds", 30, 1, YEAR_S);

const times = (count, make) => Array.from({ length: Math.max(0, Math.min(count, MOST_CALLS + 1)) }, (_, i) => make(i));
const each = (count, make) => times(count, make).flat();

/** Calls at random, so many a millisecond on average. */
function poisson(chance, milliseconds, rate, caller) {
  const calls = [];
  for (let at = 0; calls.length <= MOST_CALLS;) {
    at -= Math.log(1 - chance()) / rate;
    if (at >= milliseconds) break;
    calls.push([at, caller]);
  }
  return calls;
}

export const KINDS = {
  steady: {
    title: "Steady",
    about: "The same pause between any two calls.",
    fields: [
      length,
      field("rate", "Calls per second, of each caller", 2, 0.00001, 1000),
      field("callers", "Callers", 1, 1, 100, 1),
    ],
    make: ({ seconds, rate, callers }) =>
      each(callers, (caller) =>
        times(Math.floor(seconds * rate), (i) => [((i + caller / callers) * 1000) / rate, caller]),
      ),
  },
  bursts: {
    title: "Bursts",
    about: "Many calls at once, then a pause: a job, a page with many parts.",
    fields: [
      length,
      field("every", "A burst every … seconds", 6, 0.01, YEAR_S),
      field("size", "Calls in a burst", 14, 1, 1000, 1),
      field("gap", "Milliseconds between its calls", 40, 0, 60_000),
      field("callers", "Callers", 1, 1, 100, 1),
    ],
    make: ({ seconds, every, size, gap, callers }) =>
      each(callers, (caller) =>
        each(Math.ceil(seconds / every), (burst) =>
          times(size, (i) => [(burst + caller / callers) * every * 1000 + i * gap, caller]),
        ),
      ),
  },
  edge: {
    title: "A window's edge",
    about:
      "A call opens a window. The others come just before it ends, and as many again just after: a fixed window lets " +
      "nearly twice its size pass at once.",
    fields: [
      length,
      field("window", "The window, in seconds", 10, 0.1, YEAR_S),
      field("size", "Calls on each side of its end", 10, 1, 1000, 1),
      field("opening", "Of those before, at its begin", 1, 0, 1000, 1),
      field("gap", "Milliseconds between calls", 40, 0, 60_000),
    ],
    // Every other window, so that each begins anew for whoever counts from the first call.
    make: ({ seconds, window, size, opening, gap }) =>
      each(Math.floor((seconds / window + 1) / 2), (i) => {
        const begin = 2 * i * window * 1000;
        const end = begin + window * 1000;
        const early = Math.min(opening, size);
        const late = size - early;
        return [
          ...times(early, (j) => [begin + j * gap, 0]),
          ...times(late, (j) => [Math.max(begin, end + (j - late) * gap), 0]),
          ...times(size, (j) => [end + j * gap, 0]),
        ];
      }),
  },
  crowd: {
    title: "A crowd",
    about: "Many callers at random. The first, ann, asks ten times as often as the others.",
    fields: [
      length,
      field("callers", "Callers", 12, 1, 100, 1),
      field("rate", "Calls per second, of each", 0.4, 0.00001, 1000),
      field("seed", "Chance (another number, other traffic)", 1, 0, 2 ** 31, 1),
    ],
    make: ({ seconds, callers, rate, seed }) => {
      const chance = randomOf(seed);
      return each(callers, (caller) =>
        poisson(chance, seconds * 1000, ((caller === 0 ? 10 : 1) * rate) / 1000, caller),
      );
    },
  },
  drawn: {
    title: "Drawn",
    about: "Draw how many calls come in each step: drag over the bars, or use the arrow keys.",
    fields: [length],
    make: ({ seconds }, { drawn }) => {
      const step = (seconds * 1000) / DRAWN_STEPS;
      return drawn.flatMap((count, i) => times(count, (j) => [(i + j / count) * step, 0]));
    },
  },
  log: {
    title: "A pasted log",
    about:
      "A time in each line, and perhaps a subject and a cost behind commas; " +
      "or lines of nginx, Apache, JSON or MONITOR, as ratelimit-replay reads them. " +
      "Times are like 2026-11-30T13:03:31Z, 30/Nov/2026:13:03:31 +0000, or seconds since 1970.",
    fields: [],
  },
};

/** Values of the traffic at an edge that fit a limit: its window and size, and calls close together; {} if none fit. */
export function edgeOf({ size, window }) {
  const seconds = Number(window) / 1e9;
  const most = KINDS.edge.fields.find(({ name }) => name === "size").max;
  if (size < 2 || size > most || seconds < 0.1 || seconds * 3 > YEAR_S) return {};
  const gap = Number(Math.min(40, (40 * seconds) / size).toFixed(3));
  return { seconds: 3 * seconds, window: seconds, size, gap };
}

export const DRAWN = [1, 1, 2, 3, 5, 8, 12, 8, 5, 3, 2, 1, 0, 0, 0, 6, 6, 6, 6, 0, 0, 1, 1, 1];

const NAMES = ["ann", "ben", "cleo", "dan", "eve", "finn", "gil", "hana", "ida", "jon", "kim", "leo"];
const nameOf = (caller) => NAMES[caller] ?? `user:${caller + 1}`;

const later = (a, b) => (a > b ? a : b);
const counted = (count) => count.toLocaleString("en");

/**
 * `{start, end, calls, subjects, note}`: calls are `{at, subject, cost}` in the order of time. Of a log, also
 * `complaint`, what is wrong with who is limited or which calls count, `isOfClock`: its times of day are
 * meant, how many `lines` were read, and `isCut`: there are more of them.
 */
export function makeTraffic(settings, core) {
  if (settings.kind === "log") {
    const conditions = settings.like.split("\n").map((line) => line.trim());
    return trafficOfLog(core.readLog(settings.log, settings.who.trim(), conditions));
  }
  const start = (BigInt(Date.parse(settings.start)) * SECOND) / 1000n;
  const made = KINDS[settings.kind].make(settings.values, settings).sort((a, b) => a[0] - b[0]);
  const calls = made.slice(0, MOST_CALLS).map(([ms, subject]) => ({
    at: start + BigInt(Math.round(ms * 1e6)),
    subject,
    cost: settings.cost,
  }));
  const end = start + BigInt(Math.ceil(settings.values.seconds * 1000)) * (SECOND / 1000n);
  const callers = settings.values.callers ?? 1;
  const note = made.length > MOST_CALLS ? `Only the first ${counted(MOST_CALLS)} calls are shown.` : "";
  return { start, end: later(end, calls.at(-1)?.at ?? start), calls, subjects: times(callers, nameOf), note };
}

function trafficOfLog(log) {
  const { calls, subjects } = withTheirCallers(log.calls.slice(0, MOST_CALLS), log.subjects);
  const note = noteOfLog(log, calls.length);
  const complaint = inWordsOfPage(log.complaint);
  if (calls.length === 0) return { start: 0n, end: SECOND, calls, subjects: ["all"], note, complaint };
  const start = calls[0].at;
  const last = calls.at(-1).at;
  return {
    start,
    end: last + later((last - start) / 20n, SECOND),
    calls,
    subjects,
    note,
    isOfClock: true,
    ...readOf(log, calls),
  };
}

const readOf = ({ lines, isCut, calls }, shown) => ({ lines, isCut: isCut || shown.length < calls.length });

/** Callers of lines that are left out get no number. */
function withTheirCallers(calls, names) {
  const callers = [...new Set(calls.map(({ subject }) => subject))].sort((a, b) => a - b);
  const numbers = new Map(callers.map((subject, number) => [subject, number]));
  return {
    calls: calls.map((call) => ({ ...call, subject: numbers.get(call.subject) })),
    subjects: callers.map((subject) => names[subject]),
  };
}

export const WHO = "Who is limited";
export const LIKE = "Only calls like";
const inWordsOfPage = (text) => text.replace("--subject", WHO).replace("--where", LIKE);

const TIMES =
  " Times are taken like 2026-11-30T13:03:31Z, 30/Nov/2026:13:03:31 +0000, or seconds since 1970; " +
  "a time of day alone does not say the day.";

function noteOfLog(log, shown) {
  if (log.complaint !== "") return "";
  if (log.lines === 0) return "Paste some lines.";
  const read = `${counted(shown)} calls out of ${counted(log.lines)} lines${log.format ? ` (${log.format})` : ""}.`;
  const cut = log.isCut || shown < log.calls.length ? " The rest is left out." : "";
  const others = log.leftOut > 0 ? ` ${counted(log.leftOut)} are not like that.` : "";
  const wrong = log.first.map(({ line, reason }) => `line ${line}: ${inWordsOfPage(reason)}`).join("; ");
  const times = log.first.some(({ reason }) => reason.startsWith("no time")) ? TIMES : "";
  return `${read}${cut}${others}${wrong ? ` Not read: ${counted(log.malformed)} (${wrong}).${times}` : ""}`;
}
