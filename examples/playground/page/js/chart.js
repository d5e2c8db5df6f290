// SPDX-License-Identifier: MIT
// The chart of one contender, by uPlot: above, what is used out of each limit's size; below, lanes with the calls that
// were granted, that wait, and that were denied. The lanes tell the outcomes apart without any colour.

import uPlot from "../uPlot.esm.js";
import { clockText, lengthText } from "./text.js";

const LANES = ["granted", "waiting", "denied"];
const LANE = 16; // pixels
const GAP = 4;
const COLUMN = 4; // pixels whose calls are one bar
const AXIS = 54;
const HEIGHT = 122; // of the part above the lanes, with the axis of time

// The distances of marks on the axis of time, in seconds.
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20_000].map((days) => days * DAY),
];

const toPixels = (value) => value * devicePixelRatio;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Diagonal lines: denied calls differ from granted ones also where they are seen without colour. */
function hatched(context, ink) {
  const size = toPixels(4);
  const tile = new OffscreenCanvas(size, size);
  const pen = tile.getContext("2d");
  pen.strokeStyle = ink;
  pen.lineWidth = toPixels(1.5);
  pen.beginPath();
  for (const from of [-size, 0, size]) {
    pen.moveTo(from, size);
    pen.lineTo(from + size, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

/** Where the marks are: at whole steps of the clock, if the traffic has one, else of its own time. */
function marksOf(min, max, step, from) {
  if (step === 0) return [];
  const first = Math.ceil((min + from) / step);
  const count = Math.floor((max + from) / step) - first + 1;
  return Array.from({ length: Math.max(count, 0) }, (_, i) => (first + i) * step - from);
}

function markText(second, i, step, from) {
  if (from === null) return second === 0 ? "0" : lengthText(second);
  const text = clockText(second + from, step);
  return i === 0 ? `${text} UTC` : text;
}

/** How many calls of each lane come in each column of pixels. */
function columnsOf(plot, calls) {
  const columns = new Map();
  for (const { second, lane } of calls) {
    const column = Math.floor(plot.valToPos(second, "x") / COLUMN);
    if (!columns.has(column)) columns.set(column, [0, 0, 0]);
    ++columns.get(column)[lane];
  }
  return columns;
}

export class Chart {
  #plot;
  #box;
  #lanes;
  #calls = [];
  #sizes = [];
  #hand = document.createElement("div");
  #second = 0;

  /** `box` is an element; `onTime(second)` is called when the user points at a time. */
  constructor(box, onTime) {
    this.#box = box;
    this.#hand.className = "hand";
    const follow = (event) =>
      onTime(this.#plot.posToVal(event.clientX - this.#plot.over.getBoundingClientRect().left, "x"));
    box.addEventListener("pointerdown", (event) => {
      if (!this.#plot?.over.contains(event.target)) return;
      box.setPointerCapture(event.pointerId);
      follow(event);
    });
    box.addEventListener("pointermove", (event) => box.hasPointerCapture(event.pointerId) && follow(event));
  }

  /**
   * `courses[i]` is what is used under limit i as `{second, used}`, `sizes[i]` its size. `calls` are
   * `{second, outcome}`.
   * `hasWaiting` says whether there is a lane for calls that wait. `from` is the Unix time of second 0, if the time of
   * day means something, else null.
   */
  draw({ courses, sizes, calls, seconds, hasWaiting, from }) {
    this.#lanes = LANES.filter((lane) => lane !== "waiting" || hasWaiting);
    const laneOf = (outcome) => this.#lanes.indexOf(outcome === "never" ? "denied" : outcome);
    this.#calls = calls.map(({ second, outcome }) => ({ second, lane: laneOf(outcome) }));
    this.#sizes = sizes;
    this.#plot?.destroy();
    const times = courses[0].map(({ second }) => second);
    const values = courses.map((course) => course.map(({ used }) => used));
    this.#plot = new uPlot(this.#options(courses.length, seconds, from), [times, ...values], this.#box);
    this.#plot.over.append(this.#hand);
  }

  #options(count, seconds, from) {
    const ink = colour("soft");
    const used = colour("used");
    const most = Math.max(1, ...this.#sizes);
    const axis = {
      stroke: ink,
      grid: { stroke: colour("line"), width: 1 },
      ticks: { stroke: colour("line"), width: 1 },
      font: "11px system-ui, sans-serif",
    };
    const dashes = [[], [5, 3], [2, 2], [8, 3, 2, 3]];
    return {
      width: this.#box.clientWidth,
      height: HEIGHT + this.#lanesHeight(),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { show: false }, sync: { key: "playground" } },
      padding: [8, 26, 0, 0],
      scales: {
        x: { time: false, range: () => [0, seconds] },
        y: { range: (_, __, max) => this.#range(Math.max(most, max ?? 0)) },
      },
      axes: [
        {
          ...axis,
          size: 26,
          space: from === null ? 70 : 84,
          incrs: STEPS,
          splits: (_, __, min, max, step) => marksOf(min, max, step, from ?? 0),
          values: (_, splits, __, ___, step) => splits.map((second, i) => markText(second, i, step, from)),
        },
        { ...axis, size: AXIS, splits: (_, __, ___, max) => this.#splits(max) },
      ],
      series: [
        {},
        ...Array.from({ length: count }, (_, i) => ({
          stroke: used,
          fill: i === 0 ? `${used}29` : undefined,
          fillTo: 0,
          width: 1.5,
          dash: dashes[i % dashes.length],
          points: { show: false },
        })),
      ],
      hooks: {
        draw: [(plot) => this.#drawSizes(plot), (plot) => this.#drawLanes(plot), (plot) => this.#moveHand(plot)],
      },
    };
  }

  #lanesHeight() {
    return this.#lanes.length * (LANE + GAP) + GAP;
  }

  /** The scale goes so far below 0 as the lanes take room. */
  #range(max) {
    const top = max * 1.08;
    const share = this.#lanesHeight() / (HEIGHT - 8 - 26);
    return [-top * share, top];
  }

  #splits(max) {
    const most = max / 1.08;
    const step = [1, 2, 5].flatMap((digit) => Array.from({ length: 16 }, (_, power) => digit * 10 ** power));
    const chosen = step.sort((a, b) => a - b).find((each) => most / each <= 3) ?? most;
    return Array.from({ length: Math.floor(most / chosen) + 1 }, (_, i) => i * chosen);
  }

  #drawSizes(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour("used");
    ctx.setLineDash([toPixels(3), toPixels(4)]);
    ctx.lineWidth = toPixels(1);
    for (const size of this.#sizes) {
      const y = Math.round(plot.valToPos(size, "y", true));
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  #drawLanes(plot) {
    const { ctx, bbox } = plot;
    const inks = this.#lanes.map(colour);
    const bottom = bbox.top + bbox.height;
    const floorOf = (lane) => bottom - toPixels(GAP + (this.#lanes.length - 1 - lane) * (LANE + GAP));
    const columns = columnsOf(plot, this.#calls);
    const most = Math.max(1, ...[...columns.values()].flat());
    ctx.save();
    ctx.font = `${toPixels(11)}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    this.#lanes.forEach((lane, i) => {
      ctx.fillStyle = colour("soft");
      ctx.fillText(lane === "waiting" ? "waits" : lane, bbox.left - toPixels(6), floorOf(i) - toPixels(4));
      ctx.fillStyle = colour("line");
      ctx.fillRect(bbox.left, floorOf(i), bbox.width, toPixels(1));
      const fill = lane === "denied" ? hatched(ctx, inks[i]) : inks[i];
      for (const [column, counts] of columns) {
        if (counts[i] > 0) this.#drawBar(ctx, { lane, ink: inks[i], fill }, column, floorOf(i), counts[i] / most);
      }
    });
    ctx.restore();
  }

  #drawBar(ctx, { lane, ink, fill }, column, floor, share) {
    const left = this.#plot.bbox.left + toPixels(column * COLUMN);
    const height = Math.max(toPixels(4), toPixels(LANE) * share);
    const width = toPixels(COLUMN - 1);
    ctx.fillStyle = fill;
    ctx.strokeStyle = ink;
    ctx.lineWidth = toPixels(1);
    if (lane !== "waiting") ctx.fillRect(left, floor - height, width, height);
    if (lane !== "granted") ctx.strokeRect(left + 0.5, floor - height + 0.5, width - 1, height - 1);
  }

  /** Moves the clock's hand. A chart that was made just now knows its scales only once it is drawn. */
  point(second) {
    this.#second = second;
    if (this.#plot.status === 1) this.#moveHand(this.#plot);
  }

  #moveHand(plot) {
    this.#hand.style.left = `${plot.valToPos(this.#second, "x")}px`;
  }

  /** Takes the width of its box again, which has another one. */
  fit() {
    if (this.#plot && this.#box.clientWidth > 0 && this.#box.clientWidth !== this.#plot.width) {
      this.#plot.setSize({ width: this.#box.clientWidth, height: this.#plot.height });
    }
  }
}
