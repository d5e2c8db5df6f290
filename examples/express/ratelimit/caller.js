// SPDX-License-Identifier: MIT
// Who is asking: the name of a caller, from its address or from the key that the service gives.
"use strict";

const { createHash } = require("node:crypto");
const { isIPv4, isIPv6 } = require("node:net");

const MOST_BYTES = 256; // a longer key is replaced by its hash, since a subject has an end

// The eight groups of an IPv6 address. URL writes each address in one way only, the shortest.
function groupsOf(address) {
  const [head, tail = ""] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const [before, after] = [head, tail].map((part) => part.split(":").filter((group) => group !== ""));
  const between = Array(8 - before.length - after.length).fill("0");
  return [...before, ...between, ...after].map((group) => parseInt(group, 16));
}

function networkOf(groups, bits) {
  const kept = groups.map((group, i) => group & (0xffff << Math.min(Math.max(16 * (i + 1) - bits, 0), 16)) & 0xffff);
  const address = new URL(`http://[${kept.map((group) => group.toString(16)).join(":")}]`).hostname.slice(1, -1);
  return `${address}/${bits}`;
}

// The caller of an address: an IPv4 address, or an IPv6 network, of which one caller has all addresses. A port and a
// zone are left out, and ::ffff:1.2.3.4 is 1.2.3.4. What is no address has no name.
function callerAt(address, ipv6Subnet = 56) {
  const text = String(address ?? "").trim();
  const host = /^\[(.*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const bare = host.replace(/%.*$/, "");
  if (isIPv4(bare)) return bare;
  if (!isIPv6(bare)) return "";
  const groups = groupsOf(bare);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return groups.slice(6).flatMap((group) => [group >> 8, group & 0xff]).join(".");
  return networkOf(groups, ipv6Subnet);
}

// Nobody gets round a limit by a key that is missing, or longer than a subject may be. An object would be the same name
// for everybody.
function nameOf(key) {
  const isName = key == null || typeof key === "string" || typeof key === "bigint" || Number.isFinite(key);
  if (!isName) throw new TypeError("key must give a text or a number");
  const name = String(key ?? "") || "-";
  return Buffer.byteLength(name) <= MOST_BYTES ? name : `sha256:${createHash("sha256").update(name).digest("hex")}`;
}

module.exports = { callerAt, nameOf };
