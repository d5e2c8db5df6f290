// SPDX-License-Identifier: MIT
// The list of limits: a line for each contender, with the error of its reader below it.

import { byId, make, setText } from "./dom.js";
import { EXAMPLES, MOST_CONTENDERS, ONE_OF_EACH } from "./settings.js";

export class LimitsPanel {
  #settings;
  #changed;

  /** `changed(isTyping)` is called after the list was changed. */
  constructor(settings, changed) {
    this.#settings = settings;
    this.#changed = changed;
    const example = byId("example");
    example.append(make("option", { value: "" }, "an example …"));
    for (const [title, text] of EXAMPLES) example.append(make("option", { value: text }, title));
    example.addEventListener("change", () => {
      if (example.value !== "") this.#add(example.value);
      example.value = "";
    });
    byId("one-of-each").addEventListener("click", () => this.#replace([...ONE_OF_EACH]));
  }

  /** Shows the settings anew, such as those of another link. */
  show(settings) {
    this.#settings = settings;
    byId("limits").replaceChildren(...settings.limits.map((text, i) => this.#line(text, i)));
  }

  /** `errors[i]` is what is wrong with line i, or undefined. */
  showErrors(errors) {
    [...byId("limits").children].forEach((line, i) => {
      line.querySelector("input").setAttribute("aria-invalid", String(errors[i] !== undefined));
      setText(line.querySelector(".error"), errors[i] ?? "");
    });
  }

  #line(text, i) {
    const id = `limit-${i}`;
    const input = make("input", {
      id,
      value: text,
      spellcheck: "false",
      autocomplete: "off",
      autocapitalize: "off",
      "aria-label": `Limits ${i + 1}`,
      "aria-describedby": `${id}-error`,
      oninput: () => {
        this.#settings.limits[i] = input.value;
        this.#changed(true);
      },
    });
    const remove = make(
      "button",
      { type: "button", "aria-label": `Remove limits ${i + 1}`, onclick: () => this.#remove(i) },
      "✕",
    );
    const error = make("p", { id: `${id}-error`, class: "error", role: "status" });
    return make("li", {}, make("div", { class: "row" }, input, remove), error);
  }

  #add(text) {
    if (this.#settings.limits.length === MOST_CONTENDERS) return;
    this.#replace([...this.#settings.limits, text]);
    byId("limits").lastElementChild.querySelector("input").focus();
  }

  #remove(i) {
    this.#replace(this.#settings.limits.toSpliced(i, 1));
    const lines = [...byId("limits").children];
    (lines[Math.min(i, lines.length - 1)]?.querySelector("input") ?? byId("example")).focus();
  }

  #replace(limits) {
    this.#settings.limits = limits;
    this.show(this.#settings);
    this.#changed();
  }
}
