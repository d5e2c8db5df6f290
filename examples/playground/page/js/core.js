// SPDX-License-Identifier: MIT
// The core of the module, compiled to WebAssembly (src/exports.cpp), as plain functions. Instants and spans are BigInt
// nanoseconds. Works in browsers and in Node.js; whoever calls brings the bytes.

import { findZone, offsetOfZone } from "./zones.js";

/** What happens to a call if its whole cost is not there: the values of Mode in ratelimit/request.h. */
export const MODES = { deny: 0, PARTIAL: 1, FORCE: 2, MAXWAIT: 3 };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

class Core {
  #wasm;

  constructor(wasm) {
    this.#wasm = wasm;
    wasm.version();
    this.version = this.#read();
  }

  /** Hands a text over, and says how many bytes it has. */
  #write(text) {
    const bytes = encoder.encode(text);
    const place = this.#wasm.input(bytes.length);
    new Uint8Array(this.#wasm.memory.buffer, place, bytes.length).set(bytes);
    return bytes.length;
  }

  #read() {
    return decoder.decode(new Uint8Array(this.#wasm.memory.buffer, this.#wasm.output(), this.#wasm.output_bytes()));
  }

  /** Copies integers out of the memory, which the next call may change. */
  #numbers(place, count) {
    return Array.from(new BigInt64Array(this.#wasm.memory.buffer, place, count), Number);
  }

  /**
   * `{limits, text, haveLeases}`, or `{error}` in the words of the server. A limit has its label, text and size,
   * whether it counts requests, and the nanoseconds that its size is for, if it has a window.
   */
  readLimits(text) {
    this.#wasm.read_limits(this.#write(text));
    const read = JSON.parse(this.#read());
    for (const limit of read.limits ?? []) if (limit.window !== undefined) limit.window = BigInt(limit.window);
    return read;
  }

  /** `{ns}`, or `{error}`. */
  readDuration(text) {
    this.#wasm.read_duration(this.#write(text));
    const read = JSON.parse(this.#read());
    return read.error ? read : { ns: BigInt(read.ns) };
  }

  /**
   * The calls of a log in any format of ratelimit-replay, in the order of time. `subject` and `conditions` are as for
   * its options --subject and --where; `complaint` says what is wrong with them.
   */
  readLog(text, subject = "", conditions = []) {
    const options = `${[subject, ...conditions].join("\n")}\n`;
    this.#wasm.read_log(encoder.encode(options).length, this.#write(options + text));
    const log = JSON.parse(this.#read());
    log.calls = log.calls.map(([at, subject, cost]) => ({ at: BigInt(at), subject, cost }));
    return log;
  }

  /** A session under valid limits. It must be closed. */
  open(limits) {
    const number = this.#wasm.open(this.#write(limits));
    if (number === 0) throw new Error(JSON.parse(this.#read()).error);
    return {
      /**
       * The five integers of the reply, the place of the binding limit, the id of a lease that was taken, and the wait
       * in nanoseconds.
       */
      check: (subject, at, cost, mode = MODES.deny, longestWait = 0n) => {
        const place = this.#wasm.check(number, subject, at, BigInt(cost), mode, longestWait);
        const [granted, limit, remaining, waitMs, resetMs, binding, waitNs] = this.#numbers(place, 7);
        const id = this.#wasm.output_bytes() === 0 ? "" : this.#read();
        return { granted, limit, remaining, waitMs, resetMs, binding, id, waitNs };
      },
      /** The fields of an HTTP response to the last call, as pairs. */
      httpFields: () => {
        this.#wasm.http_fields(number);
        return JSON.parse(this.#read());
      },
      release: (subject, id, at) => this.#wasm.release(number, subject, this.#write(id), at) !== 0,
      status: (subject, limit, at) => {
        const [used, remaining, resetMs] = this.#numbers(this.#wasm.status(number, subject, limit, at), 3);
        return { used, remaining, resetMs };
      },
      close: () => this.#wasm.close(number),
    };
  }
}

/** Makes a core out of the bytes of core.wasm. */
export async function loadCore(bytes) {
  const textAt = (place, length) => decoder.decode(new Uint8Array(instance.exports.memory.buffer, place, length));
  const zones = { find: (place, length) => findZone(textAt(place, length)), offset: offsetOfZone };
  const { instance } = await WebAssembly.instantiate(bytes, { zones });
  instance.exports._initialize();
  return new Core(instance.exports);
}
