// SPDX-License-Identifier: MIT
// Rates out of counters that are looked at now and then. Knows no page.

/** How fast counters grow: by name, between the last two looks. */
export class Rates {
  #looks = new Map(); // the last one of each thing: { at, counts, rates }

  /** Notes the counts of a thing at an instant in milliseconds, and gives its rates a second; null: not known yet. */
  note(thing, at, counts) {
    const before = this.#looks.get(thing);
    const rates = {};
    for (const [name, count] of Object.entries(counts)) {
      const grown = before === undefined ? -1 : count - before.counts[name];
      // A counter that went back is that of another life of the limiter.
      rates[name] = before === undefined || grown < 0 || at <= before.at ? null : (grown * 1000) / (at - before.at);
    }
    this.#looks.set(thing, { at, counts });
    return rates;
  }

  forget() {
    this.#looks.clear();
  }
}

/** `0`, `0.4`, `12.3`, `1,234`, or `…` if it is not known yet. */
export function rateText(rate) {
  if (rate === null) return "…";
  return rate.toLocaleString("en", { maximumFractionDigits: rate < 100 ? 1 : 0 });
}

export const countText = (count) => count.toLocaleString("en");
