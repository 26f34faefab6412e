// Whether one's words and votes may teach the next model: one decision, shown by any number of switches.

import * as api from "/static/api.js";
import { Backoff } from "/static/backoff.js";

const WORDS = {
  on: "On: your ideas and thumbs may train it. Switch off at any time.",
  off: "Off: nobody trains on your words or thumbs.",
};

export class Consent {
  #isGiven = null; // null until the server said
  #switches = [];

  /** Let `box` decide, with `note` saying what that means. */
  bind(box, note) {
    this.#switches = [...this.#switches.filter((one) => one.box.isConnected), { box, note }];
    box.addEventListener("change", () => this.#set(box.checked, note));
    this.#show();
  }

  /** Learn the decision, as soon as the server can be reached. */
  async start() {
    const backoff = new Backoff();
    while (!(await this.refresh())) await backoff.wait();
  }

  async refresh() {
    try {
      this.#isGiven = (await api.consent()).is_given;
    } catch {
      return false;
    }
    this.#show();
    return true;
  }

  async #set(wanted, note) {
    const before = this.#isGiven;
    this.#isGiven = wanted;
    this.#show();
    try {
      this.#isGiven = (await api.setConsent(wanted)).is_given;
      this.#show();
    } catch (error) {
      this.#isGiven = before;
      this.#show();
      note.textContent = `Your choice was not saved. ${error.message}`;
    }
  }

  #show() {
    for (const { box, note } of this.#switches) {
      box.disabled = this.#isGiven === null;
      box.checked = this.#isGiven === true;
      note.textContent = this.#isGiven ? WORDS.on : WORDS.off;
    }
  }
}
