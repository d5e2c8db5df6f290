// SPDX-License-Identifier: MIT
// The limiter that was chosen: who is denied, who is near, and why a subject is.

import { byId, make, setText } from "../dom.js";
import { countText } from "./rates.js";
import { Rows } from "./rows.js";
import { encoded } from "./service.js";
import {
  agoText,
  detailTexts,
  headlineText,
  nextUnitText,
  resetText,
  stepTexts,
  waitText,
} from "./words.js";

const OWN = "(the key itself)";

export class LimiterPanel {
  #service;
  #key = null; // percent-encoded
  #subject = null; // { name, encoded } of the one who is asked about
  #isAsked = false; // by the user just now: then a screen reader says the answer
  #denied;
  #near;
  #log;
  #changed;

  /** `changed()` is called when something else is to be shown. */
  constructor(changed) {
    this.#changed = changed;
    const ask = ({ name, subject }) => this.#ask({ name, encoded: subject });
    this.#denied = new Rows(byId("denied"), ["number", "number"], ask);
    this.#near = new Rows(byId("near"), ["number", "number"], ask);
    this.#log = new Rows(byId("log"), ["", "number", "", "", ""], ask);
    byId("why").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = byId("who").value;
      const isTyped = this.#subject === null || this.#subject.name !== name;
      this.#ask(isTyped ? { name, encoded: encoded(name) } : this.#subject);
    });
  }

  get key() {
    return this.#key;
  }

  connect(service) {
    this.#service = service;
    this.#key = this.#subject = null;
    byId("limiter").hidden = true;
  }

  choose(limiter) {
    this.#key = limiter.encoded;
    this.#subject = null;
    byId("answer").hidden = true;
    byId("who").value = "";
    byId("limiter").hidden = false;
    setText(byId("limiter-title"), limiter.name);
    this.#changed();
    byId("limiter").focus();
  }

  #ask(subject) {
    this.#subject = subject.encoded === "" ? null : subject;
    this.#isAsked = true;
    byId("who").value = subject.name;
    byId("answer").hidden = true;
    this.#changed();
    if (this.#subject !== null) byId("who").focus();
  }

  /** Asks anew about the limiter, and about the subject. Gives a function that shows the answers. */
  async look() {
    const [key, subject] = [this.#key, this.#subject];
    if (key === null) return () => {};
    const top = await this.#askFor(`/limiters/${key}/top`, { denied: [], near: [] });
    const log = await this.#askFor(`/limiters/${key}/log?count=20`, { entries: [] });
    const why = subject && (await this.#askFor(`/why?limiter=${key}&subject=${subject.encoded}`, null));
    return (limiter) => {
      if (key !== this.#key) return; // another one was chosen meanwhile
      this.#showLimiter(limiter);
      this.#showLists(top, log);
      byId("answer").hidden = this.#subject === null || why === null;
      if (why !== null && subject === this.#subject) this.#showWhy(why, log.entries.filter((entry) => entry.encoded === subject.encoded));
    };
  }

  /** What the service says, or what stands for it if there is no such key any more. */
  async #askFor(path, otherwise) {
    try {
      return await this.#service.ask(path);
    } catch (error) {
      if (error.status === 404) return otherwise;
      throw error;
    }
  }

  #showLimiter(limiter) {
    if (limiter === undefined) {
      return setText(byId("limiter-about"), "It is not among the limiters above: it may be gone, or have another name.");
    }
    const text = limiter.limits.map(({ limit }) => limit).join(" ");
    const link = `index.html#${new URLSearchParams({ limit: text, traffic: "crowd" })}`;
    if (byId("try").getAttribute("href") !== link) byId("try").setAttribute("href", link);
    const since = limiter.since_ms === null ? "" : ` since ${new Date(limiter.since_ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
    const byLabel = limiter.labels
      .filter(({ denied, would_deny }) => denied + would_deny > 0)
      .map(({ label, denied, would_deny }) => `${countText(denied + would_deny)} by “${label}”`);
    const verb = limiter.on_trial ? "on trial: it would have denied" : "denied";
    const denials = byLabel.length === 0 ? `${verb} nobody` : `${verb} ${byLabel.join(", ")}`;
    setText(byId("limiter-about"), `${text} – granted ${countText(limiter.granted)}${since}, ${denials}.`);
  }

  #showLists({ denied, near }, { entries, now_ms: now }) {
    const top = (entry) => ({
      key: entry.encoded,
      subject: entry.encoded,
      name: entry.subject,
      cells: [countText(entry.times), countText(entry.overcount)],
      current: entry.encoded === this.#subject?.encoded,
    });
    this.#denied.show(denied.map(top));
    this.#near.show(near.map(top));
    this.#log.show(
      entries.map((entry) => ({
        key: `${entry.encoded} ${entry.label}`,
        subject: entry.encoded,
        name: entry.subject === "" ? OWN : entry.subject,
        cells: [
          entry.label,
          countText(entry.times),
          agoText(entry.last_ms, now),
          agoText(entry.first_ms, now),
          waitText(entry.wait_ms),
        ],
        current: entry.encoded === this.#subject?.encoded,
      })),
    );
  }

  /** `denials` are the subject's entries in the log. */
  #showWhy(why, denials) {
    const headline = headlineText(why, `“${this.#subject.name}”`);
    setText(byId("headline"), headline);
    byId("headline").className = why.status;
    byId("details").replaceChildren(...detailTexts(why, denials).map((text) => make("li", {}, text)));
    byId("used").tBodies[0].replaceChildren(...why.limits.map((limit) => usedRow(limit, why.binding)));
    this.#showSteps(stepTexts(this.#key, this.#subject.encoded, why));
    if (this.#isAsked) setText(byId("said"), headline);
    this.#isAsked = false;
  }

  /** They change seldom: somebody may be selecting one. */
  #showSteps(steps) {
    const lines = steps.map(([command, meaning]) => make("li", {}, make("code", {}, command), ` ${meaning}`));
    const isNew = byId("steps").textContent !== lines.map((line) => line.textContent).join("");
    if (isNew) byId("steps").replaceChildren(...lines);
  }
}

function usedRow(limit, binding) {
  const isBinding = limit.label === binding && limit.remaining === 0;
  const cell = (text, kind) => make("td", { class: kind }, text);
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, limit.limit),
    cell(`${countText(limit.used)} of ${countText(limit.size)}`, isBinding ? "number hot" : "number"),
    cell(countText(limit.remaining), "number"),
    cell(nextUnitText(limit.next_unit_ms), ""),
    cell(resetText(limit.reset_ms), ""),
  );
}
