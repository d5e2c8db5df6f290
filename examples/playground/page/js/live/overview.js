// SPDX-License-Identifier: MIT
// The table of all limiters, page by page as the service gives them, with rates.

import { byId, setText } from "../dom.js";
import { countText, Rates, rateText } from "./rates.js";
import { Rows } from "./rows.js";
import { encoded } from "./service.js";

const MOST_PAGES = 10;
const COLUMNS = ["number", "number", "number", "number", "number", "mono"];

export class Overview {
  #service;
  #rates = new Rates();
  #cursors = [null]; // of the pages that are shown; null: the first
  #next = null;
  #pattern = "";
  #limiters = new Map();
  #rows;

  /** `chosen(limiter)` is called when the user chooses one; `changed()` when more or others are to be shown. */
  constructor(chosen, changed) {
    this.#rows = new Rows(byId("limiters"), COLUMNS, ({ key }) => chosen(this.#limiters.get(key)));
    byId("more").addEventListener("click", () => {
      this.#cursors.push(this.#next);
      changed();
    });
    byId("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#pattern = byId("match").value.trim();
      this.#begin();
      changed();
    });
  }

  connect(service) {
    this.#service = service;
    this.#begin();
  }

  #begin() {
    this.#cursors = [null];
    this.#rates.forget();
  }

  /** Asks anew for the pages that are shown. A page that is all but empty is followed by the next one. */
  async look() {
    const found = new Map();
    for (let i = 0; i < this.#cursors.length; ++i) {
      const answer = await this.#service.ask(this.#path(this.#cursors[i]));
      for (const limiter of answer.limiters) found.set(limiter.encoded, limiter);
      this.#next = answer.next;
      const isLast = i === this.#cursors.length - 1;
      if (isLast && answer.next !== null && found.size === 0 && i + 1 < MOST_PAGES) this.#cursors.push(answer.next);
    }
    this.#limiters = found;
    return performance.now();
  }

  #path(cursor) {
    const query = new URLSearchParams();
    if (cursor !== null) query.set("cursor", cursor);
    const pattern = this.#pattern === "" ? "" : `match=${encoded(this.#pattern)}&`;
    return `/limiters?${pattern}${query}`;
  }

  limiterOf(key) {
    return this.#limiters.get(key);
  }

  /** Shows what the last look saw, at that time. `current` is the key of the chosen limiter. */
  show(at, current) {
    const all = [...this.#limiters.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    this.#rows.show(all.map((limiter) => this.#row(limiter, at, limiter.encoded === current)));
    const isMore = this.#next !== null && this.#cursors.length < MOST_PAGES;
    byId("more").hidden = !isMore;
    const rest = this.#next === null ? "" : " Not all keys were looked at: name the limiters by a pattern, or look for more.";
    setText(byId("limiters-note"), `${countText(all.length)} ${all.length === 1 ? "limiter" : "limiters"}.${rest}`);
  }

  #row(limiter, at, current) {
    const denied = limiter.on_trial ? limiter.would_deny : limiter.denied;
    const { granted, near } = limiter;
    const rates = this.#rates.note(limiter.encoded, at, { granted, near, denied });
    return {
      key: limiter.encoded,
      name: limiter.name,
      badge: limiter.on_trial ? "on trial: would deny" : undefined,
      cells: [
        ...[rates.denied, rates.granted, rates.near].map(rateText),
        countText(denied) + (limiter.counters_have_stopped ? "+" : ""),
        countText(limiter.subjects),
        limiter.limits.map(({ limit }) => limit).join(" "),
      ],
      hot: [rates.denied > 0],
      current,
    };
  }
}
