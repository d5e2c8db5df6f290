// SPDX-License-Identifier: MIT
// What the service says, in words for an operator. Knows no page.

import { millisecondsText } from "../text.js";
import { countText } from "./rates.js";

/** `3.2 s ago (12:00:06 UTC)`; older than a day, with the date. */
export function agoText(at, now) {
  const time = new Date(at).toISOString();
  const ago = Math.max(now - at, 0);
  if (ago >= 86_400_000) return `${time.slice(0, 10)} ${time.slice(11, 19)} UTC`;
  return `${shortText(ago)} ago (${time.slice(11, 19)} UTC)`;
}

/** Whole seconds, from a second on: what is read by people changes less. Rounded up. */
const shortText = (ms) => millisecondsText(ms < 1000 ? ms : Math.ceil(ms / 1000) * 1000);

const atText = (ms, now) => `${new Date(now + ms).toISOString().slice(11, 19)} UTC`;

const units = (count) => `${countText(count)} ${count === 1 ? "unit" : "units"}`;

export const nextUnitText = (ms) => (ms === null ? "never" : ms === 0 ? "none is missing" : `in ${shortText(ms)}`);
export const resetText = (ms) => (ms === 0 ? "nothing is used" : `in ${shortText(ms)}`);
export const waitText = (ms) => (ms === null ? "never granted" : shortText(ms));

/** The limit that decides about the next call, if it is one of the list. */
const bindingOf = (why) => why.limits.find(({ label }) => label === why.binding);

function limitText(why) {
  const limit = bindingOf(why);
  if (limit === undefined) return "";
  return `${countText(limit.used)} of ${units(limit.size)} of “${limit.label}” (${limit.limit}) are used`;
}

function untilText(why) {
  if (why.wait_ms === null) return "No wait helps: the call is never granted under these limits.";
  return `The next call can be granted in ${shortText(why.wait_ms)}, at ${atText(why.wait_ms, why.now_ms)}.`;
}

/** One sentence or two: whether a call of one unit is granted now, and by which limit. */
export function headlineText(why, who) {
  const would = why.on_trial ? "would be" : "is";
  switch (why.status) {
    case "blocked":
      return `${who} ${would} blocked (RL.BLOCK) for another ${shortText(why.blocked_ms)}, until ${atText(why.blocked_ms, why.now_ms)}. No call is granted before.`;
    case "waiting":
      return `${who} waits: the turn of an earlier call (MAXWAIT) comes first. ${untilText(why)}`;
    case "closed":
      return `${who} ${would} denied: “${why.binding}” is closed, its size is 0. No wait helps.`;
    case "denied":
      return `A call of ${who} ${would} denied now: ${limitText(why)}. ${untilText(why)}`;
    default:
  }
  if (why.idle) return `A call of ${who} is granted. Nothing is used of its limits: it has not asked lately, or never.`;
  const near = why.status === "near" ? ", but few are left" : "";
  const used = limitText(why);
  return `A call of ${who} is granted now${near}${used === "" ? "" : `: ${used}`}.`;
}

/** What was denied lately: a bucket that flows back grants a call now and then, also to one who asks far too often. */
function denialTexts(denials, now) {
  return denials.map(({ label, times, first_ms: first, last_ms: last }) =>
    times === 1
      ? `Denied once by “${label}”, ${agoText(last, now)}.`
      : `Denied ${countText(times)} times by “${label}”: first ${agoText(first, now)}, last ${agoText(last, now)}.`,
  );
}

/** What else matters, a sentence each. `denials` are its entries in the log. */
export function detailTexts(why, denials) {
  const details = denialTexts(denials, why.now_ms);
  if (why.on_trial) details.push("The limiter is on trial (SHADOW): it denies nobody. This is what it would do.");
  if (why.exception) details.push("The limits are the subject's own: RL.DEFINE … FOR made an exception.");
  const open = why.first_holds.filter(({ settled }) => !settled);
  if (open.length > 0) {
    const held = open.reduce((sum, hold) => sum + hold.units, 0);
    details.push(
      `${units(held)} are held by ${countText(open.length)} ${open.length === 1 ? "reservation" : "reservations"} that ` +
        `nobody has settled; the first one ends in ${shortText(open[0].ends_ms)}.`,
    );
  }
  for (const { label, leases, first_leases: first } of why.limits) {
    if (!leases) continue;
    details.push(
      `${countText(leases)} ${leases === 1 ? "lease" : "leases"} of “${label}” are out; without a release, the first ` +
        `one ends in ${shortText(first[0].ends_ms)}.`,
    );
  }
  return details;
}

const UNSAFE = /[^\x21-\x7e]|["'\\]/;

/** A word for redis-cli, of the percent-encoded form that has all its bytes. */
export function cliWord(percentEncoded) {
  const bytes = Uint8Array.from(
    (percentEncoded.match(/%[0-9A-Fa-f]{2}|[^%]/g) ?? []).map((part) =>
      part.length === 3 ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0),
    ),
  );
  const word = String.fromCharCode(...bytes);
  if (word !== "" && !UNSAFE.test(word)) return word;
  const escaped = [...bytes].map((byte) => {
    const letter = String.fromCharCode(byte);
    if (letter === '"' || letter === "\\") return `\\${letter}`;
    return byte >= 0x20 && byte < 0x7f ? letter : `\\x${byte.toString(16).padStart(2, "0")}`;
  });
  return `"${escaped.join("")}"`;
}

/** For redis-cli: the question, and what could be done about this subject; each with its meaning. */
export function stepTexts(limiter, subject, why) {
  const [key, who] = [cliWord(limiter), cliWord(subject)];
  const steps = [[`RL.INFO ${key} FOR ${who}`, "asks for what is shown here"]];
  if (why.status === "blocked") steps.push([`RL.BLOCK ${key} 0 FOR ${who}`, "lifts the block"]);
  else steps.push([`RL.BLOCK ${key} 10m FOR ${who}`, "denies all its calls for ten minutes"]);
  if (!why.idle) steps.push([`RL.RESET ${key} FOR ${who}`, "forgets what it used, and lifts a block"]);
  return steps;
}
