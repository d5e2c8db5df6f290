// SPDX-License-Identifier: MIT
// What keeps trouble small: a breaker for a server that does not answer, and a bound on the lines of the log.
"use strict";

const MOST_FAILURES = 5; // in a row, and for at least the timeout: one short stall makes many calls fail at once
const PAUSE_MS = 500;
const INTERVAL_MS = 10_000;
const MOST_LINES = 100; // an interval

// While the breaker is open nobody waits for the server. After each pause, one call asks whether the server is back.
class Breaker {
  #failures = 0;
  #firstFailure = 0;
  #isOpen = false;
  #nextTry = 0;

  constructor(timeout) {
    this.timeout = timeout;
  }

  mayAsk() {
    if (!this.#isOpen) return true;
    const now = performance.now();
    if (now < this.#nextTry) return false;
    this.#nextTry = now + PAUSE_MS;
    return true;
  }

  note(hasAnswered) {
    const now = performance.now();
    if (hasAnswered) this.#failures = 0;
    else if (this.#failures++ === 0) this.#firstFailure = now;
    this.#isOpen = this.#failures >= MOST_FAILURES && now - this.#firstFailure >= this.timeout;
    if (this.#isOpen) this.#nextTry = now + PAUSE_MS;
  }
}

// In an interval, there is one line about a caller that is denied, or about a failure, and so many lines in all.
class Lines {
  #end = 0;
  #about = new Set();
  #leftOut = 0;

  // The line, with the number of those left out before it; nothing if it is left out itself.
  bounded(line, about) {
    const now = performance.now();
    if (now >= this.#end) {
      this.#end = now + INTERVAL_MS;
      this.#about.clear();
    }
    if (this.#about.has(about) || this.#about.size >= MOST_LINES) {
      this.#leftOut++;
      return undefined;
    }
    this.#about.add(about);
    const more = this.#leftOut > 0 ? ` left_out=${this.#leftOut}` : "";
    this.#leftOut = 0;
    return line + more;
  }
}

module.exports = { Breaker, Lines };
