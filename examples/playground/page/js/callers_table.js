// SPDX-License-Identifier: MIT
// Who is denied and who waits: a row for each caller under one list of limits, the hardest hit first. A row chooses the
// caller who is shown.

import { byId, make, setText } from "./dom.js";
import { mostCell } from "./results.js";
import { millisecondsText } from "./text.js";

const MOST_ROWS = 100;

const counted = (count) => count.toLocaleString("en");

export class CallersTable {
  #onCaller;
  #shown = null;

  /** `onCaller(subject)` is called when the user chooses a caller, `onContender(i)` when he chooses limits. */
  constructor(onCaller, onContender) {
    this.#onCaller = onCaller;
    byId("callers-under").addEventListener("change", () => onContender(Number(byId("callers-under").value)));
  }

  /** Rows are made anew for another result; the focus stays at its caller. */
  show(contenders, chosen, traffic, subject) {
    const contender = contenders[chosen];
    byId("callers-part").hidden = contender === undefined || traffic.subjects.length < 2;
    if (byId("callers-part").hidden) return;
    if (this.#shown !== contender) this.#fill(contenders, chosen, traffic);
    this.#shown = contender;
    for (const row of byId("callers").tBodies[0].rows) {
      const isShown = Number(row.dataset.subject) === subject;
      row.setAttribute("aria-current", String(isShown));
      row.querySelector("button").setAttribute("aria-pressed", String(isShown));
    }
  }

  #fill(contenders, chosen, traffic) {
    const under = byId("callers-under");
    under.replaceChildren(...contenders.map(({ text }, i) => make("option", { value: String(i) }, text)));
    under.value = String(chosen);
    const { limits, result } = contenders[chosen];
    const hardest = [...result.tally.callers].sort(
      ([, a], [, b]) => b.denied - a.denied || b.waiting - a.waiting || b.calls - a.calls,
    );
    const rows = hardest.slice(0, MOST_ROWS).map(([caller, tally]) => this.#row(traffic, limits, caller, tally));
    const body = byId("callers").tBodies[0];
    const focused = body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.subject : null;
    body.replaceChildren(...rows);
    if (focused !== null)
      rows
        .find((row) => row.dataset.subject === focused)
        ?.querySelector("button")
        .focus();
    const all = `${counted(hardest.length)} callers`;
    const part = hardest.length > MOST_ROWS ? `The ${MOST_ROWS} most often denied of ${all}.` : `${all}.`;
    setText(byId("callers-note"), `${part} Choose one to see its curve and its counts.`);
  }

  #row(traffic, limits, caller, tally) {
    const choose = make("button", { type: "button", onclick: () => this.#onCaller(caller) }, traffic.subjects[caller]);
    const cells = [
      [counted(tally.calls)],
      [counted(tally.granted)],
      [counted(tally.denied), tally.denied > 0 ? "denied" : ""],
      [tally.longestDenialMs > 0 ? millisecondsText(tally.longestDenialMs) : "–"],
      [counted(tally.waiting), tally.waiting > 0 ? "waiting" : ""],
      [tally.waiting > 0 ? millisecondsText(tally.longestHoldMs) : "–"],
      [mostCell(limits, tally.most)],
    ];
    const row = make(
      "tr",
      {},
      make("th", { scope: "row" }, choose),
      ...cells.map(([text, kind = ""]) => make("td", { class: kind }, text)),
    );
    row.dataset.subject = String(caller);
    return row;
  }
}
