// SPDX-License-Identifier: MIT
// What a span says about a decision. The names beginning with `ratelimit.` are ours: OpenTelemetry has no convention for
// limiters yet. There is no subject among them, since subjects are people, addresses and API keys.
"use strict";

const { SpanStatusCode, trace } = require("@opentelemetry/api");

// Of the span that is active: that of the Express layer that asks. A denial is an answer, and no error.
function describe({ limiter, label, granted, remaining, waitMs, failure, choice }) {
  const span = trace.getActiveSpan();
  if (!span) return;
  span.updateName("ratelimit");
  if (limiter) span.setAttribute("ratelimit.limiter", limiter);
  if (failure) {
    span.setAttributes({ "error.type": failure, "ratelimit.choice": choice });
    span.setStatus({ code: SpanStatusCode.ERROR });
    return;
  }
  span.setAttributes({
    "ratelimit.label": label,
    "ratelimit.granted": granted,
    "ratelimit.remaining": remaining,
    "ratelimit.wait_ms": waitMs,
  });
}

module.exports = { describe };
