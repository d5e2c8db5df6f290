// SPDX-License-Identifier: MIT
// How times, calls and replies are written. Knows no page.

const UNITS = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
];

const rounded = (value) => String(Number(value.toFixed(3)));

/** `90 ms`, `12.5 s`, `1 h 5 min`, of seconds. */
export function lengthText(seconds) {
  if (seconds !== 0 && Math.abs(seconds) < 1) return `${rounded(seconds * 1000)} ms`;
  const unit = UNITS.findIndex(([length]) => Math.abs(seconds) >= length);
  if (unit < 0) return `${rounded(seconds)} s`;
  const [length, name] = UNITS[unit];
  const [smaller, smallerName] = UNITS[unit + 1] ?? [1, "s"];
  const whole = Math.trunc(seconds / length);
  const rest = Number(((seconds - whole * length) / smaller).toFixed(unit === UNITS.length - 1 ? 3 : 0));
  return rest === 0 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${smallerName}`;
}

export const millisecondsText = (ms) => lengthText(ms / 1000);

/** `2027-01-16 12:00:06.040 UTC`, of nanoseconds of Unix time. */
export function instantText(at) {
  return new Date(Number(at / 1_000_000n)).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** `12:00:06.040 UTC`, without a fraction that is 0, and perhaps with its day: `16 Jan 12:00:06 UTC`. */
export function timeOfDayText(at, hasDay) {
  const [day, time] = instantText(at).split(" ");
  return `${hasDay ? `${dayText(day)} ` : ""}${time.replace(/\.000$/, "")} UTC`;
}

/** Of seconds of Unix time, what tells marks that are `step` apart: `30 Nov`, `13:05`, `13:05:30`, `13:05:30.250`. */
export function clockText(seconds, step) {
  const text = new Date(Math.round(seconds * 1000)).toISOString();
  const time = text.slice(11, 23);
  if (step >= 86_400 || (step >= 60 && time === "00:00:00.000")) return dayText(text);
  if (step >= 60) return time.slice(0, 5);
  return step >= 1 ? time.slice(0, 8) : time;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const dayText = (text) => `${Number(text.slice(8, 10))} ${MONTHS[Number(text.slice(5, 7)) - 1]}`;

const OUTCOMES = { granted: "granted", waiting: "granted, and waits", denied: "denied", never: "never granted" };

/** One outcome in a few words: `denied, wait 600 ms`. */
export function outcomeText({ outcome, waitMs, granted }, cost) {
  const part = outcome !== "denied" && outcome !== "never" && granted < cost ? ` ${granted} of ${cost}` : "";
  const wait = outcome === "waiting" ? ` ${millisecondsText(waitMs)}` : "";
  const later = outcome === "denied" ? `, wait ${millisecondsText(waitMs)}` : "";
  return `${OUTCOMES[outcome]}${part}${wait}${later}`;
}

// What redis-cli divides its line at, or reads as more than itself.
const NEEDS_QUOTES = /^$|[\s"'\\]|[^\x20-\x7e]/;

const quoted = (word) => `"${word.replace(/["\\]/g, "\\$&")}"`;
const asWord = (word) => (NEEDS_QUOTES.test(word) ? quoted(word) : word);

/** The words of the call, as the module would be asked. */
export function wordsOfCall(contender, call, subject, options, id) {
  const words = ["RL.CHECK", "playground", ...contender.text.split(/\s+/), "FOR", subject];
  if (call.cost !== 1) words.push("COST", String(call.cost));
  if (options.mode !== "deny") words.push(options.mode);
  if (options.mode === "MAXWAIT") words.push(options.wait);
  if (contender.haveLeases && id) words.push("ID", id);
  return [...words, "HEADERS"];
}

export const commandText = (words) => words.map(asWord).join(" ");

/** The reply as redis-cli prints it to a terminal. */
export function replyText(reply, haveLeases) {
  const { granted, limit, remaining, waitMs, resetMs } = reply;
  const lines = [granted, limit, remaining, waitMs, resetMs].map((value) => `(integer) ${value}`);
  lines.push(quoted(reply.label));
  if (haveLeases) lines.push(reply.outcome === "granted" || reply.outcome === "waiting" ? quoted(reply.id) : "(nil)");
  const pairs = reply.fields.flat().map((text, i) => `${String(i + 1).padStart(fieldWidth(reply))}) ${quoted(text)}`);
  lines.push(pairs.join("\n   "));
  return lines.map((line, i) => `${i + 1}) ${line}`).join("\n");
}

const fieldWidth = ({ fields }) => String(2 * fields.length).length;

/** What the service does before it answers: only a call that waits for its turn is held. */
export function holdText({ outcome, waitMs }) {
  return outcome === "waiting" ? `The service holds this call for ${millisecondsText(waitMs)}, and then answers:` : "";
}

/** The head of the HTTP response. */
export function responseText(reply) {
  const isDenied = reply.outcome === "denied" || reply.outcome === "never";
  const status = isDenied ? "HTTP/1.1 429 Too Many Requests" : "HTTP/1.1 200 OK";
  return [status, ...reply.fields.map(([name, value]) => `${name}: ${value}`)].join("\n");
}
