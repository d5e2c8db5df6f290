// SPDX-License-Identifier: MIT
// Copies the link, and says what goes with it: how long it is, and whether it holds the lines of a log with the callers
// in them. Then it offers a link in which callers are numbers.

import { byId, setText } from "./dom.js";
import { MOST_ADDRESS_LOG, MOST_LINK_CHARACTERS } from "./settings.js";

const LONG = 8000; // characters, from which on chats and mails are known to cut a link

const INSTEAD = " Copy the address instead.";

const counted = (count) => count.toLocaleString("en");

export class LinkPanel {
  #settings;
  #linkTo;

  /** `settings()` and `traffic()` are those of now; `linkTo(settings)` is the whole link to others. */
  constructor({ settings, traffic, linkTo }) {
    this.#settings = settings;
    this.#linkTo = linkTo;
    byId("copy-link").addEventListener("click", () => this.#copy(this.#settings(), traffic(), false));
    byId("copy-numbers").addEventListener("click", () =>
      this.#copy(withNumbers(this.#settings(), traffic()), traffic(), true),
    );
  }

  /** Something else is tried than what was copied. */
  forget() {
    setText(byId("copied"), "");
    byId("copy-numbers").hidden = true;
  }

  async #copy(settings, traffic, areNumbers) {
    const link = this.#linkTo(settings);
    const holdsCallers = settings.kind === "log" && traffic.calls.length > 0;
    byId("copy-numbers").hidden = !holdsCallers || areNumbers;
    const holds = holdsCallers ? whatItHolds(settings, traffic, areNumbers) : "";
    try {
      await navigator.clipboard.writeText(link);
      setText(byId("copied"), `Copied: ${counted(link.length)} characters.${holds}${lengthWarning(link.length)}`);
    } catch {
      setText(byId("copied"), `Not allowed here.${settings.log.length > MOST_ADDRESS_LOG ? "" : INSTEAD}`);
    }
  }
}

function whatItHolds({ who, like }, { subjects, lines, isCut }, areNumbers) {
  const callers = `${counted(subjects.length)} ${subjects.length === 1 ? "caller" : "callers"}`;
  if (areNumbers) return ` The ${callers} are numbers in it.`;
  // A group has several addresses, and a link has the lines of those too who are left out.
  const least = who !== "" || like !== "" || isCut ? "at least " : "";
  const all = lines === 1 ? "1 pasted line as it is" : `${counted(lines)} pasted lines as they are`;
  return ` It holds ${all}, with the names or addresses of ${least}${callers}.`;
}

function lengthWarning(length) {
  if (length > MOST_LINK_CHARACTERS) return " That is longer than browsers open.";
  return length > LONG ? " Chats and mails may cut it." : "";
}

const secondsText = (at) => {
  const fraction = String(at % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${at / 1_000_000_000n}${fraction === "" ? "" : `.${fraction}`}`;
};

/** The same calls as lines of a time, a number for the caller, and the cost. The first caller is 1. */
export function withNumbers(settings, { calls }) {
  const numbers = new Map();
  const numberOf = (subject) => {
    if (!numbers.has(subject)) numbers.set(subject, numbers.size);
    return numbers.get(subject);
  };
  const lines = calls.map(({ at, subject, cost }) => {
    const words = [secondsText(at), numberOf(subject) + 1];
    return [...words, ...(cost === 1 ? [] : [cost])].join(",");
  });
  return { ...settings, log: lines.join("\n"), who: "", like: "", subject: numbers.get(settings.subject) ?? 0 };
}
