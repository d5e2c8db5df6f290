// SPDX-License-Identifier: MIT
// Traffic that the user draws: a row of sliders, one for each step of time. By pointer, drag over them; by keyboard,
// left and right go from step to step, up and down change one.

import { byId, make } from "./dom.js";
import { DRAWN_STEPS, MOST_DRAWN } from "./traffic.js";

const SVG = "http://www.w3.org/2000/svg";

export class Drawing {
  #counts = [];
  #changed;
  #box = byId("drawing");
  #steps = [];

  constructor(changed) {
    this.#changed = changed;
    this.#steps = Array.from({ length: DRAWN_STEPS }, (_, i) => this.#step(i));
    this.#box.append(...this.#steps);
    this.#box.addEventListener("pointerdown", (event) => this.#begin(event));
    this.#box.addEventListener(
      "pointermove",
      (event) => this.#box.hasPointerCapture(event.pointerId) && this.#draw(event),
    );
  }

  show(counts) {
    this.#counts = counts;
    counts.forEach((_, i) => this.#paint(i));
  }

  #step(i) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 1 ${MOST_DRAWN}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.append(document.createElementNS(SVG, "rect"));
    const step = make(
      "div",
      { role: "slider", "aria-label": `Step ${i + 1}`, "aria-valuemin": "0", "aria-valuemax": String(MOST_DRAWN) },
      svg,
    );
    step.tabIndex = i === 0 ? 0 : -1;
    step.addEventListener("keydown", (event) => this.#press(event, i));
    return step;
  }

  #paint(i) {
    const rect = this.#steps[i].querySelector("rect");
    const count = this.#counts[i];
    for (const [name, value] of Object.entries({ width: 1, height: count, y: MOST_DRAWN - count })) {
      rect.setAttribute(name, String(value));
    }
    this.#steps[i].setAttribute("aria-valuenow", String(count));
    this.#steps[i].setAttribute("aria-valuetext", `${count} calls`);
  }

  #set(i, count) {
    const inside = Math.min(Math.max(count, 0), MOST_DRAWN);
    if (this.#counts[i] === inside) return;
    this.#counts[i] = inside;
    this.#paint(i);
    this.#changed();
  }

  #begin(event) {
    this.#box.setPointerCapture(event.pointerId);
    this.#draw(event);
  }

  #draw(event) {
    const box = this.#box.getBoundingClientRect();
    const i = Math.floor(((event.clientX - box.left) / box.width) * DRAWN_STEPS);
    const share = 1 - (event.clientY - box.top) / box.height;
    if (i >= 0 && i < DRAWN_STEPS) this.#set(i, Math.round(share * MOST_DRAWN));
  }

  #press(event, i) {
    const moves = { ArrowLeft: i - 1, ArrowRight: i + 1 };
    const changes = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5, Home: -MOST_DRAWN, End: MOST_DRAWN };
    if (event.key in changes) this.#set(i, this.#counts[i] + changes[event.key]);
    else if (event.key in moves) this.#focus(moves[event.key]);
    else return;
    event.preventDefault();
  }

  #focus(i) {
    const step = this.#steps[Math.min(Math.max(i, 0), DRAWN_STEPS - 1)];
    for (const other of this.#steps) other.tabIndex = other === step ? 0 : -1;
    step.focus();
  }
}
