// SPDX-License-Identifier: MIT
// The form of the traffic, and of what each call asks.

import { byId, make, setText } from "./dom.js";
import { Drawing } from "./drawing.js";
import { fitting, fittingCost, isStart, usualSettings, valuesOf } from "./settings.js";
import { KINDS, LIKE, WHO } from "./traffic.js";

export class TrafficPanel {
  #settings;
  #changed;
  #drawing;
  #fitting;

  /**
   * `changed(isTyping)` is called after something was changed. `fitting(kind)` are values of the traffic that show most
   * under the limits that are tried.
   */
  constructor(settings, changed, fitting) {
    this.#settings = settings;
    this.#changed = changed;
    this.#fitting = fitting;
    this.#drawing = new Drawing(changed);
    for (const [kind, { title }] of Object.entries(KINDS)) byId("kind").append(make("option", { value: kind }, title));
    byId("kind").addEventListener("change", () => this.#choose(byId("kind").value));
    this.#listen("log", (value) => value);
    this.#listen("who", (value) => value);
    this.#listen("like", (value) => value);
    this.#listen("cost", fittingCost);
    this.#listen("mode", (value) => value);
    this.#listen("wait", (value) => value);
    this.#listen("held", (value) => value);
    this.#listen("start", (value) => value);
  }

  #listen(name, read) {
    byId(name).addEventListener(byId(name).tagName === "SELECT" ? "change" : "input", (event) => {
      this.#settings[name] = read(byId(name).value);
      this.#showWait();
      this.#changed(event.inputType?.startsWith("insertText") ?? false);
    });
  }

  #choose(kind) {
    this.#settings.kind = kind;
    const { seconds } = this.#settings.values;
    const kept = kind !== "log" && seconds !== undefined ? { seconds } : {};
    this.#settings.values = { ...valuesOf(kind), ...kept, ...this.#fitting(kind) };
    this.show(this.#settings);
    this.#changed();
  }

  show(settings) {
    this.#settings = settings;
    byId("kind").value = settings.kind;
    setText(byId("about"), KINDS[settings.kind].about);
    byId("fields").replaceChildren(...KINDS[settings.kind].fields.flatMap((field) => this.#field(field)));
    byId("drawing").hidden = settings.kind !== "drawn";
    this.#drawing.show(settings.drawn);
    byId("log-field").hidden = settings.kind !== "log";
    byId("start").disabled = settings.kind === "log";
    for (const name of ["log", "who", "like", "cost", "mode", "wait", "held", "start"])
      byId(name).value = settings[name];
    this.#showWait();
  }

  /** Shows what is wrong with the durations and the start, by the names of their fields. */
  showErrors(errors) {
    if (Object.keys(errors).length > 0) byId("more").open = true;
    for (const name of ["wait", "held", "start"]) {
      byId(name).setAttribute("aria-invalid", String(name in errors));
      setText(byId(`${name}-error`), errors[name] ?? "");
    }
  }

  /** Shows what the log's lines became, and what is wrong with who is limited or which calls count. */
  showLog({ note, complaint }) {
    setText(byId("note"), note);
    setText(byId("log-error"), complaint ?? "");
    for (const [id, words] of Object.entries({ who: WHO, like: LIKE })) {
      byId(id).setAttribute("aria-invalid", String((complaint ?? "").startsWith(words)));
    }
  }

  #showWait() {
    for (const element of document.querySelectorAll(".of-wait")) element.hidden = this.#settings.mode !== "MAXWAIT";
  }

  #field(field) {
    const id = `field-${field.name}`;
    const input = make("input", {
      id,
      inputmode: "decimal",
      autocomplete: "off",
      value: String(this.#settings.values[field.name]),
      oninput: () => {
        this.#settings.values[field.name] = fitting(field, input.value);
        this.#changed(true);
      },
      onchange: () => {
        input.value = String(this.#settings.values[field.name]); // as it was taken
      },
    });
    return [make("label", { for: id }, field.label), input];
  }
}

/**
 * What is wrong with the fields that are texts, `{wait, held, start}`; and what they mean. A faulty text counts as the
 * usual one, so that there is always something to see.
 */
export function readTexts(settings, core) {
  const usual = usualSettings();
  const errors = {};
  const read = (name, text) => {
    const { error, ns } = core.readDuration(text);
    if (error === undefined) return { text, ns };
    errors[name] = error.replace("MAXWAIT ", "");
    return { text: usual[name], ns: core.readDuration(usual[name]).ns };
  };
  const wait = settings.mode === "MAXWAIT" ? read("wait", settings.wait) : { text: "", ns: 0n };
  const held = read("held", settings.held === "" ? "0" : settings.held).ns;
  const isStarted = isStart(settings.start);
  if (!isStarted) errors.start = "must be a time like 2027-01-16T12:00:00Z, before 2198";
  const options = { mode: settings.mode, wait: wait.text, longestWait: wait.ns, held };
  return { errors, options, start: isStarted ? settings.start : usual.start };
}
