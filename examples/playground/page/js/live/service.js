// SPDX-License-Identifier: MIT
// The check service that is asked: one request at a time, and words for what may go wrong. Knows no page.

const PATIENCE_MS = 5000;

/** Why there is no answer. `mayPass`: it is worth asking again without the user's doing anything. */
export class Unanswered extends Error {
  constructor(message, mayPass, status = 0) {
    super(message);
    this.mayPass = mayPass;
    this.status = status;
  }
}

const OF_STATUS = {
  401: ["The token is missing or wrong. It is the text in the file that the service's operator_token_file names.", false],
  404: ["The service has no pages for operators: its setting operator_token_file opens them.", false],
  429: ["Something before the service denies so many questions.", true],
  500: [
    "The service may not ask its server: its user needs +rl.info +rl.top +rl.log +rl.limiters. Its log says more.",
    true,
  ],
  503: ["The check service answers, but the server behind it, Redis or Valkey, does not. Trying again.", true],
};

export class Service {
  #origin;
  #token;

  constructor(origin, token) {
    this.#origin = origin;
    this.#token = token;
  }

  get origin() {
    return this.#origin;
  }

  /** The answer at a path, which begins with a slash. Throws `Unanswered`. */
  async ask(path) {
    const response = await this.#fetch(path);
    const body = await response.json().catch(() => undefined);
    if (response.ok && typeof body?.now_ms === "number") return body;
    if (body === undefined || response.ok) throw new Unanswered(`What answers at ${this.#origin} is no check service.`, false);
    const [message, mayPass] = OF_STATUS[response.status] ?? [`The service answers ${response.status}: ${body.detail}.`, true];
    throw new Unanswered(message, mayPass, response.status);
  }

  async #fetch(path) {
    const headers = this.#token === "" ? {} : { Authorization: `Bearer ${this.#token}` };
    const choices = { headers, credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer" };
    try {
      return await fetch(this.#origin + path, { ...choices, signal: AbortSignal.timeout(PATIENCE_MS) });
    } catch {
      // A browser tells no page which of these it is.
      throw new Unanswered(
        `No answer from ${this.#origin}. Either it does not run, or it lets no page of ${location.origin} read its ` +
          `answers: its setting operator_origins must name ${location.origin}. Trying again.`,
        true,
      );
    }
  }
}

/** Percent-encoded as the service does it, so that the two can be compared. */
export function encoded(text) {
  const escape = (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text.toWellFormed?.() ?? text).replace(/[!'()*]/g, escape);
}
