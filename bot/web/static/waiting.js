// What stands in an answer's place until it is there: the line, three dots, a way out, and the cards' shapes.

import { ghostCards } from "/static/cards.js";
import { make, quietButton } from "/static/dom.js";
import { waitingWords } from "/static/words.js";

const NUM_CARDS = 4;
const TICK_MS = 1000;

export class Waiting {
  #request = null;
  #toldAt = 0;
  #workers;
  #spoken = make("span", { class: "hidden-text" });
  #shown = make("span", { class: "bot-text", "aria-hidden": "true" });
  #cancel = quietButton({ label: "Cancel", classes: "cancel" });
  #timer;

  element = make("div", { class: "waiting" });

  /** `workers()` tells whether somebody answers; `onCancel` takes the request back. */
  constructor({ workers, onCancel }) {
    this.#workers = workers;
    this.#cancel.hidden = true;
    this.#cancel.addEventListener("click", onCancel);
    const typing = make("span", { class: "typing", "aria-hidden": "true" }, make("i"), make("i"), make("i"));
    const line = make("div", { class: "bot-line" }, typing, this.#shown, this.#spoken, this.#cancel);
    this.element.append(line, ghostCards(NUM_CARDS));
    this.#timer = setInterval(() => this.#show(), TICK_MS);
    this.#show();
  }

  get hasFocus() {
    return this.element.contains(document.activeElement);
  }

  update(request) {
    this.#request = request;
    this.#toldAt = performance.now();
    this.#cancel.hidden = false;
    this.element.classList.remove("is-troubled");
    this.#show();
    this.#spoken.textContent = this.#shown.textContent; // once a change, not once a second
  }

  showTrouble() {
    this.element.classList.add("is-troubled");
    this.#show();
    this.#spoken.textContent = this.#shown.textContent;
  }

  stop() {
    clearInterval(this.#timer);
  }

  #show() {
    const secondsSince = (performance.now() - this.#toldAt) / 1000;
    const isTroubled = this.element.classList.contains("is-troubled");
    this.#shown.textContent = isTroubled
      ? `Connection lost, trying again${this.#request ? "; your place is kept" : ""}…`
      : waitingWords(this.#request, { secondsSince, workers: this.#workers() });
  }
}
