// SPDX-License-Identifier: MIT
// The page of a running system: it asks a check service every two seconds, as long as somebody can see it.

import { byId, make, setText } from "../dom.js";
import { LimiterPanel } from "./limiter_panel.js";
import { Overview } from "./overview.js";
import { Service, Unanswered } from "./service.js";

const PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 15_000;

class Page {
  #service = null;
  #overview = new Overview(
    (limiter) => this.#panel.choose(limiter),
    () => this.#lookNow(),
  );
  #panel = new LimiterPanel(() => this.#lookNow());
  #timer = 0;
  #failures = 0;
  #isLooking = false;
  #isWanted = false; // another look, as soon as this one is over

  constructor(origins) {
    byId("service").append(...origins.map((origin) => make("option", { value: origin }, origin)));
    byId("connect").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#service === null) this.#connect();
      else this.#disconnect("Disconnected.");
    });
    document.addEventListener("visibilitychange", () => this.#lookNow());
    this.#promise(origins);
  }

  #promise(origins) {
    const names = origins.join(" and ");
    if (origins.length > 0) {
      setText(byId("promise"), `This page asks ${names}, and its Content-Security-Policy keeps it from asking anybody else.`);
      return;
    }
    setText(byId("promise"), "This copy of the page may ask nobody.");
    for (const id of ["service", "token", "connect-button"]) byId(id).disabled = true;
    this.#say(
      "The page asks only services that were named when it was served: examples/playground/run --connect http://127.0.0.1:8080",
      false,
    );
  }

  // --- the connection ---

  #connect() {
    this.#service = new Service(byId("service").value, byId("token").value.trim());
    this.#failures = 0;
    this.#overview.connect(this.#service);
    this.#panel.connect(this.#service);
    this.#show(true);
    this.#say(`Asking ${this.#service.origin} …`, false);
    this.#lookNow();
  }

  #disconnect(words, isFailure = false) {
    this.#service = null;
    clearTimeout(this.#timer);
    this.#show(false);
    this.#say(words, isFailure);
    byId("overview").hidden = true;
    byId("limiter").hidden = true;
  }

  #show(isConnected) {
    setText(byId("connect-button"), isConnected ? "Disconnect" : "Connect");
    byId("service").disabled = byId("token").disabled = isConnected;
  }

  #say(words, isFailure) {
    byId("state").classList.toggle("failed", isFailure);
    setText(byId("state"), words);
  }

  // --- looking ---

  /** At once, or as soon as the look that is under way is over. Nobody looks while nobody can see it. */
  #lookNow() {
    clearTimeout(this.#timer);
    if (this.#service === null || document.hidden) return;
    if (this.#isLooking) this.#isWanted = true;
    else this.#look();
  }

  async #look() {
    const service = this.#service;
    this.#isLooking = true;
    this.#isWanted = false;
    try {
      const at = await this.#overview.look();
      const show = await this.#panel.look();
      if (service === this.#service) this.#seen(at, show);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      if (service === this.#service) this.#missed(error);
    } finally {
      this.#isLooking = false;
      this.#plan();
    }
  }

  #plan() {
    if (this.#isWanted) return this.#lookNow();
    if (this.#service === null || document.hidden) return;
    const pause = Math.min(PAUSE_MS * 2 ** Math.min(this.#failures, 10), LONGEST_PAUSE_MS);
    this.#timer = setTimeout(() => this.#lookNow(), pause);
  }

  #seen(at, show) {
    this.#failures = 0;
    this.#say(`Connected to ${this.#service.origin}.`, false);
    byId("overview").hidden = false;
    this.#fade(false);
    this.#overview.show(at, this.#panel.key);
    show(this.#overview.limiterOf(this.#panel.key));
  }

  #missed(error) {
    ++this.#failures;
    if (!error.mayPass) return this.#disconnect(error.message, true);
    this.#say(error.message, true);
    this.#fade(true);
  }

  /** What is shown is of a while ago. */
  #fade(isOld) {
    for (const id of ["overview", "limiter"]) byId(id).classList.toggle("stale", isOld);
  }
}

const origins = document.querySelector("meta[name='check-services']").content.split(" ").filter((text) => text !== "");
new Page(origins);
document.documentElement.setAttribute("data-ready", "");
