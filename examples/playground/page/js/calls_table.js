// SPDX-License-Identifier: MIT
// All calls as a table: what the charts show, for readers of text. It is only made while it is open, and of many calls
// only the page with the clock.

import { byId, make, setText } from "./dom.js";
import { instantText, lengthText, outcomeText } from "./text.js";

const MOST_ROWS = 200;

export class CallsTable {
  #onChoice;
  #shown = null;

  /** `onChoice(index)` is called when the user chooses a call; `onOpen()` when the table is opened. */
  constructor(onChoice, onOpen) {
    this.#onChoice = onChoice;
    byId("all").addEventListener("toggle", onOpen);
  }

  show(contenders, traffic, index) {
    if (!byId("all").open) return;
    const table = byId("calls");
    const begin = Math.floor(Math.max(index, 0) / MOST_ROWS) * MOST_ROWS;
    if (this.#shown?.contenders !== contenders || this.#shown.begin !== begin)
      this.#fill(table, contenders, traffic, begin);
    this.#shown = { contenders, begin };
    [...table.tBodies[0].rows].forEach((row, i) => row.setAttribute("aria-current", String(begin + i === index)));
  }

  #fill(table, contenders, traffic, begin) {
    const heads = [
      "Call",
      traffic.isOfClock ? "At (UTC)" : "After",
      "Caller",
      "Cost",
      ...contenders.map(({ text }) => text),
    ];
    table.tHead.replaceChildren(make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head))));
    const calls = traffic.calls.slice(begin, begin + MOST_ROWS);
    table.tBodies[0].replaceChildren(...calls.map((call, i) => this.#row(contenders, traffic, call, begin + i)));
    const all = traffic.calls.length;
    const part = `Calls ${begin + 1} to ${begin + calls.length} of ${all}. Move the clock to see others.`;
    setText(byId("all-note"), all > MOST_ROWS ? part : `${all} calls.`);
  }

  #row(contenders, traffic, call, index) {
    const choose = make("button", { type: "button", onclick: () => this.#onChoice(index) }, String(index + 1));
    choose.setAttribute("aria-label", `Show call ${index + 1}`);
    const cells = [
      traffic.isOfClock ? instantText(call.at).slice(0, -4) : lengthText(Number(call.at - traffic.start) / 1e9),
      traffic.subjects[call.subject],
      String(call.cost),
    ];
    const outcomes = contenders.map(({ result }) => {
      const reply = result.replies[index];
      return make("td", { class: reply.outcome }, outcomeText(reply, call.cost));
    });
    return make("tr", {}, make("td", {}, choose), ...cells.map((cell) => make("td", {}, cell)), ...outcomes);
  }
}
