// SPDX-License-Identifier: MIT
// A table whose rows stay where they are while their texts change, so that neither the focus nor a screen reader's place is
// lost.

import { make, setText } from "../dom.js";

export class Rows {
  #body;
  #columns;
  #rows = new Map();

  /** `columns` are those after the first: classes of their cells. The first one is a header of its row. */
  constructor(table, columns, chosen) {
    this.#body = table.tBodies[0];
    this.#columns = columns;
    this.chosen = chosen;
  }

  /**
   * Shows these rows: `{ key, name, cells, badge, hot, current }`. `key` tells a row from the others; a click on `name` calls
   * `chosen(row)`; `hot[i]` marks a cell.
   */
  show(rows) {
    const gone = new Set(this.#rows.keys());
    let before = null;
    for (const row of rows) {
      gone.delete(row.key);
      const shown = this.#rows.get(row.key) ?? this.#add(row);
      this.#update(shown, row);
      const isInPlace = shown.line.isConnected && shown.line.previousElementSibling === before;
      if (!isInPlace && before === null) this.#body.prepend(shown.line);
      else if (!isInPlace) before.after(shown.line);
      before = shown.line;
    }
    for (const key of gone) {
      this.#rows.get(key).line.remove();
      this.#rows.delete(key);
    }
    this.#showNothing(rows.length === 0);
  }

  #add(row) {
    const shown = { row };
    const button = make("button", { type: "button", onclick: () => this.chosen(shown.row) });
    const badge = make("span", { class: "badge", hidden: true });
    const cells = this.#columns.map((kind) => make("td", { class: kind }));
    const line = make("tr", {}, make("th", { scope: "row" }, button, " ", badge), ...cells);
    Object.assign(shown, { line, button, badge, cells });
    this.#rows.set(row.key, shown);
    return shown;
  }

  #update(shown, row) {
    shown.row = row;
    setText(shown.button, row.name);
    setText(shown.badge, row.badge ?? "");
    shown.badge.hidden = row.badge === undefined;
    row.cells.forEach((text, i) => {
      setText(shown.cells[i], text);
      shown.cells[i].classList.toggle("hot", row.hot?.[i] ?? false);
    });
    if (row.current) shown.line.setAttribute("aria-current", "true");
    else shown.line.removeAttribute("aria-current");
  }

  #showNothing(isEmpty) {
    const there = this.#body.querySelector(".nothing");
    if (isEmpty && there === null) {
      this.#body.append(make("tr", { class: "nothing" }, make("td", { colSpan: this.#columns.length + 1 }, "none")));
    } else if (!isEmpty) {
      there?.remove();
    }
  }
}
