// SPDX-License-Identifier: MIT
// Starts the OpenTelemetry SDK: `node --require ./telemetry.js app.js`, so that it stands before the libraries that it
// instruments. The variables OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_SERVICE_NAME are OpenTelemetry's own.
"use strict";

const { SpanStatusCode } = require("@opentelemetry/api");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { ExpressInstrumentation } = require("@opentelemetry/instrumentation-express");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { IORedisInstrumentation } = require("@opentelemetry/instrumentation-ioredis");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BatchSpanProcessor, NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");

// An error of the server may quote the command, and with it the subject. Its first word says what it is. The events are
// the same text, with a stack.
const discreet = {
  onStart() {},
  onEnding(span) {
    if (span.status.code !== SpanStatusCode.ERROR || !span.attributes["db.system.name"]) return;
    const code = /^[A-Z]+\b/.exec(span.status.message ?? "")?.[0];
    if (code) span.setStatus({ code: SpanStatusCode.ERROR, message: code });
    span.events.length = 0;
  },
  onEnd() {},
  forceFlush: async () => {},
  shutdown: async () => {},
};

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": process.env.OTEL_SERVICE_NAME ?? "shop" }),
  spanProcessors: [discreet, new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 200 })],
});
provider.register(); // and with it the propagation by `traceparent`

registerInstrumentations({
  instrumentations: [
    new HttpInstrumentation(),
    new ExpressInstrumentation(),
    // Keys are names of callers, or have them in them: of a command only its name is kept.
    new IORedisInstrumentation({ dbStatementSerializer: (name) => name }),
  ],
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => provider.shutdown().finally(() => process.exit(0)));
}
