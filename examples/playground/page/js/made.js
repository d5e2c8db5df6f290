// SPDX-License-Identifier: MIT
// The traffic and the results of the last run, so that a key typed into one line of limits reads no log again and tries
// no other limits again.

import { instantsOf, simulate } from "./simulation.js";
import { makeTraffic } from "./traffic.js";

const SAMPLES = 400;

const areSame = (some, others) => some.length === others.length && some.every((each, i) => each === others[i]);

export class Made {
  #core;
  #traffic = { of: [], made: null };
  #contenders = { of: [], made: new Map() };

  constructor(core) {
    this.#core = core;
  }

  traffic(settings) {
    const { kind, log, who, like, start, cost } = settings;
    const of = [kind, log, who, like, start, cost, JSON.stringify(settings.values), settings.drawn.join()];
    if (!areSame(of, this.#traffic.of)) this.#traffic = { of, made: makeTraffic(settings, this.#core) };
    return this.#traffic.made;
  }

  /** Each of the valid lists of limits with its `result` (simulation.js). */
  contenders(valid, traffic, options, subject) {
    const of = [traffic, options.mode, options.longestWait, options.held, subject];
    const known = areSame(of, this.#contenders.of) ? this.#contenders.made : new Map();
    const watched = { subject, instants: instantsOf(traffic, SAMPLES) };
    const contenders = valid.map(
      (one) => known.get(one.text) ?? { ...one, result: simulate(this.#core, one, traffic, options, watched) },
    );
    this.#contenders = { of, made: new Map(contenders.map((contender) => [contender.text, contender])) };
    return contenders;
  }
}
