// SPDX-License-Identifier: MIT
// What the user has chosen, and how a link holds it. A link is text from strangers: what does not fit is left out.

import { MODES } from "./core.js";
import { DRAWN, DRAWN_STEPS, KINDS, MOST_DRAWN, START } from "./traffic.js";

export const MOST_CONTENDERS = 12;
export const MOST_LINK_CHARACTERS = 2_000_000; // what Chromium opens
export const MOST_ADDRESS_LOG = 50_000; // characters of a log in the address: with more, browsers need long for a click
const MOST_WORD_CHARACTERS = 2000;
const MOST_COST = 2 ** 53 - 1;

/** An example of each algorithm, and of a list. */
export const EXAMPLES = [
  ["Token bucket: a burst, then a steady rate", "TOKENBUCKET 10 1 1s"],
  ["Leaky bucket: a queue", "LEAKYBUCKET 10 1 1s"],
  ["Fixed window", "FIXED 10 10s"],
  ["Fixed window of the clock", "FIXED 10 10s ALIGNED"],
  ["Sliding window: never more in any", "SLIDING 10 10s"],
  ["Sliding window, approximate", "SLIDING 10 10s APPROX"],
  ["Quota of the calendar", "QUOTA 40 HOUR"],
  ["So many at once", "CONCURRENT 5 10s"],
  ["Two limits together", "TOKENBUCKET 5 1 1s AS burst FIXED 15 10s AS total"],
];

export const ONE_OF_EACH = EXAMPLES.slice(0, 8).map(([, text]) => text);
const FIRST = ["TOKENBUCKET 10 1 1s", "LEAKYBUCKET 10 1 1s", "FIXED 10 10s", "SLIDING 10 10s"];

export const valuesOf = (kind) => Object.fromEntries(KINDS[kind].fields.map(({ name, value }) => [name, value]));

export function usualSettings() {
  return {
    limits: [...FIRST],
    kind: "bursts",
    values: valuesOf("bursts"),
    drawn: [...DRAWN],
    log: "",
    who: "", // is limited, in the words of ratelimit-replay's --subject; empty: the usual one of the format
    like: "", // only calls like this: a condition of --where in each line
    start: START,
    cost: 1,
    mode: "deny",
    wait: "2s",
    held: "2s",
    subject: 0,
    contender: 0,
    clock: null, // nanoseconds from the start; null: at the end
    call: null, // the call that was stepped to, if the clock stands at one
  };
}

/** A number of a field as it may be: within its bounds, and whole if it must be. */
export function fitting({ min, max, step, value }, wanted) {
  const number = Number(wanted);
  if (wanted === "" || !Number.isFinite(number)) return value;
  const inside = Math.min(Math.max(number, min), max);
  return step === 1 ? Math.round(inside) : inside;
}

export const fittingCost = (wanted) => fitting({ min: 0, max: MOST_COST, step: 1, value: 1 }, wanted);

export const isStart = (text) => /^\d{4}-\d\d-\d\dT/.test(text) && Date.parse(text) >= 0 && Date.parse(text) < 7.2e12;

/** The part of a link behind `#`. Only what the kind of traffic needs is in it. */
export function toLink(settings) {
  const link = new URLSearchParams(settings.limits.map((text) => ["limit", text]));
  link.set("traffic", settings.kind);
  for (const { name } of KINDS[settings.kind].fields) link.set(name, settings.values[name]);
  if (settings.kind === "drawn") link.set("drawn", settings.drawn.join("."));
  if (settings.kind === "log") link.set("log", settings.log);
  for (const name of settings.kind === "log" ? ["who", "like"] : []) if (settings[name]) link.set(name, settings[name]);
  const usual = usualSettings();
  for (const name of ["start", "cost", "mode", "wait", "held", "subject", "contender"]) {
    if (settings[name] !== usual[name]) link.set(name, settings[name]);
  }
  if (settings.clock !== null) link.set("clock", settings.clock);
  if (settings.call !== null) link.set("call", settings.call);
  return link.toString().replace(/%(?:2C|2F|3A)/g, decodeURIComponent); // shorter, and as good behind a #
}

export function fromLink(text) {
  const settings = usualSettings();
  const link = new URLSearchParams(text);
  if (text === "") return settings;
  const limits = link.getAll("limit").slice(0, MOST_CONTENDERS);
  if (limits.length > 0) settings.limits = limits;
  if (Object.hasOwn(KINDS, link.get("traffic") ?? "")) settings.kind = link.get("traffic");
  settings.values = Object.fromEntries(
    KINDS[settings.kind].fields.map((field) => [field.name, fitting(field, link.get(field.name) ?? "")]),
  );
  if (link.has("drawn")) settings.drawn = drawnOf(link.get("drawn"));
  settings.log = (link.get("log") ?? "").slice(0, MOST_LINK_CHARACTERS);
  for (const name of ["who", "like"]) settings[name] = (link.get(name) ?? "").slice(0, MOST_WORD_CHARACTERS);
  if (isStart(link.get("start") ?? "")) settings.start = link.get("start");
  settings.cost = fittingCost(link.get("cost") ?? "");
  if (Object.hasOwn(MODES, link.get("mode") ?? "")) settings.mode = link.get("mode");
  settings.wait = link.get("wait") ?? settings.wait;
  settings.held = link.get("held") ?? settings.held;
  settings.subject = indexOf(link, "subject") ?? 0;
  settings.contender = indexOf(link, "contender") ?? 0;
  settings.clock = /^\d{1,18}$/.test(link.get("clock") ?? "") ? BigInt(link.get("clock")) : null;
  settings.call = indexOf(link, "call");
  return settings;
}

const indexOf = (link, name) => (/^\d{1,6}$/.test(link.get(name) ?? "") ? Number(link.get(name)) : null);

function drawnOf(text) {
  const counts = text.split(".").map((count) => fitting({ min: 0, max: MOST_DRAWN, step: 1, value: 0 }, count));
  return Array.from({ length: DRAWN_STEPS }, (_, i) => counts[i] ?? 0);
}
