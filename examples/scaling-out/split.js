// SPDX-License-Identifier: MIT
// Which part of a limiter that is split over a cluster a subject belongs to: see docs/scaling-out.md.
//
//   const key = keyOf("api:free", "user:42", 64);
//   const [granted] = await cluster.call("RL.CHECK", key, "FOR", "user:42");
//
// Every client, in any language, must come to the same key. Text counts as UTF-8; a Buffer is taken as it is.
"use strict";

// The CRC-32 of zlib, gzip and Ethernet. Written out, since zlib.crc32 is not there before Node.js 20.15.
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
}

function partOf(subject, parts) {
  return crc32(Buffer.from(subject)) % parts;
}

// The part in braces is what the cluster chooses the node by.
function keyOf(name, subject, parts) {
  return `{${partOf(subject, parts)}}${name}`;
}

module.exports = { keyOf, partOf };
