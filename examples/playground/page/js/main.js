// SPDX-License-Identifier: MIT
// The page: settings become traffic, the traffic meets each list of limits, the clock shows a moment of it. The address
// always holds all of it.

import { CallersTable } from "./callers_table.js";
import { CallPanel } from "./call_panel.js";
import { CallsTable } from "./calls_table.js";
import { loadCore } from "./core.js";
import { byId, make, setText } from "./dom.js";
import { keepLog, keptLog } from "./kept_log.js";
import { LimitsPanel } from "./limits_panel.js";
import { LinkPanel } from "./link_panel.js";
import { Made } from "./made.js";
import { Results } from "./results.js";
import { fromLink, MOST_ADDRESS_LOG, toLink } from "./settings.js";
import { replyInFull, statusesAt } from "./simulation.js";
import { nextDenied } from "./tally.js";
import { lengthText, timeOfDayText } from "./text.js";
import { edgeOf } from "./traffic.js";
import { readTexts, TrafficPanel } from "./traffic_panel.js";

const CLOCK_STEPS = 1000;
const LINK_AFTER_MS = 250;
const DAY = 86_400_000_000_000n; // nanoseconds
const MOST_TYPING_MS = 500;

class Page {
  #core;
  #made;
  #settings;
  #traffic;
  #options;
  #contenders = [];
  #pending = 0;
  #linking = 0;
  #link = null; // what the address is known to hold
  #keptLog = ""; // and what is kept beside it
  #runMs = 0; // how long the last run took
  #limitsPanel = new LimitsPanel({}, (isTyping) => this.#changed(isTyping));
  #trafficPanel = new TrafficPanel(
    {},
    (isTyping) => this.#changed(isTyping),
    (kind) => this.#fitting(kind),
  );
  #results = new Results((second) => this.#pointAt(BigInt(Math.round(second * 1e9))));
  #callPanel = new CallPanel((i) => this.#chooseContender(i));
  #callersTable = new CallersTable(
    (subject) => this.#chooseSubject(subject),
    (i) => this.#chooseContender(i),
  );
  #linkPanel = new LinkPanel({
    settings: () => this.#settings,
    traffic: () => this.#traffic,
    linkTo: (settings) => this.#linkTo(settings),
  });
  #callsTable = new CallsTable(
    (index) => this.#stepTo(index),
    () => this.#showCall(),
  );

  constructor(core) {
    this.#core = core;
    this.#made = new Made(core);
    setText(byId("version"), core.version);
    byId("clock").max = String(CLOCK_STEPS);
    byId("clock").addEventListener("input", () =>
      this.#pointAt((this.#length() * BigInt(byId("clock").value)) / BigInt(CLOCK_STEPS)),
    );
    byId("previous").addEventListener("click", () => this.#stepTo(this.#index() - 1));
    byId("next").addEventListener("click", () => this.#stepTo(this.#index() + 1));
    byId("next-denied").addEventListener("click", () => this.#stepTo(this.#nextDenied(null)));
    byId("next-denied-own").addEventListener("click", () => this.#stepTo(this.#nextDenied(this.#settings.subject)));
    byId("subject").addEventListener("change", () => this.#chooseSubject(Number(byId("subject").value)));
    byId("form").addEventListener("submit", (event) => event.preventDefault());
    window.addEventListener("hashchange", () => this.#load());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#results.forget();
      this.#drawn();
    });
    this.#load();
  }

  /** Takes the settings of the address. */
  #load() {
    clearTimeout(this.#linking);
    this.#link = null;
    this.#settings = fromLink(location.hash.slice(1));
    if (this.#settings.kind === "log" && this.#settings.log === "") this.#settings.log = this.#keptLog = keptLog();
    this.#limitsPanel.show(this.#settings);
    this.#trafficPanel.show(this.#settings);
    this.#run();
  }

  /** Something else is to be tried. Much typing is one run: the longer runs take, the longer it waits. */
  #changed(isTyping = false) {
    this.#settings.call = null;
    this.#linkPanel.forget();
    clearTimeout(this.#pending);
    this.#pending = setTimeout(() => this.#run(), isTyping ? Math.min(3 * this.#runMs, MOST_TYPING_MS) : 0);
  }

  #run() {
    clearTimeout(this.#pending);
    const began = performance.now();
    this.#try();
    this.#runMs = performance.now() - began;
    this.#keepLink();
  }

  /** The traffic meets the limits. What was so at the last run is not worked out again. */
  #try() {
    const { errors, options, start } = readTexts(this.#settings, this.#core);
    this.#trafficPanel.showErrors(errors);
    const read = this.#settings.limits.map((text) => this.#core.readLimits(text));
    this.#limitsPanel.showErrors(read.map(({ error }) => error));
    this.#options = options;
    this.#traffic = this.#made.traffic({ ...this.#settings, start });
    this.#trafficPanel.showLog(this.#traffic);
    this.#showSubjects();
    const valid = read.filter(({ error }) => error === undefined);
    this.#contenders = this.#made.contenders(valid, this.#traffic, options, this.#settings.subject);
    this.#settings.contender = Math.min(this.#settings.contender, Math.max(this.#contenders.length - 1, 0));
    this.#drawn();
  }

  #drawn() {
    this.#results.show(this.#contenders, this.#traffic, this.#settings.subject);
    this.#showClock();
  }

  /** The edge of a window is that of the first limit that has a fixed one. */
  #fitting(kind) {
    const limits = this.#contenders.flatMap((contender) => contender.limits);
    const fixed = limits.find(({ text }) => text.startsWith("FIXED "));
    return kind === "edge" && fixed ? edgeOf(fixed) : {};
  }

  // --- the clock ---

  #length() {
    return this.#traffic.end - this.#traffic.start;
  }

  /** Where the clock stands, in nanoseconds from the start. */
  #clock() {
    const { clock, call } = this.#settings;
    const stepped = call === null ? undefined : this.#traffic.calls[call];
    if (stepped) return stepped.at - this.#traffic.start;
    return clock === null || clock > this.#length() ? this.#length() : clock;
  }

  /** The call that is shown: the one that was stepped to, else the last one that has come; -1 if none has. */
  #index() {
    const { call } = this.#settings;
    if (call !== null && call < this.#traffic.calls.length) return call;
    const now = this.#traffic.start + this.#clock();
    return this.#traffic.calls.findLastIndex(({ at }) => at <= now);
  }

  #pointAt(clock) {
    const length = this.#length();
    this.#settings.clock = clock < 0n ? 0n : clock > length ? length : clock;
    this.#settings.call = null;
    this.#showClock();
  }

  #stepTo(index) {
    if (index < 0 || index >= this.#traffic.calls.length) return;
    this.#settings.call = index;
    this.#settings.clock = this.#traffic.calls[index].at - this.#traffic.start;
    this.#showClock();
  }

  /** The next call that the chosen limits deny, of one caller or of anybody (null); -1 if they deny none. */
  #nextDenied(subject) {
    const contender = this.#contenders[this.#settings.contender];
    return contender ? nextDenied(contender.result, this.#traffic.calls, this.#index(), subject) : -1;
  }

  #showClock() {
    const clock = this.#clock();
    const second = Number(clock) / 1e9;
    const at = this.#traffic.start + clock;
    const input = byId("clock");
    input.value = String((clock * BigInt(CLOCK_STEPS)) / this.#length());
    const now = this.#traffic.isOfClock ? timeOfDayText(at, this.#length() >= DAY) : lengthText(second);
    input.setAttribute("aria-valuetext", now);
    setText(byId("now"), now);
    const { subject } = this.#settings;
    const status = (one) => statusesAt(this.#core, one, this.#traffic, this.#options, subject, at);
    this.#results.point(second, this.#contenders.map(status));
    this.#showCall();
  }

  #showCall() {
    const index = this.#index();
    const chosen = this.#settings.contender;
    byId("previous").disabled = index <= 0;
    byId("next").disabled = index >= this.#traffic.calls.length - 1;
    this.#callPanel.show({
      contenders: this.#contenders,
      chosen,
      traffic: this.#traffic,
      index,
      options: this.#options,
      replyOf: () => replyInFull(this.#core, this.#contenders[chosen], this.#traffic, this.#options, index),
    });
    this.#callersTable.show(this.#contenders, chosen, this.#traffic, this.#settings.subject);
    byId("next-denied").disabled = this.#nextDenied(null) < 0;
    byId("next-denied-own").disabled = this.#nextDenied(this.#settings.subject) < 0;
    this.#callsTable.show(this.#contenders, this.#traffic, index);
    this.#keepLink();
  }

  // --- what is shown ---

  #showSubjects() {
    const { subjects } = this.#traffic;
    if (this.#settings.subject >= subjects.length) this.#settings.subject = 0;
    const select = byId("subject");
    select.replaceChildren(...subjects.map((name, i) => make("option", { value: String(i) }, name)));
    select.value = String(this.#settings.subject);
    for (const element of document.querySelectorAll(".of-subject")) element.hidden = subjects.length < 2;
    const shown = subjects[this.#settings.subject];
    setText(byId("whose"), subjects.length < 2 ? "" : ` by ${shown}`);
    setText(byId("next-denied-own"), `Next denied call of ${shown}`);
  }

  #chooseSubject(subject) {
    this.#settings.subject = subject;
    this.#run();
  }

  #chooseContender(i) {
    this.#settings.contender = i;
    this.#showCall();
  }

  /** Not at each step of a drag: browsers allow only so many changes of an address. */
  #keepLink() {
    clearTimeout(this.#linking);
    this.#linking = setTimeout(() => this.#writeLink(), LINK_AFTER_MS);
  }

  /** Writes what has changed. A log that is too long for the address is kept beside it. */
  #writeLink() {
    clearTimeout(this.#linking);
    const { log } = this.#settings;
    const isLong = this.#settings.kind === "log" && log.length > MOST_ADDRESS_LOG;
    const fragment = toLink(isLong ? { ...this.#settings, log: "" } : this.#settings);
    if (isLong && log !== this.#keptLog) keepLog((this.#keptLog = log));
    if (fragment === this.#link) return;
    this.#link = fragment;
    history.replaceState(null, "", `#${fragment}`);
  }

  /** The whole link to these settings. */
  #linkTo(settings) {
    if (settings === this.#settings) this.#writeLink();
    return `${location.href.split("#")[0]}#${toLink(settings)}`;
  }
}

async function begin() {
  const answer = await fetch("core.wasm");
  if (!answer.ok) throw new Error(`core.wasm: ${answer.status}`);
  return new Page(await loadCore(await answer.arrayBuffer()));
}

begin().then(
  () => document.documentElement.setAttribute("data-ready", ""),
  (error) => {
    byId("failure").hidden = false;
    setText(byId("failure"), `The page could not begin: ${error.message}`);
    throw error;
  },
);
