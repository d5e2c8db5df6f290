// SPDX-License-Identifier: MIT
// A log that is too long for the address, kept beside it: by the browser, for this tab, until it is closed.

const KEY = "log";

/** A browser may refuse to keep it: then it is gone with the page. */
export function keepLog(log) {
  try {
    sessionStorage.setItem(KEY, log);
  } catch (error) {
    console.info(`The lines are not kept: ${error.message}`);
  }
}

export function keptLog() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
