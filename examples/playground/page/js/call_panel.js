// SPDX-License-Identifier: MIT
// One call: what each contender answers, and for one of them the command, the reply and the HTTP fields.

import { byId, make, setText } from "./dom.js";
import {
  commandText,
  holdText,
  instantText,
  lengthText,
  millisecondsText,
  outcomeText,
  replyText,
  responseText,
  wordsOfCall,
} from "./text.js";

export class CallPanel {
  #onChoice;

  /** `onChoice(i)` is called when the user chooses contender i. */
  constructor(onChoice) {
    this.#onChoice = onChoice;
  }

  /** Shows call `index` of the traffic; none if it is -1. `replyOf()` is the chosen contender's reply in full. */
  show({ contenders, chosen, traffic, index, options, replyOf }) {
    const call = traffic.calls[index];
    const isShown = call !== undefined && contenders.length > 0;
    byId("call-details").hidden = !isShown;
    if (!isShown) return setText(byId("call-about"), "No call has come yet.");
    const subject = traffic.subjects[call.subject];
    const after = lengthText(Number(call.at - traffic.start) / 1e9);
    const count = `Call ${index + 1} of ${traffic.calls.length}`;
    setText(byId("call-about"), `${count}: ${subject}, cost ${call.cost}, after ${after} (${instantText(call.at)}).`);
    this.#showAnswers(contenders, chosen, index, call);
    const reply = replyOf();
    const words = wordsOfCall(contenders[chosen], call, subject, options, reply.id);
    setText(byId("asked"), commandText(words));
    setText(byId("reply"), replyText(reply, contenders[chosen].haveLeases));
    setText(byId("response"), responseText(reply));
    setText(byId("hold"), holdText(reply));
  }

  /** Rows are kept where they can be, so that the focus stays. */
  #showAnswers(contenders, chosen, index, call) {
    const body = byId("answers").tBodies[0];
    while (body.rows.length < contenders.length) body.append(this.#row(body.rows.length));
    while (body.rows.length > contenders.length) body.lastElementChild.remove();
    contenders.forEach(({ text, result }, i) => {
      const [head, outcome, remaining, reset] = body.rows[i].cells;
      const reply = result.replies[index];
      head.querySelector("input").checked = i === chosen;
      setText(head.querySelector("span"), text);
      setText(outcome, outcomeText(reply, call.cost));
      outcome.className = reply.outcome;
      setText(remaining, reply.remaining.toLocaleString("en"));
      setText(reset, millisecondsText(reply.resetMs));
    });
  }

  #row(i) {
    const input = make("input", { type: "radio", name: "contender", onchange: () => this.#onChoice(i) });
    const head = make("th", { scope: "row" }, make("label", {}, input, make("span")));
    return make("tr", {}, head, make("td"), make("td"), make("td"));
  }
}
