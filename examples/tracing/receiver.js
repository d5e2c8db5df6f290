// SPDX-License-Identifier: MIT
// Receives spans (OTLP over HTTP, as JSON), and prints each trace as a tree when nothing more of it has come for a second.
// Jaeger, Tempo or the OpenTelemetry Collector are for real use. PORT is 4318 unless told.
"use strict";

const http = require("node:http");

const QUIET_MS = 1000;
const KINDS = ["", "internal", "server", "client", "producer", "consumer"];
// What a line shows of a span.
const SHOWN = /^(ratelimit\.|error\.type|http\.response\.status_code|db\.query\.text)/;
const traces = new Map();

const valueOf = (value) => value.stringValue ?? value.boolValue ?? value.intValue ?? value.doubleValue;

function lineOf(span) {
  const ms = Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;
  const shown = span.attributes.filter(({ key }) => SHOWN.test(key)).map(({ key, value }) => `${key}=${valueOf(value)}`);
  return [span.name, KINDS[span.kind], `${ms.toFixed(1)} ms`, ...shown].join("  ");
}

function printBelow(parent, spans, indent) {
  const children = spans.filter((span) => span.parentSpanId === parent);
  children.sort((a, b) => (BigInt(a.startTimeUnixNano) < BigInt(b.startTimeUnixNano) ? -1 : 1));
  children.forEach((span, i) => {
    const isLast = i === children.length - 1;
    console.log(`${indent}${isLast ? "└─" : "├─"} ${lineOf(span)}`);
    printBelow(span.spanId, spans, indent + (isLast ? "   " : "│  "));
  });
}

// Whoever is the parent of the first span and has sent none of his own: nginx, or who called it.
function print(id) {
  const { spans } = traces.get(id);
  traces.delete(id);
  const known = new Set(spans.map((span) => span.spanId));
  const strangers = new Set(spans.map((span) => span.parentSpanId).filter((parent) => !known.has(parent)));
  console.log(`trace ${id}`);
  for (const parent of strangers) {
    if (parent) console.log(`below span ${parent}, which nobody has sent`);
    printBelow(parent, spans, "");
  }
  console.log();
}

function take(span) {
  const trace = traces.get(span.traceId) ?? { spans: [] };
  clearTimeout(trace.timer);
  trace.spans.push(span);
  trace.timer = setTimeout(print, QUIET_MS, span.traceId);
  traces.set(span.traceId, trace);
}

const server = http.createServer(async (req, res) => {
  const parts = await req.toArray();
  const { resourceSpans = [] } = JSON.parse(Buffer.concat(parts));
  for (const { scopeSpans } of resourceSpans) for (const { spans } of scopeSpans) spans.forEach(take);
  res.setHeader("Content-Type", "application/json");
  res.end("{}");
});

server.listen(process.env.PORT ?? 4318, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
