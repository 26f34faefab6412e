// The two thumbs of one prompt: shown at once, sent in order, put back when the server did not take them.

import * as api from "/static/api.js";
import { make, quietButton } from "/static/dom.js";

export class Votes {
  #server; // the candidate as the server last told it
  #wanted; // the thumb that is shown
  #isSending = false;
  #buttons;
  #onVote;

  note = make("p", { class: "vote-note", role: "status" });

  /** `onVote(thumb)` is told what is shown. */
  constructor(candidate, onVote) {
    this.#server = candidate;
    this.#wanted = candidate.my_vote;
    this.#onVote = onVote;
    this.#buttons = { up: this.#button("up"), down: this.#button("down") };
    this.#show();
  }

  get elements() {
    return [this.#buttons.up, this.#buttons.down];
  }

  #button(thumb) {
    const button = quietButton({ iconName: thumb, label: "0", classes: `thumb thumb-${thumb}` });
    button.addEventListener("click", () => this.#press(thumb));
    return button;
  }

  #press(thumb) {
    this.#wanted = this.#wanted === thumb ? null : thumb;
    this.note.textContent = "";
    this.#show();
    this.#send();
  }

  async #send() {
    if (this.#isSending) return; // the one under way sends the latest wish when it is done
    this.#isSending = true;
    try {
      while (this.#wanted !== this.#server.my_vote) this.#server = await api.vote(this.#server.id, this.#wanted);
    } catch (error) {
      this.#wanted = this.#server.my_vote;
      this.note.textContent = `Your vote was not saved. ${error.message}`;
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
    this.#onVote(this.#wanted);
  }

  #count(thumb) {
    const server = this.#server;
    return server[`votes_${thumb}`] - Number(server.my_vote === thumb) + Number(this.#wanted === thumb);
  }
}
