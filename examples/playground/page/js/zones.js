// SPDX-License-Identifier: MIT
// Time zones for the core, out of the browser's own data. Only how far a clock is from UTC: the rest is the core's.

const numbers = new Map(); // of zones that exist, by name
const zones = [];

const HOUR = 3600;
const OFFSET = /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/;

/** The number of a zone, or -1 if the browser knows none of that name. */
export function findZone(name) {
  if (numbers.has(name)) return numbers.get(name);
  try {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    // The browser takes names in any case; a server looks for a file of that name.
    const known = format.resolvedOptions().timeZone;
    if (known !== name && known.toLowerCase() === name.toLowerCase()) return -1;
    numbers.set(name, zones.push({ format, hours: new Map() }) - 1);
  } catch {
    return -1;
  }
  return numbers.get(name);
}

function askedOffset(format, seconds) {
  const text = format.formatToParts(new Date(seconds * 1000)).find((part) => part.type === "timeZoneName").value;
  const found = OFFSET.exec(text);
  if (!found) return 0; // "GMT"
  const [, sign, hours, minutes, rest] = found;
  const ahead = Number(hours) * HOUR + Number(minutes) * 60 + Number(rest ?? 0);
  return sign === "-" ? -ahead : ahead;
}

/** The seconds by which a zone's clock is ahead of UTC. What holds for a whole hour is remembered. */
export function offsetOfZone(number, unixSeconds) {
  const { format, hours } = zones[number];
  const seconds = Number(unixSeconds);
  const hour = Math.floor(seconds / HOUR);
  if (!hours.has(hour)) {
    const first = askedOffset(format, hour * HOUR);
    hours.set(hour, first === askedOffset(format, (hour + 1) * HOUR - 1) ? first : null);
  }
  return hours.get(hour) ?? askedOffset(format, seconds);
}
