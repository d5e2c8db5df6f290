// SPDX-License-Identifier: MIT
// The charts of all contenders, and the same in numbers.

import { Chart } from "./chart.js";
import { byId, make, setText } from "./dom.js";
import { tallyOfCaller } from "./tally.js";
import { lengthText, millisecondsText } from "./text.js";

const secondsBetween = (from, to) => Number(to - from) / 1e9;

const counted = (count) => count.toLocaleString("en");

export class Results {
  #cards = [];
  #onTime;

  /** `onTime(second)` is called when the user points at a time in a chart. */
  constructor(onTime) {
    this.#onTime = onTime;
    new ResizeObserver(() => this.#cards.forEach(({ chart }) => chart.fit())).observe(byId("charts"));
  }

  /** Draws `contenders`, each with its `result` (simulation.js); `subject` is the caller who is shown. */
  show(contenders, traffic, subject) {
    while (this.#cards.length < contenders.length) this.#addCard();
    for (const { card } of this.#cards.splice(contenders.length)) card.remove();
    const hasWaiting = contenders.some(({ result }) => result.tally.all.waiting > 0);
    contenders.forEach((contender, i) => this.#draw(this.#cards[i], contender, traffic, subject, hasWaiting));
    const rows = contenders.flatMap((contender) => rowsOf(contender, traffic.subjects, subject));
    byId("totals").tBodies[0].replaceChildren(...rows);
  }

  #addCard() {
    const title = make("h3");
    const summary = make("p", { class: "summary" });
    const own = make("p", { class: "own" });
    const most = make("p", { class: "most" });
    const status = make("p", { class: "status" });
    const box = make("div", { class: "plot", role: "img" });
    const card = make("div", { class: "chart" }, title, summary, own, most, box, status);
    byId("charts").append(card);
    this.#cards.push({ card, title, summary, own, most, status, box, chart: new Chart(box, this.#onTime) });
  }

  /** Draws all of them the next time, such as in other colours. */
  forget() {
    for (const card of this.#cards) card.drawn = null;
  }

  #draw(card, contender, traffic, subject, hasWaiting) {
    if (card.drawn?.contender === contender && card.drawn.hasWaiting === hasWaiting) return;
    card.drawn = { contender, hasWaiting };
    const { title, summary, own, most, box, chart } = card;
    const { text, limits, result } = contender;
    const areSeveral = traffic.subjects.length > 1;
    setText(title, text);
    setText(summary, `${areSeveral ? "All callers: " : ""}${summaryOf(result.tally.all)}`);
    const ofShown = summaryOf(tallyOfCaller(contender, subject));
    setText(own, areSeveral ? `${traffic.subjects[subject]}: ${ofShown}` : "");
    setText(most, mostText(limits, result.tally.all.most, traffic.subjects).join(" · "));
    box.setAttribute("aria-label", `${text}: ${labelOf(limits, result)}`);
    chart.draw({
      courses: result.used.map((course) =>
        course.map(({ at, used }) => ({ second: secondsBetween(traffic.start, at), used })),
      ),
      sizes: limits.map(({ size }) => size),
      calls: result.replies.map(({ outcome }, i) => ({
        second: secondsBetween(traffic.start, traffic.calls[i].at),
        outcome,
      })),
      seconds: secondsBetween(traffic.start, traffic.end),
      from: traffic.isOfClock ? Number(traffic.start) / 1e9 : null,
      hasWaiting,
    });
  }

  /** The clock stands there; `statuses[i]` are those of the limits of contender i. */
  point(second, statuses) {
    this.#cards.forEach(({ chart, status }, i) => {
      chart.point(second);
      setText(status, statuses[i].map((one) => statusText(one, statuses[i].length > 1)).join(" · "));
    });
  }
}

function statusText({ label, size, used, remaining, resetMs }, isNamed) {
  const reset = resetMs > 0 ? `, idle in ${millisecondsText(resetMs)}` : "";
  return `${isNamed ? `${label}: ` : ""}${counted(used)} of ${counted(size)} used, ${counted(remaining)} left${reset}`;
}

function summaryOf({ granted, waiting, denied }) {
  const waits = waiting > 0 ? `, ${counted(waiting)} of them wait` : "";
  return `${counted(granted)} granted${waits} · ${counted(denied)} denied`;
}

const labelled = (limits, i, text) => (limits.length > 1 ? `${limits[i].label}: ${text}` : text);
const windowText = ({ window }) => lengthText(Number(window) / 1e9);

/** For each limit with a window: `Most granted within any 10 s: 19 of 10, to ann`. */
function mostText(limits, most, subjects) {
  return limits.flatMap((limit, i) => {
    if (most[i] === null) return [];
    const whose = subjects.length > 1 ? `, to ${subjects[most[i].subject]}` : "";
    const figure = `${counted(most[i].units)} of ${counted(limit.size)}${whose}`;
    return [labelled(limits, i, `Most granted within any ${windowText(limit)}: ${figure}`)];
  });
}

function labelOf(limits, { tally, used }) {
  const most = limits.map(
    ({ label, size }, i) => `${label} at most ${Math.max(...used[i].map((one) => one.used))} of ${size} used`,
  );
  return `${summaryOf(tally.all)}; ${most.join(", ")}. The table below has the figures.`;
}

/** A row of all callers, and of the shown one if there are others. */
function rowsOf(contender, subjects, subject) {
  const { text, limits, result } = contender;
  const { all } = result.tally;
  const most = all.most.map((one) => one && one.units);
  const rows = [row(text, "", all, mostCell(limits, most), all.callersDenied, all.callersWaiting)];
  if (subjects.length < 2) return rows;
  const own = tallyOfCaller(contender, subject);
  return [...rows, row(`of these, ${subjects[subject]}`, "own", own, mostCell(limits, own.most))];
}

function row(title, kind, tally, most, callersDenied = null, callersWaiting = null) {
  const cells = [
    counted(tally.granted),
    counted(tally.waiting),
    counted(tally.denied),
    callersDenied === null ? "" : counted(callersDenied),
    tally.longestDenialMs > 0 ? millisecondsText(tally.longestDenialMs) : "–",
    callersWaiting === null ? "" : counted(callersWaiting),
    tally.waiting > 0 ? millisecondsText(tally.longestHoldMs) : "–",
    most,
  ];
  return make("tr", { class: kind }, make("th", { scope: "row" }, title), ...cells.map((cell) => make("td", {}, cell)));
}

/** `19 of 10 in 10 s` for each limit with a window, one below the other. */
export function mostCell(limits, most) {
  const texts = limits.flatMap((limit, i) =>
    most[i] === null
      ? []
      : [labelled(limits, i, `${counted(most[i])} of ${counted(limit.size)} in ${windowText(limit)}`)],
  );
  return texts.join("\n") || "–";
}
