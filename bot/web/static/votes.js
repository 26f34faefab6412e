// The two thumbs of one prompt: shown at once, sent in order, put back when the server did not take them.

import * as api from "/static/api.js";
import { quietButton } from "/static/dom.js";

export class Votes {
  #server; // the candidate as the server last told it
  #wanted; // the thumb that is shown
  #isSending = false;
  #buttons;
  #tell;

  /** `onShow(thumb)` is told what is shown, `onPress(thumb)` what was wished for, `onProblem(sentence)` what to say. */
  constructor(candidate, tell) {
    this.#server = candidate;
    this.#wanted = candidate.my_vote;
    this.#tell = tell;
    this.#buttons = { up: this.#button("up"), down: this.#button("down") };
    this.#show();
  }

  get elements() {
    return [this.#buttons.up, this.#buttons.down];
  }

  focus(thumb) {
    this.#buttons[thumb].focus();
  }

  #button(thumb) {
    const button = quietButton({ iconName: thumb, label: "0", classes: `thumb thumb-${thumb}` });
    button.addEventListener("click", () => this.#press(thumb));
    return button;
  }

  #press(thumb) {
    this.#wanted = this.#wanted === thumb ? null : thumb;
    this.#tell.onProblem("");
    this.#show();
    this.#tell.onPress(this.#wanted);
    this.#send();
  }

  async #send() {
    if (this.#isSending) return; // the one under way sends the latest wish when it is done
    this.#isSending = true;
    try {
      while (this.#wanted !== this.#server.my_vote) this.#server = await api.vote(this.#server.id, this.#wanted);
    } catch (error) {
      this.#wanted = this.#server.my_vote;
      this.#tell.onProblem(`Your vote was not saved. ${error.message}`);
    }
    this.#isSending = false;
    this.#show();
  }

  #show() {
    for (const [thumb, button] of Object.entries(this.#buttons)) {
      const count = this.#count(thumb);
      button.setAttribute("aria-pressed", String(this.#wanted === thumb));
      button.setAttribute("aria-label", `Thumb ${thumb} for prompt ${this.#server.rank}, ${count} so far`);
      button.lastChild.textContent = String(count);
    }
    this.#tell.onShow(this.#wanted);
  }

  #count(thumb) {
    const server = this.#server;
    return server[`votes_${thumb}`] - Number(server.my_vote === thumb) + Number(this.#wanted === thumb);
  }
}
